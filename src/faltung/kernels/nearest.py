"""Which convolution is nearest to a matrix? Its taps, by least squares over lags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array, computed_dtype
from faltung.ground.boundary import OUTSIDE
from faltung.ground.checks import integer, per_axis, real
from faltung.ground.lazy import lazy
from faltung.kernels.linear_map import Geometry, as_geometry, assemble, check_groups, check_origin, sparse_arrays
from faltung.kernels.taps import MOST_TAPS, TapArray, as_origin

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Indices = NDArray[np.int64]

__all__ = ["taps_of"]

#: Most taps along an axis: the normal equations have a number for each pair of them.
_MOST_LAGS = 2**11
#: Relative to the largest tap: a tap that should be zero comes out of least squares far smaller than this.
_NOISE = 1e-9
#: Relative to the largest entry: the residual of the matrix of a convolution is smaller than this.
_SMALL = 1e-2


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
    """Return taps and origin of the convolution with that matrix; the parameters are those of `Bank.from_matrix`."""
    given, tol = _as_sparse(matrix, tol)
    geometry = as_geometry(lengths, None, mode, shape, stride, dilation)
    support = _support(geometry, size, origin)
    if support is None:
        # Larger lags have no other effect: a mode is periodic in twice the length or less, or does not change.
        box = (1,) * len(geometry.lengths), (0,) * len(geometry.lengths)
        lags = [np.arange(-length, length + 1) for length in geometry.lengths]
    else:
        box = support
        lags = [np.arange(-at, count - at) for count, at in zip(*box, strict=True)]
    outputs = tuple(map(len, geometry.outputs(*box)[0]))
    after, before = _channels(given.shape, outputs, geometry.lengths)
    groups = check_groups(groups, after, before)
    axes = map(_Axis, geometry.lengths, lags, geometry.samples(*box, lags))
    wanted = _Wanted(given, outputs, geometry.lengths, (after, before // groups), groups, tol)
    fit = (_fit if support else _fit_smallest)(wanted, [axis.independent() for axis in axes])
    if fit.error > wanted.bound:
        raise _refusal(wanted, fit.residual)
    return fit.on_grid(support)


# ---- arguments --------------------------------------------------------------------------------------------


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
        raise ArgumentError("matrix", "finite numbers", "infinity or NaN")
    return kept, max(1e-12, 16 * float(single)) if tol is None else real("tol", tol, 0.0, 1.0)


def _support(geometry: Geometry, size: Any, origin: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the shape and origin that the taps must have, or None for the smallest that fits."""
    if size is not None:
        sizes = per_axis("size", size, len(geometry.lengths), lambda name, value: integer(name, value, 1, _MOST_LAGS))
        return sizes, check_origin(as_origin(origin, sizes))
    if geometry.shape != "same":
        remedy = "The number of outputs depends on it."
        raise ArgumentError("size", f"the number of taps per axis for shape={geometry.shape!r}", "None", remedy)
    if origin is not None:
        remedy = "The smallest support has its own origin."
        raise ArgumentError("origin", "None where size is not given", repr(origin), remedy)
    longest = (_MOST_LAGS - 1) // 2
    if max(geometry.lengths) > longest:
        expected = f"at most {longest} samples per axis where size is not given"
        raise ArgumentError("lengths", expected, str(geometry.lengths), "Give size, the number of taps per axis.")
    return None


