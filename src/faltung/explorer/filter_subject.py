"""What does the page show of filters? Under construction."""

from __future__ import annotations

from collections.abc import Mapping

from faltung.explorer.subject import Subject

__all__ = ["FilterSubject"]


class FilterSubject(Subject):
    """Under construction."""

    name = "filter"

    def __init__(self, given: object = None, kernel: object = None) -> None:
        pass

    def content(self) -> Mapping[str, object] | None:
        return None
