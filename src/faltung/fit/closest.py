"""Which known filter is a filter closest to? A search among the named kernels, and their parameters."""

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

__all__ = ["Closest", "closest_named"]

#: A name or a number is as good as another if the distance is larger by no more than this: a share, and a rest.
_SLACK, _REST = 1.02, 1e-4
_ROUNDS, _STEPS, _SECTIONS = 3, 16, 25
_GOLDEN = (math.sqrt(5) - 1) / 2

_Point = tuple[float, ...]
_Distance = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Closest:
    """A kernel with a name, and how close it is.

    Parameters
    ----------
    kernel : Kernel
        The named kernel, or a multiple of it; it prints as the expression.
    distance : float
        Norm of the difference of the taps, in units of the norm of the filter that it was compared with.
    """

    kernel: Kernel
    distance: float


@dataclass(frozen=True)
class _Family:
    """Kernels that share a name.

    Parameters
    ----------
    make : callable
        Makes the kernel for parameters.
    grid : sequence of sequence of float
        Values to try for each parameter, in ascending order.
    between : bool
        Whether parameters may lie between those values.
    """

    make: Callable[..., Kernel]
    grid: Sequence[Sequence[float]] = ()
    between: bool = True


def closest_named(kernel: Kernel) -> Closest:
    """Return the named kernel, or multiple of one, whose taps are closest to those of a kernel.

    The names are those of `faltung.parse`, without complex ones; parameters and factors are rounded as far as that
    does not matter.

    Parameters
    ----------
    kernel : Kernel
        Real, of any dimension.

    Examples
    --------
    >>> import faltung as fa
    >>> found = closest_named(fa.Kernel([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8)
    >>> found.kernel, found.distance
    (0.125 * sobel(axis=1), 0.0)
    >>> closest_named(fa.Kernel(fa.gaussian(1.25).taps + 1e-6)).kernel
    gaussian(1.25)
    """
    if not kernel.taps.any():
        return Closest(0 * delta(ndim=kernel.ndim), 0.0)
    # Families come in the order in which they are preferred, those with fewer parameters first.
    found: list[Closest] = []
    for family in _families(kernel):
        found.append(_best_of(kernel, family))
        if found[-1].distance <= _REST:
            break  # no other could be so much closer
    least = min(candidate.distance for candidate in found)
    return next(candidate for candidate in found if candidate.distance <= _enough(least))


