"""Are all outputs finite? Machine code that adds terms which may overflow, or multiplies zero taps, has to say so."""

from __future__ import annotations

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import splat

__all__ = ["Guard"]


class Guard:
    """Writes the code that finds out whether an output of a function is not finite.

    Zero times the sum of the outputs is zero if all are finite. These products are added up in a register, and looked
    at once, when the function ends. A sum of outputs that overflows counts as well.

    Parameters
    ----------
    f : Function
        The function, at its beginning.
    number : str
        The number computed with, ``float`` or ``double``.
    lanes : int
        Lanes of most vectors of outputs; others are single.
    """

    def __init__(self, f: Function, number: str, lanes: int) -> None:
        self._f, self._number = f, number
        self._places = {}
        for width in {lanes, 1}:
            place = self._places[width] = f.value(f"alloca {vector(number, width)}")
            f.do(f"store {vector(number, width)} {splat(f, '0.0', number, width)}, ptr {place}")

    def note(self, outputs: list[Value], lanes: int) -> None:
        """Emit a look at vectors of outputs."""
        f, type_ = self._f, vector(self._number, lanes)
        while len(outputs) > 1:  # two by two: no addition waits for all before it
            pairs = zip(outputs[::2], outputs[1::2], strict=False)
            rest = outputs[len(outputs) // 2 * 2 :]
            outputs = [f.value(f"fadd {type_} {a}, {b}") for a, b in pairs] + rest
        place = self._places[lanes]
        zero = f.value(f"fmul {type_} {outputs[0]}, {splat(f, '0.0', self._number, lanes)}")
        before = f.value(f"load {type_}, ptr {place}")
        f.do(f"store {type_} {f.value(f'fadd {type_} {before}, {zero}')}, ptr {place}")

    def give_back(self, status: Value) -> Value:
        """Emit the status of the function: bit 0 is set if an output is not finite."""
        f = self._f
        for lanes, place in self._places.items():
            type_ = vector(self._number, lanes)
            zero = f.value(f"load {type_}, ptr {place}")
            bad = f.value(f"fcmp uno {type_} {zero}, {zero}")
            bits = f.value(f"bitcast {vector('i1', lanes)} {bad} to i{lanes}") if lanes > 1 else bad
            some = f.value(f"icmp ne i{lanes} {bits}, 0")
            status = f.value(f"or i32 {status}, {f.value(f'zext i1 {some} to i32')}")
        return status
