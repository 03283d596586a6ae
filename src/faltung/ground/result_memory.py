"""Where are large results stored? In memory of results that nobody has any more, if there is any of the right size.

The system clears memory that it gives to a process, page by page when it is first written. For a large result of a
small filter that takes longer than the filter. So the memory of a few results is kept when their last array is gone:

* It is given away again only then: no two arrays ever share it, and a view keeps its memory as long as it lives.
* At most `MOST` bytes are kept. Where the system can take back what it needs without asking (``MADV_FREE`` of Linux),
  it may: memory that is kept is no reason for another program to fail.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LARGE", "empty"]

#: Bytes of a result from which on its memory is kept. The C library itself keeps that of smaller ones.
LARGE = 1 << 25
#: Most bytes that are kept, and the most by which memory may be larger than the result in it.
MOST, WASTED = 1 << 28, 0.25
#: Bytes of a large page, at which results begin.
_PAGE = 1 << 21
_FREE = 8  # MADV_FREE

_Memory = np.ndarray[tuple[int], np.dtype[np.uint8]]

#: Memory without a result, the oldest first. Each step is a single operation of a dictionary: a result may end
#: anywhere, also while another one begins, so a lock could wait for itself.
_kept: dict[int, _Memory] = {}


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a new array, like `numpy.empty`; a large one does not own its memory, its base does.

    Examples
    --------
    >>> empty((2, 3), np.dtype("f4")).shape
    (2, 3)
    """
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    return np.asarray(_Lease(_take(size), shape, dtype))


class _Lease:
    """Memory for as long as an array is in it."""

    def __init__(self, memory: _Memory, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._memory = memory
        self.__array_interface__ = {
            "version": 3,
            "data": (_first_page(memory), False),
            "shape": shape,
            "typestr": dtype.str,
        }

    def __del__(self) -> None:
        if not sys.is_finalizing():  # then this module may be gone
            _give_back(self._memory)


def _first_page(memory: _Memory) -> int:
    return -(-memory.ctypes.data // _PAGE) * _PAGE


def _take(size: int) -> _Memory:
    for key, memory in [*_kept.items()][::-1]:
        # Another thread may have taken it meanwhile.
        if size <= memory.size - _PAGE <= (1 + WASTED) * size and _kept.pop(key, None) is not None:
            return memory
    return np.empty(size + _PAGE, np.uint8)


def _give_back(memory: _Memory) -> None:
    if memory.size - _PAGE > MOST:
        return
    advise = _madvise()
    if advise is not None:
        advise(_first_page(memory), memory.size - _PAGE, _FREE)  # it may fail, and does not matter
    _kept[id(memory)] = memory
    while sum(kept.size - _PAGE for kept in [*_kept.values()]) > MOST:
        for oldest in [*_kept][:1]:
            _kept.pop(oldest, None)


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return advise
