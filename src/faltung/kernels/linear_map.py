"""Which matrix is it? A convolution as the fully connected layer that it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, MissingExtraError
from faltung.ground.boundary import MODES, OUTSIDE, check_mode
from faltung.ground.checks import integer, is_sequence, per_axis
from faltung.ground.regions import check_shape, regions
from faltung.kernels.taps import MOST_TAPS, TapArray

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Indices = NDArray[np.int64]

__all__ = ["Geometry", "as_geometry", "assemble", "check_groups", "check_origin", "matrix_of", "sparse_arrays"]

#: Entries of a matrix, before those on the same sample are added up: some 5 GB while they are put in order.
_MOST_ENTRIES = 2**28
#: Stride and dilation, and origin: positions that far out still fit into the integers that they are counted with.
_LARGEST_STEP = 2**20
_FARTHEST = 2**40


def matrix_of(
    taps: TapArray,
    origin: tuple[int, ...],
    lengths: Any,
    mode: Any,
    shape: Any,
    stride: Any,
    dilation: Any,
    groups: Any,
) -> csr_array:
    """Return the matrix of a convolution; `Bank.matrix` says what the parameters mean."""
    sparse_arrays("Bank.matrix")  # what is missing is said before any work
    geometry = as_geometry(lengths, taps.ndim - 2, mode, shape, stride, dilation)
    groups = check_groups(groups, taps.shape[0])
    size = taps.shape[2:]
    outputs, _ = geometry.outputs(size, check_origin(origin))
    used = int(np.count_nonzero(taps.any(axis=(0, 1))))
    entries = math.prod(map(len, outputs)) * taps.shape[0] * taps.shape[1] * max(1, used)
    if entries > _MOST_ENTRIES:
        remedy = "Take smaller lengths: the taps are the same at any."
        raise ArgumentError("lengths", f"a matrix of at most {_MOST_ENTRIES} entries", str(entries), remedy)
    lags = [np.arange(-at, count - at) for count, at in zip(size, origin, strict=True)]
    return assemble(geometry.samples(size, origin, lags), geometry.lengths, taps, groups)


def sparse_arrays(what: str) -> Any:
    """Return SciPy's module of sparse arrays, which `what` was asked for needs."""
    try:
        from scipy import sparse
    except ImportError as error:
        raise MissingExtraError(what, "matrix") from error
    return sparse


# ---- what is asked ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """What beside its taps makes a linear map of a convolution, with one number for each spatial axis."""

    lengths: tuple[int, ...]
    mode: str
    shape: str
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def outputs(self, size: tuple[int, ...], origin: tuple[int, ...]) -> tuple[list[range], str]:
        """Positions of the array for which there is an output, and the mode that holds for them."""
        sizes = tuple((count - 1) * step + 1 for count, step in zip(size, self.dilation, strict=True))
        # `origin` is that of a convolution: the reflected kernel has its own at the other end.
        origins = [count - 1 - at * step for count, at, step in zip(sizes, origin, self.dilation, strict=True)]
        found = regions(self.shape, self.lengths, sizes, origins)
        mode = "constant" if found.beyond else self.mode
        return [range(*bounds, step) for bounds, step in zip(found.bounds, self.stride, strict=True)], mode

    def samples(self, size: tuple[int, ...], origin: tuple[int, ...], lags: Sequence[Indices]) -> list[Indices]:
        """Which sample is under the tap at each lag (column) for each output (row), axis by axis."""
        outputs, mode = self.outputs(size, origin)
        return [
            MODES[mode](np.arange(at.start, at.stop, at.step, dtype=np.int64)[:, np.newaxis] - lag * step, length)
            for at, lag, step, length in zip(outputs, lags, self.dilation, self.lengths, strict=True)
        ]


