"""What takes the place of a missing sample of a tensor? Under each output, the weighted mean of those present.

With weights v of samples, 1 where one is present, 0 where it is missing, or a number between:

    y[n] = sum over m of k[m] (v x)[n + m]  +  a[n] / w[n]  *  sum over m of k[m] (1 - v)[n + m]
    w[n] = sum over m of |k[m]| v[n + m]          a[n] = sum over m of |k[m]| (v x)[n + m]

For taps of one sign, this is the sum over the samples that are present, divided by their share of the weight. All
numbers are real here: of complex ones, each part of the samples is filtered by each part of the taps, with the
weights that both share, so that no infinity of one part meets a zero of the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from faltung.kernels import Bank, Kernel
from faltung.planning.channel_plan import check_missing
from faltung.planning.missing_rule import MissingRule, check_held, check_in_shape, check_range
from faltung.planning.question import Question
from faltung.tensors.asked import check_beside
from faltung.tensors.complex_parts import joined, parts_of_taps
from faltung.tensors.finite import all_finite, growth_of, hidden, in_range
from faltung.tensors.recording import constant_for, shape_of

__all__ = ["Apply", "present_samples", "without_missing"]


class Apply(Protocol):
    """Filters a real tensor by real taps, as a question asks."""

    def __call__(self, x: torch.Tensor, kernel: Any, cval: float, exact: bool = False) -> torch.Tensor:
        """Filter; if `exact`, with rounding errors that are small beside the sum of abs(tap) * abs(sample)."""


def without_missing(
    samples: Sequence[tuple[torch.Tensor, float]], kernel: Any, question: Question, given: Any, apply: Apply
) -> torch.Tensor:
    """Filter a tensor of which samples may be missing.

    Parameters
    ----------
    samples : sequence of (Tensor, float)
        Real samples, or their real and imaginary parts, and the constant beyond the border of each.
    kernel : Kernel, Bank or Tensor
        The filter.
    question : Question
        What is asked.
    given : Tensor or array_like, optional
        The mask, or the weights.
    apply : callable
        Filters real samples by real taps.
    """
    check_missing(question)
    rule = question.missing
    present, weights = present_samples([s for s, _ in samples], given, rule)
    # The constant beyond the border is present, unless it is NaN and NaN is missing; an array that stands alone has
    # no samples there, neither present nor missing.
    outside = not (rule.skips_nan and any(math.isnan(c) for _, c in samples))
    beyond = (0.0, 0.0) if rule.alone else (float(outside), float(not outside))
    magnitudes = _magnitudes(kernel)
    total = apply(weights, magnitudes, beyond[0], True)
    known = total > 0
    whole, holes = _whole_and_holes(kernel, magnitudes, question, lambda k: apply(1 - weights, k, beyond[1], True))
    choice = (kernel, magnitudes, apply, question.method == "auto")
    sums = _MeanFilled(*choice, torch.where(known, total, 1), whole, holes)
    found = []
    for s, c in samples:
        s = torch.where(present, s, 0)
        found.append(sums.in_range(s * weights if rule.graded else s, c if outside else 0.0))
    if not question.spread:
        full = _full(kernel, magnitudes, question, total)
    else:  # each phase has a sum of its own, which is zero where it has no taps
        full = apply(torch.ones_like(weights), magnitudes, 1.0, True)
    if full is not None:  # taps that are all zero need no sample
        known = (total > _share(magnitudes, question, total) * full) | (full == 0)
    if rule.keep_nan:
        known = known & present
    return joined([[torch.where(known, y, math.nan) for y in row] for row in found])


def _whole_and_holes(
    kernel: Any, magnitudes: Any, question: Question, over_missing: Callable[[Any], torch.Tensor]
) -> tuple[float, list[torch.Tensor]]:
    """Return the sum of taps of one sign; or else, and where each phase has a sum, sums over what is missing."""
    if magnitudes is kernel and not (question.missing.alone or question.spread):
        return float(kernel.taps.sum()), []
    return 0.0, [over_missing(k) for k in parts_of_taps(kernel)]


class _MeanFilled(NamedTuple):
    """Sums over samples that are present, with the mean in the place of those that are missing.

    Parameters
    ----------
    kernel, magnitudes
        The filter, and the one with the magnitudes of its taps.
    apply : callable
        Filters real samples by real taps.
    auto : bool
        Whether the method is not named, so that sums may have small errors.
    weights : Tensor
        Sums of weights, and 1 where nothing is present.
    whole : float
        For taps of one sign, their sum.
    holes : list of Tensor
        For other taps: for each part of them, their sum over what is missing.
    """

    kernel: Any
    magnitudes: Any
    apply: Apply
    auto: bool
    weights: torch.Tensor
    whole: float
    holes: list[torch.Tensor]

    def values(self, s: torch.Tensor, c: float) -> list[torch.Tensor]:
        """Return the outputs for each part of the taps."""
        if not self.holes:
            return [self.apply(s, self.kernel, c, self.auto) / self.weights * self.whole]
        mean = self.apply(s, self.magnitudes, c, True) / self.weights
        taps = zip(parts_of_taps(self.kernel), self.holes, strict=True)
        return [_filled(self.apply(s, k, c, self.auto), mean, hole) for k, hole in taps]

    def in_range(self, s: torch.Tensor, c: float) -> list[torch.Tensor]:
        """Return the same, where terms overflow too."""
        found = self.values(s, c)
        if all(map(all_finite, found)):
            return found
        growth = growth_of(self.kernel) + 2

        def again(part: int, scale: float) -> torch.Tensor:
            return self.values(s * scale, c * scale)[part]

        return [in_range(y, s, growth, partial(again, part), abs(c)) for part, y in enumerate(found)]


def _filled(y: torch.Tensor, mean: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """Return outputs with the mean in the place of what is missing; where nothing is, an infinite mean is ignored."""
    counts = (missing != 0) | torch.isfinite(mean)
    return y + torch.where(counts, mean, 0) * missing


def _magnitudes(kernel: Any) -> Any:
    """Return the magnitudes of the taps; the kernel itself if they are its taps."""
    if isinstance(kernel, torch.Tensor):
        return kernel.abs()
    if isinstance(kernel, Bank):
        return Bank(np.abs(kernel.taps), kernel.origin)
    alike = kernel.dtype.kind != "c" and bool((kernel.taps >= 0).all())
    return kernel if alike else Kernel(np.abs(kernel.taps), kernel.origin)


def _full(kernel: Any, magnitudes: Any, question: Question, total: torch.Tensor) -> torch.Tensor | None:
    """Return the weight of an output where no sample is missing; None if it is above zero and does not matter."""
    rank = len(question.axes)
    trained = isinstance(kernel, torch.Tensor)
    if not (trained or question.missing.min_weight) and np.any(kernel.taps, axis=tuple(range(-rank, 0))).all():
        return None
    taps = magnitudes.detach() if trained else constant_for(total, magnitudes.taps)
    sums = taps.to(total).flatten(-rank).sum(-1)
    if sums.ndim:  # each channel out has a sum, and a place on its axis
        after = total.ndim - 1 if question.channel_axis is None else total.ndim - 1 - question.channel_axis
        sums = sums.reshape(-1, *[1] * after)
    return sums


def _share(magnitudes: Any, question: Question, total: torch.Tensor) -> float:
    """Return the share of the weight up to which an output is NaN; what was asked for is enough, up to rounding."""
    spatial = shape_of(magnitudes if isinstance(magnitudes, torch.Tensor) else magnitudes.taps)[-len(question.axes) :]
    roundings = 2 * math.prod(spatial) + 8
    return max(0.0, question.missing.min_weight - roundings * torch.finfo(total.dtype).eps)


def present_samples(
    parts: Sequence[torch.Tensor], given: Any, rule: MissingRule
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where samples are present, and their weights, in the number that is computed with."""
    like = parts[0]
    weights = None
    present = torch.ones((), dtype=torch.bool, device=like.device)
    if given is not None:
        name = "weights" if rule.graded else "mask"
        if not isinstance(given, torch.Tensor):
            given = torch.as_tensor(np.ascontiguousarray(given))
        check_beside(like, given, name)
        check_held(name, given.dtype, "a tensor")
        check_in_shape(name, shape_of(given), shape_of(like), "a tensor")
        if rule.graded:
            if given.numel() and not hidden(given):
                check_range(given.min().item(), given.max().item())
            weights = given.to(like)
            present = weights > 0
        else:
            present = given.to(like.device)
    for part in parts if rule.skips_nan else ():
        present = present & ~torch.isnan(part)
    weights = present.to(like.dtype) if weights is None else torch.where(present, weights, 0)
    return present, weights.expand(like.shape)
