"""How is a filter of scipy.ndimage run? Its plans one after the other, sums of them, and their magnitude.

What a call needs is kept under its arguments, so that a repeated call only looks it up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.ndimage.ndimage_arguments import key_of
from faltung.compat.ndimage.ndimage_output import Place, place_of
from faltung.compat.ndimage.ndimage_plans import Setting
from faltung.ground.bounded import Bounded
from faltung.planning.machine import on_change
from faltung.planning.planned import Planned
from faltung.run.entry import execute

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Steps", "run_filter"]

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
    """

    chains: tuple[tuple[Planned, ...], ...]
    result: np.dtype[Any]
    magnitude: bool = False

    def run(self, x: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
        """Filter an array."""
        boolean = self.result.kind == "b" and any(self.chains)
        if len(self.chains) == 1 and not (self.magnitude or boolean):
            return _run_chain(self.chains[0], x, out, self.result)
        if not boolean:
            return self._combined(x, out)
        # A boolean is a byte between passes, and in the end whether that is not zero.
        result = np.empty(x.shape, bool) if out is None else out
        np.not_equal(self._combined(x, None), 0, out=result)
        return result

    def _combined(self, x: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
        dtype = _BYTE if self.result.kind == "b" else self.result
        first, *others = self.chains
        shared = out is not None and np.may_share_memory(x, out)
        total = _run_chain(first, x, None if shared else out, dtype)
        squared = self.magnitude and self.result.kind != "b"
        if squared:
            np.multiply(total, total, out=total)
        for chain in others:
            term = _run_chain(chain, x, None, dtype)
            if squared:
                np.multiply(term, term, out=term)
            if self.result.kind == "b":
                np.bitwise_or(total, term, out=total)
            else:
                np.add(total, term, out=total)
        if squared:
            np.sqrt(total, out=total, casting="unsafe")
        if shared and out is not None:
            out[...] = total
            return out
        return total


def _run_chain(
    chain: tuple[Planned, ...], x: NDArray[Any], out: NDArray[Any] | None, result: np.dtype[Any]
) -> NDArray[Any]:
    if not chain:
        out = np.empty(x.shape, result) if out is None else out
        out[...] = x
        return out
    for plan in chain[:-1]:
        x = execute(plan, x)
    return execute(chain[-1], x, out)


_kept: Bounded[tuple[Any, ...], Steps] = Bounded(_MOST, _MOST_BYTES)
on_change(_kept.clear)


def run_filter(
    name: str,
    resolve: Callable[..., Steps],
    input: Any,  # SciPy's name
    output: Any,
    arguments: tuple[Any, ...],
    complex_result: bool = False,
) -> NDArray[Any]:
    """Filter an array as a function of scipy.ndimage does.

    Parameters
    ----------
    name : str
        The function.
    resolve : callable
        Returns the steps for a value `Setting` and the arguments.
    input, output
        What was passed.
    arguments : tuple
        All other arguments.
    complex_result : bool
        Whether a result must be complex that is not otherwise.
    """
    x = input if type(input) is np.ndarray else np.asarray(input)
    told = key_of(arguments)
    place = Place(x.dtype) if output is None and not complex_result else place_of(output, x, complex_result)
    key = (name, x.shape, x.dtype, place.dtype, output is None, told)
    steps = None if told is None else _kept.get(key)
    if steps is None:
        if output is None and not complex_result:
            place = place_of(output, x)
        steps = resolve(Setting(name, x.shape, *_stored(x.dtype, place.dtype)), *arguments)
        steps = steps._replace(result=place.dtype)
        if told is not None:
            _kept.put(key, steps, _size(steps))
    if x.dtype.kind == "b" and any(steps.chains):
        x = x.view(_BYTE)
    return steps.run(x, place.array)


def _stored(*dtypes: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes with which samples are filtered: booleans are bytes."""
    return tuple(_BYTE if dtype.kind == "b" else dtype for dtype in dtypes)


def _size(steps: Steps) -> int:
    """Return the bytes that belong to a steps, approximately."""
    plans = [plan for chain in steps.chains for plan in chain]
    return sum(4096 + plan.memory + 64 * math.prod(plan.problem.kernel.shape) for plan in plans)
