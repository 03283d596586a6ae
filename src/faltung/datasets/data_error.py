"""How does an error describe a data set that cannot be used? By what is expected, what is there, and a remedy."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.errors import ArgumentError

__all__ = ["data_error", "shortened"]

_SHOWN = 10


def data_error(expected: str, received: str, remedy: str = "") -> ArgumentError:
    """Return the error for a data set that cannot be used. It calls the data set DATA, as the command line does.

    Examples
    --------
    >>> print(data_error("at least two classes", "one", "Add another one."))
    DATA: expected at least two classes, got one. Add another one.
    """
    return ArgumentError("DATA", expected, received, remedy)


def shortened(names: Sequence[str]) -> str:
    """Return the first ten names as a list for a message, and the number of the others.

    Examples
    --------
    >>> shortened(["a", "b"]), shortened([*"abcdefghijkl"])
    ('a, b', 'a, b, c, d, e, f, g, h, i, j and 2 more')
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
