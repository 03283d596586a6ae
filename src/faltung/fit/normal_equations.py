"""Which sums over the data determine the filter? The normal equations, in one pass over tiles.

Let w[n] be the window of the output at position n: the samples under its taps, all channels in one vector. The sum of
squared errors of the taps k is a quadratic function,

    sum over n of |y[n] - k w[n]|^2  =  energy - 2 <k, moment> + <k gram, k>,
    gram = sum w[n] w[n]^T,    moment = sum y[n] w[n]^T,    energy = sum |y[n]|^2.

With an offset, y[n] ~ k w[n] + c, the same holds for the deviations of windows and targets from their means.

If all outputs of a tile have the same weight, these sums follow from sums over lags (`gram_sum`), at a cost that
hardly depends on the number of taps. Outputs that are left out are subtracted again, window by window. If most of a
tile is left out, or there are weights, the used outputs are added window by window instead.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faltung.fit.gram_sum import GramSum
from faltung.fit.lag_sums import Spectra, window_sums
from faltung.fit.row_sums import RowGram, windows_at
from faltung.fit.sections import Levels, Section, TileData
from faltung.ground.extended import Region

__all__ = ["NormalEquations", "normal_equations"]

#: Samples that are added and subtracted again may be larger than the others by this factor.
_LARGE = 10.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class NormalEquations:
    """The sums over all used outputs.

    Parameters
    ----------
    size : tuple of int
        Taps of a window along each axis.
    gram : ndarray, shape (taps, taps)
        Gram matrix of the windows. The taps of all channels in are in one vector, the last axis fastest.
    moment : ndarray, shape (channels out, taps)
        Sum of the products of targets and windows.
    energy : float
        Sum of the squares of the targets, all channels together.
    windows : ndarray, shape (taps,)
        Sum of the windows.
    targets : ndarray, shape (channels out,)
        Sum of the targets.
    weight : float
        Sum of the weights; the number of outputs if there are no weights.
    positions, missing : int
        The number of used outputs, and of those left out because something is not finite.
    levels : Levels or None
        What was subtracted from the samples before they were summed.
    """

    size: tuple[int, ...]
    gram: Matrix
    moment: Matrix
    energy: float
    windows: NDArray[np.float64]
    targets: NDArray[np.float64]
    weight: float
    positions: int
    missing: int
    levels: Levels | None

    @property
    def channels(self) -> int:
        """Number of channels in."""
        return len(self.gram) // math.prod(self.size)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of the targets of each channel, above the levels."""
        return np.asarray(self.targets / self.weight)

    @property
    def variance(self) -> float:
        """Mean squared deviation of the targets from their means, over outputs and channels."""
        return max(self.about_means().energy, 0.0) / (self.weight * len(self.moment))

    def about_means(self) -> NormalEquations:
        """Return the sums for the deviations of windows and targets from their means."""
        window = self.windows / self.weight
        return replace(
            self,
            gram=self.gram - self.weight * np.outer(window, window),
            moment=self.moment - np.outer(self.targets, window),
            energy=self.energy - float(self.targets @ self.means),
        )

    def offset(self, taps: Matrix) -> NDArray[np.float64]:
        """Return the offset of each channel out, above the levels, that minimises the error of taps."""
        return np.asarray(self.means - taps @ self.windows / self.weight)

    def between_samples(self, offset: NDArray[np.float64], taps: Matrix) -> NDArray[np.float64]:
        """Return the offset of the samples themselves, from that above the levels."""
        if self.levels is None:
            return offset
        gains = taps.reshape(len(taps), self.channels, -1).sum(axis=2)
        return np.asarray(offset + self.levels[1] - gains @ self.levels[0])

    def risk(self, taps: Matrix) -> float:
        """Return the mean squared error of taps (channels out, taps), over outputs and channels.

        It is a difference of sums, exact to about 1e-14 of the mean square of the targets.
        """
        error = self.energy - float(np.vdot(taps, 2 * self.moment - taps @ self.gram))
        return max(error, 0.0) / (self.weight * len(self.moment))


@dataclass(frozen=True)
class _LagSums:
    """The sums over all outputs of a tile."""

    lags: Matrix
    moment: Matrix
    energy: float
    windows: NDArray[np.float64]
    targets: NDArray[np.float64]


@dataclass(frozen=True)
class _TileSums:
    """The sums of a tile, if they are used, and which outputs are added or subtracted window by window."""

    whole: _LagSums | None
    missing: int
    rows: NDArray[np.bool_] | None
    sign: int


def normal_equations(section_tiles: Iterable[tuple[Section, Sequence[Region]]], workers: int) -> NormalEquations:
    """Sum over tiles. The result is the same, bit for bit, for any number of workers.

    Parameters
    ----------
    section_tiles : iterable of (Section, list of Region)
        The tiles of each section.
    workers : int
        Number of threads.
    """
    sums: _Sums | None = None
    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks whether the sums are finite
        for section, tiles in section_tiles:
            if sums is None:
                sums = _Sums(len(section.source), len(section.target), section.window.size)
            sums.add(section, tiles, workers)
        assert sums is not None, "there is always a section"
        return sums.equations()


