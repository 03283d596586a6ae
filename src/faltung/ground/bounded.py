"""A cache that threads share, which holds so many values of so many bytes and drops the least recently used.

All caches of the package are of this kind, and they are bounded together, too: what one of them needs, another one
that is no longer used gives up. No lock is held at any time. A thread that is interrupted between two steps, by an
exception of a signal handler, leaves nothing locked, and a process that forks takes no lock along.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import ref

__all__ = ["SMALL", "TOGETHER", "Bounded", "held_bytes"]

#: Most bytes of all caches together.
TOGETHER = 1 << 28
#: Bytes of a value that consists of a few numbers, texts and names, with its key, approximately.
SMALL = 1024
#: Of a bound, the part that may be dropped beyond what has to be.
_BEYOND = 8
#: Values that are put before bytes are counted anew: two threads that put at once may miss one of two sizes.
_RECOUNTED = 64

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")

#: Every cache, by its identity.
_every: dict[int, ref[Bounded[Any, Any]]] = {}
#: The time of a use: the number of uses of all caches before it.
_clock = itertools.count()


class _Entry(Generic[_Value]):
    __slots__ = ("last_use", "size", "value")

    def __init__(self, value: _Value, size: int, last_use: int) -> None:
        self.value, self.size, self.last_use = value, size, last_use


class Bounded(Generic[_Key, _Value]):
    """Values by their keys, safe for threads; the least recently used ones are dropped.

    A hit is a look-up in a dictionary, and a number for the time of the last use.

    Parameters
    ----------
    most : int
        Number of values that are kept.
    most_bytes : int, optional
        Bytes of all values together; by default only those of all caches are bounded. The caller says how many bytes
        each value has.

    Examples
    --------
    >>> cache = Bounded(most=2)
    >>> for key in "abc":
    ...     _ = cache.put(key, key.upper(), SMALL)
    >>> cache.get("a"), cache.get("c"), len(cache)
    (None, 'C', 2)
    """

    def __init__(self, most: int, most_bytes: int = TOGETHER) -> None:
        self._most, self._most_bytes = most, most_bytes
        # Each step is a single operation of a dictionary, so that no thread finds it half done.
        self._entries: dict[_Key, _Entry[_Value]] = {}
        self._about = 0  # bytes, or more
        self._puts = itertools.count(1)
        # No Python runs when a cache is gone: an interrupt that came then would be lost.
        _every[id(self)] = ref(self, partial(_every.pop, id(self)))

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.last_use = next(_clock)
        return entry.value

    def put(self, key: _Key, value: _Value, size: int) -> _Value:
        """Keep a value of `size` bytes, and return it; one that is larger than the whole cache is kept alone."""
        return self._put(self._entries, key, value, size)

    def get_or_make(self, key: _Key, make: Callable[[], _Value], size_of: Callable[[_Value], int]) -> _Value:
        """Return the value of a key, which is made and kept if there is none.

        Two threads may make the same value at once. A value is not kept if the cache was cleared while it was made:
        it may depend on what has changed.
        """
        value = self.get(key)
        if value is None:
            entries = self._entries
            value = make()
            self._put(entries, key, value, size_of(value))
        return value

    def clear(self) -> None:
        """Drop everything."""
        self._entries = {}  # what is still put into the old ones is dropped with them
        self._about = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Bytes of all values together."""
        return sum([entry.size for entry in [*self._entries.values()]])

    def _put(self, entries: dict[_Key, _Entry[_Value]], key: _Key, value: _Value, size: int) -> _Value:
        self._about += size  # before the value is there: whoever is interrupted in between counts too much
        _added.bytes += size
        entries[key] = _Entry(value, size, next(_clock))
        if next(self._puts) % _RECOUNTED == 0:
            self._about = self.bytes
        if len(entries) > self._most or self._about > self._most_bytes:
            self._about = _shrink([self], self._most, self._most_bytes)
        if _added.bytes > TOGETHER:
            # All values are looked at: not again before an eighth of the bound was put.
            _added.bytes = _shrink(_caches(), None, TOGETHER - TOGETHER // _BEYOND)
        return value


class _Added:
    """Bytes that all caches hold, or more: those of caches that are gone are counted until `_shrink` looks."""

    bytes = 0


_added = _Added()


def held_bytes() -> int:
    """Return the bytes that all caches hold."""
    return sum(cache.bytes for cache in _caches())


def _caches() -> list[Bounded[Any, Any]]:
    return [cache for known in [*_every.values()] if (cache := known()) is not None]


def _shrink(caches: list[Bounded[Any, Any]], most: int | None, most_bytes: int) -> int:
    """Drop values if there are too many, the least recently used first; return the bytes of those that are kept."""
    values = [
        (entry.last_use, number, entry.size, key, cache._entries)
        for number, cache in enumerate(caches)
        for key, entry in [*cache._entries.items()]
    ]
    total, count = sum([value[2] for value in values]), len(values)
    most = count if most is None else most
    if total <= most_bytes and count <= most:
        return total
    # Of many values up to an eighth more is dropped than has to be, so that they are seldom put in order.
    least_bytes = most_bytes - most_bytes // _BEYOND if total > most_bytes else math.inf
    least = most - most // _BEYOND if count > most else count
    values.sort(key=lambda value: value[:2])
    for _, _, size, key, entries in values[:-1]:
        if total <= most_bytes and count <= most and total - size < least_bytes and count <= least:
            break
        if entries.pop(key, None) is not None:  # another thread may have dropped it
            total, count = total - size, count - 1
    return total
