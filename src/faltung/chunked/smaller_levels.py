"""How is a smaller level made of a finer one? Each sample from those around it, smoothed so that nothing is aliased.

A sample of the smaller level is in the middle of the samples of the finer level that it stands for. So with a factor
of 2, its place is half a sample of the finer level beyond that of the first of them, whatever the method.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.kernels import Kernel
from faltung.planning.question import Options, Question, question_of

__all__ = ["METHODS_OF_LEVELS", "check_level_method", "factors_between", "level_kernel", "level_question"]

#: How samples are put together.
METHODS_OF_LEVELS = ("mean", "gaussian")
#: Radius of the Gaussian, in standard deviations.
_RADIUS = 3.5
#: Samples that one of the next level is made of, at most.
_MOST_TAPS = 2**12


def check_level_method(method: Any) -> str:
    """Return a method, if it is one."""
    if method not in METHODS_OF_LEVELS:
        raise ArgumentError("method", "mean or gaussian", repr(method))
    return str(method)


def level_kernel(factors: Sequence[int], method: str) -> Kernel:
    """Return the kernel that is correlated with a finer level, at each sample where a group of `factors` begins.

    ``mean`` is the mean of the group. ``gaussian`` is a Gaussian around the middle of the group, whose standard
    deviation is half the factor along each axis.

    Examples
    --------
    >>> level_kernel((2,), "mean").taps, level_kernel((2,), "mean").origin
    (array([0.5, 0.5]), (0,))
    >>> level_kernel((2,), "gaussian").taps.round(3), level_kernel((2,), "gaussian").origin
    (array([0.001, 0.018, 0.13 , 0.352, 0.352, 0.13 , 0.018, 0.001]), (3,))
    """
    parts = []
    for axis, factor in enumerate(factors):
        taps, origin = _taps(factor, method)
        shape, places = [1] * len(factors), [0] * len(factors)
        shape[axis], places[axis] = len(taps), origin
        parts.append(Kernel(taps.reshape(shape), tuple(places)))
    return functools.reduce(operator.mul, parts)


def _taps(factor: int, method: str) -> tuple[Any, int]:
    if factor == 1 or method == "mean":
        return np.full(factor, 1 / factor), 0
    sigma, middle = factor / 2, (factor - 1) / 2
    reach = int(_RADIUS * sigma - middle + 0.5)
    taps = np.exp(-((np.arange(-reach, factor + reach) - middle) ** 2) / (2 * sigma**2))
    return taps / taps.sum(), reach


def level_question(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    factors: Sequence[int],
    method: str,
    smaller: Sequence[int],
    *,
    masked: bool = False,
) -> Question:
    """Return the question whose answer is the next level of an array: one output for each group of samples.

    Examples
    --------
    >>> level_question((5, 8), np.dtype("u1"), (1, 2), "mean", (5, 4)).stride
    (2,)
    """
    axes = [axis for axis, factor in enumerate(factors) if factor > 1]
    steps = [factors[axis] for axis in axes]
    kernel = level_kernel(steps, method)
    nan = "ignore" if masked else "propagate"
    options = Options(False, "reflect", axes=tuple(axes), stride=tuple(steps), dtype=dtype, nan=nan, masked=masked)
    return question_of(shape, dtype, kernel, options)


def factors_between(finer: Sequence[int], smaller: Sequence[int]) -> tuple[int, ...] | None:
    """Return the factor between two levels along each axis; None if there is none that is whole, or they are too far.

    Examples
    --------
    >>> factors_between((10, 101, 64), (10, 51, 32)), factors_between((10,), (4,))
    ((1, 2, 2), None)
    """
    factors = tuple(max(1, round(many / max(1, few))) for many, few in zip(finer, smaller, strict=True))
    for many, few, factor in zip(finer, smaller, factors, strict=True):
        if few not in (-(-many // factor), many // factor) or not few:
            return None
    return factors if 1 < math.prod(factors) <= _MOST_TAPS else None
