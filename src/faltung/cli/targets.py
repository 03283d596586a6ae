"""May this file be written? Asked before any work is done."""

from __future__ import annotations

from pathlib import Path

from faltung.errors import ArgumentError

__all__ = ["check_new_file"]


def check_new_file(option: str, target: Path, overwrite: bool) -> None:
    """Refuse a file to write that is a folder, lies in none, or would replace another without leave.

    Raises
    ------
    ArgumentError
        It goes by the name of the option.
    """
    if target.is_dir():
        raise ArgumentError(option, "the name of a file", f"'{target}', a folder")
    if not target.absolute().parent.is_dir():
        raise ArgumentError(option, "a name in a folder that exists", f"'{target}'", "Make the folder first.")
    if target.exists() and not overwrite:
        remedy = "Add --overwrite to replace it."
        raise ArgumentError(option, "a file that does not exist yet", f"'{target}'", remedy)
