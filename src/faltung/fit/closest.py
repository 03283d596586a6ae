"""Which named kernel is most like a filter? A search over the names of `faltung.parse` and their parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from faltung.errors import ArgumentError
from faltung.kernels import (
    Kernel,
    binomial,
    box,
    delta,
    disk,
    dog,
    gaussian,
    gaussian_derivative,
    laplacian,
    log,
    motion,
    prewitt,
    scharr,
    sobel,
    unsharp,
)

__all__ = ["ClosestKernel", "closest_named"]

#: A simpler name or a rounder number is preferred if the distance grows at most by this factor and this constant.
_FACTOR, _CONSTANT = 1.02, 1e-4
_ROUNDS, _GRID_STEPS, _SECTIONS = 3, 16, 25
_GOLDEN = (math.sqrt(5) - 1) / 2

_Point = tuple[float, ...]
_Distance = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class ClosestKernel:
    """A named kernel, and how far it is from a filter.

    Parameters
    ----------
    kernel : Kernel
        The named kernel, or a multiple of it. It prints as its expression.
    distance : float
        Norm of the difference of the taps, divided by the norm of the filter.
    """

    kernel: Kernel
    distance: float


@dataclass(frozen=True)
class _Family:
    """Kernels of one name.

    Parameters
    ----------
    make : callable
        Makes the kernel from its parameters.
    grid : sequence of sequence of float
        Values to try for each parameter, in ascending order.
    continuous : bool
        Whether values between those of the grid are tried too.
    """

    make: Callable[..., Kernel]
    grid: Sequence[Sequence[float]] = ()
    continuous: bool = True


@np.errstate(all="ignore")  # what is out of range is far away
def closest_named(kernel: Kernel) -> ClosestKernel:
    """Return the named kernel, or the multiple of one, whose taps are closest to those of a kernel.

    The names are those of `faltung.parse`, without complex ones. Parameters and factors are rounded as far as this
    does not increase the distance noticeably.

    Parameters
    ----------
    kernel : Kernel
        Real, of any dimension.

    Examples
    --------
    >>> import faltung as fa
    >>> closest = closest_named(fa.Kernel([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8)
    >>> closest.kernel, closest.distance
    (0.125 * sobel(axis=1), 0.0)
    >>> closest_named(fa.Kernel(fa.gaussian(1.25).taps + 1e-6)).kernel
    gaussian(1.25)
    """
    if not kernel.taps.any():
        return ClosestKernel(0 * delta(ndim=kernel.ndim), 0.0)
    # The families are in order of preference, those with fewer parameters first.
    candidates: list[ClosestKernel] = []
    for family in _families(kernel):
        candidates.append(_closest_of_family(kernel, family))
        if candidates[-1].distance <= _CONSTANT:
            break  # no other family can be noticeably closer
    least = min(candidate.distance for candidate in candidates)
    return next(candidate for candidate in candidates if candidate.distance <= _tolerated(least))


def _families(kernel: Kernel) -> Iterator[_Family]:
    """Yield the families that a kernel of this shape is compared with."""
    ndim, widest = kernel.ndim, max(*kernel.shape, 3)
    ndim_if_not_2 = None if ndim == 2 else ndim  # so that the default is not printed
    widths = range(2, widest + 1)
    sigmas = np.geomspace(0.4, widest / 2, _GRID_STEPS).tolist()
    yield _Family(lambda: delta(ndim=ndim))
    yield _Family(lambda: laplacian(ndim=ndim))
    for axis in range(ndim):
        for name in (sobel, prewitt, scharr):
            yield _Family(lambda name=name, axis=axis: name(axis=axis, ndim=ndim))
    yield _Family(lambda order: binomial(int(order), ndim=ndim), [range(2, widest)], continuous=False)
    yield _Family(lambda width: box(int(width), ndim=ndim_if_not_2), [widths], continuous=False)
    yield _Family(lambda sigma: gaussian(sigma, ndim=ndim_if_not_2), [sigmas])
    radii = np.arange(10, 5 * widest + 1) / 10
    yield _Family(lambda radius: disk(radius, ndim=ndim_if_not_2), [radii.tolist()], continuous=False)
    yield _Family(lambda sigma: log(sigma, ndim=ndim_if_not_2), [sigmas])
    yield _Family(lambda sigma: dog(sigma, ndim=ndim_if_not_2), [sigmas])
    for axis in range(ndim):
        yield _Family(lambda sigma, axis=axis: gaussian_derivative(sigma, axis=axis, ndim=ndim_if_not_2), [sigmas])
    amounts = np.geomspace(0.1, 10, 8).tolist()
    yield _Family(lambda sigma, amount: unsharp(sigma, amount, ndim=ndim_if_not_2), [sigmas, amounts])
    if ndim == 2:
        angles = np.linspace(-math.pi / 2, math.pi / 2, _GRID_STEPS, endpoint=False).tolist()
        yield _Family(motion, [np.linspace(2, 1.4 * widest, _GRID_STEPS // 2).tolist(), angles])
    if ndim > 1:
        yield _Family(lambda *sides: box([int(side) for side in sides]), [widths] * ndim, continuous=False)
        yield _Family(lambda *sigma: gaussian(sigma), [sigmas] * ndim)


def _closest_of_family(kernel: Kernel, family: _Family) -> ClosestKernel:
    """Return the closest kernel of a family, with rounded parameters and factor."""

    def distance(parameters: Sequence[float]) -> float:
        try:
            return _best_multiple(kernel, family.make(*parameters))[0]
        except ArgumentError:  # the family has no such kernel
            return math.inf

    # If the grid has too many combinations, only its diagonal is tried; then one parameter is varied after the other.
    small = math.prod(map(len, family.grid)) <= _GRID_STEPS**2
    starts: Iterable[Sequence[float]] = itertools.product(*family.grid) if small else zip(*family.grid, strict=True)
    best = min(starts, key=distance)
    for _ in range(_ROUNDS if len(best) > 1 else 1):
        for index, values in enumerate(family.grid):
            best = _best_along(distance, best, index, values, family.continuous)
    for index in range(len(best)):
        best = _rounded(distance, best, index)
    return _with_rounded_factor(kernel, family.make(*best))


def _best_along(
    distance: _Distance, point: Sequence[float], index: int, values: Sequence[float], continuous: bool
) -> _Point:
    """Return the best point that differs only in the parameter with this index."""

    def moved(value: float) -> _Point:
        return (*point[:index], value, *point[index + 1 :])

    if continuous:
        return moved(_golden_section(lambda value: distance(moved(value)), *_neighbours(values, point[index])))
    return min(map(moved, values), key=distance)


def _rounded(distance: _Distance, point: Sequence[float], index: int) -> Sequence[float]:
    """Return the point with one parameter rounded to the fewest decimals that keep the distance."""
    tolerated = _tolerated(distance(point))
    rounded_points = ((*point[:index], round(point[index], digits), *point[index + 1 :]) for digits in range(7))
    return next((rounded for rounded in rounded_points if distance(rounded) <= tolerated), point)


def _with_rounded_factor(kernel: Kernel, named: Kernel) -> ClosestKernel:
    least, factor = _best_multiple(kernel, named)
    size = float(np.abs(kernel.taps).max())  # squares of what is relative to it are in range
    norm = float(np.linalg.norm(kernel.taps / size))
    for candidate in (1.0, -1.0, *(float(f"{factor:.{digits}g}") for digits in range(1, 7)), factor):
        scaled = named if candidate == 1 else candidate * named
        distance = float(np.linalg.norm((kernel - scaled).taps / size)) / norm
        if distance <= _tolerated(least):
            break
    return ClosestKernel(scaled, distance)


def _best_multiple(kernel: Kernel, named: Kernel) -> tuple[float, float]:
    """Return the distance of the closest multiple of a named kernel, and its factor."""
    shared_lags = [
        (max(-i, -j), min(m - i, n - j))
        for m, i, n, j in zip(kernel.shape, kernel.origin, named.shape, named.origin, strict=True)
    ]
    kernel_taps, named_taps = (
        k.taps[tuple(slice(low + at, high + at) for (low, high), at in zip(shared_lags, k.origin, strict=True))]
        for k in (kernel, named)
    )
    # Relative to the largest taps, no square is out of range.
    size, named_size = float(np.abs(kernel.taps).max()), float(np.abs(named.taps).max())
    if not size or not named_size:
        return math.inf, 0.0
    product = float(((kernel_taps / size) * (named_taps / named_size)).sum())
    named_energy, energy = (float(np.square(k.taps / s).sum()) for k, s in ((named, named_size), (kernel, size)))
    least = math.sqrt(max(1.0 - product**2 / (named_energy * energy), 0.0))
    return least, product / named_energy * (size / named_size)


def _tolerated(distance: float) -> float:
    """Return the distance that still counts as equal to the given one."""
    return _FACTOR * distance + _CONSTANT


def _neighbours(values: Sequence[float], value: float) -> tuple[float, float]:
    """Return the closest grid values below and above a value."""
    low = max((near for near in values if near < value), default=values[0])
    high = min((near for near in values if near > value), default=values[-1])
    return low, high


def _golden_section(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the minimiser of a function that has one minimum in an interval, by golden-section search."""
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    values = [function(point) for point in inner]
    for _ in range(_SECTIONS):
        if values[0] < values[1]:
            high, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = high - _GOLDEN * (high - low)
            values[0] = function(inner[0])
        else:
            low, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = low + _GOLDEN * (high - low)
            values[1] = function(inner[1])
    return (low + high) / 2
