"""`faltung export`: write a trained network to a file for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from faltung.cli.console import note_unfinished, print_result
from faltung.ground.targets import check_new_file

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of `faltung learn`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .onnx or .pt2.", metavar="FILE", writable=True)
    ],
    network: Annotated[
        str, typer.Option(help="Network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    format: Annotated[
        str | None,
        typer.Option(help="onnx or pt2.", metavar="FORMAT", show_default="ending of the file name"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write a trained network for other programs: as ONNX, or as a program for `torch.export.load`.

    A classifier of images takes uint8 pixels (batch, height, width, channels) of any size, and returns logits:
    scaling and standardising are in the file. A generator moves noise one step closer to samples. The file also holds
    the names of the classes, and the meaning of its inputs and outputs. It is written only if its outputs agree with
    those of the trained network.

    Examples
    --------
      faltung export runs/learn-001 -o model.onnx

      faltung export runs/learn-001 -o dense.pt2 --network dense-large
    """
    from faltung import learn as learning

    check_new_file("--output", output, overwrite)
    exported = learning.export_network(run, output, network=network, format=format)
    note_unfinished(run)
    print_result(
        f"{exported.path}: {exported.size / 1000:,.0f} kB; its outputs differ from those of the network by at most "
        f"{exported.difference:.1g} of the largest"
    )
    for name, fact in exported.facts.items():
        if isinstance(said := json.loads(fact), str):
            print_result(f"{name}: {said}")
