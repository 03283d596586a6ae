"""What can be looked at? A subject: what a page shows of it at once, and what the page may ask about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

__all__ = ["PageSubject", "Question", "Shown"]

Question = Callable[..., object]
"""A function of keyword arguments, as `packing.unpack` returns them; it raises a `FaltungError` on wrong ones."""


class PageSubject(ABC):
    """One thing that the page shows: pictures and kernels, a network, or a run.

    Whatever comes from the page may come from anyone: a question checks its arguments, bounds its work, and never
    takes the name of a file.
    """

    name: str
    """Key of its content in the page."""

    without_lock: frozenset[str] = frozenset()
    """Questions that share nothing with others, so that they are answered beside others."""

    @abstractmethod
    def content(self) -> Mapping[str, object] | None:
        """Return what the page needs at once: a value for `packing.pack`; None if there is nothing to show."""

    def state(self) -> Mapping[str, object]:
        """Return the values of the page's state with which it shows what was given."""
        return {}

    def questions(self) -> Mapping[str, Question]:
        """Return the functions that answer the page, by name."""
        return {}

    def stored(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the questions, with their arguments, whose answers a saved page holds.

        A saved page finds an answer by the text of the question, so arguments stand in the order in which the page
        asks, and hold no arrays.
        """
        return iter(())


class Shown(Protocol):
    """What a host has of an explorer: what the page needs at once, and the answers to its questions."""

    version: str

    def content(self) -> dict[str, object]:
        """Return a value for `packing.pack`."""

    def reply(self, question: object, arguments: object, data: bytes | memoryview) -> tuple[dict[str, Any], bytes]:
        """Return a packed answer."""

    def page(self, host: str, **traits: object) -> tuple[str, str]:
        """Return the page as HTML, and its content security policy."""
