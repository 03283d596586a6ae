"""convolve, correlate, fftconvolve and oaconvolve of scipy.signal, on this operator."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.signal.array_pairs import convolve_pair, is_swapped
from faltung.compat.signal.number_arrays import as_numbers, check_mode_name
from faltung.compat.signal.wrapped_sums import wrapped_convolution
from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["convolve", "correlate", "fftconvolve", "oaconvolve"]

_METHODS = ("auto", "direct", "fft")


def convolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> NDArray[Any]:
    """Convolve two N-dimensional arrays, with the arguments of `scipy.signal.convolve`.

    Parameters
    ----------
    in1, in2 : array_like
        Two arrays with the same number of axes.
    mode : {'full', 'valid', 'same'}, optional
        Which outputs are computed; ``same`` is about the shape of `in1`, centred in the full convolution.
    method : {'auto', 'direct', 'fft'}, optional
        With ``direct``, errors are relative to the samples under each output. The others take the fastest engine.

    Returns
    -------
    ndarray
        The convolution, in the common dtype of both arrays. Integers are exact, and wrap.

    Raises
    ------
    ArgumentError
        The arrays or the options do not fit.
    NotServedError
        The arrays are not of numbers of at most double precision, or both have values that are not finite.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.convolve([1, 2, 3], [1, 1])
    array([1, 3, 5, 3])
    """
    volume, kernel = as_numbers("convolve", "in1", in1), as_numbers("convolve", "in2", in2)
    return _convolve("convolve", volume, kernel, mode, method)


def correlate(in1: ArrayLike, in2: ArrayLike, mode: str = "full", method: str = "auto") -> NDArray[Any]:
    """Correlate two N-dimensional arrays, with the arguments of `scipy.signal.correlate`.

    Parameters
    ----------
    in1, in2 : array_like
        Two arrays with the same number of axes; `in2` is conjugated.
    mode, method
        As for `convolve`.

    Returns
    -------
    ndarray
        The correlation, in the common dtype of both arrays.

    Raises
    ------
    ArgumentError, NotServedError
        As for `convolve`.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.correlate([1, 2, 3], [0, 1, 0.5])
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    volume, kernel = as_numbers("correlate", "in1", in1), as_numbers("correlate", "in2", in2)
    reflected = np.flip(kernel.conj() if kernel.dtype.kind == "c" else kernel)
    return _convolve("correlate", volume, reflected, mode, method)


def fftconvolve(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: int | Sequence[int] | None = None
) -> NDArray[Any]:
    """Convolve two N-dimensional arrays in floats, with the arguments of `scipy.signal.fftconvolve`.

    The engine need not be a Fourier transform. Samples that are not finite reach exactly the outputs whose non-zero
    taps touch them.

    Parameters
    ----------
    in1, in2 : array_like
        Two arrays with the same number of axes.
    mode : {'full', 'valid', 'same'}, optional
        As for `convolve`.
    axes : int or sequence of int, optional
        Axes of the convolution; all by default. The other axes broadcast.

    Returns
    -------
    ndarray
        The convolution, in float32 or complex64 if both arrays have single precision.

    Raises
    ------
    ArgumentError, NotServedError
        As for `convolve`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import signal
    >>> signal.fftconvolve([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0]], axes=1)
    array([[1., 3., 2.],
           [3., 7., 4.]])
    """
    return _float_convolution("fftconvolve", in1, in2, mode, axes)


def oaconvolve(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", axes: int | Sequence[int] | None = None
) -> NDArray[Any]:
    """Convolve a long and a short array in floats, with the arguments of `scipy.signal.oaconvolve`.

    Parameters
    ----------
    in1, in2, mode, axes
        As for `fftconvolve`, which computes the same.

    Returns
    -------
    ndarray
        The convolution.

    Raises
    ------
    ArgumentError, NotServedError
        As for `convolve`.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.oaconvolve([1.0, 2.0, 3.0, 4.0], [1.0, 1.0], mode="same")
    array([1., 3., 5., 7.])
    """
    return _float_convolution("oaconvolve", in1, in2, mode, axes)


