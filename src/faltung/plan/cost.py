"""What does it cost? `Work` is a property of the task; a `Machine` says how long a unit of work takes.

The figures here are guesses that are tuned, kept apart from the rules that are always true.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faltung.engines.base import Work

__all__ = ["TYPICAL", "Machine", "seconds"]


@dataclass(frozen=True)
class Machine:
    """Seconds per unit of work on one core.

    Parameters
    ----------
    multiply_add : float
        Seconds for one single-precision multiply-add in the inner loop of an engine.
    byte : float
        Seconds to move one byte from or to main memory.
    trip : float
        Seconds for one sample to go through the cache once.
    call : float
        Seconds for a call, whatever it does.
    """

    multiply_add: float
    byte: float
    trip: float
    call: float


#: A core with 256-bit vectors and fused multiply-adds at about 3 GHz.
TYPICAL = Machine(multiply_add=2.5e-11, byte=6e-11, trip=1.5e-10, call=6e-6)


def seconds(work: Work, samples: int, number: np.dtype[np.floating], machine: Machine) -> float:
    """Predicted seconds of one core for `samples` outputs: what is slower of arithmetic and memory, plus the call."""
    double = number.itemsize / 4
    arithmetic = (work.multiply_adds * machine.multiply_add + work.trips * machine.trip) * double
    return samples * max(arithmetic, work.bytes * machine.byte) + work.trips * machine.call