def as_geometry(lengths: Any, ndim: int | None, mode: Any, shape: Any, stride: Any, dilation: Any) -> Geometry:
    """Check what is asked; where `ndim` is None, there are as many axes as lengths."""
    given = tuple(lengths) if is_sequence(lengths) else (lengths,)
    axes = max(1, len(given)) if ndim is None else ndim
    if len(given) != axes:
        expected = f"{axes} integer{'s' if axes > 1 else ''}, one for each spatial axis"
        raise ArgumentError("lengths", expected, repr(lengths))
    return Geometry(
        lengths=tuple(integer("lengths", length, 1, MOST_TAPS) for length in given),
        mode=("constant" if shape == "full" else "reflect") if mode is None else check_mode(mode),
        shape=check_shape(shape),
        stride=per_axis("stride", stride, axes, lambda name, value: integer(name, value, 1, _LARGEST_STEP)),
        dilation=per_axis("dilation", dilation, axes, lambda name, value: integer(name, value, 1, _LARGEST_STEP)),
    )


def check_groups(groups: Any, *channels: int) -> int:
    """Return the number of groups, if it divides the channels out, and in where they are told."""
    count = integer("groups", groups, 1, MOST_TAPS)
    if any(number % count for number in channels):
        names = " and ".join(f"{number} channels {way}" for number, way in zip(channels, ("out", "in"), strict=False))
        raise ArgumentError("groups", f"a divisor of {names}", str(count))
    return count


def check_origin(origin: tuple[int, ...]) -> tuple[int, ...]:
    """Return the origin, if positions can be counted from there."""
    if any(abs(at) > _FARTHEST for at in origin):
        raise ArgumentError("origin", f"indices of at most {_FARTHEST}", str(origin))
    return origin


# ---- the matrix -------------------------------------------------------------------------------------------


def assemble(samples: Sequence[Indices], lengths: tuple[int, ...], taps: TapArray, groups: int) -> csr_array:
    """Put taps where they belong; `samples` are those of a geometry, with a column for each tap along an axis."""
    (after, before), inputs, outputs = taps.shape[:2], math.prod(lengths), math.prod(map(len, samples))
    # All pairs of channels have the same pattern: which samples (columns) each output (row) sees, by which taps.
    used = np.flatnonzero(taps.any(axis=(0, 1)))
    met = _meetings(samples, lengths, np.unravel_index(used, taps.shape[2:]))
    order = np.argsort(met, axis=1, kind="stable")
    met = np.take_along_axis(met, order, axis=1)
    inside = met < inputs
    opens = inside.copy()
    opens[:, 1:] &= met[:, 1:] != met[:, :-1]
    columns, widths = met[opens], np.count_nonzero(opens, axis=1)
    values = taps.reshape(after * before, -1)[:, used[order[inside]]]
    if len(columns) < values.shape[1]:  # several taps on one sample
        values = np.add.reduceat(values, np.flatnonzero(opens[inside]), axis=1)
    # A row of the matrix is that row of the pattern once for each channel in, one after the other.
    kind = np.int32 if max(values.size, groups * before * inputs) < 2**31 else np.int64
    row, channel = np.repeat(np.arange(outputs), widths), np.arange(before)[:, np.newaxis]
    first = np.cumsum(widths) - widths
    place = (before * first[row] + channel * widths[row] + np.arange(len(row)) - first[row]).ravel()
    data, block = np.empty((after, len(place)), values.dtype), np.empty(len(place), kind)
    data[:, place] = values.reshape(after, -1)
    block[place] = (channel * inputs + columns).ravel()
    group = np.arange(after, dtype=kind)[:, np.newaxis] // (after // groups)
    indices = group * (before * inputs) + block
    ends = np.concatenate([[0], np.cumsum(np.tile(before * widths, after))]).astype(kind)
    shape = (after * outputs, groups * before * inputs)
    matrix = sparse_arrays("Bank.matrix").csr_array((data.ravel(), indices.ravel(), ends), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def _meetings(samples: Sequence[Indices], lengths: tuple[int, ...], used: tuple[Indices, ...]) -> Indices:
    """Flat index of the sample under each of the taps at each output; one past the last where there is none."""
    met, inside = np.zeros(1, np.int64), np.ones(1, bool)
    for axis, (line, length, index) in enumerate(zip(samples, lengths, used, strict=True)):
        along = line[:, index].reshape(*(len(line) if a == axis else 1 for a in range(len(lengths))), len(index))
        met, inside = met * length + along, inside & (along != OUTSIDE)
    return np.where(inside, met, math.prod(lengths)).reshape(math.prod(map(len, samples)), len(used[0]))
