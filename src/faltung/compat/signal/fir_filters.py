"""lfilter and filtfilt of scipy.signal for filters without recursion, on this operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.signal.number_arrays import as_numbers, full_name
from faltung.compat.signal.regional import Region, convolve_region
from faltung.errors import ArgumentError
from faltung.ground.checks import is_integer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["filtfilt", "lfilter"]

_PAD_TYPES = ("even", "odd", "constant", None)


def lfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: ArrayLike | None = None
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
    """Filter along one axis with a causal filter, with the arguments of `scipy.signal.lfilter`.

    Parameters
    ----------
    b : array_like
        The taps.
    a : array_like
        One number, which divides all taps.
    x : array_like
        An array with at least one axis.
    axis : int, optional
        The axis that is filtered.
    zi : array_like, optional
        What the samples before the first one add to the first outputs: the shape of `x`, with ``len(b) - 1`` on the
        axis; the other axes broadcast.

    Returns
    -------
    y : ndarray
        The filtered array.
    zf : ndarray
        With `zi`, what the samples add to the outputs after the last one: the `zi` of the next block.

    Raises
    ------
    ArgumentError
        The arrays do not fit.
    NotServedError
        The filter is recursive, has taps that are not finite, or the dtype is not served.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> first, state = signal.lfilter([1.0, 0.5], 1.0, [1.0, 2.0], zi=[0.0])
    >>> second, state = signal.lfilter([1.0, 0.5], 1.0, [3.0, 4.0], zi=state)
    >>> first, second
    (array([1. , 2.5]), array([4. , 5.5]))
    """
    taps, divisor, samples = _filter_arguments("lfilter", b, a, x)
    at = _axis_of(axis, samples.ndim)
    given = () if zi is None else (as_numbers("lfilter", "zi", zi),)
    result = _result_dtype("lfilter", taps, divisor, samples, *given)
    taps = _divided("lfilter", taps, divisor, result)
    length, size = samples.shape[at], taps.size
    if not given:
        return _convolved(samples, taps, at, (0, length), result)
    before = _broadcast_state(given[0], samples.shape, at, size - 1)
    y = _convolved(samples, taps, at, (0, length + size - 1), result)
    y[_along(at, slice(0, size - 1))] += before
    return y[_along(at, slice(0, length))], y[_along(at, slice(length, None))]


def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
) -> NDArray[Any]:
    """Filter along one axis forwards and backwards, with the arguments of `scipy.signal.filtfilt`.

    Parameters
    ----------
    b, a, x, axis
        As for `lfilter`.
    padtype : {'odd', 'even', 'constant', None}, optional
        How the array is extended at both ends of the axis.
    padlen : int, optional
        Samples of the extension, fewer than the axis has; ``3 * len(b)`` by default.
    method : {'pad'}, optional
        ``gust`` is not served.
    irlen : int, optional
        Used by ``gust`` alone, in the peer as well.

    Returns
    -------
    ndarray
        The filtered array, in the shape of `x`.

    Raises
    ------
    ArgumentError
        The arrays or the options do not fit.
    NotServedError
        The filter is recursive, or the method is ``gust``.

    Examples
    --------
    >>> from faltung.compat import signal
    >>> signal.filtfilt([0.5, 0.5], 1.0, [0.0, 0.0, 4.0, 0.0, 0.0], padlen=1)
    array([0., 1., 2., 1., 0.])
    """
    if method not in ("pad", "gust"):
        raise ArgumentError("method", "'pad' or 'gust'", repr(method))
    if method == "gust":
        raise NotServedError(full_name("filtfilt"), "method: 'gust'")
    taps, divisor, samples = _filter_arguments("filtfilt", b, a, x)
    at = _axis_of(axis, samples.ndim)
    edge = _pad_length(padtype, padlen, taps.size, samples.shape[at])
    result = _result_dtype("filtfilt", taps, divisor, samples, np.empty(0, _state_dtype(taps, divisor)))
    taps = _divided("filtfilt", taps, divisor, result)
    extended = _extended(samples.astype(result, copy=False), at, edge, padtype)
    length, size = extended.shape[at], taps.size
    # A filter that starts from that state has been fed with the first sample since ever.
    forwards = convolve_region(extended, taps, Region((at,), ((0, length),), result, "nearest"))
    bounds = (size - 1 + edge, size - 1 + length - edge)
    return convolve_region(forwards, taps[::-1], Region((at,), (bounds,), result, "nearest"))


def _filter_arguments(
    function: str, b: ArrayLike, a: ArrayLike, x: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    taps, divisor = as_numbers(function, "b", b), as_numbers(function, "a", a)
    taps, divisor = (array if array.ndim else array.reshape(1) for array in (taps, divisor))
    samples = as_numbers(function, "x", x)
    for name, array in (("b", taps), ("a", divisor)):
        if array.ndim != 1 or not array.size:
            raise ArgumentError(name, "a non-empty 1-D array", f"shape {array.shape}")
    if divisor.size > 1:
        raise NotServedError(full_name(function), "a: the filter is recursive")
    if not samples.ndim:
        raise ArgumentError("x", "an array with at least one axis", "a number")
    return taps, divisor, samples


def _axis_of(axis: Any, ndim: int) -> int:
    if is_integer(axis) and not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return int(axis) % ndim


def _result_dtype(function: str, *arrays: NDArray[Any]) -> np.dtype[Any]:
    result = np.result_type(*arrays)
    if result.char not in "fdFD":
        raise NotServedError(full_name(function), f"a result of dtype {result}")
    return result


def _state_dtype(taps: NDArray[Any], divisor: NDArray[Any]) -> np.dtype[Any]:
    """Return the dtype of the state for a constant signal, which the peer starts from: a solution of equations."""
    arrays = [np.empty(0, array.dtype) for array in (taps, divisor)]
    divided = np.result_type(*arrays) if divisor[0] == 1 else np.result_type(*(one / arrays[1] for one in arrays))
    return np.result_type(divided, np.float64) if divided.kind in "biu" else divided


def _divided(function: str, taps: NDArray[Any], divisor: NDArray[Any], result: np.dtype[Any]) -> NDArray[Any]:
    """Return the taps that are convolved with, which are finite."""
    divided = taps.astype(result)
    if divisor[0] != 1:
        with np.errstate(all="ignore"):
            divided = divided / divisor.astype(result)[0]
    if not np.isfinite(divided).all():
        raise NotServedError(full_name(function), "b, a: taps that are not finite")
    return divided


def _convolved(
    samples: NDArray[Any], taps: NDArray[Any], axis: int, bounds: tuple[int, int], result: np.dtype[Any]
) -> NDArray[Any]:
    if samples.size:
        return convolve_region(samples, taps, Region((axis,), (bounds,), result))
    return np.zeros([bounds[1] if at == axis else length for at, length in enumerate(samples.shape)], result)


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, part)


def _broadcast_state(state: NDArray[Any], shape: tuple[int, ...], axis: int, size: int) -> NDArray[Any]:
    if state.ndim != len(shape):
        raise ArgumentError("zi", f"{len(shape)} axes, as x has", f"{state.ndim}")
    expected = tuple(size if at == axis else length for at, length in enumerate(shape))
    fits = all(
        length == wanted or (length == 1 and at != axis)
        for at, (length, wanted) in enumerate(zip(state.shape, expected, strict=True))
    )
    if not fits:
        raise ArgumentError("zi", f"shape {expected}", f"shape {state.shape}")
    return state if state.shape == expected else np.broadcast_to(state, expected)


def _pad_length(padtype: Any, padlen: Any, size: int, length: int) -> int:
    if padtype not in _PAD_TYPES:
        raise ArgumentError("padtype", "'even', 'odd', 'constant', or None", repr(padtype))
    edge = 0 if padtype is None else 3 * size if padlen is None else int(padlen)
    if length <= edge:
        raise ArgumentError("x", f"an axis longer than padlen, which is {edge}", f"{length} samples", "Lower padlen.")
    return max(edge, 0)


def _extended(x: NDArray[Any], axis: int, edge: int, padtype: str | None) -> NDArray[Any]:
    """Return the array with some more samples at both ends of an axis."""
    if not edge or padtype is None:
        return x
    x = x.swapaxes(axis, 0)
    if padtype == "constant":
        before, after = (np.repeat(x[end], edge, axis=0) for end in (slice(0, 1), slice(-1, None)))
    else:
        before, after = x[edge:0:-1], x[-2 : -edge - 2 : -1]
        if padtype == "odd":
            with np.errstate(invalid="ignore"):  # infinities
                before, after = 2 * x[:1] - before, 2 * x[-1:] - after
    return np.concatenate((before, x, after)).swapaxes(0, axis)
