"""What does a CSV file say of images? The file, the class and perhaps the part of each."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from faltung.datasets.file_names import part_of
from faltung.datasets.listing import Entry, Listing
from faltung.datasets.refusal import refusal, shortened
from faltung.errors import ArgumentError

__all__ = ["is_table", "list_table"]

_FILE = ("file", "filename", "file_name", "image", "path", "filepath", "image_path")
_LABEL = ("label", "class", "target")
_SPLIT = ("split", "part", "subset")


def is_table(path: Path) -> bool:
    """Say whether the header of a CSV file names a column of files and one of labels."""
    try:
        header = next(_rows(path), [])
    except ArgumentError:
        return False
    return _column(header, _FILE) is not None and _column(header, _LABEL) is not None


def list_table(path: Path) -> Listing:
    """List the images of a CSV file; their names are relative to the folder it lies in.

    Commas, semicolons and tabs can stand between columns; other columns are passed over.

    Raises
    ------
    ArgumentError
        If a column or an entry is missing, or a part is not known.
    """
    header, *rows = [*_rows(path)] or [[]]
    file, label, split = (_column(header, names) for names in (_FILE, _LABEL, _SPLIT))
    if file is None or label is None:
        expected = f"a first line with a column of files ({', '.join(_FILE)}) and one of labels ({', '.join(_LABEL)})"
        columns = f"the columns {shortened([repr(name) for name in header])}" if header else "no column"
        raise refusal(expected, f"{columns} in '{path.name}'")
    if not rows:
        raise refusal("a line for each image", f"none in '{path.name}'")
    asked = [column for column in (file, label, split) if column is not None]
    if gaps := [str(line) for line, row in enumerate(rows, 2) if not all(_cells(row, asked))]:
        received = f"nothing in one of them in row {shortened(gaps)} of '{path.name}'"
        raise refusal("a file, a label and, if there is that column, a split in each row", received)
    listing: dict[str, list[Entry]] = {}
    for line, row in enumerate(rows, 2):
        part = "training" if split is None else part_of(row[split])
        if part is None:
            received = f"'{row[split or 0]}' in row {line} of '{path.name}'"
            raise refusal("train, val or test as split", received)
        listing.setdefault(part, []).append(Entry(path.parent / row[file].strip(), row[label].strip()))
    if "training" not in listing:
        raise refusal("images with the split train", f"only {', '.join(sorted(listing))} in '{path.name}'")
    return listing


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            delimiter = max(",;\t", key=header.count)
            yield from (row for row in csv.reader(_chained(header, file), delimiter=delimiter) if row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise refusal("a CSV file in UTF-8", f"'{path.name}' ({error})", "Save it again as such.") from error


def _chained(first: str, others: Iterable[str]) -> Iterator[str]:
    yield first
    yield from others


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    known = [cell.strip().lower() for cell in header]
    return next((known.index(name) for name in names if name in known), None)


def _cells(row: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [row[column].strip() if column < len(row) else "" for column in columns]
