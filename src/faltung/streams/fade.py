"""How does one kernel take over from another? Both run, and their outputs are mixed along a ramp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CURVES", "Ramp"]

CURVES = ("linear", "equal-power")


@dataclass
class Ramp:
    """Weights of the new kernel for so many outputs, of which some are done.

    Parameters
    ----------
    length : int
        Outputs until the new kernel is alone.
    curve : {'linear', 'equal-power'}
        Whether the weights of both kernels add up to one, or their squares do.
    done : int
        Outputs that were mixed so far.
    """

    length: int
    curve: str
    done: int = 0

    def mix(self, old: NDArray[Any], new: NDArray[Any]) -> None:
        """Replace outputs of the old kernel by the mixture."""
        count = old.shape[1]
        share = np.minimum((self.done + 1 + np.arange(count)) / (self.length + 1), 1.0)
        fading, rising = 1 - share, share
        if self.curve == "equal-power":
            fading, rising = np.cos(np.pi / 2 * share), np.sin(np.pi / 2 * share)
        real = old.real.dtype
        still = max(0, min(count, self.length - self.done))
        old[:, still:] = new[:, still:]  # not zero times the old outputs, which may be infinite
        old[:, :still] *= fading[:still].astype(real)
        old[:, :still] += rising[:still].astype(real) * new[:, :still]
        self.done += count

    @property
    def over(self) -> bool:
        """Whether the new kernel is alone."""
        return self.done >= self.length
