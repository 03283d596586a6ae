"""Butterflies: the small Fourier transforms, in registers, that large ones are made of.

A *stage* of radix r goes over an axis of r * count * blocks points. In each block, butterfly j takes the r points
j, j + count, j + 2 count, ..., transforms them, and writes the results to the same positions. A block with r = 4::

    points        0 ... j ... | count ... + j ... | 2 count ... + j ... | 3 count ... + j ...
    butterfly j         a              b                    c                     d
                    (a, b, c, d) -> their transform (A, B, C, D) -> (A, w B, w^2 C, w^3 D)

Forwards (decimation in frequency), result k is multiplied by the k-th power of w = exp(-2 pi i j / (r count)), as in
the picture; backwards (decimation in time), input k is. A butterfly of radix 4 is made of those of radix 2::

    a ---+---> a + b
          X
    b ---+---> a - b

J. W. Cooley and J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import broadcast, multiply_add, splat

__all__ = [
    "BUTTERFLY",
    "MIDDLE",
    "Complex",
    "ComplexVectors",
    "butterfly",
    "call",
    "for_range",
    "frequencies",
    "middle",
    "radices",
    "twiddles",
]

Complex = tuple[Value, Value]

BUTTERFLY = {
    "points": "ptr",  # real parts of the first point of the first block
    "imaginary": "i64",  # bytes from there to the imaginary parts
    "twiddles": "ptr",
    "count": "i64",  # butterflies in a block
    "blocks": "i64",
    "stride": "i64",  # bytes from point to point
    "vectors": "i64",  # contiguous vectors at each point
}
MIDDLE = {
    "points": "ptr",
    "imaginary": "i64",
    "spectrum": "ptr",  # for each point a vector of real and one of imaginary parts
    "blocks": "i64",
    "stride": "i64",
}


def radices(size: int, registers: int) -> tuple[int, ...]:
    """Return the radix of each stage of a forward transform of size 2**a 3**b, a at least 2; the last is 4 or 8."""
    threes = 0
    while size % 3 == 0:
        size, threes = size // 3, threes + 1
    twos = size.bit_length() - 1
    # A butterfly of radix 8 needs more than 16 registers; with fewer it is used once, if stages of 4 do not suffice.
    eights = (twos - 2 * (-twos % 3)) // 3 if registers > 16 else twos % 2
    return (3,) * threes + (8,) * eights + (4,) * ((twos - 3 * eights) // 2)


def frequencies(stages: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the frequency at each position of an axis after a forward transform with stages of these radices."""
    if not stages:
        return np.zeros(1, np.int64)
    radix, *rest = stages
    return np.add.outer(np.arange(radix), radix * frequencies(tuple(rest))).ravel()


def twiddles(radix: int, count: int, number: np.dtype[np.floating]) -> NDArray[np.floating]:
    """Return the factors of a stage: for each butterfly of a block, two parts for each point but the first."""
    angle = -2 * np.pi * np.multiply.outer(np.arange(count), np.arange(1, radix)) / (radix * count)
    return np.stack([np.cos(angle), np.sin(angle)], -1).astype(number)


def call(f: Function, name: str, parameters: dict[str, str], values: dict[str, Value]) -> Value:
    """Emit a call of a function by its symbol, or through a pointer to it."""
    symbol = name if name.startswith("%") else f"@{name}"
    return f.value(f"call i32 {symbol}({', '.join(f'{kind} {values[key]}' for key, kind in parameters.items())})")


def for_range(f: Function, stop: Value, body: Callable[[Value], None]) -> None:
    """Emit ``for index in range(stop): body(index)``."""

    def once(index: Value, _: list[Value]) -> list[Value]:
        body(index)
        return []

    f.loop(0, stop, 1, once)


