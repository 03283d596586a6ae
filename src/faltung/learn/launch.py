"""How is a run begun and continued? The rules of a run: what is decided by itself, recorded, checked and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any

from faltung.datasets.dataset import Split
from faltung.errors import ArgumentError
from faltung.ground.checks import integer, non_negative
from faltung.learn.arguments import instance, split_of_data
from faltung.learn.assignment import ASSIGNMENT, Assignment
from faltung.learn.choices import chosen_recipe, time_limit, with_fastest_threads
from faltung.learn.claim import claimed
from faltung.learn.durations import duration
from faltung.learn.experiment import carry_out
from faltung.learn.hardware import Hardware
from faltung.learn.listeners import EVENTS, REPORT, Announcer, Listeners, OnNote, nothing
from faltung.learn.memory import warn_of_memory
from faltung.learn.report.columns import text_table
from faltung.learn.runs import RunFolder, RunStopped
from faltung.learn.task import Measured, Setup, Task
from faltung.learn.tasks import TASKS
from faltung.learn.timekeeper import SCHEDULE, OnSchedule, Timekeeper
from faltung.learn.trainer import OnContinue, OnEpoch, Trainer

__all__ = ["FinishedRun", "resume", "run"]

_SPLIT = "split.json"
_UNUSED = (ASSIGNMENT, _SPLIT, SCHEDULE, REPORT)  # files of a run in which no epoch was trained

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run that has ended: its folder, and what was measured.

    Parameters
    ----------
    folder : path
        The run folder.
    task : str
        Name of the task.
    outcomes : tuple
        What was measured of each network: the model first, then its yardsticks. Empty in all but the first of
        several processes.
    seconds : float, optional
        How long the run took.
    announced : float, optional
        How long it was going to take, as it was told before training.

    Examples
    --------
    See `run`.
    """

    folder: Path
    task: str
    outcomes: tuple[Measured, ...]
    seconds: float = 0.0
    announced: float = 0.0

    @property
    def report(self) -> Path:
        """The page with curves, pictures and mistakes, for a browser."""
        return self.folder / "report.html"

    def table(self) -> str:
        """Return the table of all networks as lines of text, as `faltung learn` prints it."""
        return text_table(*TASKS[self.task].table(self.outcomes)) if self.outcomes else ""

    def notes(self) -> list[str]:
        """Return what is to be known about the table, in sentences."""
        lines = TASKS[self.task].notes(self.outcomes)
        if self.announced:
            lines.append(f"It took {duration(self.seconds)}; {duration(self.announced)} were announced.")
        return lines


