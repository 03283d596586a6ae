"""How is a plan printed? As rows of a word and a text, and a row for each candidate that was rejected."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

__all__ = ["Row", "bytes_text", "counted", "scale_text", "shape_text", "shortened", "table", "time_text"]

Row: TypeAlias = tuple[str, str]
"""A word, and a text about it."""

#: Most characters of a kernel that are printed; of a longer text, both ends are.
LONGEST = 160


class _Rejected(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def reason(self) -> str: ...


def table(rows: Sequence[Row], rejected: Iterable[_Rejected] = ()) -> str:
    """Return rows, and a row for each candidate that was rejected, as lines with two columns.

    Examples
    --------
    >>> print(table([("method", "direct"), ("time", time_text(2e-3))]))
    method    direct
    time      2 ms
    """
    others = [("rejected", f"{one.method}: {time_text(one.seconds)}, {one.reason}") for one in rejected]
    return "\n".join(f"{word:<10}{text}" for word, text in [*rows, *others])


def shortened(text: str) -> str:
    """Return a text, or both ends of a long one."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def counted(text: str) -> str:
    """Return the text of a kernel with the number of its taps in place of many taps in a row."""
    return re.sub(
        r"\[([^\[\]]*)\]", lambda row: row[0] if row[1].count(",") < 9 else f"[{row[1].count(',') + 1} taps]", text
    )


def shape_text(shape: Iterable[Any]) -> str:
    """Return a shape as ``3 x 4``."""
    return " x ".join(str(length) for length in shape) or "scalar"


def bytes_text(count: float) -> str:
    """Return a number of bytes with its unit."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(count / 2**10, 0.1):.1f} kB"


def time_text(seconds: float) -> str:
    """Return a time with its unit; an infinite time is impossible."""
    if seconds == math.inf:
        return "impossible"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def scale_text(pointwise: bool) -> str:
    """Return the scale that an error bound is relative to."""
    if pointwise:
        return "the sum of |tap| |sample| under each output"
    return "the sum of |tap| times the largest |sample|"
