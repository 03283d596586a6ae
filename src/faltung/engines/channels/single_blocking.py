"""How large is a block of outputs of a layer of single channels? With few loads for each multiply-add."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["HELD", "single_block", "taps_at_once"]

#: Most taps of a slice that stay in registers while outputs are summed.
HELD = 9


def taps_at_once(size: tuple[int, int], registers: int) -> int:
    """Return how many rows of taps have their gradients summed at once.

    Examples
    --------
    >>> taps_at_once((3, 3), 32), taps_at_once((7, 7), 32), taps_at_once((7, 7), 16)
    (3, 3, 1)
    """
    room = 25 if registers == 32 else 11
    most = max(1, min(size[0], room // size[1]))
    parts = -(-size[0] // most)
    return -(-size[0] // parts)


@lru_cache(maxsize=1024)
def single_block(
    outputs: tuple[int, int],
    lanes: int,
    size: tuple[int, int],
    stride: tuple[int, int],
    gradient: bool,
    registers: int,
) -> tuple[int, int]:
    """Return rows and places of a block.

    Where lanes are channels, columns of samples are far apart in memory, and few rows are read at a time.

    Parameters
    ----------
    outputs : tuple of int
        Rows and columns of outputs.
    lanes : int
        Columns of a place.
    size, stride : tuple of int
        Of the kernel.
    gradient : bool
        Whether gradients with respect to the taps are summed.
    registers : int
        Number of vector registers.

    Examples
    --------
    >>> single_block((56, 56), 16, (3, 3), (1, 1), False, 32), single_block((14, 14), 1, (3, 3), (1, 1), False, 32)
    ((8, 1), (2, 7))
    """
    few = lanes == 1 and not gradient
    most = (14 if few else 8) * registers // 32
    height, across = outputs[0], -(-outputs[1] // lanes)
    tallest = min(height, 8 if not few else 2 if size[0] * size[1] <= HELD else 1)
    widest = min(across, 1 if gradient and height >= 4 else 8)
    best, least = (1, 1), float("inf")
    for rows in range(1, tallest + 1):
        for places in range(1, widest + 1):
            count = rows * places
            if count > most:
                continue
            loads = _reached(rows, stride[0], size[0]) * _reached(places, stride[1] * lanes, size[1])
            loads += count if gradient else 0
            products = count * size[0] * size[1]
            cost = -(-height // rows) * -(-across // places) * (max(products, loads) + loads + 10)
            if cost < least:
                best, least = (rows, places), cost
    return best


def _reached(outputs: int, apart: int, taps: int) -> int:
    """Return how many vectors are under some outputs along an axis."""
    return len({n * apart + j for n in range(outputs) for j in range(taps)})