def _families(kernel: Kernel) -> Iterator[_Family]:
    """Yield what is compared with a kernel of this shape."""
    ndim, widest = kernel.ndim, max(*kernel.shape, 3)
    given = None if ndim == 2 else ndim  # so that the default is not spelled out
    widths = range(2, widest + 1)
    sigmas = np.geomspace(0.4, widest / 2, _STEPS).tolist()
    yield _Family(lambda: delta(ndim=ndim))
    yield _Family(lambda: laplacian(ndim=ndim))
    for axis in range(ndim):
        for name in (sobel, prewitt, scharr):
            yield _Family(lambda name=name, axis=axis: name(axis=axis, ndim=ndim))
    yield _Family(lambda order: binomial(int(order), ndim=ndim), [range(2, widest)], between=False)
    yield _Family(lambda width: box(int(width), ndim=given), [widths], between=False)
    yield _Family(lambda sigma: gaussian(sigma, ndim=given), [sigmas])
    radii = np.arange(10, 5 * widest + 1) / 10
    yield _Family(lambda radius: disk(radius, ndim=ndim), [radii.tolist()], between=False)
    yield _Family(lambda sigma: log(sigma, ndim=given), [sigmas])
    yield _Family(lambda sigma: dog(sigma, ndim=given), [sigmas])
    for axis in range(ndim):
        yield _Family(lambda sigma, axis=axis: gaussian_derivative(sigma, axis=axis, ndim=given), [sigmas])
    yield _Family(
        lambda sigma, amount: unsharp(sigma, amount, ndim=given), [sigmas, np.geomspace(0.1, 10, 8).tolist()]
    )
    if ndim == 2:
        turns = np.linspace(-math.pi / 2, math.pi / 2, _STEPS, endpoint=False).tolist()
        yield _Family(motion, [np.linspace(2, 1.4 * widest, _STEPS // 2).tolist(), turns])
    if ndim > 1:
        yield _Family(lambda *width: box([int(side) for side in width]), [widths] * ndim, between=False)
        yield _Family(lambda *sigma: gaussian(sigma), [sigmas] * ndim)


def _best_of(kernel: Kernel, family: _Family) -> Closest:
    """Return the best of a family, with parameters and factor rounded as far as that does not matter."""

    def distance(parameters: Sequence[float]) -> float:
        try:
            return _fit(kernel, family.make(*parameters))[0]
        except ArgumentError:  # no such kernel
            return math.inf

    # Where there are many combinations, only equal places are tried, and the axes sought one after the other.
    together = math.prod(map(len, family.grid)) <= _STEPS**2
    starts: Iterable[Sequence[float]] = (
        itertools.product(*family.grid) if together else zip(*family.grid, strict=True)
    )
    best = min(starts, key=distance)
    for _ in range(_ROUNDS if len(best) > 1 else 1):
        for place, values in enumerate(family.grid):
            best = _along(distance, best, place, values, family.between)
    for place in range(len(best)):
        best = _rounded(distance, best, place)
    return _scaled(kernel, family.make(*best))


def _along(distance: _Distance, point: Sequence[float], place: int, values: Sequence[float], between: bool) -> _Point:
    """Return the best point that differs in one parameter."""

    def moved(value: float) -> _Point:
        return (*point[:place], value, *point[place + 1 :])

    if between:
        return moved(_golden(lambda value: distance(moved(value)), *_around(values, point[place])))
    return min(map(moved, values), key=distance)


def _rounded(distance: _Distance, point: Sequence[float], place: int) -> Sequence[float]:
    """Return the point with as few decimals of one parameter as do."""
    enough = _enough(distance(point))
    shorter = ((*point[:place], round(point[place], digits), *point[place + 1 :]) for digits in range(7))
    return next((rounded for rounded in shorter if distance(rounded) <= enough), point)


def _scaled(kernel: Kernel, named: Kernel) -> Closest:
    least, factor = _fit(kernel, named)
    size = float(np.linalg.norm(kernel.taps))
    for candidate in (1.0, -1.0, *(float(f"{factor:.{digits}g}") for digits in range(1, 7)), factor):
        scaled = named if candidate == 1 else candidate * named
        distance = float(np.linalg.norm((kernel - scaled).taps)) / size
        if distance <= _enough(least):
            break
    return Closest(scaled, distance)


def _fit(kernel: Kernel, named: Kernel) -> tuple[float, float]:
    """Return how close the best multiple of a named kernel comes, and the factor."""
    lags = [
        (max(-i, -j), min(m - i, n - j))
        for m, i, n, j in zip(kernel.shape, kernel.origin, named.shape, named.origin, strict=True)
    ]
    own, others = (
        k.taps[tuple(slice(low + at, high + at) for (low, high), at in zip(lags, k.origin, strict=True))]
        for k in (kernel, named)
    )
    energy, common = float(np.square(named.taps).sum()), float((own * others).sum())
    whole = float(np.square(kernel.taps).sum())
    if not energy:
        return math.inf, 0.0
    return math.sqrt(max(1.0 - common**2 / (energy * whole), 0.0)), common / energy


def _enough(distance: float) -> float:
    return _SLACK * distance + _REST


def _around(values: Sequence[float], value: float) -> tuple[float, float]:
    """Return the values of a grid on both sides of one that may lie between them."""
    low = max((near for near in values if near < value), default=values[0])
    high = min((near for near in values if near > value), default=values[-1])
    return low, high


def _golden(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one minimum in an interval has it, by golden sections."""
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