def butterfly(radix: int, kind: str, number: str, lanes: int) -> Function:
    """Write the function ``{kind}{radix}`` for a stage: kind ``forward``, ``backward``, or ``last`` without twiddles.

    The last stage forwards, which is the first one backwards, has one butterfly in each block and so no twiddles.
    """
    f = Function(f"{kind}{radix}", BUTTERFLY, internal=True)
    vectors = ComplexVectors(f, number, lanes)
    span = f.multiply("%count", "%stride")
    spans = [f.multiply(span, k) for k in range(radix)]

    def one_block(block: Value) -> None:
        first = f.at("%points", f.multiply(f.multiply(block, span), radix))

        def one(index: Value) -> None:
            start = f.at(first, f.multiply(index, "%stride"))
            table = f.at("%twiddles", f.multiply(index, 2 * (radix - 1) * vectors.bytes))
            factors = [] if kind == "last" else [vectors.broadcast(table, k) for k in range(radix - 1)]

            def one_vector(column: Value) -> None:
                place = f.at(start, f.multiply(column, vectors.width))
                places = [place, *(f.at(place, spans[k]) for k in range(1, radix))]
                points = [vectors.load(address, "%imaginary") for address in places]
                if kind == "backward":
                    points[1:] = [vectors.times(*both) for both in zip(points[1:], factors, strict=True)]
                points = vectors.transform(points)
                if kind == "forward":
                    points[1:] = [vectors.times(*both) for both in zip(points[1:], factors, strict=True)]
                for address, point in zip(places, points, strict=True):
                    vectors.store(point, address, "%imaginary")

            for_range(f, "%vectors", one_vector)

        for_range(f, "%count", one)

    for_range(f, "%blocks", one_block)
    f.do("ret i32 0")
    return f


def middle(radix: int, number: str, lanes: int) -> Function:
    """Write ``middle{radix}``: the last stage forwards, the product with the spectrum, the first stage backwards."""
    f = Function(f"middle{radix}", MIDDLE, internal=True)
    vectors = ComplexVectors(f, number, lanes)
    spans = [f.multiply("%stride", k) for k in range(radix)]

    def one_block(block: Value) -> None:
        index = f.multiply(block, radix)
        place = f.at("%points", f.multiply(index, "%stride"))
        places = [place, *(f.at(place, spans[k]) for k in range(1, radix))]
        table = f.at("%spectrum", f.multiply(index, 2 * vectors.width))
        points = vectors.transform([vectors.load(address, "%imaginary") for address in places])
        factors = [vectors.load(f.at(table, 2 * k * vectors.width), vectors.width) for k in range(radix)]
        products = [vectors.times(*both) for both in zip(points, factors, strict=True)]
        results = vectors.transform([(im, re) for re, im in products])
        for address, (im, re) in zip(places, results, strict=True):
            vectors.store((re, im), address, "%imaginary")

    for_range(f, "%blocks", one_block)
    f.do("ret i32 0")
    return f


