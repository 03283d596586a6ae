"""``faltung pyramid``: write an array as an image of several resolutions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltung.chunked.pyramids import pyramid as write_pyramid
from faltung.cli.console import print_note, print_result
from faltung.cli.streamed import MEMORY_HELP, RESUME_HELP, shown
from faltung.planning.report import shape_text

__all__ = ["pyramid"]


def pyramid(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A Zarr array, an OME-Zarr image, or a .npy file.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder to write.", writable=True)],
    levels: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Levels, with the finest.", show_default="until 256 samples are left"),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="How samples are put together: mean or gaussian.")
    ] = "mean",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Threads.", show_default="one for each core")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help=MEMORY_HELP, show_default="a quarter of what is free")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help=RESUME_HELP)] = False,
) -> None:
    """Write an array as OME-Zarr: an image of several resolutions, each half as fine as the one before.

    The output has the version of Zarr of the input: OME-Zarr 0.5 in Zarr 3, and 0.4 in Zarr 2. Scales and
    translations say where the samples of each level are.

    Examples
    --------
      faltung pyramid volume.zarr image.zarr
      faltung pyramid slide.npy slide.zarr --levels 5 --method gaussian
    """
    with shown("levels") as progress:
        done = write_pyramid(
            image,
            output,
            levels,
            method,
            memory=memory,
            resume=resume,
            overwrite=overwrite,
            workers=workers,
            progress=progress,
        )
    for sentence in done.notes:
        print_note(sentence)
    print_result(f"{output}: {shape_text(done.shape)} {done.dtype}")
