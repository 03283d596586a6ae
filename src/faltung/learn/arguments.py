"""Is this argument of a run usable? Each check returns the value, or raises an error that names the argument."""

from __future__ import annotations

from types import UnionType
from typing import TypeVar

from faltung.datasets.dataset import Split
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, real

__all__ = ["instance", "seed_of", "share", "split_of_data", "thread_count"]

_Value = TypeVar("_Value")

_LARGEST_SEED = 2**63 - 1
_MOST_THREADS = 2**15


def instance(argument: str, value: _Value, kind: type | UnionType, expected: str, remedy: str = "") -> _Value:
    """Return a value of a class, or of one of several.

    Examples
    --------
    >>> instance("options", [], dict, "settings by name", "Use {}.")
    Traceback (most recent call last):
    faltung.errors.ArgumentTypeError: options: expected settings by name, got [] of class list. Use {}.
    """
    if isinstance(value, kind):
        return value
    shown = repr(value) if isinstance(value, str | int | float | list | tuple) else ""
    received = f"{shown} of class {type(value).__name__}" if 0 < len(shown) < 80 else type(value).__name__
    raise ArgumentTypeError(argument, expected, received, remedy)


def share(argument: str, value: float) -> float:
    """Return a number from 0 to below 1.

    Examples
    --------
    >>> share("momentum", 1.0)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: momentum: expected a number from 0 to below 1, got 1.0.
    """
    plain = real(argument, value)
    if not 0 <= plain < 1:
        raise ArgumentError(argument, "a number from 0 to below 1", str(value))
    return plain


def seed_of(value: int) -> int:
    """Return a seed that torch can use.

    Examples
    --------
    >>> seed_of(1.0)
    Traceback (most recent call last):
    faltung.errors.ArgumentTypeError: seed: expected an integer from 0 to 9223372036854775807, got 1.0. Use 1.
    """
    return integer("seed", value, 0, _LARGEST_SEED)


def split_of_data(value: Split) -> Split:
    """Return a data set in three parts.

    Examples
    --------
    >>> split_of_data("photos/")
    Traceback (most recent call last):
    faltung.errors.ArgumentTypeError: split: expected a Split: training, validation and test set, got 'photos/' of ...
    """
    remedy = "Use faltung.learn.load(path), or Split(training, validation, test, name) for arrays."
    return instance("split", value, Split, "a Split: training, validation and test set", remedy)


def thread_count(value: int) -> int:
    """Return a number of threads that torch can use.

    Examples
    --------
    >>> thread_count(0)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: threads: expected an integer from 1 to 32768, got 0. Use 1 for a single thread.
    """
    return integer("threads", value, 1, _MOST_THREADS, "Use 1 for a single thread.")
