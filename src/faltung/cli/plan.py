"""``faltung plan``: print what would run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from faltung import files
from faltung.cli.completion import calls, mode_names
from faltung.cli.console import print_note, print_result
from faltung.cli.depth import own_dtype
from faltung.cli.filtering import AXES_HELP, MODE_HELP, kernel_axes, modes
from faltung.cli.filters import KERNEL_HELP, read_filter
from faltung.errors import ArgumentError
from faltung.files import Picture
from faltung.files.array_file import picture_of_array
from faltung.front import plan as make_plan
from faltung.ground.arrays import array_of_shape

__all__ = ["plan"]


def plan(
    kernel: Annotated[str, typer.Option("--kernel", "-k", metavar="FILTER", help=KERNEL_HELP, autocompletion=calls)],
    image: Annotated[Path | None, typer.Argument(metavar="IMAGE", help="A picture or an array.")] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="SHAPE", help="Shape of an array, such as 480x640, instead of a file.")
    ] = None,
    dtype: Annotated[str, typer.Option(metavar="DTYPE", help="Dtype of the array, with --shape.")] = "float32",
    mode: Annotated[str, typer.Option(metavar="MODE", help=MODE_HELP, autocompletion=mode_names)] = "reflect",
    axes: Annotated[str | None, typer.Option(metavar="AXES", help=AXES_HELP, show_default="rows and columns")] = None,
) -> None:
    """Print how a filter would be computed, at which cost, and why not in another way.

    Examples
    --------
      faltung plan photo.jpg -k "gaussian(2)"
      faltung plan --shape 512x512 -k "gaussian(2) * sobel(axis=1)"
    """
    filter_ = read_filter(kernel)
    if (image is None) == (shape is None):
        received = "neither" if image is None else "both"
        raise ArgumentError("IMAGE", "either a file or --shape", received, "Try --shape 2048x2048.")
    for picture in _planned(shape, dtype) if image is None else files.read(image):
        chosen, samples = kernel_axes(picture, filter_, axes, print_note), picture.samples
        result = own_dtype(samples.dtype, filter_)
        print_result(str(make_plan(samples, filter_, modes(mode), axes=chosen, dtype=result)))


def _planned(shape: str | None, dtype: str) -> list[Picture]:
    """Return an array of the shape that was typed, as a picture that takes no memory."""
    if shape is None or not re.fullmatch(r"\d{1,18}(\s*[x,]\s*\d{1,18}){0,31}", shape):
        raise ArgumentError("--shape", "lengths such as 480x640", repr(shape))
    try:
        return [picture_of_array(array_of_shape(tuple(map(int, re.findall(r"\d+", shape))), dtype))]
    except ArgumentError as error:
        raise ArgumentError("--shape", "samples that can be counted in bytes", repr(shape)) from error
