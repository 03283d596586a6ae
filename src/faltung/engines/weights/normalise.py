"""Machine code for normalised convolution: missing samples become zero first, and results are divided at the end.

A block with samples x of which some are missing becomes x m and m, where m is 1 for a sample and 0 where it is
missing. With y = k * (x m) and w = abs(k) * m the result is y sum(abs(k)) / w: missing samples drop out, and the taps
on the others have a larger weight instead.

Reference: Knutsson and Westin, "Normalized and differential convolution", CVPR 1993.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, load, sample, splat, store
from faltung.jit.target import Target

__all__ = ["join_function", "scaled", "split_function"]

_SPLIT = {
    "source": "ptr",
    "samples": "ptr",  # row after row, possibly the source itself; missing samples become zero
    "mask": "ptr noalias readonly",  # a byte for each, zero if it is missing; read only if the code is masked
    "weights": "ptr noalias",  # a byte for each: one, or zero if it is missing
    "rows": "ptr noalias readonly",  # byte offset of each row in the source
    "height": "i64",
    "width": "i64",  # a multiple of the samples that are missing together
    "stride": "i64",  # samples, and weights, from row to row of what is written
}
_JOIN = {
    "values": "ptr noalias readonly",  # rows one after the other, without gaps
    "weights": "ptr noalias readonly",  # in the same order
    "constants": "ptr noalias readonly",  # the sum of all weights, and the largest weight that counts as none
    "target": "ptr noalias",
    "rows": "ptr noalias readonly",  # byte offset of each row in the target
    "height": "i64",
    "width": "i64",
}


@compiled_once
def split_function(
    source: np.dtype, number: np.dtype, together: int, skips_nan: bool, masked: bool, target: Target
) -> Callable[..., int]:
    """Compile (or look up) the function that replaces missing samples by zero; it returns zero if there are none.

    Parameters
    ----------
    source, number : dtype
        The samples of the block, and the number computed with.
    together : int
        Samples that are missing together: 2 for complex numbers, else 1.
    skips_nan, masked : bool
        Whether NaN is missing, and whether there is a mask.
    target : Target
        The processor.
    """
    f = Function("split", _SPLIT)
    kind, flag = sample(source), Sample("u", 1)
    type_ = "float" if number == np.float32 else "double"

    def block(row: Value, line: Value, column: Value, lanes: int) -> Value:
        """Emit it for some samples; return bits that are one where a sample is missing."""
        index = f.add(f.multiply(row, "%stride"), column)
        source_place = f.at(line, f.multiply(column, kind.bytes))
        samples_place = f.at("%samples", f.multiply(index, kind.bytes))
        raw = f.value(f"load {vector(kind.type, lanes)}, ptr {source_place}, align 1")
        present = splat(f, "true", "i1", lanes)
        bits = vector("i1", lanes)
        if masked:
            flags = f.at("%mask", f.add(f.multiply(row, "%width"), column))
            chosen = load(f, flags, flag, "float", lanes)
            present = f.value(f"fcmp une {vector('float', lanes)} {chosen}, {splat(f, '0.0', 'float', lanes)}")
        if skips_nan and kind.kind == "f":
            value = load(f, source_place, kind, type_, lanes)
            present = f.value(f"and {bits} {present}, {f.value(f'fcmp ord {vector(type_, lanes)} {value}, {value}')}")
            if together == 2:
                swapped = ", ".join(f"i32 {k ^ 1}" for k in range(lanes))
                other = f.value(f"shufflevector {bits} {present}, {bits} {present}, <{lanes} x i32> <{swapped}>")
                present = f.value(f"and {bits} {present}, {other}")
        zero = "zeroinitializer" if lanes > 1 else ("0" if kind.type.startswith("i") else "0.0")
        kept = f.value(
            f"select {bits} {present}, {vector(kind.type, lanes)} {raw}, {vector(kind.type, lanes)} {zero}"
        )
        f.do(f"store {vector(kind.type, lanes)} {kept}, ptr {samples_place}, align 1")
        weights = f.value(f"zext {bits} {present} to {vector('i8', lanes)}")
        f.do(f"store {vector('i8', lanes)} {weights}, ptr {f.at('%weights', index)}, align 1")
        packed = present if lanes == 1 else f.value(f"bitcast {bits} {present} to i{lanes}")
        return f.value(f"zext i{lanes} {f.value(f'xor i{lanes} {packed}, -1')} to i32")

    lanes = target.lanes(type_)

    def row(index: Value, missing: list[Value]) -> list[Value]:
        line = f.at("%source", f.entry("%rows", index))

        def blocks_of(count: int) -> Callable[[Value, list[Value]], list[Value]]:
            return lambda column, so_far: [f.value(f"or i32 {so_far[0]}, {block(index, line, column, count)}")]

        done = f.multiply(f.value(f"udiv i64 %width, {lanes}"), lanes)
        missing = f.loop(0, done, lanes, blocks_of(lanes), [("i32", missing[0])])
        return f.loop(done, "%width", together, blocks_of(together), [("i32", missing[0])])

    (missing,) = f.loop(0, "%height", 1, row, [("i32", "0")])
    f.do(f"ret i32 {missing}")
    return compile_function(module(f), "split", ctypes_of(_SPLIT), target)


def scaled(f: Function, number: str, lanes: int, value: Value, weight: Value, total: Value, least: Value) -> Value:
    """Emit values divided by their share of the whole weight; NaN where the weight is at most `least`."""
    kind = vector(number, lanes)
    scale = f.value(f"fdiv {kind} {total}, {weight}")
    quotient = f.value(f"fmul {kind} {value}, {scale}")
    enough = f.value(f"fcmp ogt {kind} {weight}, {least}")
    nan = splat(f, "0x7FF8000000000000", number, lanes)
    return f.value(f"select {vector('i1', lanes)} {enough}, {kind} {quotient}, {kind} {nan}")


@compiled_once
def join_function(number: np.dtype, result: np.dtype, streamed: bool, target: Target) -> Callable[..., int]:
    """Compile (or look up) the function that divides values by their weights; NaN where all samples are missing.

    Parameters
    ----------
    number, result : dtype
        The dtype of values and weights, and of the target.
    streamed : bool
        Whether to write past the cache.
    target : Target
        The processor.
    """
    f = Function("join", _JOIN)
    kind, stored = sample(number), sample(result)
    type_ = "float" if number == np.float32 else "double"
    lanes = target.lanes(type_)
    total, least = (f.value(f"load {type_}, ptr {f.at('%constants', k * kind.bytes)}, align 1") for k in range(2))

    def row(index: Value, _: list[Value]) -> list[Value]:
        first = f.multiply(f.multiply(index, "%width"), kind.bytes)
        target_place = f.at("%target", f.entry("%rows", index))

        def block(column: Value, count: int, past_the_cache: bool = False) -> None:
            place = f.add(first, f.multiply(column, kind.bytes))
            value = load(f, f.at("%values", place), kind, type_, count)
            weight = load(f, f.at("%weights", place), kind, type_, count)
            chosen = scaled(f, type_, count, value, weight, *(splat(f, c, type_, count) for c in (total, least)))
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
    f.do("ret i32 0")
    return compile_function(module(f), "join", ctypes_of(_JOIN), target)
