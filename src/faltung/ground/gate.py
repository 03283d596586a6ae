"""A gate that helpers pass while a call goes on: when it is closed, nobody is inside any more.

An exception of a signal handler (Ctrl-C is one) may be raised in the calling thread between any two steps of Python,
any number of times. So the caller closes the gate and waits for its helpers in one step: a call of the system's own
lock for readers and writers, which a signal does not end. Helpers are readers, and are never interrupted. In a
``finally`` clause that consists of ``close()`` alone, nothing can come before it::

    try:
        ...
    finally:
        close()
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["Gate"]

#: Words of memory that the lock of any system fits into.
_WORDS = 32


class Gate:
    """Counts who is inside, and is closed once.

    Attributes
    ----------
    close : callable
        Waits until nobody is inside, and lets nobody in any more.

    Examples
    --------
    >>> gate = Gate()
    >>> gate.enter(), gate.leave(), gate.close(), gate.enter()
    (True, None, None, False)
    """

    __slots__ = ("_lock", "close")

    def __init__(self) -> None:
        self._lock = (ctypes.c_int64 * _WORDS)()
        if _begin is not None:
            _begin(self._lock, None)
        self.close: Callable[[], Any] = partial(_close, self._lock)

    def enter(self) -> bool:
        """Go in; return False if the gate is closed. Whoever goes in has to leave, in the same thread."""
        return bool(_enter(self._lock)) is _ENTERED

    def leave(self) -> None:
        """Go out."""
        _leave(self._lock)


def _function(name: str, result: Any, arguments: int = 1) -> Any:
    if sys.platform == "win32":
        function = getattr(ctypes.WinDLL("kernel32"), name)
    else:
        function = getattr(ctypes.CDLL(None), name)
    function.argtypes, function.restype = (ctypes.c_void_p,) * arguments, result
    return function


if sys.platform == "win32":
    _begin, _ENTERED = None, True  # zeros are a lock that is free
    _enter = _function("TryAcquireSRWLockShared", ctypes.c_ubyte)
    _leave = _function("ReleaseSRWLockShared", None)
    _close = _function("AcquireSRWLockExclusive", None)
else:
    _begin, _ENTERED = _function("pthread_rwlock_init", ctypes.c_int, 2), False  # what is returned is an error
    _enter = _function("pthread_rwlock_tryrdlock", ctypes.c_int)
    _leave = _function("pthread_rwlock_unlock", None)
    _close = _function("pthread_rwlock_wrlock", None)
