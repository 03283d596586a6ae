"""How does a layer of 3 x 3 kernels run with few multiplications? Tile by tile, in the values at points."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.engines.winograd.minimal_filter import (
    MinimalFilter,
    minimal_filter,
    sums_of_points,
    values_at_points,
)
from faltung.ground.extended import FILL, byte_offsets
from faltung.planning.layer import Layer
from faltung.run.layer_run import Run, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TILES", "Correlated", "correlate_winograd", "nbytes", "refusal"]

#: Outputs of a tile along each axis.
TILES = (2, 4)


class Correlated(NamedTuple):
    """The outputs, and whether all of them are finite (False may be a false alarm)."""

    out: NDArray[Any]
    finite: bool


class _Arrays:
    """Arithmetic of transforms on arrays."""

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def subtract(self, a: Any, b: Any) -> Any:
        return a - b

    def multiply_add(self, factor: Fraction, a: Any, b: Any) -> Any:
        product = a.dtype.type(factor) * a
        return product if b is None else product + b


def refusal(layer: Layer, dtype: np.dtype[Any]) -> str:
    """Return why a layer cannot be computed in tiles with numbers of this dtype, or an empty string if it can."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        return "the numbers are neither single nor double precision"
    if len(layer.axes) != 2 or any(axis.size != 3 for axis in layer.axes):
        return "the kernels are not 3 x 3"
    if layer.strided or any(axis.dilation > 1 for axis in layer.axes):
        return "stride or dilation is above 1"
    return ""


def nbytes(layer: Layer, dtype: np.dtype[Any], tile: int) -> int:
    """Return the bytes of the transformed taps, which are kept."""
    points = (tile + 2) ** 2
    return points * layer.groups * layer.outs * layer.ins * np.dtype(dtype).itemsize


def correlate_winograd(
    layer: Layer,
    x: NDArray[Any],
    taps: NDArray[Any],
    bias: NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
    *,
    tile: int = 4,
    workers: int = 1,
    run: Run = in_threads,
) -> Correlated:
    """Correlate with a bank of 3 x 3 kernels.

    Parameters
    ----------
    layer : Layer
        The layer, for which there is no `refusal`.
    x : ndarray
        Samples, of shape `Layer.source_shape` and the dtype of `taps`, with any strides. Contiguous channels
        (channels last) and contiguous rows (channels first) are read in place.
    taps : ndarray
        The taps of all channels, of shape `Layer.taps_shape`, in single or double precision.
    bias : ndarray, optional
        A number for each channel out that is added.
    out : ndarray, optional
        Where to write the result, of shape `Layer.target_shape` and the dtype of `taps`, with any strides.
    tile : int
        Outputs of a tile along each axis, 4 or 2: the fewer, the smaller the rounding errors.
    workers : int
        Number of threads; the result does not depend on it.
    run : callable
        Runs the machine code.

    Returns
    -------
    Correlated
        The result, and whether it is finite. Where a sample that is not finite is read, all outputs of its tile may
        be NaN.
    """
    if out is None:
        out = np.empty(layer.target_shape, taps.dtype)
    if not layer.multiply_adds:
        out[...] = 0 if bias is None else np.reshape(bias, (1, -1, 1, 1))
        return Correlated(out, True)
    filter_ = minimal_filter(tile)
    u = _transformed(filter_, taps)
    n = filter_.points
    rows, columns = layer.axes
    counts = [-(-axis.outputs // tile) for axis in layer.axes]
    padded = _extended(layer, x, [count * tile + 2 for count in counts])
    d = np.lib.stride_tricks.sliding_window_view(padded, (n, n), (2, 3))[:, :, ::tile, ::tile]
    v = _both(values_at_points, filter_, [[d[..., i, j] for j in range(n)] for i in range(n)])
    result = np.empty((layer.images, layer.groups * layer.outs, *(count * tile for count in counts)), taps.dtype)
    for group in range(layer.groups):
        ins = slice(group * layer.ins, (group + 1) * layer.ins)
        outs = slice(group * layer.outs, (group + 1) * layer.outs)
        m = [[_product(u[i, j, outs], v[i][j][:, ins]) for j in range(n)] for i in range(n)]
        y = _both(sums_of_points, filter_, m)
        for i in range(tile):
            for j in range(tile):
                result[:, outs, i::tile, j::tile] = y[i][j]
    if bias is not None:
        result += np.reshape(bias, (1, -1, 1, 1)).astype(taps.dtype)
    out[...] = result[:, :, : rows.outputs, : columns.outputs]
    return Correlated(out, bool(np.isfinite(out).all()))


def _both(transform: Any, filter_: MinimalFilter, values: list[list[Any]]) -> list[list[Any]]:
    """Apply a transform to the columns, then to the rows."""
    numbers = _Arrays()
    with np.errstate(all="ignore"):
        columns = [transform(filter_, list(column), numbers) for column in zip(*values, strict=True)]
        return [transform(filter_, list(row), numbers) for row in zip(*columns, strict=True)]


def _product(u: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    total: NDArray[Any] = np.zeros((v.shape[0], u.shape[0], *v.shape[2:]), u.dtype)
    with np.errstate(all="ignore"):
        for c in range(u.shape[1]):
            total += u[:, c, np.newaxis, np.newaxis] * v[:, c, np.newaxis]
    return total


def _transformed(filter_: MinimalFilter, taps: NDArray[Any]) -> NDArray[Any]:
    """Values of taps at the points, computed in double precision: shape (points, points, outs, ins)."""
    g = np.array(filter_.g, np.float64)
    with np.errstate(all="ignore"):
        values: NDArray[Any] = np.einsum("pi,qj,ocij->pqoc", g, g, taps.astype(np.float64)).astype(taps.dtype)
    return values


def _extended(layer: Layer, x: NDArray[Any], lengths: list[int]) -> NDArray[Any]:
    """Return the samples that tiles read, extended across the border; behind the last one that is needed, its copies."""
    for number, (axis, length) in enumerate(zip(layer.axes, lengths, strict=True), 2):
        positions = np.minimum(axis.start + np.arange(length), axis.stop - 1)
        positions = byte_offsets(axis.mode, axis.length, positions, 1)
        outside = positions == FILL
        x = x.take(np.where(outside, 0, positions), number)
        x[(slice(None),) * number + (outside,)] = layer.cval
    return x
