"""Is a result within the error bound of its plan? The comparison with the definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fa
import shifted


@dataclass(frozen=True)
class Answer:
    """The result by the definition, and the scales of error bounds.

    `scale` is the sum of abs(tap) * abs(sample) under each output, and `largest` is the sum of all abs(tap) times the
    largest abs(sample); both are of the finite samples. `total` is the sum of all abs(tap), if there are several
    kernels: for each output that of its own.
    """

    values: NDArray[Any]
    scale: NDArray[np.float64]
    largest: float | NDArray[np.float64]
    total: NDArray[np.float64] | None = None


def _keeping_the_last(compute: Callable[..., Answer]) -> Callable[..., Answer]:
    """Several methods in turn are compared with the same answer, which takes longer than any of them."""
    last: list[Any] = []

    @wraps(compute)
    def kept(*given: Any) -> Answer:
        asked = [(x.tobytes(), x.dtype.str, x.shape) if isinstance(x, np.ndarray) else repr(x) for x in given]
        if not last or last[0] != asked:
            last[:] = asked, compute(*given)
        return last[1]

    return kept


@_keeping_the_last
def answer(
    call: str,
    x: NDArray[Any],
    taps: NDArray[Any],
    origin: Any,
    mode: str | Sequence[str],
    cval: complex,
    region: Any,
    axes: Any,
    double: bool,
) -> Answer:
    """Compute the answer in a higher precision than that of the result, which is `double` or single.

    There is one mode for all axes, or one for each axis of the kernel. A tap that is zero in the precision of the
    result has no effect.
    """
    taps = np.where(taps.astype(np.complex128 if double else np.complex64) == 0, 0, taps)
    taps, origin = shifted.along_axes(taps, origin, axes, x.ndim)
    run = getattr(shifted, call)
    sizes = np.abs(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64))
    sizes[~np.isfinite(sizes)] = 0
    if not isinstance(mode, str):
        modes = dict(zip(axes, mode, strict=True))
        mode = [modes.get(axis, "nearest") for axis in range(x.ndim)]
    outside = abs(cval) if "constant" in mode and np.isfinite(cval) else 0.0
    return Answer(
        values=run(x, taps, origin, mode, cval, region, precision=np.longdouble if double else np.float64),
        scale=run(sizes, np.abs(taps), origin, mode, outside, region, precision=np.float64),
        largest=float(np.abs(taps).sum()) * max(outside, float(sizes.max(initial=0.0))),
    )


def assert_agrees(got: NDArray[Any], answer: Answer, plan: fa.Plan, problem: object = "") -> None:
    """Check the shape, the values within the bound of the plan, and where values are not finite."""
    values = answer.values
    assert got.shape == values.shape, f"{got.shape} is not {values.shape}: {problem}"
    assert got.dtype == plan.problem.result, problem
    if not got.size:
        return
    scale = answer.scale if plan.pointwise else answer.largest
    bound = np.broadcast_to(plan.error * scale + _own_rounding(answer, plan), got.shape)
    if got.dtype.kind in "iu":
        _check_integers(got, values, bound, problem)
        return
    # Real and imaginary part are compared by themselves.
    for part in ("real", "imag") if got.dtype.kind == "c" else ("real",):
        _check_floats(getattr(got, part), getattr(values, part), bound, problem)


def _own_rounding(answer: Answer, plan: fa.Plan) -> NDArray[np.floating[Any]]:
    """Rounding errors of the definition itself, and of results that are too small for their dtype."""
    taps = plan.problem.kernel.taps
    number = np.finfo(plan.problem.number)
    total = np.abs(taps).sum() if answer.total is None else answer.total
    tiny = float(number.tiny) * np.maximum(1.0, total)
    if plan.problem.result.kind in "fc":
        tiny = tiny + float(np.finfo(plan.problem.result).smallest_subnormal)
    return float(np.finfo(answer.values.dtype).eps) * np.count_nonzero(taps) * answer.scale + tiny


def _check_integers(got: NDArray[Any], values: NDArray[Any], bound: NDArray[Any], problem: object) -> None:
    # Any value within the bound, rounded half to even, is between the rounded ends of the bound.
    limits = np.iinfo(got.dtype)
    values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    # A bound that overflowed allows everything.
    ends = (np.where(np.isfinite(bound), values + side * np.nan_to_num(bound), side * np.inf) for side in (-1, 1))
    below, above = (np.rint(end).clip(limits.min, limits.max) for end in ends)
    wide = got.astype(below.dtype)
    at = _first(~((below <= wide) & (wide <= above)))
    assert at is None, f"{at}: {got[at]} is not from {below[at]} to {above[at]}: {problem}"


def _check_floats(got: NDArray[Any], values: NDArray[Any], bound: NDArray[Any], problem: object) -> None:
    # A sum may overflow where the bound allows a value that is too large for the dtype.
    sure = np.isfinite(values) & (np.abs(values) + bound < float(np.finfo(got.dtype).max))
    assert_places(np.isnan(values), np.isnan(got), sure | ~np.isfinite(values), "NaN", problem)
    for sign, name in ((np.inf, "infinity"), (-np.inf, "minus infinity")):
        assert_places(values == sign, got == sign, sure | ~np.isfinite(values), name, problem)
    with np.errstate(all="ignore"):
        bad = sure & ~(np.abs(got - values) <= bound)
        if bad.any():
            excess = np.where(bad, np.abs(got - values) / bound, 0)
            at = np.unravel_index(excess.argmax(), excess.shape)
            raise AssertionError(
                f"{bad.sum()} of {bad.size} too far, worst at {tuple(map(int, at))}: {got[at]!r} instead of "
                f"{values[at]!r}, {float(excess[at]):.2f} times the bound {float(bound[at]):.3g}: {problem}"
            )


def assert_places(
    wanted: NDArray[np.bool_], got: NDArray[np.bool_], where: NDArray[np.bool_], name: str, problem: object
) -> None:
    wrong = where & (wanted != got)
    at = _first(wrong)
    assert at is None, f"{name} is {'missing' if wanted[at] else 'where it does not belong'} at {at}: {problem}"


def _first(places: NDArray[np.bool_]) -> tuple[int, ...] | None:
    indices = np.argwhere(places)
    return tuple(map(int, indices[0])) if len(indices) else None
