"""Which plans are a filter of scipy.ndimage? Its passes, with what SciPy does between them.

SciPy stores every pass in the dtype of the output, and extends the result of a pass across the border before the next
one. For floats that differs from one filter over all axes by rounding alone, unless the constant beyond the border
would be filtered: then, and for integers, passes are plans one by one. All plans store as C converts: sums in double
precision are rounded once, integers are truncated, and keep their lowest bits where they are out of range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from faltung.compat.ndimage.flat_windows import cancels, is_short
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError
from faltung.kernels import Kernel
from faltung.kernels.outer import Box, Outer
from faltung.planning.kept import plan_for
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of

__all__ = ["CallSetting", "Pass", "boxed", "chain_of", "grid_plan", "sum_plan", "weighed"]

#: Most taps of a kernel over several axes that passes are put together to.
_MOST_TAPS = 1 << 16
#: How far the sum of taps may be from one where the constant beyond the border has to stay itself.
_ROUNDED = 1e-12
#: Bits of an integer for which sums of few small taps are exact in double precision.
_EXACT_BITS = 32


class CallSetting(NamedTuple):
    """What all plans of a call have in common: the name of the function, the shape, and two dtypes."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    result: np.dtype[Any]


class Pass(NamedTuple):
    """A correlation along one axis: a kernel with one axis, the sum of its taps, the axis, and its mode."""

    kernel: Kernel
    total: complex
    axis: int
    mode: str


def weighed(taps: np.ndarray[Any, Any], axis: int, mode: str, origin: int = 0) -> Pass:
    """Return the pass with some taps; the origin counts from the middle.

    Raises
    ------
    NotServedError
        A tap is not finite.
    """
    return Pass(_kernel(taps, (taps.size // 2 + origin,), "correlate1d"), complex(taps.sum()), axis, mode)


def boxed(size: int, axis: int, mode: str, origin: int = 0) -> Pass:
    """Return the pass that takes means of `size` samples."""
    return Pass(Box((size,), size // 2 + origin), 1.0, axis, mode)


def chain_of(setting: CallSetting, passes: Sequence[Pass], cval: complex) -> tuple[Planned, ...]:
    """Return the plans of passes; each one reads the result of the one before."""
    if len(passes) > 1 and _joinable(setting, passes, cval):
        kernel = Outer(one.kernel for one in passes)
        return (_plan(setting, kernel, passes, cval),)
    first = [_plan(setting, passes[0].kernel, passes[:1], cval)]
    later = setting._replace(dtype=setting.result)
    return (*first, *(_plan(later, one.kernel, (one,), cval) for one in passes[1:]))


def sum_plan(setting: CallSetting, passes: Sequence[Pass], cval: complex) -> Planned | None:
    """Return one plan for the sum of passes along several axes; None if SciPy's sum would not be the same."""
    if not _summable(setting, passes, cval):
        return None
    ndim = len(passes)
    lines = [_reshaped(one.kernel, place, ndim) for place, one in enumerate(passes)]
    return _plan(setting, reduce(add, lines), passes, cval)


def grid_plan(
    setting: CallSetting,
    taps: np.ndarray[Any, Any],
    origins: Sequence[int],
    axes: Sequence[int],
    mode: str,
    cval: complex,
) -> Planned:
    """Return the plan of a correlation over several axes; origins count from the middle."""
    at = [size // 2 + origin for size, origin in zip(taps.shape, origins, strict=True)]
    places = [Pass(Box((1,)), 1.0, axis, mode) for axis in axes]
    return _plan(setting, _kernel(taps, at, setting.name), places, cval)


def _kernel(taps: np.ndarray[Any, Any], origin: Sequence[int], name: str) -> Kernel:
    try:
        return Kernel(taps, tuple(origin))
    except ArgumentError as error:
        raise NotServedError(f"scipy.ndimage.{name}", str(error)) from error


def _reshaped(kernel: Kernel, place: int, ndim: int) -> Kernel:
    """Return a kernel with one axis as one with several, of which all others have one tap."""
    shape, origin = [1] * ndim, [0] * ndim
    shape[place], origin[place] = kernel.shape[0], kernel.origin[0]
    return Kernel(kernel.taps.reshape(shape), tuple(origin))


def _plan(setting: CallSetting, kernel: Kernel, passes: Sequence[Pass], cval: complex) -> Planned:
    _check_dtypes(setting, kernel)
    options = Options(
        reflected=False,
        mode=tuple(one.mode for one in passes),
        cval=cval,
        axes=tuple(one.axis for one in passes),
        dtype=setting.result,
        accuracy="pointwise",
    )
    try:
        return plan_for(replace(question_of(setting.shape, setting.dtype, kernel, options), as_c=True))
    except ArgumentError as error:
        raise NotServedError(f"scipy.ndimage.{setting.name}", str(error)) from error


def _check_dtypes(setting: CallSetting, kernel: Kernel) -> None:
    """Check that SciPy filters arrays of these dtypes; half and extended precision, and objects, are not among them.

    Raises
    ------
    RuntimeError
        It does not.
    """
    for dtype in (setting.dtype, setting.result):
        real = dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize in (4, 8))
        if not real and not (dtype.kind == "c" and dtype.itemsize in (8, 16)):
            raise RuntimeError(f"array type {dtype!r} not supported")
    given = setting.dtype.kind == "c"
    if (given or kernel.dtype.kind == "c") != (setting.result.kind == "c"):
        raise RuntimeError(
            "output must have complex dtype" if given else f"array type {setting.result!r} not supported"
        )


def _joinable(setting: CallSetting, passes: Sequence[Pass], cval: complex) -> bool:
    """Whether passes are one filter over their axes, but for rounding."""
    if setting.result.kind not in "fc" or math.prod(one.kernel.shape[0] for one in passes) > _MOST_TAPS:
        return False
    if _cancels_alone(setting, passes[0]):
        return False
    if not cval or all(one.mode != "constant" for one in passes[1:]):
        return True
    last = max(place for place, one in enumerate(passes) if one.mode == "constant")
    return all(abs(one.total - 1.0) <= _ROUNDED for one in passes[:last])


def _cancels_alone(setting: CallSetting, first: Pass) -> bool:
    """Whether differences of equal samples are zero in a pass, and would be rounded in a filter over several axes."""
    taps = first.kernel.taps
    odd = taps.size > 1 and np.array_equal(taps[::-1], -taps)
    return odd and cancels(taps) and not is_short(setting.dtype) and first.axis < len(setting.shape) - 1


def _summable(setting: CallSetting, passes: Sequence[Pass], cval: complex) -> bool:
    """Whether the sum of several results of this dtype is the result of the sum."""
    if setting.result.kind in "fc":
        return True
    small = all(dtype.kind in "iu" and dtype.itemsize * 8 <= _EXACT_BITS for dtype in (setting.dtype, setting.result))
    whole = all((one.kernel.taps == np.rint(one.kernel.taps)).all() for one in passes)
    inside = float(cval.real).is_integer() and abs(cval) < 2.0**_EXACT_BITS
    return small and whole and inside
