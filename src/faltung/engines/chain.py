"""How are block functions applied in turn? Each but the last leaves its result in scratch."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.engines.base import Block, BlockFunction
from faltung.ground import scratch

__all__ = ["Chain", "packed"]


class Chain:
    """A block function made of several, applied in turn.

    Scratch holds two buffers, which take turns::

        source -> pass 0 -> buffer 0 -> pass 1 -> buffer 1 -> pass 2 -> buffer 0 -> ... -> last pass -> target

    Parameters
    ----------
    passes : sequence of (BlockFunction, tuple of int)
        The block functions, each with the size of its kernel along each axis.
    position : int
        Bytes of a position of a row in scratch.
    name : str
        The name of its scratch; chains inside each other have different names.
    """

    def __init__(self, passes: Sequence[tuple[BlockFunction, tuple[int, ...]]], position: int, name: str) -> None:
        self._name = name
        self._passes = passes
        self._position = position

    def __call__(self, source: int, target: int, block: Block) -> object:
        """Fill the block."""
        source_strides, target_strides, shape = block
        extended = list(shape)
        for _, sizes in self._passes:
            extended = [length + size - 1 for length, size in zip(extended, sizes, strict=True)]
        buffers = []
        for number, (run, sizes) in enumerate(self._passes[:-1]):
            extended = [length - size + 1 for length, size in zip(extended, sizes, strict=True)]
            strides, size = packed(extended, self._position)
            buffer, address = scratch.take(f"{self._name} {number % 2}", size)
            buffers.append(buffer)  # alive until the pass that reads it is done
            run(source, address, Block(source_strides, strides, tuple(extended)))
            source, source_strides = address, strides
        return self._passes[-1][0](source, target, Block(source_strides, target_strides, shape))


def packed(shape: Sequence[int], position: int) -> tuple[tuple[int, ...], int]:
    """Return the strides of a block in scratch, and its size in bytes."""
    # Rows begin with a cache line and are one line longer than needed: rows a power of two apart would all be kept in
    # the same few places of the cache.
    strides = [(-(-shape[-1] * position // 64) + 1) * 64]
    for length in reversed(shape[1:-1]):
        strides.insert(0, strides[0] * length)
    return tuple(strides), strides[0] * shape[0]
