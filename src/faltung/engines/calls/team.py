"""One call of machine code for all tiles of an image, and threads that take some of them.

A thread that sleeps wakes up late, on the virtual machines measured by 0.05 ms, about as long as a small image takes;
and a thread that waits for the interpreter lock sleeps. So the helpers of a team live in machine code, and never need
the interpreter. For a moment after the last call they watch a board in memory, and begin within a microsecond with
what is written there; then they sleep (see `team_code`).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.calls.joined import Joined
from faltung.engines.calls.team_code import OCCUPIED, WORDS, team_functions, word
from faltung.ground import scratch
from faltung.ground.threads import chosen_count, core_count
from faltung.jit.compile import address
from faltung.jit.target import host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ROOM", "Calls", "Team", "TileCall", "most_helpers", "of_interpreter", "team"]

#: Bytes of scratch that each thread of a team has; the system gives memory only for those that are used.
ROOM = scratch.KEPT
#: Times that a helper looks at the board before it goes to sleep: about 0.1 ms, as long as waking up takes.
_PATIENCE = 4096
#: Microseconds that a thread sleeps when it waited in vain for the last helper: another program may need the core.
_NAP = 50
#: The place of the number of helpers on the board.
_HELPERS = word("helpers")
#: Seconds that the end of the interpreter waits for a helper.
_LAST = 1.0


class TileCall(Joined):
    """One of the calls that fill an array; parameters as of `Joined`."""

    @property
    def room(self) -> int:
        """Bytes of scratch."""
        return self._size

    @property
    def fits(self) -> bool:
        """Whether its scratch fits into that of a thread."""
        return self._size <= ROOM

    @property
    def code(self) -> tuple[int, int]:
        """Addresses of its machine code and of the table to call it with."""
        return address(self._code), self._place


class Calls:
    """Calls that fill an array together, in any order.

    Parameters
    ----------
    parts : list of TileCall
        The calls; the last one is begun first.
    targets : list of int
        Bytes from the first output of the array to the first one of each.
    sources : list of int, optional
        Bytes from the first sample of the array to the first one that each reads; none by default, as for calls that
        gather.
    long : bool
        Whether they take so long all together that a helper is worth waking, however often it waited in vain.
    """

    def __init__(
        self, parts: list[TileCall], targets: list[int], sources: Sequence[int] | None = None, long: bool = False
    ) -> None:
        places = zip(parts, sources or [0] * len(parts), targets, strict=True)
        self._rows = np.array([(*part.code, source, target) for part, source, target in places], np.int64)
        self._keep = parts
        self.rows, self.count, self.long = self._rows.ctypes.data, len(parts), long
        #: Bytes of scratch that each thread needs.
        self.room = max(part.room for part in parts)


class Team:
    """A calling thread and its helpers, which take the next call whenever they are free.

    Parameters
    ----------
    helpers : int
        Most threads in addition to the calling one; each is started when there are calls for it.
    """

    def __init__(self, helpers: int) -> None:
        self._lead, self._serve, self._end = team_functions(host())
        self._alone = np.zeros(WORDS, np.int64)
        for name, setting in _settings().items():
            self._alone[word(name)] = setting
        self._board = np.concatenate([self._alone, np.zeros(2 * helpers, np.int64)])
        self._board[WORDS + 1 :: 2] = [_held_lock() for _ in range(helpers)]
        self._most, self._threads, self._starting = helpers, list[threading.Thread](), threading.Lock()

    def board(self, calls: int) -> NDArray[np.int64]:
        """Return what the threads of the team read and write, when helpers for so many calls are started."""
        # Nobody waits for the lock: a signal handler may come here while its own thread holds it.
        if len(self._threads) < min(self._most, calls - 1) and self._starting.acquire(blocking=False):
            try:
                self._start(min(self._most, calls - 1))
            finally:
                self._starting.release()
        return self._board

    def _start(self, count: int) -> None:
        for number in range(len(self._threads), count):
            thread = threading.Thread(target=self._help, args=(number,), name="faltung", daemon=True)
            self._threads.append(thread)  # before it starts, which may be interrupted
            self._board[_HELPERS] = len(self._threads)
            try:
                thread.start()
            except RuntimeError:
                self._most = number  # no more threads can be started
                return

    def __call__(self, calls: Calls, source: int, target: int) -> Sequence[int] | None:
        """Make all calls; return the numbers of those that returned anything but 0.

        Nothing is done if the calls are long and the team is busy with others: then it returns None.
        """
        _buffer, place = scratch.take("team", ROOM)
        returned = np.empty(calls.count, np.uint8)  # its own: a signal handler may call before they are looked at
        arguments = place, calls.rows, calls.count, source, target, returned.ctypes.data, int(calls.long)
        # Nothing interrupts machine code: when it returns, no thread uses the arrays any more.
        status = self._lead(self.board(calls.count).ctypes.data, *arguments) if self._most else OCCUPIED
        if status == OCCUPIED:
            if self._most and calls.long:
                return None
            board = self._alone.copy()  # no helper looks at it
            status = self._lead(board.ctypes.data, *arguments)
        return np.flatnonzero(returned).tolist() if status else ()

    def _help(self, number: int) -> None:
        _buffer, place = scratch.take("team", ROOM)
        self._serve(self._board.ctypes.data, place, number)

    def end(self) -> None:
        """Let all helpers end, and wait for them; later calls are made by their callers alone."""
        self._most = 0
        self._end(self._board.ctypes.data)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_LAST)


def most_helpers(workers: int | None = None) -> int:
    """Return how many helpers a call with so many threads has at most; the default is that of `worker_count`.

    More than there are cores would only take turns; and each number of helpers is a team of its own.
    """
    cores = core_count()
    return min(chosen_count(workers) or cores, cores) - 1


_teams: dict[int, Team] = {}


def team(helpers: int) -> Team:
    """Return the team with so many helpers at most."""
    # Threads that make the first one at once make several; one of them is kept, and no other starts a helper.
    return _teams.get(helpers) or _teams.setdefault(helpers, Team(helpers))


@atexit.register
def _end() -> None:
    for made in [*_teams.values()]:
        made.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_teams.clear)  # helpers do not survive a fork


@cache
def _settings() -> dict[str, int]:
    """Return the addresses of functions, and the numbers, that all boards hold."""
    library, name, time = ("kernel32", "Sleep", 1) if sys.platform == "win32" else (None, "usleep", _NAP)
    nap = ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value or 0
    acquire, release = map(of_interpreter, ("PyThread_acquire_lock", "PyThread_release_lock"))
    return {"patience": _PATIENCE, "nap": nap, "nap_time": time, "acquire": acquire, "release": release}


def _held_lock() -> int:
    """Return the address of a new lock of the interpreter, which is held: it needs no interpreter to wait for it."""
    make = ctypes.PYFUNCTYPE(ctypes.c_void_p)(of_interpreter("PyThread_allocate_lock"))
    hold = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(of_interpreter("PyThread_acquire_lock"))
    lock = make()
    if not lock or not hold(lock, 1):
        raise MemoryError
    return int(lock)


@cache
def of_interpreter(name: str) -> int:
    """Return the address of a function of the interpreter."""
    found = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert found
    return found
