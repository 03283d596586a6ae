"""A folder of Zarr in which only regular files are read: a pipe would be waited for, and a device has no end."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from zarr.storage import LocalStore

from faltung.ground.given_files import check_regular

__all__ = ["RegularStore"]


class RegularStore(LocalStore):  # type: ignore[misc]  # of a library that may be missing
    """The files of arrays and groups in a folder, of which those that are no files are refused."""

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Return the bytes of a file, or of a part of it."""
        self._check(key)
        return await super().get(key, prototype, byte_range)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> Any:
        """Return the bytes of parts of files."""
        asked = list(key_ranges)
        for key, _ in asked:
            self._check(key)
        return await super().get_partial_values(prototype, asked)

    def get_sync(self, key: str, **options: Any) -> Any:
        """Return what `get` does, without a loop of events, of which some versions of Zarr have none here."""
        self._check(key)
        return super().get_sync(key, **options)

    def _check(self, key: str) -> None:
        path = self.root / key
        if os.path.exists(path) and not os.path.isdir(path):  # a folder, as no file, is no chunk
            check_regular(path)
