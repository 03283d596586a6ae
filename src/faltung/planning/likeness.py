"""Which problems have the same plan? Their kernels differ in the values of taps that no choice depends on.

Engines see of taps how many there are along each axis and how many are not zero, and of an outer product the same for
each of its lines, with the windows that they contain, and whether their taps are the same from both ends. So a choice
that was made for one kernel holds for every other kernel that looks the same. A choice that depends on more than that
has no likeness, and is made anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.engines.passes.paired import mirrored_sign
from faltung.planning.forms import Factor
from faltung.planning.problem import Problem

__all__ = ["likeness"]


def likeness(problem: Problem) -> tuple[Any, ...] | None:
    """Return a key that is equal for problems that get the same plan; None if the values of taps decide, too.

    They do if samples may be missing (the signs of taps), if sums are whole numbers (divisors), and for several outer
    products or passes (what cancels between them).

    Examples
    --------
    >>> import faltung as fa
    >>> one, other, sparse = ([[1, 2], [3, 5]], [[7, 2], [1, 8]], [[1, 2], [0, 5]])
    >>> looks = [likeness(fa.plan((8, 8), taps).problem) for taps in (one, other, sparse)]
    >>> looks[0] == looks[1], looks[0] == looks[2]
    (True, False)
    """
    if problem.weighted or problem.exact or problem.as_c or len(problem.forms) > 1:
        return None
    (step,) = problem.forms[0].steps
    if any(len(factor.terms) > 1 for factor in step):
        return None
    kernel = problem.correlated
    array = (problem.shape, problem.dtype, problem.axes, problem.regions, problem.modes, repr(problem.cval))
    computed = (problem.result, problem.accuracy, problem.number, kernel.shape, kernel.origin, kernel.dtype)
    return array, computed, tuple([_look(factor, problem.number) for factor in step])


def _look(factor: Factor, number: np.dtype[Any]) -> tuple[Any, ...]:
    """Return what engines see of real taps; in the number computed with, a tap may become zero."""
    lines = [
        (line.taps.size, int(np.count_nonzero(line.taps)), line.widths, line.rest.size, mirrored_sign([line.taps]))
        for term in factor.terms
        for line in term
    ]
    with np.errstate(over="ignore"):  # taps that are too large are refused by whoever uses them
        taps = factor.taps.astype(number, copy=False)
    return taps.shape, int(np.count_nonzero(taps)), factor.faithful, tuple(lines)
