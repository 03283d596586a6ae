"""``faltung apply``: filter a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from faltung.cli import images
from faltung.cli.console import errors, progress
from faltung.cli.filters import read_filter
from faltung.errors import ArgumentError
from faltung.front import convolve, correlate
from faltung.ground.arrays import check_result_dtype, computed_dtype
from faltung.kernels import Kernel, delta

__all__ = ["apply", "kernel_axes"]


def apply(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="PNG, JPEG, TIFF or .npy file.")],
    kernel: Annotated[
        str, typer.Option("--kernel", "-k", help="The filter: an expression, or a .txt or .npy file of taps.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; its name decides the kind.")],
    mode: Annotated[str, typer.Option(help="reflect, constant, nearest, mirror or wrap.")] = "reflect",
    cval: Annotated[float, typer.Option(help="What lies outside for --mode constant.")] = 0.0,
    dtype: Annotated[str | None, typer.Option(help="Of the result; the default is that of the input.")] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes to filter, such as 0,1; rows and columns by default.")
    ] = None,
    correlation: Annotated[bool, typer.Option("--correlate", help="Correlate instead of convolving.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT if it exists.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; all cores by default.")] = None,
) -> None:
    """Filter a picture, a stack or an array with a kernel expression.

    The result keeps the dtype of the input: integers are rounded and saturated. Colours are filtered one by one,
    opacity is kept as it is, and of a stack every page is filtered.

    Examples
    --------
      faltung apply photo.jpg -k "gaussian(2)" -o smooth.jpg

      faltung apply in.png -k "gaussian(2) * sobel(axis=1)" --dtype float32 -o e.tif

      faltung apply stack.tif -k "gaussian(1.5, ndim=3)" -o denoised.tif

      faltung apply signal.npy -k "[0.25, 0.5, 0.25]" --mode mirror -o out.npy
    """
    filter_ = read_filter(kernel)
    images.check_target(output, image, overwrite)
    pictures = images.read(image)
    given = pictures[0].samples.dtype
    computed = computed_dtype(given, "IMAGE")
    if filter_.dtype.kind == "c":
        computed = np.result_type(computed, np.complex64)
    wanted = check_result_dtype(given if dtype is None else dtype, computed, "--dtype")
    if wanted.kind == "u" and (filter_.real.taps < 0).any():
        errors.print(f"note: results below 0 become 0 in {wanted}; --dtype float32 keeps them")
    run = correlate if correlation else convolve
    results = []
    for picture in pictures:
        places = kernel_axes(picture, filter_, axes)
        result = np.empty(picture.samples.shape, wanted)
        for page in _pages(picture, places, filter_):
            there = tuple(axis - picture.samples.ndim for axis in places)
            run(picture.samples[page], filter_, mode, cval, axes=there, out=result[page], workers=workers)
        if picture.alpha:
            # By the operator too, which saturates where the dtype changes.
            run(picture.samples[..., -1], delta(ndim=1), out=result[..., -1])
        results.append(replace(picture, samples=result))
    images.write(output, results)
    shape = " x ".join(str(length) for length in results[0].samples.shape)
    typer.echo(f"{output}: {shape} {wanted}")


def kernel_axes(picture: images.Picture, kernel: Kernel, chosen: str | None) -> tuple[int, ...]:
    """Axes of a picture that a kernel extends over: as chosen, or the last ones that are no colours.

    Raises
    ------
    ArgumentError
        There are too few, or the choice cannot be read.
    """
    ndim = picture.samples.ndim
    if chosen is not None:
        try:
            axes = tuple(int(axis) for axis in chosen.split(","))
        except ValueError as error:
            raise ArgumentError("--axes", "integers with commas between them", repr(chosen)) from error
        if len(axes) != kernel.ndim or any(not -ndim <= axis < ndim for axis in axes):
            expected = f"{kernel.ndim} of the axes 0 to {ndim - 1}, one for each axis of the kernel"
            raise ArgumentError("--axes", expected, repr(chosen))
        return tuple(axis % ndim for axis in axes)
    if picture.axes[-3:] == "QYX" and picture.samples.shape[-1] in (3, 4):
        last = ", ".join(str(length) for length in picture.samples.shape[-kernel.ndim :])
        errors.print(f"note: filters the last axes ({last}); if those are colours, add --axes 0,1")
    places = [place for place, name in enumerate(picture.axes) if name not in "SC"]
    if len(places) < kernel.ndim:
        raise ArgumentError(
            "--kernel",
            f"a kernel of at most {len(places)} axes for a picture with axes {picture.axes}",
            f"one with {kernel.ndim}",
            "Named filters take ndim=.",
        )
    return tuple(places[-kernel.ndim :])


def _pages(picture: images.Picture, places: tuple[int, ...], kernel: Kernel) -> Iterator[Any]:
    """Index of each page: a stack is filtered page by page, so that progress can be shown."""
    if 0 in places or picture.axes[0] in "SC":
        yield ...
    else:
        yield from progress(range(len(picture.samples)), f"{kernel!r}")
