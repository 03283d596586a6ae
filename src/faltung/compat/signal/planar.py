"""convolve2d, correlate2d and sepfir2d of scipy.signal, on this operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.signal.array_pairs import is_swapped
from faltung.compat.signal.number_arrays import as_numbers, check_mode_name, full_name
from faltung.compat.signal.regional import Region, convolve_region, outputs_of
from faltung.compat.signal.wrapped_sums import wrapped_convolution
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["convolve2d", "correlate2d", "sepfir2d"]

_AXES = (0, 1)
#: How the peer calls the modes of this operator.
_BOUNDARIES = {
    "fill": "constant",
    "pad": "constant",
    "wrap": "wrap",
    "circular": "wrap",
    "symm": "reflect",
    "symmetric": "reflect",
}


def convolve2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: complex = 0
) -> NDArray[Any]:
    """Convolve two 2-D arrays, with the arguments of `scipy.signal.convolve2d`.

    Parameters
    ----------
    in1, in2 : array_like
        Two 2-D arrays of integers from 8 bits, floats from 32 bits, or complex numbers.
    mode : {'full', 'valid', 'same'}, optional
        Which outputs are computed.
    boundary : {'fill', 'wrap', 'symm'}, optional
        How `in1` continues beyond its border: with `fillvalue`, periodically, or reflected.
    fillvalue : scalar, optional
        The value beyond the border.

    Returns
    -------
    ndarray
        The convolution, in the common dtype of both arrays. Integers are exact, and wrap.

    Raises
    ------
    ArgumentError
        The arrays or the options do not fit.
    NotServedError
        As for `convolve`.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.convolve2d([[1, 2], [3, 4]], [[1, 1]], mode="same", boundary="wrap")
    array([[3, 3],
           [7, 7]])
    """
    x, k = _planes("convolve2d", in1, in2)
    if is_swapped(check_mode_name(mode), x.shape, k.shape, _AXES):
        x, k = k, x
    bounds = tuple(outputs_of(mode, *lengths) for lengths in zip(x.shape, k.shape, strict=True))
    return _convolve2d("convolve2d", x, k, bounds, boundary, fillvalue)


def correlate2d(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", boundary: str = "fill", fillvalue: complex = 0
) -> NDArray[Any]:
    """Correlate two 2-D arrays, with the arguments of `scipy.signal.correlate2d`.

    Parameters
    ----------
    in1, in2 : array_like
        Two 2-D arrays; `in2` is conjugated.
    mode, boundary, fillvalue
        As for `convolve2d`.

    Returns
    -------
    ndarray
        The correlation, in the common dtype of both arrays.

    Raises
    ------
    ArgumentError, NotServedError
        As for `convolve2d`.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.correlate2d([[1, 2], [3, 4]], [[1, 0]])
    array([[0, 1, 2],
           [0, 3, 4]])
    """
    x, k = _planes("correlate2d", in1, in2)
    swapped = is_swapped(check_mode_name(mode), x.shape, k.shape, _AXES)
    if swapped:
        x, k = k, x
    reflected = k[::-1, ::-1].conj() if k.dtype.kind == "c" else k[::-1, ::-1]
    if mode == "same":  # the sample at size // 2 of the kernel is at lag zero, unlike in `correlate`
        bounds = tuple((size // 2, size // 2 + length) for length, size in zip(x.shape, k.shape, strict=True))
    else:
        bounds = tuple(outputs_of(mode, *lengths) for lengths in zip(x.shape, k.shape, strict=True))
    y = _convolve2d("correlate2d", x, reflected, bounds, boundary, fillvalue)
    return y[::-1, ::-1] if swapped else y


def sepfir2d(input: ArrayLike, hrow: ArrayLike, hcol: ArrayLike) -> NDArray[Any]:
    """Convolve an image with an outer product of taps, with the arguments of `scipy.signal.sepfir2d`.

    The image is reflected beyond its border.

    Parameters
    ----------
    input : array_like
        A 2-D array. Floats up to 32 bits and integers up to 16 bits are computed in float32.
    hrow, hcol : array_like
        Taps along the rows and along the columns, an odd number of them; their dtype must fit into that of the
        result.

    Returns
    -------
    ndarray
        The filtered image.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The arrays do not fit.
    NotServedError
        As for `convolve`.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.sepfir2d([[1.0, 2.0, 3.0]], [1.0, 1.0, 1.0], [1.0])
    array([[4., 6., 8.]])
    """
    image = as_numbers("sepfir2d", "input", input)
    if image.ndim != 2:
        raise ArgumentError("input", "a 2-D array", f"one of shape {image.shape}")
    result = np.result_type(image.dtype, np.float32)
    for name, taps, axis in (("hrow", hrow, 1), ("hcol", hcol, 0)):
        image = _pass(image, name, _taps_of(name, taps, result), axis, result)
    return image


def _taps_of(name: str, taps: Any, result: np.dtype[Any]) -> NDArray[Any]:
    """Return taps in the dtype of the result. That of an array has to fit into it; other numbers are converted."""
    array = as_numbers("sepfir2d", name, taps)
    fits = np.can_cast(array.dtype, result, "safe" if isinstance(taps, np.ndarray) else "same_kind")
    if not fits:
        raise ArgumentTypeError(name, f"a dtype that fits into {result}, the dtype of the result", str(array.dtype))
    return array.astype(result)


def _pass(image: NDArray[Any], name: str, taps: NDArray[Any], axis: int, result: np.dtype[Any]) -> NDArray[Any]:
    if taps.ndim != 1 or not taps.size % 2:
        raise ArgumentError(name, "a 1-D array of odd length", f"shape {taps.shape}")
    _check_finite("sepfir2d", name, taps)
    bounds = (outputs_of("same", image.shape[axis], taps.size),)
    return convolve_region(image, taps, Region((axis,), bounds, result, "reflect"))


def _planes(function: str, in1: ArrayLike, in2: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    arrays = [as_numbers(function, name, value) for name, value in (("in1", in1), ("in2", in2))]
    for name, array in zip(("in1", "in2"), arrays, strict=True):
        if array.ndim != 2:
            raise ArgumentError(name, "a 2-D array", f"one of shape {array.shape}")
    result = np.result_type(*arrays)
    if result.kind == "b" or result == np.float16:
        raise ArgumentError("in1", "numbers of another dtype than bool and float16", str(result), "Convert it first.")
    return arrays[0], arrays[1]


def _convolve2d(
    function: str,
    x: NDArray[Any],
    k: NDArray[Any],
    bounds: tuple[tuple[int, int], ...],
    boundary: str,
    fillvalue: Any,
) -> NDArray[Any]:
    if not isinstance(boundary, str) or boundary not in _BOUNDARIES:
        names = "'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm')"
        raise ArgumentError("boundary", f"one of {names}", repr(boundary))
    result = np.result_type(x, k)
    modes = _BOUNDARIES[boundary]
    beyond = _fill_value(fillvalue, result) if modes == "constant" else 0.0
    if not (x.size and k.size):
        return _of_nothing(x, k, bounds, modes, beyond, result)
    if not np.isfinite(k).all():
        if modes == "constant" and not beyond and np.isfinite(x).all():
            x, k = k, x  # the convolution is the same
        _check_finite(function, "in2", k)

    def one(x: NDArray[Any], k: NDArray[Any], cval: complex, number: np.dtype[Any], whole: float) -> NDArray[Any]:
        return convolve_region(x, k, Region(_AXES, bounds, number, modes, cval, whole=whole))

    if result.kind in "iu":
        return wrapped_convolution(x, k, int(beyond.real), k.size, result, one)
    if x.dtype.kind != "c" and isinstance(beyond, complex):
        x = x.astype(result)
    return one(x, k, beyond, result, 0.0)


def _of_nothing(
    x: NDArray[Any],
    k: NDArray[Any],
    bounds: tuple[tuple[int, int], ...],
    modes: str,
    beyond: complex,
    result: np.dtype[Any],
) -> NDArray[Any]:
    """Return the sums over the constant alone, or over no taps."""
    if k.size and modes != "constant":
        raise ArgumentError("in1", "an array with samples, which can be continued", f"shape {x.shape}")
    shape = [max(stop - start, 0) for start, stop in bounds]
    with np.errstate(over="ignore"):
        return np.full(shape, k.sum(dtype=result) * result.type(beyond), result)


def _check_finite(function: str, name: str, taps: NDArray[Any]) -> None:
    if not np.isfinite(taps).all():
        raise NotServedError(full_name(function), f"{name}: taps that are not finite")


def _fill_value(fillvalue: Any, result: np.dtype[Any]) -> float | complex:
    """Return the value beyond the border, as it is in the dtype of the result."""
    held = np.asarray(fillvalue)
    if held.size != 1:
        raise ArgumentError("fillvalue", "a scalar or an array with one element", f"shape {held.shape}")
    value = held.reshape(())[()]
    if not is_number(value):
        kind = ArgumentError if isinstance(fillvalue, str) else ArgumentTypeError
        raise kind("fillvalue", "a number", repr(fillvalue))
    plain = complex(value)
    if result.kind == "c":
        return plain
    limits = np.iinfo(result) if result.kind in "iu" else None
    if plain.imag or (limits and not limits.min <= plain.real <= limits.max):
        raise ArgumentError("fillvalue", f"a number that fits into {result}", repr(fillvalue))
    return int(value.real) if limits else float(result.type(plain.real))
