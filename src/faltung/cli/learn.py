"""`faltung learn`: train a network and its yardsticks, and print how they compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from faltung.cli.console import errors
from faltung.errors import ArgumentError
from faltung.learn.tasks import TASKS

if TYPE_CHECKING:
    from faltung.learn import EpochRecord

__all__ = ["learn"]


def learn(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Folder of class folders, CSV beside images, npz or IDX files; else a subset of Fashion-MNIST.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[str, typer.Option(help=f"What to learn: {' or '.join(TASKS)}.", metavar="TASK")] = "classify",
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training set.", min=1, metavar="N", show_default="by size"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples of one step.", min=2, metavar="N", show_default="by size")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Largest learning rate.", metavar="RATE", show_default="by batch size"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after N epochs without a smaller validation risk.", min=1, metavar="N"),
    ] = None,
    curve: Annotated[
        bool, typer.Option(help="Classifiers only: train on 1/16 and 1/4 of the training set, too.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.", min=0, metavar="N")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads of one operation; the results depend on it. Also --workers.",
            min=1,
            metavar="N",
            show_default="all cores",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,  # two names do not fit into the help
    device: Annotated[
        str | None, typer.Option(help="Device of torch: cpu, cuda, ...", show_default="a GPU if there is one")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 or bfloat16.", show_default="the faster one on the device")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Resize all images to squares of N x N pixels.", metavar="N")
    ] = None,
    ndim: Annotated[
        int | None,
        typer.Option(help="Spatial axes of a sample, if the shape of the arrays is ambiguous.", min=1, max=3),
    ] = None,
    skip_corrupt: Annotated[bool, typer.Option("--skip-corrupt", help="Skip images that cannot be read.")] = False,
    judge: Annotated[
        Path | None,
        typer.Option(help="Generators only: run folder of the classifier that scores them.", metavar="RUN"),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the history for TensorBoard, too.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New or empty folder for the run.", show_default="the next of runs/learn-001, ...", metavar="FOLDER"
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue a stopped run with its own settings. DATA only if moved.", metavar="RUN"),
    ] = None,
) -> None:
    """Train a small convolutional network, and fully connected networks as yardsticks beside it.

    All networks learn from the same samples with the same loss. One yardstick has as many parameters as the
    convolutional network, a second one has more. The table shows what each network costs and how many test samples
    it recognises, unmoved and moved by some pixels. The run folder gets the networks, metrics.json, history.csv,
    and report.html with curves, filters and mistakes. With --task generate the networks learn to make new images.

    Without DATA the networks learn from 4,750 images of clothing that ship with faltung, which takes about a minute.
    The same seed, number of threads and machine give the same results. `torchrun --nproc-per-node 2 -m faltung
    learn` shares the work among processes.

    Examples
    --------
      faltung learn

      faltung learn photos/ --size 64 --out runs/photos

      faltung learn series.npz --epochs 100 --patience 20

      faltung learn --resume runs/learn-001
    """
    if task not in TASKS:
        raise ArgumentError("--task", " or ".join(TASKS), repr(task))
    from faltung import learn as learning

    try:
        with _progress() as on_epoch:
            if resume is not None:
                settings = _typed(context, learning.resume)
                run = learning.resume(
                    resume, data=data, settings=settings, device=device, tensorboard=tensorboard, on_epoch=on_epoch
                )
            else:
                if data is None:
                    split = learning.load_embedded()
                else:
                    split = learning.load(
                        data, ndim=ndim, size=size, skip_corrupt=skip_corrupt, on_skip=_print_skipped
                    )
                run = learning.run(
                    task,
                    split,
                    out=out,
                    epochs=epochs,
                    batch_size=batch_size,
                    learning_rate=learning_rate,
                    patience=patience,
                    curve=curve,
                    options={} if judge is None else {"judge": judge},
                    seed=seed,
                    threads=workers if threads is None else threads,
                    device=device,
                    precision=precision,
                    tensorboard=tensorboard,
                    on_epoch=on_epoch,
                )
    except learning.RunStopped as stopped:
        errors.print(str(stopped), soft_wrap=True, markup=False)
        raise typer.Exit(130) from None
    if run.outcomes:
        typer.echo(run.table())
        typer.echo(f"Run folder: {run.folder}")
        typer.echo(f"Open {run.report} in a browser to see curves, pictures and mistakes.")


def _typed(context: typer.Context, resume: Callable[..., object]) -> dict[str, object]:
    """Return the settings that were typed beside those of the function that resumes a run."""
    own = {"resume", *signature(resume).parameters}
    sources = {name: context.get_parameter_source(name) for name in context.params}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE" and name not in own]
    return {"threads" if name == "workers" else name: context.params[name] for name in typed}


def _print_skipped(name: str, reason: str) -> None:
    errors.print(f"skipped {name}: {reason}", soft_wrap=True, markup=False)


@contextmanager
def _progress() -> Iterator[Callable[[str, EpochRecord], None]]:
    """Yield what shows each epoch: bars on a terminal, some lines in a log."""
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
    progress = Progress(*columns, console=errors, refresh_per_second=4)
    bars: dict[str, TaskID] = {}

    def on_epoch(name: str, record: EpochRecord) -> None:
        if not bars:
            progress.start()
        if name not in bars:
            bars[name] = progress.add_task(name, total=None, state="")
        progress.update(bars[name], completed=record.epoch, total=record.epochs, state=_state(record))

    try:
        yield on_epoch
    finally:
        progress.stop()


def _print_epoch(name: str, record: EpochRecord) -> None:
    # A log needs only some of the epochs.
    if record.epoch in (1, record.epochs) or record.epoch % 10 == 0:
        typer.echo(f"{name}: epoch {record.epoch} of {record.epochs}, {_state(record)}", err=True)


def _state(record: EpochRecord) -> str:
    text = f"risk {record.measures['training_risk']:.3f}"
    accuracy = record.measures.get("validation_accuracy")
    if accuracy is None:
        return f"{text}, validation risk {record.measures['validation_risk']:.3f}"
    return f"{text}, validation accuracy {100 * accuracy:.1f} %"
