"""Where is a derivative exactly zero? Where every line under the window along its axis is constant.

SciPy adds up the differences of samples that lie opposite each other, so that they cancel. A sum of products leaves
some units in the last place, which callers that divide by the maximum would turn into a signal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.ground.boundary import index_map
from faltung.planning.planned import Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Booleans = NDArray[np.bool_]

__all__ = ["FlatWindows", "flat_windows"]

#: Rounding of a result, in units of the sum of all magnitudes; a larger result is no residue.
_RESIDUE = 64.0
#: Samples that are compared at once: they and the results stay in the cache.
_PART = 1 << 14
#: Up to this part of all results are looked at one by one.
_FEW = 1 / 32


class _Window(NamedTuple):
    """The samples along an axis that a result reads: `first` is the place of the first one, beside the result."""

    axis: int
    first: int
    size: int
    mode: str
    odd: bool

    def inner(self, shape: tuple[int, ...]) -> bool:
        """Whether a window always has two neighbours inside of the array."""
        return self.first < 0 < self.first + self.size - 1 and shape[self.axis] > 1


class FlatWindows(NamedTuple):
    """What is known of a chain of plans with a derivative.

    Parameters
    ----------
    windows : tuple of _Window
        For each axis: what a result reads.
    cval : complex
        The value beyond the border.
    steady : bool
        Whether lines beyond the border are constant for each plan; a later plan may read another constant there.
    unit : float
        The largest residue, in units of the largest sample.
    """

    windows: tuple[_Window, ...]
    cval: complex
    steady: bool
    unit: float

    def clear(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Set residues to zero; `x` is what the chain has read, and `y` its results."""
        odd = [window for window in self.windows if window.odd]
        if not y.size or not any(_has_neighbours(x, window) for window in odd):
            return
        small = _small(y, self._bound(x))
        if small is None:
            return
        for window in odd:
            if _is_possible(x, small, window):
                y[small & self._flat(x, window)] = 0

    def _bound(self, x: NDArray[Any]) -> float:
        """Return what all residues are below; they are finite."""
        most = abs(x).max() if x.dtype.kind == "c" else max(abs(float(x.max())), abs(float(x.min())))
        bound = self.unit * max(float(most), abs(self.cval))
        return bound if math.isfinite(bound) else math.inf

    def _flat(self, x: NDArray[Any], window: _Window) -> Booleans:
        """Return where all lines along the axis of a window are constant."""
        differs = _differs(x, window, self.cval)
        for other in self.windows:
            if other.axis != window.axis:
                differs = self._spread(differs, other)
        return np.logical_not(differs, out=differs)

    def _spread(self, differs: Booleans, window: _Window) -> Booleans:
        """Return where a window reads a line that differs."""
        length = differs.shape[window.axis]
        at = index_map(window.mode, length, window.first, length + window.first + window.size - 1)
        extended = np.moveaxis(differs, window.axis, 0)[at]
        extended[at < 0] = not self.steady
        return np.moveaxis(_any_of(extended, window.size), 0, window.axis)


def flat_windows(chain: tuple[Planned, ...]) -> FlatWindows | None:
    """Return what is known of a chain whose results are floats and which has a derivative; else None."""
    if not chain or chain[-1].problem.result.kind not in "fc":
        return None
    windows = tuple(window for plan in chain for window in _windows(plan))
    if not any(window.odd for window in windows):
        return None
    cval = complex(chain[0].problem.cval)
    # A chain keeps its results between plans in the dtype of the result, and a plan computes in double precision.
    digits = chain[-1].problem.result if len(chain) > 1 else np.dtype(np.float64)
    unit = math.prod(float(np.abs(plan.problem.kernel.taps).sum()) for plan in chain) * float(np.finfo(digits).eps)
    return FlatWindows(windows, cval, len(chain) == 1 or not cval, _RESIDUE * unit)


def _windows(plan: Planned) -> Iterator[_Window]:
    problem = plan.problem
    kernel, taps = problem.kernel, problem.kernel.taps
    for place, (axis, mode) in enumerate(zip(problem.axes, problem.modes, strict=True)):
        odd = kernel.shape[place] > 1 and np.array_equal(np.flip(taps, place), -taps)
        yield _Window(axis, -kernel.origin[place], kernel.shape[place], mode, odd)


def _parts(x: NDArray[Any]) -> Iterator[slice]:
    """Return parts of the first axis."""
    step = max(1, _PART * len(x) // x.size)
    return (slice(start, start + step) for start in range(0, len(x), step))


def _has_neighbours(x: NDArray[Any], window: _Window) -> bool:
    """Whether two neighbours are equal, or windows need none; mostly, this ends the search."""
    if not window.inner(x.shape):
        return True
    lines = x if not window.axis else x.swapaxes(0, window.axis)
    here, there = lines[1:], lines[:-1]
    if window.axis:
        here, there = here.swapaxes(0, window.axis), there.swapaxes(0, window.axis)
    if here.size <= _PART:
        return np.count_nonzero(here == there) > 0
    return any(np.count_nonzero(here[part] == there[part]) for part in _parts(here))


def _small(y: NDArray[Any], bound: float) -> Booleans | None:
    """Return which results are below a bound and not zero; None if none are."""
    small = np.empty(y.shape, bool)
    found = 0
    for part in _parts(y):
        here = np.less(np.abs(y[part]), bound, out=small[part])
        if np.count_nonzero(here):
            here &= y[part] != 0
            found += np.count_nonzero(here)
    return small if found else None


def _is_possible(x: NDArray[Any], small: Booleans, window: _Window) -> bool:
    """Whether the neighbours of a small result may be equal to its own sample; many results are not looked at."""
    if not window.inner(x.shape) or np.count_nonzero(small) > _FEW * small.size:
        return True
    places = list(np.nonzero(small))
    middle, at, last = x[tuple(places)], places[window.axis], x.shape[window.axis] - 1
    same = np.ones(middle.size, bool)
    for beside in (np.maximum(at - 1, 0), np.minimum(at + 1, last)):
        places[window.axis] = beside
        same &= x[tuple(places)] == middle
    return bool(same.any())


def _differs(x: NDArray[Any], window: _Window, cval: complex) -> Booleans:
    """Return where a window along its axis is not constant; a NaN differs from itself."""
    lines = np.moveaxis(x, window.axis, 0)
    length, first = len(lines), window.first
    stop = length + first + window.size - 1
    outside = window.mode == "constant"
    extended = lines[index_map("nearest" if outside else window.mode, length, first, stop)]
    jumps = extended[1:] != extended[:-1]
    if outside and first < 0:
        jumps[-1 - first] = lines[0] != cval
    if outside and stop > length:
        jumps[length - 1 - first] = lines[-1] != cval
    return np.moveaxis(_any_of(jumps, window.size - 1), 0, window.axis)


def _any_of(marks: Booleans, size: int) -> Booleans:
    """Return whether any of `size` marks in a row is set, along the first axis."""
    total = np.zeros((len(marks) + 1, *marks.shape[1:]), np.int32)
    np.cumsum(marks, axis=0, out=total[1:])
    differs: Booleans = total[size:] != total[:-size]
    return differs