def run(
    task: str,
    split: Split,
    *,
    out: str | Path | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    label_smoothing: float = 0.1,
    curve: bool = True,
    splits: int | None = None,
    time: float | str | None = None,
    spent: float = 0.0,
    options: Mapping[str, Any] = _NOTHING,
    seed: int = 0,
    threads: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    tensorboard: bool = False,
    on_epoch: OnEpoch = lambda name, record: None,
    on_note: OnNote = nothing,
    on_schedule: OnSchedule = nothing,
) -> FinishedRun:
    """Train the networks of a task on a data set, measure them, and write all of it to a new run folder.

    The folder gets `run.json` and `split.json`, with which `resume` continues the run after a stop; the networks;
    `history.csv`; and at the end pictures, `report.html` and `metrics.json`. The same seed, number of threads and
    machine give the same numbers.

    Parameters
    ----------
    task : str
        What is learned: "classify", "generate", or another name of ``faltung.learn.tasks.TASKS``.
    split : Split
        Training, validation and test set, as `faltung.learn.load` or `faltung.learn.load_embedded` return them.
    out : path, optional
        New or empty folder; by default the next one of runs/learn-001, runs/learn-002 and so on.
    epochs, batch_size, learning_rate, patience : optional
        As in `Recipe`; by default what suits the task and the number of training samples. If only the batch size is
        given, the learning rate is scaled with it.
    label_smoothing : float, optional
        Probability that a loss over classes takes from the true class.
    curve : bool, optional
        Also train on fractions of the training set, if the task has a learning curve and there is time for it.
    splits : int, optional
        On how many splits of the data the networks are trained and tested. By default, if there are fewer than 200
        test samples that were drawn at random, on so many that each sample is tested once, as far as there is time.
    time : float or str, optional
        How long the run may take, in seconds or as "90s", "10min", "1h". Epochs, further splits, yardsticks and the
        curve are fitted to it. By default the task's own time, 10 minutes for "classify", and no limit for the data
        set that ships with faltung.
    spent : float, optional
        Seconds of that time that were spent before.
    options : mapping, optional
        The task's own settings: {"judge": folder} for "generate", the run folder of the classifier that judges
        generated samples.
    seed : int, optional
        Seed of weights, order and augmentation.
    threads, device, precision : optional
        As in `Hardware.find`. By default some steps are timed with different numbers of threads on the CPU, and the
        fastest is used.
    tensorboard : bool, optional
        Also write the history for TensorBoard, to the folder ``events``.
    on_epoch : callable, optional
        Called with a network's name and its record after each epoch, in the first of several processes.
    on_note : callable, optional
        Called with each sentence about what will be done, how long it will take, and changes of it.
    on_schedule : callable, optional
        Called with the `Schedule` of the run, and again when it changes.

    Returns
    -------
    FinishedRun
        Its `table` says what each network costs and how well it does.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If an argument is of another type or out of its range, `out` is not empty, or a risk stops being finite. If no
        epoch was trained, no folder is left.
    RunStopped
        If Ctrl-C is pressed; `resume` continues the run.

    Examples
    --------
    >>> import tempfile
    >>> from faltung.datasets.dataset import Split
    >>> from faltung.datasets.embedded import load_embedded
    >>> few = load_embedded().validation
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = run("classify", Split(few, few, few, "few"), out=folder, epochs=1, curve=False, device="cpu")
    >>> print(done.table())  # doctest: +ELLIPSIS
                             Multiply- Training     Test ...
    Network       Parameters      adds     time accuracy ...
    ...
    convolutional     84,154    11.0 M ...
    """
    # Everything is checked before the folder is made: by these, and by the values that are made of the arguments.
    row, split = TASKS[task], split_of_data(split)
    place = None if out is None else Path(instance("out", out, str | Path, "the path of a new folder"))
    listeners = Listeners(on_epoch, on_note, on_schedule, tensorboard)
    hardware = Hardware.find(device, threads, precision)
    if place is not None and hardware.leads:
        RunFolder.check_new(place)
    given = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "patience": patience}
    given = {name: value for name, value in given.items() if value is not None}
    limit = time_limit(row, split, time)
    recipe = chosen_recipe(row, split, given, limit)
    splits = None if splits is None else integer("splits", splits, 1)
    plan = {
        "curve": instance("curve", curve, bool, "True or False"),
        "splits": splits,
        "time": limit,
        "fixed": "epochs" in given,
    }
    if row.further is not None:
        row.further.of(split, splits)
    warn_of_memory(split, recipe.batch_size, on_note)
    augmentation = row.augmentation(split.training)
    own = _options(task, row, options)
    setup = Setup(split, augmentation, label_smoothing, hardware.device, own)
    began = monotonic() - non_negative("spent", spent)
    if threads is None:
        hardware = with_fastest_threads(row, setup, recipe, hardware, on_note)
    assignment = Assignment(
        task,
        *_source(split),
        recipe,
        augmentation,
        label_smoothing,
        seed,
        hardware.threads,
        hardware.precision,
        split.digest,
        {**plan, **own},
    )
    folder = _begin(assignment, split, place, hardware)
    try:
        keeper = _keeper(assignment, folder, hardware, began)
        return _carry_out(assignment, split, keeper, folder, hardware, listeners)
    except Exception:
        if hardware.leads:
            _discard_unused(folder)
        raise


def resume(
    folder: str | Path,
    split: Split | None = None,
    *,
    data: str | Path | None = None,
    settings: Mapping[str, object] = _NOTHING,
    device: str | None = None,
    tensorboard: bool = False,
    on_epoch: OnEpoch = lambda name, record: None,
    on_note: OnNote = nothing,
    on_schedule: OnSchedule = nothing,
    on_continue: OnContinue = nothing,
) -> FinishedRun:
    """Continue a run that was stopped; its results are those of a run that was never stopped, to the last bit.

    Data, recipe, seed, threads and precision are those with which the run began. Only what this function takes can
    be chosen anew.

    Parameters
    ----------
    folder : path
        The run folder.
    split : Split, optional
        The data, if the run began with arrays and not with what `faltung.learn.load` had read.
    data : path, optional
        Where the files are now, if they were moved.
    settings : mapping of str to object, optional
        Arguments of `run` and `faltung.learn.load`, by name, with which the run must have begun.
    device : str, optional
        As in `Hardware.find`.
    tensorboard, on_epoch, on_note, on_schedule : optional
        As in `run`.
    on_continue : callable, optional
        Called with the name of a network that had been trained, its epochs so far, and all of its epochs.

    Returns
    -------
    FinishedRun

    Raises
    ------
    ArgumentError
        If the folder holds no run, a finished run, a run with other data or settings, or another process works on it.
    RunStopped
        If Ctrl-C is pressed.

    Examples
    --------
    >>> resume("no/such/folder")
    Traceback (most recent call last):
    faltung.errors.ArgumentError: resume: expected a run folder with run.json, got 'no/such/folder', ...
    """
    folder = Path(instance("folder", folder, str | Path, "the path of a run folder"))
    listeners = Listeners(on_epoch, on_note, on_schedule, tensorboard, on_continue)
    assignment = Assignment.load(folder)
    assignment.check(settings)
    run_folder = RunFolder(folder)
    if run_folder.finished:
        received = f"'{folder}', which is finished"
        raise ArgumentError("resume", "a run that was stopped", received, "Begin a new run in a new folder.")
    hardware = Hardware.find(device, assignment.threads, assignment.precision)
    split = assignment.read_data(data) if split is None else assignment.checked(split_of_data(split))
    keeper = _keeper(assignment, run_folder, hardware, monotonic(), resumed=True)
    return _carry_out(assignment, split, keeper, run_folder, hardware, listeners)


