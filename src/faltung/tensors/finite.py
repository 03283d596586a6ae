"""Which samples may a transform join? Those that are not too far apart; NaN and infinities reach what taps connect.

A Fourier transform, or a sum of terms that cancel, makes errors in proportion to the largest sample of a whole tile.
So they are used only where the samples of a channel are not too far apart. NaN and infinities reach exactly the
outputs whose non-zero taps touch them, in every way.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from faltung.tensors.dtypes import computed
from faltung.tensors.recording import FAKE, recording, within

__all__ = ["SPREAD", "WIDE_SPREAD", "all_finite", "growth_of", "hidden", "in_range", "mended", "spread"]

#: How many times the largest sample of one block may be that of another one in the same channel. Errors are then not
#: larger than the bound of a sum over some hundred taps.
SPREAD = 2.0**13
#: The same for samples in single precision that are transformed in double precision.
WIDE_SPREAD = SPREAD * 2.0**27


def spread(x: torch.Tensor, sizes: Sequence[int], gain: torch.Tensor) -> float:
    """Return how many times the largest sample of a block is that of another block of the same channel, at most.

    Parameters
    ----------
    x : Tensor, shape (images, channels, *spatial)
        The samples.
    sizes : sequence of int
        Size of a block: the taps, on each axis. Blocks of zeros do not count.
    gain : Tensor
        By how much samples grow at most on their way, as a single number.

    Returns
    -------
    float
        The quotient; infinity where a sample is not finite or a sum may overflow.
    """
    if not x.numel():
        return 0.0
    highs = lows = x.detach()
    for axis, size in enumerate(sizes, 2):
        highs, lows = _over_blocks(torch.amax, highs, axis, size), _over_blocks(torch.amin, lows, axis, size)
    peaks = torch.maximum(highs, -lows)
    peaks = peaks.flatten(2).to(computed(x.dtype))
    high = peaks.amax(2)
    low = torch.where(peaks > 0, peaks, math.inf).amin(2)
    quotient = torch.where(high > 0, high / low, high)
    most = torch.where(high * gain < torch.finfo(high.dtype).max, quotient, math.inf).amax()
    return float(most)


def _over_blocks(reduce: Callable[..., torch.Tensor], x: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Reduce each block of `size` samples along an axis; the last one may be shorter."""
    length = x.shape[axis]
    whole = length // size * size
    parts = []
    if whole:
        parts.append(reduce(x.narrow(axis, 0, whole).unfold(axis, size, size), dim=-1))
    if whole < length:
        parts.append(reduce(x.narrow(axis, whole, length - whole), dim=axis, keepdim=True))
    return torch.cat(parts, axis)


def hidden(x: torch.Tensor) -> bool:
    """Whether the numbers of a tensor cannot be looked at now: there are none, or many, or a graph is recorded."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            return True
        x = functorch.get_unwrapped(x)
    known = type(x) in (torch.Tensor, torch.nn.Parameter) and not x.is_meta
    return not known or recording() or within(FAKE) or (x.is_cuda and torch.cuda.is_current_stream_capturing())


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
    if all_finite(y):
        return y
    finite = torch.isfinite(x)
    whole = bool(finite.all())
    samples = x if whole else torch.where(finite, x, 0)
    if not whole:
        y = apply(samples, taps)
    y = in_range(y, samples, growth_of(taps), lambda s: apply((samples * s).double(), taps.double()))
    if whole:
        return y
    plus, minus, nan = x == math.inf, x == -math.inf, torch.isnan(x)

    def touched(samples: torch.Tensor, which_taps: torch.Tensor) -> torch.Tensor:
        return count(samples.to(x.dtype), which_taps.to(taps.dtype)) > 0.5

    rises = touched(plus, taps > 0) | touched(minus, taps < 0)
    falls = touched(plus, taps < 0) | touched(minus, taps > 0)
    y = torch.where(rises, math.inf, y)
    y = torch.where(falls, -math.inf, y)
    return torch.where(touched(nan, taps != 0) | (rises & falls), math.nan, y)


def in_range(
    y: torch.Tensor, x: torch.Tensor, growth: int, again: Callable[[float], torch.Tensor], outside: float = 0.0
) -> torch.Tensor:
    """Return the outputs, with those that are not finite computed from samples that are so small that no term is.

    A term may overflow though the sum of all does not. Samples are multiplied by a power of two, and so no digits of
    the outputs change.

    Parameters
    ----------
    y, x : Tensor
        Outputs and samples.
    growth : int
        Samples are multiplied by less than two to this power.
    again : callable
        Filters the samples times a number, in the same or in a higher precision.
    outside : float
        The largest magnitude beyond the border.
    """
    largest = max(_exponent_of(x), math.frexp(outside)[1] if math.isfinite(outside) else 0)
    excess = min(largest + growth - math.frexp(torch.finfo(x.dtype).max)[1] + 2, 1070)
    if excess <= 2:
        return y
    scale = math.ldexp(1.0, -excess)
    small = again(scale)
    # By parts, so that an infinity of one does not make the other NaN.
    grown = torch.view_as_complex(torch.view_as_real(small) / scale) if small.is_complex() else small / scale
    return torch.where(torch.isfinite(y), y, grown.to(y.dtype))


def growth_of(kernel: Any) -> int:
    """Return an integer so that no sum over taps is two to this power times the largest sample, or more."""
    taps = kernel if isinstance(kernel, torch.Tensor) else torch.tensor(kernel.taps)
    return _exponent_of(taps) + taps.numel().bit_length()


def all_finite(y: torch.Tensor) -> bool:
    """Whether all values are finite, or cannot be looked at now."""
    # A sum is quickly computed, and finite only if all values are.
    return hidden(y) or cmath.isfinite(y.detach().sum().item()) or bool(torch.isfinite(y).all())


def _exponent_of(x: torch.Tensor) -> int:
    """Return an integer so that all finite numbers of a tensor are smaller than two to this power."""
    x = x.detach()
    sizes = (torch.view_as_real(x.resolve_conj()) if x.is_complex() else x).abs()
    return math.frexp(float(torch.where(sizes < math.inf, sizes, 0).amax()))[1] if x.numel() else 0
