"""Kernels that differentiate: edges, ridges and blobs; their taps sum to zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import axis_index, dimensions, integer, is_sequence, non_negative, per_axis
from faltung.kernels.kernel import Kernel, Taps, sum_of
from faltung.kernels.naming import named
from faltung.kernels.smoothing import gaussian_taps, outer
from faltung.kernels.taps import TapArray

__all__ = ["gaussian_derivative", "laplacian", "log", "prewitt", "scharr", "sobel"]

_LARGEST_ORDER = 16
_LEAST_SIGMA = 1e-3
# Convolved, y[n] = x[n + 1] - x[n - 1]: positive where the signal rises.
_CENTRAL_DIFFERENCE = (1.0, 0.0, -1.0)
_SECOND_DIFFERENCE = (1.0, -2.0, 1.0)


@named
def sobel(axis: int = -1, *, ndim: int = 2) -> Kernel:
    """Return the Sobel kernel: the difference x[n + 1] - x[n - 1] along one axis, smoothed along the others.

        [1, 0, -1] along `axis`, [1, 2, 1] along every other

    Parameters
    ----------
    axis : int, optional
        Axis to differentiate along; negative ones count from the end. Along axis 1 it answers to vertical
        edges, along axis 0 to horizontal ones.
    ndim : int, optional
        Number of dimensions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is no such axis.

    References
    ----------
    Sobel and Feldman, "A 3x3 isotropic gradient operator for image processing", Stanford Artificial
    Intelligence Project, 1968. Sign and scale are those of `scipy.ndimage.sobel`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.sobel(axis=1).taps
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.],
           [ 1.,  0., -1.]])
    """
    return _difference(axis, ndim, (1.0, 2.0, 1.0))


@named
def prewitt(axis: int = -1, *, ndim: int = 2) -> Kernel:
    """Return the Prewitt kernel: the difference x[n + 1] - x[n - 1] along one axis, summed along the others.

        [1, 0, -1] along `axis`, [1, 1, 1] along every other

    Parameters
    ----------
    axis : int, optional
        Axis to differentiate along; negative ones count from the end.
    ndim : int, optional
        Number of dimensions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is no such axis.

    References
    ----------
    Prewitt, "Object enhancement and extraction", Picture Processing and Psychopictorics, 1970. Sign and
    scale are those of `scipy.ndimage.prewitt`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.prewitt(axis=0).taps
    array([[ 1.,  1.,  1.],
           [ 0.,  0.,  0.],
           [-1., -1., -1.]])
    """
    return _difference(axis, ndim, (1.0, 1.0, 1.0))


@named
def scharr(axis: int = -1, *, ndim: int = 2) -> Kernel:
    """Return the Scharr kernel: as Sobel's, with the smoothing that keeps the direction of gradients best.

        [1, 0, -1] along `axis`, [3, 10, 3] / 16 along every other

    Parameters
    ----------
    axis : int, optional
        Axis to differentiate along; negative ones count from the end.
    ndim : int, optional
        Number of dimensions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is no such axis.

    References
    ----------
    Scharr, "Optimale Operatoren in der Digitalen Bildverarbeitung", dissertation, Heidelberg, 2000. Sign and
    scale are those of `skimage.filters.scharr`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.scharr(axis=1).taps * 16
    array([[  3.,   0.,  -3.],
           [ 10.,   0., -10.],
           [  3.,   0.,  -3.]])
    """
    return _difference(axis, ndim, (3 / 16, 10 / 16, 3 / 16))


@named
def laplacian(*, ndim: int = 2) -> Kernel:
    """Return the discrete Laplace operator, a sum of second differences.

        y[n] = sum over axes of x[n - 1] - 2 x[n] + x[n + 1]

    Parameters
    ----------
    ndim : int, optional
        Number of dimensions.

    References
    ----------
    The taps are those of `scipy.ndimage.laplace`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.laplacian().taps
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    """
    axes = dimensions(ndim)
    impulse, second = Taps([1.0]), Taps(_SECOND_DIFFERENCE)
    return sum_of(outer([second if axis == own else impulse for own in range(axes)]) for axis in range(axes))


@named
def gaussian_derivative(
    sigma: float | Sequence[float],
    order: int | Sequence[int] = 1,
    axis: int | None = None,
    *,
    truncate: float = 4.0,
    ndim: int | None = None,
) -> Kernel:
    """Return a derivative of the Gaussian: smoothing and differentiating in one separable kernel.

        k[m] = (-1/sigma)^n He_n(m / sigma) g[m]

    for order n along an axis, with the Hermite polynomial He_n and the taps g of `gaussian`.

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in samples, for all axes or for each.
    order : int or sequence of int, optional
        Order of the derivative along `axis`, or one order for each axis; up to 16.
    axis : int, optional
        Axis to differentiate along: by default the last. Not used with one order for each axis.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma` or `order`, or 2.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If an argument is out of range, or `sigma` so small that no neighbour is left to differentiate with.

    References
    ----------
    The taps are those of `scipy.ndimage.gaussian_filter` with `order`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.gaussian_derivative(1, ndim=1, truncate=2).taps.round(3)
    array([ 0.109,  0.244, -0.   , -0.244, -0.109])
    >>> fa.gaussian_derivative(2, order=(1, 1)).rank()
    1
    """
    several = is_sequence(order)
    if several and axis is not None:
        raise ArgumentError("axis", "None beside one order for each axis", str(axis), "Leave axis out.")
    if ndim is None and several and not is_sequence(sigma):
        ndim = len(order)  # type: ignore[arg-type]
    sigmas = per_axis("sigma", sigma, ndim, non_negative)
    orders = per_axis("order", order, len(sigmas), lambda name, value: integer(name, value, 0, _LARGEST_ORDER))
    if not several:
        own = axis_index(-1 if axis is None else axis, len(sigmas))
        orders = tuple(n if index == own else 0 for index, n in enumerate(orders))
    return _gaussian_outer(sigmas, orders, truncate)


@named
def log(sigma: float | Sequence[float], *, truncate: float = 4.0, ndim: int | None = None) -> Kernel:
    """Return the Laplacian of a Gaussian: a detector of blobs and, at its zeros, of edges.

        k = sum over axes of the second derivative of a Gaussian along the axis

    Parameters
    ----------
    sigma : float or sequence of float
        Standard deviation in samples, for all axes or for each.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma`, or 2.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `sigma` is not a number, or so small that no neighbour is left to differentiate with.

    References
    ----------
    Marr and Hildreth, "Theory of edge detection", Proc. R. Soc. Lond. B 207, 1980. The taps are those of
    `scipy.ndimage.gaussian_laplace`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.log(2).shape, fa.log(2).rank()
    ((17, 17), 2)
    """
    sigmas = per_axis("sigma", sigma, ndim, non_negative)
    axes = range(len(sigmas))
    return sum_of(_gaussian_outer(sigmas, [2 * (axis == own) for own in axes], truncate) for axis in axes)


def _difference(axis: int, ndim: int, smoothing: tuple[float, ...]) -> Kernel:
    axes = dimensions(ndim)
    own = axis_index(axis, axes)
    return outer([Taps(_CENTRAL_DIFFERENCE if index == own else smoothing) for index in range(axes)])


def _gaussian_outer(sigmas: Sequence[float], orders: Sequence[int], truncate: float) -> Kernel:
    pairs = zip(sigmas, orders, strict=True)
    return outer([Taps(_gaussian_derivative_taps(sigma, order, truncate)) for sigma, order in pairs])


def _gaussian_derivative_taps(sigma: float, order: int, truncate: float) -> TapArray:
    taps = gaussian_taps(sigma, truncate)
    if order == 0:
        return taps
    reach = len(taps) // 2
    if reach == 0 or sigma < _LEAST_SIGMA:
        received = f"sigma={sigma:g} with truncate={truncate:g}"
        remedy = "Use a larger sigma, or sobel or laplacian, which differentiate without smoothing."
        raise ArgumentError("sigma", "a Gaussian of more than one tap to differentiate", received, remedy)
    places = np.arange(-reach, reach + 1) / sigma
    hermite = np.polynomial.hermite_e.hermeval(places, [0.0] * order + [1.0])
    return np.asarray((-1 / sigma) ** order * hermite * taps)
