"""What does a replaced function of a peer do? It calls ours, or the original, and counts."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CallArguments", "SampleArray", "Tally", "counted"]

#: Most kinds of calls of one function that are told apart; all others are counted, but not measured later.
_MOST_KINDS = 64
#: Arrays of up to so many samples, which are mostly kernels, are kept for a later measurement; of others, the shape.
_MOST_KEPT = 4096
#: Longest sequence that is told from others by its values.
_LONGEST = 32


class SampleArray(NamedTuple):
    """An argument that was an array: its shape and dtype, and the array itself if it is small."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    values: np.ndarray[Any, Any] | None


class CallArguments(NamedTuple):
    """The arguments of one kind of calls, from which another such call can be made."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


class Tally:
    """How often one function was called, served and passed on, and how long that took.

    Parameters
    ----------
    name : str
        Full name of the peer's function.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Begin anew."""
        self.served = self.passed = 0
        #: Seconds that the calls took that were served.
        self.seconds = 0.0
        #: For each kind of served calls: how many, their seconds, and how to make another one, if that is known.
        self.kinds: dict[Any, tuple[int, float, CallArguments | None]] = {}
        #: Why calls were passed on, and how often.
        self.reasons: Counter[str] = Counter()

    def note_served(self, args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float) -> None:
        """Count a call that was served."""
        kind = (*map(_kind, args), *((name, _kind(value)) for name, value in kwargs.items()))
        with self._lock:
            self.served += 1
            self.seconds += seconds
            known = self.kinds.get(kind)
            if known is not None:
                self.kinds[kind] = (known[0] + 1, known[1] + seconds, known[2])
            elif len(self.kinds) < _MOST_KINDS:
                self.kinds[kind] = (1, seconds, _arguments(args, kwargs))

    def note_passed(self, reason: Exception) -> None:
        """Count a call that went to the original."""
        with self._lock:
            self.passed += 1
            # A reason may quote values, so that no two are equal.
            if len(self.reasons) < _MOST_KINDS or str(reason) in self.reasons:
                self.reasons[str(reason)] += 1


def counted(original: Callable[..., Any], ours: Callable[..., Any], tally: Tally) -> Callable[..., Any]:
    """Return a function that calls `ours`, and where that raises any error, `original`.

    So an error is the peer's own, and nothing that the peer can do is lost.
    """

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            result = ours(*args, **kwargs)
        except Exception as error:
            tally.note_passed(error)
        else:
            tally.note_served(args, kwargs, perf_counter() - start)
            return result
        return original(*args, **kwargs)

    return call


def _kind(value: Any) -> Any:
    """Return what tells one kind of calls from another: of an array its shape and dtype, of others the text."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype
    return repr(value) if _is_plain(value) else type(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) <= _LONGEST and all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, complex, type, np.generic, np.dtype))


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallArguments | None:
    """Return what makes another such call, or None if an argument is neither an array nor plain."""
    if not all(_is_plain(value) or type(value) is np.ndarray for value in (*args, *kwargs.values())):
        return None
    return CallArguments(tuple(map(_kept, args)), {name: _kept(value) for name, value in kwargs.items()})


def _kept(value: Any) -> Any:
    if type(value) is not np.ndarray:
        return value
    return SampleArray(value.shape, value.dtype, value.copy() if value.size <= _MOST_KEPT else None)
