"""Linear filters of scikit-image on this operator: ``from faltung.compat.skimage import filters``.

Signatures and behaviour are those of scikit-image 0.26; `docs/compat-skimage.md` lists the differences.
"""

from __future__ import annotations

from faltung.compat.skimage import filters

__all__ = ["filters"]
