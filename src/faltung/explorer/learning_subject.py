"""What does the page show of learnings? Under construction."""

from __future__ import annotations

from collections.abc import Mapping

from faltung.explorer.subject import Subject

__all__ = ["LearningSubject"]


class LearningSubject(Subject):
    """Under construction."""

    name = "learning"

    def __init__(self, run: object = None) -> None:
        pass

    def content(self) -> Mapping[str, object] | None:
        return None
