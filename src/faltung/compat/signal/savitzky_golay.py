"""savgol_filter of scipy.signal, on this operator: polynomials that are fitted to each window by least squares."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.signal.number_arrays import as_numbers, full_name
from faltung.compat.signal.regional import Region, convolve_region
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer, is_number
from faltung.kernels.local_polynomials import fit_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["savgol_filter"]

_MODES = ("mirror", "constant", "nearest", "interp", "wrap")


def savgol_filter(
    x: ArrayLike,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> NDArray[Any]:
    """Fit a polynomial to each window of an array, with the arguments of `scipy.signal.savgol_filter`.

    Parameters
    ----------
    x : array_like
        The array; all but float32 is computed in float64.
    window_length : int
        Samples of the window.
    polyorder : int
        Order of the polynomial, less than `window_length`.
    deriv : int, optional
        Order of the derivative.
    delta : float, optional
        Distance between the samples, for derivatives.
    axis : int, optional
        The axis that is filtered.
    mode : {'interp', 'mirror', 'constant', 'nearest', 'wrap'}, optional
        How `x` continues beyond its ends. With ``interp``, the polynomials of the first and of the last window give
        the outputs near the ends.
    cval : float, optional
        The value beyond the ends, for the mode ``constant``.

    Returns
    -------
    ndarray
        The filtered array, or its derivative.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The options do not fit.
    NotServedError
        The array is complex, of which the peer drops the imaginary part; or it is no array of numbers.

    References
    ----------
    A. Savitzky and M. J. E. Golay, Smoothing and differentiation of data by simplified least squares procedures,
    Analytical Chemistry 36, 1627 (1964).

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import signal
    >>> signal.savgol_filter(np.arange(6.0) ** 2, 5, 2, deriv=1).round(6) + 0.0
    array([ 0.,  2.,  4.,  6.,  8., 10.])
    """
    if not isinstance(mode, str) or mode not in _MODES:
        raise ArgumentError("mode", "'mirror', 'constant', 'nearest', 'wrap' or 'interp'", repr(mode))
    samples = as_numbers("savgol_filter", "x", x)
    if samples.dtype.kind == "c":
        raise NotServedError(full_name("savgol_filter"), "x: complex numbers, whose imaginary part the peer drops")
    size, order, derivative = _checked(window_length, polyorder, deriv)
    if not samples.ndim:
        raise ArgumentError("x", "an array with at least one axis", "a number")
    if not -samples.ndim <= axis < samples.ndim:
        raise np.exceptions.AxisError(axis, samples.ndim)
    at, length = axis % samples.ndim, samples.shape[axis]
    if mode == "interp" and size > length:
        raise ArgumentError("window_length", f"at most the {length} samples of x, for the mode 'interp'", f"{size}")
    if not is_number(cval) or complex(cval).imag:
        raise ArgumentTypeError("cval", "a real number", repr(cval))
    result = np.dtype(np.float32 if samples.dtype == np.float32 else np.float64)
    if not samples.size:
        return np.zeros(samples.shape, result)
    weights = fit_weights(size, order, derivative, ((size - 1) / 2,)) / delta**derivative
    bounds, border = (size // 2, size // 2 + length), "constant" if mode == "interp" else mode
    region = Region((at,), (bounds,), result, border, 0.0 if mode == "interp" else float(cval))
    y = convolve_region(samples, weights[0, ::-1], region)
    if mode == "interp":
        _fit_ends(samples, y, at, fit_weights(size, order, derivative, tuple(range(size))) / delta**derivative)
    return y


def _checked(window_length: Any, polyorder: Any, deriv: Any) -> tuple[int, int, int]:
    for name, value in (("window_length", window_length), ("polyorder", polyorder), ("deriv", deriv)):
        if not is_integer(value):
            raise ArgumentTypeError(name, "an integer", repr(value))
        if value < (name == "window_length"):
            raise ArgumentError(name, "a number that is not negative", repr(value))
    if polyorder >= window_length:
        raise ArgumentError("polyorder", f"less than window_length, which is {window_length}", f"{polyorder}")
    return operator.index(window_length), operator.index(polyorder), operator.index(deriv)


def _fit_ends(x: NDArray[Any], y: NDArray[Any], axis: int, weights: NDArray[np.float64]) -> None:
    """Replace the outputs near both ends by those of the first and of the last window."""
    size = len(weights)
    half = size // 2
    x, y = x.swapaxes(axis, 0), y.swapaxes(axis, 0)
    with np.errstate(invalid="ignore"):  # infinities
        y[:half] = np.tensordot(weights[:half], x[:size], 1)
        y[len(y) - half :] = np.tensordot(weights[size - half :], x[len(x) - size :], 1)
