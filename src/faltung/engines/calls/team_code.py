"""Machine code of a team: what its threads do on a board in memory, without the interpreter.

The board is an array of words of 64 bits::

    word    0        1        2         3      4        5        6          7
          | state  | undone | status  | rows | source | target | returned | busy | SETTINGS | asleep, lock | ...

    state   upper half: number of the round; lower half: calls of it that no thread has begun
    undone  calls that are not done           status  everything that they returned, combined by "or"
    rows    for each call its function, its table, and the offsets of its samples and of its outputs
    returned   for each call a byte that is 1 if it returned anything but 0
    busy       1 while a thread leads; any other one that wants to finds that out, and does not wait

A thread takes a call by counting the state down. That fails if the state has changed since it was read. So what is
read in between belongs to the same round: the leader writes the next round only when all calls of the last one are
done.

A helper that sleeps waits for a lock of its own. Before, it writes that it is asleep, and looks at the state again.
Whoever wakes it has written the state before taking that word away. So one of both sees the other. The leader wakes
one helper. Each helper that wakes up, and finds calls that no thread has begun, wakes the next one before it works.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.target import Target

__all__ = ["BUSY", "LEAD", "OCCUPIED", "SETTINGS", "WORDS", "team_functions", "word"]

_WORDS = ("state", "undone", "status", "rows", "source", "target", "returned", "busy")
#: Words that stay as they are while the threads of a team live, but for the first two, which count, and `ended`.
SETTINGS = (
    "passes",  # rounds without a helper that sleeps, after it was woken in vain, unless calls are long
    "passed",  # of these, how many have been
    "ended",  # 1 if helpers are to leave
    "helpers",
    "patience",  # times that a thread looks at the board before it sleeps
    "nap",  # the function of the system that lets a thread sleep, and for how long the leader asks it to
    "nap_time",
    "acquire",  # the functions of the interpreter for its locks, which do not need it
    "release",
)
#: Words before those of the helpers, two each.
WORDS = len(_WORDS) + len(SETTINGS)
#: Most rounds that are led alone after a helper was woken in vain.
_MOST_PASSED = 63
#: What `lead` returns to a thread that wants to lead while another one does.
OCCUPIED = -1

LEAD = {
    "board": "ptr",
    "scratch": "ptr",
    "rows": "ptr",
    "count": "i64",
    "source": "ptr",
    "target": "ptr",
    "returned": "ptr",
    "long": "i64",  # whether a helper is woken however often it was in vain
}
_SERVE = {"board": "ptr", "scratch": "ptr", "helper": "i64"}
_END = {"board": "ptr"}


def word(name: str) -> int:
    """Return the place of a word on the board."""
    return (*_WORDS, *SETTINGS).index(name)


#: The place of the word that says whether a thread leads.
BUSY = word("busy")


@cache
def team_functions(processor: Target) -> tuple[Callable[..., int], Callable[..., int], Callable[..., int]]:
    """Return what the leader calls, what a helper calls once, and what ends all helpers."""
    text = _PAUSES.get(processor.identity.partition(":")[0], _NO_PAUSE) + _text()
    lead, serve, end = (
        compile_function(text, name, ctypes_of(parameters), processor)
        for name, parameters in (("lead", LEAD), ("serve", _SERVE), ("end", _END))
    )
    return lead, serve, end


def _text() -> str:
    """Return the protocol, with the places of all words."""
    places = "".join(
        f"  %{name}_at = getelementptr i64, ptr %board, i64 {place}\n"
        for place, name in enumerate((*_WORDS, *SETTINGS))
    )
    text = _PROTOCOL.replace("  PLACES\n", places)
    for name, number in (("WORDS", WORDS), ("OCCUPIED", OCCUPIED), ("MOST_PASSED", _MOST_PASSED)):
        text = text.replace(name, str(number))
    return text


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

_PROTOCOL = """
define internal i64 @take(ptr %board, ptr %scratch) nounwind {
entry:
  PLACES
  br label %look
look:
  %made = phi i64 [ 0, %entry ], [ %made, %try ], [ %more, %call ]
  %state = load atomic i64, ptr %state_at acquire, align 8
  %count = and i64 %state, 4294967295
  %none = icmp eq i64 %count, 0
  br i1 %none, label %exit, label %try
try:
  %rows = load atomic ptr, ptr %rows_at monotonic, align 8
  %source = load atomic ptr, ptr %source_at monotonic, align 8
  %target = load atomic ptr, ptr %target_at monotonic, align 8
  %flags = load atomic ptr, ptr %returned_at monotonic, align 8
  %rest = sub i64 %state, 1
  %swap = cmpxchg ptr %state_at, i64 %state, i64 %rest acq_rel monotonic
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
  %more = add i64 %made, 1
  br label %look
exit:
  ret i64 %made
}

define internal void @wake(ptr %board, i64 %most) nounwind {
entry:
  PLACES
  %helpers = load i64, ptr %helpers_at, align 8
  br label %look
look:
  %helper = phi i64 [ 0, %entry ], [ %next, %post ]
  %left = phi i64 [ %most, %entry ], [ %rest, %post ]
  %other = icmp slt i64 %helper, %helpers
  %wanted = icmp sgt i64 %left, 0
  %both = and i1 %other, %wanted
  br i1 %both, label %try, label %exit
try:
  %twice = shl i64 %helper, 1
  %place = add i64 %twice, WORDS
  %asleep_at = getelementptr i64, ptr %board, i64 %place
  %lock_at = getelementptr i64, ptr %asleep_at, i64 1
  %was = atomicrmw xchg ptr %asleep_at, i64 0 seq_cst, align 8
  %slept = icmp ne i64 %was, 0
  br i1 %slept, label %free, label %post
free:
  %release = load ptr, ptr %release_at, align 8
  %lock = load ptr, ptr %lock_at, align 8
  call void %release(ptr %lock)
  br label %post
post:
  %woken = zext i1 %slept to i64
  %rest = sub i64 %left, %woken
  %next = add i64 %helper, 1
  br label %look
exit:
  ret void
}

