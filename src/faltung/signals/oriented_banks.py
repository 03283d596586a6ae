"""Banks of filters that answer to directions: steered derivatives of Gaussians, and Gabor filters in pairs."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import is_tensor
from faltung.ground.checks import dimensions, integer, is_integer, is_sequence, per_axis, real
from faltung.kernels import Bank, Kernel, Taps, gabor
from faltung.kernels.bands import octave_sigma
from faltung.kernels.kernel import sum_of
from faltung.kernels.smoothing import check_named, outer
from faltung.signals.sampled_axes import SampledAxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["gabor_bank", "quadrature", "steerable_bank"]


def steerable_bank(
    sigma: float, directions: int | ArrayLike, order: int = 1, *, ndim: int = 2, truncate: float = 5.0
) -> Bank:
    """Return derivatives of a Gaussian in several directions, which are combinations of those along the axes.

        order 1: sum over i of u_i d/dx_i,    order 2: sum over i, j of u_i u_j d2/(dx_i dx_j)

    Parameters
    ----------
    sigma : float
        Standard deviation in samples; zero gives differences.
    directions : int, or array_like of shape ``(count,)`` or ``(count, ndim)``
        How many directions, evenly spaced over half a turn; or angles in radians, of which 0 is along the last axis
        and pi / 2 along the first; or, in any number of dimensions, vectors of any length in the order of the axes.
    order : {1, 2}, optional
        Order of the derivative. The first finds edges across the direction, the second lines.
    ndim : int, optional
        Number of dimensions; numbers and angles are for 2.
    truncate : float, optional
        Radius of the kernels in standard deviations.

    Returns
    -------
    Bank
        One kernel for each direction. The kernels share separable filters.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or a vector is zero.

    References
    ----------
    Freeman and Adelson, "The design and use of steerable filters", IEEE PAMI 13, 1991.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> y, x = np.mgrid[:21, :21]
    >>> ramp = np.sin(0.5) * y + np.cos(0.5) * x
    >>> fa.convolve(ramp, fa.steerable_bank(2.0, [0.5, 0.5 + np.pi / 2]))[:, 10, 10].round(9) + 0.0
    array([1., 0.])
    """
    axes, degree = dimensions(ndim), integer("order", order, 1, 2)
    sigmas = per_axis("sigma", real("sigma", sigma, 0.0), axes, lambda name, value: value)
    along = SampledAxes(sigmas, (1.0,) * axes, None, None, real("truncate", truncate, 0.0))
    rows = []
    for u in _unit_vectors(directions, axes):
        terms = []
        for chosen in combinations_with_replacement(range(axes), degree):
            share = math.prod(u[axis] for axis in chosen) * len({*chosen})  # twice where the axes differ
            if abs(share) > 1e-15:
                terms.append(share * along.derivative([chosen.count(axis) for axis in range(axes)], False))
        rows.append(sum_of(terms))
    return Bank.stack(rows)


def gabor_bank(
    frequencies: float | Sequence[float],
    directions: int | ArrayLike,
    *,
    bandwidth: float = 1.0,
    ndim: int = 2,
    truncate: float = 3.0,
) -> Bank:
    """Return Gabor filters of several frequencies and directions in pairs, an even one and an odd one.

    Parameters
    ----------
    frequencies : float or sequence of float
        Frequencies in cycles per sample, above zero and at most 0.5.
    directions : int, or array_like of shape ``(count,)`` or ``(count, ndim)``
        Directions of the waves, as for `steerable_bank`.
    bandwidth : float, optional
        Bandwidth in octaves; the Gaussian is as wide along the wave as across it.
    ndim : int, optional
        Number of dimensions; numbers and angles are for 2.
    truncate : float, optional
        Radius of the kernels in standard deviations.

    Returns
    -------
    Bank
        First the even filters, for each frequency those of all directions; then the odd ones in the same order. They
        are real and imaginary part of `gabor`; the complex answer is ``y[:n] + 1j * y[n:]`` for n pairs.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, or a vector is zero.

    See Also
    --------
    quadrature : Magnitude and phase of the answers.

    Notes
    -----
    Real filters share their work and have real gradients. In three dimensions and more, each is a sum of outer
    products, which reaches `truncate` standard deviations along every axis.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> stripes = np.cos(2 * np.pi * 0.2 * np.arange(60)) + np.zeros((60, 1))
    >>> magnitude, phase = fa.quadrature(fa.convolve(stripes, fa.gabor_bank(0.2, 4)))
    >>> magnitude[:, 30, 30].round(2), phase[0, 30, 30].round(2) + 0.0
    (array([0.5 , 0.01, 0.  , 0.01]), np.float64(0.0))
    """
    axes = dimensions(ndim)
    given = frequencies if is_sequence(frequencies) else (frequencies,)
    cycles = [real("frequencies", frequency, 0.0, 0.5, open_end=True) for frequency in given]  # type: ignore[union-attr]
    reach = real("truncate", truncate, 0.0)
    vectors = _unit_vectors(directions, axes)
    pairs = [_pair(frequency, vector, bandwidth, reach) for frequency in cycles for vector in vectors]
    if not pairs:
        raise ArgumentError("frequencies", "at least one", "none")
    return Bank.stack([even for even, _ in pairs] + [odd for _, odd in pairs])


def quadrature(answers: Any) -> tuple[Any, Any]:
    """Return magnitude and phase of the answers of pairs of filters, an even one and an odd one.

    Parameters
    ----------
    answers : ndarray or torch.Tensor, shape ``(2 * n, ...)``
        The answers of n even filters, then of the n odd ones, as of `gabor_bank`. Arrays of xarray, dask and JAX can
        be passed too.

    Returns
    -------
    tuple of two ndarray or torch.Tensor, shape ``(n, ...)``
        The magnitudes, and the phases in radians from -pi to pi.

    Raises
    ------
    ArgumentError
        The first axis has no even length.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.quadrature(np.array([3.0, 0.0, 4.0, -1.0]))
    (array([5., 1.]), array([ 0.92729522, -1.57079633]))
    """
    count = answers.shape[0] if getattr(answers, "shape", ()) else 0
    if count % 2 or not count:
        expected = "an array whose first axis has even and odd answers"
        received = f"shape {tuple(answers.shape)}" if hasattr(answers, "shape") else type(answers).__name__
        raise ArgumentError("answers", expected, received)
    even, odd = answers[: count // 2], answers[count // 2 :]
    if is_tensor(answers):
        return even.hypot(odd), odd.atan2(even)
    space = answers.__array_namespace__() if hasattr(answers, "__array_namespace__") else np
    return space.hypot(even, odd), space.arctan2(odd, even)


def _unit_vectors(directions: Any, axes: int) -> NDArray[np.float64]:
    """Return directions as vectors of length one, a row for each."""
    if is_integer(directions):
        count = integer("directions", directions, 1)
        directions = np.arange(count) * (math.pi / count)
    try:
        given = np.asarray(directions, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.ndim == 1 and axes == 2:
        given = np.stack([np.sin(given), np.cos(given)], axis=1)
    if given.ndim != 2 or given.shape[1] != axes or not len(given):
        kinds = "a number, angles, or vectors of 2 numbers" if axes == 2 else f"vectors of {axes} numbers"
        received = f"shape {np.shape(directions)}" if len(given) else repr(directions)
        raise ArgumentError("directions", f"{kinds} for ndim={axes}", received)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise ArgumentError("directions", "finite vectors other than zero", repr(directions))
    vectors: NDArray[np.float64] = given / lengths
    return vectors


def _pair(frequency: float, vector: NDArray[np.float64], bandwidth: float, truncate: float) -> tuple[Kernel, Kernel]:
    """Return the even and the odd Gabor filter of a frequency and a direction."""
    if len(vector) == 2:
        angle = math.atan2(vector[0], vector[1])
        both = gabor(frequency, angle, bandwidth=bandwidth, truncate=truncate)
        return both.real, both.imag
    sigma = octave_sigma(frequency, bandwidth)
    check_named("frequencies", 2 * truncate * sigma + 3)
    radius = max(1, math.ceil(truncate * sigma))
    lags = np.arange(-radius, radius + 1)
    envelope = np.exp(-0.5 * (lags / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma)
    # exp(i a) exp(i b) = (cos a cos b - sin a sin b) + i (cos a sin b + sin a cos b), axis by axis.
    even: list[list[NDArray[np.float64]]] = [[]]
    odd: list[list[NDArray[np.float64]]] = []
    for component in vector:
        turn = 2 * math.pi * frequency * lags * component
        cos, sin = envelope * np.cos(turn), envelope * np.sin(turn)
        waves = component != 0
        even, odd = (
            [[*term, cos] for term in even] + [[*term, -sin] for term in odd if waves],
            [[*term, sin] for term in even if waves] + [[*term, cos] for term in odd],
        )
    first, second = (sum_of(outer([*map(Taps, term)]) for term in terms) for terms in (even, odd))
    return first, second
