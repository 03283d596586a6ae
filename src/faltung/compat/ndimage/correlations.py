"""scipy.ndimage's correlation and convolution, along one axis and over several."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.ndimage.filter_steps import Steps, run_filter
from faltung.compat.ndimage.ndimage_arguments import axes_of, axis_of, each, mode_of, number_of, taps_of
from faltung.compat.ndimage.ndimage_plans import CallSetting, chain_of, grid_plan, weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_origin", "convolve", "convolve1d", "correlate", "correlate1d"]


def correlate(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> NDArray[Any]:
    """Correlate an array with weights, as `scipy.ndimage.correlate`: complex weights are conjugated.

    Parameters
    ----------
    input : array_like
        The array, of any number of axes.
    weights : array_like
        The weights, with one axis for each of `axes`.
    output : array, dtype, type or str, optional
        Where the result goes, or its dtype; the default is that of `input`. An array may overlap `input`.
    mode : str, optional
        How `input` continues beyond its border: one of SciPy's names.
    cval : number, optional
        The value beyond the border for the mode ``constant``.
    origin : int or sequence of int, optional
        Shift of the weights, for each axis.
    axes : int or tuple of int, optional
        The axes that are filtered; by default all.

    Returns
    -------
    ndarray
        The result, of the shape of `input`. Sums are in double precision; integers are truncated and wrap.

    Raises
    ------
    RuntimeError
        A mode, dtype or shape is not supported.
    ValueError
        An origin or an axis is out of range.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> ndimage.correlate([1, 2, 9, 2], [1, 0, -1])
    array([-1, -8,  0,  7])
    """
    return _over_axes("correlate", input, weights, output, (mode, cval, origin), axes)


def convolve(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> NDArray[Any]:
    """Convolve an array with weights, as `scipy.ndimage.convolve`.

    Parameters
    ----------
    input, weights, output, mode, cval, origin, axes
        As for `correlate`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> ndimage.convolve([1, 2, 9, 2], [1, 0, -1])
    array([ 1,  8,  0, -7])
    """
    return _over_axes("convolve", input, weights, output, (mode, cval, origin), axes)


def correlate1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: int = 0,
) -> NDArray[Any]:
    """Correlate an array with weights along one axis, as `scipy.ndimage.correlate1d`.

    Parameters
    ----------
    input, output, mode, cval
        As for `correlate`.
    weights : sequence
        The weights.
    axis : int, optional
        The axis.
    origin : int, optional
        Shift of the weights.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> ndimage.correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    """
    return _along_axis("correlate1d", input, weights, output, (axis, mode, cval, origin))


def convolve1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: int = 0,
) -> NDArray[Any]:
    """Convolve an array with weights along one axis, as `scipy.ndimage.convolve1d`.

    Parameters
    ----------
    input, weights, axis, output, mode, cval, origin
        As for `correlate1d`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> ndimage.convolve1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([14, 24,  4, 13, 12, 36, 27,  0])
    """
    return _along_axis("convolve1d", input, weights, output, (axis, mode, cval, origin))


def check_origin(origin: Any, size: int) -> int:
    """Return the origin of weights; it counts from the middle.

    Raises
    ------
    ValueError
        It is beyond the weights.
    """
    if not -(size // 2) <= origin <= (size - 1) // 2:
        raise ValueError(f"Invalid origin {origin!r} for {size} weights; it must be inside of them")
    return operator.index(origin)


def _over_axes(name: str, input: Any, weights: Any, output: Any, rest: tuple[Any, ...], axes: Any) -> NDArray[Any]:
    resolve = _correlation if name == "correlate" else _convolution
    x = input if type(input) is np.ndarray else np.asarray(input)
    if x.ndim:
        return run_filter(name, resolve, x, output, (weights, *rest, axes), _has_complex)
    return _of_single(name, x, taps_of(weights), output, rest, axes)


def _has_complex(x: NDArray[Any], weights: Any, *_: Any) -> bool:
    return x.dtype.kind == "c" or taps_of(weights).dtype.kind == "c"


def _of_single(
    name: str, x: NDArray[Any], taps: NDArray[Any], output: Any, rest: tuple[Any, ...], axes: Any
) -> NDArray[Any]:
    """Filter an array without axes: a single sample."""
    if taps.ndim or axes_of(axes, 0):
        raise RuntimeError(f"weights.ndim ({taps.ndim}) must match len(axes) (0)")
    if not (output is None or isinstance(output, (type, np.dtype, str))):
        output = np.asarray(output)
        if output.ndim:
            raise RuntimeError(f"output shape not correct: {output.shape} for an input of shape ()")
        output = output.reshape(1)
    mode, cval, _ = rest
    return _over_axes(name, x.reshape(1), taps.reshape(1), output, (mode, cval, 0), None).reshape(())


def _along_axis(name: str, input: Any, weights: Any, output: Any, rest: tuple[Any, ...]) -> NDArray[Any]:
    resolve = _correlation_along if name == "correlate1d" else _convolution_along
    return run_filter(name, resolve, input, output, (weights, *rest), _has_complex)


def _constant(cval: Any, setting: CallSetting, taps: NDArray[Any]) -> complex:
    """Return the constant beyond the border; for real samples it is real."""
    if setting.dtype.kind != "c" and taps.dtype.kind == "c" and np.iscomplexobj(cval):
        raise ValueError("Cannot provide a complex-valued cval when the input is real.")
    return number_of(cval, setting.dtype.kind == "c")


def _correlation(setting: CallSetting, weights: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Steps:
    return _steps(setting, taps_of(weights).conj(), mode, cval, origin, axes, reflected=False)


def _convolution(setting: CallSetting, weights: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Steps:
    taps = taps_of(weights)
    return _steps(setting, taps[(slice(None, None, -1),) * taps.ndim], mode, cval, origin, axes, reflected=True)


def _steps(
    setting: CallSetting, taps: NDArray[Any], mode: Any, cval: Any, origin: Any, axes: Any, reflected: bool
) -> Steps:
    constant = _constant(cval, setting, taps)
    found = axes_of(axes, len(setting.shape))
    if taps.ndim != len(found) or 0 in taps.shape:
        raise RuntimeError(
            f"weights.ndim ({taps.ndim}) must match len(axes) ({len(found)}), with weights on each axis"
        )
    # SciPy gives the axes of the weights to `axes` in rising order, and origins in the order of `axes`.
    given = dict(zip(found, each(origin, len(found)), strict=True))
    origins = _origins([given[axis] for axis in sorted(found)], taps.shape, reflected)
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        raise RuntimeError("A sequence of modes is not supported")
    if not found:  # every sample by itself
        found, origins, taps = (0,), [0], taps.reshape(1)
    plan = grid_plan(setting, taps, origins, sorted(found), mode_of(mode), constant)
    return Steps(((plan,),), setting.result)


def _origins(origins: list[Any], sizes: tuple[int, ...], reflected: bool) -> list[int]:
    """Return the origin for each axis of weights that may be reflected already."""
    found = origins
    if reflected:
        found = [-origin - (size % 2 == 0) for origin, size in zip(origins, sizes, strict=True)]
    return [check_origin(origin, size) for origin, size in zip(found, sizes, strict=True)]


def _correlation_along(setting: CallSetting, weights: Any, axis: Any, mode: Any, cval: Any, origin: Any) -> Steps:
    taps = taps_of(weights)
    constant = _constant(cval, setting, taps)
    if taps.ndim != 1 or not taps.size:
        raise RuntimeError("no filter weights given")
    along = axis_of(axis, len(setting.shape))
    one = weighed(taps.conj(), along, mode_of(mode), check_origin(origin, taps.size))
    return Steps((chain_of(setting, [one], constant),), setting.result)


def _convolution_along(setting: CallSetting, weights: Any, axis: Any, mode: Any, cval: Any, origin: Any) -> Steps:
    taps = taps_of(weights)
    size = math.prod(taps.shape[:1])
    back = taps[::-1].conj()  # which the correlation takes back
    return _correlation_along(setting, back, axis, mode, cval, -origin - (size % 2 == 0))
