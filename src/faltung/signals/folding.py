"""How does a transpose undo what an extension does? Copies are added up, zeros are put between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.arrays import is_tensor
from faltung.ground.boundary import index_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fold", "spread"]


def spread(y: Any, axes: Sequence[int], stride: Sequence[int]) -> Any:
    """Return an array with zeros between neighbouring samples: the transpose of taking every one of a stride.

    Examples
    --------
    >>> spread(np.array([1.0, 2.0, 3.0]), [0], [2])
    array([1., 0., 2., 0., 3.])
    """
    if {*stride} == {1}:
        return y
    shape, every = list(y.shape), [slice(None)] * y.ndim
    for axis, step in zip(axes, stride, strict=True):
        shape[axis] = step * (shape[axis] - 1) + 1
        every[axis] = slice(None, None, step)
    result = y.new_zeros(shape) if is_tensor(y) else np.zeros(shape, y.dtype)
    result[tuple(every)] = y
    return result


def fold(extended: Any, axis: int, start: int, length: int, mode: str) -> Any:
    """Return the transpose of an extension along an axis: the values at all copies of a sample are added.

    Parameters
    ----------
    extended : ndarray or torch.Tensor
        Values at the positions from `start` on. An array is overwritten, and the result may be a view of it.
    axis, start, length, mode
        The axis, its first position, the samples of the array along it, and how it was extended.

    Examples
    --------
    >>> fold(np.array([1.0, 2.0, 10.0, 20.0, 30.0, 4.0]), 0, -2, 3, "reflect")
    array([12., 21., 34.])
    """
    count = extended.shape[axis]
    if is_tensor(extended):
        from faltung.tensors.extension import fold as fold_tensor  # torch is loaded where there are tensors

        return fold_tensor(extended.movedim(axis, -1), [start], [length], [mode]).movedim(-1, axis)
    values = np.moveaxis(extended, axis, 0)
    first, stop = max(-start, 0), min(length - start, count)  # what is inside the array
    if start <= 0 and start + count >= length:
        total = values[first:stop]
    else:
        total = np.zeros((length, *values.shape[1:]), values.dtype)
        if first < stop:
            total[first + start : stop + start] = values[first:stop]
    if mode != "constant":
        index = index_map(mode, length, start, start + count)
        first = min(first, count)
        for part in (slice(0, first), slice(max(stop, first, 0), count)):
            _add_copies(total, values[part], index[part])
    return np.moveaxis(total, 0, axis)


def _add_copies(total: NDArray[Any], copies: NDArray[Any], index: NDArray[np.int64]) -> None:
    """Add values to the samples that they are copies of, one run of neighbours after the other."""
    steps = np.diff(index)
    cuts = {*(np.flatnonzero(np.diff(steps)) + 2).tolist(), *(np.flatnonzero(abs(steps) > 1) + 1).tolist()}
    ends = sorted({0, len(index), *cuts})
    for a, b in itertools.pairwise(ends):
        low, high = sorted((int(index[a]), int(index[b - 1])))
        if low == high:
            total[low] += copies[a:b].sum(0)
        else:
            total[low : high + 1] += copies[a:b] if index[a] == low else copies[a:b][::-1]
