"""May this file be written? It is checked before any work, and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faltung.errors import ArgumentError

__all__ = ["check_new_file", "new_file"]


def check_new_file(option: str, target: Path, overwrite: bool) -> None:
    """Refuse a file to write before any work is done, if it cannot be written or would replace another one.

    Raises
    ------
    ArgumentError
        The target is a folder, its folder does not exist, or it exists and `overwrite` is false.
    """
    if target.is_dir():
        raise ArgumentError(option, "the name of a file", f"'{target}', a folder")
    if not target.absolute().parent.is_dir():
        raise ArgumentError(option, "a name in a folder that exists", f"'{target}'", "Make the folder first.")
    if target.exists() and not overwrite:
        remedy = "Add --overwrite to replace it."
        raise ArgumentError(option, "a file that does not exist yet", f"'{target}'", remedy)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`, and rename it to `path` at the end of the block.

    If the block fails, the temporary file is removed. A link is kept: the file that it points to is written.

    Raises
    ------
    ArgumentError
        The file cannot be written.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        received = f"'{path}' ({error.strerror or error})"
        raise ArgumentError("--output", "a file that can be written", received) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
