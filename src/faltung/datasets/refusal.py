"""What is said of a data set that cannot be learned from? What it should be, what it is, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.errors import ArgumentError

__all__ = ["refusal", "shortened"]

_SHOWN = 10


def refusal(expected: str, received: str, remedy: str = "") -> ArgumentError:
    """Return the error for a data set; it goes by the name that the command line gives it.

    Examples
    --------
    >>> print(refusal("at least two classes", "one", "Add another."))
    DATA: expected at least two classes, got one. Add another.
    """
    return ArgumentError("DATA", expected, received, remedy)


def shortened(names: Sequence[str]) -> str:
    """Join the first ten names for a message, and say how many more there are.

    Examples
    --------
    >>> shortened(["a", "b"]), shortened([*"abcdefghijkl"])
    ('a, b', 'a, b, c, d, e, f, g, h, i, j and 2 more')
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