def _channels(shape: tuple[int, ...], outputs: tuple[int, ...], lengths: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of channels out and in."""
    counts = []
    for count, noun, of, sizes in zip(
        shape, ("rows", "columns"), ("outputs", "inputs"), (outputs, lengths), strict=True
    ):
        if count == 0 or count % math.prod(sizes):
            expected = f"a multiple of {math.prod(sizes)} {noun}, for {of} of shape {sizes}"
            raise ArgumentError("matrix", expected, str(count))
        counts.append(count // math.prod(sizes))
    return counts[0], counts[1]


# ---- least squares ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """One axis: the sample, of `length`, under the tap at each lag (column) for each output (row)."""

    length: int
    lags: Indices
    samples: Indices

    @lazy
    def taps_of_pairs(self) -> tuple[Indices, Indices]:
        """The taps on each pair (output, sample): all in the order of the pairs, and where those of a pair begin."""
        outputs, taps = self.samples.shape
        inside = np.flatnonzero(self.samples.ravel() != OUTSIDE)
        pairs = (np.arange(outputs)[:, np.newaxis] * self.length + self.samples).ravel()[inside]
        counts = np.bincount(pairs, minlength=outputs * self.length)
        return inside[np.argsort(pairs, kind="stable")] % taps, np.concatenate([[0], np.cumsum(counts)])

    @lazy
    def gram(self) -> NDArray[np.float64]:
        """The matrix of the normal equations: the number of pairs (output, sample) that two taps have in common."""
        taps, ends = self.taps_of_pairs
        shape = (len(ends) - 1, len(self.lags))
        joins = sparse_arrays("Bank.from_matrix").csr_array((np.ones(len(taps)), taps, ends), shape=shape)
        return (joins.T @ joins).toarray()  # type: ignore[no-any-return]

    def keep(self, which: Any) -> _Axis:
        return _Axis(self.length, self.lags[which], self.samples[:, which])

    def independent(self) -> _Axis:
        """Leave out each lag whose effect is a combination of lags nearer to zero, as when a mode repeats itself."""
        order = np.lexsort((self.lags, np.abs(self.lags)))
        gram = self.gram[np.ix_(order, order)]
        # A pivot of the elimination is the squared distance of a lag from the span of those before it. Measured for
        # all modes, strides and dilations, it is at least about one, or about the ridge for a lag in that span.
        ridge = 1e-11 * max(1.0, gram.max())
        pivots = np.diag(np.linalg.cholesky(gram + ridge * np.eye(len(gram)))) ** 2
        return self.keep(np.sort(order[pivots > 1e-2]))


@dataclass(frozen=True)
class _Wanted:
    """A matrix, and the shape of the convolution that it should be."""

    matrix: csr_array
    outputs: tuple[int, ...]
    lengths: tuple[int, ...]
    channels: tuple[int, int]
    groups: int
    tol: float

    @lazy
    def bound(self) -> float:
        return self.tol * _largest(self.matrix)

    def mixed(self, residual: csr_array, rng: np.random.Generator) -> _Wanted:
        """Return a random mixture of all channels of a residual, as one channel."""
        sparse, after = sparse_arrays("Bank.from_matrix"), self.channels[0]
        before = self.groups * self.channels[1]
        out = sparse.kron(rng.uniform(1, 2, (1, after)), sparse.eye_array(math.prod(self.outputs)), "csr")
        into = sparse.kron(rng.uniform(1, 2, (before, 1)), sparse.eye_array(math.prod(self.lengths)), "csr")
        return _Wanted(out @ residual @ into, self.outputs, self.lengths, (1, 1), 1, self.tol)


@dataclass(frozen=True)
class _Fit:
    """Taps at all lags of the axes, and the residual: the matrix without that of the taps."""

    axes: list[_Axis]
    taps: TapArray
    residual: csr_array

    @property
    def error(self) -> float:
        return _largest(self.residual)

    def on_grid(self, support: tuple[tuple[int, ...], tuple[int, ...]] | None) -> tuple[TapArray, tuple[int, ...]]:
        """Return taps and origin on a support, by default the smallest; taps at lags that were left out are zero."""
        origin = support[1] if support else tuple(-int(axis.lags[0]) for axis in self.axes)
        size = support[0] if support else [int(axis.lags[-1] - axis.lags[0]) + 1 for axis in self.axes]
        grid = np.zeros((*self.taps.shape[:2], *size), self.taps.dtype)
        indices = [axis.lags + at for axis, at in zip(self.axes, origin, strict=True)]
        grid[np.ix_(*map(np.arange, self.taps.shape[:2]), *indices)] = self.taps
        if support:
            return grid, origin
        used = np.argwhere(grid.any(axis=(0, 1)))
        if not len(used):
            used, origin = np.zeros((1, len(size)), int), (0,) * len(size)
        low, high = used.min(axis=0).tolist(), used.max(axis=0).tolist()
        box: tuple[Any, ...] = (..., *(slice(i, j + 1) for i, j in zip(low, high, strict=True)))
        return grid[box], tuple(at - i for at, i in zip(origin, low, strict=True))


def _fit(wanted: _Wanted, axes: list[_Axis]) -> _Fit:
    """Fit the taps at the lags of the axes by least squares."""
    shape = (*wanted.channels, *(len(axis.lags) for axis in axes))
    if math.prod(shape) > MOST_TAPS:
        remedy = "Give a small size."
        raise ArgumentError("size", f"at most {MOST_TAPS} taps to fit", " x ".join(map(str, shape)), remedy)
    fit = _Fit(axes, np.zeros(shape, wanted.matrix.dtype), wanted.matrix)
    # Taps that should be zero come out as noise relative to the largest tap. A second pass fits the residual of the
    # first, in which small taps are the largest, so that they differ from noise.
    for _ in range(2):
        step = _project(wanted, fit.residual, axes)
        for i, axis in enumerate(axes, 2):
            moved = np.moveaxis(step, i, 0)
            solved = np.linalg.solve(axis.gram, moved.reshape(len(moved), math.prod(moved.shape[1:])))
            step = np.moveaxis(solved.reshape(moved.shape), 0, i)
        taps = np.add(fit.taps, step, order="C")
        sizes = np.abs(taps)
        noise = _NOISE * np.abs(step).max(initial=0.0)
        taps[sizes <= max(noise, wanted.tol / 16 * sizes.max(initial=0.0))] = 0
        _drop_most(taps, wanted)
        samples = [axis.samples for axis in axes]
        fit = _Fit(axes, taps, wanted.matrix - assemble(samples, wanted.lengths, taps, wanted.groups))
        if not wanted.bound < fit.error <= _SMALL * _largest(wanted.matrix):
            break  # the fit is good enough, or small taps are not the reason that it is not
    return fit


def _drop_most(taps: TapArray, wanted: _Wanted) -> None:
    """Keep only the largest taps, if all together have a matrix with many more entries than the given one.

    The given matrix is then not one of a convolution, and the taps only serve to name its largest error.
    """
    entries = max(2**25, 4 * wanted.matrix.nnz)
    most = max(1, entries // (wanted.matrix.shape[0] * wanted.channels[1]))
    sizes = np.abs(taps).max(axis=(0, 1)).ravel()
    if np.count_nonzero(sizes) > most:
        taps.reshape(*taps.shape[:2], -1)[:, :, np.argpartition(sizes, -most)[:-most]] = 0


def _fit_smallest(wanted: _Wanted, axes: list[_Axis]) -> _Fit:
    """Fit the taps by least squares, at the lags of the smallest box that is large enough for the matrix."""
    rng = np.random.default_rng(0)
    low = [int(np.abs(axis.lags).argmin()) for axis in axes]
    high, fit = low, _Fit(axes, np.zeros(0), wanted.matrix)
    # The box is read from a random mixture of all channels, in which no tap cancels: one channel is fast to fit. A
    # mixture of the residual shows taps that were too small relative to others in the first one.
    for _ in range(2):
        mixed = wanted.mixed(fit.residual, rng)
        mixed_fit = _fit(mixed, axes)
        sizes = np.abs(mixed_fit.taps[0, 0])
        # If the mixture is not a convolution, errors spread over taps at all lags, and the small taps mean nothing.
        used = np.nonzero(sizes > (0 if mixed_fit.error <= mixed.bound else _SMALL * sizes.max()))
        low = [min([first, *index.tolist()]) for first, index in zip(low, used, strict=True)]
        high = [max([last, *index.tolist()]) for last, index in zip(high, used, strict=True)]
        box = [axis.keep(slice(i, j + 1)) for axis, i, j in zip(axes, low, high, strict=True)]
        fit = _fit(wanted, box)
        if not wanted.bound < fit.error <= _NOISE * _largest(wanted.matrix):
            break
    return fit


def _project(wanted: _Wanted, matrix: csr_array, axes: list[_Axis]) -> TapArray:
    """Return, for each tap, the sum of the entries that it belongs to: the right side of the normal equations."""
    (after, before), inputs, outputs = wanted.channels, math.prod(wanted.lengths), math.prod(wanted.outputs)
    shape = (after, before, *(len(axis.lags) for axis in axes))
    total = np.zeros(math.prod(shape), matrix.dtype)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    # Few entries at once stay in the cache, and sums of their sums are more accurate than one sum.
    few = min(max(2**14, len(total)), 2**20)
    for start in range(0, matrix.nnz, few):
        part = slice(start, start + few)
        out, n = np.divmod(rows[part], outputs)
        into, m = np.divmod(matrix.indices[part].astype(np.int64), inputs)
        into -= before * (out // (after // wanted.groups))
        inside = (into >= 0) & (into < before)
        bins, values = (out * before + into)[inside], matrix.data[part][inside]
        indices = np.unravel_index(n[inside], wanted.outputs), np.unravel_index(m[inside], wanted.lengths)
        pairs = [i * axis.length + j for i, j, axis in zip(*indices, axes, strict=True)]
        for k, axis in enumerate(axes):
            # An entry is repeated for each tap on its pair (output, sample).
            taps, ends = axis.taps_of_pairs
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


def _refusal(wanted: _Wanted, residual: csr_array) -> ArgumentError:
    """Return the error that names the entry with the largest residual."""
    at = int(np.abs(residual.data).argmax())
    row, column = int(np.searchsorted(residual.indptr, at, side="right")) - 1, int(residual.indices[at])
    output = tuple(map(int, np.unravel_index(row, (wanted.matrix.shape[0], *wanted.outputs))))
    sample = tuple(map(int, np.unravel_index(column, (wanted.matrix.shape[1], *wanted.lengths))))
    value, difference = wanted.matrix[row, column], residual.data[at]
    received = (
        f"a matrix that differs by {abs(difference):.6g} from the nearest one: row {row}, column {column} "
        f"(output {list(output)}, sample {list(sample)}) is {value:.6g} instead of {value - difference:.6g}"
    )
    remedy = "Pass the arguments that the matrix was made with; tol allows for rounding errors."
    return ArgumentError("matrix", "the matrix of a convolution", received, remedy)
