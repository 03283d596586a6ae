"""scipy.ndimage's Gaussian filters, and their derivatives: along one axis, over several, and what is made of them."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.ndimage.filter_steps import Steps, is_complex, run_filter
from faltung.compat.ndimage.ndimage_arguments import axes_of, axis_of, each, mode_of, number_of
from faltung.compat.ndimage.ndimage_plans import CallSetting, Pass, chain_of, weighed
from faltung.planning.planned import Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gaussian_filter", "gaussian_filter1d", "gaussian_gradient_magnitude", "gaussian_laplace"]

#: An axis with a width up to this is left as it is.
_NARROW = 1e-15


def gaussian_filter1d(
    input: Any,
    sigma: float,
    axis: int = -1,
    order: int = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> NDArray[Any]:
    """Filter an array along one axis with a Gaussian or its derivative, as `scipy.ndimage.gaussian_filter1d`.

    Parameters
    ----------
    input, output, mode, cval
        As for `correlate`.
    sigma : float
        Standard deviation, in samples.
    axis : int, optional
        The axis.
    order : int, optional
        Order of the derivative.
    truncate : float, optional
        Where the Gaussian ends, in standard deviations.
    radius : int, optional
        Where it ends, in samples, in place of `truncate`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    ValueError
        `order` or the radius is negative, or the radius is no integer.
    RuntimeError
        As for `correlate`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.gaussian_filter1d(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 1).round(4)
    array([1.427 , 2.0678, 3.    , 3.9322, 4.573 ])
    """
    arguments = (sigma, axis, order, mode, cval, truncate, radius)
    return run_filter("gaussian_filter1d", _along_axis, input, output, arguments, is_complex)


def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: complex = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> NDArray[Any]:
    """Filter an array with a Gaussian over several axes, as `scipy.ndimage.gaussian_filter`.

    Parameters
    ----------
    input, output, cval, axes
        As for `correlate`.
    sigma, order, mode, radius
        As for `gaussian_filter1d`: one value, or one for each of `axes`. An axis whose `sigma` is not above 1e-15
        is left as it is.
    truncate : float, optional
        Where the Gaussian ends, in standard deviations.

    Returns
    -------
    ndarray
        The result, of the shape of `input`. Each pass is stored in its dtype, which truncates integers.

    Raises
    ------
    ValueError, RuntimeError
        As for `gaussian_filter1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.gaussian_filter(np.arange(0, 50, 2).reshape(5, 5), sigma=1)
    array([[ 4,  6,  8,  9, 11],
           [10, 12, 14, 15, 17],
           [20, 22, 24, 25, 27],
           [29, 31, 33, 34, 36],
           [35, 37, 39, 40, 42]])
    """
    arguments = (sigma, order, mode, cval, truncate, radius, axes)
    return run_filter("gaussian_filter", _over_axes, input, output, arguments)


def gaussian_laplace(
    input: Any,
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: complex = 0.0,
    *,
    axes: Any = None,
    truncate: float = 4.0,
    radius: Any = None,
) -> NDArray[Any]:
    """Filter an array with the Laplacian of a Gaussian, as `scipy.ndimage.gaussian_laplace`.

    Parameters
    ----------
    input, output, mode, cval, axes
        As for `gaussian_filter`.
    sigma : float or sequence of float
        Standard deviation, for each of `axes`.
    truncate, radius
        As for `gaussian_filter`; a radius for each axis is one for each axis of `input`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    ValueError, RuntimeError
        As for `gaussian_filter1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.gaussian_laplace(np.eye(3), 1.0).round(4)
    array([[-0.3847,  0.0366,  0.3479],
           [ 0.0366, -0.0733,  0.0366],
           [ 0.3479,  0.0366, -0.3847]])
    """
    return run_filter("gaussian_laplace", _laplacian, input, output, (sigma, mode, cval, axes, truncate, radius))


def gaussian_gradient_magnitude(
    input: Any,
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: complex = 0.0,
    *,
    axes: Any = None,
    truncate: float = 4.0,
    radius: Any = None,
) -> NDArray[Any]:
    """Return the magnitude of the gradient of a smoothed array, as `scipy.ndimage.gaussian_gradient_magnitude`.

    Parameters
    ----------
    input, output, mode, cval
        As for `gaussian_filter`.
    sigma : float or sequence of float
        Standard deviation, for each axis of `input`: all axes are smoothed.
    axes : int or tuple of int, optional
        The axes whose derivatives count.
    truncate, radius
        As for `gaussian_filter`; a radius for each axis is one for each axis of `input`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    ValueError, RuntimeError
        As for `gaussian_filter1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.gaussian_gradient_magnitude(np.tri(4), 1.0).round(2)[0]
    array([0.2 , 0.36, 0.23, 0.08])
    """
    arguments = (sigma, mode, cval, axes, truncate, radius)
    return run_filter("gaussian_gradient_magnitude", _magnitude, input, output, arguments)


def _along_axis(
    setting: CallSetting, sigma: Any, axis: Any, order: Any, mode: Any, cval: Any, truncate: Any, radius: Any
) -> Steps:
    constant = number_of(cval, setting.dtype.kind == "c")
    taps = _taps(sigma, order, truncate, radius)
    one = weighed(taps, axis_of(axis, len(setting.shape)), mode_of(mode))
    return Steps((chain_of(setting, [one], constant),), setting.result)


def _over_axes(
    setting: CallSetting, sigma: Any, order: Any, mode: Any, cval: Any, truncate: Any, radius: Any, axes: Any
) -> Steps:
    found = axes_of(axes, len(setting.shape))
    passes = _passes(found, sigma, order, mode, truncate, radius)
    return Steps((_chain(setting, passes, cval),), setting.result)


def _chain(setting: CallSetting, passes: list[Pass], cval: Any) -> tuple[Planned, ...]:
    return chain_of(setting, passes, number_of(cval, setting.dtype.kind == "c")) if passes else ()


def _laplacian(
    setting: CallSetting, sigma: Any, mode: Any, cval: Any, axes: Any, truncate: Any, radius: Any
) -> Steps:
    found = axes_of(axes, len(setting.shape))
    modes = each(mode, len(found)) if found else []
    widths = [0.0] * len(setting.shape)
    for axis, width in zip(found, each(sigma, len(found)), strict=True):
        widths[axis] = width
    return Steps(_chains(setting, found, 2, widths, modes, cval, truncate, radius) or ((),), setting.result)


def _magnitude(
    setting: CallSetting, sigma: Any, mode: Any, cval: Any, axes: Any, truncate: Any, radius: Any
) -> Steps:
    found = axes_of(axes, len(setting.shape))
    modes = each(mode, len(found)) if found else []
    chains = _chains(setting, found, 1, sigma, modes, cval, truncate, radius)
    return Steps(chains or ((),), setting.result, magnitude=bool(found))


def _chains(
    setting: CallSetting,
    axes: tuple[int, ...],
    order: int,
    sigma: Any,
    modes: list[Any],
    cval: Any,
    truncate: Any,
    radius: Any,
) -> tuple[tuple[Planned, ...], ...]:
    """Return the plans of the derivative along each axis; all its passes have the mode of that axis, as in SciPy."""
    every = tuple(range(len(setting.shape)))
    chains = []
    for axis, mode in zip(axes, modes, strict=True):
        orders = [order if place == axis else 0 for place in every]
        chains.append(_chain(setting, _passes(every, sigma, orders, mode, truncate, radius), cval))
    return tuple(chains)


def _passes(axes: tuple[int, ...], sigma: Any, order: Any, mode: Any, truncate: Any, radius: Any) -> list[Pass]:
    count = len(axes)
    rows = zip(axes, *(each(value, count) for value in (sigma, order, mode, radius)), strict=True)
    return [
        weighed(_taps(width, degree, truncate, reach), axis, mode_of(name))
        for axis, width, degree, name, reach in rows
        if width > _NARROW
    ]


def _taps(sigma: Any, order: Any, truncate: Any, radius: Any) -> NDArray[np.float64]:
    """Return the taps of the correlation with a derivative of a Gaussian, whose order 0 sums to one."""
    reach = int(truncate * float(sigma) + 0.5) if radius is None else radius
    if not isinstance(reach, numbers.Integral) or reach < 0:
        raise ValueError(f"Radius must be a nonnegative integer, not {reach!r}.")
    if order < 0:
        raise ValueError(f"order must be non-negative, not {order!r}")
    places = np.arange(-int(reach), int(reach) + 1)
    variance = sigma * sigma
    bell = np.exp(-0.5 / variance * places**2)
    bell /= bell.sum()
    # The derivative of p(x) g(x) is (p'(x) - x p(x) / variance) g(x), so that of order n is a polynomial of degree n.
    factor = np.ones(1)
    for _ in range(order):
        slope = np.zeros(factor.size + 1)
        slope[: factor.size - 1] = factor[1:] * np.arange(1, factor.size)
        slope[1:] -= factor / variance
        factor = slope
    taps: NDArray[np.float64] = bell if order == 0 else np.polynomial.polynomial.polyval(places, factor) * bell
    return taps[::-1]
