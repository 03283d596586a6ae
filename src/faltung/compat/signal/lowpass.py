"""Which low-pass filter does a change of the sampling rate use? A windowed sinc, as that of `scipy.signal.firwin`."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError
from faltung.kernels.windowed_sinc import COSINES, windowed_sinc

__all__ = ["lowpass"]


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
        return windowed_sinc(count, cutoff, name, float(parameters[0]))
    if isinstance(name, str) and name in COSINES and not parameters:
        return windowed_sinc(count, cutoff, name, 0.0)
    raise NotServedError(function, f"window: {window!r}")
