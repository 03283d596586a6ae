"""How is a tensor filtered with zeros between its samples? Phase by phase of the outputs, which are then interleaved.

Each phase is a correlation of a question of its own, so that gradients, devices and recorded graphs need nothing new.
Where outputs of a phase are several samples apart, neighbouring phases are channels of one bank: a layer skips the
outputs between, which a fixed kernel would compute.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from faltung.ground.bounded import Bounded
from faltung.kernels import Bank, Kernel
from faltung.kernels.phases import Phase, Phases, joint_taps
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.phases_along import axes_of_phases
from faltung.planning.question import Question
from faltung.tensors.asked import Asked

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["interleaved_phases"]

#: Most phases of a bank. All its taps have one support, so that distant phases make many zeros.
_TOGETHER = 48


class _PhaseGroup(NamedTuple):
    """Phases that are computed together.

    Parameters
    ----------
    question : Question
        Their question, with ones in the place of taps.
    taps : tuple of ndarray
        For each axis, the tap of each phase at each sample of their support; -1 where it has none.
    banked : bool
        Whether they are the channels of a bank.
    """

    question: Question
    taps: tuple[NDArray[np.int64], ...]
    banked: bool


#: The parts of recent questions, for kernels that are values and for others.
_kept: Bounded[tuple[Question, bool], list[_PhaseGroup]] = Bounded(64, 1 << 24)


def interleaved_phases(
    x: torch.Tensor, kernel: Any, asked: Asked, filter_part: Callable[[torch.Tensor, Any, Asked], torch.Tensor]
) -> torch.Tensor:
    """Return the outputs for a question with zeros between samples.

    Parameters
    ----------
    x : Tensor
        Real samples.
    kernel : Kernel, Bank or Tensor
        Real taps.
    asked : Asked
        What is asked.
    filter_part : callable
        Filters the samples as a question without zeros asks.
    """
    question = asked.question
    along = axes_of_phases(question)
    is_value = isinstance(kernel, Kernel)
    key = question, is_value
    parts = _kept.get_or_make(key, lambda: _parts(question, along, is_value), lambda made: 4096 * len(made))
    found = []
    for part in parts:
        taps = _taken(kernel, question, part)
        plan = None if isinstance(taps, Kernel) else ChannelPlan(part.question)
        y = filter_part(x, taps, asked._replace(question=part.question, plan=plan, kernel=taps))
        found += [*y.unbind(0)] if part.banked else [y]
    return _interleaved(found, question, along)


def _parts(question: Question, along: tuple[Phases, ...], is_value: bool) -> list[_PhaseGroup]:
    """Return the questions of all phases, in order; all have as many outputs as the first one."""
    counts = [
        phases.outputs(0, -(-(stop - start) // step))
        for phases, (start, stop), step in zip(along, question.regions, question.stride, strict=True)
    ]
    banked = is_value and any(phases.step > 1 for phases in along)
    together = _TOGETHER if banked else 1
    last = along[-1].phases
    groups = [last[first : first + together] for first in range(0, len(last), together)]
    found = []
    for chosen in itertools.product(*(phases.phases for phases in along[:-1]), groups):
        group: Any = chosen[-1]
        found.append(_part(question, along, [(phase,) for phase in chosen[:-1]] + [group], counts, banked))
    return found


def _part(
    question: Question, along: tuple[Phases, ...], groups: list[tuple[Phase, ...]], counts: list[int], banked: bool
) -> _PhaseGroup:
    joint = [joint_taps(group) for group in groups]
    ndim = len(joint)
    sizes = [taps.shape[1] for taps, _ in joint]
    ones: Any
    if banked:
        ones = Bank(np.ones((joint[-1][0].shape[0], 1, *sizes)), [0] * ndim)
    elif isinstance(question.kernel, Bank):
        ones = Bank(np.ones((*question.kernel.taps.shape[:2], *sizes)), [0] * ndim)
    else:
        ones = Kernel(np.ones(sizes), [0] * ndim)
    asked = replace(
        question,
        kernel=ones,
        reflected=False,
        regions=tuple(
            (sample, sample + (count - 1) * phases.step + 1)
            for (_, sample), count, phases in zip(joint, counts, along, strict=True)
        ),
        stride=tuple(phases.step for phases in along),
        up=(1,) * ndim,
        dilation=(1,) * ndim,
    )
    return _PhaseGroup(asked, tuple(taps for taps, _ in joint), banked)


def _taken(kernel: Any, question: Question, part: _PhaseGroup) -> Any:
    """Return the taps of some phases, with zeros where a phase has none."""
    ndim = len(part.taps)
    first = [along[0] for along in part.taps]
    if isinstance(kernel, torch.Tensor):
        tensor = kernel.flip([*range(kernel.ndim - ndim, kernel.ndim)]) if question.reflected else kernel
        tensor = torch.nn.functional.pad(tensor, [0, 1] * ndim)
        index: Any = (..., *(torch.from_numpy(one).to(tensor.device) for one in np.ix_(*first)))
        return tensor[index]
    taps = kernel.taps
    if question.reflected:
        taps = np.flip(taps, tuple(range(taps.ndim - ndim, taps.ndim)))
    taps = np.pad(taps, [(0, 0)] * (taps.ndim - ndim) + [(0, 1)] * ndim)
    origin = [0] * ndim
    if part.banked:
        rows = [taps[np.ix_(*first[:-1], last)] for last in part.taps[-1]]
        return Bank(np.stack(rows)[:, np.newaxis], origin)
    taken = taps[(..., *np.ix_(*first))]
    return Bank(taken, origin) if isinstance(kernel, Bank) else Kernel(taken, origin)


def _interleaved(found: list[torch.Tensor], question: Question, along: tuple[Phases, ...]) -> torch.Tensor:
    """Put the outputs of all phases in their order."""
    counts = [len(phases.phases) for phases in along]
    y = torch.stack(found).reshape(*counts, *found[0].shape)
    ndim = len(counts)
    axes = [axis + question.new_axis for axis in question.axes]
    order: list[int] = []
    for axis in range(found[0].ndim):
        order.append(ndim + axis)
        if axis in axes:
            order.append(axes.index(axis))
    shape = [*found[0].shape]
    for axis, count in zip(axes, counts, strict=True):
        shape[axis] *= count
    y = y.permute(order).reshape(shape)
    for axis, (start, stop), step in zip(axes, question.regions, question.stride, strict=True):
        y = y.narrow(axis, 0, -(-(stop - start) // step))
    return y
