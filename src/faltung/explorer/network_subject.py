"""What does the page show of networks? Under construction."""

from __future__ import annotations

from collections.abc import Mapping

from faltung.explorer.subject import Subject

__all__ = ["NetworkSubject"]


class NetworkSubject(Subject):
    """Under construction."""

    name = "network"

    def __init__(
        self, network: object = None, example: object = None, classes: object = None, run: object = None
    ) -> None:
        pass

    def content(self) -> Mapping[str, object] | None:
        return None
