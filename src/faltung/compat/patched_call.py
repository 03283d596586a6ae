"""What does a replaced function of a peer do? It calls ours, or the original, and counts."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from faltung.compat.not_served import NotServedError

__all__ = ["CallArguments", "Replacement", "SampleArray", "Tally"]

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


class Replacement:
    """What stands in the place of a peer's function: it calls ours, or the original, and counts.

    An error of ours sends the call to the original, so that the error is the peer's own, and nothing that the peer
    can do is lost. An error is raised only where a function of the user is among the arguments, which must not run
    twice. As a key, and in comparisons, a replacement is the original.

    Parameters
    ----------
    original, ours : callable
        The two functions.
    tally : Tally
        The counts.
    """

    def __init__(self, original: Callable[..., Any], ours: Callable[..., Any], tally: Tally) -> None:
        functools.update_wrapper(self, original)
        self._original, self._ours, self._tally = original, ours, tally

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call ours, or the original."""
        if getattr(_INSIDE, "original", False):  # what an original calls is part of a call that is counted
            return self._uncounted(args, kwargs)
        start = perf_counter()
        try:
            result = self._ours(*args, **kwargs)
        except Exception as error:
            if not isinstance(error, NotServedError) and any(map(callable, (*args, *kwargs.values()))):
                raise
            self._tally.note_passed(error)
        else:
            self._tally.note_served(args, kwargs, perf_counter() - start)
            return result
        _INSIDE.original = True
        try:
            return self._original(*args, **kwargs)
        finally:
            _INSIDE.original = False

    def _uncounted(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with suppress(Exception):
            return self._ours(*args, **kwargs)
        return self._original(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind to an object, as the functions of a class do."""
        binds = instance is not None and hasattr(self._original, "__get__")
        return functools.partial(self, instance) if binds else self

    def __eq__(self, other: object) -> bool:
        return self is other or self._original is other

    def __hash__(self) -> int:
        return hash(self._original)

    def __repr__(self) -> str:
        return f"<{self._original!r}, replaced by faltung>"

    def __reduce__(self) -> str:
        return str(self.__qualname__)  # type: ignore[attr-defined]  # from the original


#: Whether this thread is in an original function, to which a call was passed on.
_INSIDE = threading.local()


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
