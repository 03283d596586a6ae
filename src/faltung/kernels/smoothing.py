"""Kernels that average, and the identity: their taps are non-negative and sum to one."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
"""The largest array that a named kernel allocates: 2048 x 2048 taps, or one side of a separable kernel."""

_LARGEST_SIDE = 2**31
_LARGEST_ORDER = 1024


@named
def delta(*, ndim: int = 2) -> Kernel:
    """Return the unit impulse, the identity of convolution: one at lag zero.

    Parameters
    ----------
    ndim : int, optional
        Number of dimensions.

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
def box(size: int | Sequence[int], *, ndim: int | None = None) -> Kernel:
    """Return the mean over a window.

        y[n] = mean of x[n - size // 2], ..., x[n - size // 2 + size - 1]

    along each axis, the window of `scipy.ndimage.uniform_filter` for odd and even sizes.

    Parameters
    ----------
    size : int or sequence of int
        Width of the window in samples, for all axes or for each.
    ndim : int, optional
        Number of dimensions: by default the length of `size`, or 2.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If a size is not a positive integer, or their number is not `ndim`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.box(4, ndim=1).taps
    array([0.25, 0.25, 0.25, 0.25])
    >>> fa.box((1, 3)).shape
    (1, 3)
    """
    widths = per_axis("size", size, ndim, lambda name, value: integer(name, value, 1, _LARGEST_SIDE))
    # Taps run against the samples, so the left one of two middles puts the window where SciPy has it.
    return Box(widths, tuple((width - 1) // 2 for width in widths))


@named
def gaussian(sigma: float | Sequence[float], *, truncate: float = 4.0, ndim: int | None = None) -> Kernel:
    """Return the sampled Gaussian, an outer product of one-dimensional ones that sum to one.

        k[m] = exp(-m^2 / (2 sigma^2)) / sum,    |m| <= floor(truncate sigma + 1/2)

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in samples, for all axes or for each; zero leaves an axis as it is.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma`, or 2.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `sigma` or `truncate` is not a non-negative finite number, or the kernel would be absurdly wide.

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
    """Return the binomial kernel, the mean of two neighbours taken `order` times along each axis.

        k[i] = C(order, i) / 2^order,    i = 0, ..., order

    It comes close to a Gaussian of standard deviation sqrt(order) / 2.

    Parameters
    ----------
    order : int
        How often; each axis has order + 1 taps. For an odd order the origin is the left one of two middles.
    ndim : int, optional
        Number of dimensions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `order` is not an integer from 0 to 1024.

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
def disk(radius: float, *, ndim: int = 2) -> Kernel:
    """Return the mean over a disk, which is a ball in three dimensions.

        k[m] = 1 / count    where    m1^2 + m2^2 + ... <= radius^2

    Parameters
    ----------
    radius : float
        Radius in samples. The footprint is that of `skimage.morphology.disk`, or `ball`.
    ndim : int, optional
        Number of dimensions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `radius` is not a non-negative finite number, or the disk would be absurdly large.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.disk(1).taps * 5
    array([[0., 1., 0.],
           [1., 1., 1.],
           [0., 1., 0.]])
    """
    limit, axes = real("radius", radius, 0.0), dimensions(ndim)
    check_named("radius", *[2 * limit + 1] * axes)
    reach = math.floor(limit)
    squares = np.arange(-reach, reach + 1.0) ** 2
    distances = sum(np.ix_(*[squares] * axes))
    inside = np.asarray(distances <= limit**2, dtype=float)
    return Taps(inside / inside.sum())


@named
def motion(length: float, angle: float = 0.0) -> Kernel:
    """Return the blur of a straight movement during exposure, in two dimensions.

        k[m] = (length in pixel m of the segment t (sin angle, cos angle), |t| <= length / 2) / length

    so that the line is anti-aliased, and the taps sum to one.

    Parameters
    ----------
    length : float
        Length of the movement in samples, above zero.
    angle : float, optional
        Direction in radians: 0 is along the last axis, pi / 2 along the first.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `length` is not a positive finite number, or absurdly large.

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
    if half <= 0.5:  # the segment does not leave its pixel
        return Taps([[1.0]])
    slope = np.array([math.sin(turn), math.cos(turn)])
    # Between two crossings of a border between pixels the segment stays in one pixel.
    cuts = [np.array([-half, half])]
    for step in slope[np.abs(slope) > 1e-12]:
        borders = (np.arange(math.ceil(half) * 2 + 2) - math.ceil(half) - 0.5) / step
        cuts.append(borders[np.abs(borders) < half])
    times = np.sort(np.concatenate(cuts))
    lengths = np.diff(times) / (2 * half)
    # Rounding can split a crossing at a corner of pixels into two, with a piece of no length in between.
    kept = lengths > 1e-12
    pixels = np.rint(np.outer((times[:-1] + times[1:])[kept] / 2, slope)).astype(int)
    reach = np.abs(pixels).max(axis=0)
    taps = np.zeros(2 * reach + 1)
    np.add.at(taps, tuple((pixels + reach).T), lengths[kept])
    return Taps(taps / taps.sum())


def gaussian_taps(sigma: float, truncate: float) -> TapArray:
    """One axis of a Gaussian; a vanishing sigma gives the impulse."""
    reach = real("truncate", truncate, 0.0) * sigma + 0.5
    check_named("sigma", 2 * reach + 1)
    if reach < 1 or sigma <= 1e-15:
        return np.ones(1)
    lags = np.arange(-int(reach), int(reach) + 1)
    taps = np.exp(-0.5 * (lags / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def check_named(argument: str, *sides: float) -> None:
    """Refuse an argument that would make a named kernel allocate far more taps than is sensible."""
    size = math.prod(sides)
    if size > MOST_NAMED_TAPS:
        raise ArgumentError(argument, f"a kernel of at most {MOST_NAMED_TAPS} taps", f"about {size:.2g} taps")


def outer(factors: Sequence[Kernel]) -> Kernel:
    """Outer product of one-dimensional kernels, or the only one itself."""
    return factors[0] if len(factors) == 1 else Outer(factors)
