"""How do two runs get the same results? With one seed, one number of threads, and deterministic algorithms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from faltung.errors import ArgumentError

__all__ = ["reproducible"]


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Fix everything that torch's results on the CPU depend on; restore it at the end of the context.

    They depend on the number of threads, too: it decides in which order partial sums are added.

    Parameters
    ----------
    seed : int
        Seed of torch's global generator inside the context; zero or more.
    threads : int
        Threads that one operation may use.

    Raises
    ------
    ArgumentError
        If `seed` is negative or above 2**63 - 1, or `threads` below one.

    Examples
    --------
    >>> with reproducible(seed=1, threads=1):
    ...     first = torch.rand(1)
    >>> with reproducible(seed=1, threads=1):
    ...     bool(torch.rand(1) == first)
    True
    """
    if not 0 <= seed < 2**63:
        raise ArgumentError("seed", "an integer from 0 to 2**63 - 1", str(seed))
    if threads < 1:
        raise ArgumentError("threads", "at least one", str(threads))
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
