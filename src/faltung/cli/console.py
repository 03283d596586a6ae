"""Where do commands print? Results on standard output; errors, notes and progress on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import Progress

__all__ = ["errors", "note_unfinished", "progress"]

_Item = TypeVar("_Item", covariant=True)

errors = Console(stderr=True, highlight=False)


class _Items(Sized, Iterable[_Item], Protocol[_Item]):
    pass


def note_unfinished(run: Path) -> None:
    """Say that a run whose network is used has not ended: other networks and the measurements are missing."""
    from faltung.networks.stored import is_unfinished

    if is_unfinished(run):
        text = f"The run {run} is not finished. Continue it with: faltung learn --resume {run}"
        errors.print(text, soft_wrap=True, markup=False)


def progress(items: _Items[_Item], description: str) -> Iterator[_Item]:
    """Yield the items, and show a progress bar if standard error is a terminal."""
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        yield from bar.track(items, description=description)