class ComplexVectors:
    """Writes complex arithmetic on vectors: a number is a pair of values, its real and its imaginary part."""

    def __init__(self, f: Function, number: str, lanes: int) -> None:
        self._f = f
        self._number = number
        self._lanes = lanes
        self._type = vector(number, lanes)
        self.bytes = 4 if number == "float" else 8
        self.width = self.bytes * lanes

    def load(self, place: Value, imaginary: Value | int) -> Complex:
        """Emit the load of a number, whose imaginary part is `imaginary` bytes behind its real part."""
        return self.load_real(place), self.load_real(self._f.at(place, imaginary))

    def store(self, value: Complex, place: Value, imaginary: Value | int) -> None:
        """Emit the store of a number, in the memory layout of `load`."""
        self.store_real(value[0], place)
        self.store_real(value[1], self._f.at(place, imaginary))

    def load_real(self, place: Value) -> Value:
        """Emit the load of one vector."""
        return self._f.value(f"load {self._type}, ptr {place}, align {self.width}")

    def store_real(self, value: Value, place: Value) -> None:
        """Emit the store of one vector."""
        self._f.do(f"store {self._type} {value}, ptr {place}, align {self.width}")

    def broadcast(self, table: Value, index: int) -> Complex:
        """Emit the load of one number of a table of pairs into every lane."""
        places = (self._f.at(table, (2 * index + part) * self.bytes) for part in range(2))
        re, im = (broadcast(self._f, place, self._number, self._lanes) for place in places)
        return re, im

    def times(self, a: Complex, b: Complex) -> Complex:
        """Emit the product of two numbers."""
        f, product = self._f, f"fmul {self._type}"
        negative = f.value(f"fneg {self._type} {f.value(f'{product} {a[1]}, {b[1]}')}")
        return self._fused(a[0], b[0], negative), self._fused(a[0], b[1], f.value(f"{product} {a[1]}, {b[0]}"))

    def plus_product(self, c: Complex, a: Complex, b: Complex) -> Complex:
        """Emit the sum of a number and the product of two others."""
        negative = self._f.value(f"fneg {self._type} {a[1]}")
        re = self._fused(negative, b[1], self._fused(a[0], b[0], c[0]))
        return re, self._fused(a[1], b[0], self._fused(a[0], b[1], c[1]))

    def transform(self, x: list[Complex]) -> list[Complex]:
        """Emit the Fourier transform of 2, 3, 4 or 8 points."""
        if len(x) == 2:
            return [self._add(*x), self._subtract(*x)]
        if len(x) == 3:
            return self._three(x)
        even, odd = self.transform(x[0::2]), self.transform(x[1::2])
        pairs = [self._rotated(*both, k, len(x)) for k, both in enumerate(zip(even, odd, strict=True))]
        return [pair[0] for pair in pairs] + [pair[1] for pair in pairs]

    def _rotated(self, a: Complex, b: Complex, k: int, size: int) -> tuple[Complex, Complex]:
        """Return a + w b and a - w b, where w = exp(-2 pi i k / size) and size is at most 8."""
        if k == 0:
            return self._add(a, b), self._subtract(a, b)
        if 4 * k == size:
            return self._crossed(a, b)
        # w b = sqrt(1/2) (s, d) for w = sqrt(1/2) (1 - i), and sqrt(1/2) (d, -s) for w = sqrt(1/2) (-1 - i).
        f, type_ = self._f, self._type
        s, d = f.value(f"fadd {type_} {b[0]}, {b[1]}"), f.value(f"fsub {type_} {b[1]}, {b[0]}")
        plus, minus = self._constant(math.sqrt(0.5)), self._constant(-math.sqrt(0.5))
        if k == 1:
            turned, signs = (s, d), (plus, plus, minus, minus)
        else:
            turned, signs = (d, s), (plus, minus, minus, plus)
        fused = [self._fused(sign, turned[n % 2], a[n % 2]) for n, sign in enumerate(signs)]
        return (fused[0], fused[1]), (fused[2], fused[3])

    def _three(self, x: list[Complex]) -> list[Complex]:
        s, d = self._add(x[1], x[2]), self._subtract(x[1], x[2])
        half, sine = self._constant(-0.5), self._constant(math.sqrt(0.75))
        m = self._fused(half, s[0], x[0][0]), self._fused(half, s[1], x[0][1])
        turned = (
            self._f.value(f"fmul {self._type} {sine}, {d[0]}"),
            self._f.value(f"fmul {self._type} {sine}, {d[1]}"),
        )
        return [self._add(x[0], s), *self._crossed(m, turned)]

    def _crossed(self, a: Complex, b: Complex) -> tuple[Complex, Complex]:
        """Return a - i b and a + i b."""
        f, add, subtract = self._f, f"fadd {self._type}", f"fsub {self._type}"
        return (
            (f.value(f"{add} {a[0]}, {b[1]}"), f.value(f"{subtract} {a[1]}, {b[0]}")),
            (f.value(f"{subtract} {a[0]}, {b[1]}"), f.value(f"{add} {a[1]}, {b[0]}")),
        )

    def _add(self, a: Complex, b: Complex) -> Complex:
        re, im = (self._f.value(f"fadd {self._type} {p}, {q}") for p, q in zip(a, b, strict=True))
        return re, im

    def _subtract(self, a: Complex, b: Complex) -> Complex:
        re, im = (self._f.value(f"fsub {self._type} {p}, {q}") for p, q in zip(a, b, strict=True))
        return re, im

    def _fused(self, a: Value, b: Value, c: Value) -> Value:
        return multiply_add(self._f, self._number, self._lanes, a, b, c)

    def _constant(self, value: float) -> Value:
        # LLVM writes a float as the bits of a double, too, whose value must be one of a float.
        rounded = float(np.float32(value)) if self._number == "float" else value
        return splat(self._f, f"0x{struct.pack('>d', rounded).hex().upper()}", self._number, self._lanes)
