"""Which samples does a block of outputs need, and what computes it from them? The same for dask, files and streams.

The samples that a block needs are a range of positions along each axis, or two ranges where the array wraps around.
Put together they are a small array, of which a `Question` of its own is asked: the border of the small array is the
border of the whole one where an output reaches beyond it, and no output reaches beyond any other. So every block is
filtered as any array in memory, and blocks of equal shape share a plan.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.extended import Region
from faltung.ground.lazy import lazy
from faltung.kernels import Bank
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.kept import plan_for
from faltung.planning.missing_rule import MissingRule
from faltung.planning.planned import Planned
from faltung.planning.question import Question
from faltung.run.entry import execute
from faltung.run.validity import keep_missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BlockRun", "OutputBlock", "OutputBlocks", "Spans"]

Spans: TypeAlias = tuple[tuple[tuple[int, int], ...], ...]
"""For each axis of an array: one or two ranges (start, stop) of positions."""


@dataclass(frozen=True)
class BlockRun:
    """Computes blocks of outputs from the samples that they need; it can be pickled, and it knows no positions.

    Parameters
    ----------
    plan : Planned
        What runs.
    kept : MissingRule, optional
        The rule by which outputs at the positions of missing samples are NaN.
    own : tuple of (int, int)
        Where the positions of the outputs are among the samples, if there is such a rule.
    channels : tuple of int, optional
        Axis of the result, and start and stop of the channels that are wanted, if more are computed.
    """

    plan: Planned
    kept: MissingRule | None = None
    own: Region = ()
    channels: tuple[int, int, int] | None = None

    def __call__(
        self, samples: NDArray[Any], valid: NDArray[Any] | None = None, workers: int | None = 1
    ) -> NDArray[Any]:
        """Return the outputs.

        Parameters
        ----------
        samples : ndarray
            The samples of the block, put together.
        valid : ndarray, optional
            Mask or weights of these samples, if the question has them.
        workers : int, optional
            Number of threads; the result does not depend on it.
        """
        graded = self.plan.problem.missing.graded
        beside = (None, valid) if graded else (valid, None)
        result = execute(self.plan, samples, None, workers, *beside)
        if self.kept is not None:
            own = tuple(slice(*bounds) for bounds in self.own)
            keep_missing(self.kept, samples[own], result, None if valid is None else valid[own])
        if self.channels is not None:
            axis, start, stop = self.channels
            result = np.ascontiguousarray(result[(slice(None),) * axis + (slice(start, stop),)])
        return result


class OutputBlock(NamedTuple):
    """A block of outputs.

    Parameters
    ----------
    spans : tuple
        For each axis of the array, the ranges of positions that the block needs: one, or two where it wraps around.
    run : BlockRun
        What computes the block from the samples in these ranges, put together in this order along each axis.
    """

    spans: Spans
    run: BlockRun

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the samples that it needs."""
        return tuple(sum(stop - start for start, stop in ranges) for ranges in self.spans)

    def gather(self, read: Callable[[tuple[slice, ...]], Any]) -> NDArray[Any]:
        """Return the samples that the block needs, put together.

        Parameters
        ----------
        read : callable
            Returns the samples in a slice for each axis of the array. It is called once, or once for each part of a
            block that wraps around; samples of the array, its mask and its weights are gathered in the same way.
        """
        if all(len(ranges) == 1 for ranges in self.spans):
            samples: NDArray[Any] = np.asarray(read(tuple(slice(*ranges[0]) for ranges in self.spans)))
            return samples
        gathered: NDArray[Any] | None = None
        for parts in itertools.product(*map(_placed, self.spans)):
            part = np.asarray(read(tuple(slice(*bounds) for _, bounds in parts)))
            gathered = np.empty(self.shape, part.dtype) if gathered is None else gathered
            gathered[tuple(place for place, _ in parts)] = part
        assert gathered is not None, "there is always a part"
        return gathered


