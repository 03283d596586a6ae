"""What of a result is finished? A journal beside the data, in which lines are only added.

The first line says what is computed: input, filter and settings. Each further line names units of the result whose
data was on the disk before the line was. Chunks that exist prove nothing: they may be torn, or of other settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.file_locks import lock
from faltung.ground.given_files import parsed_object, read_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["JOURNAL", "Journal", "JournalState", "check_same", "make_durable", "read_journal"]

#: Name of the file, in the folder of the array.
JOURNAL = ".faltung-journal"
_FINISHED = "finished"
#: What follows a unit that has no file, as Zarr stores none for the fill value alone.
_ABSENT = "-"

Index = tuple[int, ...]


def make_durable(path: str | Path) -> None:
    """Wait until a file or folder is on the disk; one that is not there needs nothing."""
    try:
        number = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(number)
    finally:
        os.close(number)


class JournalState(NamedTuple):
    """What a journal says.

    Parameters
    ----------
    settings : dict
        What is computed.
    units : tuple of tuple of int
        The units that are finished.
    finished : bool
        Whether everything is.
    length : int
        Bytes of the lines that are whole; what follows was being written when the process ended.
    absent : frozenset of tuple of int
        The finished units that have no file.
    """

    settings: dict[str, Any]
    units: tuple[Index, ...]
    finished: bool
    length: int
    absent: frozenset[Index] = frozenset()


def read_journal(folder: Path) -> JournalState | None:
    """Return what the journal in a folder says; None if there is none, or not even its first line is whole."""
    try:
        data = read_regular(folder / JOURNAL)
    except (FileNotFoundError, NotADirectoryError):
        return None
    whole = data[: data.rfind(b"\n") + 1]
    if not whole.strip():
        return None
    try:
        first, *lines = whole.decode("utf-8").splitlines()
        settings = parsed_object(first)
        words = [word for line in lines for word in line.split() if word != _FINISHED]
        units = tuple(tuple(map(int, word.rstrip(_ABSENT).split(","))) for word in words)
        # What was said last of a unit holds.
        absent = {unit: word.endswith(_ABSENT) for unit, word in zip(units, words, strict=True)}
    except ValueError as error:
        received = f"'{folder / JOURNAL}', which is damaged"
        raise ArgumentError("resume", "a journal that can be read", received, "Pass overwrite=True.") from error
    return JournalState(
        settings,
        units,
        bool(lines) and lines[-1] == _FINISHED,
        len(whole),
        frozenset(unit for unit in absent if absent[unit]),
    )


class Journal:
    """The journal of a result that is being computed, open for more lines.

    Only one process at a time can have it open.

    Parameters
    ----------
    folder : path
        The folder of the array.
    settings : dict
        What is computed; values that JSON has.
    units : tuple of int
        Number of units along each axis.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with Journal(Path(folder), {"mode": "wrap"}, (2, 3)) as journal:
    ...         journal.add([(0, 1), (1, 1)])
    ...     again = Journal(Path(folder), {"mode": "wrap"}, (2, 3))
    ...     print(again.done.astype(int))
    ...     again.close()
    [[0 1 0]
     [0 1 0]]
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], units: tuple[int, ...]) -> None:
        state = read_journal(folder)
        path = folder / JOURNAL
        self.done: NDArray[np.bool_] = np.zeros(units, bool)
        self._file = open(path, "ab")  # noqa: SIM115  # it stays open
        try:
            _lock(self._file.fileno(), folder)
            self.resumed = state is not None
            if state is None:
                self._file.truncate(0)
                self._write(json.dumps(dict(settings), sort_keys=True))
                make_durable(folder)
                return
            check_same(state.settings, json.loads(json.dumps(dict(settings))), folder)
            self._file.truncate(state.length)
            for unit in state.units:
                self.done[_checked(unit, units, path)] = True
        except BaseException:
            self._file.close()
            raise

    def add(self, units: Iterable[Index], absent: Collection[Index] = ()) -> None:
        """Note units as finished; their data has to be on the disk, but for units that are absent: they have none."""
        named = list(units)
        self._write(" ".join(",".join(map(str, unit)) + _ABSENT * (unit in absent) for unit in named))
        for unit in named:
            self.done[unit] = True

    def finish(self) -> None:
        """Note that everything is finished."""
        self._write(_FINISHED)

    def close(self) -> None:
        """Close the file; another process may open it then."""
        self._file.close()

    def _write(self, line: str) -> None:
        self._file.write(f"{line}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_same(begun: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a result that was begun with another input or other settings.

    Raises
    ------
    ArgumentError
        Its message names what differs.
    """
    names = [name for name in sorted({*begun, *asked}) if begun.get(name) != asked.get(name)]
    if not names:
        return
    was = ", ".join(f"{name} {_short(begun.get(name))}" for name in names)
    now = ", ".join(f"{name} {_short(asked.get(name))}" for name in names)
    remedy = "Use the same input and settings, or pass overwrite=True to begin anew."
    raise ArgumentError("resume", f"what '{folder}' was begun with: {was}", now, remedy)


def _checked(unit: Index, units: tuple[int, ...], path: Path) -> Index:
    if len(unit) != len(units) or not all(0 <= at < count for at, count in zip(unit, units, strict=True)):
        received = f"'{path}', which names a unit {unit} of {units}"
        raise ArgumentError("resume", "a journal that can be read", received, "Pass overwrite=True.")
    return unit


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _lock(number: int, folder: Path) -> None:
    """Let no other process write here."""
    if lock(number) is False:
        received = f"'{folder}', which another process is writing"
        raise ArgumentError("out", "an array that no other process writes", received, "Wait for its end.")
