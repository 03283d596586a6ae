"""Which images does a CSV file list? The file, the class and, if given, the part of each image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.file_names import part_of
from faltung.datasets.listing import Entry, Listing
from faltung.errors import ArgumentError

__all__ = ["is_table", "list_table"]

_FILE = ("file", "filename", "file_name", "image", "path", "filepath", "image_path")
_LABEL = ("label", "class", "target")
_SPLIT = ("split", "part", "subset")


def is_table(path: Path) -> bool:
    """Whether the header of a CSV file has a column of files and a column of labels."""
    try:
        header = next(_rows(path), [])
    except ArgumentError:
        return False
    return _column(header, _FILE) is not None and _column(header, _LABEL) is not None


def list_table(path: Path) -> Listing:
    """List the images of a CSV file; the names of files are relative to its folder.

    Columns are separated by commas, semicolons or tabs. Other columns are ignored.

    Raises
    ------
    ArgumentError
        A column or an entry is missing, or the name of a part is not known.
    """
    header, *rows = [*_rows(path)] or [[]]
    file, label, split = _columns(header, path)
    _check_rows(rows, [column for column in (file, label, split) if column is not None], path)
    listing: dict[str, list[Entry]] = {}
    for line, row in enumerate(rows, 2):
        part = "training" if split is None else part_of(row[split])
        if part is None:
            received = f"'{row[split or 0]}' in row {line} of '{path.name}'"
            raise data_error("train, val or test as split", received, "Rename it.")
        listing.setdefault(part, []).append(Entry(path.parent / row[file].strip(), row[label].strip()))
    if "training" not in listing:
        received = f"only {', '.join(sorted(listing))} in '{path.name}'"
        raise data_error("images with the split train", received, "Add some, or leave the column out.")
    return listing


def _columns(header: Sequence[str], path: Path) -> tuple[int, int, int | None]:
    """Return the columns of files, of labels, and of parts, if there is one."""
    file, label = _column(header, _FILE), _column(header, _LABEL)
    if file is None or label is None:
        expected = f"a first line with a column of files ({', '.join(_FILE)}) and one of labels ({', '.join(_LABEL)})"
        columns = f"the columns {shortened([repr(name) for name in header])}" if header else "no column"
        raise data_error(expected, f"{columns} in '{path.name}'")
    return file, label, _column(header, _SPLIT)


def _check_rows(rows: Sequence[Sequence[str]], columns: Sequence[int], path: Path) -> None:
    if not rows:
        raise data_error("a line for each image", f"none in '{path.name}'")
    if incomplete := [str(line) for line, row in enumerate(rows, 2) if not all(_cells(row, columns))]:
        received = f"an empty cell in row {shortened(incomplete)} of '{path.name}'"
        remedy = "Fill the cell, or remove the row."
        raise data_error("a file, a label and, if there is such a column, a split in each row", received, remedy)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            delimiter = max(",;\t", key=header.count)
            yield from (row for row in csv.reader(_chained(header, file), delimiter=delimiter) if row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise data_error("a CSV file in UTF-8", f"'{path.name}' ({error})", "Save it in that encoding.") from error


def _chained(first: str, others: Iterable[str]) -> Iterator[str]:
    yield first
    yield from others


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    titles = [cell.strip().lower() for cell in header]
    return next((titles.index(name) for name in names if name in titles), None)


def _cells(row: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [row[column].strip() if column < len(row) else "" for column in columns]
