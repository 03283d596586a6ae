"""Machine code for normalised convolution: outputs make up for the samples that are missing.

Samples x have weights m: 1 for one that is present, 0 for one that is missing, or a number between. Every missing
sample counts, under each output, as the weighted mean of those that are present::

    y = k * (x m) + (k * (1 - m)) (abs(k) * (x m)) / (abs(k) * m)

For taps of one sign this is (k * (x m)) sum(abs(k)) / (abs(k) * m), so two sums are enough: the taps on missing
samples drop out, and the others have a larger weight instead.

Sums over abs(k) may follow from those over k and over a companion of it (see `faltung.planning.companion`), and
k * (1 - m) is what k * m lacks of the sum of all taps.

Reference: Knutsson and Westin, "Normalized and differential convolution", CVPR 1993.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import load, sample, splat, store
from faltung.jit.target import Target

__all__ = ["Join", "filled", "join_function", "scaled"]

_JOIN = {
    "sums": "ptr noalias readonly",  # rows without gaps, one set after the other (see `Join`)
    "size": "i64",  # bytes from one set of sums to the next
    # All weights; the largest that counts as none; the largest that is doubted; the sum of all taps; what may be
    # missing of it by rounding; and the factors of sums over all taps and over the companion.
    "constants": "ptr noalias readonly",
    "target": "ptr noalias",
    "rows": "ptr noalias readonly",  # byte offset of each row in the target
    "height": "i64",
    "width": "i64",
}


def filled(f: Function, number: str, lanes: int, sums: list[Value], least: Value) -> Value:
    """Emit values plus what is missing times the mean; NaN where the weight is at most `least`.

    The sums are those of `_JOIN`: values, weights, means, and what is missing.
    """
    value, weight, mean, missing = sums
    kind, bits = vector(number, lanes), vector("i1", lanes)
    more = f.value(f"fmul {kind} {missing}, {f.value(f'fdiv {kind} {mean}, {weight}')}")
    total = f.value(f"fadd {kind} {value}, {more}")
    # Where nothing is missing, an infinite mean does not count.
    none = f.value(f"fcmp oeq {kind} {missing}, {splat(f, '0.0', number, lanes)}")
    total = f.value(f"select {bits} {none}, {kind} {value}, {kind} {total}")
    enough = f.value(f"fcmp ogt {kind} {weight}, {least}")
    return f.value(f"select {bits} {enough}, {kind} {total}, {kind} {splat(f, '0x7FF8000000000000', number, lanes)}")


def scaled(f: Function, number: str, lanes: int, sums: list[Value], total: Value, least: Value) -> Value:
    """Emit values divided by their share of the whole weight; NaN where the weight is at most `least`."""
    value, weight = sums
    kind = vector(number, lanes)
    scale = f.value(f"fdiv {kind} {total}, {weight}")
    quotient = f.value(f"fmul {kind} {value}, {scale}")
    enough = f.value(f"fcmp ogt {kind} {weight}, {least}")
    nan = splat(f, "0x7FF8000000000000", number, lanes)
    return f.value(f"select {vector('i1', lanes)} {enough}, {kind} {quotient}, {kind} {nan}")


class Join(NamedTuple):
    """What is fixed when the code is compiled.

    Parameters
    ----------
    number, result : dtype
        The dtype of the sums, and of the target.
    sums : str
        ``"two"``: values and weights. ``"four"``: also means, and the taps on missing samples. ``"companion"``:
        values, the same sum over weights, and both over another kernel, with which they make those over magnitudes.
    doubts : bool
        Whether to return 1 if a weight is so small that its error is not small beside it, or a mean is not finite.
    streamed : bool
        Whether to write past the cache.
    """

    number: np.dtype
    result: np.dtype
    sums: str
    doubts: bool
    streamed: bool


@compiled_once
def join_function(join: Join, target: Target) -> Callable[..., int]:
    """Compile (or look up) the function that makes up for missing samples; NaN where all of them are missing.

    Parameters
    ----------
    join : Join
        The description.
    target : Target
        The processor.
    """
    number, result, streamed = join.number, join.result, join.streamed
    f = Function("join", _JOIN)
    kind, stored = sample(number), sample(result)
    type_ = "float" if number == np.float32 else "double"
    lanes = target.lanes(type_)
    constants = [f.value(f"load {type_}, ptr {f.at('%constants', k * kind.bytes)}, align 1") for k in range(7)]
    parts = [f.at("%sums", f.multiply("%size", k)) for k in range(2 if join.sums == "two" else 4)]
    f.do("%status = alloca i32")
    f.do("store i32 0, ptr %status")

    def row(index: Value, _: list[Value]) -> list[Value]:
        first = f.multiply(f.multiply(index, "%width"), kind.bytes)
        target_place = f.at("%target", f.entry("%rows", index))

        def block(column: Value, count: int, past_the_cache: bool = False) -> None:
            place = f.add(first, f.multiply(column, kind.bytes))
            sums = [load(f, f.at(part, place), kind, type_, count) for part in parts]
            total, least, doubted, *others = (splat(f, constant, type_, count) for constant in constants)
            if join.sums == "companion":
                sums = _with_companion(f, type_, count, sums, others)
            if join.doubts:
                _doubt(f, type_, count, sums[1:3], doubted)
            if join.sums == "two":
                chosen = scaled(f, type_, count, sums, total, least)
            else:
                chosen = filled(f, type_, count, sums, least)
            place = f.at(target_place, f.multiply(column, stored.bytes))
            store(f, type_, chosen, place, stored, count, past_the_cache)

        def single(column: Value, _: list[Value]) -> list[Value]:
            block(column, 1)
            return []

        def vectors(first: Value, past_the_cache: bool) -> None:
            def whole(column: Value, _: list[Value]) -> list[Value]:
                block(column, lanes, past_the_cache)
                return []

            done = f.subtract("%width", f.value(f"urem i64 {f.subtract('%width', first)}, {lanes}"))
            f.loop(first, done, lanes, whole)
            f.loop(done, "%width", 1, single)

        if not streamed:
            vectors("0", False)
            return []
        address = f.value(f"ptrtoint ptr {target_place} to i64")
        short = f.value(f"and i64 {f.subtract('0', address)}, {lanes * stored.bytes - 1}")
        before = f.smaller(f.value(f"udiv i64 {short}, {stored.bytes}"), "%width")
        f.loop(0, before, 1, single)
        misaligned = f.value(f"and i64 {address}, {stored.bytes - 1}")
        aligned = f.value(f"icmp eq i64 {misaligned}, 0")
        f.either(aligned, lambda: vectors(before, True), lambda: vectors(before, False))
        return []

    f.loop(0, "%height", 1, row)
    if streamed:
        f.fence()
    f.do(f"ret i32 {f.value('load i32, ptr %status')}")
    return compile_function(module(f), "join", ctypes_of(_JOIN), target)


def _with_companion(f: Function, number: str, lanes: int, sums: list[Value], constants: list[Value]) -> list[Value]:
    """Emit values, weights, means and missing taps from sums over all taps and over the companion."""
    kind, bits = vector(number, lanes), vector("i1", lanes)
    value, share, *others = sums
    taps, rounding, own, other = constants
    magnitudes = []
    for whole, part in zip((value, share), others, strict=True):
        both = (f.value(f"fmul {kind} {whole}, {own}"), f.value(f"fmul {kind} {part}, {other}"))
        magnitudes.append(f.value(f"fadd {kind} {both[0]}, {both[1]}"))
    missing = f.value(f"fsub {kind} {taps}, {share}")
    more = f.value(f"fcmp ogt {kind} {missing}, {rounding}")
    less = f.value(f"fcmp olt {kind} {missing}, {f.value(f'fneg {kind} {rounding}')}")
    some = f.value(f"or {bits} {more}, {less}")
    missing = f.value(f"select {bits} {some}, {kind} {missing}, {kind} {splat(f, '0.0', number, lanes)}")
    return [value, magnitudes[1], magnitudes[0], missing]


def _doubt(f: Function, number: str, lanes: int, sums: list[Value], doubted: Value) -> None:
    """Set the status where a weight is at most `doubted`, or where a mean is not finite."""
    kind, bits = vector(number, lanes), vector("i1", lanes)
    bad = f.value(f"fcmp ule {kind} {sums[0]}, {doubted}")
    for mean in sums[1:]:
        off = f.value(f"fsub {kind} {mean}, {mean}")
        bad = f.value(f"or {bits} {bad}, {f.value(f'fcmp uno {kind} {off}, {off}')}")
    packed = bad if lanes == 1 else f.value(f"bitcast {bits} {bad} to i{lanes}")
    with f.when(f.value(f"icmp ne i{lanes} {packed}, 0")):
        f.do("store i32 1, ptr %status")
