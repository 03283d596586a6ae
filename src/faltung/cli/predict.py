"""`faltung predict`: say of images or series which classes they belong to."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faltung.cli.console import errors, progress
from faltung.cli.targets import check_new_file
from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from faltung.learn.prediction import Predictions

__all__ = ["predict"]

_STANDARD_OUTPUT = Path("-")


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that `faltung learn` made.")],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES", help="Images, .npy and .npz files, and folders of them.")
    ],
    network: Annotated[
        str, typer.Option(help="Which network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    top: Annotated[int, typer.Option(help="How many classes to print for each.", min=1, metavar="N")] = 3,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write all probabilities; - is standard output.", metavar="FILE")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all probabilities; - is standard output.", metavar="FILE")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Say of images or series which classes they belong to, and how probable that is.

    Images may have any size and mode; they are brought to what the network learned from just as its training images
    were. Folders are searched to their depths. Where the folder that a file lies in is named after a class, the share
    of those files that were recognised is printed too.

    Files that cannot be used are listed at the end; the exit code is then 1.

    For example:

    - `faltung predict runs/learn-001 photo.jpg`
    - `faltung predict runs/learn-001 photos/ --top 1 --csv probabilities.csv`
    - `faltung predict runs/learn-001 series.npz --network dense-large --json -`
    """
    from faltung import learn as learning

    written = {option: file for option, file in (("--csv", csv_file), ("--json", json_file)) if file is not None}
    if list(written.values()).count(_STANDARD_OUTPUT) == 2:
        raise ArgumentError("--json", "--csv or --json on standard output", "both", "Name a file for one of them.")
    for option, file in written.items():
        if file != _STANDARD_OUTPUT:
            check_new_file(option, file, overwrite)
    skipped: dict[str, str] = {}
    said = learning.predict(
        run,
        images,
        network=network,
        on_skip=skipped.__setitem__,
        track=lambda batches: progress(batches, "predicting"),
    )
    for option, file in written.items():
        text = _csv(said) if option == "--csv" else _json(said, skipped)
        if file == _STANDARD_OUTPUT:
            typer.echo(text, nl=False)
        else:
            learning.RunFolder(file.parent).write_text(file.name, text)
    if _STANDARD_OUTPUT not in written.values():
        _print(said, top)
    for name, reason in skipped.items():
        errors.print(f"{name}: {reason}", soft_wrap=True, markup=False)
    if skipped:
        errors.print(f"{len(skipped)} of the files could not be used.")
        raise typer.Exit(1)


def _csv(said: Predictions) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "label", "class", *(f"p({name})" for name in said.class_names)])
    rows = zip(said.names, said.labels, said.classes, said.probabilities.tolist(), strict=True)
    writer.writerows([name, label or "", own, *probabilities] for name, label, own, probabilities in rows)
    return text.getvalue()


def _json(said: Predictions, skipped: dict[str, str]) -> str:
    rows = zip(said.names, said.labels, said.classes, said.probabilities.tolist(), strict=True)
    predictions = [
        {
            "name": name,
            "label": label,
            "class": own,
            "probabilities": dict(zip(said.class_names, probabilities, strict=True)),
        }
        for name, label, own, probabilities in rows
    ]
    return json.dumps({"predictions": predictions, "unusable": skipped}, indent=2, ensure_ascii=False) + "\n"


def _print(said: Predictions, top: int) -> None:
    # One line a sample, however long: what reads it may be another program.
    tops = [said.top(sample, top) for sample in range(len(said))]
    cells = [
        [name, *(text for own, share in best for text in (own, f"{100 * share:5.1f} %"))]
        for name, best in zip(said.names, tops, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    right, known = said.recognised
    if known:
        typer.echo(
            f"Recognised {right:,} of the {known:,} in folders named after a class: {100 * right / known:.1f} %"
        )
