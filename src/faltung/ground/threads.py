"""How many threads work on a call, and the pool that they come from."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from operator import length_hint
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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


class _Sharing(Generic[_Item]):
    """Items that several threads work off, each taking the next one when it is free.

    An interrupt (Ctrl-C) may be raised between any two steps of the caller, but never in a helper. So helpers note
    themselves whether they are at work, and nothing that the caller has to remember decides how long it waits.
    """

    def __init__(self, work: Callable[[_Item], None], items: Iterable[_Item]) -> None:
        self._work: Callable[[_Item], None] | None = work
        self._items = iter(items)
        self._lock = threading.Lock()
        self._helpers: set[int] = set()
        self._wake = threading.Lock()  # held, but for a moment when a helper has finished
        self._wake.acquire()
        self.errors: list[BaseException] = []

    def work_off(self) -> None:
        """Do the work on one item after the other; after an error no thread starts another one."""
        try:
            while True:
                with self._lock:
                    work, item = self._work, next(self._items, self)
                if work is None or item is self:
                    return
                work(item)  # type: ignore[arg-type]
        except BaseException as error:
            self.errors.append(error)
            self._work = None

    def help(self) -> None:
        """Work off items, on a thread of the pool; a thread that wakes up too late finds nothing to do."""
        number = threading.get_ident()
        with self._lock:
            if self._work is None:
                return
            self._helpers.add(number)
        try:
            self.work_off()
        finally:
            self._helpers.discard(number)
            with suppress(RuntimeError):  # another helper has just done the same
                self._wake.release()

    def finish(self) -> None:
        """Let no thread begin, and wait until none works any more."""
        while True:
            try:
                with self._lock:
                    self._work = None
                while self._helpers:
                    self._wake.acquire(timeout=0.1)
                return
            except BaseException as error:  # an interrupt, while this thread waits
                self.errors.append(error)


def share(work: Callable[[_Item], None], items: Iterable[_Item], count: int) -> None:
    """Do `work` on every item with `count` threads, each taking the next item when it is free.

    When this returns, or raises, no thread works any more: the arrays may be freed. An interrupt (Ctrl-C) is raised
    as soon as all threads have finished the item that they are at.
    """
    sharing = _Sharing(work, items)
    try:
        start(sharing.help, min(count, length_hint(items, count)) - 1)
        sharing.work_off()
    except BaseException as error:
        sharing.errors.append(error)
    sharing.finish()
    errors = sharing.errors
    if errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # an error refers to this frame: a cycle would keep the arrays in memory


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
