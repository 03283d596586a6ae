"""May this file be written? It is checked before any work, and written whole or not at all.

Every command writes its files here, so the same holds for all of them: an input is never overwritten, by whatever
name; only a regular file is ever replaced; a file that is replaced keeps its permissions.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy

__all__ = ["Inputs", "check_new_file", "check_new_files", "new_file"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Inputs:
    """The files that a command reads, and all files in the folders that it reads.

    A file is known by what it is and not by its name, so links and further names of it are known, too.

    Examples
    --------
    >>> Inputs([Path("missing.png")]).name_of(os.stat(os.curdir)) is None
    True
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths = tuple(paths)

    @lazy
    def _names(self) -> dict[tuple[int, int], str]:
        names: dict[tuple[int, int], str] = {}
        for name in (name for path in self._paths for name in _with_all_files(path)):
            with contextlib.suppress(OSError, ValueError):
                found = os.stat(name)
                names.setdefault((found.st_dev, found.st_ino), name)
        return names

    def name_of(self, found: os.stat_result) -> str | None:
        """Return the name of the input that is this file, or None."""
        return self._names.get((found.st_dev, found.st_ino))


def _with_all_files(path: Path) -> Iterator[str]:
    yield os.fspath(path)
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names)


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
        The target is an input or in a folder of inputs, it is no regular file, its folder does not exist, or it
        exists and `overwrite` is false.
    """
    found = _status(option, target)
    if found is None:
        if not Path(os.path.realpath(target)).parent.is_dir():
            raise ArgumentError(option, "a name in a folder that exists", f"'{target}'", "Make the folder first.")
        return
    if inputs is not None and (name := inputs.name_of(found)) is not None:
        same = "" if Path(name) == target else f", which is '{name}'"
        raise ArgumentError(option, "a file other than the input", f"'{target}'{same}", "Choose another name.")
    _check_regular(option, target, found)
    if not overwrite:
        remedy = f"{'Add --overwrite' if option.startswith('-') else 'Pass overwrite=True'} to replace it."
        raise ArgumentError(option, "a file that does not exist yet", f"'{target}'", remedy)


def check_new_files(targets: Mapping[str, Path], overwrite: bool, inputs: Inputs | None = None) -> None:
    """Check several files to write, by what was typed for them; each needs a name of its own.

    Raises
    ------
    ArgumentError
        Two of them are the same, or as for `check_new_file`.
    """
    taken: dict[str, str] = {}
    for option, target in targets.items():
        check_new_file(option, target, overwrite, inputs)
        if (other := taken.setdefault(os.path.realpath(target), option)) != option:
            raise ArgumentError(option, f"another file than {other}", f"'{target}' for both", "Choose another name.")


@contextmanager
def new_file(path: Path, option: str = "--output") -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`, and rename it to `path` at the end of the block.

    If the block fails, the temporary file is removed. A link is kept: the file that it points to is written. A file
    that is replaced keeps its permissions.

    Raises
    ------
    ArgumentError
        The file cannot be written, or `path` is not a regular file.
    """
    whole = Path(os.path.realpath(path))
    temporary = whole.with_name(f".faltung-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield temporary
        if (found := _status(option, path)) is not None:
            _check_regular(option, path, found)
            os.chmod(temporary, stat.S_IMODE(found.st_mode))
        os.replace(temporary, whole)
    except OSError as error:
        why = error.strerror or str(error)
        if "requested and" in why and "written" in why:  # NumPy says how much, and not why
            why = "the disk may be full"
        raise ArgumentError(option, "a file that can be written", f"'{path}' ({why})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _status(option: str, target: Path) -> os.stat_result | None:
    """Return what a file is, through links; None if there is none."""
    try:
        return os.stat(target)
    except FileNotFoundError:
        return None
    except OSError as error:  # links that lead in a circle, or a file where a folder should be
        received = f"'{target}' ({error.strerror})"
        raise ArgumentError(option, "a file that can be written", received, "Choose another name.") from error
    except ValueError as error:  # a name with a zero byte
        raise ArgumentError(option, "the name of a file", repr(str(target))) from error


def _check_regular(option: str, target: Path, found: os.stat_result) -> None:
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            remedy = "Choose another name." if kind == "a folder" else "Write a file, and copy it there."
            raise ArgumentError(option, "the name of a file", f"'{target}', {kind}", remedy)
