"""Where do commands print? Results on standard output; errors, notes and progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Protocol, TypeVar
from unicodedata import category

import typer
from rich.console import Console, RichCast
from rich.markup import escape
from rich.progress import Progress

__all__ = [
    "Notes",
    "errors",
    "note_unfinished",
    "print_beside",
    "print_data",
    "print_error",
    "print_note",
    "print_result",
    "print_shown",
    "printable",
    "progress",
]

_Item = TypeVar("_Item", covariant=True)

errors = Console(stderr=True, highlight=False)


class _Items(Sized, Iterable[_Item], Protocol[_Item]):
    pass


def note_unfinished(run: Path) -> None:
    """Say that a run whose network is used has not ended: other networks and the measurements are missing."""
    from faltung.networks.stored import is_unfinished

    if is_unfinished(run):
        text = f"The run {run} is not finished. Continue it with: faltung learn --resume {run}"
        print_beside(text)


def progress(items: _Items[_Item], description: str) -> Iterator[_Item]:
    """Yield the items, and show a progress bar if standard error is a terminal."""
    # What a command prints meanwhile goes where it belongs: Rich would move it to the terminal.
    mixed = sys.stdout.isatty()
    with Progress(console=errors, transient=True, disable=not errors.is_terminal, redirect_stdout=mixed) as bar:
        yield from bar.track(items, description=escape(printable(description)))


def printable(text: object) -> str:
    r"""Return a text, such as the name of a file, without what would command the terminal or cannot be encoded.

    Examples
    --------
    >>> print(printable("a\x1b[31m.png"))
    a\x1b[31m.png
    """
    return "".join(sign if _is_shown(sign) else sign.encode("unicode_escape").decode() for sign in str(text))


def _is_shown(sign: str) -> bool:
    # Joiners belong to scripts and emoji; other signs of their kind turn the direction of what follows.
    return sign in "\n\u200c\u200d" or category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def print_result(text: object) -> None:
    """Print a line, or lines, of the results."""
    typer.echo(printable(text))


def print_data(text: str) -> None:
    """Print what another program may read: to a file or a pipe as it is, to a terminal as `print_result` does."""
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def print_shown(shown: RichCast) -> None:
    """Print what Rich draws, such as tables."""
    Console(highlight=False).print(shown)


def print_beside(text: object, where: Console = errors) -> None:
    """Print a line on standard error, however long, which is neither an error nor a note."""
    where.print(printable(text), soft_wrap=True, markup=False)


def print_error(text: object) -> None:
    """Print why something failed."""
    errors.print(f"[bold red]Error:[/] {escape(printable(text))}", soft_wrap=True)


def print_note(text: object) -> None:
    """Print what a user should know about a result."""
    errors.print(f"note: {escape(printable(text))}", soft_wrap=True)


class Notes:
    """What a user should know about the results of many files; what holds for several of them is told once."""

    def __init__(self) -> None:
        self._files: dict[str, dict[Path, None]] = {}

    def of(self, file: Path) -> Callable[[str], None]:
        """Return a function that adds a note about a file."""
        return lambda text: self._files.setdefault(text, {}).update({file: None})

    def print(self, by_name: bool) -> None:
        """Print all notes, and which files they are about."""
        for text, files in self._files.items():
            first, *others = files
            about = f"{first}: " if by_name and not others else f"{len(files)} files, such as {first}: "
            print_note((about if by_name else "") + text)
