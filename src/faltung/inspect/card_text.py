"""How does a card look in the terminal? Facts and tables, drawn by Rich."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from faltung.inspect.section_result import CardTable, SectionResult

__all__ = ["card_text", "plain_text"]

_WIDTH = 132


def card_text(title: str, warnings: Sequence[str], sections: Mapping[str, SectionResult]) -> Group:
    """Return a card as what Rich prints.

    Examples
    --------
    >>> print(plain_text(card_text("Net", ["Beware."], {})))
    Net
    Beware.
    """
    parts: list[Any] = [Text(title, style="bold"), *(Text(text, style="yellow") for text in warnings)]
    for result in sections.values():
        parts += [Text(""), Text(result.heading, style="bold"), _facts(result.facts())]
        table = result.table()
        if table is not None:
            parts += [_drawn(table)]
    return Group(*parts)


def plain_text(shown: Any) -> str:
    """Return what Rich prints as plain text, without colours.

    Examples
    --------
    >>> plain_text(Text("a", style="bold"))
    'a'
    """
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, color_system=None, force_terminal=False).print(shown)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _facts(facts: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(Text(name), Text(text))
    return table


def _drawn(table: CardTable) -> Table:
    drawn = Table(box=None, padding=(0, 1), header_style="dim", caption=Text(table.caption), caption_justify="left")
    header, rows = table.narrow
    for place, name in enumerate(header):
        if place == 0:
            drawn.add_column(Text(name), overflow="fold", min_width=12)
        else:
            drawn.add_column(Text(name), justify="right", no_wrap=True)
    for row in rows:
        drawn.add_row(*map(Text, row))
    return drawn
