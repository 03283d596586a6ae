"""What do all plans have in common? Candidates, an error bound; they are called, printed and pickled alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.ground.notebook import html_table
from faltung.planning.call_axes import extends_over_channels
from faltung.planning.report import Row, table, time_text

__all__ = ["PLAN_BYTES", "Candidate", "Planned", "check_method_name", "choose", "chosen_first", "rounding_of_store"]


#: Bytes that a plan keeps for a kernel and for each of its taps: about the most that was measured.
PLAN_BYTES, TAP_BYTES = 1 << 14, 64


@dataclass(frozen=True)
class Candidate:
    """One method that was considered.

    Parameters
    ----------
    method : str
        Its name: that of an engine, or of a way to combine engines.
    engines : tuple of str
        The engine of each step.
    seconds : float
        Predicted time on one core; infinite if it is impossible.
    reason : str
        The reason why it was not chosen; empty for the chosen one.
    """

    method: str
    engines: tuple[str, ...]
    seconds: float
    reason: str = ""


def chosen_first(chosen: Candidate, others: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return all candidates, the chosen one first; each of the others says why it was not chosen.

    Examples
    --------
    >>> chosen_first(Candidate("direct", (), 1.0), [Candidate("fourier", (), 3.0)])[1].reason
    '3.00 times the predicted time'
    """
    best = max(chosen.seconds, 1e-9)  # an empty array takes no time
    rejected = [
        replace(other, reason=other.reason or f"{other.seconds / best:.2f} times the predicted time")
        for other in others
        if other is not chosen
    ]
    return (chosen, *rejected)


def choose(
    candidates: Sequence[Candidate], method: str = "auto", expected: str = "a method"
) -> tuple[Candidate, ...]:
    """Choose the candidate with the least predicted time, or the one that was asked for by name.

    Parameters
    ----------
    candidates : sequence of Candidate
        All candidates.
    method : str
        The name of one of them, or ``auto``.
    expected : str
        What `method` should be, for the error message.

    Returns
    -------
    tuple of Candidate
        All candidates, the chosen one first.

    Raises
    ------
    ArgumentError
        The method that was asked for is impossible.
    """
    ordered = sorted(candidates, key=lambda candidate: candidate.seconds)
    chosen = ordered[0] if method == "auto" else next(one for one in ordered if one.method == method)
    if chosen.reason:
        raise ArgumentError(
            "method", f"{expected} that supports this", repr(method), f"It does not: {chosen.reason}."
        )
    return chosen_first(chosen, ordered)


#: How other libraries name a method.
_ELSEWHERE = {
    **dict.fromkeys(("fft", "fftconvolve", "oaconvolve", "overlap-add", "overlap-save", "frequency"), "fourier"),
    **dict.fromkeys(("dense", "spatial", "sum", "naive"), "direct"),
    **dict.fromkeys(("sep", "separate", "svd"), "separable"),
    **dict.fromkeys(("box", "integral", "cumsum", "summed-area"), "running"),
}


def check_method_name(method: object, methods: Sequence[str], where: str = "") -> str:
    """Return the name of a method if it is one; the error says how a method of another library is called here.

    Examples
    --------
    >>> try:
    ...     check_method_name("fft", ("auto", "direct", "fourier"))
    ... except ArgumentError as error:
    ...     print(error)
    method: expected one of 'auto', 'direct', 'fourier', got 'fft'. Use method='fourier'.
    """
    if isinstance(method, str) and method in methods:
        return method
    here = _ELSEWHERE.get(method.lower()) if isinstance(method, str) else None
    remedy = f"Use method={here!r}." if here in methods else ""
    raise ArgumentError("method", f"one of {', '.join(map(repr, methods))}{where}", repr(method), remedy)


