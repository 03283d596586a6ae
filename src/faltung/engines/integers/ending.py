"""What becomes of a sum in whole numbers? It is divided, rounded half to even, and stored as the nearest byte."""

from __future__ import annotations

from dataclasses import dataclass

from faltung.engines.integers.pair_products import fixed, picked
from faltung.jit.ir import Function, Value

__all__ = ["HIGHEST", "Ending", "store_bytes", "store_highest"]

#: Digits of a sum of 32 bits below its highest byte.
HIGHEST = 24


@dataclass(frozen=True)
class Ending:
    """How sums end.

    Parameters
    ----------
    word : {'i32', 'i16'}
        The type of a sum.
    lanes : int
        Sums in a vector.
    final : {'shift', 'divide', 'none'}
        Whether sums are divided by a power of two, by `divisor`, or not at all.
    divisor : int
        What they are divided by.
    positive : bool
        Whether no sum is negative. Those of 16 bits then have no sign.
    """

    word: str
    lanes: int
    final: str
    divisor: int
    positive: bool

    @property
    def type(self) -> str:
        """The type of a vector."""
        return fixed(self.word, self.lanes)

    def all(self, number: int) -> str:
        """Return a constant vector."""
        return "<" + ", ".join([f"{self.word} {number}"] * self.lanes) + ">"


def store_bytes(f: Function, total: Value, place: Value, ending: Ending, shift: Value) -> None:
    """Emit the end of sums; those that are shifted, by a power of two, begin with one half less one."""
    kind, lanes = ending.type, ending.lanes
    name = f"v{lanes}{ending.word}"
    if ending.final == "shift":
        how = "lshr" if ending.positive else "ashr"
        odd = f.value(f"and {kind} {f.value(f'lshr {kind} {total}, {shift}')}, {ending.all(1)}")
        total = f.value(f"{how} {kind} {f.value(f'add {kind} {total}, {odd}')}, {shift}")
    if not ending.positive:
        total = f.call(f"llvm.smax.{name}", kind, (kind, total), (kind, "zeroinitializer"))
    if ending.final == "divide":
        total = _quotient(f, total, ending)
    total = f.call(f"llvm.umin.{name}", kind, (kind, total), (kind, ending.all(255)))
    bytes_ = f.value(f"trunc {kind} {total} to {fixed('i8', lanes)}")
    f.do(f"store {fixed('i8', lanes)} {bytes_}, ptr {place}, align 1")


def store_highest(f: Function, totals: list[Value], place: Value, ending: Ending, lift: int) -> None:
    """Emit the end of the sums of four vectors, which have the result as their highest byte once they are moved.

    They begin with one half less one, and are in range, so that the other bytes are left out, and nothing else.
    """
    kind, lanes = ending.type, ending.lanes
    values = []
    for total in totals:
        last = f.value(f"lshr {kind} {total}, {ending.all(HIGHEST - lift)}")
        total = f.value(f"add {kind} {total}, {f.value(f'and {kind} {last}, {ending.all(1)}')}")
        values.append(f.value(f"shl {kind} {total}, {ending.all(lift)}") if lift else total)
    for bits in (16, 8):
        count = 32 // bits * lanes
        half = fixed(f"i{bits}", count)
        parts = [f.value(f"bitcast {kind} {value} to {half}") for value in values]
        places = list(range(1, 2 * count, 2))
        values = [picked(f, half, a, b, places) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        kind = half
    f.do(f"store {kind} {values[0]}, ptr {place}, align 1")


def _quotient(f: Function, total: Value, ending: Ending) -> Value:
    """Emit a quotient of whole numbers that are not negative; a sum over an odd number has no halves."""
    kind, divisor = ending.type, ending.divisor
    by = ending.all(divisor)
    if divisor % 2:
        return f.value(f"udiv {kind} {f.value(f'add {kind} {total}, {ending.all(divisor // 2)}')}, {by}")
    whole = f.value(f"udiv {kind} {total}, {by}")
    rest = f.value(f"sub {kind} {total}, {f.value(f'mul {kind} {whole}, {by}')}")
    odd = f.value(f"and {kind} {whole}, {ending.all(1)}")
    more = f.value(f"icmp ugt {kind} {f.value(f'add {kind} {rest}, {odd}')}, {ending.all(divisor // 2)}")
    one = f.value(f"zext {fixed('i1', ending.lanes)} {more} to {kind}")
    return f.value(f"add {kind} {whole}, {one}")
