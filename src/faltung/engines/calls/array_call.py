"""A call with two arrays whose checks are machine code: Python only makes the result.

What `ctypes` takes to convert four addresses, and Python to find them, is as long as the filtering of a small image.
So this machine code is a built-in function of the interpreter: it gets the arrays themselves, and reads in their
headers what they are. If anything is not as expected, it answers `REFUSED`, and nothing is done::

    header of an array    type | address | ndim | shape | strides | base | dtype | flags
    table of a call       what all these should be | calls of machine code ...

It makes the calls one after the other, or leads a team whose board it gets.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from faltung.engines.calls.team import Calls, of_interpreter
from faltung.engines.calls.team_code import team_functions
from faltung.jit.compile import address, compile_function
from faltung.jit.target import host

__all__ = ["FILLED", "REFUSED", "WRONG", "ArrayCall", "array_call"]

#: What the machine code answers: nothing is done, everything is, or a call returned that it has to be done again.
REFUSED, FILLED, WRONG = range(3)

#: Bytes before the fields of an array: the reference count and the type.
_HEAD = object.__basicsize__
_POINTER = ctypes.sizeof(ctypes.c_void_p)
#: Flags of an array that is contiguous and aligned in memory, and of one that can be written besides.
_READ, _WRITTEN = 0x101, 0x501
#: Predicted seconds from which other threads of the interpreter may run during the call.
_LONG = 2e-5
#: The convention of calls with an array of arguments and their number.
_FASTCALL = 0x80
#: What built-in functions point to without a reference. Threads that make the first one at once make several.
_POINTED_AT: list[object] = []


class ArrayCall:
    """Fills one array from another, if both are what they are expected to be.

    Attributes
    ----------
    shape, dtype
        Those of the target.
    count : int
        Calls of machine code that fill parts of the target.
    room : int
        Bytes of scratch.
    seconds : float
        Predicted time on one core.
    shared, long : bool
        Whether a thread that is awake could help, and whether one is worth waking.
    run : callable
        ``run(source, target, scratch)`` returns `FILLED`, `WRONG` or `REFUSED`; scratch is an array of bytes.
        ``run(source, target, scratch, board, returned)`` does so with a team; if it returns `WRONG`, `returned` has a
        byte for each call, which is 1 if it has to be done again.
    """

    __slots__ = ("_keep", "count", "dtype", "long", "room", "run", "seconds", "shape", "shared")

    def __init__(
        self, run: Callable[..., int], target: _Expected, calls: Calls, seconds: float, shared: bool, keep: object
    ) -> None:
        self.shape, self.dtype, self.run = target.shape, target.dtype, run
        self.count, self.room = calls.count, calls.room
        self.seconds, self.shared, self.long = seconds, shared, calls.long
        self._keep = target, calls, keep


def array_call(
    source: tuple[tuple[int, ...], np.dtype[Any]],
    target: tuple[tuple[int, ...], np.dtype[Any]],
    calls: Calls,
    in_place: bool,
    seconds: float,
    shared: bool = False,
) -> ArrayCall | None:
    """Return the call for arrays of these shapes and dtypes; None if this interpreter is not the usual one.

    Parameters
    ----------
    source, target : tuple of shape and dtype
        The arrays, which are contiguous.
    calls : Calls
        What fills the target.
    in_place : bool
        Whether source and target may share memory.
    seconds : float
        Predicted time.
    shared : bool
        Whether a thread that is awake could help.
    """
    make = _maker()
    if make is None:
        return None
    given, made = _Expected(*source), _Expected(*target)
    lead, _, _ = team_functions(host())
    row = [id(np.ndarray), of_interpreter("PyLong_FromLong"), in_place, calls.rows, calls.count]
    row += [of_interpreter(f"PyEval_{what}Thread") if seconds > _LONG else 0 for what in ("Save", "Restore")]
    row += [address(lead), calls.long]
    return ArrayCall(
        make(np.array([*row, *given.row, *made.row], np.int64)), made, calls, seconds, shared, (given, lead)
    )


class _Expected:
    """What the header of an array should hold; owns what the row points to."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype.str)  # the object that arrays of this dtype usually share
        self._lengths = np.array(shape, np.intp)
        bytes_ = math.prod(shape) * dtype.itemsize
        self.row = [id(self.dtype), len(shape), self._lengths.ctypes.data, bytes_]


@cache
def _maker() -> Callable[[Any], Callable[..., bool]] | None:
    """Return what makes a built-in function with a table; None where headers of arrays look different."""
    if sys.implementation.name != "cpython" or _POINTER != 8 or not _headers_are_known():
        return None
    code = compile_function(_text(), "fill", [], host())
    method = _Method(b"fill", address(code), _FASTCALL, None)
    _POINTED_AT.append((code, method))
    made = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    new = made(("PyCFunction_NewEx", ctypes.pythonapi))
    return lambda table: new(ctypes.addressof(method), table, None)


