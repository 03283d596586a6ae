"""Which results stay in memory? The most recent ones, as many as fit into a number of bytes."""

from __future__ import annotations

import os
import threading
from typing import TypeVar

__all__ = ["ByteTable"]

#: Bytes that an entry takes in addition to its value, about.
ENTRY = 512

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_lock = threading.RLock()  # a finalizer that runs in the same thread may come here too

if hasattr(os, "register_at_fork"):
    # A child inherits the lock as it is, but not the thread that would release it: so it is free during a fork.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class ByteTable(dict[_Key, _Value]):
    """A table that several threads share, and that drops its oldest entries when their values take too many bytes.

    Reading (`get`) is as fast as in any dictionary, so it does not count as a use; `recent` does.

    Parameters
    ----------
    most : int
        Bytes of all values. A single value may be larger.

    Examples
    --------
    >>> table = ByteTable(5000)
    >>> for key in "abc":
    ...     _ = table.keep(key, key.upper(), 2000 - ENTRY)
    >>> [*table], table.bytes
    (['b', 'c'], 4000)
    >>> table.recent("b"), table.keep("d", "D", 1000), [*table]
    ('B', 'D', ['b', 'd'])
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._sizes: dict[_Key, int] = {}
        #: Bytes of all entries.
        self.bytes = 0

    def keep(self, key: _Key, value: _Value, size: int) -> _Value:
        """Keep a value of so many bytes; return it, or the one that another thread was faster to keep."""
        dropped = []  # their memory is released after the lock
        with _lock:
            if key in self:
                return self[key]
            self[key], self._sizes[key] = value, size + ENTRY
            self.bytes += size + ENTRY
            while self.bytes > self._most and len(self) > 1:
                oldest = next(iter(self))
                dropped.append(self.pop(oldest))
                self.bytes -= self._sizes.pop(oldest)
        return value

    def recent(self, key: _Key) -> _Value | None:
        """Return the value of a key, which becomes the most recent one, or None."""
        with _lock:
            value = self.pop(key, None)
            if value is not None:
                self[key] = value
            return value

    def clear(self) -> None:
        """Drop everything."""
        with _lock:
            dropped = [*self.values()]
            super().clear()
            self._sizes.clear()
            self.bytes = 0
        del dropped
