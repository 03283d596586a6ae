"""Loads that convert samples to the number computed with, sums of products, and stores that convert back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from faltung.jit.ir import Function, Value, vector

__all__ = [
    "MOST_TRUNCATED",
    "Sample",
    "aligned_column",
    "broadcast",
    "divided",
    "load",
    "multiply_add",
    "sample",
    "splat",
    "store",
    "store_rows",
]

#: Magnitude below which numbers in single precision can be stored as integers that are truncated.
MOST_TRUNCATED = 2.0**22

_ALIGN = "align 1"  # NumPy arrays may start anywhere; on today's processors an unaligned load costs nothing extra


@dataclass(frozen=True)
class Sample:
    """A sample in memory: its kind (``f`` float, ``i`` signed, ``u`` unsigned), its bytes and their order.

    Integers may be quotients: sums of whole numbers are `divided` when they are stored. Where sums have rounding
    errors, they are rounded to the `nearest` whole number before. `truncated` integers are stored as C converts them.
    """

    kind: str
    bytes: int
    swapped: bool = False
    divided: bool = False
    nearest: bool = False
    truncated: bool = False

    @property
    def type(self) -> str:
        """LLVM type in memory: half floats and swapped floats are loaded as integers of their size."""
        if self.kind == "f" and self.bytes > 2 and not self.swapped:
            return "float" if self.bytes == 4 else "double"
        return f"i{8 * self.bytes}"


@cache
def sample(dtype: np.dtype) -> Sample:
    """Return the description of a sample of `dtype`; booleans are unsigned bytes."""
    kind = "u" if dtype.kind == "b" else dtype.kind
    return Sample(kind, dtype.itemsize, not dtype.isnative)


def splat(f: Function, scalar: Value, element: str, lanes: int) -> Value:
    """Emit a vector with `scalar` in every lane."""
    if lanes == 1:
        return scalar
    type_ = vector(element, lanes)
    first = f.value(f"insertelement {type_} poison, {element} {scalar}, i32 0")
    return f.value(f"shufflevector {type_} {first}, {type_} poison, <{lanes} x i32> zeroinitializer")


def broadcast(f: Function, place: Value, number: str, lanes: int) -> Value:
    """Emit the load of a number, which does not change while the function runs, into every lane."""
    scalar = f.value(f"load {number}, ptr {place}, align {4 if number == 'float' else 8}, !invariant.load !0")
    return splat(f, scalar, number, lanes)


def multiply_add(f: Function, number: str, lanes: int, a: Value, b: Value, total: Value) -> Value:
    """Emit ``a * b + total``, which is rounded once where the processor has an instruction for it."""
    name, kind = _multiply_add(number, lanes)
    return f.call(name, kind, (kind, a), (kind, b), (kind, total))


@cache
def _multiply_add(number: str, lanes: int) -> tuple[str, str]:
    """Return the name of the function and its type: unrolled code has hundreds of calls."""
    return f"llvm.fmuladd.{_suffix(number, lanes)}", vector(number, lanes)


def load(f: Function, pointer: Value, memory: Sample, number: str, lanes: int) -> Value:
    """Emit a load of `lanes` samples, and their conversion to `number` (``float`` or ``double``)."""
    kind = vector(memory.type, lanes)
    wanted = vector(number, lanes)
    raw = f.value(f"load {kind}, ptr {pointer}, {_ALIGN}")
    if memory.swapped and memory.bytes > 1:
        raw = f.call(f"llvm.bswap.{_suffix(memory.type, lanes)}", kind, (kind, raw))
    if memory.kind != "f":
        return f.value(f"{'uitofp' if memory.kind == 'u' else 'sitofp'} {kind} {raw} to {wanted}")
    if memory.bytes == 2:
        raw, kind = _single_from_half(f, raw, lanes), vector("float", lanes)
    elif memory.swapped:
        kind = vector("float" if memory.bytes == 4 else "double", lanes)
        raw = f.value(f"bitcast {vector(memory.type, lanes)} {raw} to {kind}")
    if kind == wanted:
        return raw
    return f.value(f"{'fpext' if number == 'double' else 'fptrunc'} {kind} {raw} to {wanted}")


def store(
    f: Function,
    number: str,
    value: Value,
    pointer: Value,
    memory: Sample,
    lanes: int,
    streamed: bool = False,
    divisor: Value = "",
) -> None:
    """Emit a store of `lanes` numbers as samples; integers are rounded half to even, saturated, and NaN becomes zero.

    Integers that are `truncated` lose their fraction, and keep their lowest bits where they are out of range.
    If `streamed`, it goes past the cache, and the address must be a multiple of the size of the vector. Where samples
    are divided, all lanes of `divisor` are the number that they are divided by.
    """
    kind = vector(memory.type, lanes)
    have = vector(number, lanes)
    if memory.divided:
        value = divided(f, number, value, divisor, lanes, memory.nearest)
    if memory.truncated:
        value = (_truncated if number == "double" else _truncated_single)(f, value, memory, lanes)
    elif memory.kind != "f":
        value = _integer(f, number, value, memory, lanes)
    elif memory.type != number:
        value = f.value(f"{'fpext' if memory.bytes == 8 else 'fptrunc'} {have} {value} to {kind}")
    how = f"align {lanes * memory.bytes}, !nontemporal !1" if streamed else _ALIGN
    f.do(f"store {kind} {value}, ptr {pointer}, {how}")


def store_rows(
    f: Function,
    number: str,
    rows: Sequence[Value],
    place: Value,
    stride: Value,
    memory: Sample,
    lanes: int,
    streamed: bool,
    divisor: Value = "",
) -> None:
    """Emit the store of a vector in each row of the target; if `streamed`, past the cache where all are aligned."""

    def put(past_the_cache: bool) -> None:
        for k, row in enumerate(rows):
            row_place = f.at(place, f.multiply(stride, k)) if k else place
            store(f, number, row, row_place, memory, lanes, past_the_cache, divisor)

    if not streamed:
        put(False)
        return
    address = f.value(f"ptrtoint ptr {place} to i64")
    either = f.value(f"or i64 {address}, {stride}")
    misaligned = f.value(f"and i64 {either}, {lanes * memory.bytes - 1}")
    f.either(f.value(f"icmp eq i64 {misaligned}, 0"), lambda: put(True), lambda: put(False))


def aligned_column(f: Function, row: Value, memory: Sample, lanes: int) -> Value:
    """Emit the column of a row, 0 or before it, at which vectors of samples are aligned.

    Each cache line is then loaded once. Rows that are a power of two long share so few places of the first-level
    cache that a line would be gone before it is loaded from again.
    """
    address = f.value(f"ptrtoint ptr {row} to i64")
    places = f.value(f"udiv i64 {f.subtract('-1', address)}, {memory.bytes}")
    return f.subtract(f.value(f"and i64 {places}, {lanes - 1}"), lanes - 1)


def divided(f: Function, number: str, value: Value, divisor: Value, lanes: int, nearest: bool = False) -> Value:
    """Emit the quotient of a whole number; it is exactly between two integers only if the exact quotient is.

    The number must be below half the largest up to which all whole numbers can be told apart.
    """
    have = vector(number, lanes)
    if nearest:  # the sum with a number so large has no bits left for a fraction
        magic = splat(f, f"{3 * 2 ** (22 if number == 'float' else 51)}.0", number, lanes)
        value = f.value(f"fsub {have} {f.value(f'fadd {have} {value}, {magic}')}, {magic}")
    return f.value(f"fdiv {have} {value}, {divisor}")


def _integer(f: Function, number: str, value: Value, memory: Sample, lanes: int) -> Value:
    kind, have = vector(memory.type, lanes), vector(number, lanes)
    bits = 32 if number == "float" else 64
    fraction = 23 if number == "float" else 52
    if 8 * memory.bytes >= fraction:
        rounded = _rounded(f, number, value, 2.0**fraction, lanes)
        to = "fptoui" if memory.kind == "u" else "fptosi"
        name = f"llvm.{to}.sat.{_suffix(memory.type, lanes)}.{_suffix(number, lanes)}"
        return f.call(name, kind, (have, rounded))
    # Saturate by comparison. Then 1.5 * 2**fraction is so large that the sum has no bits left for a fraction: the
    # addition rounds half to even, and the low bits of the sum are the integer, in two's complement:
    #     float:  sign 1 bit | exponent 8 bits | fraction 23 bits, of which the low 8 or 16 are the result
    low = 0 if memory.kind == "u" else -(2 ** (8 * memory.bytes - 1))
    high = low + 2 ** (8 * memory.bytes) - 1
    zero = splat(f, "0.0", number, lanes)
    if memory.kind == "i":
        ordered = f.value(f"fcmp ord {have} {value}, {zero}")
        value = f.value(f"select {vector('i1', lanes)} {ordered}, {have} {value}, {have} {zero}")
    for limit, comparison in ((low, "ogt"), (high, "olt")):
        bound = splat(f, f"{limit}.0", number, lanes)
        inside = f.value(f"fcmp {comparison} {have} {value}, {bound}")
        value = f.value(f"select {vector('i1', lanes)} {inside}, {have} {value}, {have} {bound}")
    magic = splat(f, f"{3 * 2 ** (fraction - 1)}.0", number, lanes)
    summed = f.value(f"fadd {have} {value}, {magic}")
    integer = vector(f"i{bits}", lanes)
    return f.value(f"trunc {integer} {f.value(f'bitcast {have} {summed} to {integer}')} to {kind}")


def _truncated(f: Function, value: Value, memory: Sample, lanes: int) -> Value:
    """Emit integers of doubles: without the fraction, and with the lowest bits of what is out of range.

    A number that is less than 2**-46 of itself below an integer is that integer: a sum whose exact value is an
    integer has such errors, and would lose a whole one.
    """
    kind, have, suffix = vector(memory.type, lanes), vector("double", lanes), _suffix("double", lanes)

    def constant(number: float) -> str:
        return splat(f, f"{number:.1f}", "double", lanes)

    def chosen(comparison: str, left: Value, right: Value, then: Value, other: Value) -> Value:
        holds = f.value(f"fcmp {comparison} {have} {left}, {right}")
        return f.value(f"select {vector('i1', lanes)} {holds}, {have} {then}, {have} {other}")

    size = f.call(f"llvm.fabs.{suffix}", have, (have, value))
    error = f.value(f"fmul {have} {size}, {splat(f, '0x3D10000000000000', 'double', lanes)}")  # 2**-46
    if memory.bytes == 8:
        quarter = splat(f, "0.25", "double", lanes)
        error = chosen("olt", error, quarter, error, quarter)  # large integers have no fraction, and stay as they are
        size = f.value(f"fadd {have} {size}, {error}")
        whole = f.call(f"llvm.copysign.{suffix}", have, (have, size), (have, value))
        ends = f"{_suffix(memory.type, lanes)}.{suffix}"
        signed = f.call(f"llvm.fptosi.sat.{ends}", kind, (have, whole))
        if memory.kind == "i":
            return signed
        large = f.value(f"fcmp oge {have} {whole}, {constant(2.0**63)}")
        beyond = chosen("oge", whole, constant(2.0**64), constant(0.0), whole)  # as x86 has it
        unsigned = f.call(f"llvm.fptoui.sat.{ends}", kind, (have, beyond))
        return f.value(f"select {vector('i1', lanes)} {large}, {kind} {unsigned}, {kind} {signed}")
    size = f.value(f"fadd {have} {size}, {error}")
    size = chosen("olt", size, constant(2.0**51), size, constant(0.0))  # NaN too: C does not say what becomes of them
    nearest = f.value(f"fsub {have} {f.value(f'fadd {have} {size}, {constant(2.0**52)}')}, {constant(2.0**52)}")
    lower = f.value(f"fsub {have} {nearest}, {constant(1.0)}")
    whole = chosen("ogt", nearest, size, lower, nearest)
    whole = f.call(f"llvm.copysign.{suffix}", have, (have, whole), (have, value))
    # As in `_integer`: the low bits of the sum are the integer, in two's complement.
    summed, bits = f.value(f"fadd {have} {whole}, {constant(3 * 2.0**51)}"), vector("i64", lanes)
    return f.value(f"trunc {bits} {f.value(f'bitcast {have} {summed} to {bits}')} to {kind}")


def _truncated_single(f: Function, value: Value, memory: Sample, lanes: int) -> Value:
    """Emit integers of up to 16 bits of numbers in single precision that are exact and less than `MOST_TRUNCATED`."""
    have, bits, suffix = vector("float", lanes), vector("i32", lanes), _suffix("float", lanes)

    def constant(number: float) -> str:
        return splat(f, f"{number:.1f}", "float", lanes)

    size = f.call(f"llvm.fabs.{suffix}", have, (have, value))
    nearest = f.value(f"fsub {have} {f.value(f'fadd {have} {size}, {constant(2.0**23)}')}, {constant(2.0**23)}")
    above = f.value(f"fcmp ogt {have} {nearest}, {size}")
    lower = f.value(f"fsub {have} {nearest}, {constant(1.0)}")
    whole = f.value(f"select {vector('i1', lanes)} {above}, {have} {lower}, {have} {nearest}")
    whole = f.call(f"llvm.copysign.{suffix}", have, (have, whole), (have, value))
    summed = f.value(f"fadd {have} {whole}, {constant(3 * 2.0**22)}")
    return f.value(f"trunc {bits} {f.value(f'bitcast {have} {summed} to {bits}')} to {vector(memory.type, lanes)}")


def _suffix(type_: str, lanes: int) -> str:
    short = {"float": "f32", "double": "f64"}.get(type_, type_)
    return short if lanes == 1 else f"v{lanes}{short}"


def _rounded(f: Function, number: str, value: Value, large: float, lanes: int) -> Value:
    # Half to even, without an instruction that old processors lack: the sum with `large` has no bits left for a
    # fraction, and a number that is larger has no fraction.
    have, suffix = vector(number, lanes), _suffix(number, lanes)
    limit = splat(f, f"{large:.1f}", number, lanes)
    size = f.call(f"llvm.fabs.{suffix}", have, (have, value))
    whole = f.value(f"fsub {have} {f.value(f'fadd {have} {size}, {limit}')}, {limit}")
    small = f.value(f"fcmp olt {have} {size}, {limit}")
    chosen = f.value(f"select {vector('i1', lanes)} {small}, {have} {whole}, {have} {size}")
    return f.call(f"llvm.copysign.{suffix}", have, (have, chosen), (have, value))


def _single_from_half(f: Function, half: Value, lanes: int) -> Value:
    # By integer arithmetic, because not every processor converts half floats, and emitted code calls no library:
    #     half    s eeeee mmmmmmmmmm
    #     single  s 000eeeee mmmmmmmmmm0000000000000
    # The exponent and mantissa bits moved to their positions in a single are the number times 2**-112, for subnormals
    # too. Infinities and NaN get an exponent of all ones separately.
    bits, number = vector("i32", lanes), vector("float", lanes)

    def constant(value: int) -> str:
        return splat(f, str(value), "i32", lanes)

    wide = f.value(f"zext {vector('i16', lanes)} {half} to {bits}")
    sign = f.value(f"shl {bits} {f.value(f'and {bits} {wide}, {constant(0x8000)}')}, {constant(16)}")
    magnitude = f.value(f"shl {bits} {f.value(f'and {bits} {wide}, {constant(0x7FFF)}')}, {constant(13)}")
    scale = splat(f, "0x46F0000000000000", "float", lanes)  # 2**112
    scaled = f.value(f"fmul {number} {f.value(f'bitcast {bits} {magnitude} to {number}')}, {scale}")
    exponent = f.value(f"icmp uge {bits} {magnitude}, {constant(0x0F800000)}")
    special = f.value(f"select {vector('i1', lanes)} {exponent}, {bits} {constant(0x7F800000)}, {bits} {constant(0)}")
    finite = f.value(f"bitcast {number} {scaled} to {bits}")
    joined = f.value(f"or {bits} {f.value(f'or {bits} {finite}, {special}')}, {sign}")
    return f.value(f"bitcast {bits} {joined} to {number}")
