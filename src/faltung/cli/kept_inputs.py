"""What is read, and what is written? No command overwrites what it reads, whatever was typed.

This is looked at once for all commands, before they do anything. An option that names a file to write is declared
with ``writable=True``; whatever else was typed and is a file is an input.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from faltung.chunked.zarr_source import is_zarr
from faltung.ground.given_files import read_object
from faltung.ground.targets import Inputs

__all__ = ["check_outputs", "written_options"]


def written_options(command: Callable[..., None]) -> dict[str, Any]:
    """Return the parameters of a command that name what it writes, with what is declared of them.

    Examples
    --------
    >>> from faltung.cli.plan import plan
    >>> written_options(plan)
    {}
    """
    hints = get_type_hints(command, include_extras=True)
    declared = {
        name: get_args(hints[name])[1]
        for name in signature(command).parameters
        if get_origin(hints[name]) is Annotated
    }
    return {name: told for name, told in declared.items() if told.writable}


def check_outputs(command: Callable[..., None], typed: Mapping[str, Any]) -> None:
    """Refuse outputs that are inputs of the same command.

    Parameters
    ----------
    command : callable
        The command.
    typed : mapping
        The values of its parameters.

    Raises
    ------
    InputAsOutputError
        One of them is.
    """
    written = [name for name in written_options(command) if typed.get(name) is not None]
    outputs = [name for name in written if os.path.exists(typed[name])]  # what is new replaces nothing
    if not outputs:
        return
    defaults = signature(command).parameters
    read = [
        path
        for name, value in typed.items()
        if name not in written and value != defaults[name].default
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, str | Path)
        for path in _read_with(each)
    ]
    for name in outputs:
        target = Path(typed[name])
        if is_zarr(target):  # it is replaced as a whole, with all that is in it
            Inputs(read).check_apart(name, target)
        elif not os.path.isdir(target):
            Inputs(read).check(name, target)


def _read_with(typed: str | Path) -> Iterator[Path]:
    """Yield a file that may have been typed, and what is read beside it."""
    yield Path(typed)
    module, colon, _ = str(typed).partition(":")
    if colon:  # a function that makes a network
        place = module.replace(".", os.sep)
        yield Path(f"{place}.py")
        yield Path(place, "__init__.py")
    try:  # a run folder names its data
        data = read_object(Path(typed, "run.json")).get("data")
    except (OSError, ValueError):  # the command says what is wrong with it
        return
    if isinstance(data, str):
        yield Path(data)
        if data.lower().endswith(".csv"):
            yield from _listed(Path(data))


def _listed(table: Path) -> Iterator[Path]:
    """Yield the images that a table lists, which may be in other folders."""
    from faltung.datasets.csv_table import list_table

    try:
        entries = list_table(table).entries
    except (OSError, ValueError, TypeError):  # the command says what is wrong with it
        return
    yield from (entry.path for part in entries.values() for entry in part)
