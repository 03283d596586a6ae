"""`faltung export`: write a trained network for use elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltung.cli.targets import check_new_file

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that `faltung learn` made.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .onnx or .pt2.", metavar="FILE")],
    network: Annotated[
        str, typer.Option(help="Which network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    format: Annotated[
        str | None,
        typer.Option(help="onnx or pt2.", metavar="FORMAT", show_default="what the file's name ends with"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write a trained classifier for use elsewhere: as ONNX, or as a program for `torch.export.load`.

    The file takes float32 samples in batches of any size and gives logits; it also holds the names of the classes.
    It is run beside the network first, and written only if both say the same.

    For example:

    - `faltung export runs/learn-001 -o model.onnx`
    - `faltung export runs/learn-001 -o dense.pt2 --network dense-large`
    """
    from faltung import learn as learning

    check_new_file("--output", output, overwrite)
    done = learning.export_network(run, output, network=network, format=format)
    typer.echo(
        f"{done.path}: {done.size / 1000:,.0f} kB; its logits differ from those of the network by at most "
        f"{done.difference:.1g} of the largest"
    )
