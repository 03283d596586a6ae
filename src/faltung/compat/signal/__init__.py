"""Functions of scipy.signal on this operator: the same names, arguments and results.

>>> from faltung.compat import signal
>>> signal.convolve([1.0, 2.0, 3.0], [1.0, 1.0], mode="same")
array([1., 3., 5.])
"""

from __future__ import annotations

from faltung.compat.signal.convolutions import convolve, correlate, fftconvolve, oaconvolve
from faltung.compat.signal.fir_filters import filtfilt, lfilter
from faltung.compat.signal.method_choice import choose_conv_method
from faltung.compat.signal.planar import convolve2d, correlate2d, sepfir2d
from faltung.compat.signal.rate_change import decimate, resample_poly, upfirdn
from faltung.compat.signal.savitzky_golay import savgol_filter

__all__ = [
    "choose_conv_method",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "decimate",
    "fftconvolve",
    "filtfilt",
    "lfilter",
    "oaconvolve",
    "resample_poly",
    "savgol_filter",
    "sepfir2d",
    "upfirdn",
]