class OutputBlocks:
    """The blocks of outputs of one question.

    Parameters
    ----------
    question : Question
        What is asked of the whole array.
    plan : callable, optional
        Makes the plan for blocks of one kind, from the question that is asked of their samples.

    Examples
    --------
    The second half of a signal, from the samples that it needs:

    >>> from faltung.planning.question import Options, question_of
    >>> x = np.arange(10.0)
    >>> question = question_of(x.shape, x.dtype, [1, 1, 1, 1, 1], Options(True, "wrap"))
    >>> block = OutputBlocks(question).block(((5, 10),))
    >>> block.spans
    (((3, 10), (0, 2)),)
    >>> block.run(block.gather(lambda index: x[index]))
    array([25., 30., 35., 30., 25.])
    """

    def __init__(self, question: Question, plan: Callable[[Question], Planned] = plan_for) -> None:
        self.question, self._plan = question, plan
        self._runs: dict[tuple[Any, ...], BlockRun] = {}

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the whole result."""
        return ChannelPlan(self.question).result_shape

    @lazy
    def axes(self) -> tuple[int | None, ...]:
        """For each axis of the result, that of the array; None for the new axis of a bank."""
        places: list[int | None] = [*range(len(self.question.shape))]
        return (None, *places) if self.question.new_axis else tuple(places)

    @lazy
    def support(self) -> tuple[tuple[int, int], ...]:
        """For each axis of the kernel: the first and the last position that an output needs, from its own."""
        kernel = self.question.problem.correlated
        lags = [(-at, size - 1 - at) for size, at in zip(kernel.shape, kernel.origin, strict=True)]
        if self.question.missing.keep_nan:  # an output then needs the sample at its own position
            lags = [(min(low, 0), max(high, 0)) for low, high in lags]
        return tuple(lags)

    def block(self, bounds: Sequence[tuple[int, int]]) -> OutputBlock:
        """Return a block of outputs.

        Parameters
        ----------
        bounds : sequence of (int, int)
            Start and stop of the outputs on each axis of the result.

        Raises
        ------
        ArgumentError
            The bounds are not inside the result, or the question has no plan.
        """
        self._check(bounds)
        question = self.question
        spatial = {axis: k for k, axis in enumerate(question.axes)}
        spans: list[tuple[tuple[int, int], ...]] = [((0, length),) for length in question.shape]
        regions: list[tuple[int, int]] = [(0, 0)] * len(question.axes)
        rows = None
        for axis, (start, stop) in zip(self.axes, bounds, strict=True):
            if axis is None:
                rows = self._rows(start, stop)
            elif axis == question.channel_axis:
                rows = self._rows(start, stop)
                spans[axis] = (rows.channels_in,)
            elif axis in spatial:
                spans[axis], regions[spatial[axis]] = self._needed(spatial[axis], start, stop)
            else:
                spans[axis] = ((start, stop),)
        shape = tuple(sum(stop - start for start, stop in ranges) for ranges in spans)
        key = (shape, *regions, rows)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = self._run(shape, tuple(regions), rows)
        return OutputBlock(tuple(spans), run)

    def _check(self, bounds: Sequence[tuple[int, int]]) -> None:
        inside = len(bounds) == len(self.result_shape) and all(
            0 <= start <= stop <= length for (start, stop), length in zip(bounds, self.result_shape, strict=True)
        )
        if not inside:
            expected = f"start and stop on each axis, inside a result of shape {self.result_shape}"
            raise ArgumentError("bounds", expected, f"{tuple(bounds)}")

    def _rows(self, start: int, stop: int) -> _Channels:
        """Return the channels in that some channels out need; of several groups, all channels of each."""
        question, bank = self.question, self.question.bank
        if start == stop:  # one channel is computed, and none of it wanted
            start = stop = 0
        ins, outs = bank.in_channels, bank.out_channels // question.groups
        if question.groups == 1:
            return _Channels((start, max(stop, start + 1)), (start, stop), (0, ins), 1)
        first, last = start // outs, max(-(-stop // outs), start // outs + 1)
        return _Channels((first * outs, last * outs), (start, stop), (first * ins, last * ins), last - first)

    def _needed(self, k: int, start: int, stop: int) -> tuple[tuple[tuple[int, int], ...], tuple[int, int]]:
        """Return the ranges that outputs need along an axis of the kernel, and their region in what these hold."""
        question = self.question
        length, step, (low, high) = question.shape[question.axes[k]], question.stride[k], self.support[k]
        if start == stop:
            return ((0, min(length, 1)),), (0, 0)
        first = question.regions[k][0] + start * step
        last = first + (stop - 1 - start) * step
        up = question.up[k]
        begin, end = -(-(first + low) // up), (last + high) // up + 1
        spans, shift = _spans(question.modes[k], length, min(begin, end - 1), end)
        return spans, (first - shift * up, last + 1 - shift * up)

    def _run(self, shape: tuple[int, ...], regions: Region, rows: _Channels | None) -> BlockRun:
        question = self.question
        asked = replace(question, shape=shape, regions=regions)
        channels: tuple[int, int, int] | None = None
        if rows is not None:
            asked = replace(asked, kernel=_rows_of(question.bank, rows.computed), groups=rows.groups)
            if rows.computed != rows.wanted:
                axis = 0 if question.channel_axis is None else question.channel_axis
                start, stop = rows.wanted
                channels = (axis, start - rows.computed[0], stop - rows.computed[0])
        if not question.missing.keep_nan:
            return BlockRun(self._plan(asked), channels=channels)
        own = [(0, length) for length in shape]
        for axis, region in zip(question.axes, regions, strict=True):
            own[axis] = region
        plan = self._plan(replace(asked, missing=question.missing._replace(keep_nan=False)))
        return BlockRun(plan, question.missing, tuple(own), channels)


class _Channels(NamedTuple):
    """Channels out that are computed and wanted, the channels in that they need, and the number of their groups."""

    computed: tuple[int, int]
    wanted: tuple[int, int]
    channels_in: tuple[int, int]
    groups: int


def _rows_of(bank: Bank, rows: tuple[int, int]) -> Bank:
    """Return some channels out of a bank, whose kernels keep their expressions."""
    start, stop = rows
    if stop - start == bank.out_channels:
        return bank
    return Bank.stack([[bank[o, i] for i in range(bank.in_channels)] for o in range(start, stop)])


def _placed(ranges: tuple[tuple[int, int], ...]) -> list[tuple[slice, tuple[int, int]]]:
    """Return the ranges along an axis, each with its place among the samples that are put together."""
    placed, place = [], 0
    for start, stop in ranges:
        placed.append((slice(place, place + stop - start), (start, stop)))
        place += stop - start
    return placed


def _spans(mode: str, length: int, start: int, stop: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """Return ranges of an axis that have all samples that are read from `start` up to `stop`, which may be beyond it.

    The samples in these ranges are an axis that continues beyond its own border in the same mode, with the same
    samples at these positions less the `shift`, which is returned too.
    """
    if start >= 0 and stop <= length:
        return ((start, stop),), start
    if mode == "wrap":
        first = start % length
        if stop - start >= length:
            return ((0, length),), 0
        if first + stop - start <= length:
            return ((first, first + stop - start),), start
        return ((first, length), (0, first + stop - start - length)), start
    low, high = max(start, 0), min(stop, length)
    if mode in ("constant", "nearest"):
        low, high = min(low, length - 1), max(high, 1)  # at least the sample at the border
        return ((low, high),), low
    own = mode == "mirror"  # the sample at the border itself is not repeated
    if start < 0:
        high = max(high, own - start)
    if stop > length:
        low = min(low, 2 * length - stop - own)
    if low < 0 or high > length or (start < 0 and stop > length):
        return ((0, length),), 0
    return ((low, high),), low