class Planned:
    """A plan: of a kernel, of a bank, over channels, of a tensor or of a layer.

    A plan is a frozen value. It can be called with an array of the planned shape and dtype, printed, pickled, and
    used by many threads at once.

    Attributes
    ----------
    problem : Problem or Layer
        The problem that it solves.
    candidates : tuple of Candidate
        All methods that were considered, the chosen one first.
    error : float
        Bound of the rounding error of an output, relative to the sum of abs(tap) * abs(sample) under it if
        `pointwise`, and to the sum of all abs(tap) times the largest abs(sample) if not.
        With the Fourier engine, that largest abs(sample) counts as no more than 4096 times the largest one under the
        non-zero taps of the output, unless samples are integers of up to 16 bits.
    pointwise : bool
        The scale that `error` is relative to.
    memory : int
        Bytes of scratch for each worker, approximately.
    result_shape : tuple of int
        Shape of the result.
    """

    if TYPE_CHECKING:  # fields of some plans, properties of others

        @property
        def problem(self) -> Any: ...  # noqa: D102
        @property
        def candidates(self) -> tuple[Candidate, ...]: ...  # noqa: D102
        @property
        def error(self) -> float: ...  # noqa: D102
        @property
        def pointwise(self) -> bool: ...  # noqa: D102
        @property
        def memory(self) -> int: ...  # noqa: D102
        @property
        def result_shape(self) -> tuple[int, ...]: ...  # noqa: D102

    # Checks the arguments of a call and runs the plan. It is set by `faltung.run.entry`, on a higher floor.
    execute: ClassVar[Callable[[Any, Any, Any, int | None, Any, Any], Any]]
    # Makes the runner of a plan: its machine code and tables. It is set by the same module.
    make_runner: ClassVar[Callable[[Any], Any]]
    # Checks and filters small arrays like the one before, all in machine code.
    ready: Any = None

    def __call__(
        self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None, weights: Any = None
    ) -> Any:
        """Run the plan on an array of the planned shape and dtype.

        Parameters
        ----------
        x : array_like
            The input.
        out : ndarray, optional
            Where to write the result; it may overlap `x`.
        workers : int, optional
            Number of threads.
        mask : array_like of bool, optional
            True where a sample is valid; for a plan that was made with a mask.
        weights : array_like, optional
            Weights of samples, from 0 to 1; for a plan that was made with weights.

        Returns
        -------
        ndarray
            The result, which is `out` if that was given.
        """
        return Planned.execute(self, x, out, workers, mask, weights)

    @lazy
    def runner(self) -> Any:
        """What runs the plan; it is kept as long as the plan is."""
        # It gets a copy: if plan and runner referred to each other, memory would wait for the garbage collector.
        copy = object.__new__(type(self))
        vars(copy).update(vars(self))
        return type(self).make_runner(copy)

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, approximately: taps in several forms, tables and spectra."""
        return self._bytes_for(1) + self.memory

    def _bytes_for(self, kernels: int) -> int:
        return kernels * (PLAN_BYTES + TAP_BYTES * int(math.prod(self.problem.kernel.shape)))

    @lazy
    def over_channels(self) -> bool:
        """Whether the kernel extends over an axis that looks like colours or channels."""
        return extends_over_channels(self.problem.shape, self.problem.axes)

    def keep_ready(self, runner: Any) -> None:
        """After the second call, let arrays like the one before take a shorter way; many plans are called once."""
        known = vars(self)
        known["ready"] = runner.ready if "ready" in known else None

    @property
    def method(self) -> str:
        """The method that was chosen."""
        return self.candidates[0].method

    @property
    def seconds(self) -> float:
        """Predicted time on one core."""
        return self.candidates[0].seconds

    @property
    def rejected(self) -> tuple[Candidate, ...]:
        """The candidates that are printed below the rows."""
        return self.candidates[1:]

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the plan as a table."""
        with np.errstate(all="ignore"):
            return table(self.rows(), self.rejected)

    def _repr_html_(self) -> str:
        rejected = [(one.method, time_text(one.seconds), one.reason) for one in self.rejected]
        considered = html_table(rejected, ("also considered", "predicted", "not chosen because")) if rejected else ""
        with np.errstate(all="ignore"):
            return html_table(self.rows(), caption=type(self).__name__) + considered

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two plans equal: all fields."""
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash((type(self), self.result_shape, self.method))

    def __getstate__(self) -> dict[str, Any]:
        # Machine code, and everything else that is derived from the fields, is made again when it is needed.
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def rounding_of_store(result: np.dtype[Any], number: np.dtype[Any]) -> float:
    """Return the relative error of rounding the number computed with to a narrower float, that of the result."""
    if result.kind not in "fc" or np.finfo(result).eps <= np.finfo(number).eps:
        return 0.0
    return float(np.finfo(result).eps) / 2
