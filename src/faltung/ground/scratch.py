"""Scratch: memory for intermediate results, which each thread keeps from call to call."""

from __future__ import annotations

import threading

import numpy as np

__all__ = ["KEPT", "take"]

#: Bytes of the largest buffer that is kept; a larger one is freed when its block is done.
KEPT = 1 << 23
#: Bytes of a cache line, which are as many as those of the longest vector.
_LINE = 64


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.kept: dict[str, tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], int]] = {}


_buffers = _Buffers()


def take(name: str, size: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], int]:
    """Return the buffer of this thread with that name, and its address.

    The buffer has at least `size` bytes and begins at a cache line. The address is valid as long as the caller keeps
    the buffer.
    """
    entry = _buffers.kept.get(name)
    if entry is None or entry[0].size < size:
        memory = np.empty(size + _LINE, np.uint8)
        start = -memory.ctypes.data % _LINE
        buffer = memory[start : start + size]
        entry = (buffer, buffer.ctypes.data)
        if size <= KEPT:
            _buffers.kept[name] = entry
    return entry
