"""What will run for a bank over channels, a stride or a dilation? All kernels at once, or one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.kernels import Bank
from faltung.kernels.dilated import dilated
from faltung.planning.cost import Machine, layer_seconds, winograd_seconds
from faltung.planning.layer import Axis, Layer
from faltung.planning.layer_tiles import gathered_bytes
from faltung.planning.machine import current
from faltung.planning.planned import (
    PLAN_BYTES,
    Candidate,
    Planned,
    check_method_name,
    choose,
    rounding_of_store,
)
from faltung.planning.planner import METHODS, Plan, make_plan
from faltung.planning.problem import Problem
from faltung.planning.question import Question
from faltung.planning.rate_passes import SCRATCH, RatePasses, passes_candidate, passes_of
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, time_text
from faltung.planning.tile_choice import TILE_BYTES, direct_error, nbytes, refusal, tile_for, tiled_error
from faltung.planning.whole import WholeRows, whole_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CHANNEL_METHODS", "ChannelPlan", "check_missing", "make_channel_plan"]

#: Values of ``method=`` for a bank over channels.
CHANNEL_METHODS = (*METHODS, "apart", "winograd", "polyphase")
#: Most spatial axes of the machine code for channels.
MOST_AXES = 3
#: Times that a number moves through memory when the results of two kernels are added.
_ADDED = 3.0


@dataclass(frozen=True, eq=False)
class ChannelPlan(Planned):
    """The plan of a bank over channels, or of a filter with a stride or a dilation.

    Parameters
    ----------
    question : Question
        The question that it answers.
    candidates : tuple of Candidate
        All methods, the chosen one first: ``direct``, channels are added up in registers; ``winograd``, the same with
        fewer multiplications, for 3 x 3 kernels; ``polyphase``, a pass along each axis of an outer product;
        ``apart``, each kernel is applied by itself.
    single : str
        The method for a kernel by itself.
    tile : int
        Outputs of a tile of ``winograd``, along each axis.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> run = fa.plan((3, 64, 64), fa.Bank(np.ones((8, 3, 5, 5))), channel_axis=0, stride=2)
    >>> run.method, run(np.ones((3, 64, 64), dtype="float32")).shape
    ('direct', (8, 32, 32))
    """

    question: Question
    candidates: tuple[Candidate, ...] = ()
    single: str = "auto"
    tile: int = 0

    @property
    def problem(self) -> Problem:
        """The problem of a kernel that covers all taps, with the zeros of the dilation between them."""
        return self.question.problem

    @property
    def bank(self) -> Bank:
        """The kernels, as they were passed."""
        return self.question.bank

    @property
    def channel_axis(self) -> int | None:
        """The axis of the array for channels in; None for a single channel without an axis."""
        return self.question.channel_axis

    @property
    def new_axis(self) -> bool:
        """Whether the result has a new first axis for channels out."""
        return self.question.new_axis

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        shape = [*self.problem.shape]
        for axis, (start, stop), step in zip(
            self.problem.axes, self.problem.regions, self.question.stride, strict=True
        ):
            shape[axis] = -(-(stop - start) // step)
        if self.channel_axis is not None:
            shape[self.channel_axis] = self.bank.out_channels
        return (self.bank.out_channels, *shape) if self.new_axis else tuple(shape)

    @lazy
    def batch(self) -> tuple[int, ...]:
        """Axes of the array that are neither spatial nor for channels."""
        taken = {*self.problem.axes, self.channel_axis}
        return tuple(axis for axis in range(len(self.problem.shape)) if axis not in taken)

    @lazy
    def correlated(self) -> Bank:
        """The bank that the array is correlated with."""
        return self.bank.flip() if self.problem.reflected else self.bank

    @lazy
    def layer(self) -> Layer:
        """The layer that the machine code for channels computes."""
        problem = self.problem
        places = zip(problem.axes, problem.regions, self.bank.shape, self.correlated.origin, strict=True)
        axes = tuple(
            Axis(
                length=problem.shape[axis],
                size=size,
                start=first - origin * dilation,
                outputs=-(-(stop - first) // stride),
                stride=stride,
                dilation=dilation,
                mode=mode,
            )
            for (axis, (first, stop), size, origin), stride, dilation, mode in zip(
                places, self.question.stride, self.question.dilation, problem.modes, strict=True
            )
        )
        return Layer(
            images=math.prod(problem.shape[axis] for axis in self.batch),
            groups=self.question.groups,
            ins=self.bank.in_channels,
            outs=self.bank.out_channels // self.question.groups,
            axes=axes,
            cval=float(problem.cval.real),
        )

    @lazy
    def passes(self) -> RatePasses | str:
        """The passes of a filter with a stride, or the reason why there are none."""
        return passes_of(self.question) if self.layer.strided else "the stride is 1"

    @lazy
    def whole(self) -> WholeRows | None:
        """The taps as whole numbers over divisors, if samples and results are integers."""
        problem = self.problem
        if not (problem.dtype.kind in "biu" and problem.result.kind in "iu" and self.bank.dtype.kind != "c"):
            return None
        return whole_rows(self.correlated.taps, problem.range_of_samples, problem.number)

    @lazy
    def taps(self) -> NDArray[np.floating[Any]]:
        """The taps that the array is correlated with, in the number computed with."""
        return np.ascontiguousarray(self.correlated.taps, self.problem.number)

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says, as in `Plan`."""
        eps = float(np.finfo(self.problem.number).eps)
        if self.method == "direct":
            error = direct_error(self.layer, self.problem.number)
        elif isinstance(self.passes, RatePasses) and self.method == "polyphase":
            error = self.passes.error
        elif self.method == "winograd":
            error = tiled_error(self.layer, self.problem.number, self.tile, self.taps)
        else:  # the bound is that of the worst kernel; results are then added up over the channels in
            ins = self.bank.in_channels
            error = max(plan.error for plan in self._all_alone())
            error = (1 + error) * (1 + ins * eps) - 1 if ins > 1 else error
        return (1 + error) * (1 + rounding_of_store(self.problem.result, self.problem.number)) - 1

    @lazy
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        if self.method in ("direct", "winograd", "polyphase"):
            return self.method != "winograd"
        return all(plan.pointwise for plan in self._all_alone())

    @lazy
    def memory(self) -> int:
        """Bytes of scratch for each worker, approximately."""
        if self.method == "direct":
            return gathered_bytes(self.layer, self.problem.number)
        if self.method == "winograd":
            return TILE_BYTES + nbytes(self.layer, self.problem.number, self.tile)
        if self.method == "polyphase":
            return SCRATCH
        first = self.alone(0, 0)
        return first.memory + (math.prod(first.result_shape) * first.problem.result.itemsize if self._adds else 0)

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, approximately."""
        kernels = self.bank.in_channels * self.bank.out_channels
        if self.method == "direct":  # one table for all kernels, and their taps in double and single precision
            return PLAN_BYTES + 16 * kernels * math.prod(self.bank.shape) + self.memory
        return self._bytes_for(kernels) + kernels * self.memory

    @property
    def _adds(self) -> bool:
        """Whether a whole result is kept beside the output: to add another one to it, or to skip outputs."""
        return self.bank.in_channels > 1 or any(step > 1 for step in self.question.stride)

    def _all_alone(self) -> Iterator[Plan]:
        """Plans of all kernels by themselves; they are not kept."""
        bank = self.bank
        for o in range(bank.out_channels):
            for i in range(bank.in_channels):
                yield self._alone.get((o, i)) or self._plan_alone(o, i)

    @lazy
    def _alone(self) -> dict[tuple[int, int], Plan]:
        return {}

    def alone(self, o: int, i: int) -> Plan:
        """Return the plan of one kernel by itself, at all positions, in the number computed with."""
        if (o, i) not in self._alone:
            self._alone[o, i] = self._plan_alone(o, i)  # kept, with its machine code
        return self._alone[o, i]

    def _plan_alone(self, o: int, i: int) -> Plan:
        problem = self.problem
        shape = [*problem.shape]
        axes = problem.axes
        if self.channel_axis is not None:
            del shape[self.channel_axis]
            axes = tuple(axis - (axis > self.channel_axis) for axis in axes)
        complex_ = problem.dtype.kind == "c" or self.bank.dtype.kind == "c"
        number = np.result_type(problem.number, np.complex64) if complex_ else problem.number
        if self.whole:  # sums over channels are then exact, up to errors far below one half
            number = np.dtype(np.float64)
        result = problem.result if self.bank.in_channels == 1 else number
        kernel = dilated(self.bank[o, i], self.question.dilation)
        return make_plan(
            replace(problem, shape=tuple(shape), kernel=kernel, axes=axes, result=np.dtype(result)),
            self.single,
            current(),
        )

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem, layer, chosen = self.problem, self.layer, self.candidates[0]
        text = {
            "direct": "channels in and out blocked in registers",
            "winograd": f"tiles of {self.tile} x {self.tile} outputs, by {(self.tile + 2) ** 2} products each",
            "polyphase": "a pass along each axis",
            "apart": f"kernel by kernel, {' and '.join(chosen.engines)}",
        }
        return [
            (problem.kernel_row[0], f"{layer.taps_text}, {layer.steps_text}"),
            problem.input_row,
            ("output", f"{shape_text(self.result_shape)} {problem.result}, computed in {problem.number}"),
            ("method", f"{self.method}: {text[self.method]}"),
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} of scratch a worker"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]


def make_channel_plan(question: Question, machine: Machine) -> ChannelPlan:
    """Choose the method with the least predicted time, or take the one that was asked for.

    Raises
    ------
    ArgumentError
        `question.method` is no name of a method, or that of one that does not support this question; or samples may
        be missing, and several channels are added up.
    """
    method = question.method
    check_method_name(method, CHANNEL_METHODS)
    check_missing(question)
    together = ("direct", "winograd", "polyphase")
    plan = ChannelPlan(question, single="auto" if method in ("apart", *together) else method)
    wanted = method if method in ("auto", *together) else "apart"
    tiled, tile = _tiled(plan, machine)
    passes = passes_candidate(plan.passes, question, machine)
    options = [_direct(plan, machine), tiled, passes, _apart(plan, machine)]
    return replace(plan, candidates=choose(options, wanted, "a method"), tile=tile)


def check_missing(question: Question) -> None:
    """Refuse sums over channels of which some may be missing: there is no weight that all of them share."""
    channels = question.bank.in_channels
    if channels == 1 or not question.missing.applies:
        return
    raise ArgumentError(
        "kernel",
        "a bank with one channel in where samples may be missing",
        f"one that adds up {channels} channels, each of which may miss other samples",
        "Fill in the missing samples first, or pass a Kernel, which filters every channel by itself.",
    )


def _direct(plan: ChannelPlan, machine: Machine) -> Candidate:
    problem, layer = plan.problem, plan.layer
    if reason := _refusal(plan):
        return Candidate("direct", (), math.inf, reason)
    return Candidate("direct", ("direct",), layer_seconds(layer, problem.number, machine))


def _tiled(plan: ChannelPlan, machine: Machine) -> tuple[Candidate, int]:
    """Return the candidate, and the outputs of its tiles along each axis."""
    problem, layer = plan.problem, plan.layer
    reason = refusal(layer, problem.number) or _refusal(plan)
    if not reason and plan.whole:
        reason = "sums of integers are exact"
    elif not reason and problem.result.kind != "f":
        reason = "the results are integers"
    elif not reason and problem.accuracy == "pointwise":
        reason = "its rounding errors are not bounded point by point"
    if reason:
        return Candidate("winograd", (), math.inf, reason), 0
    tile = tile_for(layer, problem.number, plan.taps)
    return Candidate("winograd", (), winograd_seconds(layer, tile, problem.number, machine)), tile


def _refusal(plan: ChannelPlan) -> str:
    """Return why channels cannot be added up as they are computed, or an empty string."""
    problem, layer = plan.problem, plan.layer
    reason = ""
    if problem.dtype.kind == "c" or plan.bank.dtype.kind == "c":
        reason = "a sample or a tap is complex"
    elif problem.weighted:
        reason = "samples may be missing"
    elif len(layer.axes) > MOST_AXES:
        reason = f"there are more than {MOST_AXES} spatial axes"
    elif not problem.direct:
        reason = "the result is converted when it is stored"
    return reason


def _apart(plan: ChannelPlan, machine: Machine) -> Candidate:
    one = plan.alone(0, 0)
    kernels = plan.bank.in_channels * plan.bank.out_channels
    numbers = math.prod(one.problem.result_shape)
    added = (kernels + plan.bank.out_channels) * numbers * one.problem.number.itemsize * _ADDED * machine.byte
    return Candidate("apart", one.engines, kernels * one.seconds + added)
