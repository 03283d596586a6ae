"""Machine code for products of small matrices, one for each point: registers hold tiles x channels out.

    M[tile, out] = sum over channels in of V[tile, in] U[in, out]

Vectors lie along the channels out. Each coefficient of V is broadcast, and multiplied by all vectors of a row of U::

    U, one channel in     [ u0 ][ u1 ]
    V, tile 0     v  ->   M00 += v u0    M01 += v u1
    V, tile 1     v  ->   M10 += v u0    M11 += v u1   ...

The channels in are added one after the other, from zero, wherever a tile is in its block: so neither blocks nor
workers change a bit of the result.
"""

from __future__ import annotations

from faltung.engines.winograd.vector_numbers import VectorNumbers
from faltung.jit.ir import Function, Value
from faltung.jit.samples import splat

__all__ = ["AHEAD", "emit_product"]

#: Channels in of one turn of the innermost loop.
TURN = 4
#: Bytes of U that are on their way from memory while others are multiplied.
AHEAD = 1 << 13


def emit_product(
    f: Function,
    number: str,
    lanes: int,
    block: tuple[int, int],
    depth: int,
    ins: Value,
    v: Value,
    v_block: Value,
    u: Value,
    m: Value,
    far: bool = False,
) -> None:
    """Emit one block of sums in registers, and its stores.

    Parameters
    ----------
    f : Function
        The function that is written.
    number : str
        The number computed with.
    lanes : int
        Numbers of a vector.
    block : tuple of int
        Tiles, and vectors of channels out.
    depth : int
        Channels in of a row of V; those behind them are in another block, `v_block` bytes further on.
    ins : Value
        Number of channels in.
    v, u, m : Value
        Pointers to the first numbers of the three matrices.
    far : bool
        Whether U is asked for ahead of time; where it is in the cache, that only costs.
    """
    tiles, vectors = block
    size = 4 if number == "float" else 8
    numbers = VectorNumbers(f, number, lanes)
    row = vectors * lanes * size  # bytes of a row of U, and of M

    def channel(v_place: Value, u_place: Value, sums: list[Value]) -> list[Value]:
        shared = [
            f.value(f"load {numbers.type}, ptr {f.at(u_place, n * lanes * size)}, align {size}")
            for n in range(vectors)
        ]
        following: list[Value] = []
        for tile in range(tiles):
            scalar = f.value(f"load {number}, ptr {f.at(v_place, tile * depth * size)}, align {size}")
            broadcast = splat(f, scalar, number, lanes)
            following += [numbers.fused(broadcast, one, sums[len(following) + n]) for n, one in enumerate(shared)]
        return following

    def stretch(k: Value, sums: list[Value]) -> list[Value]:
        """Add the channels of one block of V."""
        first = f.multiply(k, depth)
        count = f.smaller(f.subtract(ins, first), str(depth))
        v_place, u_place = f.at(v, f.multiply(k, v_block)), f.at(u, f.multiply(first, row))
        types = [numbers.type] * len(sums)

        def turn(c: Value, sums: list[Value]) -> list[Value]:
            v_channel, u_channel = f.at(v_place, f.multiply(c, size)), f.at(u_place, f.multiply(c, row))
            for line in range(0, TURN * row if far else 0, 64):
                f.prefetch(f.at(u_channel, AHEAD + line))
            for n in range(TURN):
                sums = channel(f.at(v_channel, n * size), f.at(u_channel, n * row), sums)
            return sums

        def one(c: Value, sums: list[Value]) -> list[Value]:
            return channel(f.at(v_place, f.multiply(c, size)), f.at(u_place, f.multiply(c, row)), sums)

        whole = f.value(f"and i64 {count}, {-TURN}")
        sums = f.loop(0, whole, TURN, turn, list(zip(types, sums, strict=True)))
        return f.loop(whole, count, 1, one, list(zip(types, sums, strict=True)))

    blocks, _ = f.divide(f.add(ins, depth - 1), str(depth))
    zeros = [(numbers.type, "zeroinitializer" if lanes > 1 else "0.0")] * (tiles * vectors)
    for n, value in enumerate(f.loop(0, blocks, 1, stretch, zeros)):
        f.do(f"store {numbers.type} {value}, ptr {f.at(m, n * lanes * size)}, align {size}")
