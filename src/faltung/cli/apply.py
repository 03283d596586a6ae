"""``faltung apply``: filter a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from faltung import files
from faltung.cli.filtering import MODE_HELP, filtered, kernel_axes, modes, result_dtype
from faltung.cli.filters import read_filter
from faltung.front import convolve, correlate

__all__ = ["apply"]


def apply(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A PNG, JPEG, TIFF or .npy file.")],
    kernel: Annotated[
        str, typer.Option("--kernel", "-k", help="The filter: an expression, or a .txt, .csv or .npy file of taps.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; its suffix decides the format.")],
    mode: Annotated[
        str,
        typer.Option(help=MODE_HELP),
    ] = "reflect",
    cval: Annotated[float, typer.Option(help="The constant of --mode constant.")] = 0.0,
    dtype: Annotated[str | None, typer.Option(help="Dtype of the output; the default is that of the input.")] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes to filter, such as 0,1; the default is rows and columns.")
    ] = None,
    correlation: Annotated[bool, typer.Option("--correlate", help="Correlate instead of convolving.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; the default is one for each core.")] = None,
) -> None:
    """Filter a picture, a stack or an array with a kernel.

    The output has the dtype of the input: integers are rounded and saturated. Each colour is filtered by itself,
    opacity is copied, and each page of a stack is filtered.

    Examples
    --------
      faltung apply photo.jpg -k "gaussian(2)" -o smooth.jpg

      faltung apply in.png -k "gaussian(2) * sobel(axis=1)" --dtype float32 -o e.tif

      faltung apply stack.tif -k "gaussian(1.5, ndim=3)" -o denoised.tif

      faltung apply signal.npy -k "[0.25, 0.5, 0.25]" --mode mirror -o out.npy
    """
    filter_ = read_filter(kernel)
    files.check_target(output, [image], overwrite)
    pictures = files.read(image)
    result = result_dtype(pictures[0], filter_, dtype)
    options: dict[str, Any] = {"mode": modes(mode), "cval": cval, "workers": workers}
    run = correlate if correlation else convolve
    results = [
        filtered(picture, run, filter_, kernel_axes(picture, filter_, axes), result, **options)
        for picture in pictures
    ]
    files.write(output, results)
    shape = " x ".join(str(length) for length in results[0].samples.shape)
    typer.echo(f"{output}: {shape} {result}")
