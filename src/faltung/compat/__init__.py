"""Existing code on this operator: modules with the peers' signatures and behaviour."""

from __future__ import annotations

from faltung.ground.faces import load_when_used

__getattr__, __dir__ = load_when_used(__name__, {"signal": "faltung.compat.signal"})
