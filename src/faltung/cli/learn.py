"""`faltung learn`: train a convolutional network and its dense yardstick, and show what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from faltung.cli.console import errors

if TYPE_CHECKING:
    from torch import nn

    from faltung.learn import EpochRecord, Outcome

__all__ = ["learn"]


def learn(
    epochs: Annotated[int, typer.Option(help="Passes over the training images.", min=1, metavar="N")] = 30,
    learning_rate: Annotated[float, typer.Option(help="Largest step of the optimiser.", metavar="STEP")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.", min=0, metavar="N")] = 0,
    threads: Annotated[
        int,
        typer.Option(
            "--threads",
            "--workers",
            help="Threads of one operation; the numbers depend on it.",
            min=1,
            metavar="N",
        ),
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New or empty folder for the run.",
            show_default="next of runs/learn-001, ...",
            metavar="FOLDER",
        ),
    ] = None,
) -> None:
    """Train a small convolutional network, and a fully connected one beside it as yardstick.

    Both learn from 4,750 images of clothing (a subset of Fashion-MNIST that ships with faltung) by making their mean
    loss small, with the same recipe. One table shows what each costs and how well it recognises 1,000 test images, as
    they are and moved by 1, 2 and 4 pixels. The run folder gets the networks, metrics.json, history.csv, a picture
    of the learned filters, and report.html.

    It takes about 50 seconds. The same seed and number of threads give the same numbers.

    For example:

    - `faltung learn`
    - `faltung learn --epochs 5 --out runs/quick`
    - `faltung learn --seed 1 --threads 4`
    """
    from faltung import learn as learning
    from faltung.networks import ConvClassifier, DenseClassifier

    recipe = learning.Recipe(epochs=epochs, learning_rate=learning_rate)
    split = learning.load_embedded()
    classes = len(split.class_names)
    channels = split.training.image_shape[0]
    candidates: dict[str, Callable[[], nn.Module]] = {
        "convolutional": partial(ConvClassifier, classes=classes, input_channels=channels),
        "dense": partial(DenseClassifier, classes=classes, image_shape=split.training.image_shape),
    }
    run = learning.RunFolder.create(out)
    try:
        with _progress(list(candidates), epochs) as on_epoch:
            outcomes = learning.compare(candidates, split, recipe, run, seed=seed, threads=threads, on_epoch=on_epoch)
    except KeyboardInterrupt:
        errors.print(f"Stopped. What was finished is in {run.path}.", soft_wrap=True, markup=False)
        raise typer.Exit(130) from None
    _print_outcomes(outcomes, run.path)


@contextmanager
def _progress(names: Sequence[str], epochs: int) -> Iterator[Callable[[str, EpochRecord], None]]:
    if not errors.is_terminal:
        yield partial(_print_epoch, epochs)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=errors, refresh_per_second=4) as progress:
        tasks = {name: progress.add_task(name, total=epochs, start=False, state="") for name in names}
        progress.start_task(tasks[names[0]])

        def on_epoch(name: str, record: EpochRecord) -> None:
            progress.start_task(tasks[name])
            progress.update(tasks[name], advance=1, state=_state(record))

        yield on_epoch


def _print_epoch(epochs: int, name: str, record: EpochRecord) -> None:
    # A log needs to see that it goes on, not every step.
    if record.epoch in (1, epochs) or record.epoch % 10 == 0:
        typer.echo(f"{name}: epoch {record.epoch} of {epochs}, {_state(record)}", err=True)


def _state(record: EpochRecord) -> str:
    return f"risk {record.training_risk:.3f}, validation accuracy {100 * record.validation_accuracy:.1f} %"


def _print_outcomes(outcomes: Sequence[Outcome], folder: Path) -> None:
    from faltung.learn.report import table

    header, rows = table(outcomes)
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for index, cell in enumerate(header):
        two_lines = cell.replace(" ", "\n", 1).replace("-", "-\n")  # so that it fits into 80 columns
        grid.add_column(two_lines, justify="right" if index else "left", vertical="bottom", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    Console().print(grid)
    typer.echo(f"Run folder: {folder}")
    typer.echo(f"Open {folder / 'report.html'} in a browser to see the curves, the filters and the mistakes.")
