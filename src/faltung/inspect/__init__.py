"""What does a network do? Its report card, and its simplification with a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.inspect.simplification.certificate import Certificate as Certificate
    from faltung.inspect.simplification.simplifier import simplify as simplify

_MODULE_OF = {
    "Certificate": "faltung.inspect.simplification.certificate",
    "simplify": "faltung.inspect.simplification.simplifier",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF, "learn")
