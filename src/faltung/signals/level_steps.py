"""How do the levels of a pyramid follow from each other? Filtered and halved; or expanded, and added to another one.

Arrays of NumPy take *steps*: the machine code of a filter for one shape, which is kept. It adds what it expands to
the other level, or subtracts it, as it stores: no expanded level is in memory by itself. All other arrays, and what
is not finite, take `convolve` and a sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from faltung.front import convolve, plan
from faltung.ground.bounded import SMALL, Bounded
from faltung.kernels import Kernel
from faltung.run.rate_step import RateStep, rate_step
from faltung.signals.given_axes import is_labelled

__all__ = ["LevelFilter", "expanded_with", "reduced"]

_FLOATS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))
_DOWN, _UP = {"stride": 2}, {"up": 2}


class LevelFilter(NamedTuple):
    """How levels are filtered; the fields are those of a `Pyramid`."""

    kernel: Kernel
    axes: tuple[int, ...]
    modes: tuple[str, ...]
    cval: complex
    nan: str

    def parts(self, ndim: int) -> list[LevelFilter]:
        """Return filters along one axis after another, or along two of them while a tile is in the cache."""
        if len(self.axes) == 2 and ndim - 1 in self.axes:
            return [self]
        places = zip(self.axes, self.modes, strict=True)
        return [self._replace(axes=(axis,), modes=(mode,)) for axis, mode in places]


def reduced(x: Any, given: LevelFilter, workers: int | None) -> Any:
    """Return the next coarser level."""
    for part in given.parts(len(x.shape)):
        shape = tuple(-(-n // 2) if axis in part.axes else n for axis, n in enumerate(x.shape))
        x = _filtered(x, part, shape, _DOWN, workers)
    return x


def expanded_with(fine: Any, coarse: Any, given: LevelFilter, sign: int, workers: int | None) -> Any:
    """Return ``fine + sign * expand(coarse)``, with the labels of the finer level."""
    x, base = (level.data if is_labelled(level) else level for level in (coarse, fine))
    *before, last = given.parts(len(base.shape))
    for part in before:
        x = _filtered(x, part, _lengths(x, base, part), _UP, workers)
    result = _filtered(x, last, _lengths(x, base, last), _UP, workers, base, sign)
    return fine.copy(data=result) if is_labelled(fine) else result


def _lengths(x: Any, fine: Any, part: LevelFilter) -> tuple[int, ...]:
    """Return the shape of a level that has the length of the finer one along some axes."""
    return tuple(fine.shape[axis] if axis in part.axes else n for axis, n in enumerate(x.shape))


def _filtered(
    x: Any,
    part: LevelFilter,
    shape: tuple[int, ...],
    rate: dict[str, int],
    workers: int | None,
    base: Any = None,
    sign: int = 1,
) -> Any:
    """Return an array filtered along some axes, of this shape; or ``base + sign`` times that."""
    if part.nan == "propagate" and _is_plain(x) and (base is None or (_is_plain(base) and base.dtype == x.dtype)):
        y = _by_step(x, part, shape, rate, workers, base, sign)
        if y is not None:
            return y
    kernel = _scaled(part, rate)
    y = convolve(x, kernel, part.modes, part.cval, axes=part.axes, nan=part.nan, workers=workers, **rate)  # type: ignore[arg-type]
    y = y if y.shape == shape else y[tuple(map(slice, shape))]
    if base is None:
        return y
    with np.errstate(all="ignore"):  # as for filters: results of infinities are what floats make of them
        return base + y if sign > 0 else base - y


def _is_plain(x: Any) -> bool:
    """Whether machine code can read an array as it lies in memory."""
    return type(x) is np.ndarray and x.dtype in _FLOATS and bool(x.flags.c_contiguous and x.flags.aligned)


def _by_step(
    x: Any, part: LevelFilter, shape: tuple[int, ...], rate: dict[str, int], workers: int | None, base: Any, sign: int
) -> Any:
    """Return the result of the step for such arrays, or None if there is none, or if it may not be finite."""
    key = (x.shape, shape, x.dtype, part.kernel.fingerprint, part.axes, part.modes, repr(part.cval), rate is _UP)
    step = _steps.get(key)
    if step is None:
        how: Any = {"axes": part.axes, **rate}
        step = rate_step(plan(x, _scaled(part, rate), part.modes, part.cval, **how), shape) or _NO_STEP
        if isinstance(step, RateStep):  # its tables are made by its first call
            y = step(x, base, sign, workers)
            _steps.put(key, step, SMALL + step.nbytes)
            return y
        _steps.put(key, step, SMALL)
    return step(x, base, sign, workers) if isinstance(step, RateStep) else None


def _scaled(part: LevelFilter, rate: dict[str, int]) -> Kernel:
    """Return the filter along one axis, or its outer product with itself; each level has the same."""
    kernel, ndim, scale = part.kernel, len(part.axes), 2.0 if rate is _UP else 1.0

    def make() -> Kernel:
        line = scale * kernel.taps
        return Kernel(line if ndim == 1 else np.multiply.outer(line, line), kernel.origin * ndim)

    return _kernels.get_or_make((kernel.fingerprint, scale, ndim), make, lambda made: SMALL + made.taps.nbytes)


#: Filters of recent pyramids, and steps by what they are for.
_kernels: Bounded[tuple[bytes, float, int], Kernel] = Bounded(16)
_steps: Bounded[tuple[Any, ...], Any] = Bounded(256)
_NO_STEP = "none"
