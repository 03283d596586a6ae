"""Which kernel fits a polynomial to every window, and returns its value or a derivative? Savitzky-Golay filters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.ground.checks import integer, is_sequence, per_axis, real
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.naming import named
from faltung.kernels.smoothing import check_named, outer
from faltung.kernels.taps import TapArray

__all__ = ["fit_weights", "savgol"]

_LARGEST_DEGREE = 64
_LARGEST_WINDOW = 2**16
_MOST_ENTRIES = 2**24  # of the matrix of all positions in the window and all powers


@named
def savgol(
    window: int | Sequence[int],
    degree: int | Sequence[int],
    derivative: int | Sequence[int] = 0,
    *,
    spacing: float | Sequence[float] = 1.0,
    ndim: int | None = None,
) -> Kernel:
    """Return the Savitzky-Golay kernel: the value, or a derivative, of the polynomial that fits the window best.

        y[n] = derivative at n of the polynomial p that minimises sum over the window of (x[m] - p(m))^2

    A polynomial of up to this degree passes unchanged, and its derivatives are exact.

    Parameters
    ----------
    window : int or sequence of int
        Odd width of the window in samples, for all axes or for each.
    degree : int or sequence of int
        One number is the *total* degree of the polynomial: in 2-D, degree 2 has the powers 1, x, y, x^2, x y, y^2.
        A sequence has the degree along *each* axis: (2, 2) also has x^2 y, x y^2 and x^2 y^2, and its kernel is
        separable. A degree is less than the width of the window.
    derivative : int or sequence of int, optional
        Order of the derivative, one for each axis; one number other than zero is for one dimension.
    spacing : float or sequence of float, optional
        Distance of neighbouring samples, for all axes or for each: derivatives are per unit of it.
    ndim : int, optional
        Number of dimensions: by default the length of `window`, `degree` or `derivative`, or 2.

    Returns
    -------
    Kernel
        The kernel, with `window` taps along each axis and its origin in the middle.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A window is even, a degree too high for it, a derivative higher than the degree, or an argument has not one
        number for each axis.

    See Also
    --------
    faltung.compat.signal.savgol_filter : Polynomials up to the ends of a signal, SciPy's mode ``interp``.

    References
    ----------
    Savitzky and Golay, "Smoothing and differentiation of data by simplified least squares procedures", Analytical
    Chemistry 36, 1964. In 1-D the taps are those of `scipy.signal.savgol_coeffs` for a convolution.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.savgol(5, 2, ndim=1).taps.round(3)
    array([-0.086,  0.343,  0.486,  0.343, -0.086])
    >>> slope = fa.savgol(5, 2, 1, spacing=0.1, ndim=1)
    >>> slope((0.1 * np.arange(6)) ** 2, shape="valid").round(6)
    array([0.4, 0.6])
    """
    ndim = _dimensions(ndim, window, degree, derivative, spacing)
    widths = per_axis("window", window, ndim, _odd)
    check_named("window", *widths)
    axes = len(widths)
    orders = _orders(derivative, axes)
    steps = per_axis("spacing", spacing, axes, lambda name, value: real(name, value, 0.0, open_end=True))
    scale = math.prod(step**-order for step, order in zip(steps, orders, strict=True))
    degrees = per_axis("degree", degree, axes, lambda name, value: integer(name, value, 0, _LARGEST_DEGREE))
    total = None if is_sequence(degree) or axes == 1 else degrees[0]
    _check_degrees(widths, degrees, orders, total)
    if total is not None:
        return Taps(scale * _total_degree_taps(widths, total, orders))
    lines = [_line_taps(*numbers) for numbers in zip(widths, degrees, orders, strict=True)]
    return outer([Taps(scale * lines[0]), *map(Taps, lines[1:])])


def _dimensions(ndim: int | None, *arguments: Any) -> int | None:
    """Return the number of axes that is given, or that of the first sequence."""
    return next((len(given) for given in arguments if is_sequence(given)), None) if ndim is None else ndim


def _odd(name: str, value: Any) -> int:
    width = integer(name, value, 1, _LARGEST_WINDOW)
    if width % 2 == 0:
        raise ArgumentError(name, "an odd number, so that the window has a middle", f"{width}", f"Use {width + 1}.")
    return width


def _orders(derivative: Any, axes: int) -> tuple[int, ...]:
    orders = per_axis("derivative", derivative, axes, lambda name, value: integer(name, value, 0, _LARGEST_DEGREE))
    if axes > 1 and not is_sequence(derivative) and orders[0]:
        remedy = f"For example, derivative={(*[0] * (axes - 1), orders[0])} differentiates along the last axis."
        raise ArgumentError("derivative", f"one order for each of {axes} axes", f"{orders[0]}", remedy)
    return orders


def _check_degrees(
    widths: tuple[int, ...], degrees: tuple[int, ...], orders: tuple[int, ...], total: int | None
) -> None:
    for width, degree in zip(widths, degrees, strict=True):
        if degree >= width:
            raise ArgumentError("degree", f"less than the window of {width} samples", f"{degree}")
    highest = zip([sum(orders)] if total is not None else orders, degrees, strict=False)
    for order, degree in highest:
        if order > degree:
            remedy = "The derivative of the polynomial would be zero."
            raise ArgumentError("derivative", f"at most the degree {degree}", f"{order}", remedy)


def _line_taps(width: int, degree: int, order: int) -> TapArray:
    return _with_parity(fit_weights(width, degree, order, ((width - 1) / 2,))[0, ::-1], (order,))


def _total_degree_taps(widths: tuple[int, ...], degree: int, orders: tuple[int, ...]) -> TapArray:
    """Return taps of the fit of all products of powers whose exponents sum to at most `degree`."""
    from numpy.polynomial import legendre  # seldom used, and an import should cost little

    powers = [p for p in itertools.product(range(degree + 1), repeat=len(widths)) if sum(p) <= degree]
    entries = math.prod(widths) * len(powers)
    if entries > _MOST_ENTRIES:
        remedy = "A degree for each axis makes a separable kernel, which is found along each axis."
        raise ArgumentError("window", f"at most {_MOST_ENTRIES} positions times powers", f"{entries}", remedy)
    values, middle = np.ones((1, len(powers))), np.ones(len(powers))
    for axis, (width, order) in enumerate(zip(widths, orders, strict=True)):
        half = max((width - 1) / 2, 0.5)
        which = [power[axis] for power in powers]
        basis = legendre.legvander(np.arange(width) / half - (width - 1) / 2 / half, degree)[:, which]
        values = (values[:, np.newaxis] * basis).reshape(-1, len(powers))
        derived = legendre.legder(np.eye(degree + 1), order)
        values_at_middle = np.asarray(legendre.legval(0.0, derived))
        middle = middle * values_at_middle[which] / half**order
    taps = np.linalg.lstsq(values.T, middle, rcond=None)[0].reshape(widths)
    return _with_parity(np.flip(taps), orders)


def _with_parity(taps: NDArray[np.float64], orders: tuple[int, ...]) -> TapArray:
    """Return the taps exactly even, or odd for a derivative of odd order, along each axis."""
    for axis, order in enumerate(orders):
        taps = (taps + (-1) ** order * np.flip(taps, axis)) / 2
    return taps


@lru_cache(maxsize=64)
def fit_weights(size: int, order: int, derivative: int, positions: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the weights of the samples of a window in the polynomial that is fitted to it, at some positions.

    Parameters
    ----------
    size : int
        Samples of the window, at the positions 0, 1, 2, ...
    order : int
        Order of the polynomial.
    derivative : int
        Order of the derivative.
    positions : tuple of float
        Where the polynomial is evaluated.

    Returns
    -------
    ndarray, shape (positions, size)
        A row for each position; those of recent calls are kept, so it must not be written to.

    Examples
    --------
    >>> fit_weights(3, 1, 1, (0,)).round(6) + 0.0
    array([[-0.5,  0. ,  0.5]])
    """
    from numpy.polynomial import legendre  # seldom used, and an import should cost little

    if derivative > order:
        return np.zeros((len(positions), size))
    # Legendre polynomials on the window are nearly orthogonal, so that any order is well conditioned.
    half = max((size - 1) / 2, 0.5)
    fit = np.linalg.pinv(legendre.legvander(np.arange(size) / half - (size - 1) / 2 / half, order))
    where = np.asarray(positions) / half - (size - 1) / 2 / half
    derived = legendre.legder(np.eye(order + 1), derivative)
    values = legendre.legvander(where, order - derivative) @ derived
    return np.asarray(values @ fit / math.pow(half, derivative))