class _Method(ctypes.Structure):
    """A row of the interpreter's tables of methods, PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("convention", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _headers_are_known() -> bool:
    """Read the headers of some arrays, whose fields are known, as the machine code will."""
    if np.ndarray.__basicsize__ < _HEAD + 7 * _POINTER:
        return False
    samples = np.zeros((3, 4), np.float32), np.zeros((5, 2, 7), np.uint8)[:, ::-1], np.zeros(6, np.complex128)
    samples[2].flags.writeable = False
    for array in samples:
        words = [ctypes.c_int64.from_address(id(array) + _HEAD + 8 * place).value for place in range(7)]
        data, ndim, lengths, strides, _, dtype, flags = words
        known = array.flags
        expected = known.c_contiguous | known.f_contiguous << 1 | known.aligned << 8 | known.writeable << 10
        if data != array.ctypes.data or ndim & 0xFFFFFFFF != array.ndim or dtype != id(array.dtype):
            return False
        if flags & 0x503 != expected:
            return False
        if tuple((ctypes.c_int64 * array.ndim).from_address(lengths)) != array.shape:
            return False
        if tuple((ctypes.c_int64 * array.ndim).from_address(strides)) != array.strides:
            return False
    return True


def _text() -> str:
    fields = {"type": -8, "data": 0, "ndim": 8, "lengths": 16, "dtype": 40, "flags": 48}
    places = {name: _HEAD + place for name, place in fields.items()}
    answers = {"refused": REFUSED, "filled": FILLED, "wrong": WRONG}
    return _CODE.format(**places, **answers, read=_READ, written=_WRITTEN)


_CODE = """
define internal i1 @differs(ptr %array, ptr %type, ptr %row, i32 %flags) nounwind {{
entry:
  %type_at = getelementptr i8, ptr %array, i64 {type}
  %own_type = load ptr, ptr %type_at, align 8
  %is_array = icmp eq ptr %own_type, %type
  br i1 %is_array, label %header, label %yes
header:
  %ndim_at = getelementptr i8, ptr %array, i64 {ndim}
  %lengths_at = getelementptr i8, ptr %array, i64 {lengths}
  %dtype_at = getelementptr i8, ptr %array, i64 {dtype}
  %flags_at = getelementptr i8, ptr %array, i64 {flags}
  %own_ndim = load i32, ptr %ndim_at, align 4
  %own_lengths = load ptr, ptr %lengths_at, align 8
  %own_dtype = load i64, ptr %dtype_at, align 8
  %own_flags = load i32, ptr %flags_at, align 4
  %ndim_place = getelementptr i64, ptr %row, i64 1
  %lengths_place = getelementptr i64, ptr %row, i64 2
  %dtype = load i64, ptr %row, align 8
  %ndim = load i64, ptr %ndim_place, align 8
  %lengths = load ptr, ptr %lengths_place, align 8
  %wide_ndim = sext i32 %own_ndim to i64
  %same_ndim = icmp eq i64 %wide_ndim, %ndim
  %same_dtype = icmp eq i64 %own_dtype, %dtype
  %has = and i32 %own_flags, %flags
  %same_flags = icmp eq i32 %has, %flags
  %two = and i1 %same_ndim, %same_dtype
  %three = and i1 %two, %same_flags
  br i1 %three, label %look, label %yes
look:
  %axis = phi i64 [ 0, %header ], [ %next, %length ]
  %more = icmp slt i64 %axis, %ndim
  br i1 %more, label %length, label %no
length:
  %own_at = getelementptr i64, ptr %own_lengths, i64 %axis
  %at = getelementptr i64, ptr %lengths, i64 %axis
  %own = load i64, ptr %own_at, align 8
  %expected = load i64, ptr %at, align 8
  %same = icmp eq i64 %own, %expected
  %next = add i64 %axis, 1
  br i1 %same, label %look, label %yes
yes:
  ret i1 true
no:
  ret i1 false
}}

