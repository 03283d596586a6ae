"""Which kernel has this frequency response? Ideal responses under a window.

All kernels have an odd number of taps and are even or odd about the origin. So they do not delay a signal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.ground.checks import integer, real
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.naming import named
from faltung.kernels.smoothing import MOST_NAMED_TAPS

__all__ = ["bandpass", "bandstop", "differentiator", "highpass", "hilbert", "lowpass", "odd_size"]

Window: TypeAlias = "str | tuple[str, float]"

_WINDOWS: dict[str, Callable[[int], Any]] = {
    "boxcar": np.ones,
    "hann": np.hanning,
    "hamming": np.hamming,
    "blackman": np.blackman,
}
#: Value at the ends of the window of a differentiator: as large is the error of its amplitude.
_LARGEST_END = 0.02


@named
def lowpass(cutoff: float, size: int, *, window: Window = "hamming", rate: float = 1.0) -> Kernel:
    """Return a low-pass filter: the ideal response for frequencies below a cutoff, under a window.

        k[m] = w[m] 2 f sinc(2 f m) / sum,    f = cutoff / rate,    |m| <= size // 2

    where w is the window, and the sum makes the taps sum to one.

    Parameters
    ----------
    cutoff : float
        Frequency where the amplitude is one half, above 0 and below ``rate / 2``.
    size : int
        Number of taps, which is odd. More taps make a steeper edge.
    window : str or tuple, optional
        ``"hamming"``, ``"hann"``, ``"blackman"``, ``"boxcar"`` (none), or ``("kaiser", beta)``.
    rate : float, optional
        Samples per unit of time or length; frequencies are in cycles per that unit. With the default they are in
        cycles per sample. It is `fs` of SciPy, where the default is 2.

    Returns
    -------
    Kernel
        The kernel, in one dimension, even about the origin. `axes` and `dims` of `convolve` choose the axis.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `size` is even.

    References
    ----------
    Oppenheim and Schafer, "Discrete-time signal processing", 2010, section 7.5. The taps are those of
    `scipy.signal.firwin`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.lowpass(50.0, 5, rate=500.0).taps.round(3)
    array([0.028, 0.237, 0.469, 0.237, 0.028])
    """
    (edge,) = _edges(rate, cutoff=cutoff)
    return _bands(((0.0, edge),), 0.0, size, window)


@named
def highpass(cutoff: float, size: int, *, window: Window = "hamming", rate: float = 1.0) -> Kernel:
    """Return a high-pass filter: the ideal response for frequencies above a cutoff, under a window.

    Parameters
    ----------
    cutoff : float
        Frequency where the amplitude is one half, above 0 and below ``rate / 2``.
    size, window, rate
        As for `lowpass`.

    Returns
    -------
    Kernel
        The kernel, in one dimension, even about the origin, with amplitude 1 at the frequency ``rate / 2``.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `size` is even.

    References
    ----------
    The taps are those of `scipy.signal.firwin` with ``pass_zero=False``.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.highpass(0.1, 5).taps.round(3)
    array([-0.012, -0.103,  0.818, -0.103, -0.012])
    """
    (edge,) = _edges(rate, cutoff=cutoff)
    return _bands(((edge, 0.5),), 0.5, size, window)


@named
def bandpass(low: float, high: float, size: int, *, window: Window = "hamming", rate: float = 1.0) -> Kernel:
    """Return a band-pass filter: the ideal response for the frequencies between two, under a window.

    Parameters
    ----------
    low, high : float
        Frequencies where the amplitude is one half, in ascending order, above 0 and below ``rate / 2``.
    size, window, rate
        As for `lowpass`.

    Returns
    -------
    Kernel
        The kernel, in one dimension, even about the origin, with amplitude 1 in the middle of the band.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `size` is even.

    References
    ----------
    The taps are those of `scipy.signal.firwin` with ``pass_zero=False``.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.bandpass(0.1, 0.2, 5).taps.round(3)
    array([-0.017,  0.226,  0.724,  0.226, -0.017])
    """
    edges = _edges(rate, low=low, high=high)
    return _bands((edges,), sum(edges) / 2, size, window)


@named
def bandstop(low: float, high: float, size: int, *, window: Window = "hamming", rate: float = 1.0) -> Kernel:
    """Return a band-stop filter: the ideal response for all frequencies but those between two, under a window.

    Parameters
    ----------
    low, high : float
        Frequencies where the amplitude is one half, in ascending order, above 0 and below ``rate / 2``.
    size, window, rate
        As for `lowpass`.

    Returns
    -------
    Kernel
        The kernel, in one dimension, even about the origin; its taps sum to one.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `size` is even.

    References
    ----------
    The taps are those of `scipy.signal.firwin` with ``pass_zero=True``.

    Examples
    --------
    >>> import faltung as fa
    >>> hum = fa.bandstop(45.0, 55.0, 101, rate=500.0)  # what the power line adds
    >>> hum.shape, hum.taps.sum().round(12)
    ((101,), np.float64(1.0))
    """
    first, second = _edges(rate, low=low, high=high)
    return _bands(((0.0, first), (second, 0.5)), 0.0, size, window)


@named
def differentiator(size: int, *, window: Window = "blackman", rate: float = 1.0) -> Kernel:
    """Return a filter that differentiates at almost all frequencies: the ideal response under a window.

        k[m] = c w[m] (-1)^m / m,    k[0] = 0

    where w is the window, and c, close to one, makes the slope of a straight line exact. A window that does not fall
    to zero at its ends, such as ``"hamming"``, gives slopes that are wrong by almost a tenth; it is refused.

    Parameters
    ----------
    size : int
        Number of taps, which is odd and at least 5. More taps differentiate higher frequencies right.
    window : str or tuple, optional
        ``"blackman"``, ``"hann"``, or ``("kaiser", beta)`` with a beta of at least 6.
    rate : float, optional
        Samples per unit of time or length: the derivative is per that unit.

    Returns
    -------
    Kernel
        The kernel, in one dimension, odd about the origin. At ``rate / 2`` its response is zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `size` is even.

    See Also
    --------
    savgol : Exact derivatives of polynomials, which do not amplify noise as much.

    References
    ----------
    Oppenheim and Schafer, "Discrete-time signal processing", 2010, section 7.5.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> wave = np.sin(0.6 * np.arange(100.0))
    >>> error = fa.differentiator(31)(wave) - 0.6 * np.cos(0.6 * np.arange(100.0))
    >>> bool(np.abs(error[15:-15]).max() < 2e-3)
    True
    """
    places, shape = _window_of(size, window, 5)
    if shape[0] > _LARGEST_END:
        expected = "a window that falls to zero at its ends, such as 'blackman' or ('kaiser', 8)"
        raise ArgumentError("window", expected, repr(window))
    taps = np.zeros(len(places))
    other = places != 0
    taps[other] = shape[other] * (-1.0) ** places[other] / places[other]
    return _scaled(taps, -(places * taps).sum() / real("rate", rate, 0.0, open_end=True), size)


@named
def hilbert(size: int, *, window: Window = "hamming") -> Kernel:
    """Return a filter that shifts the phase of all but the lowest and highest frequencies by a quarter of a cycle.

        k[m] = c w[m] 2 / (pi m) for odd m, 0 for even m

    where w is the window, and c makes the amplitude one at a quarter of the sampling rate. A cosine becomes a sine;
    ``x + 1j * hilbert(size)(x)`` is the analytic signal of x, whose magnitude is the envelope.

    Parameters
    ----------
    size : int
        Number of taps, which is odd and at least 3. More taps reach lower frequencies.
    window : str or tuple, optional
        As for `lowpass`.

    Returns
    -------
    Kernel
        The kernel, in one dimension, odd about the origin.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `size` is even.

    References
    ----------
    Oppenheim and Schafer, "Discrete-time signal processing", 2010, section 12.4.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> tone = np.cos(np.arange(200.0))
    >>> envelope = np.abs(tone + 1j * fa.hilbert(63)(tone))
    >>> bool(np.abs(envelope[31:-31] - 1).max() < 2e-3)
    True
    """
    places, shape = _window_of(size, window)
    taps = np.zeros(len(places))
    odd = places % 2 == 1
    taps[odd] = shape[odd] * 2 / (math.pi * places[odd])
    return _scaled(taps, (taps * np.sin(math.pi / 2 * places)).sum(), size)


def _bands(bands: Sequence[tuple[float, ...]], normal: float, size: int, window: Window) -> Kernel:
    """Return the ideal response in bands under a window, with the amplitude one at the frequency `normal`."""
    places, shape = _window_of(size, window)
    ideal = sum(2 * high * np.sinc(2 * high * places) - 2 * low * np.sinc(2 * low * places) for low, high in bands)
    taps = np.asarray(ideal * shape)
    return _scaled(taps, (taps * np.cos(2 * math.pi * normal * places)).sum(), size)


def _scaled(taps: NDArray[np.float64], response: float, size: int) -> Kernel:
    if not abs(response) > 1e-9 * np.abs(taps).sum():
        raise ArgumentError("size", "enough taps for these frequencies and this window", f"{size}", "Use more taps.")
    return Taps(taps / response)


def _edges(rate: float, **frequencies: float) -> tuple[float, ...]:
    """Return frequencies in cycles per sample."""
    per_unit = real("rate", rate, 0.0, open_end=True)
    edges: list[float] = []
    for name, value in frequencies.items():
        edge = real(name, value, 0.0, open_end=True) / per_unit
        if edge >= 0.5:
            remedy = "Higher frequencies are not in the samples; frequencies are in the unit of rate=."
            raise ArgumentError(name, f"a frequency below rate / 2 = {per_unit / 2:g}", f"{value}", remedy)
        if edges and edge <= edges[-1]:
            raise ArgumentError(name, f"a frequency above low={frequencies['low']}", f"{value}")
        edges.append(edge)
    return tuple(edges)


def odd_size(size: int, least: int, most: int = MOST_NAMED_TAPS) -> int:
    """Return an odd number of taps."""
    taps = integer("size", size, least, most)
    if taps % 2 == 0:
        remedy = f"Use {taps + 1}. With an even number, the filter would delay by half a sample."
        raise ArgumentError("size", "an odd number", f"{taps}", remedy)
    return taps


def _window_of(size: int, window: Window, least: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions of the taps, and the values of a window there."""
    taps = odd_size(size, least)
    places: NDArray[np.float64] = np.arange(float(taps)) - taps // 2
    if isinstance(window, str) and window in _WINDOWS:
        return places, np.asarray(_WINDOWS[window](taps))
    if isinstance(window, tuple | list) and len(window) == 2 and window[0] == "kaiser":
        return places, np.kaiser(taps, real("window[1]", window[1], 0.0))
    expected = f"one of {', '.join(map(repr, _WINDOWS))}, or ('kaiser', beta)"
    raise ArgumentError("window", expected, repr(window))
