"""Calls that no signal handler ends: others' code holds locks, which an exception at the wrong moment leaves locked.

Python runs the handlers of signals in the main thread only. So there, another thread makes the call, and an exception
of a handler (Ctrl-C is one) ends nothing but the wait for it.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["undisturbed"]

_Value = TypeVar("_Value")


def undisturbed(call: Callable[[], _Value]) -> _Value:
    """Return what a call returns, or raise what it raises.

    Examples
    --------
    >>> undisturbed(lambda: threading.current_thread() is threading.main_thread())
    False
    """
    if threading.get_ident() != threading.main_thread().ident:
        return call()
    values: list[_Value] = []
    errors: list[BaseException] = []
    done = _thread.allocate_lock()
    done.acquire()

    def make() -> None:
        try:
            values.append(call())
        except BaseException as error:
            errors.append(error)
        finally:
            done.release()

    try:
        _thread.start_new_thread(make, ())
    except RuntimeError:  # the interpreter is about to end, or there are too many threads
        return call()
    done.acquire()
    if errors:
        raise errors.pop()
    return values.pop()
