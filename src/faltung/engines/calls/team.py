"""One call of machine code for all tiles of an image, and threads that take some of them.

A thread that sleeps wakes up late, on the virtual machines measured by 0.1 ms, about as long as a small image takes;
and a thread that waits for the interpreter lock sleeps. So the helpers of a team stay in machine code for a moment
after the last call and watch a board in memory. They begin within a microsecond with what is written there.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.calls.joined import Joined
from faltung.ground import scratch
from faltung.ground.threads import Duty, start
from faltung.jit.compile import address, compile_function
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Calls", "Team", "TileCall", "team"]

#: Bytes of scratch that each thread of a team has; the system gives memory only for those that are used.
ROOM = scratch.KEPT
#: Times that a helper looks at the board before it goes to sleep: about 0.1 ms, as long as waking up takes.
_PATIENCE = 4096
#: Most calls without helpers after these waited in vain.
_MOST_PASSED = 63
#: Microseconds that a thread sleeps when it waited in vain for the last helper: another program may need the core.
_NAP = 50
#: The place on the board that says whether a thread leads, and what it gets who wants to lead besides.
_BUSY, _OCCUPIED = 7, -1
#: The part of the state of the board that counts the calls which no thread has begun.
_UNBEGUN = 0xFFFFFFFF


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


class Team:
    """A calling thread and its helpers, which take the next call whenever they are free.

    Parameters
    ----------
    helpers : int
        Threads in addition to the calling one.
    """

    def __init__(self, helpers: int) -> None:
        self._helpers = helpers
        self._board = np.zeros(8, np.int64)
        self._awake: list[Duty] = []
        self._passes = self._passed = 0
        self._lead, self._serve = _functions(host())

    def __call__(self, calls: Calls, source: int, target: int) -> Sequence[int] | None:
        """Make all calls; return the numbers of those that returned anything but 0.

        Nothing is done if the calls are long and the team is busy with others: then it returns None.
        """
        board = self._board
        if self._helpers and not board[_BUSY]:
            self._wake(calls.long)
            status, returned = self._led(board, calls, source, target)
            if status != _OCCUPIED:
                return _wrong(status, returned)
        if self._helpers and calls.long:
            return None
        # On a board that no helper looks at.
        return _wrong(*self._led(np.zeros_like(board), calls, source, target))

    def _led(self, board: NDArray[np.int64], calls: Calls, source: int, target: int) -> tuple[int, NDArray[np.uint8]]:
        _buffer, place = scratch.take("team", ROOM)
        returned, returned_at = scratch.take("returned", calls.count)
        numbers = calls.rows, calls.count, source, target, returned_at, _PATIENCE
        # Nothing interrupts machine code: when it returns, no thread uses the arrays any more.
        return self._lead(board.ctypes.data, place, *numbers, *_nap()), returned[: calls.count]

    def _wake(self, long: bool) -> None:
        self._awake = [helper for helper in self._awake if not helper.done()]
        if self._passed < self._passes and not long:
            self._passed += 1
        else:
            self._awake += start(self._help, self._helpers - len(self._awake))

    def _help(self) -> None:
        _buffer, place = scratch.take("team", ROOM)
        calls = self._serve(self._board.ctypes.data, place, _PATIENCE)
        while int(self._board[0]) & _UNBEGUN:  # the next round began when this thread had just left
            calls += self._serve(self._board.ctypes.data, place, _PATIENCE)
        # If calls are far apart, or other programs use the cores, helpers disturb more than they help.
        self._passes = 0 if calls else min(2 * self._passes + 1, _MOST_PASSED)
        self._passed = 0


def _wrong(status: int, returned: NDArray[np.uint8]) -> Sequence[int]:
    """Return the numbers of the calls that returned anything but 0."""
    return np.flatnonzero(returned).tolist() if status else ()


team = cache(Team)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team.cache_clear)  # helpers do not survive a fork


def _functions(processor: Target) -> tuple[Callable[..., int], Callable[..., int]]:
    architecture = processor.identity.partition(":")[0]
    text = _PAUSES.get(architecture, _NO_PAUSE) + _PROTOCOL
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    arrays = [pointer, pointer, pointer]
    lead = [pointer, pointer, pointer, number, *arrays, number, pointer, ctypes.c_int32]
    serve = [pointer, pointer, number]
    return compile_function(text, "lead", lead, processor), compile_function(text, "serve", serve, processor)


@cache
def _nap() -> tuple[int, int]:
    """Return the address of the function of the system that lets a thread sleep, and for how long it is asked to."""
    library, name, time = ("kernel32", "Sleep", 1) if sys.platform == "win32" else (None, "usleep", _NAP)
    return ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value or 0, time


_NO_PAUSE = "define internal void @pause() nounwind {\n  ret void\n}\n"
_PAUSE_X86 = """
declare void @llvm.x86.sse2.pause()
define internal void @pause() nounwind {
  call void @llvm.x86.sse2.pause()
  ret void
}
"""
_PAUSE_ARM = """
declare void @llvm.aarch64.isb(i32)
define internal void @pause() nounwind {
  call void @llvm.aarch64.isb(i32 15)
  ret void
}
"""
#: What a thread does between two looks at the board, so that another thread on the same core can run.
_PAUSES = {"x86_64": _PAUSE_X86, "amd64": _PAUSE_X86, "aarch64": _PAUSE_ARM, "arm64": _PAUSE_ARM}

# The board is eight words of 64 bits:
#
#   word    0        1        2         3      4        5        6          7
#         | state  | undone | status  | rows | source | target | returned | busy
#
#   state   upper half: number of the round; lower half: calls of it that no thread has begun
#   undone  calls that are not done           status  everything that they returned, combined by "or"
#   rows    for each call its function, its table, and the offsets of its samples and of its outputs
#   returned   for each call a byte that is 1 if it returned anything but 0
#   busy       1 while a thread leads; any other one that wants to finds that out, and does not wait
#
# A thread takes a call by counting the state down. That fails if the state has changed since it was read. So what is
# read in between belongs to the same round: the leader writes the next round only when all calls of the last one are
# done.
_PROTOCOL = """
define internal void @take(ptr %board, ptr %scratch) nounwind {
entry:
  %undone_at = getelementptr i64, ptr %board, i64 1
  %status_at = getelementptr i64, ptr %board, i64 2
  %rows_at = getelementptr i64, ptr %board, i64 3
  %source_at = getelementptr i64, ptr %board, i64 4
  %target_at = getelementptr i64, ptr %board, i64 5
  %returned_at = getelementptr i64, ptr %board, i64 6
  br label %look
look:
  %state = load atomic i64, ptr %board acquire, align 8
  %count = and i64 %state, 4294967295
  %none = icmp eq i64 %count, 0
  br i1 %none, label %exit, label %try
try:
  %rows = load atomic ptr, ptr %rows_at monotonic, align 8
  %source = load atomic ptr, ptr %source_at monotonic, align 8
  %target = load atomic ptr, ptr %target_at monotonic, align 8
  %flags = load atomic ptr, ptr %returned_at monotonic, align 8
  %rest = sub i64 %state, 1
  %swap = cmpxchg ptr %board, i64 %state, i64 %rest acq_rel monotonic
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %call, label %look
call:
  %index = sub i64 %count, 1
  %row = getelementptr [4 x i64], ptr %rows, i64 %index
  %table_at = getelementptr i64, ptr %row, i64 1
  %from_at = getelementptr i64, ptr %row, i64 2
  %to_at = getelementptr i64, ptr %row, i64 3
  %function = load ptr, ptr %row, align 8
  %table = load ptr, ptr %table_at, align 8
  %from = load i64, ptr %from_at, align 8
  %to = load i64, ptr %to_at, align 8
  %samples = getelementptr i8, ptr %source, i64 %from
  %outputs = getelementptr i8, ptr %target, i64 %to
  %returned = call i32 %function(ptr %samples, ptr %outputs, ptr %scratch, ptr %table)
  %any = icmp ne i32 %returned, 0
  %flag = zext i1 %any to i8
  %status = zext i1 %any to i64
  %flag_at = getelementptr i8, ptr %flags, i64 %index
  store i8 %flag, ptr %flag_at, align 1
  %before = atomicrmw or ptr %status_at, i64 %status monotonic, align 8
  %undone = atomicrmw sub ptr %undone_at, i64 1 release, align 8
  br label %look
exit:
  ret void
}

