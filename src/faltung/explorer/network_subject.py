"""What does the page show of networks? Under construction."""

from __future__ import annotations

from collections.abc import Mapping

from faltung.explorer.subject import Subject

__all__ = ["NetworkSubject"]


class NetworkSubject(Subject):
    """Under construction."""

    name = "network"

    def content(self) -> Mapping[str, object] | None:
        return None
