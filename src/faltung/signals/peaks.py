"""Where are the highest scores? Local maxima, with positions between samples, from the highest to the lowest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array
from faltung.ground.checks import integer, per_axis, real

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Peaks", "peaks"]


class Peaks(NamedTuple):
    """Local maxima, from the highest to the lowest.

    Parameters
    ----------
    indices : ndarray of int, shape ``(peaks, axes)``
        The sample of each maximum.
    positions : ndarray of float64, shape ``(peaks, axes)``
        Its position between samples, in samples; at most half a sample from `indices`.
    scores : ndarray, shape ``(peaks,)``
        The values at `indices`.
    """

    indices: NDArray[np.int64]
    positions: NDArray[np.float64]
    scores: NDArray[Any]


def peaks(
    scores: ArrayLike,
    count: int | None = None,
    *,
    least: float | None = None,
    distance: int | Sequence[int] = 1,
) -> Peaks:
    r"""Return the local maxima of an array, from the highest to the lowest, with positions between samples.

    Parameters
    ----------
    scores : array_like
        Real numbers, such as the result of `match` for one template. NaN is no maximum, and is no neighbour.
    count : int, optional
        The largest number of maxima; the default is all.
    least : float, optional
        The least value of a maximum.
    distance : int or sequence of int, optional
        Two maxima are at least this many samples apart along one axis at least; of two that are closer, the higher
        one is kept. The default leaves out nothing.

    Returns
    -------
    Peaks
        The samples of the maxima, their positions and their values.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    match : How well a template matches at every position.

    Notes
    -----
    A sample is a maximum if no neighbour, diagonal ones included, is higher, and one of them is lower; samples at the
    border have fewer neighbours. Neighbours that are equal are one plateau, whose maximum is the first of its samples
    in the order of the array. Equal maxima are in that order, too.

    Between samples, a parabola through a maximum f(0) and its neighbours along an axis has its vertex at

    .. math:: \frac{f(-1) - f(1)}{2 (f(-1) - 2 f(0) + f(1))}.

    Where a neighbour is missing, at the border or because it is not finite, the position is that of the sample.

    Examples
    --------
    >>> import faltung as fa
    >>> found = fa.peaks([0.0, 3.0, 4.0, 1.0, 0.0, 2.0])
    >>> found.positions.ravel(), found.scores
    (array([1.75, 5.  ]), array([4., 2.]))
    """
    array = as_array(scores, "scores")
    if array.dtype.kind == "c" or not array.ndim:
        received = f"dtype {array.dtype}" if array.ndim else "a number"
        raise ArgumentError("scores", "an array of real numbers with at least one axis", received)
    most = None if count is None else integer("count", count, 0)
    apart = per_axis("distance", distance, array.ndim, lambda name, value: integer(name, value, 1))
    values = array if array.dtype.kind == "f" else array.astype(np.float64)
    indices = np.flatnonzero(_maxima(values, None if least is None else real("least", least)))
    indices = indices[np.argsort(-values.ravel()[indices], kind="stable")]
    places = np.stack(np.unravel_index(indices, values.shape), axis=-1)
    places = places[_kept(places, apart, most, values.shape)]
    return Peaks(places, _between(values, places), array[tuple(places.T)])


def _maxima(values: NDArray[Any], least: float | None) -> NDArray[np.bool_]:
    """Return where no neighbour is higher and one is lower; of a plateau, where its first sample is."""
    usable = ~np.isnan(values) if least is None else values >= least
    highest, above_one = usable.copy(), np.zeros(values.shape, np.bool_)
    order, pairs = np.arange(values.size).reshape(values.shape), []
    for step in np.ndindex((3,) * values.ndim):
        offset = [one - 1 for one in step]
        if not any(offset):
            continue
        here = tuple(slice(max(-by, 0), max(min(n - by, n), 0)) for by, n in zip(offset, values.shape, strict=True))
        there = tuple(slice(max(by, 0), max(min(n + by, n), 0)) for by, n in zip(offset, values.shape, strict=True))
        inner, beside = values[here], values[there]
        highest[here] &= ~(beside > inner)
        above_one[here] |= beside < inner
        if next(by for by in offset if by) > 0:
            equal = (beside == inner) & usable[here]
            pairs.append(np.stack([order[here][equal], order[there][equal]]))
    _join(np.concatenate(pairs, axis=1), highest.reshape(-1), above_one.reshape(-1))
    return highest & above_one


def _join(pairs: NDArray[np.int64], highest: NDArray[np.bool_], above_one: NDArray[np.bool_]) -> None:
    """Let the first sample of each plateau speak for it: for a pair of equal neighbours, both are on one plateau."""
    members, numbers = np.unique(pairs, return_inverse=True)
    first, (one, other) = np.arange(len(members)), numbers.reshape(pairs.shape)
    while (first[one] != first[other]).any():
        low, high = np.minimum(first[one], first[other]), np.maximum(first[one], first[other])
        np.minimum.at(first, high, low)
        while (first[first] != first).any():
            first = first[first]
    no_maximum = np.zeros(len(members), np.bool_)
    np.logical_or.at(no_maximum, first, ~highest[members])
    some = np.zeros(len(members), np.bool_)
    np.logical_or.at(some, first, above_one[members])
    highest[members] = ~no_maximum & (first == np.arange(len(members)))
    above_one[members] = some


def _kept(
    places: NDArray[np.int64], apart: tuple[int, ...], most: int | None, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return which maxima, sorted by height, have no higher one nearby that is kept."""
    if all(one == 1 for one in apart):
        return np.arange(len(places))[:most]
    taken = np.zeros(shape, np.bool_)
    kept: list[int] = []
    for index, place in enumerate(places):
        if most is not None and len(kept) >= most:
            break
        if not taken[tuple(place)]:
            kept.append(index)
            taken[tuple(slice(max(at - by + 1, 0), at + by) for at, by in zip(place, apart, strict=True))] = True
    return np.array(kept, np.int64)


def _between(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the vertices of parabolas through maxima and their neighbours along each axis."""
    positions = places.astype(np.float64)
    middle = values[tuple(places.T)].astype(np.float64)
    for axis, length in enumerate(values.shape):
        at = places[:, axis]
        inner = (at > 0) & (at < length - 1)
        beside = []
        for by in (-1, 1):
            moved = places.copy()
            moved[:, axis] = np.clip(at + by, 0, length - 1)
            beside.append(values[tuple(moved.T)].astype(np.float64))
        before, after = beside
        with np.errstate(all="ignore"):
            step = (before - after) / (2 * (before - 2 * middle + after))
        usable = inner & np.isfinite(step)
        positions[usable, axis] += np.clip(step[usable], -0.5, 0.5)
    return positions
