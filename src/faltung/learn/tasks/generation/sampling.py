"""How are samples generated? All settings of sampling apart from network and classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faltung.errors import ArgumentError

__all__ = ["Sampling"]


@dataclass(frozen=True)
class Sampling:
    """The settings with which a trained generator makes samples.

    Parameters
    ----------
    seed : int
        Seed of the noise; zero or more.
    steps : int
        Steps from noise to a sample; the network is evaluated twice in each.
    guidance : float
        1 gives samples as they were learned, more gives samples that are more typical of their class, 0 ignores the
        class.

    Raises
    ------
    ArgumentError
        If a value is out of its range.

    Examples
    --------
    >>> Sampling(seed=1).steps
    8
    >>> Sampling(steps=0)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: steps: expected at least 1, got 0.
    """

    seed: int = 0
    steps: int = 8
    guidance: float = 1.5

    def __post_init__(self) -> None:
        for name, value, least in (("seed", self.seed, 0), ("steps", self.steps, 1)):
            if value < least:
                raise ArgumentError(name, f"at least {least}", str(value))
        if not 0 <= self.guidance < math.inf:
            raise ArgumentError("guidance", "a number from 0", str(self.guidance))