def _convolve(function: str, volume: NDArray[Any], kernel: NDArray[Any], mode: str, method: str) -> NDArray[Any]:
    if volume.ndim == kernel.ndim == 0:
        return volume * kernel  # type: ignore[no-any-return]
    if volume.ndim != kernel.ndim:
        raise ArgumentError("in2", f"{volume.ndim} axes, as in1 has", f"{kernel.ndim}")
    check_mode_name(mode)
    if not isinstance(method, str) or method not in _METHODS:
        raise ArgumentError("method", "'auto', 'direct', or 'fft'", repr(method))
    axes = tuple(range(volume.ndim))
    if is_swapped(mode, volume.shape, kernel.shape, axes):
        volume, kernel = kernel, volume
    result = np.result_type(volume, kernel)
    if not (volume.size and kernel.size):
        return _of_nothing(volume, kernel, mode, result)
    pointwise = method == "direct"

    def one(x: NDArray[Any], k: NDArray[Any], _: complex, number: np.dtype[Any], whole: float) -> NDArray[Any]:
        return convolve_pair(function, x, k, axes, mode, number, pointwise=pointwise, whole=whole)

    if result.kind in "biu":
        return wrapped_convolution(volume, kernel, 0, min(volume.size, kernel.size), result, one)
    return one(volume, kernel, 0, result, 0.0)


def _of_nothing(volume: NDArray[Any], kernel: NDArray[Any], mode: str, result: np.dtype[Any]) -> NDArray[Any]:
    """Return the result without samples for the mode ``same``; nothing else of an empty array has a shape."""
    if kernel.size and mode == "same":
        return np.zeros(volume.shape, result)
    name = "in2" if volume.size else "in1"
    raise ArgumentError(name, "an array with samples", f"shape {(volume if name == 'in1' else kernel).shape}")


def _float_convolution(
    function: str, in1: ArrayLike, in2: ArrayLike, mode: str, axes: int | Sequence[int] | None
) -> NDArray[Any]:
    x, k = as_numbers(function, "in1", in1), as_numbers(function, "in2", in2)
    if x.ndim == k.ndim == 0:
        return x * k  # type: ignore[no-any-return]
    if x.ndim != k.ndim:
        raise ArgumentError("in2", f"{x.ndim} axes, as in1 has", f"{k.ndim}")
    if not (x.size and k.size):
        return np.array([])
    chosen = _convolved_axes(x.shape, k.shape, axes)
    check_mode_name(mode)
    if is_swapped(mode, x.shape, k.shape, chosen):
        x, k = k, x
    if not chosen:
        return _products(x, k, mode)
    return convolve_pair(function, x, k, chosen, mode, np.result_type(_computed(x), _computed(k)))


def _computed(array: NDArray[Any]) -> np.dtype[Any]:
    """Return the dtype of the spectrum of an array, or its real counterpart."""
    return np.dtype(np.float64) if array.dtype.kind in "biu" else np.result_type(array.dtype, np.float32)


def _convolved_axes(one: tuple[int, ...], other: tuple[int, ...], axes: Any) -> tuple[int, ...]:
    """Return the axes on which both arrays have more than one sample; all others have to broadcast."""
    convolved = tuple(axis for axis in _given_axes(len(one), axes) if one[axis] != 1 != other[axis])
    for axis, (length, size) in enumerate(zip(one, other, strict=True)):
        if axis not in convolved and length != size and 1 not in (length, size):
            raise ArgumentError("in2", f"a shape that broadcasts with {one} on axis {axis}", f"{other}")
    return convolved


def _given_axes(ndim: int, axes: Any) -> list[int]:
    """Return the axes that were given, not negative and in order; all axes by default."""
    given = (axes,) if isinstance(axes, numbers.Integral) else axes
    if given is None:
        given = range(ndim)
    try:
        listed = [*given]
    except TypeError:
        listed = [None]
    if not all(isinstance(axis, numbers.Integral) for axis in listed):
        raise ArgumentError("axes", "an integer or a sequence of integers", repr(axes))
    if not all(-ndim <= axis < ndim for axis in listed):
        raise ArgumentError("axes", f"axes of arrays with {ndim} axes", repr(axes))
    chosen = {int(axis) % ndim for axis in listed}
    if not listed or len(chosen) < len(listed):
        raise ArgumentError("axes", "at least one axis, and each of them once", repr(axes))
    return sorted(chosen)


def _products(x: NDArray[Any], k: NDArray[Any], mode: str) -> NDArray[Any]:
    """Return the products of samples, where no axis is convolved; for ``same``, the centre in the shape of `x`."""
    products = x * k
    if mode == "same":
        starts = [(length - kept) // 2 for length, kept in zip(products.shape, x.shape, strict=True)]
        products = products[tuple(slice(at, at + kept) for at, kept in zip(starts, x.shape, strict=True))].copy()
    return products  # type: ignore[no-any-return]
