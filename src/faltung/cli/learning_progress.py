"""How is training shown? As bars on a terminal, as lines in a log; both say how much time is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from faltung.cli.console import errors, print_beside
from faltung.learn.durations import duration

if TYPE_CHECKING:
    from faltung.learn import EpochRecord
    from faltung.learn.schedule import Schedule

__all__ = ["LearningProgress", "learning_progress"]


class LearningProgress:
    """Shows sentences and epochs, each epoch with the time that the whole run has left.

    Parameters
    ----------
    bars : rich.progress.Progress, optional
        Shows bars; without it an epoch is a line.

    Examples
    --------
    >>> LearningProgress(None).left("conv", 3)
    ''
    """

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._schedule: Schedule | None = None
        self._known: dict[str, int] = {}  # epochs that were shown before a run was stopped

    def note(self, text: str) -> None:
        """Show a sentence."""
        if self._bars is None:
            print_beside(text)
        else:
            print_beside(text, self._bars.console)

    def schedule(self, schedule: Schedule) -> None:
        """Take up a new plan."""
        self._schedule = schedule

    def goes_on(self, name: str, done: int, epochs: int) -> None:
        """Say where a run goes on."""
        self._known[name] = done
        self.note(f"{name}: trained before" if done == epochs else f"{name}: goes on after epoch {done} of {epochs}")

    def left(self, name: str, epoch: int) -> str:
        """Return the time that is left, for the end of a line."""
        return "" if self._schedule is None else f", {duration(self._schedule.left(name, epoch))} left"

    def epoch(self, name: str, record: EpochRecord) -> None:
        """Show an epoch."""
        if self._bars is not None:
            if not self._tasks:
                self._bars.start()
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=None, state="")
            state = _short(record) + self.left(name, record.epoch)
            self._bars.update(self._tasks[name], completed=record.epoch, total=record.epochs, state=state)
        elif record.epoch > self._known.get(name, 0):
            state = _state(record) + self.left(name, record.epoch)
            print_beside(f"{name}: epoch {record.epoch} of {record.epochs}, {state}")


def _state(record: EpochRecord) -> str:
    text = f"risk {record.measures['training_risk']:.3f}"
    accuracy = record.measures.get("validation_accuracy")
    if accuracy is None:
        return f"{text}, validation risk {record.measures['validation_risk']:.3f}"
    return f"{text}, validation accuracy {100 * accuracy:.1f} %"


def _short(record: EpochRecord) -> str:
    """Return the state of a network for the end of a bar in 80 columns."""
    accuracy = record.measures.get("validation_accuracy")
    if accuracy is None:
        return f"risk {record.measures['validation_risk']:.3f}"
    return f"{100 * accuracy:.1f} % validation"


@contextmanager
def learning_progress() -> Iterator[LearningProgress]:
    """Yield what shows a run on standard error.

    Examples
    --------
    >>> with learning_progress() as shown:
    ...     shown.left("conv", 3)
    ''
    """
    if not errors.is_terminal:
        yield LearningProgress(None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    progress = Progress(*columns, console=errors, refresh_per_second=4)
    try:
        yield LearningProgress(progress)
    finally:
        progress.stop()
