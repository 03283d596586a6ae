"""Which outputs do NaN and infinities reach? Exactly those whose non-zero taps touch them, in every way."""

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
    """Return the outputs with NaN and infinities only where non-zero taps touch them.

    A tap of zero times an infinity is NaN, and a Fourier transform spreads NaN over a whole tile. So where the result
    is not finite, the finite samples are filtered alone. Then, for each output, the samples of each kind that are not
    finite are counted:

        +inf under a positive tap, or -inf under a negative one    makes the output +inf
        -inf under a positive tap, or +inf under a negative one    makes the output -inf
        both, or NaN under any tap that is not zero                makes the output NaN

    Parameters
    ----------
    y : Tensor
        The outputs as they were computed.
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
        return y  # the outputs overflowed
    y = apply(torch.where(torch.isfinite(x), x, 0), taps)
    plus, minus, nan = x == math.inf, x == -math.inf, torch.isnan(x)

    def touched(samples: torch.Tensor, which_taps: torch.Tensor) -> torch.Tensor:
        return count(samples.to(x.dtype), which_taps.to(taps.dtype)) > 0.5

    rises = touched(plus, taps > 0) | touched(minus, taps < 0)
    falls = touched(plus, taps < 0) | touched(minus, taps > 0)
    y = torch.where(rises, math.inf, y)
    y = torch.where(falls, -math.inf, y)
    return torch.where(touched(nan, taps != 0) | (rises & falls), math.nan, y)
