"""How the libraries are called: results that go into an array made beforehand, and what would take too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from cells import Run

_LONGEST_CALL = 1.0


def affordable(multiply_adds: float, rate: float) -> bool:
    """Whether so many multiply-adds, at about `rate` a second, are done in a call of about a second."""
    return multiply_adds <= rate * _LONGEST_CALL


def filling(out: NDArray[Any], *calls: Callable[[], object]) -> Run:
    """Make the calls in turn and return the array that they fill."""

    def filled() -> NDArray[Any]:
        for call in calls:
            call()
        return out

    return filled
