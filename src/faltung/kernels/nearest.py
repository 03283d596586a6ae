"""Which convolution is it? The one nearest to a matrix, by least squares over lags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array, computed_dtype
from faltung.ground.boundary import OUTSIDE
from faltung.ground.checks import integer, per_axis, real
from faltung.kernels.linear_map import Geometry, as_geometry, assemble, check_groups, check_origin, sparse_arrays
from faltung.kernels.taps import MOST_TAPS, TapArray, as_origin

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Indices = NDArray[np.int64]

__all__ = ["taps_of"]

#: Taps along an axis that a table of all pairs tells apart.
_MOST_LAGS = 2**11
#: What least squares make of a tap that is zero is far below this, relative to the largest.
_NOISE = 1e-9
#: Little beside the largest: more than any least squares leave of the matrix of a convolution.
_LITTLE = 1e-2


def taps_of(
    matrix: Any,
    lengths: Any,
    mode: Any,
    shape: Any,
    stride: Any,
    dilation: Any,
    groups: Any,
    size: Any,
    origin: Any,
    tol: Any,
) -> tuple[TapArray, tuple[int, ...]]:
    """Return taps and origin of the convolution with that matrix; `Bank.from_matrix` tells the parameters."""
    given, tol = _as_sparse(matrix, tol)
    geometry = as_geometry(lengths, None, mode, shape, stride, dilation)
    support = _support(geometry, size, origin)
    if support is None:
        # No more lags have effects of their own: a mode repeats itself within twice the length, or never changes.
        box = (1,) * len(geometry.lengths), (0,) * len(geometry.lengths)
        lags = [np.arange(-length, length + 1) for length in geometry.lengths]
    else:
        box = support
        lags = [np.arange(-at, count - at) for count, at in zip(*box, strict=True)]
    outputs = tuple(map(len, geometry.outputs(*box)[0]))
    after, before = _channels(given.shape, outputs, geometry.lengths, groups)
    lines = map(_Axis, geometry.lengths, lags, geometry.samples(*box, lags))
    problem = _Problem(given, outputs, geometry.lengths, (after, before // groups), groups, tol)
    fit = (_fit if support else _fit_smallest)(problem, [line.independent() for line in lines])
    if fit.largest > problem.bound:
        raise _refusal(problem, fit.rest)
    return fit.on_grid(support)


# ---- what is asked ----------------------------------------------------------------------------------------


def _as_sparse(matrix: Any, tol: Any) -> tuple[csr_array, float]:
    sparse = sparse_arrays("Bank.from_matrix")
    given = matrix if sparse.issparse(matrix) else as_array(matrix, "matrix")
    if given.ndim != 2:
        raise ArgumentError("matrix", "an array with two axes", f"shape {given.shape}")
    computed_dtype(given.dtype, "matrix")
    single = np.finfo(given.dtype).eps if given.dtype.kind in "fc" else 0.0
    kept = sparse.csr_array(given).astype(complex if given.dtype.kind == "c" else float, copy=True)
    kept.sum_duplicates()
    if not np.isfinite(kept.data).all():
        raise ArgumentError("matrix", "finite numbers", "some that are not")
    return kept, max(1e-12, 16 * float(single)) if tol is None else real("tol", tol, 0.0, 1.0)


def _support(geometry: Geometry, size: Any, origin: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Shape and origin that the taps shall have, or None for the smallest that do."""
    if size is not None:
        sizes = per_axis("size", size, len(geometry.lengths), lambda name, value: integer(name, value, 1, _MOST_LAGS))
        return sizes, check_origin(as_origin(origin, sizes))
    if geometry.shape != "same":
        remedy = "How many outputs there are depends on it."
        raise ArgumentError("size", f"the number of taps per axis for shape={geometry.shape!r}", "None", remedy)
    if origin is not None:
        remedy = "The smallest support has its own origin."
        raise ArgumentError("origin", "None where size is not given", repr(origin), remedy)
    longest = (_MOST_LAGS - 1) // 2
    if max(geometry.lengths) > longest:
        expected = f"at most {longest} samples per axis where size is not given"
        raise ArgumentError("lengths", expected, str(geometry.lengths), "Give size, the number of taps per axis.")
    return None


