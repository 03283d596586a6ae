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

__all__ = ["FlatWindows", "cancels", "flat_windows", "is_short"]

#: Rounding of a result, in units of the sum of all magnitudes; a larger result is no residue.
_RESIDUE = 64.0
#: Results that are compared at once: they stay in the cache.
_PART = 1 << 14
#: Most bytes of a real sample whose sums are exact.
_SHORT = 4


class _Window(NamedTuple):
    """The samples along an axis that a result reads: `first` is the place of the first one, beside the result."""

    axis: int
    first: int
    size: int
    mode: str
    odd: bool

    @property
    def inner(self) -> int:
        """Samples in a row that a window has inside of an array, if that has so many."""
        return 1 + max(0, min(-self.first, self.first + self.size - 1))


class _Search(NamedTuple):
    """Pairs of neighbours along the axis of a window: each window has one. There are none if one may have none."""

    window: _Window
    here: tuple[slice, ...] = ()
    there: tuple[slice, ...] = ()

    def finds(self, x: NDArray[Any]) -> bool:
        """Whether there are as many equal samples in a row as each constant window has; mostly, this is all."""
        if not self.here:
            return True
        pairs = x[self.here] == x[self.there]
        if self.window.inner < 3 or x.size <= _PART:  # the results tell it sooner
            return bool(np.count_nonzero(pairs))
        return bool(np.count_nonzero(pairs)) and self._has_run(x, pairs)

    def _has_run(self, x: NDArray[Any], pairs: Booleans) -> bool:
        """Whether one of these pairs is part of a row of equal samples that is long enough."""
        axis = self.window.axis
        places = [at * (part.step or 1) for at, part in zip(np.nonzero(pairs), self.here, strict=True)]
        value, least = x[tuple(places)], min(self.window.inner, x.shape[axis])
        length = np.full(value.size, 2)
        for start, step in ((0, -1), (1, 1)):
            at, rest = places[axis] + start, np.arange(value.size)
            for _ in range(least - 2):
                at = at + step
                inside = (at >= 0) & (at < x.shape[axis])
                at, rest = at[inside], rest[inside]
                beside = (
                    *(place[rest] for place in places[:axis]),
                    at,
                    *(place[rest] for place in places[axis + 1 :]),
                )
                same = x[beside] == value[rest]
                at, rest = at[same], rest[same]
                length[rest] += 1
        return bool((length >= least).any())


