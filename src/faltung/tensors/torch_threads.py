"""On which threads does machine code run beside torch, and on how many? On torch's own, where they can be reached.

Between two parallel regions torch's threads do not sleep: they wait in a loop, and occupy their cores. Threads of our
own would share these cores with them. So machine code between torch's kernels runs on torch's threads: they begin
within a microsecond. They belong to GNU's OpenMP library, which torch brings along on Linux; elsewhere the code runs
on the threads of `faltung.ground.threads`.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from faltung.ground.threads import chosen_count, workers
from faltung.jit.compile import address
from faltung.run.layer_run import in_threads

__all__ = ["beside_torch", "on_threads", "thread_count"]


def thread_count() -> int:
    """Return the number of threads that `faltung.workers` or ``FALTUNG_WORKERS`` asks for, or else torch's."""
    return chosen_count() or torch.get_num_threads()


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Use `count` threads in a ``with`` block, for machine code and for torch's kernels."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        with workers(count):
            yield
    finally:
        torch.set_num_threads(before)


def beside_torch(code: Callable[[int], int], board: int, count: int) -> None:
    """Call machine code with the address of its table `board`, on `count` threads."""
    parallel = _parallel()
    if count == 1:
        code(board)
    elif parallel is None:
        in_threads(code, board, count)
    else:
        parallel(address(code), board, count, 0)


@cache
def _parallel() -> Callable[[int, int, int, int], None] | None:
    """Return ``GOMP_parallel(function, data, threads, flags)`` of the library that torch has loaded, or None."""
    if sys.platform != "linux":
        return None
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {line.split(maxsplit=5)[-1].strip() for line in maps if "/libgomp" in line}
    if len(paths) != 1:  # with two libraries, it is not known which one is torch's
        return None
    try:
        parallel = ctypes.CDLL(paths.pop()).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    return parallel
