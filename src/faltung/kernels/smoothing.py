"""Which named kernels smooth? Those whose taps are non-negative and sum to one, and the identity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import dimensions, integer, non_negative, per_axis, real
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.naming import named
from faltung.kernels.outer import Box, Outer
from faltung.kernels.taps import TapArray

__all__ = [
    "MOST_NAMED_TAPS",
    "binomial",
    "box",
    "check_named",
    "delta",
    "disk",
    "gaussian",
    "gaussian_taps",
    "motion",
    "outer",
]

MOST_NAMED_TAPS = 2**22
"""Most taps that a named kernel allocates, as many as in 2048 x 2048; of a separable kernel, along each axis."""

_LARGEST_SIDE = 2**31
_LARGEST_ORDER = 1024
_ROUNDING = 2.0**-50


@named
def delta(*, ndim: int = 2) -> Kernel:
    """Return the unit impulse, which is the identity of convolution.

        k[m] = 1 where m = 0, and 0 elsewhere

    Parameters
    ----------
    ndim : int, optional
        Number of dimensions.

    Returns
    -------
    Kernel
        The kernel, with one tap.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `ndim` is not an integer from 1 to 32.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.delta()
    delta()
    >>> fa.delta(ndim=1) * fa.Kernel([1, 2, 3]) == fa.Kernel([1, 2, 3])
    True
    """
    return Taps(np.ones((1,) * dimensions(ndim)))


@named
def box(size: int | Sequence[int] | Mapping[Any, Any], *, ndim: int | None = None) -> Kernel:
    """Return the mean over a window.

        y[n] = mean of x[n - size // 2], ..., x[n - size // 2 + size - 1]    along each axis

    Parameters
    ----------
    size : int, sequence of int, or mapping
        Width of the window in samples, for all axes or for each. A mapping from the name of an axis to a width in the
        units of its coordinate makes a `CoordinateKernel`; a width is then a multiple of the spacing of samples.
    ndim : int, optional
        Number of dimensions: by default the length of `size`, or 2.

    Returns
    -------
    Kernel
        The kernel, separable, with `size` taps along each axis. They are not stored, so `size` can be large.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A size is not a positive integer, or there are not `ndim` sizes.

    References
    ----------
    The window is that of `scipy.ndimage.uniform_filter`, for odd and even sizes.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.box(4, ndim=1).taps
    array([0.25, 0.25, 0.25, 0.25])
    >>> fa.box((1, 3)).shape
    (1, 3)
    """
    widths = per_axis("size", size, ndim, lambda name, value: integer(name, value, 1, _LARGEST_SIDE))
    # Lags and samples run in opposite directions, so SciPy's window has its origin at the left one of two middles.
    return Box(widths, tuple((width - 1) // 2 for width in widths))


@named
def gaussian(
    sigma: float | Sequence[float] | Mapping[Any, Any], *, truncate: float = 4.0, ndim: int | None = None
) -> Kernel:
    """Return the sampled Gaussian, the outer product of a Gaussian along each axis.

        k[m] = exp(-m^2 / (2 sigma^2)) / sum,    |m| <= floor(truncate sigma + 1/2),    along each axis

    where the sum makes the taps along the axis sum to one.

    Parameters
    ----------
    sigma : float, sequence of float, or mapping
        Standard deviation in samples, for all axes or for each; an axis with zero is not smoothed. A mapping from the
        name of an axis to a length in the units of its coordinate makes a `CoordinateKernel`.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma`, or 2.

    Returns
    -------
    Kernel
        The kernel, separable, with an odd number of taps along each axis.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `sigma` or `truncate` is not a finite number of at least zero, or the kernel would have more than 2^22 taps
        along an axis.

    References
    ----------
    The taps are those of `scipy.ndimage.gaussian_filter`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.gaussian(1, truncate=2, ndim=1).taps.round(3)
    array([0.054, 0.244, 0.403, 0.244, 0.054])
    >>> fa.gaussian((0, 2)).shape
    (1, 17)
    """
    sigmas = per_axis("sigma", sigma, ndim, non_negative)
    axes = {value: Taps(gaussian_taps(value, truncate)) for value in set(sigmas)}
    return outer([axes[value] for value in sigmas])


@named
def binomial(order: int, *, ndim: int = 2) -> Kernel:
    """Return the binomial kernel: the mean of two neighbours, repeated `order` times along each axis.

        k[i] = C(order, i) / 2^order,    i = 0, ..., order,    along each axis

    It approximates a Gaussian of standard deviation sqrt(order) / 2.

    Parameters
    ----------
    order : int
        Number of repetitions, from 0 to 1024. The origin is ``order // 2``.
    ndim : int, optional
        Number of dimensions.

    Returns
    -------
    Kernel
        The kernel, separable, with ``order + 1`` taps along each axis.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `order` is not an integer from 0 to 1024, or `ndim` not one from 1 to 32.

    References
    ----------
    Aubury and Luk, "Binomial filters", Journal of VLSI Signal Processing 12, 1996.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.binomial(2).taps * 16
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    count = integer("order", order, 0, _LARGEST_ORDER)
    taps = [math.comb(count, i) / 2**count for i in range(count + 1)]
    return outer([Taps(taps, count // 2)] * dimensions(ndim))


@named
def disk(radius: float | Sequence[float] | Mapping[Any, Any], *, ndim: int | None = None) -> Kernel:
    """Return the mean over a disk, or over a ball in three dimensions.

        k[m] = 1 / count    where (m1 / radius1)^2 + (m2 / radius2)^2 + ... <= 1, and 0 elsewhere

    Parameters
    ----------
    radius : float, sequence of float, or mapping
        Radius in samples, for all axes or for each. A mapping from the name of an axis to a length in the units of
        its coordinate makes a `CoordinateKernel`.
    ndim : int, optional
        Number of dimensions: by default the length of `radius`, or 2.

    Returns
    -------
    Kernel
        The kernel, with ``2 floor(radius) + 1`` taps along each axis.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A radius is not a finite number of at least zero, or the kernel would have more than 2^22 taps.

    References
    ----------
    The taps other than zero are those of `skimage.morphology.disk` and `skimage.morphology.ball`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.disk(1).taps * 5
    array([[0., 1., 0.],
           [1., 1., 1.],
           [0., 1., 0.]])
    """
    limits = per_axis("radius", radius, ndim, non_negative)
    check_named("radius", *[2 * limit + 1 for limit in limits])
    largest = max(limits)  # with one radius for all axes, distances are whole numbers
    squares = [
        (np.arange(-math.floor(limit), math.floor(limit) + 1.0) * (largest / limit if limit else 0.0)) ** 2
        for limit in limits
    ]
    distances = sum(np.ix_(*squares))
    inside = np.asarray(distances <= largest**2, dtype=float)
    return Taps(inside / inside.sum())


@named
def motion(length: float, angle: float = 0.0) -> Kernel:
    """Return the blur of a straight movement during exposure, in two dimensions.

        k[m] = (length inside pixel m of the segment t (sin angle, cos angle), |t| <= length / 2) / length

    Parameters
    ----------
    length : float
        Length of the movement in samples, above zero.
    angle : float, optional
        Direction in radians: 0 is along the last axis, pi / 2 along the first.

    Returns
    -------
    Kernel
        The kernel, whose taps sum to one.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `length` is not a finite number above zero, `angle` is not finite, or the kernel would have more than 2^22
        taps.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.motion(3) == fa.box((1, 3))
    True
    >>> fa.motion(3, angle=0.7).taps.round(3)
    array([[0.241, 0.   , 0.   ],
           [0.041, 0.436, 0.041],
           [0.   , 0.   , 0.241]])
    """
    half = real("length", length, 0.0, open_end=True) / 2
    turn = real("angle", angle)
    check_named("length", 2 * half + 1, 2 * half + 1)
    if half <= 0.5:  # all of the segment is inside one pixel
        return Taps([[1.0]])
    slope = np.array([math.sin(turn), math.cos(turn)])
    # The segment is cut where it crosses from one pixel to the next, so that each piece is inside one pixel.
    cuts = [np.array([-half, half])]
    for step in slope[np.abs(slope) > 1e-12]:
        borders = (np.arange(math.ceil(half) * 2 + 2) - math.ceil(half) - 0.5) / step
        cuts.append(borders[np.abs(borders) < half])
    times = np.sort(np.concatenate(cuts))
    lengths = np.diff(times) / (2 * half)
    # At a corner of pixels, rounding can make two cuts instead of one, with a piece of almost no length between them.
    kept = lengths > 1e-12
    pixels = np.rint(np.outer((times[:-1] + times[1:])[kept] / 2, slope)).astype(int)
    reach = np.abs(pixels).max(axis=0)
    taps = np.zeros(2 * reach + 1)
    np.add.at(taps, tuple((pixels + reach).T), lengths[kept])
    return Taps(taps / taps.sum())


def gaussian_taps(sigma: float, truncate: float) -> TapArray:
    """Return the taps of a Gaussian along one axis; if `sigma` is almost zero, those of the impulse."""
    reach = real("truncate", truncate, 0.0) * sigma + 0.5
    check_named("sigma", 2 * reach + 1)
    if reach < 1 or sigma <= 1e-15:
        return np.ones(1)
    # A length that was divided by a spacing may be off by a rounding: it has the taps of what it stands for.
    whole = int(reach * (1 + _ROUNDING))
    lags = np.arange(-whole, whole + 1)
    taps = np.exp(-0.5 * (lags / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def check_named(argument: str, *sides: float) -> None:
    """Raise an error if a named kernel would have more than `MOST_NAMED_TAPS` taps."""
    size = math.prod(sides)
    if size > MOST_NAMED_TAPS:
        raise ArgumentError(argument, f"a kernel of at most {MOST_NAMED_TAPS} taps", f"about {size:.2g} taps")


def outer(factors: Sequence[Kernel]) -> Kernel:
    """Return the outer product of one-dimensional kernels, or the only kernel itself."""
    return factors[0] if len(factors) == 1 else Outer(factors)
