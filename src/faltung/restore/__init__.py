"""What was there before the blur? Wiener and Tikhonov filters, and the iteration of Richardson and Lucy.

- `likelihood`: the most likely non-negative image under photon noise, `richardson_lucy`.
- `regularised`: the least squares with a penalty, `tikhonov`, and the least expected error, `wiener`.
- `observation`: what was observed: samples, which of them are missing, and the blur as a linear operator.
- `solving`: conjugate gradients, and the spectrum that makes them fast.
- `total_variation`: how much does an image bend along its contours?

The names below are loaded when they are first used.

Examples
--------
>>> import numpy as np
>>> import faltung as fa
>>> x = np.zeros(9)
>>> x[4] = 1.0
>>> psf = fa.gaussian(1.0, ndim=1)
>>> fa.restore.tikhonov(psf(x), psf, ridge=1e-6).round(2)[2:7]
array([-0.  ,  0.01,  0.99,  0.01, -0.  ])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.restore.likelihood import richardson_lucy as richardson_lucy
    from faltung.restore.regularised import tikhonov as tikhonov
    from faltung.restore.regularised import wiener as wiener

_MODULE_OF = {
    "richardson_lucy": "faltung.restore.likelihood",
    "tikhonov": "faltung.restore.regularised",
    "wiener": "faltung.restore.regularised",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF)
