"""Which named kernels differentiate? Those that find edges, ridges and blobs; they hardly answer to constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
#: Largest sum of the taps of a derivative, as a share of the sum of their magnitudes.
_LARGEST_SUM = 1 / 200
# Its convolution is y[n] = x[n + 1] - x[n - 1], which is positive where the input rises.
_CENTRAL_DIFFERENCE = (1.0, 0.0, -1.0)
_SECOND_DIFFERENCE = (1.0, -2.0, 1.0)


@named
def sobel(axis: int = -1, *, ndim: int = 2) -> Kernel:
    """Return the Sobel kernel: the difference x[n + 1] - x[n - 1] along one axis, smoothed along all others.

        k = [1, 0, -1] along `axis`, times [1, 2, 1] along each other axis

    Parameters
    ----------
    axis : int, optional
        Axis of the difference; negative numbers count from the end. Of an image, axis 1 shows vertical edges, and
        axis 0 horizontal ones.
    ndim : int, optional
        Number of dimensions.

    Returns
    -------
    Kernel
        The kernel, separable, with 3 taps along each axis; they sum to zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `ndim` is not an integer from 1 to 32, or there is no such axis.

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
    """Return the Prewitt kernel: the difference x[n + 1] - x[n - 1] along one axis, summed along all others.

        k = [1, 0, -1] along `axis`, times [1, 1, 1] along each other axis

    Parameters
    ----------
    axis : int, optional
        Axis of the difference; negative numbers count from the end.
    ndim : int, optional
        Number of dimensions.

    Returns
    -------
    Kernel
        The kernel, separable, with 3 taps along each axis; they sum to zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `ndim` is not an integer from 1 to 32, or there is no such axis.

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
    """Return the Scharr kernel: a difference along one axis, smoothed so that directions of gradients are accurate.

        k = [1, 0, -1] along `axis`, times [3, 10, 3] / 16 along each other axis

    Parameters
    ----------
    axis : int, optional
        Axis of the difference; negative numbers count from the end.
    ndim : int, optional
        Number of dimensions.

    Returns
    -------
    Kernel
        The kernel, separable, with 3 taps along each axis; they sum to zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `ndim` is not an integer from 1 to 32, or there is no such axis.

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
    """Return the discrete Laplace operator, the sum of the second differences along all axes.

        y[n] = sum over axes of x[n - 1] - 2 x[n] + x[n + 1]

    Parameters
    ----------
    ndim : int, optional
        Number of dimensions.

    Returns
    -------
    Kernel
        The kernel, with 3 taps along each axis; they sum to zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `ndim` is not an integer from 1 to 32.

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
    return sum_of(outer([second if axis == index else impulse for index in range(axes)]) for axis in range(axes))


@named
def gaussian_derivative(
    sigma: float | Sequence[float] | Mapping[Any, Any],
    order: int | Sequence[int] | Mapping[Any, int] = 1,
    axis: int | str | None = None,
    *,
    truncate: float = 4.0,
    ndim: int | None = None,
) -> Kernel:
    """Return a derivative of the Gaussian, which smooths and differentiates in one kernel.

        k[m] = (-1 / sigma)^n He_n(m / sigma) g[m]    along each axis

    where n is the order along the axis, He_n is the Hermite polynomial of that degree, and g are the taps of
    `gaussian` along the axis. Where the grid is too coarse for the Gaussian (for the second derivative, up to a sigma
    of about 0.65), the sum s of these taps is more than 1/200 of the sum of their magnitudes. Then the kernel is
    k - s g, whose taps sum to zero, so that it does not answer to constants.

    Parameters
    ----------
    sigma : float, sequence of float, or mapping
        Standard deviation in samples, for all axes or for each. A mapping from the name of an axis to a length in the
        units of its coordinate makes a `CoordinateKernel`, whose derivatives are per unit of the coordinate.
    order : int or sequence of int, optional
        Order of the derivative along `axis`, or one order for each axis; from 0 to 16. With a mapping as `sigma`, it
        may be a mapping too.
    axis : int or str, optional
        Axis of the derivative; the default is the last. It must be omitted if `order` has one number for each axis.
        With a mapping as `sigma`, it may be a name.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma` or `order`, or 2.

    Returns
    -------
    Kernel
        The kernel, separable, of the shape of `gaussian`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or `sigma` is so small that the Gaussian has one tap.

    References
    ----------
    The taps are those of `scipy.ndimage.gaussian_filter` with `order`, except where they are made to sum to zero.

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
        raise ArgumentError("axis", "None with one order for each axis", str(axis), "Omit axis.")
    if ndim is None and several and not is_sequence(sigma):
        ndim = len(order)  # type: ignore[arg-type]
    sigmas = per_axis("sigma", sigma, ndim, non_negative)
    orders = per_axis("order", order, len(sigmas), lambda name, value: integer(name, value, 0, _LARGEST_ORDER))
    if not several:
        chosen = axis_index(-1 if axis is None else axis, len(sigmas))  # type: ignore[arg-type]  # a name is refused
        orders = tuple(n if index == chosen else 0 for index, n in enumerate(orders))
    return _gaussian_outer(sigmas, orders, truncate)


@named
def log(
    sigma: float | Sequence[float] | Mapping[Any, Any], *, truncate: float = 4.0, ndim: int | None = None
) -> Kernel:
    """Return the Laplacian of a Gaussian, a detector of blobs; its output changes sign at edges.

        k = sum over axes of the second derivative of the Gaussian along the axis

    The second derivative is that of `gaussian_derivative`: up to a sigma of about 0.65 its taps are made to sum to
    zero; above, they sum to less than 1/200 of the sum of their magnitudes.

    Parameters
    ----------
    sigma : float, sequence of float, or mapping
        Standard deviation in samples, for all axes or for each. A mapping from the name of an axis to a length in the
        units of its coordinate makes a `CoordinateKernel`, whose derivatives are per unit of the coordinate.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma`, or 2.

    Returns
    -------
    Kernel
        The kernel, a sum of one separable kernel for each axis. The output is negative in bright blobs.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is not a number of at least zero, or `sigma` is so small that the Gaussian has one tap.

    References
    ----------
    Marr and Hildreth, "Theory of edge detection", Proc. R. Soc. Lond. B 207, 1980. The taps are those of
    `scipy.ndimage.gaussian_laplace`, except where they are made to sum to zero.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.log(2).shape, fa.log(2).rank()
    ((17, 17), 2)
    """
    sigmas = per_axis("sigma", sigma, ndim, non_negative)
    axes = range(len(sigmas))
    return sum_of(_gaussian_outer(sigmas, [2 * (axis == index) for index in axes], truncate) for axis in axes)


def _difference(axis: int, ndim: int, smoothing: tuple[float, ...]) -> Kernel:
    axes = dimensions(ndim)
    chosen = axis_index(axis, axes)
    return outer([Taps(_CENTRAL_DIFFERENCE if index == chosen else smoothing) for index in range(axes)])


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
        remedy = "Use a larger sigma, or sobel or laplacian, which need no sigma."
        raise ArgumentError("sigma", "a Gaussian of more than one tap to differentiate", received, remedy)
    places = np.arange(-reach, reach + 1) / sigma
    hermite = np.polynomial.hermite_e.hermeval(places, [0.0] * order + [1.0])
    derivative = np.asarray((-1 / sigma) ** order * hermite * taps)
    if abs(derivative.sum()) <= _LARGEST_SUM * np.abs(derivative).sum():
        return derivative
    # The order is even. The tap in the middle cancels the others, so that rounding errors of s do not remain.
    derivative -= derivative.sum() * taps
    derivative[reach] = -2 * derivative[reach + 1 :].sum()
    return derivative
