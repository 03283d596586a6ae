"""`faltung learn`: train a network and its yardsticks, and print how they compare."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faltung.cli.console import print_beside, print_result
from faltung.cli.learning_progress import learning_progress
from faltung.errors import ArgumentError
from faltung.learn.tasks import TASKS

if TYPE_CHECKING:
    from faltung.learn import FinishedRun

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
        typer.Option(
            help="Stop after N epochs without a smaller validation risk, and keep the best weights.",
            min=1,
            metavar="N",
            show_default="half of the epochs for DATA with 30 validation samples",
        ),
    ] = None,
    curve: Annotated[
        bool,
        typer.Option(help="Classifiers only: train on 1/16 and 1/4 of the training set, too, if there is time."),
    ] = True,
    time: Annotated[
        str | None,
        typer.Option(
            help="How long it may take: 90s, 10min, 1h. Work is fitted to it.",
            metavar="TIME",
            show_default="10min for DATA",
        ),
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(
            help="Classifiers only: splits of the data to test on; 1 for a single one.",
            min=1,
            metavar="N",
            show_default="each image is tested once if they are few",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.", min=0, metavar="N")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads of one operation; the results depend on it. Also --workers.",
            min=1,
            metavar="N",
            show_default="the fastest, timed at the start",
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
            help="New or empty folder for the run.",
            show_default="the next of runs/learn-001, ...",
            metavar="FOLDER",
            writable=True,
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

    Before training it is told what was found, what will be done, and how long it takes, which is measured. With DATA
    it takes up to 10 minutes, or --time: size of images, epochs, further splits and the learning curve are fitted to
    it. If there are fewer than 200 test images, the networks are trained on further splits, until each image was a
    test image once, as far as there is time.

    Without DATA the networks learn from 4,750 images of clothing that ship with faltung, which takes about a minute.
    The same seed, epochs, number of threads and machine give the same results. `torchrun --nproc-per-node 2 -m
    faltung learn` shares the work among processes.

    Examples
    --------
      faltung learn

      faltung learn photos/ --time 10min --out runs/photos

      faltung learn photos/ --size 64 --out runs/photos

      faltung learn series.npz --epochs 100 --patience 20

      faltung learn --resume runs/learn-001
    """
    if task not in TASKS:
        raise ArgumentError("--task", " or ".join(TASKS), repr(task))
    began = clock.monotonic()
    from faltung import learn as learning
    from faltung.learn.durations import seconds_of

    limit = None if time is None else seconds_of(time)
    with _stopping(), learning_progress() as shown:
        if resume is not None:
            run = learning.resume(
                resume,
                data=data,
                settings=_typed(context, learning.resume) | ({} if limit is None else {"time": limit}),
                device=device,
                tensorboard=tensorboard,
                on_epoch=shown.epoch,
                on_note=shown.note,
                on_schedule=shown.schedule,
                on_continue=shown.goes_on,
            )
        else:
            split = (
                learning.load_embedded()
                if data is None
                else learning.load_in_time(
                    data,
                    task,
                    time=limit,
                    given={"epochs": epochs, "batch_size": batch_size, "patience": patience},
                    ndim=ndim,
                    size=size,
                    skip_corrupt=skip_corrupt,
                    on_skip=_print_skipped,
                    on_note=shown.note,
                )
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
                splits=splits,
                time=limit,
                spent=clock.monotonic() - began,
                options={} if judge is None else {"judge": judge},
                seed=seed,
                threads=workers if threads is None else threads,
                device=device,
                precision=precision,
                tensorboard=tensorboard,
                on_epoch=shown.epoch,
                on_note=shown.note,
                on_schedule=shown.schedule,
            )
    _print_results(run)


def _print_results(run: FinishedRun) -> None:
    if run.outcomes:
        print_result(run.table())
        for line in run.notes():
            print_result(line)
        print_result(f"Run folder: {run.folder}")
        print_result(f"Open {run.report} in a browser to see curves, pictures and mistakes.")


@contextmanager
def _stopping() -> Iterator[None]:
    """End with one sentence on Ctrl-C, and on what `faltung.cli.main` makes of a request to end."""
    from faltung.learn import RunStopped

    try:
        yield
    except RunStopped as stopped:
        print_beside(str(stopped))
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        print_beside("Stopped before training began; nothing was written.")
        raise typer.Exit(130) from None


def _typed(context: typer.Context, resume: Callable[..., object]) -> dict[str, object]:
    """Return the settings that were typed beside those of the function that resumes a run."""
    own = {"resume", *signature(resume).parameters}
    sources = {name: context.get_parameter_source(name) for name in context.params}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE" and name not in own]
    return {"threads" if name == "workers" else name: context.params[name] for name in typed}


def _print_skipped(name: str, reason: str) -> None:
    print_beside(f"skipped {name}: {reason}")
