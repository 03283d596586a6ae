"""How does a notebook display a value? As an HTML table; what is in it is text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_table"]

_CELL = "text-align:left;padding:1px 10px 1px 0;vertical-align:top"


def html_table(rows: Iterable[Sequence[object]], header: Sequence[str] = (), caption: str = "") -> str:
    """Return a table; the first cell of each row names it.

    Examples
    --------
    >>> html_table([("method", "a < b")]).count("&lt;")
    1
    """
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{_row([str(cell) for cell in row])}</tr>" for row in rows)
    above = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f"<table>{above}{f'<thead><tr>{head}</tr></thead>' if header else ''}<tbody>{body}</tbody></table>"


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<th style="{_CELL};font-weight:600">{escape(first)}</th>' + "".join(
        f'<td style="{_CELL}">{escape(cell)}</td>' for cell in others
    )
