"""How are libraries called? Results go into an array that exists before, and slow calls are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from cells import Run

_LONGEST_CALL = 1.0


def affordable(multiply_adds: float, rate: float) -> bool:
    """Whether a call with so many multiply-adds, at about `rate` per second, takes at most about a second."""
    return multiply_adds <= rate * _LONGEST_CALL


def filling(out: NDArray[Any], *calls: Callable[[], object]) -> Run:
    """Make the calls in turn and return the array that they fill."""

    def filled() -> NDArray[Any]:
        for call in calls:
            call()
        return out

    return filled
