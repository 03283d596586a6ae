"""Machine code that takes missing samples out of a block: they become zero, and get a weight of zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import load, sample, splat, store
from faltung.jit.target import Target

__all__ = ["NOWHERE", "Blanking", "blanking_function"]

#: Weight of a position without a sample, neither present nor missing: in a mask, and among weights that are numbers.
NOWHERE = (2, -1.0)

_BLANKING = {
    "source": "ptr",
    "samples": "ptr",  # row after row, possibly the source itself; missing samples become zero
    "mask": "ptr noalias readonly",  # weights of samples; read only if the code is masked
    "weights": "ptr noalias",  # the weight of each sample
    "missing": "ptr noalias",  # 1 minus the weight of each sample; written only if it is asked for
    "rows": "ptr noalias readonly",  # byte offset of each row in the source
    "mask_rows": "ptr noalias readonly",
    "height": "i64",
    "width": "i64",  # a multiple of the samples that are missing together
    "stride": "i64",  # samples, and weights, from row to row of what is written
}


class Blanking(NamedTuple):
    """How missing samples are told from the others.

    Parameters
    ----------
    source, samples : dtype
        The samples of the block, and those that are written; if they differ, the second is the number computed with.
    number : dtype
        The number computed with.
    weights : dtype
        Bytes of 0 and 1, or the number computed with.
    together : int
        Samples that are missing together: 2 for complex numbers, else 1.
    skips_nan, masked, bounded, counts_missing : bool
        Whether NaN is missing, whether there are weights, whether some of them are `NOWHERE`, and whether 1 minus the
        weight is written.
    """

    source: np.dtype
    samples: np.dtype
    number: np.dtype
    weights: np.dtype
    together: int
    skips_nan: bool
    masked: bool
    bounded: bool
    counts_missing: bool


@compiled_once
def blanking_function(blanking: Blanking, target: Target) -> Callable[..., int]:
    """Compile (or look up) the function that replaces missing samples by zero; it returns zero if there are none.

    Parameters
    ----------
    blanking : Blanking
        How missing samples are told from the others.
    target : Target
        The processor.
    """
    f = Function("blanking", _BLANKING)
    writer = _BlankingWriter(f, blanking)
    together, lanes = blanking.together, target.lanes(writer.number)

    def row(index: Value, missing: list[Value]) -> list[Value]:
        line = f.at("%source", f.entry("%rows", index))
        flags = f.at("%mask", f.entry("%mask_rows", index)) if blanking.masked else "%mask"

        def blocks_of(count: int) -> Callable[[Value, list[Value]], list[Value]]:
            return lambda column, so_far: [
                f.value(f"or i32 {so_far[0]}, {writer.block(index, line, flags, column, count)}")
            ]

        done = f.multiply(f.value(f"udiv i64 %width, {lanes}"), lanes)
        missing = f.loop(0, done, lanes, blocks_of(lanes), [("i32", missing[0])])
        return f.loop(done, "%width", together, blocks_of(together), [("i32", missing[0])])

    (missing,) = f.loop(0, "%height", 1, row, [("i32", "0")])
    f.do(f"ret i32 {missing}")
    return compile_function(module(f), "blanking", ctypes_of(_BLANKING), target)


class _BlankingWriter:
    """Writes the code that makes of a few samples value, weight, and what is missing of the weight."""

    def __init__(self, f: Function, blanking: Blanking) -> None:
        self.f, self.blanking = f, blanking
        self.number = "float" if blanking.number == np.float32 else "double"
        self.source, self.samples = sample(blanking.source), sample(blanking.samples)
        self.flag = sample(blanking.weights)
        self.graded = blanking.weights.kind == "f"

    def block(self, row: Value, line: Value, flags: Value, column: Value, lanes: int) -> Value:
        """Emit it for some samples; return an integer that is not zero if one of them has not the whole weight."""
        f, blanking = self.f, self.blanking
        index = f.add(f.multiply(row, "%stride"), column)
        place = f.at(line, f.multiply(column, self.source.bytes))
        bits = vector("i1", lanes)
        present, nowhere, weight = splat(f, "true", "i1", lanes), "", self.constant("1.0", lanes)
        if blanking.masked:
            given = f.at(flags, f.multiply(column, self.flag.bytes))
            weight, present, nowhere = self.weights(given, lanes)
        if blanking.skips_nan and self.source.kind == "f":
            present = f.value(f"and {bits} {present}, {self.numbers(place, lanes)}")
        self.values(place, f.at("%samples", f.multiply(index, self.samples.bytes)), present, weight, lanes)
        at = f.multiply(index, self.flag.bytes)
        none, one = self.constant("0.0", lanes), self.constant("1.0", lanes)
        kind = vector(self.number, lanes)
        absent = f.value(f"xor {bits} {present}, {splat(f, 'true', 'i1', lanes)}")
        some = absent
        if self.graded:
            weight = f.value(f"select {bits} {present}, {kind} {weight}, {kind} {none}")
            store(f, self.number, weight, f.at("%weights", at), self.flag, lanes)
            some = f.value(f"fcmp une {kind} {weight}, {one}")
        else:
            self.flags(present, f.at("%weights", at), lanes)
        if blanking.counts_missing:
            place = f.at("%missing", at)
            if self.graded:
                rest = f.value(f"fsub {kind} {one}, {weight}")
                if blanking.bounded:
                    rest = f.value(f"select {bits} {nowhere}, {kind} {none}, {kind} {rest}")
                store(f, self.number, rest, place, self.flag, lanes)
            else:
                if blanking.bounded:
                    absent = f.value(
                        f"select {bits} {nowhere}, {bits} {splat(f, 'false', 'i1', lanes)}, {bits} {absent}"
                    )
                self.flags(absent, place, lanes)
        packed = some if lanes == 1 else f.value(f"bitcast {bits} {some} to i{lanes}")
        return f.value(f"zext i{lanes} {packed} to i32")

    def weights(self, place: Value, lanes: int) -> tuple[Value, Value, Value]:
        """Emit loads of weights; and bits that are one where there is some, and where there is no sample at all."""
        f, nowhere = self.f, NOWHERE[self.graded]
        if self.graded:
            kind = vector(self.number, lanes)
            weight, none = load(f, place, self.flag, self.number, lanes), self.constant("0.0", lanes)
            return (
                weight,
                f.value(f"fcmp ogt {kind} {weight}, {none}"),
                f.value(f"fcmp oeq {kind} {weight}, {self.constant(f'{nowhere:.1f}', lanes)}"),
            )
        kind = vector("i8", lanes)
        flag = f.value(f"load {kind}, ptr {place}, align 1")
        present = f.value(f"icmp ne {kind} {flag}, {splat(f, '0', 'i8', lanes)}")
        if not self.blanking.bounded:
            return "", present, ""
        outside = f.value(f"icmp eq {kind} {flag}, {splat(f, str(nowhere), 'i8', lanes)}")
        inside = f.value(f"icmp ne {kind} {flag}, {splat(f, str(nowhere), 'i8', lanes)}")
        return "", f.value(f"and {vector('i1', lanes)} {present}, {inside}"), outside

    def numbers(self, place: Value, lanes: int) -> Value:
        """Emit bits that are one where a sample is a number; both parts of a complex one have to be."""
        f, kind, bits = self.f, vector(self.number, lanes), vector("i1", lanes)
        value = load(f, place, self.source, self.number, lanes)
        there = f.value(f"fcmp ord {kind} {value}, {value}")
        if self.blanking.together == 2:
            swapped = ", ".join(f"i32 {k ^ 1}" for k in range(lanes))
            other = f.value(f"shufflevector {bits} {there}, {bits} {there}, <{lanes} x i32> <{swapped}>")
            there = f.value(f"and {bits} {there}, {other}")
        return there

    def values(self, place: Value, target: Value, present: Value, weight: Value, lanes: int) -> None:
        """Emit the copy of samples times their weights, with zeros where they are missing."""
        f, bits = self.f, vector("i1", lanes)
        if self.source == self.samples and not self.graded:
            kind = vector(self.source.type, lanes)
            raw = f.value(f"load {kind}, ptr {place}, align 1")
            zero = "zeroinitializer" if lanes > 1 else ("0" if self.source.type.startswith("i") else "0.0")
            kept = f.value(f"select {bits} {present}, {kind} {raw}, {kind} {zero}")
            f.do(f"store {kind} {kept}, ptr {target}, align 1")
            return
        kind = vector(self.number, lanes)
        value = load(f, place, self.source, self.number, lanes)
        if self.graded:
            value = f.value(f"fmul {kind} {value}, {weight}")
        value = f.value(f"select {bits} {present}, {kind} {value}, {kind} {self.constant('0.0', lanes)}")
        store(f, self.number, value, target, self.samples, lanes)

    def flags(self, flags: Value, place: Value, lanes: int) -> None:
        """Emit the store of bits as bytes of 0 and 1."""
        bytes_ = self.f.value(f"zext {vector('i1', lanes)} {flags} to {vector('i8', lanes)}")
        self.f.do(f"store {vector('i8', lanes)} {bytes_}, ptr {place}, align 1")

    def constant(self, value: str, lanes: int) -> Value:
        """Emit a number in every lane."""
        return splat(self.f, value, self.number, lanes)
