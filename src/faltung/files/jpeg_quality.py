"""How strongly was a JPEG compressed? The number from 1 to 100 that its table of quantisation comes from."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["quality_of", "quality_of_tables"]

#: Sum of the table for brightness in annex K of the standard, which has quality 50.
_STANDARD = 3688


def quality_of(table: Sequence[int]) -> int:
    """Return the quality of a table of 64 numbers.

    Examples
    --------
    >>> quality_of([1] * 64)
    99
    """
    percent = 100 * sum(table) / _STANDARD
    return max(1, min(100, round(100 - percent / 2 if percent <= 100 else 5000 / percent)))


def quality_of_tables(data: bytes) -> int | None:
    """Return the quality of a JPEG stream that has tables, or None if it has none."""
    at = data.find(b"\xff\xdb")
    if at < 0 or at + 69 > len(data) or data[at + 4] >> 4:
        return None
    return quality_of(data[at + 5 : at + 69])
