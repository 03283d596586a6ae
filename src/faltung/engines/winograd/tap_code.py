"""Machine code for the values of taps at the points of Winograd's tiles, in the order in which products read them.

An item is a panel: the channels out of a register block. The taps of some channels in are collected so that a vector
holds one tap of several channels out, transformed in double precision, and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.channels.channel_code import fields, take_items
from faltung.engines.winograd.minimal_filter import minimal_filter, taps_at_points
from faltung.engines.winograd.vector_numbers import VectorNumbers, in_two_axes
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.target import Target

__all__ = ["COLLECTED", "FIELDS", "TapCode", "taps_function"]

#: Channels in whose taps are collected at once.
COLLECTED = 8

#: Entries of the board that the function is called with: each a 64-bit integer.
FIELDS = (
    *("claims", "items", "scratch", "room"),
    *("source", "out_step", "in_step", "row_step", "column_step"),  # address, and bytes between neighbours
    *("target", "panel_bytes", "point_bytes"),
    *("ins", "outs", "all_panels"),  # of a group
)


@dataclass(frozen=True)
class TapCode:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    outputs : int
        Outputs of a tile along each axis.
    number : str
        The number of taps and values, ``float`` or ``double``.
    lanes, vectors : int
        Numbers of a vector, and vectors of a panel.
    """

    outputs: int
    number: str
    lanes: int
    vectors: int


@compiled_once
def taps_function(code: TapCode, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    return compile_function(module(_emit(code)), "taps", ctypes_of({"board": "ptr"}), target)


def _emit(code: TapCode) -> Function:
    f = Function("taps", {"board": "ptr noalias readonly"})
    board = fields(f, FIELDS)
    filter_, size = minimal_filter(code.outputs), 4 if code.number == "float" else 8
    type_, wide = vector(code.number, code.lanes), VectorNumbers(f, "double", code.lanes)
    row = code.vectors * code.lanes * size
    tap_bytes = code.lanes * size  # of one tap in the collection

    def item(number: Value) -> None:
        group, panel = f.divide(number, board["all_panels"])
        target = f.at(board["target"], f.multiply(number, board["panel_bytes"]))

        def some_outs(n: Value, _: list[Value]) -> list[Value]:
            first = f.add(f.multiply(panel, code.vectors * code.lanes), f.multiply(n, code.lanes))

            def some_ins(channel: Value, _: list[Value]) -> list[Value]:
                count = f.smaller(f.subtract(board["ins"], channel), str(COLLECTED))
                collect(f.multiply(group, board["outs"]), first, channel, count)

                def one(k: Value, _: list[Value]) -> list[Value]:
                    place = f.at(board["scratch"], f.multiply(k, 9 * tap_bytes))
                    taps = [loaded(f.at(place, t * tap_bytes)) for t in range(9)]
                    at = f.at(target, f.multiply(f.add(channel, k), row))
                    at = f.at(at, f.multiply(n, tap_bytes))
                    for values in in_two_axes(taps_at_points, filter_, [taps[:3], taps[3:6], taps[6:]], wide):
                        for value in values:
                            f.do(f"store {type_} {narrow(value)}, ptr {at}, align {size}")
                            at = f.at(at, board["point_bytes"])
                    return []

                f.loop(0, count, 1, one)
                return []

            f.loop(0, board["ins"], COLLECTED, some_ins)
            return []

        f.loop(0, code.vectors, 1, some_outs)

    def collect(before: Value, first: Value, channel: Value, count: Value) -> None:
        """Collect the taps of all lanes, [channel in, tap, lane]; behind the last channel out there are zeros."""

        def lane(n: Value, _: list[Value]) -> list[Value]:
            out = f.add(first, n)
            there = f.value(f"icmp slt i64 {out}, {board['outs']}")
            out = f.add(before, f.smaller(out, f.subtract(board["outs"], 1)))
            source = f.at(board["source"], f.multiply(out, board["out_step"]))
            source = f.at(source, f.multiply(channel, board["in_step"]))
            target = f.at(board["scratch"], f.multiply(n, size))

            def one(k: Value, _: list[Value]) -> list[Value]:
                kernel, place = (
                    f.at(source, f.multiply(k, board["in_step"])),
                    f.at(target, f.multiply(k, 9 * tap_bytes)),
                )
                for t in range(9):
                    at = f.at(kernel, f.multiply(board["row_step"], t // 3)) if t // 3 else kernel
                    at = f.at(at, f.multiply(board["column_step"], t % 3)) if t % 3 else at
                    tap = f.value(f"load {code.number}, ptr {at}, align 1")
                    tap = f.value(f"select i1 {there}, {code.number} {tap}, {code.number} 0.0")
                    f.do(f"store {code.number} {tap}, ptr {f.at(place, t * tap_bytes)}, align {size}")
                return []

            f.loop(0, count, 1, one)
            return []

        f.loop(0, code.lanes, 1, lane)

    def loaded(place: Value) -> Value:
        value = f.value(f"load {type_}, ptr {place}, align {size}")
        return f.value(f"fpext {type_} {value} to {wide.type}") if code.number == "float" else value

    def narrow(value: Value) -> Value:
        return f.value(f"fptrunc {wide.type} {value} to {type_}") if code.number == "float" else value

    take_items(f, board, item)
    return f
