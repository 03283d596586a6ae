"""How are templates matched in an array of NumPy? Tile by tile, from windowed sums in double precision.

With weights ``w`` that are the mask of the template times the validity of each sample, sums over a window are ::

    covariance = sum(w t x) - sum(w t) sum(w x) / sum(w)
    variance of x = sum(w x^2) - sum(w x)^2 / sum(w)

and the score is the covariance divided by the root of the product of the variances of x and t. Without missing
samples, the template less its mean makes sum(w t) zero. A constant close to the mean of the tile is subtracted from x
first, which changes no result: a mean that is large beside the spread costs no digits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.front import correlate, plan
from faltung.ground.extended import Region, extended_block
from faltung.kernels import Bank, Kernel, box
from faltung.signals.templates import Templates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.planning.planned import Planned

__all__ = ["Search", "match_array"]

#: Outputs of a tile, of all templates together, unless a template is larger.
_TOGETHER = 1 << 20
#: A difference that is no more than this many times the error bound of its terms is their rounding.
_ROUNDING = 4.0


class Search(NamedTuple):
    """Where and how templates are looked for.

    Parameters
    ----------
    axes : tuple of int
        The axis of the array for each axis of a template.
    regions : tuple of (int, int)
        Start and stop of the positions of a template's first sample, along each axis of it.
    modes : tuple of str
        How the array continues beyond its border, along each axis of a template.
    cval : float
        The value beyond the border of an axis with the mode ``constant``.
    skips_nan : bool
        Whether NaN is a missing sample.
    min_weight : float
        Share of the samples of a template that must be present under it.
    normalised : bool
        Whether scores are coefficients from -1 to 1; otherwise they are covariances, summed.
    """

    axes: tuple[int, ...]
    regions: Region
    modes: tuple[str, ...]
    cval: float
    skips_nan: bool
    min_weight: float
    normalised: bool


def match_array(
    x: NDArray[Any],
    templates: Templates,
    search: Search,
    valid: NDArray[Any] | None,
    result: np.dtype[Any],
    workers: int | None,
) -> NDArray[Any]:
    """Return the scores, with a first axis for the templates; `valid` is False where a sample is missing."""
    shape = list(x.shape)
    for axis, (start, stop) in zip(search.axes, search.regions, strict=True):
        shape[axis] = max(stop - start, 0)
    scores = np.empty((len(templates.taps), *shape), result)
    source, target = _batch_first(x, search.axes), _batch_first(scores, [axis + 1 for axis in search.axes], 1)
    present = None if valid is None else _batch_first(valid, search.axes)
    tile = _tile(target.shape[-len(search.axes) :], templates)
    with np.errstate(all="ignore"):  # samples that are not finite, and windows without any
        for item in np.ndindex(source.shape[: -len(search.axes)]):
            for region in _regions(target.shape[-len(search.axes) :], tile):
                part = _Tile(templates, search, region, workers)
                block = part.read(source[item], search.cval, search.modes)
                inside = None if present is None else part.read(present[item], 1.0, search.modes)
                spans = tuple(slice(*bounds) for bounds in region)
                target[(slice(None), *item, *spans)] = part.scores(block, inside)
    return scores


class _Tile(NamedTuple):
    """One tile of the outputs: what is read for it, and its scores."""

    templates: Templates
    search: Search
    region: Region
    workers: int | None

    def read(self, source: NDArray[Any], cval: float, modes: tuple[str, ...]) -> NDArray[Any]:
        """Return the samples under the templates, in double precision."""
        spans = tuple(
            (first + start, first + stop + size - 1)
            for (first, _), (start, stop), size in zip(
                self.search.regions, self.region, self.templates.shape, strict=True
            )
        )
        block = extended_block(
            lambda parts: source[parts][np.newaxis], 1, source.shape, spans, modes, cval, np.dtype(np.float64)
        )
        return block[0]  # type: ignore[no-any-return]

    def scores(self, block: NDArray[Any], inside: NDArray[Any] | None) -> NDArray[Any]:
        """Return the scores of all templates."""
        if self.search.skips_nan:
            known = ~np.isnan(block)
            if inside is not None:
                known &= inside > 0
            inside = None if known.all() else known.astype(np.float64)
        elif inside is not None and inside.all():
            inside = None
        _centre(block, inside)
        return self._whole(block) if inside is None else self._present(block, inside)

    def _whole(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return the scores where no sample is missing."""
        templates = self.templates
        if not self.search.normalised:
            return self._sums(block, templates.taps)
        squares = self._windows(block * block)
        least = self._rounding(block, squares)
        mean = self._windows(block)
        mean *= mean
        mean /= self._per_template(templates.counts)
        spread = np.subtract(squares, mean, out=mean)
        spread[spread <= least] = 0.0
        del squares, least
        np.sqrt(spread, out=spread)
        return _divided(self._sums(block, templates.taps / self._per_template(templates.norms)), spread)

    def _present(self, block: NDArray[Any], inside: NDArray[Any]) -> NDArray[Any]:
        """Return the scores of the samples that are present."""
        norms = self._per_template(self.templates.norms)
        taps = self.templates.taps / norms
        least = self.search.min_weight * (1 - 1e-12) * self._per_template(self.templates.counts)
        count = np.rint(self._windows(inside))
        count[count < np.maximum(least, 1)] = np.nan
        total, part = self._windows(block), self._sums(inside, taps)
        covariance = self._sums(block, taps) - part * total / count
        if not self.search.normalised:
            return covariance * norms  # type: ignore[no-any-return]
        squares = self._windows(block * block)
        spread = squares - total * total / count
        spread[spread <= self._rounding(block, squares)] = 0.0
        own = self._sums(inside, taps * taps)
        error = _ROUNDING * self._error(Kernel(taps[0] * taps[0]), inside).error
        own_spread = own - part * part / count
        own_spread[own_spread <= error] = 0.0  # the sum of all taps * taps is one
        return _divided(covariance, np.sqrt(spread * own_spread))

    def _rounding(self, block: NDArray[Any], squares: NDArray[Any]) -> NDArray[Any]:
        """Return the size of a variance up to which it is the rounding of its terms, from the sums of squares."""
        plan = self._error(self._window, block)
        if plan.pointwise:
            return _ROUNDING * plan.error * squares
        return _ROUNDING * plan.error * _largest(block) * self._per_template(self.templates.counts)

    def _error(self, kernel: Kernel, block: NDArray[Any]) -> Planned:
        """Return the plan of the sums over a tile, which says how large their rounding error can be."""
        return plan(block, kernel, shape="valid", axes=range(block.ndim))

    @property
    def _window(self) -> Kernel:
        """The first mask, as a kernel."""
        templates = self.templates
        if templates.masks is not None:
            return Kernel(templates.masks[0])
        return math.prod(templates.shape) * box(templates.shape)

    def _per_template(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return numbers, one for each template, in a shape that broadcasts to scores."""
        return numbers.reshape(-1, *(1,) * len(self.region))

    def _windows(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return the sums of samples under each mask."""
        if self.templates.masks is not None:
            return self._sums(block, self.templates.masks)
        return self._by(block, self._window)[np.newaxis]

    def _sums(self, block: NDArray[Any], taps: NDArray[Any]) -> NDArray[Any]:
        """Return the sums of samples times each of several arrays of taps, which share its transforms."""
        if len(taps) == 1:
            return self._by(block, Kernel(taps[0]))[np.newaxis]
        return self._by(block, Bank(taps[:, np.newaxis]))

    def _by(self, block: NDArray[Any], kernel: Kernel | Bank) -> NDArray[Any]:
        return correlate(block, kernel, shape="valid", axes=range(block.ndim), workers=self.workers)  # type: ignore[no-any-return]


def _divided(sums: NDArray[Any], spread: NDArray[Any]) -> NDArray[Any]:
    """Return coefficients from -1 to 1: zero where there is no spread."""
    flat = spread == 0
    np.divide(sums, spread, out=sums)
    np.clip(sums, -1.0, 1.0, out=sums)
    sums[np.broadcast_to(flat, sums.shape)] = 0.0
    return sums


def _centre(block: NDArray[Any], inside: NDArray[Any] | None) -> None:
    """Subtract a constant that is close to the mean of the samples that are present; all others become zero."""
    usable = np.isfinite(block) if inside is None else np.isfinite(block) & (inside > 0)
    if usable.any():
        # The difference to a sample is exact where all samples are equal.
        block -= block.flat[int(np.argmax(usable))]
        block -= block.mean(where=usable)
    if inside is not None:
        block[inside == 0] = 0.0


def _largest(block: NDArray[Any]) -> float:
    """Return the largest square of a sample."""
    largest = max(abs(float(block.max())), abs(float(block.min())))
    if not math.isfinite(largest):
        largest = float(np.abs(block[np.isfinite(block)]).max(initial=0.0))
    return largest * largest


def _batch_first(array: NDArray[Any], axes: Any, first: int = 0) -> NDArray[Any]:
    """Return a view with the axes of a template last; the `first` ones stay first."""
    batch = [axis for axis in range(array.ndim) if axis not in axes]
    assert batch[:first] == list(range(first))
    return array.transpose(*batch, *axes)


def _tile(lengths: tuple[int, ...], templates: Templates) -> tuple[int, ...]:
    """Return the outputs of a tile along each axis: at least as many as a template has samples, in equal parts."""
    rest, tile = max(_TOGETHER // len(templates.taps), 1), [1] * len(lengths)
    shortest_first = sorted(range(len(lengths)), key=lambda k: lengths[k])
    for place, k in enumerate(shortest_first):
        edge = math.ceil(rest ** (1 / (len(lengths) - place)))
        most = max(1, min(lengths[k], max(edge, templates.shape[k])))
        tile[k] = max(1, math.ceil(lengths[k] / math.ceil(lengths[k] / most))) if lengths[k] else 1
        rest = max(1, rest // tile[k])
    return tuple(tile)


def _regions(lengths: tuple[int, ...], tile: tuple[int, ...]) -> Iterator[Region]:
    """Yield all tiles of the outputs."""
    for corner in itertools.product(*(range(0, n, step) for n, step in zip(lengths, tile, strict=True))):
        yield tuple((at, min(at + step, n)) for at, step, n in zip(corner, tile, lengths, strict=True))
