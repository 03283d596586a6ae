"""What does a network do? Its report card, and its simplification with a certificate.

`report_card` makes a card. `capture` records what runs, `layer_rows` says what a layer is; `spreading` has the rules
of operations and `supports` follows them. `section_table` lists the sections of a card, which are in `sections`.
`antialiasing` blurs before every subsampling. `simplification` finds a simpler network with the same outputs.

The names below are loaded when they are first used; they need torch.

Examples
--------
>>> import torch
>>> import faltung as fa
>>> fa.inspect.card(torch.nn.Linear(3, 2), torch.zeros(1, 3)).figures["multiply_adds"]
6
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.inspect.antialiasing import antialias as antialias
    from faltung.inspect.report_card import Card as Card
    from faltung.inspect.report_card import card as card
    from faltung.inspect.simplification.certificate import Certificate as Certificate
    from faltung.inspect.simplification.simplifier import simplify as simplify

_MODULE_OF = {
    "Card": "faltung.inspect.report_card",
    "Certificate": "faltung.inspect.simplification.certificate",
    "antialias": "faltung.inspect.antialiasing",
    "card": "faltung.inspect.report_card",
    "simplify": "faltung.inspect.simplification.simplifier",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF, extra="learn")
