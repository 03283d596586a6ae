"""Existing code on this operator: modules with the peers' signatures and behaviour.

Examples
--------
>>> from faltung.compat import signal
>>> signal.convolve([1.0, 2.0, 3.0], [1.0, 1.0])
array([1., 3., 5., 3.])
"""

from __future__ import annotations

from faltung.ground.faces import load_when_used

__all__ = ["signal"]

# They are loaded when they are first used.
_LOADED_WHEN_USED = {"signal": "faltung.compat.signal"}

__getattr__, __dir__ = load_when_used(__name__, _LOADED_WHEN_USED)
