"""What must be known of the data to find the filter? The sums of the normal equations, in one pass over tiles.

With the window w[n] that the output at position n sees, all channels in one vector, the risk of the taps k is a
quadratic function,

    sum over n of |y[n] - k w[n]|^2  =  energy - 2 <k, moment> + <k gram, k>,
    gram = sum w[n] w[n]^T,    moment = sum y[n] w[n]^T,    energy = sum |y[n]|^2.

Where every output of a tile counts the same, they follow from sums over lags (`gram_sum`), at a cost that hardly
depends on the number of taps. Outputs that do not count are taken away from those again, or, if they are most of a
tile, the others are summed up window by window, as it is done everywhere with weights.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.fit.gram_sum import GramSum
from faltung.fit.lag_sums import Spectra
from faltung.fit.row_sums import RowGram, windows_at
from faltung.fit.sections import Block, Section
from faltung.ground.extended import Region

__all__ = ["NormalEquations", "normal_equations"]

#: How much larger samples may be that are added and taken away again.
_LARGE = 10.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class NormalEquations:
    """The sums, over all outputs that count.

    Parameters
    ----------
    size : tuple of int
        Taps of a window along each axis.
    gram : ndarray, shape (taps, taps)
        Of the windows; taps of all channels in, the last axis fastest.
    moment : ndarray, shape (channels out, taps)
        Of targets and windows.
    energy : float
        Of the targets, all channels together.
    weight : float
        Sum of the weights, which is the number of outputs if there are none.
    positions, missing : int
        How many outputs count, and how many do not because something there is not finite.
    """

    size: tuple[int, ...]
    gram: Matrix
    moment: Matrix
    energy: float
    weight: float
    positions: int
    missing: int

    @property
    def channels(self) -> int:
        """Channels in."""
        return len(self.gram) // math.prod(self.size)

    def risk(self, taps: Matrix) -> float:
        """Return the mean squared error of taps (channels out, taps), over outputs and channels.

        It comes out as a difference, and is exact to about 1e-14 of the mean square of the targets.
        """
        error = self.energy - float(np.vdot(taps, 2 * self.moment - taps @ self.gram))
        return max(error, 0.0) / (self.weight * len(self.moment))


@dataclass(frozen=True)
class _TileSums:
    """What a tile adds: sums over lags, if they are used, and which of its outputs are added or taken away."""

    lags: Matrix | None
    moment: Matrix | None
    energy: float
    missing: int
    rows: NDArray[np.bool_] | None
    sign: int


def normal_equations(work: Iterable[tuple[Section, Sequence[Region]]], workers: int) -> NormalEquations:
    """Sum over tiles; the result is the same, bit for bit, whatever the number of workers.

    Parameters
    ----------
    work : iterable of (Section, list of Region)
        The tiles of each section.
    workers : int
        Number of threads.
    """
    sums: _Sums | None = None
    with np.errstate(over="ignore", invalid="ignore"):  # who uses the sums sees that they are not finite
        for section, tiles in work:
            if sums is None:
                sums = _Sums(len(section.source), len(section.target), section.window.size)
            sums.add(section, tiles, workers)
        assert sums is not None, "there is always a section"
        return sums.equations()


class _Sums:
    """Sums in the making, in the order of tiles."""

    def __init__(self, channels: int, answers: int, size: Sequence[int]) -> None:
        self.size = tuple(size)
        self.taps = channels * math.prod(size)
        self.whole = GramSum(channels, size)
        self.moment = np.zeros((answers, self.taps))
        self.energy = self.weight = 0.0
        self.positions = self.missing = 0
        # Of windows with their targets behind them: gram, moment and energy in one.
        self.single = RowGram(self.taps + answers)

    def add(self, section: Section, tiles: Sequence[Region], workers: int) -> None:
        """Add the tiles of a section."""
        found = section.work_on(tiles, lambda block: _tile_sums(block, self.size), workers)
        for tile, sums in zip(tiles, found, strict=True):
            self.missing += sums.missing
            if sums.lags is not None and sums.moment is not None:
                outputs = math.prod(stop - start for start, stop in tile)
                self.whole.add_lag_sums(sums.lags)
                self.moment += sums.moment
                self.energy += sums.energy
                self.positions += outputs
                self.weight += outputs
            if sums.rows is not None:
                self._add_rows(section.block(tile), sums.rows, sums.sign)
        summed = (tile for tile, sums in zip(tiles, found, strict=True) if sums.lags is not None)
        for (axis, line), sign in _lines(summed).items():
            seen = np.moveaxis(section.inputs(line), 1 + axis, 1)
            self.whole.add_line(axis, seen[:, :-1], sign)

    def equations(self) -> NormalEquations:
        """Put the sums together."""
        single = self.single.total()
        gram = self.whole.total() + single[: self.taps, : self.taps]
        return NormalEquations(
            size=self.size,
            gram=(gram + gram.T) / 2,
            moment=self.moment + single[self.taps :, : self.taps],
            energy=self.energy + float(np.trace(single[self.taps :, self.taps :])),
            weight=self.weight,
            positions=self.positions,
            missing=self.missing,
        )

    def _add_rows(self, block: Block, rows: NDArray[np.bool_], sign: int) -> None:
        """Add or take away outputs, window by window."""
        for place, windows in windows_at(block.source, self.size, rows):
            pairs = np.hstack([windows, np.moveaxis(block.target, 0, -1)[place]])
            weights = np.ones(len(pairs)) if block.weights is None else block.weights[place]
            if block.weights is not None:
                pairs *= np.sqrt(weights)[:, np.newaxis]
            self.single.add(pairs, sign)
            self.weight += sign * float(weights.sum())
            self.positions += sign * len(pairs)


def _tile_sums(block: Block, size: Sequence[int]) -> _TileSums:
    every = np.ones(block.target.shape[1:], bool) if block.kept is None else block.kept
    kept = int(np.count_nonzero(every))
    if block.weights is not None or 2 * kept < every.size or (kept < every.size and _hides_large(block, size)):
        return _TileSums(None, None, 0.0, block.missing, every if kept else None, 1)
    spectra = Spectra(block.source, size)
    moment = spectra.moment(block.target).reshape(len(block.target), -1)
    energy = float(np.square(block.target).sum())
    lost = None if block.kept is None else ~block.kept
    return _TileSums(spectra.lag_sums(), moment, energy, block.missing, lost, -1)


def _hides_large(block: Block, size: Sequence[int]) -> bool:
    """Whether samples that no output sees are so large that little would be left after taking them away again."""
    seen = np.pad(np.asarray(block.kept), [(taps - 1, taps - 1) for taps in size])
    for axis, taps in enumerate(size):
        seen = np.asarray(np.lib.stride_tricks.sliding_window_view(seen, taps, axis).any(axis=-1))
    sizes = np.abs(block.source)
    return float(sizes[:, ~seen].max(initial=0.0)) > _LARGE * float(sizes[:, seen].max(initial=0.0))


def _lines(tiles: Iterable[Region]) -> dict[tuple[int, Region], int]:
    """Count the lines behind the ends of tiles as 1, and the first ones as -1: where tiles meet they cancel."""
    count: Counter[tuple[int, Region]] = Counter()
    for tile in tiles:
        for axis, (start, stop) in enumerate(tile):
            for at, sign in ((stop, 1), (start, -1)):
                count[axis, (*tile[:axis], (at, at + 1), *tile[axis + 1 :])] += sign
    return {line: sign for line, sign in count.items() if sign}
