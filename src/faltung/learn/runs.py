"""What is kept of a run? A folder of its own, in which every file is always complete."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.ground.new_files import is_temporary, whole_file
from faltung.learn.claim import LOCK

__all__ = ["METRICS", "RunFolder", "RunStopped"]

METRICS = "metrics.json"
"""The file that is written last: a folder that has it holds a finished run."""

_ANOTHER = "Choose a folder that does not exist yet."


class RunStopped(KeyboardInterrupt):
    """A run was stopped with Ctrl-C; it can be continued.

    Parameters
    ----------
    folder : path
        The run folder.

    Examples
    --------
    >>> print(RunStopped(Path("runs/photos")))
    Stopped. The results so far are in runs/photos. Continue with: faltung learn --resume runs/photos
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"Stopped. The results so far are in {folder}. Continue with: faltung learn --resume {folder}"
        )
        self.folder = folder


class RunFolder:
    """The folder of a run; each of its files is written completely or not at all.

    Parameters
    ----------
    path : path
        An existing folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = RunFolder.create(Path(folder) / "first")
    ...     run.write_json("metrics.json", {"accuracy": 0.5})
    ...     print(run.path.name, sorted(entry.name for entry in run.path.iterdir()))
    first ['metrics.json']
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path | None = None, *, parent: Path = Path("runs")) -> RunFolder:
        """Make a new run folder; the folder of an earlier run is never used.

        Parameters
        ----------
        path : path, optional
            The folder, which is empty or does not exist yet. By default the next free one of `parent`/learn-001,
            `parent`/learn-002 and so on.
        parent : path, optional
            The folder of the numbered folders.

        Raises
        ------
        ArgumentError
            If `path` is a file, or a folder that is not empty.
        """
        if path is None:
            return cls(_next_numbered(parent))
        cls.check_new(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _no_new_folder(path, error) from error
        return cls(path)

    @classmethod
    def check_new(cls, path: Path) -> None:
        """Refuse, before any work, a path at which there can be no new run folder.

        Raises
        ------
        ArgumentError
            If it is a file, or a folder that is not empty.
        """
        try:
            if stat.S_ISDIR(os.stat(path).st_mode):
                cls(path).check_empty()
                return
        except FileNotFoundError:
            return
        except OSError as error:
            raise _no_new_folder(path, error) from error
        raise _no_new_folder(path, FileExistsError())

    def check_empty(self) -> None:
        """Refuse a folder that holds something; what a process leaves that is killed at once does not count.

        Raises
        ------
        ArgumentError
            If it does.
        """
        entries = sum(entry.name != LOCK and not is_temporary(entry.name) for entry in self.path.iterdir())
        if entries:
            received = f"{str(self.path)!r}, which holds {entries} {'entry' if entries == 1 else 'entries'}"
            raise ArgumentError("out", "a new or empty folder", received, _ANOTHER)

    @property
    def finished(self) -> bool:
        """Whether the folder holds a finished run."""
        return (self.path / METRICS).exists()

    def check_unfinished(self) -> None:
        """Refuse a folder that holds a finished run, which another run would overwrite, or that does not exist.

        Raises
        ------
        ArgumentError
            If it does, or does not exist.
        """
        if not self.path.is_dir():
            received = f"{str(self.path)!r}, which is none"
            raise ArgumentError("run", "a folder that exists", received, "Make it with RunFolder.create(path).")
        if self.finished:
            received = f"{str(self.path)!r}, which holds a finished run"
            raise ArgumentError("run", "a folder without a finished run", received, "Choose a new folder.")

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file. At any time the folder has the former content or the new one, never a part of it.

        A link in the folder is replaced: a file elsewhere that it points to is none of the run.
        """
        try:
            with whole_file(self.path / name, name, durable=True, follow=False) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            if error.errno is None:
                raise
            # A full disk does not say of which file it is full; and the temporary file is gone.
            raise type(error)(error.errno, error.strerror, str(self.path / name)) from error

    def write_text(self, name: str, content: str) -> None:
        r"""Write a text file in UTF-8, with ``\udc..`` for what of a file name is no text; JSON reads it back."""
        self.write_bytes(name, content.encode(errors="backslashreplace"))

    def write_json(self, name: str, content: Mapping[str, object]) -> None:
        """Write a JSON file; NaN and infinities, which are not JSON, raise ValueError."""
        self.write_text(name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_csv(self, name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Write rows as a CSV file with a header; a cell is empty if its row lacks the key."""
        text = io.StringIO()
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write_text(name, text.getvalue())


def _no_new_folder(path: Path, error: OSError) -> ArgumentError:
    is_file = isinstance(error, FileExistsError | NotADirectoryError)
    received = f"the file {str(path)!r}" if is_file else f"{str(path)!r} ({error.strerror})"
    return ArgumentError("out", "a new or empty folder", received, _ANOTHER)


def _next_numbered(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = parent / f"learn-{number:03d}"
        try:
            path.mkdir()  # fails if another run has taken the number, perhaps at this moment
        except FileExistsError:
            number += 1
        else:
            return path
