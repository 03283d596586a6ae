"""`faltung predict`: predict the classes of images or series."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

import typer

from faltung.cli.console import note_unfinished, print_beside, print_data, print_result, printable, progress
from faltung.datasets.found import Found
from faltung.errors import ArgumentError
from faltung.ground.new_files import write_new_file
from faltung.ground.spreadsheet_cells import cell_of
from faltung.ground.targets import check_new_files

if TYPE_CHECKING:
    from faltung.learn.prediction import Predictions

__all__ = ["predict"]

_STANDARD_OUTPUT = Path("-")


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of `faltung learn`.")],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES", help="Images, .npy and .npz files, or folders of them.")
    ],
    network: Annotated[
        str, typer.Option(help="Network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    top: Annotated[int, typer.Option(help="Number of classes to print for each sample.", min=1, metavar="N")] = 3,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", help="Write all probabilities; - is standard output.", metavar="FILE", writable=True),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all probabilities; - is standard output.", metavar="FILE", writable=True),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Predict the classes of images or series, with probabilities.

    Images may have any size and mode; they are converted in the same way as the training images. Folders are searched
    with all their subfolders. If files are in folders that are named after a class, the share of them that is
    recognised is printed, too.

    Files that cannot be used are listed at the end; the exit code is then 1.

    Examples
    --------
      faltung predict runs/learn-001 photo.jpg

      faltung predict runs/learn-001 photos/ --top 1 --csv probabilities.csv

      faltung predict runs/learn-001 series.npz --network dense-large --json -
    """
    from faltung import learn as learning

    written = {option: file for option, file in (("--csv", csv_file), ("--json", json_file)) if file is not None}
    if list(written.values()).count(_STANDARD_OUTPUT) == 2:
        raise ArgumentError("--json", "--csv or --json on standard output", "both", "Name a file for one of them.")
    files = {option: file for option, file in written.items() if file != _STANDARD_OUTPUT}
    check_new_files(files, overwrite)
    skipped: dict[str, str] = {}
    predictions = learning.predict(
        run,
        images,
        network=network,
        on_skip=skipped.__setitem__,
        track=lambda batches: progress(batches, "predicting"),
    )
    note_unfinished(run)
    for option, file in written.items():
        text = _csv(predictions) if option == "--csv" else _json(predictions, skipped)
        if file == _STANDARD_OUTPUT:
            print_data(text)
        else:
            write_new_file(file, text, option)
    if _STANDARD_OUTPUT not in written.values():
        _print(predictions, top)
    for line in Found(skipped=predictions.skipped).lines():
        print_beside(line)
    for name, reason in skipped.items():
        print_beside(f"{name}: {reason}")
    if skipped:
        print_beside(f"{len(skipped)} of the files could not be used.")
        raise typer.Exit(1)


def _csv(predictions: Predictions) -> str:
    rows: list[str] = []
    # A name with a sign that may end a line is put between quotes only if the writer ends its lines with that sign.
    writer = csv.writer(SimpleNamespace(write=rows.append), lineterminator="\r\n")
    writer.writerow(["name", "label", "class", *(f"p({name})" for name in predictions.class_names)])
    for name, label, predicted, probabilities in _rows(predictions):
        writer.writerow([cell_of(name), cell_of(label or ""), cell_of(predicted), *probabilities])
    return "".join(row.removesuffix("\r\n") + "\n" for row in rows)


def _json(predictions: Predictions, skipped: dict[str, str]) -> str:
    rows = [
        {
            "name": name,
            "label": label,
            "class": predicted,
            "probabilities": dict(zip(predictions.class_names, probabilities, strict=True)),
        }
        for name, label, predicted, probabilities in _rows(predictions)
    ]
    return json.dumps({"predictions": rows, "unusable": skipped}, indent=2, ensure_ascii=False) + "\n"


def _rows(predictions: Predictions) -> Iterator[tuple[str, str | None, str, list[float]]]:
    """Yield name, true class if known, predicted class and probabilities of each sample."""
    probabilities = predictions.probabilities.tolist()
    yield from zip(predictions.names, predictions.labels, predictions.classes, probabilities, strict=True)


def _print(predictions: Predictions, top: int) -> None:
    # One line for each sample, however long: another program may read it.
    tops = [predictions.top(sample, top) for sample in range(len(predictions))]
    cells = [
        [
            printable(name).replace("\n", r"\n"),
            *(text for predicted, share in best for text in (predicted, f"{100 * share:5.1f} %")),
        ]
        for name, best in zip(map(_on_one_line, predictions.names), tops, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print_result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    right, known = predictions.recognised
    if known:
        print_result(
            f"Recognised {right:,} of {known:,} samples in folders named after a class: {100 * right / known:.1f} %"
        )


def _on_one_line(name: str) -> str:
    return printable(name).replace("\n", r"\n")
