"""How much does each element of an input contribute to an output? Gradients, integrated along a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

__all__ = ["Contributions", "integrated_gradients"]


class Contributions(NamedTuple):
    """What each element of an input contributes to the difference of two outputs.

    Parameters
    ----------
    values : float64 tensor, shape of the input
        The contributions.
    output, base_output : float
        The output for the input, and for the baseline.
    steps : int
        Number of gradients.
    """

    values: torch.Tensor
    output: float
    base_output: float
    steps: int

    @property
    def error(self) -> float:
        """By how much the sum of the contributions misses the difference of the outputs, as a part of it.

        The difference is that of the outputs, or what contributions of one sign have in common with it, if they
        cancel: a difference of nearly zero is no scale.
        """
        difference = self.output - self.base_output
        scale = max(abs(difference), 1e-2 * float(self.values.abs().sum()))
        return abs(float(self.values.sum()) - difference) / scale if scale else 0.0


def integrated_gradients(
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    baseline: torch.Tensor,
    steps: int,
    batch_size: int = 1,
) -> Contributions:
    """Integrate the gradient of a function from a baseline to an input.

    The contributions are (x - b) times the mean of the gradient of f over all points b + t (x - b), 0 <= t <= 1. The
    sum of all contributions is f(x) - f(b), up to the error of the mean, which is computed by the rule of Gauss and
    Legendre.

    Parameters
    ----------
    function : callable
        Maps inputs (samples, ...) to numbers (samples,).
    x, baseline : tensor, shape (...)
        Without a batch axis.
    steps : int
        Number of gradients.
    batch_size : int, optional
        How many of them are computed at once.

    References
    ----------
    M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.

    Examples
    --------
    >>> found = integrated_gradients(lambda x: x.prod(1), torch.tensor([2.0, 3.0]), torch.zeros(2), steps=4)
    >>> [round(value, 6) for value in found.values.tolist()], found.output
    ([3.0, 3.0], 6.0)
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    places = torch.as_tensor((nodes + 1) / 2).to(x)
    shares = torch.as_tensor(weights / 2)
    total = torch.zeros(x.shape, dtype=torch.float64)
    for some, part in zip(torch.split(places, batch_size), torch.split(shares, batch_size), strict=True):
        along = some.reshape(-1, *[1] * x.ndim)
        with torch.enable_grad():
            points = (baseline + along * (x - baseline)).detach().requires_grad_()
            values = function(points)
            gradient = None
            if values.requires_grad:
                (gradient,) = torch.autograd.grad(values.sum(), points, allow_unused=True)
        if gradient is not None:
            total += (gradient.detach().double().cpu() * part.reshape(-1, *[1] * x.ndim)).sum(0)
    with torch.no_grad():
        output, base_output = (float(function(each[None])[0]) for each in (x, baseline))
    return Contributions(total * (x - baseline).double().cpu(), output, base_output, steps)
