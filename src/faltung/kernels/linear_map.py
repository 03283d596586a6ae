"""Which linear map is a convolution? The sparse matrix with a row for each output and a column for each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, MissingExtraError
from faltung.ground.boundary import MODES, OUTSIDE, check_modes
from faltung.ground.checks import integer, is_sequence, per_axis
from faltung.ground.regions import check_shape, regions
from faltung.kernels.taps import MOST_TAPS, TapArray

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Indices = NDArray[np.int64]

__all__ = ["Geometry", "as_geometry", "assemble", "check_groups", "check_origin", "matrix_of", "sparse_arrays"]

#: Most entries of a matrix, before those on the same sample are added up: they take some 5 GB while they are sorted.
_MOST_ENTRIES = 2**28
#: Largest stride and dilation, and largest index of an origin: positions then do not overflow 64-bit integers.
_LARGEST_STEP = 2**20
_LARGEST_ORIGIN = 2**40


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
    """Return the matrix of a convolution; the parameters are those of `Bank.matrix`."""
    sparse_arrays("Bank.matrix")  # a missing package is reported before any work
    geometry = as_geometry(lengths, taps.ndim - 2, mode, shape, stride, dilation)
    groups = check_groups(groups, taps.shape[0])
    size = taps.shape[2:]
    outputs, _ = geometry.outputs(size, check_origin(origin))
    used = int(np.count_nonzero(taps.any(axis=(0, 1))))
    entries = math.prod(map(len, outputs)) * taps.shape[0] * taps.shape[1] * max(1, used)
    if entries > _MOST_ENTRIES:
        remedy = "Use smaller lengths; the taps do not depend on them."
        raise ArgumentError("lengths", f"a matrix of at most {_MOST_ENTRIES} entries", str(entries), remedy)
    lags = [np.arange(-at, count - at) for count, at in zip(size, origin, strict=True)]
    return assemble(geometry.samples(size, origin, lags), geometry.lengths, taps, groups)


def sparse_arrays(feature: str) -> Any:
    """Return SciPy's module of sparse arrays; without SciPy, the error says that `feature` needs it."""
    try:
        from scipy import sparse
    except ImportError as error:
        raise MissingExtraError(feature, "matrix") from error
    return sparse


# ---- arguments --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """What determines the matrix of a convolution besides its taps, with one number for each spatial axis."""

    lengths: tuple[int, ...]
    modes: tuple[str, ...]
    shape: str
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def outputs(self, size: tuple[int, ...], origin: tuple[int, ...]) -> tuple[list[range], tuple[str, ...]]:
        """Return the positions that have an output along each axis, and the mode that is used for it."""
        sizes = tuple((count - 1) * step + 1 for count, step in zip(size, self.dilation, strict=True))
        # The rule is one for correlations, so it gets the origin of the flipped kernel.
        origins = [count - 1 - at * step for count, at, step in zip(sizes, origin, self.dilation, strict=True)]
        outputs = regions(self.shape, self.lengths, sizes, origins)
        modes = ("constant",) * len(sizes) if outputs.beyond else self.modes
        return [range(*bounds, step) for bounds, step in zip(outputs.bounds, self.stride, strict=True)], modes

    def samples(self, size: tuple[int, ...], origin: tuple[int, ...], lags: Sequence[Indices]) -> list[Indices]:
        """Return, for each axis, the sample under the tap at each lag (column) for each output (row)."""
        outputs, modes = self.outputs(size, origin)
        return [
            MODES[mode](np.arange(at.start, at.stop, at.step, dtype=np.int64)[:, np.newaxis] - lag * step, length)
            for at, lag, step, length, mode in zip(outputs, lags, self.dilation, self.lengths, modes, strict=True)
        ]


def as_geometry(lengths: Any, ndim: int | None, mode: Any, shape: Any, stride: Any, dilation: Any) -> Geometry:
    """Return the checked arguments; if `ndim` is None, there are as many axes as lengths."""
    given = tuple(lengths) if is_sequence(lengths) else (lengths,)
    axes = max(1, len(given)) if ndim is None else ndim
    if len(given) != axes:
        expected = f"{axes} integer{'s' if axes > 1 else ''}, one for each spatial axis"
        raise ArgumentError("lengths", expected, repr(lengths))
    return Geometry(
        lengths=tuple(integer("lengths", length, 1, MOST_TAPS) for length in given),
        modes=check_modes(("constant" if shape == "full" else "reflect") if mode is None else mode, axes),
        shape=check_shape(shape),
        stride=per_axis("stride", stride, axes, lambda name, value: integer(name, value, 1, _LARGEST_STEP)),
        dilation=per_axis("dilation", dilation, axes, lambda name, value: integer(name, value, 1, _LARGEST_STEP)),
    )


def check_groups(groups: Any, *channels: int) -> int:
    """Return the number of groups, if it divides all given numbers of channels: out, and in."""
    count = integer("groups", groups, 1, MOST_TAPS)
    if any(number % count for number in channels):
        names = " and ".join(f"{number} channels {way}" for number, way in zip(channels, ("out", "in"), strict=False))
        raise ArgumentError("groups", f"a divisor of {names}", str(count))
    return count


def check_origin(origin: tuple[int, ...]) -> tuple[int, ...]:
    """Return the origin, if positions relative to it do not overflow."""
    if any(abs(at) > _LARGEST_ORIGIN for at in origin):
        raise ArgumentError("origin", f"indices of at most {_LARGEST_ORIGIN}", str(origin))
    return origin


# ---- the matrix -------------------------------------------------------------------------------------------


def assemble(samples: Sequence[Indices], lengths: tuple[int, ...], taps: TapArray, groups: int) -> csr_array:
    """Return the matrix with these taps; `samples` are those of a geometry, with a column for each tap of an axis."""
    (after, before), inputs, outputs = taps.shape[:2], math.prod(lengths), math.prod(map(len, samples))
    # All pairs of channels have the same pattern: the samples (columns) of each output (row), with their taps.
    used = np.flatnonzero(taps.any(axis=(0, 1)))
    pattern = _sample_pattern(samples, lengths, np.unravel_index(used, taps.shape[2:]))
    order = np.argsort(pattern, axis=1, kind="stable")
    pattern = np.take_along_axis(pattern, order, axis=1)
    inside = pattern < inputs
    first_tap = inside.copy()  # whether an entry is the first of those on its sample
    first_tap[:, 1:] &= pattern[:, 1:] != pattern[:, :-1]
    columns, widths = pattern[first_tap], np.count_nonzero(first_tap, axis=1)
    values = taps.reshape(after * before, -1)[:, used[order[inside]]]
    if len(columns) < values.shape[1]:  # several taps on one sample
        values = np.add.reduceat(values, np.flatnonzero(first_tap[inside]), axis=1)
    # A row of the matrix repeats its row of the pattern for each channel in, one after the other.
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


def _sample_pattern(samples: Sequence[Indices], lengths: tuple[int, ...], used: tuple[Indices, ...]) -> Indices:
    """Return the flat index of the sample under each tap (column) for each output (row).

    Where a tap is beyond the border, on the constant, the index is the number of samples.
    """
    flat, inside = np.zeros(1, np.int64), np.ones(1, bool)
    for axis, (line, length, index) in enumerate(zip(samples, lengths, used, strict=True)):
        along = line[:, index].reshape(*(len(line) if a == axis else 1 for a in range(len(lengths))), len(index))
        flat, inside = flat * length + along, inside & (along != OUTSIDE)
    return np.where(inside, flat, math.prod(lengths)).reshape(math.prod(map(len, samples)), len(used[0]))
