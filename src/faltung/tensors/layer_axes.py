"""Where are the axes of a layer in a tensor, and what are its taps? Both are brought into the order of layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.question import Question
from faltung.tensors.recording import constant_for

__all__ = ["in_order", "in_place", "taps_of"]


def in_order(plan: ChannelPlan, x: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Return a tensor as (images, channels, *spatial), and the order of its axes in that."""
    spatial = [*plan.problem.axes]
    channel = [] if plan.channel_axis is None else [plan.channel_axis]
    order = [*plan.batch, *channel, *spatial]
    moved = x.permute(order)
    if not channel:
        moved = moved.unsqueeze(len(plan.batch))
    images = math.prod(x.shape[axis] for axis in plan.batch)
    return moved.reshape(images, *moved.shape[len(plan.batch) :]), order


def in_place(plan: ChannelPlan, y: torch.Tensor, x: torch.Tensor, order: list[int]) -> torch.Tensor:
    """Put the axes of a result where those of the samples were."""
    y = y.reshape(*(x.shape[axis] for axis in plan.batch), *y.shape[1:])
    if plan.channel_axis is not None:
        return y.permute(np.argsort(order).tolist())
    y = y.movedim(len(plan.batch), 0)  # channels out come first
    y = y.permute([0, *(place + 1 for place in np.argsort(order).tolist())])
    return y if plan.new_axis else y.squeeze(0)


def taps_of(kernel: Any, question: Question, x: torch.Tensor) -> torch.Tensor:
    """Return what a layer correlates with, as (channels out, channels in of a group, *spatial), for samples `x`."""
    if not isinstance(kernel, torch.Tensor):
        return constant_for(x, (kernel.flip() if question.reflected else kernel).taps)
    taps = (kernel[None, None] if question.channel_axis is None else kernel).to(x)
    return taps.flip([*range(2, taps.ndim)]) if question.reflected else taps
