"""Arrays between protected memory pages: to read or write one byte outside ends the process."""

from __future__ import annotations

import ctypes
import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_keep: list[Any] = []


def guarded(shape: tuple[int, ...], dtype: np.dtype[Any], behind: bool) -> NDArray[Any]:
    """Return an uninitialised array that ends (or begins) where a protected page begins (or ends)."""
    page = mmap.PAGESIZE
    size = math.prod(shape) * dtype.itemsize
    room = -(-max(size, 1) // page) * page
    memory = mmap.mmap(-1, room + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None)
    for place in (start, start + page + room):
        if libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(page), 0):
            raise OSError("mprotect failed")
    _keep.append(memory)
    if len(_keep) > 64:
        _keep.pop(0)
    offset = page + room - size if behind else page
    return np.frombuffer(memory, np.uint8, size, offset).view(dtype).reshape(shape)
