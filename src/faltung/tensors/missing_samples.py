"""What takes the place of a missing sample of a tensor? Under each output, the weighted mean of those present.

With v = 1 where a sample is present and 0 where it is missing, and x = 0 where it is missing:

    y[n] = sum over m of k[m] x[n + m]  +  a[n] / w[n]  *  sum over m of k[m] (1 - v[n + m])
    w[n] = sum over m of |k[m]| v[n + m]          a[n] = sum over m of |k[m]| x[n + m]

For taps of one sign, this is the sum over the samples that are present, divided by their share of the weight.
"""

from __future__ import annotations

import cmath
import math
from typing import Any, Protocol

import numpy as np
import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.kernels import Bank, Kernel
from faltung.planning.channel_plan import check_missing
from faltung.planning.question import Question

__all__ = ["Apply", "without_missing"]


class Apply(Protocol):
    """Filters a tensor by a kernel, as a question asks."""

    def __call__(self, x: torch.Tensor, kernel: Any, cval: complex, exact: bool = False) -> torch.Tensor:
        """Filter; if `exact`, with rounding errors that are small beside the sum of abs(tap) * abs(sample)."""


def without_missing(x: torch.Tensor, kernel: Any, question: Question, mask: Any, apply: Apply) -> torch.Tensor:
    """Filter a tensor of which samples may be missing."""
    skips_nan, alone = question.missing.skips_nan, question.missing.alone
    if mask is None and not skips_nan:
        return apply(x, kernel, question.cval)
    check_missing(question)
    valid = _valid(x, mask, skips_nan)
    # The constant beyond the border is present, unless it is NaN and NaN is missing.
    outside = not (skips_nan and cmath.isnan(question.cval))
    x, cval = torch.where(valid, x, 0), question.cval if outside else 0.0
    present = valid.to(x.real.dtype if x.is_complex() else x.dtype)
    y = apply(x, kernel, cval, question.method == "auto")
    magnitudes = _magnitudes(kernel)
    # An array that stands alone has no samples beyond the border, neither present nor missing.
    weights = apply(present, magnitudes, float(outside and not alone), True)
    nothing = weights <= 0
    share = 1 / torch.where(nothing, 1, weights)
    if magnitudes is kernel and not alone:
        y = _times(y, float(kernel.taps.sum()) * share)
    else:
        holes = apply(1 - present, kernel, float(not outside and not alone), True)
        mean = _times(apply(x, magnitudes, cval, True), share)
        y = y + torch.where((holes == 0) & ~torch.isfinite(mean), 0, _times(mean, holes))
    return torch.where(nothing, complex(math.nan, math.nan) if y.is_complex() else math.nan, y)


def _times(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply; by parts where only one is complex, so that an infinity times 0 does not make the other part NaN."""
    if a.is_complex() == b.is_complex():
        return a * b
    numbers, factor = (a, b) if a.is_complex() else (b, a)
    return torch.complex(numbers.real * factor, numbers.imag * factor)


def _magnitudes(kernel: Any) -> Any:
    """Return the magnitudes of the taps; the kernel itself if they are its taps."""
    if isinstance(kernel, torch.Tensor):
        return kernel.abs()
    if isinstance(kernel, Bank):
        return Bank(np.abs(kernel.taps), kernel.origin)
    alike = kernel.dtype.kind != "c" and bool((kernel.taps >= 0).all())
    return kernel if alike else Kernel(np.abs(kernel.taps), kernel.origin)


def _valid(x: torch.Tensor, mask: Any, skips_nan: bool) -> torch.Tensor:
    """Return a tensor of booleans, False where a sample is missing."""
    valid = ~torch.isnan(x) if skips_nan else torch.ones(x.shape, dtype=torch.bool, device=x.device)
    if mask is None:
        return valid
    mask = mask if isinstance(mask, torch.Tensor) else torch.as_tensor(mask)
    if mask.dtype != torch.bool:
        remedy = "Compare it with a number, for example weights > 0."
        expected = "a tensor of booleans, False where a sample is missing"
        raise ArgumentTypeError("mask", expected, f"{mask.dtype}", remedy)
    try:
        return valid & torch.broadcast_to(mask.to(x.device), x.shape)
    except RuntimeError:
        expected = f"a tensor of shape {tuple(x.shape)}, or one that broadcasts to it"
        raise ArgumentError("mask", expected, f"shape {tuple(mask.shape)}") from None
