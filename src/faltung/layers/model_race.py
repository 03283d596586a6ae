"""Is a model as fast with these layers as with torch's? A layer that wins alone may lose among others.

Alone, a layer finds its input and its weights in the cache, and its result is not read by anybody. So the whole model
is timed too, with the layers that gained most; those that gain less are left to torch if it is slower with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from faltung.layers.measuring import gain_of
from faltung.layers.rehearsal import LayerCall, arguments_of, preserved
from faltung.tensors.layer_race import learn_a_bit, seconds_in_turn

__all__ = ["settle"]


def settle(model: nn.Module, example: Any, calls: list[LayerCall]) -> int:
    """Leave layers to torch until the model is as fast as with torch's layers; return how many were left.

    Parameters
    ----------
    model : torch.nn.Module
        The model, whose layers were measured.
    example : Any
        Its input, as for `faltung.layers.convert`.
    calls : list of LayerCall
        What the model asks of its layers.
    """
    gains: dict[nn.Module, float] = {}
    for call in calls:
        gains[call.layer] = gains.get(call.layer, 0.0) + gain_of(call)
    ours = [layer for layer in sorted(gains, key=gains.__getitem__, reverse=True) if gains[layer] > 0]
    kept = len(ours)
    with preserved(model):
        while kept and not _is_as_fast(model, example, ours, ours[:kept], calls[0].device):
            kept //= 2
    for layer in ours[kept:]:
        layer.method = "torch"  # type: ignore[assignment]
    return len(ours) - kept


def _is_as_fast(
    model: nn.Module, example: Any, layers: Collection[nn.Module], kept: Collection[nn.Module], device: torch.device
) -> bool:
    """Whether a model is as fast with some of its layers planned as with all of them left to torch."""
    run, steps = _step(model, example), itertools.count()
    learning = _learning(layers)

    def with_planned(planned: Collection[nn.Module]) -> Callable[[], object]:
        left = [vars(layer) for layer in layers if layer not in {*planned}]

        def call() -> None:
            for attributes in left:
                attributes["method"] = "torch"
                attributes.pop("_known", None)  # who computes inputs depends on the method
            learn_a_bit(learning)
            next(steps)
            try:
                run()
            finally:
                for attributes in left:
                    del attributes["method"]
                    attributes.pop("_known", None)

        return call

    try:
        seconds = seconds_in_turn({"torch": with_planned([]), "planned": with_planned(kept)}, "torch", device)
    finally:
        if next(steps) % 2:
            learn_a_bit(learning)
    return seconds["planned"] <= seconds["torch"]


def _learning(layers: Collection[nn.Module]) -> list[torch.Tensor]:
    """Return the weights of layers that a step of training would change."""
    weights = dict.fromkeys(layer._parameters.get("weight") for layer in layers)
    return [w for w in weights if w is not None and w.requires_grad] if torch.is_grad_enabled() else []


def _step(model: nn.Module, example: Any) -> Callable[[], object]:
    """Return a call of a model, with gradients if these are asked for."""
    arguments, named = arguments_of(example)
    inputs = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, torch.Tensor)]
    wanted = [tensor for tensor in (*inputs, *model.parameters()) if tensor.requires_grad]

    def step() -> object:
        result = model(*arguments, **named)
        if not (torch.is_grad_enabled() and wanted):
            return result
        leaves = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
        return torch.autograd.grad([leaf.sum() for leaf in leaves], wanted, allow_unused=True) if leaves else result

    return step
