"""Threads for machine code beside torch: torch's own, where they can be asked.

Between two parallel regions torch's threads wait with their eyes open, on the very cores on which others would run.
So code that stands between torch's kernels runs on the same threads: they begin within a microsecond, and no core
has two masters. They belong to GNU's OpenMP library, which torch brings along on Linux; elsewhere, threads of the
pool of `faltung.ground.threads` do the work.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

from faltung.jit.compile import address
from faltung.run.layer_run import in_threads

__all__ = ["beside_torch"]


def beside_torch(code: Callable[[int], int], board: int, count: int) -> None:
    """Call machine code with the address of a board on so many threads."""
    parallel = _parallel()
    if count == 1:
        code(board)
    elif parallel is None:
        in_threads(code, board, count)
    else:
        parallel(address(code), board, count, 0)


@cache
def _parallel() -> Callable[[int, int, int, int], None] | None:
    """Find ``GOMP_parallel(function, data, threads, flags)`` in the library that torch has loaded."""
    if sys.platform != "linux":
        return None
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {line.split(maxsplit=5)[-1].strip() for line in maps if "/libgomp" in line}
    if len(paths) != 1:  # none, or two of which only one can be torch's
        return None
    try:
        found = ctypes.CDLL(paths.pop()).GOMP_parallel
    except (OSError, AttributeError):
        return None
    found.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    found.restype = None
    return found
