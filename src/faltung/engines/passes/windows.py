"""Machine code for sums over windows, at a cost that hardly depends on their width."""

from __future__ import annotations

from collections.abc import Callable

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, load, store

__all__ = ["NARROW", "WIDE", "additions", "fill_sums", "register_sums"]

#: Widest window whose sums are computed in registers.
NARROW = 16
#: Widest window whose sums are in the number computed with. Those over wider ones are in double precision, so that
#: their error does not grow with the width.
WIDE = 64


def fill_sums(
    f: Function,
    sample: Callable[[Value], Value],
    sums: Value,
    count: Value,
    width: Value,
    number: str,
    lanes: int,
    stride: int = 1,
) -> None:
    """Emit sums over windows: ``sums[n] = sample(n) + ... + sample(n + width - 1)`` for n below `count`.

    The samples are cut into blocks as long as a window. A window that begins inside a block is the end of that block
    and the beginning of the next one. The sums over all ends of a block are computed backwards, the sums over all
    beginnings of the next block forwards. With windows of 4 samples::

        samples     a b c d | e f g h
        ends        a+b+c+d   b+c+d   c+d       d
        beginnings            e       e+f       e+f+g
        windows     a+b+c+d   b+c+d+e c+d+e+f   d+e+f+g

    That takes three additions for each sample, whatever the width, and nothing is subtracted: rounding errors are not
    carried from block to block, a NaN only reaches the windows that contain it, and sums of samples that are not
    negative are not negative.

    Reference: van Herk, *A fast algorithm for local minimum and maximum filters on rectangular and octagonal
    kernels*, Pattern Recognition Letters 13, 1992, here with sums.

    Parameters
    ----------
    f : Function
        The function that is written.
    sample : callable
        Emits the load of the vector at an index.
    sums : Value
        Address of the vectors of sums, which are `stride` positions apart.
    count, width : Value
        Number of windows, and their width.
    number, lanes
        Number and lanes of a vector.
    stride : int, optional
        Positions from sum to sum.
    """
    kind = vector(number, lanes)
    memory = Sample("f", 4 if number == "float" else 8)
    stride *= lanes * memory.bytes

    def place(index: Value) -> Value:
        return f.at(sums, f.multiply(index, stride))

    def one_block(block: Value, _: list[Value]) -> list[Value]:
        start = f.multiply(block, width)
        final = f.subtract(f.add(start, width), "1")

        def one_end(back: Value, total: list[Value]) -> list[Value]:
            index = f.subtract(final, back)
            longer = f.value(f"fadd {kind} {total[0]}, {sample(index)}")
            store(f, number, longer, place(index), memory, lanes)
            return [longer]

        def one_beginning(index: Value, total: list[Value]) -> list[Value]:
            longer = f.value(f"fadd {kind} {total[0]}, {sample(f.add(index, f.subtract(width, '1')))}")
            sum_place = place(index)
            rest = load(f, sum_place, memory, number, lanes)
            store(f, number, f.value(f"fadd {kind} {rest}, {longer}"), sum_place, memory, lanes)
            return [longer]

        f.loop(0, width, 1, one_end, [(kind, "zeroinitializer")])
        stop = f.smaller(f.add(start, width), count)
        f.loop(f.add(start, "1"), stop, 1, one_beginning, [(kind, "zeroinitializer")])
        return []

    blocks = f.value(f"udiv i64 {f.subtract(f.add(count, width), '1')}, {width}")
    f.loop(0, blocks, 1, one_block)


def register_sums(
    f: Function, sample: Callable[[int], Value], count: int, width: int, step: int, number: str, lanes: int
) -> list[Value]:
    """Emit sums over narrow windows: ``sample(n) + sample(n + step) + ... `` of `width` samples, for n below `count`.

    Sums of two samples make sums of four, and so on; a window is made of those that its width has as binary digits.
    All are shared with the neighbouring windows, so that an output takes about as many additions as the logarithm of
    the width. For windows of 5 samples::

        a b c d e f ...     ab = a+b, bc = b+c, ...    abcd = ab+cd, bcde = bc+de, ...    abcde = abcd+e, ...

    Parameters
    ----------
    f : Function
        The function that is written.
    sample : callable
        Emits the load of the vector at an index.
    count, width, step : int
        Number of windows, their width, and the distance of the samples in one.
    number, lanes
        Number and lanes of a vector.
    """
    kind = vector(number, lanes)
    known: dict[tuple[int, int], Value] = {}

    def total(start: int, length: int) -> Value:
        value = known.get((start, length))
        if value is None:
            half = length // 2
            value = sample(start) if length == 1 else added(total(start, half), total(start + half * step, half))
            known[start, length] = value
        return value

    def added(a: Value, b: Value) -> Value:
        return f.value(f"fadd {kind} {a}, {b}")

    def window(start: int) -> Value:
        result, rest = "", width
        while rest:
            length = 1 << (rest.bit_length() - 1)
            part = total(start, length)
            result = added(result, part) if result else part
            start, rest = start + length * step, rest - length
        return result

    return [window(start) for start in range(count)]


def additions(width: int) -> int:
    """Return the number of additions for an output of `register_sums`.

    Examples
    --------
    >>> [additions(width) for width in (1, 2, 3, 8, 9)]
    [0, 1, 2, 3, 4]
    """
    return width.bit_length() - 1 + width.bit_count() - 1