define i32 @lead(
  ptr %board, ptr %scratch, ptr %rows, i64 %count, ptr %source, ptr %target, ptr %returned, i64 %long
) nounwind {
entry:
  PLACES
  %patience = load i64, ptr %patience_at, align 8
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
  %state = load atomic i64, ptr %state_at monotonic, align 8
  %round = add i64 %state, 4294967296
  %first = or i64 %round, %count
  store atomic i64 %first, ptr %state_at seq_cst, align 8
  %passes = load atomic i64, ptr %passes_at monotonic, align 8
  %passed = load atomic i64, ptr %passed_at monotonic, align 8
  %brief = icmp eq i64 %long, 0
  %early = icmp slt i64 %passed, %passes
  %passing = and i1 %brief, %early
  br i1 %passing, label %pass, label %call
pass:
  %counted = add i64 %passed, 1
  store atomic i64 %counted, ptr %passed_at monotonic, align 8
  br label %work
call:
  %several = icmp sgt i64 %count, 1
  %one = zext i1 %several to i64
  call void @wake(ptr %board, i64 %one)
  br label %work
work:
  %made = call i64 @take(ptr %board, ptr %scratch)
  br label %look
look:
  %looks = phi i64 [ 0, %work ], [ %more, %wait ], [ 0, %sleep ]
  %undone = load atomic i64, ptr %undone_at acquire, align 8
  %done = icmp eq i64 %undone, 0
  br i1 %done, label %exit, label %wait
wait:
  call void @pause()
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %more, %patience
  br i1 %patient, label %look, label %sleep
sleep:
  %nap = load ptr, ptr %nap_at, align 8
  %time = load i64, ptr %nap_time_at, align 8
  %short = trunc i64 %time to i32
  %slept = call i32 %nap(i32 %short)
  br label %look
exit:
  %status = load atomic i64, ptr %status_at monotonic, align 8
  %result = trunc i64 %status to i32
  store atomic i64 0, ptr %busy_at release, align 8
  ret i32 %result
occupied:
  ret i32 OCCUPIED
}

define i32 @serve(ptr %board, ptr %scratch, i64 %helper) nounwind {
entry:
  PLACES
  %patience = load i64, ptr %patience_at, align 8
  %acquire = load ptr, ptr %acquire_at, align 8
  %twice = shl i64 %helper, 1
  %place = add i64 %twice, WORDS
  %asleep_at = getelementptr i64, ptr %board, i64 %place
  %lock_at = getelementptr i64, ptr %asleep_at, i64 1
  %lock = load ptr, ptr %lock_at, align 8
  br label %work
work:
  %found = phi i64 [ 1, %entry ], [ %sum, %look ], [ %sum, %late ], [ 0, %chain ], [ 0, %next ]
  %made = call i64 @take(ptr %board, ptr %scratch)
  %sum = add i64 %found, %made
  br label %look
look:
  %looks = phi i64 [ 0, %work ], [ %more, %wait ]
  %state = load atomic i64, ptr %state_at monotonic, align 8
  %count = and i64 %state, 4294967295
  %none = icmp eq i64 %count, 0
  br i1 %none, label %wait, label %work
wait:
  call void @pause()
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %more, %patience
  br i1 %patient, label %look, label %note
note:
  %passes = load atomic i64, ptr %passes_at monotonic, align 8
  %double = shl i64 %passes, 1
  %plus = or i64 %double, 1
  %large = icmp sgt i64 %plus, MOST_PASSED
  %vain = select i1 %large, i64 MOST_PASSED, i64 %plus
  %useful = icmp ne i64 %sum, 0
  %following = select i1 %useful, i64 0, i64 %vain
  store atomic i64 %following, ptr %passes_at monotonic, align 8
  store atomic i64 0, ptr %passed_at monotonic, align 8
  %awake = atomicrmw xchg ptr %asleep_at, i64 1 seq_cst, align 8
  %now = load atomic i64, ptr %state_at seq_cst, align 8
  %unbegun = and i64 %now, 4294967295
  %some = icmp ne i64 %unbegun, 0
  %ended = load atomic i64, ptr %ended_at seq_cst, align 8
  %leave = icmp ne i64 %ended, 0
  %stay = or i1 %some, %leave
  br i1 %stay, label %back, label %sleep
back:
  %still = atomicrmw xchg ptr %asleep_at, i64 0 seq_cst, align 8
  %mine = icmp ne i64 %still, 0
  br i1 %mine, label %late, label %sleep
late:
  br i1 %leave, label %exit, label %work
sleep:
  %got = call i32 %acquire(ptr %lock, i32 1)
  %over = load atomic i64, ptr %ended_at acquire, align 8
  %gone = icmp ne i64 %over, 0
  br i1 %gone, label %exit, label %chain
chain:
  %then = load atomic i64, ptr %state_at acquire, align 8
  %left = and i64 %then, 4294967295
  %others = icmp ugt i64 %left, 1
  br i1 %others, label %next, label %work
next:
  call void @wake(ptr %board, i64 1)
  br label %work
exit:
  ret i32 0
}

define i32 @end(ptr %board) nounwind {
entry:
  PLACES
  store atomic i64 1, ptr %ended_at seq_cst, align 8
  %helpers = load i64, ptr %helpers_at, align 8
  call void @wake(ptr %board, i64 %helpers)
  ret i32 0
}
"""
