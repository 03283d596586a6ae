"""Which low-pass filter does a change of the sampling rate use? A windowed sinc, as that of `scipy.signal.firwin`."""

from __future__ import annotations

import numbers
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError

__all__ = ["lowpass"]

#: Coefficients of the cosines of windows that are sums of them.
_COSINES = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.50, 0.08),
}


def lowpass(function: str, count: int, cutoff: float, window: Any) -> NDArray[np.float64]:
    """Return the taps of a low-pass filter whose sum is one.

    Parameters
    ----------
    function : str
        Full name of the peer's function, for errors.
    count : int
        Number of taps.
    cutoff : float
        The frequency where the response falls to one half, relative to half the sampling rate.
    window : str, tuple or float
        ``boxcar``, ``hann``, ``hamming`` or ``blackman``; or ``("kaiser", beta)``, or beta.

    Raises
    ------
    ArgumentError
        The cutoff is not between 0 and 1.
    NotServedError
        Another window.

    Examples
    --------
    >>> lowpass("scipy.signal.decimate", 3, 0.5, "hamming").round(3)
    array([0.046, 0.908, 0.046])
    """
    if not 0 < cutoff < 1:
        raise ArgumentError("cutoff", "a frequency greater than 0 and less than half the sampling rate", f"{cutoff}")
    name, *parameters = window if isinstance(window, tuple) and window else (window,)
    if isinstance(name, numbers.Real) and not parameters:
        name, parameters = "kaiser", [name]
    if name == "kaiser" and len(parameters) == 1:
        return _designed(count, cutoff, name, float(parameters[0]))
    if isinstance(name, str) and name in _COSINES and not parameters:
        return _designed(count, cutoff, name, 0.0)
    raise NotServedError(function, f"window: {window!r}")


@lru_cache(maxsize=64)
def _designed(count: int, cutoff: float, name: str, beta: float) -> NDArray[np.float64]:
    """Return the taps, which cannot be written to; those of recent calls are kept."""
    positions = np.arange(count) - 0.5 * (count - 1)
    ratios = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    if name == "kaiser":
        window = np.i0(beta * np.sqrt(1.0 - ratios**2)) / np.i0(beta)
    else:
        window = np.sum([a * np.cos(n * np.pi * ratios) for n, a in enumerate(_COSINES[name])], axis=0)
    taps = cutoff * np.sinc(cutoff * positions) * window
    taps = np.asarray(taps / taps.sum())
    taps.flags.writeable = False
    return taps
