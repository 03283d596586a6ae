"""Where are the slices of a block, and which rows count as short? Facts that several engines share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SHORT", "slice_offsets"]

#: Samples of a row from which on gathering whole blocks costs more than strips along the border.
SHORT = 1024


@lru_cache(maxsize=256)
def slice_offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
    """Byte offset of every slice of a block, given its axes before rows and columns."""
    table = np.zeros((), dtype=np.int64)
    for size, stride in zip(shape, strides, strict=True):
        table = np.add.outer(table, stride * np.arange(size, dtype=np.int64))
    return np.ascontiguousarray(table)
