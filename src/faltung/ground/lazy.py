"""Properties that are computed when they are first read, and then kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

__all__ = ["lazy"]

_Value = TypeVar("_Value")


class lazy(Generic[_Value]):  # a decorator, like property
    """A property that is computed once and then kept in the dictionary of the instance.

    `functools.cached_property` does the same, but up to Python 3.11 it holds a lock while it computes, and all
    instances share that lock. So one slow property blocks all others, and a process that is forked meanwhile waits
    for the lock for ever. Here two threads may compute a value twice, which is harmless: both get the same.
    """

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...
    def __get__(self, instance: object | None, owner: type) -> _Value | Self:
        if instance is None:
            return self
        value = self._compute(instance)
        vars(instance)[self._name] = value
        return value
