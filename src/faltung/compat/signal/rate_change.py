"""upfirdn, resample_poly and decimate of scipy.signal, on this operator."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.signal.lowpass import lowpass
from faltung.compat.signal.number_arrays import as_numbers, full_name
from faltung.compat.signal.polyphase import BORDERS, RateChange, change_rate
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer, is_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["decimate", "resample_poly", "upfirdn"]

_LEVELS = ("mean", "median", "minimum", "maximum")


def upfirdn(
    h: ArrayLike,
    x: ArrayLike,
    up: int = 1,
    down: int = 1,
    axis: int = -1,
    mode: str = "constant",
    cval: complex = 0,
) -> NDArray[Any]:
    """Insert zeros, filter, and keep some outputs, with the arguments of `scipy.signal.upfirdn`.

    Parameters
    ----------
    h : array_like
        The taps, in one dimension.
    x : array_like
        The array.
    up, down : int, optional
        The rate becomes `up` times as high, and then `down` times as low.
    axis : int, optional
        The axis that is filtered.
    mode : str, optional
        How `x` continues beyond its ends: ``constant``, ``symmetric``, ``reflect``, ``edge``, ``wrap``, ``smooth``,
        ``antireflect``, ``antisymmetric`` or ``line``.
    cval : number, optional
        The value beyond the ends, for the mode ``constant``.

    Returns
    -------
    ndarray
        The outputs, in the common dtype of `h`, `x` and float32.

    Raises
    ------
    ArgumentError
        The arrays or the options do not fit.
    NotServedError
        The arrays are not of numbers of at most double precision, or a tap is not finite.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.upfirdn([1.0, 1.0], [1.0, 2.0, 3.0], up=2)
    array([1., 1., 2., 2., 3., 3.])
    """
    taps, samples = as_numbers("upfirdn", "h", h), as_numbers("upfirdn", "x", x)
    if taps.ndim != 1 or not taps.size:
        raise ArgumentError("h", "a 1-D array with at least one tap", f"shape {taps.shape}")
    rates = int(up), int(down)
    if min(rates) < 1:
        raise ArgumentError("up, down", "numbers of at least 1", f"{up!r} and {down!r}")
    at = _axis_of(axis, samples.ndim)
    name = mode.lower() if isinstance(mode, str) else mode
    if name not in BORDERS:
        raise ArgumentError("mode", f"one of {', '.join(map(repr, BORDERS))}", repr(mode))
    count = ((samples.shape[at] - 1) * rates[0] + taps.size - 1) // rates[1] + 1
    return _filtered("upfirdn", samples, taps, RateChange(*rates, 0, max(count, 0)), at, name, cval)


def resample_poly(
    x: ArrayLike,
    up: int,
    down: int,
    axis: int = 0,
    window: Any = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: complex | None = None,
) -> NDArray[Any]:
    """Change the sampling rate along one axis by a fraction, with the arguments of `scipy.signal.resample_poly`.

    Parameters
    ----------
    x : array_like
        The array.
    up, down : int
        The rate becomes ``up / down`` times as high.
    axis : int, optional
        The axis.
    window : str, tuple, float or array_like, optional
        The window of the low-pass filter: ``boxcar``, ``hann``, ``hamming``, ``blackman`` or ``("kaiser", beta)``; or
        the taps themselves.
    padtype : str, optional
        A mode of `upfirdn`; or ``mean``, ``median``, ``minimum`` or ``maximum`` of the samples on the axis.
    cval : number, optional
        The value beyond the ends, for the padtype ``constant``.

    Returns
    -------
    ndarray
        The array with ``ceil(n * up / down)`` samples on the axis.

    Raises
    ------
    ArgumentError
        The arrays or the options do not fit.
    NotServedError
        As for `upfirdn`; or another window.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import signal
    >>> signal.resample_poly(np.ones(4), 2, 1, padtype="edge").round(2)
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    samples = as_numbers("resample_poly", "x", x)
    for name, factor in (("up", up), ("down", down)):
        if factor != int(factor) or factor < 1:
            raise ArgumentError(name, "an integer of at least 1", repr(factor))
    if cval is not None and padtype != "constant":
        raise ArgumentError("cval", "None, as it has no effect for this padtype", repr(cval))
    divisor = math.gcd(int(up), int(down))
    faster, slower = int(up) // divisor, int(down) // divisor
    if faster == slower == 1:
        return samples.copy()
    at = _axis_of(axis, samples.ndim)
    taps = _taps("resample_poly", window, max(faster, slower), samples.dtype)
    half = (taps.size - 1) // 2
    rates = RateChange(faster, slower, half, -(-samples.shape[at] * faster // slower))
    taps = taps * faster
    if padtype in BORDERS:
        return _filtered("resample_poly", samples, taps, rates, at, padtype, 0 if cval is None else cval)
    if padtype not in _LEVELS:
        raise ArgumentError("padtype", f"one of {', '.join(map(repr, (*_LEVELS, *BORDERS)))}", repr(padtype))
    level = _level(padtype, samples, at)
    y = _filtered("resample_poly", samples - level, taps, rates, at, "constant", 0)
    y += level
    return y


def decimate(
    x: ArrayLike,
    q: int,
    n: int | None = None,
    ftype: Any = "iir",
    axis: int = -1,
    zero_phase: bool = True,
) -> NDArray[Any]:
    """Lower the sampling rate along one axis, with the arguments of `scipy.signal.decimate`.

    Parameters
    ----------
    x : array_like
        The array.
    q : int
        The rate becomes `q` times as low.
    n : int, optional
        The order of the filter; ``20 * q`` by default.
    ftype : {'fir'}
        The kind of filter. The default of the peer, ``iir``, is a recursive filter, which is not served.
    axis : int, optional
        The axis.
    zero_phase : bool, optional
        Whether the delay of the filter is removed.

    Returns
    -------
    ndarray
        The array with ``ceil(n / q)`` samples on the axis.

    Raises
    ------
    ArgumentError
        The arrays or the options do not fit.
    NotServedError
        As for `upfirdn`; or another kind of filter.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import signal
    >>> signal.decimate(np.arange(1000.0), 10, ftype="fir")[50:52].round(6)
    array([500., 510.])
    """
    samples = as_numbers("decimate", "x", x)
    factor = operator.index(q)
    order = 20 * factor if n is None else operator.index(n)
    if ftype != "fir":
        if isinstance(ftype, str) and ftype != "iir":
            raise ArgumentError("ftype", "'fir' or 'iir'", repr(ftype))
        raise NotServedError(full_name("decimate"), f"ftype: {ftype!r}")
    taps = lowpass(full_name("decimate"), order + 1, 1.0 / factor, "hamming")
    wide = samples.dtype.kind in "biu" or samples.dtype == np.float16
    taps = taps.astype(np.float64 if wide else samples.dtype)
    at = _axis_of(axis, samples.ndim)
    count = -(-samples.shape[at] // factor)
    offset = (taps.size - 1) // 2 if zero_phase else 0
    return _filtered("decimate", samples, taps, RateChange(1, factor, offset, count), at, "constant", 0)


def _axis_of(axis: Any, ndim: int) -> int:
    if not is_integer(axis):
        raise ArgumentTypeError("axis", "an integer", repr(axis))
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return int(axis) % ndim


def _taps(function: str, window: Any, rate: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the taps of the low-pass filter, in the precision of the array; or those that are given."""
    if not isinstance(window, (str, tuple)) and np.ndim(window):
        taps = as_numbers(function, "window", window)
        if taps.ndim != 1:
            raise ArgumentError("window", "a 1-D array", f"shape {taps.shape}")
        return taps
    taps = lowpass(full_name(function), 20 * rate + 1, 1.0 / rate, window)
    return taps.astype(dtype) if dtype.kind in "fc" else taps


def _level(padtype: str, samples: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the value that the signal has beyond its ends."""
    if padtype == "median":
        return np.asarray(np.median(samples, axis, keepdims=True))
    if padtype == "mean":
        return np.asarray(np.mean(samples, axis, keepdims=True))
    return np.asarray((np.min if padtype == "minimum" else np.max)(samples, axis, keepdims=True))


def _filtered(
    function: str, x: NDArray[Any], h: NDArray[Any], rates: RateChange, axis: int, mode: str, cval: Any
) -> NDArray[Any]:
    if not np.isfinite(h).all():
        raise NotServedError(full_name(function), "h: taps that are not finite")
    result = np.result_type(h.dtype, x.dtype, np.float32)
    value = _constant(cval, result)
    if not x.size or not h.size or not rates.count:
        if not x.shape[axis] and mode != "constant":
            raise ArgumentError("x", "an array with samples, which can be continued", f"shape {x.shape}")
        return np.zeros([rates.count if at == axis else length for at, length in enumerate(x.shape)], result)
    if isinstance(value, complex) and x.dtype.kind != "c":
        x = x.astype(result)
    return change_rate(x, h, rates, axis, result, mode, value)


def _constant(cval: Any, result: np.dtype[Any]) -> float | complex:
    """Return the constant as a number; a real number if it is one."""
    if not is_number(cval):
        raise ArgumentTypeError("cval", "a number", repr(cval))
    value = complex(cval)
    if not value.imag:
        return value.real
    if result.kind != "c":
        raise ArgumentTypeError("cval", "a real number for a real result", repr(cval))
    return value