def _source(split: Split) -> tuple[str | None, dict[str, Any] | None]:
    """Return where a data set was read and with which arguments; nothing for one that was made of arrays."""
    if split.origin is None:
        return None, None
    arguments = dict(split.origin)
    return arguments.pop("path", None), arguments


def _keeper(
    assignment: Assignment, folder: RunFolder, hardware: Hardware, began: float, *, resumed: bool = False
) -> Timekeeper:
    fixed = assignment.options.get("fixed", False)
    limit = assignment.options.get("time")
    return Timekeeper(folder, limit=limit, hardware=hardware, fixed=fixed, spent=monotonic() - began, resumed=resumed)


def _options(name: str, task: Task[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a task's own, as JSON-serialisable values."""
    for option, value in instance(
        "options", given, Mapping, "settings of the task by name", "Use {} for none."
    ).items():
        if option not in task.options:
            received = repr(str(value) if isinstance(value, Path) else value)
            known = " or ".join(map(repr, task.options)) or "none"
            raise ArgumentError(str(option), f"only settings of the task {name!r} ({known})", received, "Omit it.")
    absolute = {option: str(value.resolve()) for option, value in given.items() if isinstance(value, Path)}
    options = {**task.options, **given, **absolute}
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError("options", "values that JSON can hold, such as paths", str(options)) from error
    return options


def _begin(assignment: Assignment, split: Split, out: Path | None, hardware: Hardware) -> RunFolder:
    """Make the run folder and record what is to be done; only the first of several processes does."""
    if hardware.processes > 1 and out is None:
        raise ArgumentError("out", "a folder that all processes know", "none", "Name one.")
    if not hardware.leads and out is not None:
        return RunFolder(out)
    folder = RunFolder.create(out)
    with claimed(folder.path, "out"):
        folder.check_empty()  # another process may have begun in it
        assignment.save(folder)
        folder.write_json(_SPLIT, {"name": split.name, "source": split.source, **split.parts()})
    return folder


def _discard_unused(folder: RunFolder) -> None:
    """Delete a run folder in which no epoch was trained, so that its name can be used again."""
    if {path.name for path in folder.path.iterdir()} <= {*_UNUSED, EVENTS}:
        shutil.rmtree(folder.path / EVENTS, ignore_errors=True)
        for name in _UNUSED:
            (folder.path / name).unlink(missing_ok=True)
        with suppress(OSError):  # a link stays, and an empty folder does no harm
            folder.path.rmdir()


def _carry_out(
    assignment: Assignment,
    split: Split,
    keeper: Timekeeper,
    folder: RunFolder,
    hardware: Hardware,
    listeners: Listeners,
) -> FinishedRun:
    task = TASKS[assignment.task]
    if not assignment.options.get("curve") and task.curve is not None:
        task = replace(task, curve=replace(task.curve, fractions=()))
    setup = Setup(
        split,
        assignment.augmentation,
        assignment.label_smoothing,
        hardware.device,
        {**task.options, **assignment.options},
    )
    keeper.on_schedule = Announcer(setup, task, folder, listeners, hardware.leads).schedule
    try:
        alone = claimed(folder.path) if hardware.leads else nullcontext()
        with alone, hardware.joined(), listeners.told(folder, hardware) as tell:
            trainer = Trainer(
                folder,
                seed=assignment.seed,
                hardware=hardware,
                on_epoch=tell,
                timekeeper=keeper,
                on_continue=listeners.on_continue if hardware.leads else nothing,
            )
            outcomes = carry_out(task, setup, assignment.recipe, trainer, splits=assignment.options.get("splits"))
    except KeyboardInterrupt:
        raise RunStopped(folder.path) from None
    return FinishedRun(folder.path, assignment.task, tuple(outcomes), keeper.elapsed, keeper.announced)