class _Sums:
    """The sums so far, added in the order of the tiles."""

    def __init__(self, channels_in: int, channels_out: int, size: Sequence[int]) -> None:
        self.size = tuple(size)
        self.taps = channels_in * math.prod(size)
        self.gram = GramSum(channels_in, size)
        self.moment = np.zeros((channels_out, self.taps))
        self.energy = self.weight = 0.0
        self.windows, self.targets = np.zeros(self.taps), np.zeros(channels_out)
        self.positions = self.missing = 0
        self.levels: Levels | None = None
        # Gram matrix of rows (window, target, 1), which contains all the sums.
        self.row_gram = RowGram(self.taps + channels_out + 1)

    def add(self, section: Section, tiles: Sequence[Region], workers: int) -> None:
        """Add the tiles of a section."""
        self.levels = section.levels
        sums_of_tiles = section.map_tiles(tiles, lambda data: _tile_sums(data, self.size), workers)
        for tile, sums in zip(tiles, sums_of_tiles, strict=True):
            self.missing += sums.missing
            if sums.whole is not None:
                outputs = math.prod(stop - start for start, stop in tile)
                self.gram.add_lag_sums(sums.whole.lags)
                self.moment += sums.whole.moment
                self.energy += sums.whole.energy
                self.windows += sums.whole.windows
                self.targets += sums.whole.targets
                self.positions += outputs
                self.weight += outputs
            if sums.rows is not None:
                self._add_rows(section.tile_data(tile), sums.rows, sums.sign)
        summed_by_lags = (tile for tile, sums in zip(tiles, sums_of_tiles, strict=True) if sums.whole is not None)
        for (axis, line), sign in _lines(summed_by_lags).items():
            source = np.moveaxis(section.inputs(line), 1 + axis, 1)
            self.gram.add_line(axis, source[:, :-1], sign)

    def equations(self) -> NormalEquations:
        """Return the complete sums."""
        rows = self.row_gram.total()
        window, target = slice(self.taps), slice(self.taps, -1)
        gram = self.gram.total() + rows[window, window]
        return NormalEquations(
            size=self.size,
            gram=(gram + gram.T) / 2,
            moment=self.moment + rows[target, window],
            energy=self.energy + float(np.trace(rows[target, target])),
            windows=self.windows + rows[-1, window],
            targets=self.targets + rows[-1, target],
            weight=self.weight,
            positions=self.positions,
            missing=self.missing,
            levels=self.levels,
        )

    def _add_rows(self, data: TileData, outputs: NDArray[np.bool_], sign: int) -> None:
        """Add or subtract outputs, window by window."""
        for index, windows in windows_at(data.source, self.size, outputs):
            rows = np.hstack([windows, np.moveaxis(data.target, 0, -1)[index], np.ones((len(windows), 1))])
            weights = np.ones(len(rows)) if data.weights is None else data.weights[index]
            if data.weights is not None:
                rows *= np.sqrt(weights)[:, np.newaxis]
            self.row_gram.add(rows, sign)
            self.weight += sign * float(weights.sum())
            self.positions += sign * len(rows)


def _tile_sums(data: TileData, size: Sequence[int]) -> _TileSums:
    used = np.ones(data.target.shape[1:], bool) if data.used is None else data.used
    count = int(np.count_nonzero(used))
    if data.weights is not None or 2 * count < used.size or (count < used.size and _unused_are_large(data, size)):
        return _TileSums(None, data.missing, used if count else None, 1)
    spectra = Spectra(data.source, size)
    whole = _LagSums(
        lags=spectra.lag_sums(),
        moment=spectra.moment(data.target).reshape(len(data.target), -1),
        energy=float(np.square(data.target).sum()),
        windows=window_sums(data.source, size).reshape(-1),
        targets=data.target.reshape(len(data.target), -1).sum(axis=1),
    )
    return _TileSums(whole, data.missing, None if data.used is None else ~data.used, -1)


def _unused_are_large(data: TileData, size: Sequence[int]) -> bool:
    """Whether samples under no used output are so large that subtracting them again would lose accuracy."""
    # A sample is under a used output if one of the windows that cover it is used.
    used = np.pad(np.asarray(data.used), [(taps - 1, taps - 1) for taps in size])
    for axis, taps in enumerate(size):
        used = np.asarray(np.lib.stride_tricks.sliding_window_view(used, taps, axis).any(axis=-1))
    magnitudes = np.abs(data.source)
    return float(magnitudes[:, ~used].max(initial=0.0)) > _LARGE * float(magnitudes[:, used].max(initial=0.0))


def _lines(tiles: Iterable[Region]) -> dict[tuple[int, Region], int]:
    """Return the lines after the last of each tile, with sign 1, and the first ones, with -1; shared lines cancel."""
    count: Counter[tuple[int, Region]] = Counter()
    for tile in tiles:
        for axis, (start, stop) in enumerate(tile):
            for position, sign in ((stop, 1), (start, -1)):
                count[axis, (*tile[:axis], (position, position + 1), *tile[axis + 1 :])] += sign
    return {line: sign for line, sign in count.items() if sign}
