"""Memory that a thread works in: buffers that are kept from call to call."""

from __future__ import annotations

import threading

import numpy as np

__all__ = ["take"]

#: Bytes of the largest buffer that is kept; a larger one is given back after the block it served.
_KEPT = 1 << 22
#: Bytes of a cache line, and of the longest vector.
_LINE = 64


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.kept: dict[str, tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], int]] = {}


_buffers = _Buffers()


def take(name: str, size: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], int]:
    """Return this thread's buffer of that name, with at least `size` bytes, and its address, on a cache line.

    The address is valid for as long as the caller holds the buffer.
    """
    found = _buffers.kept.get(name)
    if found is None or found[0].size < size:
        memory = np.empty(size + _LINE, np.uint8)
        start = -memory.ctypes.data % _LINE
        buffer = memory[start : start + size]
        found = (buffer, buffer.ctypes.data)
        if size <= _KEPT:
            _buffers.kept[name] = found
    return found
