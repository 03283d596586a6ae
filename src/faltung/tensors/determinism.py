"""How does torch give the same numbers twice? One seed, one number of threads, only deterministic algorithms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from faltung.ground.checks import integer

__all__ = ["reproducible"]

_LARGEST_SEED = 2**63 - 1
_MOST_THREADS = 2**15


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Fix everything that results of torch on the CPU depend on, and restore it afterwards.

    That includes the number of threads, which decides in which order partial sums are added.

    Parameters
    ----------
    seed : int
        Seed of torch's global generator inside the context, from 0 to 2**63 - 1.
    threads : int
        How many threads one operation may use.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `seed` or `threads` is not an integer, or out of range.

    Examples
    --------
    >>> with reproducible(seed=1, threads=1):
    ...     first = torch.rand(1)
    >>> with reproducible(seed=1, threads=1):
    ...     bool(torch.rand(1) == first)
    True
    """
    seed, threads = integer("seed", seed, 0, _LARGEST_SEED), integer("threads", threads, 1, _MOST_THREADS)
    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic_before)
            torch.set_num_threads(threads_before)
