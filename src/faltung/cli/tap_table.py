"""Which numbers are in a table? Text with a row in each line, as spreadsheets and NumPy write it."""

from __future__ import annotations

import codecs
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faltung.ground.given_files import read_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_table"]


def read_table(path: Path) -> NDArray[np.float64]:
    """Return the numbers of a table, with a row for each line.

    Numbers are apart by semicolons, tabs, commas or spaces, the first of these that the text has. Between semicolons
    or tabs, a comma is a decimal sign. What follows ``#`` is a comment.

    Raises
    ------
    ValueError
        The file is no table of numbers; the message says what is wrong, and in which line.
    """
    content = read_regular(path)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is no text") from error
    lines = text.splitlines()
    delimiter = next((sign for sign in ";\t," if any(sign in line.partition("#")[0] for line in lines)), None)
    numbers, columns = array("d"), 0
    for number, line in enumerate(lines, 1):
        cells = [cell.strip().strip('"') for cell in line.partition("#")[0].split(delimiter)]
        while cells and not cells[-1]:  # spreadsheets end lines with delimiters
            cells.pop()
        if cells:
            numbers.extend(_number(cell, delimiter, number) for cell in cells)
            columns = columns or len(cells)
            if len(cells) != columns:
                raise ValueError(f"line {number} has {len(cells)} numbers, and the first line {columns}")
    if not columns:
        raise ValueError("there are no numbers")
    return np.array(numbers).reshape(-1, columns)


def _number(cell: str, delimiter: str | None, line: int) -> float:
    decimal = cell.replace(",", ".") if delimiter in (";", "\t") else cell
    try:
        return float(decimal.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        received = f"'{cell}'" if cell else "an empty cell"
        raise ValueError(f"line {line}: expected a number, got {received}") from None
