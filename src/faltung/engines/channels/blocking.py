"""How large is a register block? With few loads for each multiply-add, and few outputs that are not used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from faltung.jit.target import Target

__all__ = ["Blocking", "blocking"]

#: Cycles of a load of a vector that crosses cache lines, and of a coefficient; a multiply-add takes one.
VECTOR, COEFFICIENT = 0.6, 0.35
#: Independent multiply-adds that hide the latency of one.
LATENCY = 4
#: Most channels out that are computed at once.
MOST = 8


@dataclass(frozen=True)
class Blocking:
    """A register block: channels out x rows x vectors, each of `lanes` numbers."""

    outputs: int
    rows: int
    vectors: int
    lanes: int


@lru_cache(maxsize=1024)
def blocking(outs: int, height: int, width: int, taps: int, number: str, target: Target) -> Blocking:
    """Choose the block for planes of `height` x `width` outputs, `outs` channels and columns of `taps` taps.

    Examples
    --------
    >>> from faltung.jit.target import Target
    >>> blocking(64, 1024, 1024, 7, "float", Target("x86-64", 64, 32))
    Blocking(outputs=2, rows=3, vectors=4, lanes=16)
    """
    lanes = target.fitting_lanes(number, width)
    room = 24 if target.registers == 32 else 12
    across = -(-width // lanes)
    best, least = Blocking(1, 1, 1, lanes), float("inf")
    for outputs in range(1, min(outs, MOST) + 1):
        for rows in range(1, min(height, MOST) + 1):
            for vectors in range(1, min(across, 4) + 1):
                sums = outputs * rows * vectors
                if sums > room:
                    continue
                arithmetic = sums * taps * max(1.0, LATENCY / sums)
                loads = VECTOR * vectors * (rows + taps - 1) + COEFFICIENT * outputs * rows * taps
                blocks = -(-outs // outputs) * -(-height // rows) * -(-across // vectors)
                cost = blocks * (max(arithmetic, loads) + 0.25 * min(arithmetic, loads))
                if cost < least:
                    best, least = Blocking(outputs, rows, vectors, lanes), cost
    return best
