"""How is a local variance of a tensor computed? From sums of samples and of their squares, with gradients.

The formula is that of `faltung.run.statistic_run`. The constant that is subtracted is the mean of each item of the
batch, which has no gradient: the variance does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from faltung.kernels import Kernel
from faltung.planning.question import Options, Question
from faltung.planning.statistic import STATISTICS
from faltung.tensors.asked import ask
from faltung.tensors.missing_samples import present_samples
from faltung.tensors.recording import shape_of
from faltung.tensors.storing import stored

__all__ = ["local_statistic"]

#: Relative size of a variance up to which it is the rounding of the two terms whose difference it is.
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


def local_statistic(
    x: torch.Tensor, kernel: Any, options: Options, valid: Any, convolve: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Return a statistic of the samples around each sample.

    Parameters
    ----------
    x : Tensor
        The samples.
    kernel : Kernel
        Their weights.
    options : Options
        All other arguments.
    valid : Tensor or array_like, optional
        The mask, or the weights.
    convolve : callable
        Convolves a tensor, without missing samples, with a kernel, as options say.
    """
    asked = ask(shape_of(x), x.dtype, kernel, options)
    question, statistic = asked.question, STATISTICS[options.statistic]
    z = x.to(torch.complex128 if x.is_complex() else torch.float64)
    present, weights = present_samples([z.real, z.imag] if z.is_complex() else [z], valid, question.missing)
    centre = _centre(z.detach(), present, question.axes)
    z = torch.where(present, z - centre, 0)
    how = Options(
        options.reflected,
        mode=question.modes,
        shape=options.shape,
        axes=question.axes,
        stride=question.stride,
        dilation=question.dilation,
        accuracy="pointwise" if question.missing.applies else "norm",
    )
    sums = _Moments(lambda samples, taps: convolve(samples, taps, how), kernel, question, centre, statistic.pseudo)
    total, mean, second = sums.of(z, weights)
    least = question.missing.min_weight * (1 - 1e-12) * float(kernel.taps.sum())
    total = torch.where(total > least, total, math.nan)
    mean, second = mean / total, second / total
    value = second - mean * mean if statistic.pseudo else second - _square(mean, False)
    if not statistic.pseudo:
        value = torch.where(value <= _ROUNDING * _square(mean, False), 0.0, value)
    if statistic.unbiased:
        squares = Kernel(kernel.taps.astype(np.float64) ** 2, kernel.origin)
        left = 1 - sums.weight(weights**2, squares) / total**2
        value = value / torch.where(left < 1e-12, math.nan, left)
    if statistic.root:  # the derivative of the root is infinite at zero, where the gradient is taken as zero
        value = torch.where(value == 0, 0.0, torch.where(value == 0, 1.0, value).sqrt())
    if question.missing.keep_nan:
        value = torch.where(present, value, math.nan)
    return stored(value, asked.result)


class _Moments(NamedTuple):
    """Sums of weights, of samples and of their squares under each output, with the constant beyond the border."""

    convolve: Callable[[torch.Tensor, Kernel], torch.Tensor]
    kernel: Kernel
    question: Question
    centre: torch.Tensor
    pseudo: bool

    def weight(self, weights: torch.Tensor, kernel: Kernel) -> torch.Tensor:
        """Return the sums of weights; the constant beyond the border has a weight of one."""
        inside = self.convolve(weights, kernel)
        return inside + self._beyond(weights, kernel) if self._continues else inside

    def of(self, z: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the sums of weights, of samples and of their squares."""
        mean = self.convolve(weights * z, self.kernel)
        second = self.convolve(weights * _square(z, self.pseudo), self.kernel)
        if self._continues:
            cval = self.question.cval
            constant = (cval if z.is_complex() else cval.real) - self.centre
            beyond = self._beyond(weights, self.kernel)
            mean, second = mean + beyond * constant, second + beyond * _square(constant, self.pseudo)
        return self.weight(weights, self.kernel), mean, second

    @property
    def _continues(self) -> bool:
        """Whether there are samples beyond the border that no sum of the tensor has."""
        missing = self.question.missing.skips_nan and self.question.cval != self.question.cval
        return "constant" in self.question.modes and not missing

    def _beyond(self, like: torch.Tensor, kernel: Kernel) -> torch.Tensor:
        """Return the sum of the taps that read beyond the border of an axis with the mode ``constant``."""
        return (float(kernel.taps.sum()) - self.convolve(torch.ones_like(like), kernel)).clamp(min=0.0)


def _square(z: torch.Tensor, pseudo: bool) -> torch.Tensor:
    return z.real**2 + z.imag**2 if z.is_complex() and not pseudo else z * z


def _centre(z: torch.Tensor, present: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Return a constant for each item of the batch that is close to the mean of its samples."""
    usable = present & torch.isfinite(z)
    mean = torch.where(usable, z, 0).sum(axes, keepdim=True) / usable.sum(axes, keepdim=True).clamp(min=1)
    if z.is_complex():
        return mean
    # Where all samples are equal, so is the constant, which the mean is only up to rounding.
    lowest = torch.where(usable, z, math.inf).amin(axes, keepdim=True)
    highest = torch.where(usable, z, -math.inf).amax(axes, keepdim=True)
    return torch.where((lowest == highest) & torch.isfinite(lowest), lowest, mean)