define ptr @fill(ptr %self, ptr %arguments, i64 %count) nounwind {{
entry:
  %table_at = getelementptr i8, ptr %self, i64 {data}
  %table = load ptr, ptr %table_at, align 8
  %answer_at = getelementptr i64, ptr %table, i64 1
  %answer = load ptr, ptr %answer_at, align 8
  %lonely = icmp eq i64 %count, 3
  %together = icmp eq i64 %count, 5
  %as_given = or i1 %lonely, %together
  br i1 %as_given, label %first, label %refuse
first:
  %type = load ptr, ptr %table, align 8
  %second_at = getelementptr ptr, ptr %arguments, i64 1
  %third_at = getelementptr ptr, ptr %arguments, i64 2
  %x = load ptr, ptr %arguments, align 8
  %out = load ptr, ptr %second_at, align 8
  %buffer = load ptr, ptr %third_at, align 8
  %x_row = getelementptr i64, ptr %table, i64 9
  %out_row = getelementptr i64, ptr %table, i64 13
  %x_differs = call i1 @differs(ptr %x, ptr %type, ptr %x_row, i32 {read})
  br i1 %x_differs, label %refuse, label %second
second:
  %out_differs = call i1 @differs(ptr %out, ptr %type, ptr %out_row, i32 {written})
  br i1 %out_differs, label %refuse, label %apart
apart:
  %source_at = getelementptr i8, ptr %x, i64 {data}
  %target_at = getelementptr i8, ptr %out, i64 {data}
  %scratch_at = getelementptr i8, ptr %buffer, i64 {data}
  %source = load ptr, ptr %source_at, align 8
  %target = load ptr, ptr %target_at, align 8
  %scratch = load ptr, ptr %scratch_at, align 8
  %x_bytes_at = getelementptr i64, ptr %table, i64 12
  %out_bytes_at = getelementptr i64, ptr %table, i64 16
  %x_bytes = load i64, ptr %x_bytes_at, align 8
  %out_bytes = load i64, ptr %out_bytes_at, align 8
  %x_end = getelementptr i8, ptr %source, i64 %x_bytes
  %out_end = getelementptr i8, ptr %target, i64 %out_bytes
  %before = icmp ule ptr %x_end, %target
  %behind = icmp ule ptr %out_end, %source
  %in_place_at = getelementptr i64, ptr %table, i64 2
  %in_place = load i64, ptr %in_place_at, align 8
  %may = icmp ne i64 %in_place, 0
  %beside = or i1 %before, %behind
  %allowed = or i1 %beside, %may
  br i1 %allowed, label %ready, label %refuse
ready:
  %rows_at = getelementptr i64, ptr %table, i64 3
  %number_at = getelementptr i64, ptr %table, i64 4
  %save_at = getelementptr i64, ptr %table, i64 5
  %restore_at = getelementptr i64, ptr %table, i64 6
  %rows = load ptr, ptr %rows_at, align 8
  %number = load i64, ptr %number_at, align 8
  %save = load ptr, ptr %save_at, align 8
  %restore = load ptr, ptr %restore_at, align 8
  %brief = icmp eq ptr %save, null
  br i1 %brief, label %work, label %release
release:
  %saved = call ptr %save()
  br label %work
work:
  %thread = phi ptr [ null, %ready ], [ %saved, %release ]
  br i1 %together, label %lead, label %call
lead:
  %board_of = getelementptr ptr, ptr %arguments, i64 3
  %flags_of = getelementptr ptr, ptr %arguments, i64 4
  %board_array = load ptr, ptr %board_of, align 8
  %flags_array = load ptr, ptr %flags_of, align 8
  %board_at = getelementptr i8, ptr %board_array, i64 {data}
  %flags_at = getelementptr i8, ptr %flags_array, i64 {data}
  %lead_at = getelementptr i64, ptr %table, i64 7
  %long_at = getelementptr i64, ptr %table, i64 8
  %board = load ptr, ptr %board_at, align 8
  %flags = load ptr, ptr %flags_at, align 8
  %function_to_lead = load ptr, ptr %lead_at, align 8
  %long = load i64, ptr %long_at, align 8
  %led = call i32 %function_to_lead(
    ptr %board, ptr %scratch, ptr %rows, i64 %number, ptr %source, ptr %target, ptr %flags, i64 %long
  )
  br label %worked
call:
  %index = phi i64 [ 0, %work ], [ %following, %call ]
  %status = phi i32 [ 0, %work ], [ %all, %call ]
  %row = getelementptr [4 x i64], ptr %rows, i64 %index
  %own_table_at = getelementptr i64, ptr %row, i64 1
  %from_at = getelementptr i64, ptr %row, i64 2
  %to_at = getelementptr i64, ptr %row, i64 3
  %function = load ptr, ptr %row, align 8
  %own_table = load ptr, ptr %own_table_at, align 8
  %from = load i64, ptr %from_at, align 8
  %to = load i64, ptr %to_at, align 8
  %read = getelementptr i8, ptr %source, i64 %from
  %written = getelementptr i8, ptr %target, i64 %to
  %returned = call i32 %function(ptr %read, ptr %written, ptr %scratch, ptr %own_table)
  %all = or i32 %status, %returned
  %following = add i64 %index, 1
  %again = icmp slt i64 %following, %number
  br i1 %again, label %call, label %worked
worked:
  %result = phi i32 [ %led, %lead ], [ %all, %call ]
  %fine = icmp eq i32 %result, 0
  %occupied = icmp slt i32 %result, 0
  %wrong = select i1 %occupied, i64 {refused}, i64 {wrong}
  br i1 %brief, label %done, label %take
take:
  call void %restore(ptr %thread)
  br label %done
done:
  %said = select i1 %fine, i64 {filled}, i64 %wrong
  %object = call ptr %answer(i64 %said)
  ret ptr %object
refuse:
  %no = call ptr %answer(i64 {refused})
  ret ptr %no
}}
"""
