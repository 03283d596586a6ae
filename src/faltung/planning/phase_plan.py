"""What will run if there are zeros between samples? Each phase of the outputs is a correlation of its own."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.kernels import Bank, Kernel
from faltung.kernels.phases import Phase, Phases
from faltung.planning.channel_plan import CHANNEL_METHODS, ChannelPlan, check_missing
from faltung.planning.cost import Machine
from faltung.planning.missing_rule import NOTHING_MISSING
from faltung.planning.phases_along import axes_of_phases
from faltung.planning.planned import Candidate, Planned, check_method_name, choose
from faltung.planning.rate_passes import SCRATCH, RatePasses, passes_candidate, passes_of
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from faltung.planning.problem import Problem
    from faltung.planning.question import Question

__all__ = ["OutputPhase", "PhasePlan", "make_phase_plan"]

#: Methods that are no methods of a phase.
_OWN = ("apart", "polyphase")
#: Trips through the cache of outputs that are written between others; and calls of machine code that take as long as
#: to begin with a phase.
_TRIPS, _CALLS = 3.0, 4.0
#: Largest factor along an axis, and most phases of which each has a plan of its own: planning takes seconds then.
_LARGEST, _MOST = 1 << 16, 1 << 14
_IN_STEPS = "Change the rate in several steps."


class OutputPhase(NamedTuple):
    """One phase of the outputs.

    Parameters
    ----------
    number : tuple of int
        Its number along each axis of the kernel.
    question : Question
        The correlation that computes its outputs.
    """

    number: tuple[int, ...]
    question: Question


@dataclass(frozen=True, eq=False)
class PhasePlan(Planned):
    """The plan of a filter with zeros between samples, of which none is multiplied.

    Parameters
    ----------
    question : Question
        The question that it answers.
    candidates : tuple of Candidate
        All methods, the chosen one first: ``polyphase``, all phases in a pass along each axis; ``apart``, each phase
        by itself.
    given : tuple of Planned
        The plans of the phases, if they are not those of arrays.

    Examples
    --------
    >>> import faltung as fa
    >>> run = fa.plan((100,), fa.binomial(4, ndim=1), up=3)
    >>> run.method, run.result_shape, len(run.phases)
    ('polyphase', (300,), 3)
    """

    question: Question
    candidates: tuple[Candidate, ...] = ()
    given: tuple[Planned, ...] = ()

    # Makes the plan of a phase. It is set by `faltung.planning.kept`, which makes plans of all kinds.
    make_part: ClassVar[Callable[[Question], Planned]]

    @property
    def problem(self) -> Problem:
        """The problem of a kernel that covers all taps."""
        return self.question.problem

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return ChannelPlan(self.question).result_shape

    @lazy
    def phases(self) -> tuple[OutputPhase, ...]:
        """The phases that have outputs, the last axis first."""
        return tuple(_output_phases(self.question))

    @lazy
    def along(self) -> tuple[Phases, ...]:
        """The phases along each axis of the kernel."""
        return axes_of_phases(self.question)

    def place(self, number: tuple[int, ...]) -> tuple[slice, ...]:
        """Return where the outputs of a phase are in the result."""
        question = self.question
        places = [slice(None)] * len(self.result_shape)
        for axis, first, phases in zip(question.axes, number, self.along, strict=True):
            places[axis + question.new_axis] = slice(first, None, len(phases.phases))
        return tuple(places)

    @lazy
    def parts(self) -> tuple[Planned, ...]:
        """The plans of the phases, in their order."""
        method = self.question.method
        own = "auto" if method in _OWN else method
        return self.given or tuple(type(self).make_part(replace(phase.question, method=own)) for phase in self.phases)

    @lazy
    def passes(self) -> RatePasses | str:
        """All phases in passes, or the reason why there are none."""
        return passes_of(self.question)

    @property
    def pointwise(self) -> bool:
        """Whether the error is relative to what is under each output."""
        return self.method == "polyphase" or all(part.pointwise for part in self.parts)

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says."""
        if self.method == "polyphase":
            return self._passes.error
        return max((part.error for part in self.parts), default=0.0)

    @property
    def _passes(self) -> RatePasses:
        assert isinstance(self.passes, RatePasses)
        return self.passes

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, approximately."""
        return sum(part.kept_bytes for part in self.parts) if self.method == "apart" else super().kept_bytes

    @lazy
    def memory(self) -> int:
        """Bytes of scratch for each worker, approximately."""
        return SCRATCH if self.method == "polyphase" else max((part.memory for part in self.parts), default=0)

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem, question = self.problem, self.question
        word = "convolve" if question.reflected else "correlate"
        steps = f"up {question.up}, stride {question.stride}"
        count = math.prod(len(phases.phases) for phases in self.along)
        how = "a pass along each axis" if self.method == "polyphase" else "each by itself"
        return [
            (word, f"{shape_text(question.kernel.shape)} taps, {steps}"),
            problem.input_row,
            ("output", f"{shape_text(self.result_shape)} {problem.result}, computed in {problem.number}"),
            ("method", f"{self.method}: {count} phases of the taps, {how}"),
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} of scratch a worker"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]


def make_phase_plan(question: Question, machine: Machine, given: tuple[Planned, ...] = ()) -> PhasePlan:
    """Return the plan of a filter with zeros between samples.

    Parameters
    ----------
    question : Question
        The question.
    machine : Machine
        The machine that times are predicted for.
    given : tuple of Planned
        The plans of the phases, if they are not those of arrays.

    Raises
    ------
    ArgumentError
        `question.method` is no name of a method, or that of one that does not support this question.
    """
    check_missing(question)
    check_method_name(question.method, CHANNEL_METHODS)
    if max(question.up) > _LARGEST:
        raise ArgumentError("up", f"at most {_LARGEST}", f"{question.up}", _IN_STEPS)
    plan = PhasePlan(question, (), given)
    if given:
        seconds = sum(part.seconds for part in given)
        return replace(plan, candidates=(Candidate("apart", given[0].candidates[0].engines, seconds),))
    together = passes_candidate(plan.passes, question, machine)
    wanted = question.method if question.method in ("auto", "polyphase") else "apart"
    count = math.prod(
        min(len(phases.phases), many) for phases, many in zip(plan.along, _counts(question), strict=True)
    )
    # Where all phases can be done together, one of them tells how long they take by themselves: there may be many.
    if not together.reason and wanted != "apart":
        first = itertools.islice(_output_phases(question), 1)
        parts = tuple(PhasePlan.make_part(replace(each.question, method="auto")) for each in first)
    elif count > _MOST:
        expected = f"at most {_MOST:,} phases of taps that are not filtered together"
        raise ArgumentError("up", expected, f"{question.up}, which makes {count:,}", _IN_STEPS)
    else:
        parts = plan.parts
    share = count / len(parts) if parts else 0.0
    numbers = _TRIPS * math.prod(plan.result_shape) * plan.problem.number.itemsize / 4
    seconds = share * sum(part.seconds + _CALLS * machine.call for part in parts) + numbers * machine.trip
    apart = Candidate("apart", parts[0].candidates[0].engines if parts else (), seconds)
    return replace(plan, candidates=choose([together, apart], wanted, "a method"))


def _counts(question: Question) -> list[int]:
    """Return the number of outputs along each axis of the kernel."""
    return [-(-(stop - start) // step) for (start, stop), step in zip(question.regions, question.stride, strict=True)]


def _output_phases(question: Question) -> Iterator[OutputPhase]:
    along, counts = axes_of_phases(question), _counts(question)
    taps = question.kernel.taps
    spatial = range(taps.ndim - len(counts), taps.ndim)
    if question.reflected:
        taps = np.flip(taps, tuple(spatial))
    for number in itertools.product(*(range(len(phases.phases)) for phases in along)):
        outputs = [phases.outputs(p, count) for phases, p, count in zip(along, number, counts, strict=True)]
        if not all(outputs):
            continue
        chosen = [phases.phases[p] for phases, p in zip(along, number, strict=True)]
        regions = tuple(
            (phase.sample, phase.sample + (count - 1) * phases.step + 1)
            for phase, count, phases in zip(chosen, outputs, along, strict=True)
        )
        yield OutputPhase(
            number,
            replace(
                question,
                kernel=_taps_of(question.kernel, taps, chosen),
                reflected=False,
                regions=regions,
                stride=tuple(phases.step for phases in along),
                up=(1,) * len(along),
                dilation=tuple(phase.dilation for phase in chosen),
                missing=question.missing if all(phase.size for phase in chosen) else NOTHING_MISSING,
            ),
        )


def _taps_of(kernel: Kernel | Bank, taps: NDArray[Any], chosen: list[Phase]) -> Kernel | Bank:
    """Return the kernel of a phase, whose origin is its first tap."""
    origin = [0] * len(chosen)
    if not all(phase.size for phase in chosen):
        taps = np.zeros((*taps.shape[: taps.ndim - len(chosen)], *[1] * len(chosen)), taps.dtype)
    else:
        index: Any = (..., *(slice(phase.first, None, phase.every) for phase in chosen))
        taps = taps[index]
    return Bank(taps, origin) if isinstance(kernel, Bank) else Kernel(taps, origin)
