"""Which kernel has the response that is closest to a desired one in some bands of frequencies? Least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_number, is_sequence, real
from faltung.kernels.fir_design import odd_size
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.naming import named

__all__ = ["least_squares_fir"]

_MOST_FITTED = 4095  # taps that are found by solving equations for them


@named
def least_squares_fir(
    bands: Sequence[Sequence[float]],
    desired: Sequence[float] | Sequence[Sequence[float]],
    size: int,
    weights: Sequence[float] | None = None,
    *,
    rate: float = 1.0,
) -> Kernel:
    """Return the filter whose response has the least squared error in some bands of frequencies.

        k minimises    sum over bands of weight * integral of (K(f) - D(f))^2 df

    Parameters
    ----------
    bands : sequence of pairs of float
        The lowest and the highest frequency of each band, ascending, from 0 to ``rate / 2``. What is between bands
        does not matter.
    desired : sequence of float, or of pairs of float
        The response D: one number for each band, or a pair, its values at both ends of the band, between which it is
        straight.
    size : int
        Number of taps, odd, at most 4095.
    weights : sequence of float, optional
        A positive number for each band; the default is 1.
    rate : float, optional
        Samples per unit of time or length, as for `lowpass`.

    Returns
    -------
    Kernel
        The kernel, in one dimension, even about the origin.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument is out of range, `size` is even, or `desired` or `weights` has not one entry for each band.

    References
    ----------
    Selesnick, "Linear-phase FIR filter design by least squares", 2005. The taps are those of `scipy.signal.firls`
    where the bands determine them. Narrow bands determine only some sums of many taps; the others are then zero.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.least_squares_fir([(0, 0.1), (0.2, 0.5)], [1, 0], 5).taps.round(3)
    array([0.132, 0.252, 0.304, 0.252, 0.132])
    """
    taps = odd_size(size, 1, _MOST_FITTED)
    per_unit = real("rate", rate, 0.0, open_end=True)
    edges = _table("bands", bands, (2,)) / per_unit
    flat = edges.ravel()
    if (flat < 0).any() or (flat > 0.5).any() or (np.diff(edges) <= 0).any() or (np.diff(flat) < 0).any():
        expected = f"pairs of ascending frequencies from 0 to rate / 2 = {per_unit / 2:g}, that do not overlap"
        raise ArgumentError("bands", expected, repr(bands))
    if is_sequence(desired) and any(map(is_sequence, desired)):  # a number is the same at both ends of its band
        desired = [one if is_sequence(one) else (one, one) for one in desired]  # type: ignore[assignment]
    ends = _table("desired", desired, (), (2,))
    ends = np.stack([ends, ends], axis=1) if ends.ndim == 1 else ends
    weigh = np.ones(len(edges)) if weights is None else _table("weights", weights, ())
    for name, given in (("desired", ends), ("weights", weigh)):
        if len(given) != len(edges):
            raise ArgumentError(name, f"one entry for each of {len(edges)} bands", f"{len(given)}")
    if (weigh <= 0).any():
        raise ArgumentError("weights", "positive numbers", repr(weights), "Leave a band out that does not matter.")
    half = _fitted_cosines(edges, ends, weigh, taps // 2)
    half[1:] /= 2
    return Taps(np.concatenate([half[:0:-1], half]))


def _fitted_cosines(
    edges: NDArray[np.float64], ends: NDArray[np.float64], weights: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """Return the amplitudes of the cosines of 0 to `most` cycles whose sum is closest to straight lines in bands."""
    low, high = edges[:, :1], edges[:, 1:]
    at_low, at_high = ends[:, :1], ends[:, 1:]

    def integrals(n: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return those of cos(2 pi n f) over all bands."""
        return np.asarray(weights @ (high * np.sinc(2 * n * high) - low * np.sinc(2 * n * low)))

    n = np.arange(2.0 * most + 1)
    products = integrals(n)
    i = np.arange(most + 1)
    normal = (products[np.abs(i[:, np.newaxis] - i)] + products[i[:, np.newaxis] + i]) / 2
    n = n[: most + 1]
    right = at_high * high * np.sinc(2 * n * high) - at_low * low * np.sinc(2 * n * low)
    turns, slope = 2 * math.pi * n[1:], (at_high - at_low) / (high - low)
    right[:, 1:] += slope * (np.cos(turns * high) - np.cos(turns * low)) / turns**2
    right[:, :1] = (at_low + at_high) / 2 * (high - low)
    # What rounding leaves undetermined stays zero: solved for, it would be noise, millions of times the taps.
    if np.linalg.cond(normal, 1) * len(normal) * np.finfo(np.float64).eps < 1:
        return np.asarray(np.linalg.solve(normal, weights @ right))
    return np.asarray(np.linalg.lstsq(normal, weights @ right, rcond=None)[0])


def _table(name: str, value: Any, *rows: tuple[int, ...]) -> NDArray[np.float64]:
    """Return finite numbers as an array, with a row of one of these shapes for each band."""
    expected = " or ".join("a pair" if row else "a number" for row in rows) + " for each band"
    if is_number(value):
        raise ArgumentTypeError(name, expected, repr(value))
    try:
        table = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(name, expected, repr(value)) from None
    if table.shape[1:] not in rows or not len(table) or not np.isfinite(table).all():
        raise ArgumentError(name, expected + ", of finite numbers", repr(value))
    return table
