"""How is a filter of scipy.ndimage run? Its plans one after the other, sums of them, and their magnitude.

What a call needs is kept under its arguments, so that a repeated call only looks it up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.ndimage.flat_windows import FlatWindows, flat_windows
from faltung.compat.ndimage.ndimage_arguments import key_of
from faltung.compat.ndimage.ndimage_output import place_of
from faltung.compat.ndimage.ndimage_plans import CallSetting
from faltung.ground.bounded import SMALL, Bounded
from faltung.planning.machine import on_change
from faltung.planning.planned import Planned
from faltung.run.entry import execute

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Steps", "is_complex", "run_filter"]

#: Most calls whose plans are kept, and most bytes that belong to them.
_MOST, _MOST_BYTES = 512, 1 << 26
_BYTE = np.dtype(np.uint8)


class Steps(NamedTuple):
    """What a call runs.

    Parameters
    ----------
    chains : tuple of tuple of Planned
        Plans that run one after the other; the results of several chains are added up. A chain without plans copies.
    result : dtype
        The dtype of the result.
    magnitude : bool
        Whether the result is the root of the sum of the squares.
    flat : tuple of FlatWindows or None
        For each chain: where its results are zero but for rounding.
    """

    chains: tuple[tuple[Planned, ...], ...]
    result: np.dtype[Any]
    magnitude: bool = False
    flat: tuple[FlatWindows | None, ...] = ()

    @property
    def single(self) -> Planned | None:
        """The only plan, if it makes the result by itself."""
        if any(self.flat):
            return None
        alone = len(self.chains) == len(self.chains[0]) == 1 and not self.magnitude and self.result.kind != "b"
        return self.chains[0][0] if alone else None

    def run(self, x: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
        """Filter an array; if its samples are booleans, as bytes."""
        if not any(self.chains):
            out = np.empty(x.shape, self.result) if out is None else out
            out[...] = x
            return out
        x = x.view(_BYTE) if x.dtype.kind == "b" else x
        if self.result.kind != "b":
            return self._combined(x, out)
        # A boolean is a byte between passes, and in the end whether that is not zero.
        result = np.empty(x.shape, bool) if out is None else out
        np.not_equal(self._combined(x, None), 0, out=result)
        return result

    @np.errstate(all="ignore")  # as the peer's C code has it
    def _combined(self, x: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
        """Add up the results of all chains."""
        (first, flat), *others = zip(self.chains, self.flat, strict=True)
        if flat is None and not others and not self.magnitude:
            return _run_chain(first, x, out)
        shared = out is not None and np.may_share_memory(x, out)
        total = _run_chain(first, x, None if shared else out, flat)
        boolean = self.result.kind == "b"
        squared, add = self.magnitude and not boolean, np.bitwise_or if boolean else np.add
        if squared:
            np.multiply(total, total, out=total)
        for chain, flat in others:
            term = _run_chain(chain, x, None, flat)
            if squared:
                np.multiply(term, term, out=term)
            add(total, term, out=total)
        if squared:
            _take_root(total)
        if shared and out is not None:
            out[...] = total
            return out
        return total


def _take_root(total: NDArray[Any]) -> None:
    # Roots of bytes have a fraction that half precision holds; single precision is faster.
    np.sqrt(total, out=total, casting="unsafe", dtype=np.float32 if total.itemsize == 1 else None)


def _run_chain(
    chain: tuple[Planned, ...], x: NDArray[Any], out: NDArray[Any] | None, flat: FlatWindows | None = None
) -> NDArray[Any]:
    """Run plans; each one reads the result of the one before."""
    given = x
    for plan in chain[:-1]:
        x = execute(plan, x)
    result: NDArray[Any] = execute(chain[-1], x, out)
    if flat is not None:
        flat.clear(given, result)
    return result


class _Ready(NamedTuple):
    """The steps of a call, and their only plan, if that can filter the array as it is."""

    steps: Steps
    single: Planned | None


_kept: Bounded[tuple[Any, ...], _Ready] = Bounded(_MOST, _MOST_BYTES)
on_change(_kept.clear)


def run_filter(
    name: str,
    resolve: Callable[..., Steps],
    input: Any,  # SciPy's name
    output: Any,
    arguments: tuple[Any, ...],
    complex_result: Callable[..., bool] | None = None,
) -> NDArray[Any]:
    """Filter an array as a function of scipy.ndimage does.

    Parameters
    ----------
    name : str
        The function.
    resolve : callable
        Returns the steps for a `CallSetting` and the arguments.
    input, output
        What was passed.
    arguments : tuple
        All other arguments.
    complex_result : callable, optional
        Tells from the array and the arguments whether the result must be complex.
    """
    x = input if type(input) is np.ndarray else np.asarray(input)
    told = key_of(arguments)
    place = None
    if output is not None:
        place = place_of(output, x, complex_result is not None and complex_result(x, *arguments))
    key = (name, x.shape, x.dtype, told, None if place is None else place.dtype)
    kept = None if told is None else _kept.get(key)
    if kept is None:
        if place is None:
            place = place_of(None, x, complex_result is not None and complex_result(x, *arguments))
        setting = CallSetting(name, x.shape, *_stored(x.dtype, place.dtype))
        steps = resolve(setting, *arguments)
        steps = steps._replace(result=place.dtype, flat=tuple(flat_windows(chain) for chain in steps.chains))
        kept = _Ready(steps, None if x.dtype.kind == "b" else steps.single)
        if told is not None:
            _kept.put(key, kept, _size(steps))
    out = None if place is None else place.array
    return kept.steps.run(x, out) if kept.single is None else execute(kept.single, x, out)


def is_complex(x: NDArray[Any], *_: Any) -> bool:
    """Whether the samples of an array are complex; all other arguments do not matter."""
    return x.dtype.kind == "c"


def _stored(*dtypes: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes with which samples are filtered: booleans are bytes."""
    return tuple(_BYTE if dtype.kind == "b" else dtype for dtype in dtypes)


def _size(steps: Steps) -> int:
    return sum([plan.kept_bytes for chain in steps.chains for plan in chain], SMALL)
