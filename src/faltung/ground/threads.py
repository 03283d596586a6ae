"""How many threads work on a call, and the helpers that they are.

A helper sleeps on a lock of its own. So it costs one system call to wake it, and it begins to work before the caller
has come to its own first item. A pool of the standard library takes five times as long for both, when the caches hold
other data.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Generic, Protocol, TypeVar

from faltung.ground.checks import integer
from faltung.ground.gate import Gate

__all__ = ["Duty", "Numbered", "chosen_count", "core_count", "share", "start", "worker_count", "workers"]

_Item = TypeVar("_Item")
_Made = TypeVar("_Made", covariant=True)

_chosen: ContextVar[int | None] = ContextVar("faltung_workers", default=None)
_NAME = "FALTUNG_WORKERS"
#: The dictionary behind the environment, and the name in it: to ask `os.environ` for a variable that is not set takes
#: 17 us where other work has put Python out of the caches, as long as a small image.
_VARIABLES = getattr(os.environ, "_data", os.environ)
_KEY = os.environ.encodekey(_NAME) if _VARIABLES is not os.environ else _NAME
#: Seconds that the end of the interpreter waits for a helper.
_LAST = 1.0
#: Digits of a number of threads; Python refuses to read thousands of them.
_MOST_DIGITS = 9


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
    if _KEY not in _VARIABLES:
        return None
    text = os.environ.get(_NAME)
    return _checked(int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else text, _NAME) if text else None


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


class Numbered(Protocol[_Made]):
    """Items that can be found by their numbers, in any order and by several threads at once."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_Made]: ...
    def __getitem__(self, number: int, /) -> _Made: ...


class _Sharing(Generic[_Item]):
    """Items that several threads work off, each taking the next one when it is free.

    Nothing is locked while the caller is at work, and each of its steps may be the last one: an exception of a signal
    handler may follow. Helpers are never interrupted.
    """

    def __init__(self, work: Callable[[_Item], None], items: Numbered[_Item]) -> None:
        self._items, self._count = items, len(items)
        self._numbers = itertools.count()
        #: The work; nothing as soon as no thread is to begin with another item.
        self.todo = [work]
        self.gate = Gate()
        self.errors: list[BaseException] = []

    def work_off(self) -> None:
        """Do the work on one item after the other."""
        while (number := next(self._numbers)) < self._count:
            for work in self.todo[:1]:
                work(self._items[number])
            if not self.todo:
                return

    def help(self) -> None:
        """Work off items, on a thread of the pool; a thread that wakes up too late finds the gate closed."""
        if not self.gate.enter():
            return
        try:
            self.work_off()
        except BaseException as error:
            self.todo.clear()
            self.errors.append(error)
        finally:
            self.gate.leave()


def share(work: Callable[[_Item], None], items: Numbered[_Item], count: int) -> None:
    """Do `work` on every item with `count` threads, each taking the next item when it is free.

    When this returns, or raises, no thread works any more: the arrays may be freed. An interrupt (Ctrl-C) is raised
    as soon as all threads have finished the item that they are at.
    """
    helpers = min(count, len(items)) - 1
    if helpers < 1:
        for item in items:
            work(item)
        return
    sharing = _Sharing(work, items)
    stop, close = sharing.todo.clear, sharing.gate.close
    try:
        try:
            start(sharing.help, helpers)
            sharing.work_off()
        finally:
            stop()  # alone in its clause, as the next one: see `Gate`
    finally:
        close()
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
    """A thread that sleeps until there is something to do, and then again."""

    def __init__(self, crew: _Crew) -> None:
        self._crew = crew
        self.wake = threading.Lock()  # held while the thread has to sleep
        self.wake.acquire()
        self.thread = threading.Thread(target=self._live, name="faltung", daemon=True)
        self.thread.start()

    def _live(self) -> None:
        crew = self._crew
        if not crew.joined(self):
            return
        while not crew.ended:
            try:
                task = crew.waiting.popleft()
            except IndexError:
                self._sleep()
                continue
            if crew.waiting:
                crew.wake_one()  # whoever gave two tasks may have woken this thread twice
            task.carry_out()
            del task  # a helper that sleeps keeps no array in memory

    def _sleep(self) -> None:
        crew = self._crew
        crew.asleep.append(self)
        if not (crew.waiting or crew.ended):  # else it came before anybody could know that this thread sleeps
            self.wake.acquire()
        crew.asleep.remove(self)


class _Crew:
    """All helpers of a process: as many as the call that asked for most of them.

    Whoever gives tasks may be interrupted between any two steps, and never finds out. So each step is a single
    operation of a list, a queue or a lock that leaves everything in order, and helpers keep the lists themselves.
    """

    def __init__(self) -> None:
        self._most = 0
        self.helpers: list[_Helper] = []
        self.asleep: list[_Helper] = []
        self.waiting: deque[Duty] = deque()
        self.ended = False

    def start(self, work: Callable[[], None], count: int) -> list[Duty]:
        """Give the work to `count` helpers; if all of them are busy, it waits until one is free."""
        if self.ended:
            return []
        self._most = max(self._most, count)
        tasks = [Duty(work) for _ in range(count)]
        for task in tasks:
            self.waiting.append(task)
            if not self.wake_one() and len(self.helpers) < self._most:
                _Helper(self)
        return tasks

    def wake_one(self) -> bool:
        """Wake the helper that was at work last; return whether there is one that sleeps."""
        for helper in self.asleep[::-1]:
            with suppress(RuntimeError):  # it has just been woken
                helper.wake.release()
                return True
        return False

    def joined(self, helper: _Helper) -> bool:
        """Note a new helper, in its own thread; return whether it is needed."""
        self.helpers.append(helper)
        if len(self.helpers) > self._most:
            self.helpers.remove(helper)
            return False
        return True

    def end(self) -> None:
        """Let all helpers end, and wait for them; later calls are done by their callers alone."""
        self.ended = True
        while self.wake_one():
            pass
        for helper in [*self.helpers]:
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
