"""How many threads work on a call, and the helpers that they are.

A helper sleeps on a lock of its own. So it costs one system call to wake it, and it begins to work before the caller
has come to its own first item. A pool of the standard library takes five times as long for both, when the caches hold
other data.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from operator import length_hint
from typing import Any, Generic, TypeVar

from faltung.ground.checks import integer

__all__ = ["Duty", "chosen_count", "core_count", "share", "start", "worker_count", "workers"]

_Item = TypeVar("_Item")

_chosen: ContextVar[int | None] = ContextVar("faltung_workers", default=None)
#: Seconds that the end of the interpreter waits for a helper.
_LAST = 1.0


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


class Duty:
    """What a helper is to do, and whether it has done it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work

    def done(self) -> bool:
        """Return whether it is done."""
        return self._work is None

    def carry_out(self) -> None:
        """Do it; what goes wrong has to be noted by the work itself."""
        work = self._work
        try:
            if work is not None:
                with suppress(BaseException):
                    work()
        finally:
            self._work = None  # a helper that sleeps keeps no array in memory


class _Helper:
    """A thread that sleeps until it is given a task, and then again."""

    def __init__(self, crew: _Crew, task: Duty) -> None:
        self._crew, self._task = crew, task
        self.wake = threading.Lock()  # held while the thread has to sleep
        self.wake.acquire()
        self.thread = threading.Thread(target=self._live, name="faltung", daemon=True)
        self.thread.start()

    def give(self, task: Duty) -> None:
        """Let the thread do a task; it must be asleep."""
        self._task = task
        self.wake.release()

    def _live(self) -> None:
        while True:
            self._task.carry_out()
            following = self._crew.next_for(self)
            if following is not None:
                self._task = following
                continue
            if not self._crew.ended:
                self.wake.acquire()
            if self._crew.ended:
                return


class _Crew:
    """All helpers of a process: as many as the call that asked for most of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._most = 0
        self._helpers: list[_Helper] = []
        self._asleep: list[_Helper] = []
        self._waiting: deque[Duty] = deque()
        self.ended = False

    def start(self, work: Callable[[], None], count: int) -> list[Duty]:
        """Give the work to `count` helpers; if all of them are busy, it waits until one is free."""
        with self._lock:
            self._most = max(self._most, count)
        return [task for _ in range(count) if (task := self._started(Duty(work))) is not None]

    def _started(self, task: Duty) -> Duty | None:
        with self._lock:
            if self.ended:
                return None
            if self._asleep:
                self._asleep.pop().give(task)  # the one that was at work last
            elif len(self._helpers) < self._most:
                self._helpers.append(_Helper(self, task))
            else:
                self._waiting.append(task)
        return task

    def next_for(self, helper: _Helper) -> Duty | None:
        """Return the next task for a helper that is free; None, if there is none and it may sleep."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if not self.ended:
                self._asleep.append(helper)
            return None

    def end(self) -> None:
        """Let all helpers end, and wait for them; later calls are done by their callers alone."""
        with self._lock:
            self.ended = True
            for helper in self._asleep:
                helper.wake.release()
        for helper in self._helpers:
            helper.thread.join(_LAST)


_crew = _Crew()


def start(work: Callable[[], None], count: int) -> list[Duty]:
    """Let `count` helpers do `work`; none does when the interpreter is ending."""
    try:
        return _crew.start(work, count) if count > 0 else []
    except RuntimeError:
        return []  # no more threads can be started: the caller works alone


def _end() -> None:
    _crew.end()


def _begin_anew() -> None:
    global _crew
    _crew = _Crew()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)  # threads do not survive a fork
