"""How many threads work on a call, and the pool that they come from."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from faltung.ground.checks import integer

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["chosen_count", "core_count", "share", "start", "worker_count", "workers"]

_Item = TypeVar("_Item")

_chosen: ContextVar[int | None] = ContextVar("faltung_workers", default=None)
_pool: ThreadPoolExecutor | None = None


def worker_count(asked: Any = None) -> int:
    """Return the number of threads of a call.

    It is `asked`, or the number set by `workers`, or ``FALTUNG_WORKERS``, or the number of cores: the first that is
    given.
    """
    chosen = chosen_count(asked)
    return core_count() if chosen is None else chosen


def chosen_count(asked: Any = None) -> int | None:
    """Return how many threads an argument, `workers` or ``FALTUNG_WORKERS`` asks for; None if none of them does."""
    if asked is not None:
        return _checked(asked, "workers")
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    text = os.environ.get("FALTUNG_WORKERS")
    if text:
        return _checked(int(text) if text.isdecimal() else text, "FALTUNG_WORKERS")
    return None


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked(count: Any, name: str) -> int:
    return integer(name, count, 1, remedy="Use 1 to stay in the calling thread.")


@contextmanager
def workers(count: int) -> Iterator[None]:
    """Use `count` threads for every call in a ``with`` block.

    Results do not depend on the number of threads, not even in their last bit.

    Parameters
    ----------
    count : int
        Number of threads, with the calling thread, at least 1.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `count` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> with fa.workers(1):
    ...     fa.convolve(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.5]))
    array([1.5, 3. , 4. ])
    """
    token = _chosen.set(_checked(count, "count"))
    try:
        yield
    finally:
        _chosen.reset(token)


def share(work: Callable[[_Item], None], items: Iterable[_Item], count: int) -> None:
    """Do `work` on every item with `count` threads, each taking the next item when it is free."""
    waiting = deque(items)

    def take() -> None:
        try:
            while True:
                try:
                    item = waiting.popleft()
                except IndexError:
                    return
                work(item)
        except BaseException:
            waiting.clear()  # after an error no thread starts another item
            raise

    helpers = start(take, min(count, len(waiting)) - 1)
    try:
        take()
    finally:
        # When this returns, the arrays may be freed, so every thread must have finished with them. Threads that have
        # not started yet are cancelled: a thread wakes up late, and no item is left for it.
        errors = [helper.exception() for helper in helpers if not helper.cancel()]
    for error in errors:
        if error is not None:
            raise error


def start(work: Callable[[], None], count: int) -> list[Future[None]]:
    """Let `count` threads of the pool do `work`; none does when the interpreter is ending."""
    if count < 1:
        return []
    try:
        pool = _threads(count)
        return [pool.submit(work) for _ in range(count)]
    except RuntimeError:
        return []  # the interpreter starts no more threads: the caller works alone


def _threads(count: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # it loads logging, which a single thread does not need

    global _pool
    pool = _pool
    if pool is None or pool._max_workers < count:
        # Other threads may still use the smaller pool: it ends when the last of them has finished.
        pool = _pool = ThreadPoolExecutor(count, thread_name_prefix="faltung")
    return pool


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # threads do not survive a fork
