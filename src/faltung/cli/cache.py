"""``faltung cache``: show and clear compiled filters on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from faltung.cli.console import print_result
from faltung.jit import object_cache
from faltung.jit.objects_on_disk import StoredFile, clear, list_files

__all__ = ["cache"]

_KNOWN = {
    "calibration.json": "the measurement before, for faltung calibrate --undo",
    "layers.json": "times of layers of networks, measured by faltung.layers.convert",
    "machine.json": "how fast this machine is, measured by faltung calibrate",
    "wisdom.json": "methods that were measured to be the fastest",
}


def cache(
    clear_objects: Annotated[bool, typer.Option("--clear", help="Remove all compiled filters.")] = False,
) -> None:
    """Show the folder in which compiled filters are kept: how many, how large and how old they are.

    Filters that were not used for 90 days are removed automatically, and so are the oldest ones beyond 256 MB. With
    --clear, all of them are removed at once; they are compiled again when they are needed. Other files always stay.
    FALTUNG_CACHE names another folder.

    Examples
    --------
      faltung cache
      faltung cache --clear
    """
    place = object_cache.folder()
    if clear_objects:
        count, size = clear()
        print_result(f"{place}: removed {_filters(count)}, {_size(size)}")
        return
    print_result("\n".join([place, *_lines(list_files(), time.time())]))


def _lines(files: Sequence[StoredFile], now: float) -> list[str]:
    objects = [file for file in files if file.kind == "object"]
    lines = [f"  {_filters(len(objects))}, {_size(sum(file.bytes for file in objects))}"]
    if objects:
        ages = [now - file.used for file in objects]
        oldest, newest = _age(max(ages)), _age(min(ages))
        lines[0] += f", last used {oldest} ago" if oldest == newest else f", last used {oldest} to {newest} ago"
    unfinished = [file for file in files if file.kind == "unfinished"]
    if unfinished:
        lines.append(f"  {len(unfinished)} unfinished, {_size(sum(file.bytes for file in unfinished))}")
    for file in files:
        if file.kind == "other":
            said = _KNOWN.get(file.name, "not written by faltung")
            lines.append(f"  {file.name}, {_size(file.bytes)}: {said}")
    return lines


def _filters(count: int) -> str:
    return f"{count} compiled filter{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def _age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "moments"
