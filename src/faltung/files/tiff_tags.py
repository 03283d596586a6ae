"""Which entries of a TIFF page are passed on? All but those that say how its pixels are stored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from faltung.files.directory import Directory, Tag

__all__ = ["TEXTS", "extra_tags", "nodata_of", "number_text", "passed_on"]

#: Texts that EXIF has, too: description, maker, model, software, date, artist, copyright.
TEXTS = {270, 271, 272, 305, 306, 315, 33432}
_NODATA, _EXIF_DIRECTORIES = 42113, {34665, 34853, 40965}
#: The whole numbers that NumPy has integers for; others are floats.
_LOW, _HIGH = -(2**63), 2**64 - 1
#: How pixels are stored, what their extremes are, and what `Metadata` has a field for.
_STORAGE = {*range(254, 260), 262, 263, 264, 265, 266, 273, 274, *range(277, 285), 288, 289, 290, 291, 292, 293, 296}
_STORAGE |= {317, 320, 321, *range(322, 329), 330, 337, 338, 339, 340, 341, 342, 347, *range(512, 522), 529, 530, 531}
_STORAGE |= {532, 700, 32997, 32998, 34675, 50674, 50838, 50839, _NODATA}
#: Tables of other formats, whose offsets would point nowhere.
_FOREIGN = {33628, 33629, 33630, 33631, 34118, 34361, 34362, 34412, 37706, 51023, 51123}


def passed_on(entries: Iterable[Tag]) -> tuple[Tag, ...]:
    """Return the entries that a page is written with again, but for texts that EXIF has, too."""
    left_out = _STORAGE | TEXTS | _EXIF_DIRECTORIES | _FOREIGN
    return tuple(entry for entry in entries if entry.code not in left_out and entry.complete)


def extra_tags(entries: Iterable[Tag], order: str) -> list[tuple[int, int, int, bytes, bool]]:
    """Return entries as tifffile writes them, for every page."""
    return [(entry.code, entry.kind, entry.count, entry.ordered(order), False) for entry in entries]


def nodata_of(directory: Directory) -> int | float | None:
    """Return the value of missing samples that GDAL's tag has."""
    entry = directory.get(_NODATA)
    text = entry.data.rstrip(b"\0 ").decode("ascii", "replace").strip() if isinstance(entry, Tag) else ""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if kind is float or _LOW <= value <= _HIGH:
            return value
    return None


def number_text(value: int | float) -> str:
    """Return the value of missing samples as GDAL writes it.

    Examples
    --------
    >>> number_text(-9999.0), number_text(0.1), number_text(np.nan)
    ('-9999', '0.1', 'nan')
    """
    whole = np.isfinite(value) and value == int(value) and abs(value) < 2**53
    return str(int(value)) if whole or isinstance(value, int) else repr(float(value))
