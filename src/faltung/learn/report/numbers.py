"""Which numbers stand behind a drawing? Tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from faltung.learn.report.charts import Curve

__all__ = ["grid", "grid_of", "numbers"]


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return an HTML table whose rows begin with their names.

    Examples
    --------
    >>> grid(["Network", "Parameters"], [["dense", "12"]]).count("<td>")
    1
    """
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    titled = f"<caption>{caption}</caption>" if caption else ""
    return f'<div class="scroll"><table>{titled}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def numbers(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a closed HTML element that opens to a table.

    Examples
    --------
    >>> numbers(["x", "y"], [["1", "2"]])[:41]
    '<details><summary>The numbers</summary><d'
    """
    return f"<details><summary>The numbers</summary>{grid(header, rows)}</details>"


def grid_of(lines: Sequence[Curve], x_label: str) -> str:
    """Return a table of the points of a chart's lines.

    Examples
    --------
    >>> grid_of([Curve("a", ((0, 1.5), (1, 2)), 1), Curve("b", ((1, 3),), 2)], "x").count("<td>")
    4
    """
    points = [dict(line.points) for line in lines]
    xs = sorted({x for line in points for x in line})
    rows = [[f"{x:,.0f}", *(f"{line[x]:.1f}" if x in line else "" for line in points)] for x in xs]
    return grid([x_label, *(line.name for line in lines)], rows)
