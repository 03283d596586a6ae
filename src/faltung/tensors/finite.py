"""What is not finite reaches just those outputs whose non-zero taps touch it, whichever way a filter is computed."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

__all__ = ["mended"]


def mended(
    y: torch.Tensor,
    x: torch.Tensor,
    taps: torch.Tensor,
    apply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    count: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return a filtered tensor in which nothing has spread.

    Zero times infinity is not a number, and a transform spreads it over a tile: what is finite is filtered by
    itself, and where the rest goes is counted.

    Parameters
    ----------
    y : Tensor
        What came out.
    x, taps : Tensor
        Samples and taps.
    apply : callable
        Filters samples with taps.
    count : callable
        The same as a sum over taps, for samples and taps of zeros and ones.
    """
    if (y.is_cuda and torch.cuda.is_current_stream_capturing()) or bool(torch.isfinite(y).all()):
        return y
    if bool(torch.isfinite(x).all()):
        return y  # an overflow
    y = apply(torch.where(torch.isfinite(x), x, 0), taps)
    up, down, nan = x == math.inf, x == -math.inf, torch.isnan(x)

    def met(samples: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        return count(samples.to(x.dtype), where.to(taps.dtype)) > 0.5

    rises = met(up, taps > 0) | met(down, taps < 0)
    falls = met(up, taps < 0) | met(down, taps > 0)
    y = torch.where(rises, math.inf, y)
    y = torch.where(falls, -math.inf, y)
    return torch.where(met(nan, taps != 0) | (rises & falls), math.nan, y)
