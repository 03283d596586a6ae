"""Is what the page asks with usable? Each check returns the value, or raises an error that says why not.

Numbers are checked by `faltung.ground.checks`, as those of every other caller.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["checked_samples", "checked_text", "kind_of", "listed", "one_of"]

_LONGEST_TEXT = 2**20


def listed(argument: str, value: object, *counts: int) -> list[object]:
    """Return a list that has one of these numbers of items.

    Examples
    --------
    >>> listed("size", [4, 4], 1, 2)
    [4, 4]
    """
    if not isinstance(value, list) or len(value) not in counts:
        raise ArgumentError(argument, f"a list of {' or '.join(map(str, counts))} numbers", f"{value!r:.60}")
    return value


def one_of(argument: str, value: object, choices: Iterable[str]) -> str:
    """Return one of the names that can be chosen.

    Examples
    --------
    >>> one_of("fill", "wrap", ("zero", "wrap"))
    'wrap'
    """
    names = tuple(choices)
    if not isinstance(value, str) or value not in names:
        raise ArgumentError(argument, " or ".join(names) or "none", f"{value!r:.60}")
    return value


def checked_text(argument: str, value: object, longest: int = _LONGEST_TEXT) -> str:
    """Return a text that is not too long.

    Examples
    --------
    >>> checked_text("text", "box(3)")
    'box(3)'
    """
    if not isinstance(value, str) or len(value) > longest:
        raise ArgumentTypeError(argument, f"a string of at most {longest:,} characters", kind_of(value))
    return value


def checked_samples(
    argument: str, value: object, expected: str, ndims: tuple[int, ...], most: int
) -> NDArray[np.float64]:
    """Return an array of one of these numbers of axes in double precision.

    Examples
    --------
    >>> checked_samples("before", np.eye(2, dtype=np.uint8), "a gray picture", (2,), 100).dtype
    dtype('float64')
    """
    if not isinstance(value, np.ndarray) or value.ndim not in ndims or not 0 < value.size <= most:
        raise ArgumentError(argument, f"{expected} of at most {most:,} samples", kind_of(value))
    return value.astype(np.float64)


def kind_of(value: object) -> str:
    """Return what an error says of a value that is too large to be written.

    Examples
    --------
    >>> kind_of(np.zeros((2, 3))), kind_of("a")
    ('an array of shape (2, 3)', 'str')
    """
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