define i32 @lead(
  ptr %board, ptr %scratch, ptr %rows, i64 %count, ptr %source, ptr %target, ptr %returned, i64 %patience, ptr %nap,
  i32 %long
) nounwind {
entry:
  %undone_at = getelementptr i64, ptr %board, i64 1
  %status_at = getelementptr i64, ptr %board, i64 2
  %rows_at = getelementptr i64, ptr %board, i64 3
  %source_at = getelementptr i64, ptr %board, i64 4
  %target_at = getelementptr i64, ptr %board, i64 5
  %returned_at = getelementptr i64, ptr %board, i64 6
  %busy_at = getelementptr i64, ptr %board, i64 7
  %claim = cmpxchg ptr %busy_at, i64 0, i64 1 acq_rel monotonic
  %mine = extractvalue { i64, i1 } %claim, 1
  br i1 %mine, label %begin, label %occupied
begin:
  store atomic i64 %count, ptr %undone_at monotonic, align 8
  store atomic i64 0, ptr %status_at monotonic, align 8
  store atomic ptr %rows, ptr %rows_at monotonic, align 8
  store atomic ptr %source, ptr %source_at monotonic, align 8
  store atomic ptr %target, ptr %target_at monotonic, align 8
  store atomic ptr %returned, ptr %returned_at monotonic, align 8
  %state = load atomic i64, ptr %board monotonic, align 8
  %round = add i64 %state, 4294967296
  %first = or i64 %round, %count
  store atomic i64 %first, ptr %board release, align 8
  call void @take(ptr %board, ptr %scratch)
  br label %look
look:
  %looks = phi i64 [ 0, %begin ], [ %more, %wait ], [ 0, %sleep ]
  %undone = load atomic i64, ptr %undone_at acquire, align 8
  %done = icmp eq i64 %undone, 0
  br i1 %done, label %exit, label %wait
wait:
  call void @pause()
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %more, %patience
  br i1 %patient, label %look, label %sleep
sleep:
  %slept = call i32 %nap(i32 %long)
  br label %look
exit:
  %status = load atomic i64, ptr %status_at monotonic, align 8
  %result = trunc i64 %status to i32
  store atomic i64 0, ptr %busy_at release, align 8
  ret i32 %result
occupied:
  ret i32 -1
}

define i32 @serve(ptr %board, ptr %scratch, i64 %patience) nounwind {
entry:
  br label %work
work:
  %found = phi i32 [ 0, %entry ], [ %following, %again ]
  call void @take(ptr %board, ptr %scratch)
  br label %look
look:
  %looks = phi i64 [ 0, %work ], [ %more, %wait ]
  %state = load atomic i64, ptr %board monotonic, align 8
  %count = and i64 %state, 4294967295
  %none = icmp eq i64 %count, 0
  br i1 %none, label %wait, label %again
again:
  %following = add i32 %found, 1
  br label %work
wait:
  call void @pause()
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %more, %patience
  br i1 %patient, label %look, label %exit
exit:
  ret i32 %found
}
"""
