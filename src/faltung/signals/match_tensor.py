"""How are templates matched in a tensor? By the formula of `match_tiles`, with gradients of array and templates."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from faltung.front import correlate
from faltung.planning.question import Options
from faltung.signals.match_question import asked, template_axes
from faltung.signals.templates import Templates, as_templates

__all__ = ["match_any"]

#: Share of the sum of squares of a window up to which its variance is rounding.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


def match_any(
    x: torch.Tensor, templates: Any, mask: Any, options: Options, valid: Any, normalised: bool, workers: int | None
) -> torch.Tensor:
    """Return the scores for a tensor; the arguments are those of `faltung.match`."""
    given = as_templates(templates, mask, template_axes(x, options.axes, options.dims))
    dtype = _numpy_dtype(x)
    question = asked(tuple(x.shape), dtype, given, options)
    z = x.to(torch.float64)
    centre = float(torch.nan_to_num(z.detach().nanmean(), 0.0, 0.0, 0.0)) if z.numel() else 0.0
    taps, weights = _taps(templates, given, x.device)
    border = Options(False, question.modes, 0.0, options.shape, question.axes)
    sums = _WindowSums(border, question.cval.real - centre, workers)
    inside = _present(z, valid, question.missing.skips_nan)
    if inside is None:
        scores = _whole(z - centre, taps, weights, sums, normalised)
    else:
        missing_border = question.missing.skips_nan and math.isnan(question.cval.real)
        sums = sums._replace(constant=0.0) if missing_border else sums
        samples = torch.where(inside, z - centre, 0.0)
        least = question.missing.min_weight * (1 - 1e-12)
        one = 0.0 if missing_border else 1.0
        scores = _partly(samples, inside.to(z.dtype), taps, weights, sums, least, one, normalised)
    result = x.dtype if x.dtype.is_floating_point else getattr(torch, question.result.name)
    return (scores if given.several else scores[0]).to(result)


class _WindowSums(NamedTuple):
    """Sums of samples under every position of a template."""

    options: Options
    constant: float
    workers: int | None

    def __call__(self, z: torch.Tensor, taps: torch.Tensor, constant: float) -> torch.Tensor:
        """Return the sums with taps of shape ``(templates, *shape)``, with a first axis for the templates."""
        how = self.options
        return correlate(  # type: ignore[no-any-return]
            z.unsqueeze(0),
            taps.unsqueeze(1),
            how.mode,
            constant,
            shape=how.shape,
            axes=[axis + 1 for axis in how.axes],
            channel_axis=0,
            workers=self.workers,
        )


def _whole(
    z: torch.Tensor, taps: torch.Tensor, weights: torch.Tensor, sums: _WindowSums, normalised: bool
) -> torch.Tensor:
    """Return the scores where no sample is missing."""
    covariance = sums(z, taps, sums.constant)
    if not normalised:
        return covariance
    total, squares = sums(z, weights, sums.constant), sums(z * z, weights, sums.constant**2)
    count = _sum(weights).reshape(-1, *(1,) * z.ndim)
    norms = _sum(taps * taps).reshape(-1, *(1,) * z.ndim)
    return _divided(covariance, squares - total * total / count, norms, squares)


def _partly(
    z: torch.Tensor,
    inside: torch.Tensor,
    taps: torch.Tensor,
    weights: torch.Tensor,
    sums: _WindowSums,
    least: float,
    one: float,
    normalised: bool,
) -> torch.Tensor:
    """Return the scores of the samples that are present."""
    count, needed = sums(inside, weights, one).round(), least * _sum(weights).reshape(-1, *(1,) * z.ndim)
    count = torch.where(count < needed.clamp(min=1.0), math.nan, count)
    part, total = sums(inside, taps, one), sums(z, weights, sums.constant)
    covariance = sums(z, taps, sums.constant) - part * total / count
    if not normalised:
        return covariance
    squares = sums(z * z, weights, sums.constant**2)
    own = sums(inside, taps * taps, one)
    own_spread = own - part * part / count
    own_spread = torch.where(own_spread <= _ROUNDING * _sum(taps * taps).max(), 0.0, own_spread)
    return _divided(covariance, squares - total * total / count, own_spread, squares)


def _divided(
    covariance: torch.Tensor, spread: torch.Tensor, own: torch.Tensor, squares: torch.Tensor
) -> torch.Tensor:
    """Return coefficients from -1 to 1: zero, with a gradient of zero, where one of the two has no spread."""
    product = torch.where(spread <= _ROUNDING * squares, 0.0, spread) * own
    flat = product == 0
    scores = covariance / torch.where(flat, 1.0, product).sqrt()
    return torch.where(flat, 0.0, scores).clamp(-1.0, 1.0)


def _taps(templates: Any, given: Templates, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return templates less their means, and their masks, as tensors; those of tensors have gradients."""
    masks = np.ones((1, *given.shape)) if given.masks is None else given.masks
    weights = torch.from_numpy(masks).to(device)
    several = isinstance(templates, list | tuple) and any(isinstance(one, torch.Tensor) for one in templates)
    tensor = torch.stack([torch.as_tensor(one) for one in templates]) if several else templates
    if not isinstance(tensor, torch.Tensor):
        return torch.from_numpy(given.taps).to(device), weights
    stack = (tensor if given.several else tensor.unsqueeze(0)).to(device, torch.float64)
    stack = torch.where(weights > 0, stack, 0.0)
    means = _sum(stack) / _sum(weights)
    return torch.where(weights > 0, stack - means.reshape(-1, *(1,) * len(given.shape)), 0.0), weights


def _sum(stack: torch.Tensor) -> torch.Tensor:
    """Return the sum of each array of a stack."""
    return stack.sum(tuple(range(1, stack.ndim)))


def _present(z: torch.Tensor, valid: Any, skips_nan: bool) -> torch.Tensor | None:
    """Return where samples are present; None if none can be missing."""
    inside = None if valid is None else torch.as_tensor(valid, device=z.device).broadcast_to(z.shape)
    if skips_nan:
        known = ~z.detach().isnan()
        inside = known if inside is None else inside & known
    return inside


def _numpy_dtype(x: torch.Tensor) -> np.dtype[Any]:
    """Return the dtype whose rules are those of the tensor."""
    if x.is_complex():
        return np.dtype(np.complex128)
    return np.dtype(np.float64 if x.dtype == torch.float64 else np.float32 if x.is_floating_point() else np.int64)
