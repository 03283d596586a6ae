"""Which images does a CSV file list? The file, the class and, if given, the part of each image."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.dataset import LONGEST_NAME
from faltung.datasets.file_names import part_of
from faltung.datasets.listing import Entry, Listing
from faltung.datasets.searching import search
from faltung.errors import ArgumentError
from faltung.ground.given_files import read_regular
from faltung.ground.spreadsheet_cells import text_of

__all__ = ["is_table", "list_table"]

_FILE = ("file", "filename", "file_name", "image", "path", "filepath", "image_path")
_LABEL = ("label", "class", "target")
_SPLIT = ("split", "part", "subset")


class _Row(NamedTuple):
    """The cells of a row, and the number of its first line."""

    line: int
    cells: Sequence[str]


_NONE = _Row(1, ())


def is_table(path: Path) -> bool:
    """Whether the header of a CSV file has a column of files and a column of labels."""
    try:
        header = next(_rows(path), _NONE)
    except ArgumentError:
        return False
    return _column(header.cells, _FILE) is not None and _column(header.cells, _LABEL) is not None


def list_table(path: Path, *, complete: bool = False) -> Listing:
    """List the images of a CSV file; the names of files are relative to its folder.

    Columns are separated by commas, semicolons or tabs. Other columns are ignored.

    Parameters
    ----------
    path : path
        The CSV file.
    complete : bool, optional
        Whether the other files of its folder are listed as skipped.

    Raises
    ------
    ArgumentError
        A column or an entry is missing, a file has two labels, or the name of a part is not known.
    """
    header, *rows = [*_rows(path)] or [_NONE]
    file, label, split = _columns(header.cells, path)
    _check_rows(rows, [column for column in (file, label, split) if column is not None], path)
    entries: dict[str, list[Entry]] = {}
    first_of: dict[Path, tuple[int, str]] = {}
    for row in rows:
        part = "training" if split is None else part_of(row.cells[split])
        if part is None:
            received = f"'{row.cells[split or 0]}' in row {row.line} of '{path.name}'"
            raise data_error("train, val or test as split", received, "Rename it.")
        entry = Entry(path.parent / row.cells[file].strip(), row.cells[label].strip())
        if len(entry.label) > LONGEST_NAME:
            received = f"one of {len(entry.label):,} in row {row.line} of '{path.name}'"
            raise data_error(f"labels of at most {LONGEST_NAME:,} characters", received, "Shorten it.")
        line, known = first_of.setdefault(_same(entry.path), (row.line, entry.label))
        if known != entry.label:
            received = f"'{known}' in row {line} and '{entry.label}' in row {row.line} of '{path.name}'"
            raise data_error(f"one label for '{row.cells[file].strip()}'", received, "Remove one of the rows.")
        entries.setdefault(part, []).append(entry)
    if "training" not in entries:
        received = f"only {', '.join(sorted(entries))} in '{path.name}'"
        raise data_error("images with the split train", received, "Add some, or leave the column out.")
    return Listing(entries, _others(path, first_of) if complete else {})


def _others(table: Path, listed: Collection[Path]) -> dict[Path, str]:
    images, skipped = search(table.parent)
    skipped.pop(table, None)
    return skipped | {image: f"not in {table.name}" for image in images if _same(image) not in listed}


def _same(path: Path) -> Path:
    """Return the path in one spelling, without ./ and ../."""
    return Path(os.path.abspath(path))


def _columns(header: Sequence[str], path: Path) -> tuple[int, int, int | None]:
    """Return the columns of files, of labels, and of parts, if there is one."""
    file, label = _column(header, _FILE), _column(header, _LABEL)
    if file is None or label is None:
        expected = f"a first line with a column of files ({', '.join(_FILE)}) and one of labels ({', '.join(_LABEL)})"
        columns = f"the columns {shortened([repr(name) for name in header])}" if header else "no column"
        raise data_error(expected, f"{columns} in '{path.name}'")
    return file, label, _column(header, _SPLIT)


def _check_rows(rows: Sequence[_Row], columns: Sequence[int], path: Path) -> None:
    if not rows:
        raise data_error("a line for each image", f"none in '{path.name}'")
    if incomplete := [str(row.line) for row in rows if not all(_cells(row.cells, columns))]:
        received = f"an empty cell in row {shortened(incomplete)} of '{path.name}'"
        remedy = "Fill the cell, or remove the row."
        raise data_error("a file, a label and, if there is such a column, a split in each row", received, remedy)


def _rows(path: Path) -> Iterator[_Row]:
    """Yield the rows that are not blank, with the numbers of the lines at which they begin."""
    try:
        lines = io.StringIO(read_regular(path).decode("utf-8-sig"), newline="").readlines()
        header = next((line for line in lines if line.strip()), "")
        reader = csv.reader(lines, delimiter=max(",;\t", key=header.count))
        line = 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _Row(line, [*map(text_of, cells)])
            line = reader.line_num + 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise data_error("a CSV file in UTF-8", f"'{path.name}' ({error})", "Save it in that encoding.") from error


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    titles = [cell.strip().lower() for cell in header]
    return next((titles.index(name) for name in names if name in titles), None)


def _cells(row: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [row[column].strip() if column < len(row) else "" for column in columns]
