"""How far has a run come, and what did it measure? Read from its folder, also while it is being written."""

from __future__ import annotations

import csv
import math
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from faltung.errors import ArgumentError, FaltungError
from faltung.ground.given_files import read_object
from faltung.learn.assignment import ASSIGNMENT
from faltung.learn.claim import is_claimed
from faltung.learn.durations import duration
from faltung.learn.filter_history import FILTERS_ENDING, KeptFilters, load_filters
from faltung.learn.runs import METRICS
from faltung.learn.schedule import NETWORKS, Schedule
from faltung.learn.timekeeper import SCHEDULE

__all__ = ["RunHistory"]

_HISTORY = "history.csv"
_MOST_BYTES = 2**29  # of a file that is read
_SHOWN = (
    "parameters", "multiply_adds", "training_seconds", "test_accuracy", "test_accuracy_interval_95", "test_samples",
    "shifted_accuracy", "label_accuracy", "frechet", "nearest",
)  # fmt: skip

_Value = TypeVar("_Value")


class RunHistory:
    """The history of a run: its epochs, its first filters after each of them, its results.

    Every file of a run folder is complete at any time, so that it can be read while the run goes on.

    Parameters
    ----------
    folder : path
        The run folder.

    Raises
    ------
    ArgumentError
        If it is no run folder.

    Examples
    --------
    >>> RunHistory(Path("no/such/folder"))
    Traceback (most recent call last):
    faltung.errors.ArgumentError: run: expected a folder that faltung learn wrote, got 'no/such/folder', ...
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not any((folder / name).exists() for name in (ASSIGNMENT, _HISTORY, METRICS)):
            raise self._lost()
        self._read: dict[str, tuple[object, Any]] = {}

    def since(self, rows: int, epoch: int) -> dict[str, object]:
        """Return what a page shows of the run; of epochs and filters what it does not have yet.

        Parameters
        ----------
        rows : int
            How many rows of the history it has. If there are fewer, as after a stop, all are returned.
        epoch : int
            The last epoch of which it has the filters; -1 for none.

        Raises
        ------
        ArgumentError
            If the folder is gone, or a file of it is damaged.
        """
        if not self.folder.is_dir():
            raise self._lost()
        schedule = self._file(SCHEDULE, _schedule)
        measured = self._file(METRICS, _metrics) or {}
        planned = [work.name for work in schedule.stage(NETWORKS)] if schedule else [*measured]
        records = [
            record for record in self._file(_HISTORY, _records) or [] if not planned or record["network"] in planned
        ]
        first = rows if rows <= len(records) else 0
        status = "finished" if measured else "running" if is_claimed(self.folder) else "stopped"
        return {
            "name": self.folder.name,
            "task": (self._file(ASSIGNMENT, _assignment) or {}).get("task"),
            "status": status,
            "left": self._left(schedule) if status == "running" else "",
            "planned": {work.name: work.epochs for work in schedule.stage(NETWORKS)} if schedule else {},
            "first": first,
            "records": records[first:],
            "filters": self._filters(planned, epoch),
            "results": measured,
        }

    def _left(self, schedule: Schedule | None) -> str:
        """Return how long the run will still take, in words."""
        records = self._file(_HISTORY, _records)
        if not schedule or not records or records[-1]["network"] not in schedule:
            return ""
        return duration(schedule.left(records[-1]["network"], records[-1]["epoch"]))

    def _filters(self, planned: list[str], epoch: int) -> dict[str, object] | None:
        """Return the filters of the first network that has some, after a given epoch."""
        names = [path.name.removesuffix(FILTERS_ENDING) for path in sorted(self.folder.glob(f"*{FILTERS_ENDING}"))]
        names = [name for name in planned or names if name in names]
        if not names:
            return None
        try:
            kept: KeptFilters | None = self._file(f"{names[0]}{FILTERS_ENDING}", load_filters)
        except FaltungError as error:
            return {"network": names[0], "problem": str(error)}
        if kept is None:
            return None
        new = kept.epochs > epoch
        facts = {"layer": kept.layer, "total": kept.total, "every": kept.every, "epochs": kept.epochs.tolist()}
        return {"network": names[0], **facts, "new": kept.epochs[new].tolist(), "taps": kept.taps[new]}

    def _file(self, name: str, read: Callable[[Path], _Value]) -> _Value | None:
        """Return what a file holds; None if there is none. It is read again only if it has changed."""
        path = self.folder / name
        try:
            seen = path.stat()
            version = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
            if not stat.S_ISREG(seen.st_mode) or seen.st_size > _MOST_BYTES:
                raise ValueError(f"no regular file of at most {_MOST_BYTES >> 20} MB")
            if self._read.get(name, (None, None))[0] != version:
                self._read[name] = version, read(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
            if isinstance(error, FaltungError):
                raise
            received = f"{str(path)!r} ({type(error).__name__}: {' '.join(str(error).split())})"
            raise ArgumentError("run", f"{name} as faltung wrote it", received, "Copy the folder again.") from error
        value: _Value = self._read[name][1]
        return value

    def _lost(self) -> ArgumentError:
        state = "is empty or holds other things" if self.folder.is_dir() else "does not exist"
        received = f"{str(self.folder)!r}, which {state}"
        return ArgumentError("run", "a folder that faltung learn wrote", received, "Make one with: faltung learn")


def _assignment(path: Path) -> Mapping[str, Any]:
    return {"task": str(read_object(path)["task"])}


def _schedule(path: Path) -> Schedule:
    return Schedule.from_json(read_object(path)["schedule"])


def _metrics(path: Path) -> dict[str, dict[str, object]]:
    networks = read_object(path)["networks"]
    return {
        name: {key: facts[key] for key in _SHOWN if facts.get(key) is not None} for name, facts in networks.items()
    }


def _records(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a history: network, epoch, seconds, and the measures that each has."""
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        columns = table.fieldnames or []
        if columns[:3] != ["network", "epoch", "seconds"]:
            raise ValueError(f"it begins with the columns {', '.join(columns[:3])}")
        records = [_record(row, table.line_num) for row in table]
    return records


def _record(row: Mapping[Any, Any], line: int) -> dict[str, Any]:
    try:
        if None in row or None in row.values():
            raise ValueError("it has another number of cells")
        numbers = {key: float(text) for key, text in row.items() if key not in ("network", "epoch") and text}
        if not all(math.isfinite(number) for number in numbers.values()):
            raise ValueError("a number is not finite")
        return {
            "network": row["network"],
            "epoch": int(row["epoch"]),
            "seconds": numbers.pop("seconds"),
            "measures": numbers,
        }
    except (ValueError, KeyError) as error:
        raise ValueError(f"line {line}: {error}") from error
