"""The convolutions of astropy on this operator: ``from faltung.compat.astropy import convolve, convolve_fft``.

Signatures and behaviour are those of `astropy.convolution` 8.0; `docs/compat-astropy.md` lists the differences.
"""

from __future__ import annotations

from faltung.compat.astropy.astropy_direct import convolve
from faltung.compat.astropy.astropy_padded import convolve_fft

__all__ = ["convolve", "convolve_fft"]