def _channels(
    shape: tuple[int, ...], outputs: tuple[int, ...], lengths: tuple[int, ...], groups: Any
) -> tuple[int, int]:
    """Channels out and in."""
    counts = []
    for count, noun, of, sizes in zip(
        shape, ("rows", "columns"), ("outputs", "inputs"), (outputs, lengths), strict=True
    ):
        if count == 0 or count % math.prod(sizes):
            expected = f"a multiple of {math.prod(sizes)} {noun}, for {of} of shape {sizes}"
            raise ArgumentError("matrix", expected, str(count))
        counts.append(count // math.prod(sizes))
    check_groups(groups, *counts)
    return counts[0], counts[1]


# ---- least squares ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """Along one axis: which of `length` samples is under the tap at each lag (column) for each output (row)."""

    length: int
    lags: Indices
    samples: Indices

    @cached_property
    def joints(self) -> tuple[Indices, Indices]:
        """Taps in the order of the pairs (output, sample) that they join, and where those of each pair begin."""
        outputs, taps = self.samples.shape
        inside = np.flatnonzero(self.samples.ravel() != OUTSIDE)
        pairs = (np.arange(outputs)[:, np.newaxis] * self.length + self.samples).ravel()[inside]
        counts = np.bincount(pairs, minlength=outputs * self.length)
        return inside[np.argsort(pairs, kind="stable")] % taps, np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def gram(self) -> NDArray[np.float64]:
        """How many pairs (output, sample) any two taps both join: the matrix of the normal equations."""
        taps, ends = self.joints
        shape = (len(ends) - 1, len(self.lags))
        joins = sparse_arrays("Bank.from_matrix").csr_array((np.ones(len(taps)), taps, ends), shape=shape)
        return (joins.T @ joins).toarray()  # type: ignore[no-any-return]

    def keep(self, which: Any) -> _Axis:
        return _Axis(self.length, self.lags[which], self.samples[:, which])

    def independent(self) -> _Axis:
        """Leave out each lag whose effect some lags nearer to zero have together, as where a mode repeats itself."""
        order = np.lexsort((self.lags, np.abs(self.lags)))
        gram = self.gram[np.ix_(order, order)]
        # Pivots of the elimination are squared distances from all that came before. Counts make them about one or
        # more (measured for all modes, strides and dilations), or the ridge, times a number of lags, for nothing new.
        ridge = 1e-11 * max(1.0, gram.max())
        pivots = np.diag(np.linalg.cholesky(gram + ridge * np.eye(len(gram)))) ** 2
        return self.keep(np.sort(order[pivots > 1e-2]))


@dataclass(frozen=True)
class _Problem:
    """A matrix, and what is known of the convolution that it may be."""

    matrix: csr_array
    outputs: tuple[int, ...]
    lengths: tuple[int, ...]
    channels: tuple[int, int]
    groups: int
    tol: float

    @cached_property
    def bound(self) -> float:
        return self.tol * _largest(self.matrix)

    def mixed(self, rest: csr_array, rng: np.random.Generator) -> _Problem:
        """Return the problem of one channel, which is a mixture of all."""
        sparse, after = sparse_arrays("Bank.from_matrix"), self.channels[0]
        before = self.groups * self.channels[1]
        out = sparse.kron(rng.uniform(1, 2, (1, after)), sparse.eye_array(math.prod(self.outputs)), "csr")
        into = sparse.kron(rng.uniform(1, 2, (before, 1)), sparse.eye_array(math.prod(self.lengths)), "csr")
        return _Problem(out @ rest @ into, self.outputs, self.lengths, (1, 1), 1, self.tol)


@dataclass(frozen=True)
class _Fit:
    """Taps at all lags of the axes, and what they leave of the matrix."""

    axes: list[_Axis]
    taps: TapArray
    rest: csr_array

    @property
    def largest(self) -> float:
        return _largest(self.rest)

    def on_grid(self, support: tuple[tuple[int, ...], tuple[int, ...]] | None) -> tuple[TapArray, tuple[int, ...]]:
        """Taps with zeros where an axis has no lag, on a given support or the smallest, and its origin."""
        origin = support[1] if support else tuple(-int(axis.lags[0]) for axis in self.axes)
        size = support[0] if support else [int(axis.lags[-1] - axis.lags[0]) + 1 for axis in self.axes]
        grid = np.zeros((*self.taps.shape[:2], *size), self.taps.dtype)
        places = [axis.lags + at for axis, at in zip(self.axes, origin, strict=True)]
        grid[np.ix_(*map(np.arange, self.taps.shape[:2]), *places)] = self.taps
        if support:
            return grid, origin
        where = np.argwhere(grid.any(axis=(0, 1)))
        if not len(where):
            where, origin = np.zeros((1, len(size)), int), (0,) * len(size)
        low, high = where.min(axis=0).tolist(), where.max(axis=0).tolist()
        box: tuple[Any, ...] = (..., *(slice(i, j + 1) for i, j in zip(low, high, strict=True)))
        return grid[box], tuple(at - i for at, i in zip(origin, low, strict=True))


def _fit(problem: _Problem, axes: list[_Axis]) -> _Fit:
    """Least squares over the lags of the axes."""
    shape = (*problem.channels, *(len(axis.lags) for axis in axes))
    if math.prod(shape) > MOST_TAPS:
        remedy = "Give size, as small as will do."
        raise ArgumentError("size", f"at most {MOST_TAPS} taps to look for", " x ".join(map(str, shape)), remedy)
    fit = _Fit(axes, np.zeros(shape, problem.matrix.dtype), problem.matrix)
    # A tap of zero comes out as noise, relative to the largest. A second pass explains what the first one left,
    # where small taps are the largest: it tells them from noise.
    for _ in range(2):
        step = _project(problem, fit.rest, axes)
        for i, axis in enumerate(axes, 2):
            moved = np.moveaxis(step, i, 0)
            solved = np.linalg.solve(axis.gram, moved.reshape(len(moved), math.prod(moved.shape[1:])))
            step = np.moveaxis(solved.reshape(moved.shape), 0, i)
        taps = np.add(fit.taps, step, order="C")
        sizes = np.abs(taps)
        noise = _NOISE * np.abs(step).max(initial=0.0)
        taps[sizes <= max(noise, problem.tol / 16 * sizes.max(initial=0.0))] = 0
        _drop_most(taps, problem)
        samples = [axis.samples for axis in axes]
        fit = _Fit(axes, taps, problem.matrix - assemble(samples, problem.lengths, taps, problem.groups))
        if not problem.bound < fit.largest <= _LITTLE * _largest(problem.matrix):
            break  # all is explained, or what is left is no matter of small taps
    return fit


def _drop_most(taps: TapArray, problem: _Problem) -> None:
    """Leave only the largest taps, where all would make a matrix much fuller than the one given.

    Then it is the matrix of no convolution, and the taps serve to tell where.
    """
    entries = max(2**25, 4 * problem.matrix.nnz)
    most = max(1, entries // (problem.matrix.shape[0] * problem.channels[1]))
    sizes = np.abs(taps).max(axis=(0, 1)).ravel()
    if np.count_nonzero(sizes) > most:
        taps.reshape(*taps.shape[:2], -1)[:, :, np.argpartition(sizes, -most)[:-most]] = 0


def _fit_smallest(problem: _Problem, axes: list[_Axis]) -> _Fit:
    """Least squares over the lags of the smallest box that explains the matrix."""
    rng = np.random.default_rng(0)
    low = [int(np.abs(axis.lags).argmin()) for axis in axes]
    high, fit = low, _Fit(axes, np.zeros(0), problem.matrix)
    # Lags are found in a mixture of all channels, since none at random makes taps vanish: one channel is soon
    # searched. A second mixture finds taps that were too small beside others, in what these have left.
    for _ in range(2):
        mixed = problem.mixed(fit.rest, rng)
        found = _fit(mixed, axes)
        sizes = np.abs(found.taps[0, 0])
        # A mixture of convolutions is one. If this is none, all lags have a share in what is wrong, and no use.
        where = np.nonzero(sizes > (0 if found.largest <= mixed.bound else _LITTLE * sizes.max()))
        low = [min([first, *index.tolist()]) for first, index in zip(low, where, strict=True)]
        high = [max([last, *index.tolist()]) for last, index in zip(high, where, strict=True)]
        box = [axis.keep(slice(i, j + 1)) for axis, i, j in zip(axes, low, high, strict=True)]
        fit = _fit(problem, box)
        if not problem.bound < fit.largest <= _NOISE * _largest(problem.matrix):
            break
    return fit


def _project(problem: _Problem, matrix: csr_array, axes: list[_Axis]) -> TapArray:
    """Sum of the entries of the matrix that each tap is part of: the right side of the normal equations."""
    (after, before), inputs, outputs = problem.channels, math.prod(problem.lengths), math.prod(problem.outputs)
    shape = (after, before, *(len(axis.lags) for axis in axes))
    total = np.zeros(math.prod(shape), matrix.dtype)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    # Few enough entries to stay in the cache, where that is worth while; and sums of sums are more accurate.
    few = min(max(2**14, len(total)), 2**20)
    for start in range(0, matrix.nnz, few):
        part = slice(start, start + few)
        out, n = np.divmod(rows[part], outputs)
        into, m = np.divmod(matrix.indices[part].astype(np.int64), inputs)
        into -= before * (out // (after // problem.groups))
        inside = (into >= 0) & (into < before)
        bins, values = (out * before + into)[inside], matrix.data[part][inside]
        places = np.unravel_index(n[inside], problem.outputs), np.unravel_index(m[inside], problem.lengths)
        pairs = [i * axis.length + j for i, j, axis in zip(*places, axes, strict=True)]
        for k, axis in enumerate(axes):
            # Each entry is taken once for each tap that joins its output with its sample.
            taps, ends = axis.joints
            firsts, counts = ends[pairs[k]], ends[pairs[k] + 1] - ends[pairs[k]]
            entry = np.repeat(np.arange(len(counts)), counts)
            turn = np.arange(len(entry)) - (np.cumsum(counts) - counts)[entry]
            bins = bins[entry] * len(axis.lags) + taps[firsts[entry] + turn]
            values, pairs = values[entry], [pair[entry] for pair in pairs]
        total += np.bincount(bins, values.real, len(total))
        if total.dtype.kind == "c":
            total += 1j * np.bincount(bins, values.imag, len(total))
    return total.reshape(shape)


def _largest(matrix: csr_array) -> float:
    return float(np.abs(matrix.data).max()) if matrix.nnz else 0.0


def _refusal(problem: _Problem, rest: csr_array) -> ArgumentError:
    """Say where the matrix differs most from the convolution that was found."""
    at = int(np.abs(rest.data).argmax())
    row, column = int(np.searchsorted(rest.indptr, at, side="right")) - 1, int(rest.indices[at])
    output = tuple(map(int, np.unravel_index(row, (problem.matrix.shape[0], *problem.outputs))))
    sample = tuple(map(int, np.unravel_index(column, (problem.matrix.shape[1], *problem.lengths))))
    value, difference = problem.matrix[row, column], rest.data[at]
    received = (
        f"one that differs from the nearest by {abs(difference):.6g}: in row {row}, column {column} "
        f"(output {list(output)}, input {list(sample)}) stands {value:.6g}, there {value - difference:.6g}"
    )
    remedy = "The other arguments must be those that it was made with; tol allows for rounding."
    return ArgumentError("matrix", "the matrix of a convolution", received, remedy)
