"""How do two networks differ? The figures of their cards, beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from faltung.ground.notebook import html_table

__all__ = ["CardComparison"]


@dataclass(frozen=True)
class CardComparison:
    """The figures of two cards.

    Parameters
    ----------
    titles : (str, str)
        What the cards are about.
    first, second : mapping of str to float
        Their figures; one that a card lacks is not compared.

    Examples
    --------
    >>> print(CardComparison(("small", "large"), {"parameters": 10}, {"parameters": 40}))
    figure      small  large  ratio
    parameters     10     40      4
    """

    titles: tuple[str, str]
    first: Mapping[str, float]
    second: Mapping[str, float]

    @property
    def rows(self) -> tuple[tuple[str, float, float], ...]:
        """Name and both values of each figure that both cards have."""
        return tuple((name, value, self.second[name]) for name, value in self.first.items() if name in self.second)

    def ratio(self, name: str) -> float:
        """Return the second value of a figure, divided by the first."""
        return self.second[name] / self.first[name] if self.first[name] else float("nan")

    def _cells(self) -> list[tuple[str, ...]]:
        return [(name, *map(_number, (one, two, self.ratio(name)))) for name, one, two in self.rows]

    def __str__(self) -> str:
        lines = [("figure", *self.titles, "ratio"), *self._cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )

    def _repr_html_(self) -> str:
        return html_table(self._cells(), ("figure", *self.titles, "ratio"))


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.3g}"
