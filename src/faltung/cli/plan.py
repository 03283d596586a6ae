"""``faltung plan``: print what would run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from faltung.cli import images
from faltung.cli.apply import kernel_axes
from faltung.cli.filters import read_filter
from faltung.errors import ArgumentError
from faltung.front import plan as make_plan

__all__ = ["plan"]


def plan(
    kernel: Annotated[
        str, typer.Option("--kernel", "-k", help="The filter: an expression, or a .txt or .npy file of taps.")
    ],
    image: Annotated[Path | None, typer.Argument(metavar="IMAGE", help="PNG, JPEG, TIFF or .npy file.")] = None,
    shape: Annotated[str | None, typer.Option(help="Instead of a file: a shape such as 480x640.")] = None,
    dtype: Annotated[str, typer.Option(help="With --shape: dtype of the array.")] = "float32",
    mode: Annotated[str, typer.Option(help="reflect, constant, nearest, mirror or wrap.")] = "reflect",
) -> None:
    """Print how a filter would be computed, what that costs, and what else was considered.

    Examples
    --------
      faltung plan photo.jpg -k "gaussian(2)"

      faltung plan --shape 2048x2048 --dtype uint8 -k "gaussian(2) * sobel(axis=1)"
    """
    filter_ = read_filter(kernel)
    if (image is None) == (shape is None):
        received = "neither" if image is None else "both"
        raise ArgumentError("IMAGE", "either a file or --shape", received, "Try --shape 2048x2048.")
    if image is not None:
        for picture in images.read(image):
            axes = kernel_axes(picture, filter_, None)
            samples = picture.samples
            typer.echo(str(make_plan(samples, filter_, mode, axes=axes, dtype=samples.dtype)))
        return
    if not re.fullmatch(r"\d+(\s*[x,]\s*\d+)*", shape or ""):
        raise ArgumentError("--shape", "lengths such as 480x640", repr(shape))
    lengths = tuple(int(length) for length in re.findall(r"\d+", shape or ""))
    typer.echo(str(make_plan(lengths, filter_, mode, dtype=dtype, result_dtype=dtype)))