class FlatWindows(NamedTuple):
    """What is known of a chain of plans with a derivative.

    Parameters
    ----------
    windows : tuple of _Window
        For each axis: what a result reads.
    searches : tuple of _Search
        For each axis of a derivative: how its constant windows are looked for.
    cval : complex
        The value beyond the border.
    steady : bool
        Whether lines beyond the border are constant for each plan; a later plan may read another constant there.
    unit : float
        The largest residue, in units of the largest sample.
    """

    windows: tuple[_Window, ...]
    searches: tuple[_Search, ...]
    cval: complex
    steady: bool
    unit: float

    def clear(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Set residues to zero; `x` is what the chain has read, and `y` its results."""
        odd = [search.window for search in self.searches if search.finds(x)]
        small = _small(y, self._bound(x)) if odd and y.size else None
        if small is not None:
            for window in odd:
                y[small & self._flat(x, window)] = 0

    def _bound(self, x: NDArray[Any]) -> float:
        """Return what all residues are below; they are finite."""
        most = abs(x).max() if x.dtype.kind == "c" else max(abs(float(x.max())), abs(float(x.min())))
        bound = self.unit * max(float(most), abs(self.cval))
        return bound if math.isfinite(bound) else math.inf

    def _flat(self, x: NDArray[Any], window: _Window) -> Booleans:
        """Return where all lines along the axis of a window are constant."""
        differs = _differs(x, window, self.cval)
        later = False
        for other in self.windows:
            if other.axis != window.axis:
                differs = _spread(differs, other, later and not self.steady)
            else:
                later = True
        return np.logical_not(differs, out=differs)


def flat_windows(chain: tuple[Planned, ...]) -> FlatWindows | None:
    """Return what is known of a chain whose results are floats and which has a derivative; else None."""
    if not chain or chain[-1].problem.result.kind not in "fc":
        return None
    windows = tuple(window for plan in chain for window in _windows(plan))
    searches = tuple(_search(window, windows, chain[0].problem.shape) for window in windows if window.odd)
    if not searches:
        return None
    cval = complex(chain[0].problem.cval)
    # A chain keeps its results between plans in the dtype of the result, and a plan computes in double precision.
    digits = chain[-1].problem.result if len(chain) > 1 else np.dtype(np.float64)
    unit = math.prod(float(np.abs(plan.problem.kernel.taps).sum()) for plan in chain) * float(np.finfo(digits).eps)
    return FlatWindows(windows, searches, cval, len(chain) == 1 or not cval, _RESIDUE * unit)


def _windows(plan: Planned) -> Iterator[_Window]:
    problem = plan.problem
    kernel, taps = problem.kernel, problem.kernel.taps
    for place, (axis, mode) in enumerate(zip(problem.axes, problem.modes, strict=True)):
        odd = kernel.shape[place] > 1 and np.array_equal(np.flip(taps, place), -taps)
        odd = odd and not _is_exact(problem, place)
        yield _Window(axis, -kernel.origin[place], kernel.shape[place], mode, odd)


def _is_exact(problem: Any, place: int) -> bool:
    """Whether no sum of products is rounded that has to cancel."""
    kernel = problem.kernel
    last = problem.axes[place] == len(problem.shape) - 1 or len(kernel.shape) == 1
    return cancels(kernel.taps, place) and (last or is_short(problem.dtype))


def cancels(taps: NDArray[Any], place: int = 0) -> bool:
    """Whether products of equal samples with real taps cancel by themselves: two powers of two along an axis."""
    powers = np.isin(np.abs(np.frexp(taps)[0]), (0.0, 0.5)) if taps.dtype.kind == "f" else np.zeros(1)
    return taps.shape[place] <= 3 and bool(powers.all())


def is_short(dtype: np.dtype[Any]) -> bool:
    """Whether sums of few samples are exact in double precision; floats must not differ by more than 26 bits."""
    return dtype.itemsize <= (2 * _SHORT if dtype.kind == "c" else _SHORT)


def _search(window: _Window, windows: tuple[_Window, ...], shape: tuple[int, ...]) -> _Search:
    length = shape[window.axis]
    if window.inner < 2 or length < 2:
        return _Search(window)
    steps = {other.axis: slice(0, None, other.inner) for other in windows}
    here = [steps.get(axis, slice(0, None)) for axis in range(len(shape))]
    there = list(here)
    here[window.axis] = slice(0, length - 1, window.inner - 1)
    there[window.axis] = slice(1, length, window.inner - 1)
    return _Search(window, tuple(here), tuple(there))


def _parts(x: NDArray[Any]) -> Iterator[slice]:
    """Return parts of the first axis."""
    step = max(1, _PART * len(x) // x.size)
    return (slice(start, start + step) for start in range(0, len(x), step))


def _small(y: NDArray[Any], bound: float) -> Booleans | None:
    """Return which results are below a bound and not zero; None if none are."""
    small = np.empty(y.shape, bool)
    found = False
    for part in _parts(y):
        here = np.less(np.abs(y[part]), bound, out=small[part])
        if np.count_nonzero(here):
            here &= y[part] != 0
            found = found or bool(np.count_nonzero(here))
    return small if found else None


def _differs(x: NDArray[Any], window: _Window, cval: complex) -> Booleans:
    """Return where a window along its axis is not constant; a NaN differs from itself."""
    lines = np.moveaxis(x, window.axis, 0)
    length, before = len(lines), -window.first
    outside = window.mode == "constant"
    at = index_map("nearest" if outside else window.mode, length, -before, length - before + window.size - 1)
    left, right = lines[at[: before + 1]], lines[at[before + length - 1 :]]
    jumps = [part[1:] != part[:-1] for part in (left, lines, right)]
    beyond = np.complex128(cval)  # a number of Python would be rounded to the samples
    if outside and len(jumps[0]):
        jumps[0][-1] = lines[0] != beyond
    if outside and len(jumps[2]):
        jumps[2][0] = lines[-1] != beyond
    return np.moveaxis(_any_of(np.concatenate(jumps), window.size - 1), 0, window.axis)


def _spread(differs: Booleans, window: _Window, beyond_differs: bool) -> Booleans:
    """Return where a window reads a line that differs."""
    length = differs.shape[window.axis]
    at = index_map(window.mode, length, window.first, length + window.first + window.size - 1)
    lines, before = np.moveaxis(differs, window.axis, 0), -window.first
    sides = at[:before], at[before + length :]
    beyond = [lines[side] & (side >= 0).reshape(-1, *[1] * (lines.ndim - 1)) for side in sides]
    if beyond_differs:
        for part, side in zip(beyond, sides, strict=True):
            part[side < 0] = True
    extended = np.concatenate((beyond[0], lines, beyond[1]))
    return np.moveaxis(_any_of(extended, window.size), 0, window.axis)


def _any_of(marks: Booleans, size: int) -> Booleans:
    """Return whether any of `size` marks in a row is set, along the first axis."""
    covered = 1
    while covered < size:
        step = min(covered, size - covered)
        marks = marks[:-step] | marks[step:]
        covered += step
    return marks
