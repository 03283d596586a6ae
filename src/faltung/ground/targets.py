"""May this file be written? It is checked before any work, in the same way for all commands and functions.

An input is never overwritten, by whatever name. Only a regular file is ever replaced; a pipe or a device that takes
characters is written to, and whatever else is no file is refused. `faltung.ground.new_files` writes.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy

__all__ = [
    "InputAsOutputError",
    "Inputs",
    "check_new_file",
    "check_new_files",
    "check_regular",
    "is_stream",
    "standard_output",
    "status_of",
]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class InputAsOutputError(ArgumentError):
    """A file that is read, or a folder with such files, was named as the output, too.

    Examples
    --------
    >>> Inputs([Path(".")]).check("path", Path("."))
    Traceback (most recent call last):
    faltung.ground.targets.InputAsOutputError: path: expected a file other than the input, got '.'. Choose another ...
    """


class Inputs:
    """The files that a command reads, and all files in the folders that it reads.

    A file is known by what it is and not by its name, so links and further names of it are known, too. So are the
    files in folders that a folder has links to.

    Parameters
    ----------
    paths : iterable of path
        Files and folders; those that do not exist do not matter.

    Examples
    --------
    >>> Inputs([Path("missing.png")]).check("--output", Path("."))
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths = tuple(path for path in paths if "\0" not in os.fspath(path))  # others are no names of files

    @lazy
    def _names(self) -> dict[tuple[int, int], str]:
        names: dict[tuple[int, int], str] = {}
        for name in (name for path in self._paths for name in _with_all_files(path)):
            if (found := _identity(name)) is not None:
                names.setdefault(found, name)
        return names

    def check(self, option: str, target: Path) -> None:
        """Refuse a file to write that is one of the inputs.

        Raises
        ------
        InputAsOutputError
            It is.
        """
        found = _identity(target)
        if found is not None and (name := self._names.get(found)) is not None:
            same = "" if Path(name) == target else f", which is '{name}'"
            received = f"'{target}'{same}"
            raise InputAsOutputError(option, "a file other than the input", received, "Choose another name.")

    def check_apart(self, option: str, folder: Path) -> None:
        """Refuse a folder to write that is one of the inputs, inside of one, or around one.

        Raises
        ------
        InputAsOutputError
            It is.
        """
        written = _chain(folder)
        parts = _with_links if written[0] is not None else lambda path: (path,)  # nothing is replaced if it is new
        for path in (each for given in self._paths for each in parts(given)):
            read = _chain(path)
            if read[0] is not None and read[0] in written:
                where = "the input itself" if read[0] == written[0] else f"which is inside '{path}'"
            elif written[0] is not None and written[0] in read:
                where = f"which '{path}' is in"
            else:
                continue
            remedy = "Choose another name."
            raise InputAsOutputError(option, "a folder apart from the input", f"'{folder}', {where}", remedy)


def _chain(path: Path) -> list[tuple[int, int] | None]:
    """Return what a file and the folders around it are, from the inside; None for what does not exist."""
    real = Path(os.path.realpath(path))
    return [_identity(each) for each in (real, *real.parents)]


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _with_all_files(path: Path) -> Iterator[str]:
    yield os.fspath(path)
    for folder, _, names in _walk(path):
        yield from (os.path.join(folder, name) for name in names)


def _with_links(path: Path) -> Iterator[Path]:
    """Yield a file or folder, and the links in it: what is read through them is somewhere else."""
    yield path
    for folder, folders, names in _walk(path):
        yield from (Path(folder, name) for name in (*folders, *names) if os.path.islink(os.path.join(folder, name)))


def _walk(path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk through a folder as its readers do, also through links, but only once through each folder."""
    known = {_identity(path)}
    for folder, folders, names in os.walk(path, followlinks=True):
        found = [(name, _identity(os.path.join(folder, name))) for name in folders]
        folders[:] = [name for name, identity in found if identity not in known]
        known.update(identity for _, identity in found)
        yield folder, folders, names


def check_new_file(option: str, target: Path, overwrite: bool, inputs: Inputs | None = None) -> None:
    """Refuse a file to write before any work is done, if it cannot be written or would replace another one.

    Parameters
    ----------
    option : str
        What was typed for the file, such as ``--output``.
    target : path
        The file to write.
    overwrite : bool
        Whether a file that exists may be replaced. An input is never replaced.
    inputs : Inputs, optional
        All files that the command reads.

    Raises
    ------
    ArgumentError
        The target is an input or in a folder of inputs, it is neither a regular file nor a stream, its folder does
        not exist, or it exists and `overwrite` is false.
    """
    found = status_of(option, target)
    if found is None:
        if not Path(os.path.realpath(target)).parent.is_dir():
            raise ArgumentError(option, "a name in a folder that exists", f"'{target}'", "Make the folder first.")
        return
    if inputs is not None:
        inputs.check(option, target)
    if is_stream(found):
        return
    check_regular(option, target, found)
    if not overwrite:
        remedy = f"{'Add --overwrite' if option.startswith('-') else 'Pass overwrite=True'} to replace it."
        raise ArgumentError(option, "a file that does not exist yet", f"'{target}'", remedy)


def check_new_files(targets: Mapping[str, Path], overwrite: bool) -> None:
    """Check several files to write, by what was typed for them; each needs a name of its own.

    Raises
    ------
    ArgumentError
        Two of them are the same, or as for `check_new_file`.
    """
    taken: dict[str, str] = {}
    for option, target in targets.items():
        check_new_file(option, target, overwrite)
        name = os.path.realpath(target).casefold()  # on some disks, names that differ in their case are the same
        if (other := taken.setdefault(name, option)) != option:
            raise ArgumentError(option, f"another file than {other}", f"'{target}' for both", "Choose another name.")


def status_of(option: str, target: Path) -> os.stat_result | None:
    """Return what a file is, through links; None if there is none.

    Raises
    ------
    ArgumentError
        There can be none of this name.
    """
    try:
        return os.stat(target)
    except FileNotFoundError:
        return None
    except OSError as error:  # links that lead in a circle, or a file where a folder should be
        received = f"'{target}' ({error.strerror})"
        raise ArgumentError(option, "a file that can be written", received, "Choose another name.") from error
    except ValueError as error:  # a name with a zero byte
        raise ArgumentError(option, "the name of a file", repr(str(target))) from error


def is_stream(found: os.stat_result) -> bool:
    """Whether a file is written to, and not replaced: a pipe, a device of characters, or the standard output."""
    return stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode) or standard_output(found) is not None


def standard_output(found: os.stat_result) -> int | None:
    """Return the descriptor of the standard output, or of that for errors, if a file is open as one of them."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):  # it is closed
            if os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None


def check_regular(option: str, target: Path, found: os.stat_result) -> None:
    """Refuse to replace what is no regular file.

    Raises
    ------
    ArgumentError
        It is none.
    """
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            remedy = "Choose another name." if kind == "a folder" else "Write a file, and copy it there."
            raise ArgumentError(option, "the name of a file", f"'{target}', {kind}", remedy)
