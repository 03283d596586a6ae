"""Which filter turns one image into another? The exact minimiser of the squared error, by normal equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.fit.displacement import displacement, shift_of
from faltung.fit.fit_data import FitData, fit_data
from faltung.fit.fit_report import FitReport, explained
from faltung.fit.held_out import held_out_risk, squared_errors
from faltung.fit.nonnegative import minimise_nonnegative
from faltung.fit.normal_equations import NormalEquations, normal_equations
from faltung.fit.quadratic import Minimum, minimise
from faltung.fit.ties import check_symmetry, ties_of
from faltung.ground.checks import non_negative as at_least_zero
from faltung.ground.threads import worker_count
from faltung.kernels import Bank, Kernel

if TYPE_CHECKING:
    from faltung.fit.pairs import Reader

__all__ = ["as_filter", "fit_filter", "flag", "training_equations"]

#: Sums of squares below this have few digits, or none.
_LEAST_SQUARES = 1e-300
#: How far from one the sum of taps that are to sum to one may be, for rounding.
_SUM_ERROR = 1e-3


@np.errstate(all="ignore")  # sums and taps that are out of range are refused
def fit_filter(
    x: Any,
    y: Any,
    size: int | Sequence[int],
    *,
    mode: str | Sequence[str] | None = None,
    cval: float = 0.0,
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    mask: Any = None,
    weights: Any = None,
    ridge: float = 0.0,
    offset: bool = True,
    sum_to_one: bool = False,
    non_negative: bool = False,
    symmetric: str | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    read: Reader | None = None,
    workers: int | None = None,
) -> tuple[Kernel | Bank, FitReport]:
    """Return the filter k of a given size for which ``convolve(x, k) + offset`` is closest to `y`, and a report.

        k, c = argmin  sum_n w[n] (y[n] - c - sum_m k[m] x[n - m])^2 / sum_n w[n]  +  ridge sum_m k[m]^2

    The minimum is exact: the normal equations are summed in double precision over tiles, and solved. With channels,
    there is a filter for each pair of channel out and channel in. The offset c is in the report.

    Parameters
    ----------
    x, y : array_like, or list of these
        Input and target, real, of the same shape; only the number of channels may differ. Arrays stored in chunks
        (dask, zarr, h5py) are read a part at a time. If `x` is a list, `y` is a list of the same length.
    size : int or sequence of int
        Number of taps, along all axes or along each. The tap at lag zero has the index ``size // 2``.
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, or a sequence of these, optional
        How `x` continued beyond its border when `y` was made, as for `faltung.convolve`. By default this is taken as
        unknown: outputs whose taps reach beyond the border are left out.
    cval : float, optional
        The value beyond the border for ``constant``.
    axes : int or sequence of int, optional
        Axis of `x` for each axis of the filter. By default these are all axes except that of channels, or as many of
        the last ones as `size` has numbers. Images along other axes, such as the pages of a stack, share the filter:
        ``axes=(0, 1)`` fits one filter to all colours of an image (height, width, colours).
    channel_axis : int, optional
        Axis of the channels.
    mask : array_like of bool, optional
        False at outputs that are left out, in the shape of `x` without channels.
    weights : array_like, optional
        Weight of each output, in the same shape; not negative. This takes longer, because the fast sums need equal
        weights.
    ridge : float, optional
        Penalty on the squares of taps; its unit is that of the square of `x`.
    offset : bool, optional
        Whether a constant may be added to each channel out, such as a change of brightness. Without it a difference
        of brightness bends the taps.
    sum_to_one : bool, optional
        Whether the taps of each channel out must sum to one.
    non_negative : bool, optional
        Whether no tap may be negative.
    symmetric : {'point', 'mirror'}, optional
        Whether the taps must stay the same if all axes are reversed together, or each axis by itself.
    held_out : float, optional
        Fraction of the tiles, up to 0.5, that the filter is not fitted to but judged by.
    seed : int, optional
        Seed of the choice of those tiles.
    read : callable, optional
        Makes an array of an item of `x` or `y`, for instance of the path of a file: ``numpy.load``, or
        ``tifffile.imread``. Every file is read once for the sums, and again for the held-out risk.
    workers : int, optional
        Number of threads; the default is that of `faltung.workers`. The result does not depend on it.

    Returns
    -------
    k : Kernel, or Bank if `channel_axis` is given
        The filter, in double precision. A bank has taps of shape ``(channels out, channels in, *size)``.
    report : FitReport
        The offset, the share of the variance of `y` that is explained, the risks, and how well the data determine
        the filter.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used, or there is no output to fit to.
    FaltungError
        The data do not determine non-negative taps well enough.

    See Also
    --------
    faltung.fit.fit_filter_by_gradient : any loss that can be differentiated.

    Notes
    -----
    An output is left out if its target, or a sample under its taps, is not finite. If the data do not determine all
    taps, as in images without detail, the filter of smallest norm is chosen, and the report says so.

    If the images are moved against each other further than the taps reach, no filter of this size can bring them
    together. The report says how far, found from the phases of their spectra.

    References
    ----------
    N. Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", 1949. This is his filter for
    finite data and finite support.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.random.default_rng(0).normal(size=(60, 80))
    >>> k, report = fa.fit_filter(x, fa.convolve(x, fa.sobel(axis=1)), size=3)
    >>> k.isclose(fa.sobel(axis=1))
    True
    >>> report.rank, report.positions, report.held_out_positions
    (9, 3560, 964)
    """
    data = fit_data(
        x,
        y,
        size,
        mode=mode,
        cval=cval,
        axes=axes,
        channel_axis=channel_axis,
        mask=mask,
        weights=weights,
        held_out=held_out,
        seed=seed,
        read=read,
        centred=flag("offset", offset),
    )
    penalty, count = at_least_zero("ridge", ridge), worker_count(workers)
    check_symmetry(symmetric)
    sums = training_equations(data, count)
    equations = sums.about_means() if offset else sums
    taps, minimum, freedom = _solve(equations, penalty, sum_to_one, non_negative, symmetric)
    if not np.isfinite(taps).all():
        expected = "samples that are not so much larger than those of x that the taps are out of range"
        raise ArgumentError("y", expected, "larger ones", "Divide y by a constant.")
    rows = taps.reshape(len(taps), -1)
    above = sums.offset(rows) if offset else np.zeros(len(taps))
    judged = held_out_risk(data.held_out(), partial(squared_errors, taps=taps, offset=above), sums.means, count)
    k = as_filter(taps, as_bank=channel_axis is not None)
    report = FitReport(
        training_risk=equations.risk(rows),
        explained=explained(equations.risk(rows), sums.variance),
        held_out_risk=judged.risk,
        held_out_explained=explained(judged.risk, judged.variance),
        held_out_interval=judged.interval,
        positions=equations.positions,
        held_out_positions=judged.positions,
        held_out_tiles=judged.tiles,
        missing=equations.missing + judged.missing,
        condition=minimum.condition,
        unknowns=len(minimum.eigenvalues),
        rank=minimum.rank,
        degrees_of_freedom=freedom,
        offset=tuple(sums.between_samples(above, rows).tolist()) if offset else None,
        shift=shift_of(k) if isinstance(k, Kernel) else None,
        displacement=displacement(data),
    )
    return k, report


def training_equations(data: FitData, workers: int) -> NormalEquations:
    """Return the normal equations of the training tiles.

    Raises
    ------
    ArgumentError
        There is no output to fit to, or the sums are not finite.
    """
    equations = normal_equations(data.training(), workers)
    if not equations.weight > 0:
        received = f"none, {equations.missing} were left out with samples missing" if equations.missing else "none"
        remedy = "Check mask, weights, and samples that are not finite."
        raise ArgumentError("y", "at least one output to fit to", received, remedy)
    largest, expected = float(np.abs(equations.gram).max()), "samples whose squares can be summed in double precision"
    if not math.isfinite(largest) or not np.isfinite(equations.moment).all():
        raise ArgumentError("x", expected, "larger ones", "Divide x and y by a constant.")
    if not math.isfinite(equations.energy):
        raise ArgumentError("y", expected, "larger ones", "Divide x and y by a constant.")
    if largest < _LEAST_SQUARES and equations.windows.any():
        raise ArgumentError("x", expected, "smaller ones", "Multiply x and y by a constant.")
    return equations


def as_filter(taps: NDArray[np.float64], as_bank: bool) -> Kernel | Bank:
    """Return the filter whose convolution is the correlation with taps ``(channels out, channels in, *size)``."""
    flipped = np.flip(taps, tuple(range(2, taps.ndim)))
    return Bank(flipped) if as_bank else Kernel(flipped[0, 0])


def flag(name: str, value: Any) -> bool:
    """Return a choice between yes and no."""
    if not isinstance(value, bool | np.bool_):
        remedy = "Its value is found: see report.offset."
        raise ArgumentTypeError(name, "True or False", repr(value), remedy)
    return bool(value)


def _solve(
    equations: NormalEquations, ridge: float, sum_to_one: bool, positive: bool, symmetric: str | None
) -> tuple[NDArray[np.float64], Minimum, float]:
    """Return the taps of the correlation, the minimum before `positive` is applied, and the degrees of freedom."""
    ties = ties_of(symmetric, equations.channels, equations.size)
    a = ties.gather(ties.gather(equations.gram / equations.weight).T)
    b = ties.gather(equations.moment / equations.weight)
    normal = ties.gather(np.ones((1, len(equations.gram))))[0] if sum_to_one else None
    minimum = minimise(a, b, ridge, normal)
    points, freedom = minimum.points, len(b) * minimum.degrees_of_freedom
    if positive:
        ridged = a + ridge * np.eye(len(a))
        points = np.stack([minimise_nonnegative(ridged, *pair, normal) for pair in zip(b, points, strict=True)])
    if normal is not None and not (np.abs(points @ normal - 1) < _SUM_ERROR).all():
        expected = "samples of about the scale of x, so that taps that sum to one can be told from the others"
        raise ArgumentError("y", expected, "much larger ones", "Divide y by a constant, or leave out the sum.")
    if positive:
        freedom = math.fsum(_freedom(a, point > 0, ridge, normal) for point in points)
    return ties.spread(points).reshape(len(b), equations.channels, *equations.size), minimum, freedom


def _freedom(
    a: NDArray[np.float64], free: NDArray[np.bool_], ridge: float, normal: NDArray[np.float64] | None
) -> float:
    """Return the degrees of freedom of the free unknowns, with the others fixed at zero."""
    free_normal = None if normal is None else normal[free]
    return minimise(a[np.ix_(free, free)], np.zeros((1, free.sum())), ridge, free_normal).degrees_of_freedom
