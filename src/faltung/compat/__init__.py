"""Existing code on this operator: modules with the peers' signatures and behaviour.

Examples
--------
>>> from faltung.compat import ndimage
>>> ndimage.uniform_filter([1.0, 4.0, 1.0])
array([2., 2., 2.])
"""

from __future__ import annotations

from faltung.ground.faces import load_when_used

__all__ = ["ndimage"]

# They are loaded when they are first used.
_LOADED_WHEN_USED = {"ndimage": "faltung.compat.ndimage"}

__getattr__, __dir__ = load_when_used(__name__, _LOADED_WHEN_USED)
