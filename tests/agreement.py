"""What a result must agree with, and how closely: the promise of its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fa
import shifted


@dataclass(frozen=True)
class Answer:
    """What is asked, computed by the definition.

    Sizes are of the samples that are finite: `scale` is the sum of abs(tap) * abs(sample) under each output,
    `largest` the sum of all abs(tap) times the largest abs(sample).
    """

    values: NDArray[Any]
    scale: NDArray[np.float64]
    largest: float


def answer(
    call: str,
    x: NDArray[Any],
    taps: NDArray[Any],
    origin: Any,
    mode: str,
    cval: complex,
    region: Any,
    axes: Any,
    double: bool,
) -> Answer:
    """Compute an answer in more than the precision of the result, which is `double` or single.

    A tap that is zero in the numbers computed with touches nothing.
    """
    taps = np.where(taps.astype(np.complex128 if double else np.complex64) == 0, 0, taps)
    taps, origin = shifted.along_axes(taps, origin, axes, x.ndim)
    run = getattr(shifted, call)
    sizes = np.abs(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64))
    sizes[~np.isfinite(sizes)] = 0
    outside = abs(cval) if mode == "constant" and np.isfinite(cval) else 0.0
    return Answer(
        values=run(x, taps, origin, mode, cval, region, precision=np.longdouble if double else np.float64),
        scale=run(sizes, np.abs(taps), origin, mode, outside, region, precision=np.float64),
        largest=float(np.abs(taps).sum()) * max(outside, float(sizes.max(initial=0.0))),
    )


def assert_agrees(got: NDArray[Any], answer: Answer, plan: fa.Plan, what: object = "") -> None:
    """Check shape, values within the bound of the plan, and the places of what is not finite."""
    values = answer.values
    assert got.shape == values.shape, f"{got.shape} is not {values.shape}: {what}"
    assert got.dtype == plan.problem.result, what
    if not got.size:
        return
    scale = answer.scale if plan.pointwise else answer.largest
    bound = np.broadcast_to(plan.error * scale + _own_rounding(answer, plan), got.shape)
    if got.dtype.kind in "iu":
        _check_integers(got, values, bound, what)
        return
    # Real and imaginary parts are results of their own.
    for part in ("real", "imag") if got.dtype.kind == "c" else ("real",):
        _check_floats(getattr(got, part), getattr(values, part), bound, plan, answer.scale, what)


def _own_rounding(answer: Answer, plan: fa.Plan) -> NDArray[np.floating[Any]]:
    """Roundings of the definition itself, and results too small for the numbers they are computed or stored in."""
    taps = plan.problem.kernel.taps
    number = np.finfo(plan.problem.number)
    tiny = float(number.tiny) * max(1.0, float(np.abs(taps).sum()))
    if plan.problem.result.kind in "fc":
        tiny += float(np.finfo(plan.problem.result).smallest_subnormal)
    return float(np.finfo(answer.values.dtype).eps) * np.count_nonzero(taps) * answer.scale + tiny


def _check_integers(got: NDArray[Any], values: NDArray[Any], bound: NDArray[Any], what: object) -> None:
    # Whatever value within the bound was rounded half to even, the integer lies between those of the two ends.
    limits = np.iinfo(got.dtype)
    values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    below, above = (np.rint(values + side * bound).clip(limits.min, limits.max) for side in (-1, 1))
    wide = got.astype(below.dtype)
    at = _first(~((below <= wide) & (wide <= above)))
    assert at is None, f"{at}: {got[at]} is not from {below[at]} to {above[at]}: {what}"


def _check_floats(
    got: NDArray[Any], values: NDArray[Any], bound: NDArray[Any], plan: fa.Plan, scale: NDArray[Any], what: object
) -> None:
    # A sum may overflow where its terms could, or where the bound allows it to be too large for the result.
    sure = np.isfinite(values) & (scale < float(np.finfo(plan.problem.number).max))
    sure &= np.abs(values) + bound < float(np.finfo(got.dtype).max)
    assert_places(np.isnan(values), np.isnan(got), sure | ~np.isfinite(values), "NaN", what)
    for sign, name in ((np.inf, "infinity"), (-np.inf, "minus infinity")):
        assert_places(values == sign, got == sign, sure | ~np.isfinite(values), name, what)
    with np.errstate(all="ignore"):
        bad = sure & ~(np.abs(got - values) <= bound)
        if bad.any():
            excess = np.where(bad, np.abs(got - values) / bound, 0)
            at = np.unravel_index(excess.argmax(), excess.shape)
            raise AssertionError(
                f"{bad.sum()} of {bad.size} too far, worst at {tuple(map(int, at))}: {got[at]!r} instead of "
                f"{values[at]!r}, {float(excess[at]):.2f} times the bound {float(bound[at]):.3g}: {what}"
            )


def assert_places(
    wanted: NDArray[np.bool_], got: NDArray[np.bool_], where: NDArray[np.bool_], name: str, what: object
) -> None:
    wrong = where & (wanted != got)
    at = _first(wrong)
    assert at is None, f"{name} is {'missing' if wanted[at] else 'where it does not belong'} at {at}: {what}"


def _first(places: NDArray[np.bool_]) -> tuple[int, ...] | None:
    found = np.argwhere(places)
    return tuple(map(int, found[0])) if len(found) else None
