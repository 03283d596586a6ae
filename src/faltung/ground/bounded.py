"""A cache that threads share, which holds so many values of so many bytes and drops the least recently used."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

__all__ = ["Bounded"]

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")

_every: WeakSet[Bounded[Any, Any]] = WeakSet()


class _Entry(Generic[_Value]):
    __slots__ = ("last_use", "size", "value")

    def __init__(self, value: _Value, size: int, last_use: int) -> None:
        self.value, self.size, self.last_use = value, size, last_use


class Bounded(Generic[_Key, _Value]):
    """Values by their keys, safe for threads; the least recently used ones are dropped.

    A hit takes no lock: it is a look-up in a dictionary, and a number for the time of the last use.

    Parameters
    ----------
    most : int
        Number of values that are kept.
    most_bytes : int, optional
        Bytes of all values together; the caller says how many each one has.

    Examples
    --------
    >>> cache = Bounded(most=2)
    >>> for key in "abc":
    ...     _ = cache.put(key, key.upper())
    >>> cache.get("a"), cache.get("c"), len(cache)
    (None, 'C', 2)
    """

    def __init__(self, most: int, most_bytes: int | None = None) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._entries: dict[_Key, _Entry[_Value]] = {}
        self._bytes = 0
        self._cleared = 0
        self._clock = itertools.count()
        # A value that is dropped may run code of its own, which may come back to this cache.
        self._lock = threading.RLock()
        _every.add(self)

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.last_use = next(self._clock)
        return entry.value

    def put(self, key: _Key, value: _Value, size: int = 0) -> _Value:
        """Keep a value of `size` bytes, and return it; one that is larger than the whole cache is kept alone."""
        return self._put(key, value, size, self._cleared)

    def get_or_make(
        self, key: _Key, make: Callable[[], _Value], size_of: Callable[[_Value], int] | None = None
    ) -> _Value:
        """Return the value of a key, which is made and kept if there is none.

        Two threads may make the same value at once. A value is not kept if the cache was cleared while it was made:
        it may depend on what has changed.
        """
        value = self.get(key)
        if value is None:
            cleared = self._cleared
            value = make()
            self._put(key, value, 0 if size_of is None else size_of(value), cleared)
        return value

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            dropped, self._entries = self._entries, {}
            self._bytes = 0
            self._cleared += 1
        del dropped  # outside the lock

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Bytes of all values together."""
        return self._bytes

    def _put(self, key: _Key, value: _Value, size: int, cleared: int) -> _Value:
        dropped = []
        with self._lock:
            if cleared == self._cleared:
                dropped.append(self._taken(key))
                self._entries[key] = _Entry(value, size, next(self._clock))
                self._bytes += size
                while self._is_too_large():
                    # Over a copy: a collection of garbage may come back to this cache.
                    oldest, _ = min([*self._entries.items()], key=lambda pair: pair[1].last_use)
                    dropped.append(self._taken(oldest))
        del dropped  # outside the lock
        return value

    def _taken(self, key: _Key) -> _Entry[_Value] | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
        return entry

    def _is_too_large(self) -> bool:
        over = self._most_bytes is not None and self._bytes > self._most_bytes
        return len(self._entries) > 1 and (over or len(self._entries) > self._most)


def _renew_locks() -> None:
    for cache in list(_every):
        cache._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)  # a thread that held a lock does not survive a fork
