"""The axes along which an array is smoothed and differentiated, and how many samples a length is there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import is_sequence, non_negative, per_axis, real
from faltung.kernels import Kernel, Taps, gaussian, gaussian_derivative
from faltung.kernels.coordinate_sampling import in_samples, per_unit
from faltung.kernels.smoothing import gaussian_taps, outer
from faltung.labelled.spacing import spacing_of
from faltung.signals.given_axes import unitless

__all__ = ["SampledAxes", "sampled_axes", "without_units"]

#: The limits for a sigma of zero, by the order of the derivative.
_DIFFERENCES = ((1.0,), (0.5, 0.0, -0.5), (1.0, -2.0, 1.0))


class SampledAxes(NamedTuple):
    """Axes, with the standard deviation of a Gaussian and the step from one sample to the next along each.

    Parameters
    ----------
    sigmas : tuple of float
        Standard deviations in samples.
    steps : tuple of float
        Signed spacing along each axis, in the unit of lengths.
    axes, dims
        The axes, as `convolve` takes them.
    truncate : float
        Radius of kernels in standard deviations.
    """

    sigmas: tuple[float, ...]
    steps: tuple[float, ...]
    axes: Any
    dims: Any
    truncate: float

    def derivative(self, orders: Sequence[int], normalised: bool) -> Kernel:
        """Return the derivative of these orders, per unit of length or times sigma to the power of the order."""
        factors = []
        for sigma, step, order in zip(self.sigmas, self.steps, orders, strict=True):
            unit = math.copysign(1 / sigma if sigma else math.inf, step) if normalised else step
            factors.append(Taps(_derivative_taps(sigma, order, self.truncate) * unit**-order))
        return outer(factors)


def sampled_axes(x: Any, sigma: Any, spacing: Any, axes: Any, dims: Any, truncate: float, name: str) -> SampledAxes:
    """Return the axes that the arguments of a function mean; `name` is that of the argument `sigma`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A length is not a number of at least zero, a spacing is zero, or their numbers differ.
    """
    reach = real("truncate", truncate, 0.0)
    if isinstance(sigma, Mapping):
        return _in_coordinates(x, sigma, spacing, axes, dims, reach, name)
    named = dims if axes is None else axes
    if named is not None:
        count = len(named) if is_sequence(named) else 1
    elif is_sequence(sigma):
        count = len(sigma)
    elif hasattr(x, "data_vars"):
        remedy = "Name the axes with dims=."
        raise ArgumentError(name, "a length for each axis of a data set, whose arrays differ", repr(sigma), remedy)
    else:
        count = 1 if hasattr(x, "iloc") else np.ndim(x)
    if named is None and not (hasattr(x, "iloc") or hasattr(x, "data_vars")) and not 0 < count <= np.ndim(x):
        received = f"{count} for an array with {np.ndim(x)}" if count else "an array without axes"
        raise ArgumentError(name, "a length for each axis, of which there is at least one", received)
    lengths = per_axis(name, sigma, count, non_negative)
    steps = per_axis("spacing", 1.0 if spacing is None else spacing, count, _step)
    return SampledAxes(
        tuple(length / abs(step) for length, step in zip(lengths, steps, strict=True)), steps, axes, dims, reach
    )


def without_units(y: Any, sigma: Any, changed: bool) -> Any:
    """Return a result; derivatives with respect to coordinates do not have the unit of the array any more."""
    return unitless(y) if changed and isinstance(sigma, Mapping) else y


def _in_coordinates(
    x: Any, sigma: Mapping[Any, Any], spacing: Any, axes: Any, dims: Any, reach: float, name: str
) -> SampledAxes:
    """Return the axes that a mapping names, with the spacing of their coordinates."""
    for argument, value in (("spacing", spacing), ("axes", axes), ("dims", dims)):
        if value is not None:
            remedy = f"{name} names the axes, whose coordinates have the spacing."
            raise ArgumentError(argument, f"None beside a mapping as {name}", repr(value), remedy)
    kernel: Any = gaussian(sigma)  # checks the names and the lengths
    lengths = dict(kernel.parts[1])["sigma"]
    coordinates = getattr(x, "coords", {})
    for dim in kernel.dims:
        if dim not in coordinates:
            remedy = "Pass an array of xarray with coordinates, or lengths with spacing=."
            raise ArgumentError(name, "lengths along axes with coordinates", f"one along {dim!r}, without", remedy)
    steps = [spacing_of(coordinates[dim].values, dim) for dim in kernel.dims]
    samples = (in_samples(name, *each) for each in zip(lengths, kernel.dims, steps, strict=True))
    return SampledAxes(tuple(samples), tuple(map(per_unit, steps)), None, kernel.dims, reach)


def _step(name: str, value: float) -> float:
    step = real(name, value)
    if step == 0:
        raise ArgumentError(name, "a length other than zero", "0")
    return step


def _derivative_taps(sigma: float, order: int, truncate: float) -> Any:
    """Return the taps of a derivative along one axis, which is exact for polynomials of that degree.

    Sampling and truncation change the moments of the derivative of a Gaussian. So its sum is made zero, and its n-th
    moment such that the derivative of x**n / n! is 1, as of the function.
    """
    smooth = gaussian_taps(sigma, truncate)
    reach = len(smooth) // 2
    if order == 0:
        return smooth
    if reach == 0 or sigma < 1e-3:
        return np.array(_DIFFERENCES[order])
    taps = gaussian_derivative(sigma, order, truncate=truncate, ndim=1).taps.copy()
    lags = np.arange(-reach, reach + 1.0)
    if order == 2:
        taps -= taps.sum() * smooth
        taps[reach] = -2 * taps[reach + 1 :].sum()
    return taps / ((-lags) ** order @ taps / math.factorial(order))
