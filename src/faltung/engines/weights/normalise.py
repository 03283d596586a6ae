"""Machine code for normalised convolution: missing samples are taken out before, and weighed out after.

A block with samples x of which some are missing becomes x m and m, where m is 1 for a sample and 0 where it is
missing. With y = k * (x m) and w = abs(k) * m the result is y sum(abs(k)) / w: what is missing has dropped out, and
the taps on the others weigh as much more.

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
    "samples": "ptr",  # row after row, maybe the source itself; those that are missing become zero
    "mask": "ptr noalias readonly",  # a byte for each, zero where it is missing; not read unless the code is for it
    "weights": "ptr noalias",  # a byte for each: one, or zero where it is missing
    "rows": "ptr noalias readonly",  # byte offset of each row in the source
    "height": "i64",
    "width": "i64",  # a multiple of the samples that are missing together
    "stride": "i64",  # samples, and weights, from row to row where they are written
}
_JOIN = {
    "values": "ptr noalias readonly",  # rows one after the other, without gaps
    "weights": "ptr noalias readonly",  # in the same order
    "constants": "ptr noalias readonly",  # what all weights add up to, and the largest weight that is none
    "target": "ptr noalias",
    "rows": "ptr noalias readonly",  # byte offset of each row in the target
    "height": "i64",
    "width": "i64",
}


@compiled_once
def split_function(
    source: np.dtype, number: np.dtype, together: int, skips_nan: bool, masked: bool, target: Target
) -> Callable[..., int]:
    """Compile (or look up) the function that takes missing samples out of a block; it returns zero if there was none.

    Parameters
    ----------
    source, number : dtype
        What the block holds, and what is computed with.
    together : int
        Samples that are missing all at once: 2 for complex numbers, else 1.
    skips_nan, masked : bool
        Whether NaN is missing, and whether there is a mask.
    target : Target
        The processor.
    """
    f = Function("split", _SPLIT)
    kind, flag = sample(source), Sample("u", 1)
    type_ = "float" if number == np.float32 else "double"

    def block(row: Value, line: Value, column: Value, lanes: int) -> Value:
        """Take out the missing of some samples; return bits that are one where one is."""
        index = f.add(f.multiply(row, "%stride"), column)
        from_there = f.at(line, f.multiply(column, kind.bytes))
        there = f.at("%samples", f.multiply(index, kind.bytes))
        raw = f.value(f"load {vector(kind.type, lanes)}, ptr {from_there}, align 1")
        present = splat(f, "true", "i1", lanes)
        bits = vector("i1", lanes)
        if masked:
            flags = f.at("%mask", f.add(f.multiply(row, "%width"), column))
            chosen = load(f, flags, flag, "float", lanes)
            present = f.value(f"fcmp une {vector('float', lanes)} {chosen}, {splat(f, '0.0', 'float', lanes)}")
        if skips_nan and kind.kind == "f":
            value = load(f, from_there, kind, type_, lanes)
            present = f.value(f"and {bits} {present}, {f.value(f'fcmp ord {vector(type_, lanes)} {value}, {value}')}")
            if together == 2:
                swapped = ", ".join(f"i32 {k ^ 1}" for k in range(lanes))
                other = f.value(f"shufflevector {bits} {present}, {bits} {present}, <{lanes} x i32> <{swapped}>")
                present = f.value(f"and {bits} {present}, {other}")
        zero = "zeroinitializer" if lanes > 1 else ("0" if kind.type.startswith("i") else "0.0")
        kept = f.value(
            f"select {bits} {present}, {vector(kind.type, lanes)} {raw}, {vector(kind.type, lanes)} {zero}"
        )
        f.do(f"store {vector(kind.type, lanes)} {kept}, ptr {there}, align 1")
        weights = f.value(f"zext {bits} {present} to {vector('i8', lanes)}")
        f.do(f"store {vector('i8', lanes)} {weights}, ptr {f.at('%weights', index)}, align 1")
        packed = present if lanes == 1 else f.value(f"bitcast {bits} {present} to i{lanes}")
        return f.value(f"zext i{lanes} {f.value(f'xor i{lanes} {packed}, -1')} to i32")

    lanes = target.lanes(type_)

    def row(index: Value, missing: list[Value]) -> list[Value]:
        line = f.at("%source", f.entry("%rows", index))

        def blocks_of(count: int) -> Callable[[Value, list[Value]], list[Value]]:
            return lambda column, found: [f.value(f"or i32 {found[0]}, {block(index, line, column, count)}")]

        done = f.multiply(f.value(f"udiv i64 %width, {lanes}"), lanes)
        missing = f.loop(0, done, lanes, blocks_of(lanes), [("i32", missing[0])])
        return f.loop(done, "%width", together, blocks_of(together), [("i32", missing[0])])

    (missing,) = f.loop(0, "%height", 1, row, [("i32", "0")])
    f.do(f"ret i32 {missing}")
    return compile_function(module(f), "split", ctypes_of(_SPLIT), target)


def scaled(f: Function, number: str, lanes: int, value: Value, weight: Value, total: Value, least: Value) -> Value:
    """Emit values divided by their share of the whole weight; NaN where there is no more than the least."""
    kind = vector(number, lanes)
    scale = f.value(f"fdiv {kind} {total}, {weight}")
    quotient = f.value(f"fmul {kind} {value}, {scale}")
    enough = f.value(f"fcmp ogt {kind} {weight}, {least}")
    nan = splat(f, "0x7FF8000000000000", number, lanes)
    return f.value(f"select {vector('i1', lanes)} {enough}, {kind} {quotient}, {kind} {nan}")


@compiled_once
def join_function(number: np.dtype, result: np.dtype, streamed: bool, target: Target) -> Callable[..., int]:
    """Compile (or look up) the function that divides values by their weights; NaN where nothing has weight.

    Parameters
    ----------
    number, result : dtype
        What values and weights are, and what is stored.
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
        there = f.at("%target", f.entry("%rows", index))

        def block(column: Value, count: int, past_the_cache: bool = False) -> None:
            place = f.add(first, f.multiply(column, kind.bytes))
            value = load(f, f.at("%values", place), kind, type_, count)
            weight = load(f, f.at("%weights", place), kind, type_, count)
            chosen = scaled(f, type_, count, value, weight, *(splat(f, c, type_, count) for c in (total, least)))
            store(f, type_, chosen, f.at(there, f.multiply(column, stored.bytes)), stored, count, past_the_cache)

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
        address = f.value(f"ptrtoint ptr {there} to i64")
        short = f.value(f"and i64 {f.subtract('0', address)}, {lanes * stored.bytes - 1}")
        before = f.smaller(f.value(f"udiv i64 {short}, {stored.bytes}"), "%width")
        f.loop(0, before, 1, single)
        odd = f.value(f"and i64 {address}, {stored.bytes - 1}")
        aligned = f.value(f"icmp eq i64 {odd}, 0")
        f.either(aligned, lambda: vectors(before, True), lambda: vectors(before, False))
        return []

    f.loop(0, "%height", 1, row)
    if streamed:
        f.do("fence seq_cst")  # whoever is told that the block is done must also see it
    f.do("ret i32 0")
    return compile_function(module(f), "join", ctypes_of(_JOIN), target)
