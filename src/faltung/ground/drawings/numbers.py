"""Which numbers does a chart show? Tables of them, and lists of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from faltung.ground.drawings.charts import Curve

__all__ = ["definitions", "grid", "grid_of", "numbers"]


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return an HTML table; the first cell of each row is its name.

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
    """Return a collapsed HTML element that holds a table.

    Examples
    --------
    >>> numbers(["x", "y"], [["1", "2"]])[:41]
    '<details><summary>The numbers</summary><d'
    """
    return f"<details><summary>The numbers</summary>{grid(header, rows)}</details>"


def grid_of(lines: Sequence[Curve], x_label: str) -> str:
    """Return a table of the points of the curves of a chart.

    Examples
    --------
    >>> grid_of([Curve("a", ((0, 1.5), (1, 2)), 1), Curve("b", ((1, 3),), 2)], "x").count("<td>")
    4
    """
    points = [dict(line.points) for line in lines]
    xs = sorted({x for line in points for x in line})
    rows = [[f"{x:,.0f}", *(f"{line[x]:.1f}" if x in line else "" for line in points)] for x in xs]
    return grid([x_label, *(line.name for line in lines)], rows)


def definitions(facts: Mapping[str, object]) -> str:
    r"""Return facts as the entries of an HTML description list.

    Examples
    --------
    >>> definitions({"seed": 7, "data": {"name": "digits", "given": True}})
    '<dt>Seed</dt><dd>7</dd>\n<dt>Data</dt><dd>name digits, given yes</dd>'
    """

    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
        if isinstance(value, bool):
            return "yes" if value else "no"
        return "none" if value is None else str(value)

    return "\n".join(
        f"<dt>{escape(key.replace('_', ' ').capitalize())}</dt><dd>{escape(text(value))}</dd>"
        for key, value in facts.items()
    )
