"""How is a table printed? As lines of text: names on the left, numbers on the right, headers of two lines."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["text_table"]


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as lines of text, with a rule below the header.

    Headers are broken after their first word, so that a comparison fits into 80 columns.

    Parameters
    ----------
    header : sequence of str
        One cell for each column.
    rows : sequence of sequences of str
        Each begins with its name.

    Examples
    --------
    >>> print(text_table(["Network", "Multiply-adds", "Test accuracy"], [["dense", "535,040", "87.2 %"]]))
            Multiply-     Test
    Network      adds accuracy
    ──────────────────────────
    dense     535,040   87.2 %
    """
    broken = [_two_lines(cell) for cell in header]
    lines = [[first for first, _ in broken], [second for _, second in broken], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        " ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    texts.insert(2, "─" * (sum(widths) + len(widths) - 1))
    return "\n".join(texts)


def _two_lines(cell: str) -> tuple[str, str]:
    first, _, second = cell.replace(" ", "\n", 1).replace("-", "-\n").partition("\n")
    return (first, second) if second else ("", first)
