"""Existing code on this operator: modules with the peers' signatures and behaviour, and their installation.

Change one line, ``from faltung.compat import ndimage`` in place of ``from scipy import ndimage``; or none, and run a
script with ``faltung run script.py``.

- `ndimage`, `signal`, `cv2`, `astropy` and `skimage` have the functions of `scipy.ndimage`, `scipy.signal`, OpenCV,
  `astropy.convolution` and `skimage`, under the names and with the behaviour that these have there.
- `peers` says which module of a peer belongs to which module here; `patching` replaces the peers' functions by these,
  `patched_call` is what they are replaced by, and `call_report` says what came of it.
- A call that the peer can serve and this package cannot raises `not_served.NotServedError`; a replaced function calls
  the original instead.

Examples
--------
>>> import numpy as np
>>> from faltung.compat import ndimage
>>> ndimage.uniform_filter1d(np.array([2, 8, 0, 4, 1, 9, 9, 0]), size=3)
array([4, 3, 4, 1, 4, 6, 6, 3])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.compat.call_report import CallReport as CallReport
    from faltung.compat.call_report import report as report
    from faltung.compat.not_served import NotServedError as NotServedError
    from faltung.compat.patching import install as install
    from faltung.compat.patching import installed as installed
    from faltung.compat.patching import uninstall as uninstall

_MODULE_OF = {
    "CallReport": "faltung.compat.call_report",
    "NotServedError": "faltung.compat.not_served",
    "astropy": "faltung.compat.astropy",
    "cv2": "faltung.compat.cv2",
    "install": "faltung.compat.patching",
    "installed": "faltung.compat.patching",
    "ndimage": "faltung.compat.ndimage",
    "report": "faltung.compat.call_report",
    "signal": "faltung.compat.signal",
    "skimage": "faltung.compat.skimage",
    "uninstall": "faltung.compat.patching",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF)
