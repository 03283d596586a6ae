"""What does the shell complete? The names of filters, modes and rules, from their first letters."""

from __future__ import annotations

from collections.abc import Iterable

from faltung.ground.boundary import MODES
from faltung.kernels.named import NAMED

__all__ = ["calls", "filter_names", "mode_names", "nan_rules"]


def filter_names(incomplete: str) -> list[str]:
    """Return the names of filters.

    Examples
    --------
    >>> filter_names("ga")
    ['gaussian', 'gaussian_derivative', 'gabor']
    """
    return _beginning(incomplete, NAMED)


def calls(incomplete: str) -> list[str]:
    """Return the names of filters, each before its arguments."""
    return [f"{name}(" for name in filter_names(incomplete)]


def mode_names(incomplete: str) -> list[str]:
    """Return the names of modes; after a comma, those for the next axis."""
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in _beginning(last, MODES)]


def nan_rules(incomplete: str) -> list[str]:
    """Return what NaN can be."""
    return _beginning(incomplete, ("propagate", "ignore"))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
