"""Who is told about a run, and what? Epochs, sentences for readers, and the schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from faltung.learn.arguments import instance
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.hardware import Hardware
from faltung.learn.report.announcement import announcement, change_of_plan, unfinished_page
from faltung.learn.runs import RunFolder
from faltung.learn.schedule import Schedule
from faltung.learn.task import Setup, Task
from faltung.learn.timekeeper import OnSchedule
from faltung.learn.trainer import OnContinue, OnEpoch

__all__ = ["EVENTS", "REPORT", "Announcer", "Listeners", "OnNote", "nothing"]

EVENTS, REPORT = "events", "report.html"
"""Names of a folder and a file of the run folder."""

OnNote = Callable[[str], None]
"""Called with a sentence for readers."""


def nothing(*told: object) -> None:
    """Listen to nothing.

    Examples
    --------
    >>> nothing("epoch", 3)
    """


@dataclass(frozen=True)
class Listeners:
    """Everything that is told about a run.

    Parameters
    ----------
    on_epoch, on_note, on_schedule : callable
        As in `faltung.learn.run`.
    tensorboard : bool
        Whether the history is also written for TensorBoard.
    on_continue : callable, optional
        As in `faltung.learn.resume`.

    Raises
    ------
    ArgumentTypeError
        If one of them is of another type.

    Examples
    --------
    >>> Listeners(print, print, print, tensorboard=False).tensorboard
    False
    """

    on_epoch: OnEpoch
    on_note: OnNote
    on_schedule: OnSchedule
    tensorboard: bool
    on_continue: OnContinue = nothing

    def __post_init__(self) -> None:
        instance("tensorboard", self.tensorboard, bool, "True or False")
        instance("on_epoch", self.on_epoch, Callable, "a function of a name and an EpochRecord")  # type: ignore[arg-type]
        instance("on_note", self.on_note, Callable, "a function of a text")  # type: ignore[arg-type]
        instance("on_schedule", self.on_schedule, Callable, "a function of a Schedule")  # type: ignore[arg-type]
        instance("on_continue", self.on_continue, Callable, "a function of a name and two numbers")  # type: ignore[arg-type]

    @contextmanager
    def told(self, folder: RunFolder, hardware: Hardware) -> Iterator[OnEpoch]:
        """Yield what tells everything that listens about an epoch, in the first of several processes."""
        with ExitStack() as stack:
            listeners = [self.on_epoch] if hardware.leads else []
            if self.tensorboard and hardware.leads:
                from faltung.learn.events import event_writer

                listeners.append(stack.enter_context(event_writer(folder.path / EVENTS)))

            def tell(name: str, record: EpochRecord) -> None:
                for listener in listeners:
                    listener(name, record)

            yield tell


class Announcer:
    """Tells what a run will do, and writes it to the page that the report replaces.

    Parameters
    ----------
    setup : Setup
        Data and settings.
    task : Task
        What is trained.
    folder : RunFolder
        Gets `report.html`.
    listeners : Listeners
        Who is told.
    leads : bool
        Whether this is the first process; the others say nothing.

    Examples
    --------
    See `faltung.learn.run`.
    """

    def __init__(self, setup: Setup, task: Task[Any], folder: RunFolder, listeners: Listeners, leads: bool) -> None:
        self._setup, self._task, self._folder, self._listeners = setup, task, folder, listeners
        self._leads = leads
        self._before: Schedule | None = None

    def schedule(self, schedule: Schedule, left: float) -> None:
        """Tell the schedule, at first all of it, then how it has changed."""
        if not self._leads:
            return
        self._listeners.on_schedule(schedule)
        if self._before is None:
            split = self._setup.split
            made = self._task.candidates(split.training)
            parameters = {
                name: sum(parameter.numel() for parameter in make().parameters())
                for name, make in made.items()
                if name in schedule
            }
            lines = announcement(split, self._setup.augmentation, parameters, schedule)
            self._folder.write_text(REPORT, unfinished_page(split.name, str(self._folder.path), lines))
        else:
            change = change_of_plan(self._before, schedule, left)
            lines = [change] if change else []
        self._before = schedule
        for line in lines:
            self._listeners.on_note(line)
