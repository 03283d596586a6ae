"""Machine code for normalised convolution: outputs make up for the samples that are missing.

Samples x have weights m: 1 for one that is present, 0 for one that is missing, or a number between. Every missing
sample counts, under each output, as the weighted mean of those that are present::

    y = k * (x m) + (k * (1 - m)) (abs(k) * (x m)) / (abs(k) * m)

For taps of one sign this is (k * (x m)) sum(abs(k)) / (abs(k) * m), so two sums are enough: the taps on missing
samples drop out, and the others have a larger weight instead.

Reference: Knutsson and Westin, "Normalized and differential convolution", CVPR 1993.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import load, sample, splat, store
from faltung.jit.target import Target

__all__ = ["filled", "join_function", "scaled"]

_JOIN = {
    "sums": "ptr noalias readonly",  # values and weights, then means and what is missing; rows without gaps
    "size": "i64",  # bytes from one of these sums to the next
    "constants": "ptr noalias readonly",  # all weights; the largest that counts as none; the largest that is doubted
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


@compiled_once
def join_function(
    number: np.dtype, result: np.dtype, fills: bool, doubts: bool, streamed: bool, target: Target
) -> Callable[..., int]:
    """Compile (or look up) the function that makes up for missing samples; NaN where all of them are missing.

    Parameters
    ----------
    number, result : dtype
        The dtype of values and weights, and of the target.
    fills : bool
        Whether missing samples count as the mean of the others. If not, values are divided by their weights.
    doubts : bool
        Whether to return 1 if a weight is so small that its error is not small beside it, or a mean not finite.
    streamed : bool
        Whether to write past the cache.
    target : Target
        The processor.
    """
    f = Function("join", _JOIN)
    kind, stored = sample(number), sample(result)
    type_ = "float" if number == np.float32 else "double"
    lanes = target.lanes(type_)
    total, least, doubted = (
        f.value(f"load {type_}, ptr {f.at('%constants', k * kind.bytes)}, align 1") for k in range(3)
    )
    parts = [f.at("%sums", f.multiply("%size", k)) for k in range(4 if fills else 2)]
    f.do("%status = alloca i32")
    f.do("store i32 0, ptr %status")

    def row(index: Value, _: list[Value]) -> list[Value]:
        first = f.multiply(f.multiply(index, "%width"), kind.bytes)
        target_place = f.at("%target", f.entry("%rows", index))

        def block(column: Value, count: int, past_the_cache: bool = False) -> None:
            place = f.add(first, f.multiply(column, kind.bytes))
            sums = [load(f, f.at(part, place), kind, type_, count) for part in parts]
            if doubts:
                _doubt(f, type_, count, sums[1:3], splat(f, doubted, type_, count))
            smallest = splat(f, least, type_, count)
            if fills:
                chosen = filled(f, type_, count, sums, smallest)
            else:
                chosen = scaled(f, type_, count, sums, splat(f, total, type_, count), smallest)
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
        f.do("fence seq_cst")  # a thread that learns that the block is done must also see its outputs
    f.do(f"ret i32 {f.value('load i32, ptr %status')}")
    return compile_function(module(f), "join", ctypes_of(_JOIN), target)


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
