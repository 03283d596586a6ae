"""`faltung learn`: train a convolutional network and its dense yardsticks, and show what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from faltung.cli.console import errors
from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from faltung.datasets.dataset import Split
    from faltung.learn import EpochRecord, Outcome
    from faltung.learn.assignment import Assignment
    from faltung.learn.hardware import Hardware
    from faltung.learn.runs import RunFolder

__all__ = ["learn"]

_FRACTIONS = (1 / 16, 1 / 4)

OnEpoch = Callable[[str, "EpochRecord"], None]


def learn(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Folder of class folders, CSV beside images, npz or IDX files; else a subset of Fashion-MNIST.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="classify or generate.")] = "classify",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training samples.", min=1, metavar="N", show_default="by size")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples a step.", min=2, metavar="N", show_default="by size")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Largest step of the optimiser.", metavar="STEP", show_default="by batch")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many epochs without a smaller validation risk.", min=1, metavar="N"),
    ] = None,
    curve: Annotated[
        bool, typer.Option(help="Train on a sixteenth and a quarter of the samples too, to compare.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.", min=0, metavar="N")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            "--workers",
            help="Threads of one operation; the numbers depend on it.",
            min=1,
            metavar="N",
            show_default="all cores",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 or bfloat16.", show_default="what is faster here")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels of the squares that all images become.", metavar="N")
    ] = None,
    ndim: Annotated[
        int | None, typer.Option(help="Spatial axes of the samples, where arrays leave it open.", min=1, max=3)
    ] = None,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip-corrupt", help="Leave out images that cannot be read.")
    ] = False,
    judge: Annotated[
        Path | None, typer.Option(help="Run folder of the classifier that scores generated images.", metavar="RUN")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the history for TensorBoard too.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New or empty folder for the run.", show_default="next of runs/learn-001, ...", metavar="FOLDER"
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a run that was stopped, as it was begun.", metavar="RUN")
    ] = None,
) -> None:
    """Train a small convolutional network, and fully connected ones beside it as yardsticks.

    All learn from the same samples by making their mean loss small: one yardstick has as many parameters, the other
    as many as it needs. A table shows what each costs and how well it recognises test samples, as they are and
    moved. The run folder gets the networks, metrics.json, history.csv, and report.html with curves, filters and
    mistakes. With --task generate the networks make new images instead.

    Without DATA it learns from 4,750 images of clothing that ship with faltung, which takes about a minute. The same
    seed, number of threads and machine give the same numbers. `torchrun --nproc-per-node 2 -m faltung learn` shares
    the work among processes.

    For example:

    - `faltung learn`
    - `faltung learn photos/ --size 64 --out runs/photos`
    - `faltung learn series.npz --epochs 100 --patience 20`
    - `faltung learn --resume runs/learn-001`
    """
    from faltung.learn import Assignment, Hardware, RunFolder

    if task not in ("classify", "generate"):
        raise ArgumentError("--task", "classify or generate", repr(task))
    given = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "patience": patience}
    recipe = {name: value for name, value in given.items() if value is not None}
    if resume is not None:
        _check_nothing_else(recipe, data=data, size=size, ndim=ndim, out=out, judge=judge, precision=precision)
        assignment = Assignment.load(resume)
        if (resume / "metrics.json").exists():
            raise ArgumentError("--resume", "a run that was stopped", f"'{resume}', which is finished")
        hardware = Hardware.find(device, assignment.threads, assignment.precision)
        split, run = assignment.read_data(), RunFolder(resume)
    else:
        hardware = Hardware.find(device, threads, precision)
        reading = {"ndim": ndim, "size": size, "skip_corrupt": skip_corrupt}
        split = _read(data, reading)
        options: dict[str, Any] = {"curve": curve} if task == "classify" else {"judge": judge and str(judge)}
        assignment = _assign(task, data, reading, split, recipe, seed, hardware, options)
        run = _begin(assignment, split, out, hardware)
    with hardware.joined():
        _carry_out(assignment, split, run, hardware, tensorboard)


def _check_nothing_else(recipe: dict[str, Any], **others: Any) -> None:
    given = [*recipe, *(name for name, value in others.items() if value is not None)]
    if given:
        names = ", ".join("DATA" if name == "data" else f"--{name.replace('_', '-')}" for name in given)
        raise ArgumentError(
            "--resume", "no other setting, since a run goes on as it was begun", names, "Leave them away."
        )


def _read(data: Path | None, reading: dict[str, Any]) -> Split:
    from faltung.learn.assignment import read_split

    def on_skip(name: str, reason: str) -> None:
        errors.print(f"skipped {name}: {reason}", soft_wrap=True, markup=False)

    return read_split(None if data is None else str(data), {**reading, "on_skip": on_skip})


def _assign(
    task: str,
    data: Path | None,
    reading: dict[str, Any],
    split: Split,
    given: dict[str, Any],
    seed: int,
    hardware: Hardware,
    options: dict[str, Any],
) -> Assignment:
    from faltung.learn.assignment import Assignment

    if task == "classify":
        from faltung.learn.suited import augmentation_for, recipe_for

        suited, augmentation = recipe_for(len(split.training)), augmentation_for(split.training)
    else:
        from faltung.learn.generation.learning import generator_augmentation, generator_recipe

        suited, augmentation = generator_recipe(len(split.training)), generator_augmentation(split.training)
    if "batch_size" in given and "learning_rate" not in given:
        suited = replace(suited, learning_rate=suited.learning_rate * given["batch_size"] / suited.batch_size)
    return Assignment(
        task,
        None if data is None else str(data.resolve()),
        reading,
        replace(suited, **given),
        augmentation,
        0.1,
        seed,
        hardware.threads,
        hardware.precision,
        split.digest,
        options,
    )


def _begin(assignment: Assignment, split: Split, out: Path | None, hardware: Hardware) -> RunFolder:
    """Make the run folder, and write down what is to be done; only the first of several processes does."""
    from faltung.learn.runs import RunFolder

    if hardware.processes > 1 and out is None:
        raise ArgumentError("--out", "a folder that all processes know", "none", "Name one.")
    if not hardware.leads and out is not None:
        return RunFolder(out)
    run = RunFolder.create(out)
    assignment.save(run)
    run.write_json("split.json", {"name": split.name, "source": split.source, **split.parts()})
    return run


def _carry_out(assignment: Assignment, split: Split, run: RunFolder, hardware: Hardware, tensorboard: bool) -> None:
    try:
        with _progress(assignment.recipe.epochs, hardware) as shown, _tensorboard(run, tensorboard) as logged:

            def on_epoch(name: str, record: EpochRecord) -> None:
                shown(name, record)
                logged(name, record)

            if assignment.task == "classify":
                outcomes = _classify(assignment, split, run, hardware, on_epoch)
            else:
                outcomes = _generate(assignment, split, run, hardware, on_epoch)
    except KeyboardInterrupt:
        text = f"Stopped. What was finished is in {run.path}. Go on with: faltung learn --resume {run.path}"
        errors.print(text, soft_wrap=True, markup=False)
        raise typer.Exit(130) from None
    if hardware.leads:
        _print_table(*outcomes)
        typer.echo(f"Run folder: {run.path}")
        typer.echo(f"Open {run.path / 'report.html'} in a browser to see the curves, the pictures and the mistakes.")


def _classify(
    assignment: Assignment, split: Split, run: RunFolder, hardware: Hardware, on_epoch: OnEpoch
) -> tuple[list[str], list[list[str]]]:
    from faltung.learn.classification import Classification
    from faltung.learn.comparison import compare
    from faltung.learn.report.table import table
    from faltung.learn.suited import candidates_for

    def objective(split: Split, device: str) -> Classification:
        return Classification(
            split, label_smoothing=assignment.label_smoothing, augmentation=assignment.augmentation, device=device
        )

    outcomes: list[Outcome] = compare(
        candidates_for(split.training),
        split,
        assignment.recipe,
        run,
        objective=objective,
        fractions=_FRACTIONS if assignment.options["curve"] else (),
        seed=assignment.seed,
        hardware=hardware,
        on_epoch=on_epoch,
    )
    return table(outcomes)


def _generate(
    assignment: Assignment, split: Split, run: RunFolder, hardware: Hardware, on_epoch: OnEpoch
) -> tuple[list[str], list[list[str]]]:
    from faltung.learn.generation.learning import learn_to_generate, score_table
    from faltung.networks import load

    judge = assignment.options["judge"]
    outcomes = learn_to_generate(
        split,
        assignment.recipe,
        run,
        augmentation=assignment.augmentation,
        seed=assignment.seed,
        hardware=hardware,
        judge=None if judge is None else load(judge),
        on_epoch=on_epoch,
    )
    return score_table(outcomes)


@contextmanager
def _progress(epochs: int, hardware: Hardware) -> Iterator[OnEpoch]:
    if not hardware.leads:
        yield lambda name, record: None
        return
    if not errors.is_terminal:
        yield _print_epoch
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=errors, refresh_per_second=4) as progress:
        tasks: dict[str, TaskID] = {}

        def on_epoch(name: str, record: EpochRecord) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=None, state="")
            progress.update(tasks[name], completed=record.epoch, total=record.epochs, state=_state(record))

        yield on_epoch


def _print_epoch(name: str, record: EpochRecord) -> None:
    # A log needs to see that it goes on, not every step.
    if record.epoch in (1, record.epochs) or record.epoch % 10 == 0:
        typer.echo(f"{name}: epoch {record.epoch} of {record.epochs}, {_state(record)}", err=True)


def _state(record: EpochRecord) -> str:
    text = f"risk {record.measures['training_risk']:.3f}"
    accuracy = record.measures.get("validation_accuracy")
    if accuracy is None:
        return f"{text}, validation risk {record.measures['validation_risk']:.3f}"
    return f"{text}, validation accuracy {100 * accuracy:.1f} %"


@contextmanager
def _tensorboard(run: RunFolder, wanted: bool) -> Iterator[OnEpoch]:
    if not wanted:
        yield lambda name, record: None
        return
    from faltung.learn.events import event_writer

    with event_writer(run.path / "events") as write:
        yield write


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for index, cell in enumerate(header):
        two_lines = cell.replace(" ", "\n", 1).replace("-", "-\n")  # so that it fits into 80 columns
        grid.add_column(two_lines, justify="right" if index else "left", vertical="bottom", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    Console().print(grid)
