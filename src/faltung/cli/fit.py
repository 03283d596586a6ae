"""``faltung fit``: find the filter between two images."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from faltung import files
from faltung.cli.completion import mode_names
from faltung.cli.console import print_note, print_result
from faltung.cli.filtering import AXES_HELP, MOST_AXES, kernel_axes, modes
from faltung.cli.filters import check_filter_target, sketch, write_filter
from faltung.errors import ArgumentError
from faltung.files.formats import SUFFIXES
from faltung.files.opacity import colour_samples
from faltung.ground.arrays import computed_dtype
from faltung.kernels import Kernel

__all__ = ["fit"]

#: Relative distance above which the closest named filter is not close.
_FAR = 0.25

_NAME_WIDTH = 20


def fit(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A picture or an array, or a folder of them.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The same, filtered.")],
    size: Annotated[
        str, typer.Option(metavar="TAPS", help="Taps of the filter, such as 15, 9x15 or 5x15x15.")
    ] = "15",
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="How BEFORE continued beyond its border: reflect, constant, nearest, mirror or wrap; or one for "
            "each axis, such as wrap,nearest.",
            show_default="unknown, pixels near the border are left out",
            autocompletion=mode_names,
        ),
    ] = None,
    cval: Annotated[float, typer.Option(metavar="VALUE", help="The constant of --mode constant.")] = 0.0,
    axes: Annotated[str | None, typer.Option(metavar="AXES", help=AXES_HELP, show_default="rows and columns")] = None,
    ridge: Annotated[float, typer.Option(metavar="WEIGHT", min=0, help="Penalty on the squares of taps.")] = 0.0,
    symmetric: Annotated[
        str | None, typer.Option(metavar="KIND", help="Equal taps: point or mirror symmetry.", show_default="none")
    ] = None,
    offset: Annotated[
        bool, typer.Option("--offset/--no-offset", help="Also find a difference of brightness.")
    ] = True,
    non_negative: Annotated[bool, typer.Option("--non-negative", help="No tap is below zero.")] = False,
    sum_to_one: Annotated[bool, typer.Option("--sum-to-one", help="The taps sum to one.")] = False,
    held_out: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=0.5, help="Share of tiles to judge the filter by.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the choice of these tiles.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File for the taps, .txt, .csv or .npy, for faltung apply -k.",
            writable=True,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file if it exists.")] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Threads.", show_default="one for each core")
    ] = None,
) -> None:
    """Find the filter that turns one image into another, by least squares.

    In two folders, files with the same name belong together. All colours, pages and images share the filter. Opacity
    is ignored. Pixels are left out that a file calls missing, and pixels of AFTER that have the smallest or largest
    value of their type, because they may be clipped.

    Examples
    --------
      faltung fit sharp.png blurred.png --size 15
      faltung fit sharp.png blurred.png --size 9 -o filter.txt
      faltung apply other.png -k filter.txt -o filtered.png
      faltung fit raw/ done/ --size 7 --symmetric mirror --sum-to-one
    """
    from faltung.fit import closest_named, fit_filter

    if output is not None:
        check_filter_target(output, overwrite)
    pairs = _pairs(before, after)
    support = _support(size, axes, pairs[0][0])
    read = partial(_read, ndim=len(support), axes=axes)
    kernel, report = fit_filter(
        [_File(path) for path, _ in pairs],
        [_File(path, filtered=True) for _, path in pairs],
        support,
        mode=None if mode is None else modes(mode),
        cval=cval,
        ridge=ridge,
        offset=offset,
        sum_to_one=sum_to_one,
        non_negative=non_negative,
        symmetric=symmetric,
        held_out=held_out,
        seed=seed,
        read=read,
        workers=workers,
    )
    assert isinstance(kernel, Kernel)
    print_result(f"{' x '.join(map(str, support))} taps, sum {kernel.taps.sum():.6g}")
    print_result(sketch(kernel.taps))
    print_result(str(report))
    closest = closest_named(kernel)
    remark = "; no named filter is close" if closest.distance > _FAR else ""
    print_result(f"{'closest name':<{_NAME_WIDTH}} {closest.kernel!r}, distance {closest.distance:.2%}{remark}")
    if output is not None:
        write_filter(output, kernel.taps)
        print_result(f"{'taps':<{_NAME_WIDTH}} {output}, for faltung apply -k {output}")


@dataclass(frozen=True)
class _File:
    """One file of a pair, and whether it is the filtered one."""

    path: Path
    filtered: bool = False


def _pairs(before: Path, after: Path) -> list[tuple[Path, Path]]:
    """Return the pairs of files that belong together."""
    for argument, path in (("BEFORE", before), ("AFTER", after)):
        if not os.path.exists(path):
            raise ArgumentError(argument, "a file or folder that exists", f"'{path}'")
    if before.is_dir() != after.is_dir():
        received = f"'{before}' and '{after}'"
        raise ArgumentError("AFTER", "two files, or two folders", received, "Pass a file for a file.")
    if not before.is_dir():
        return [(before, after)]
    names, others = _picture_names(before), _picture_names(after)
    if names != others or not names:
        unpaired = ", ".join(sorted(names ^ others)[:5])
        received = f"only in one of them {unpaired}" if unpaired else "empty folders"
        remedy = "Rename or remove files without a partner." if unpaired else "Put files into both folders."
        raise ArgumentError("AFTER", "folders whose files have the same names", received, remedy)
    return [(before / name, after / name) for name in sorted(names)]


def _picture_names(folder: Path) -> set[str]:
    """Return the names of the pictures in a folder; other files are told, and hidden ones are left alone."""
    names = {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    pictures = {name for name in names if Path(name).suffix.lower() in SUFFIXES}
    if others := sorted(names - pictures):
        shown = ", ".join(others[:5]) + ", ..." * (len(others) > 5)
        print_note(f"skipped in {folder}, no pictures by their names: {shown}")
    return pictures


def _support(size: str, axes: str | None, first: Path) -> tuple[int, ...]:
    """Return the taps along each axis. One number is used for all axes."""
    if not re.fullmatch(rf"\d{{1,9}}(\s*[x,]\s*\d{{1,9}}){{0,{MOST_AXES - 1}}}", size):
        raise ArgumentError("--size", "a number of taps such as 15, or 9x15", repr(size), "Write it without units.")
    sizes = tuple(int(taps) for taps in re.findall(r"\d+", size))
    if len(sizes) > 1:
        return sizes
    if axes is not None:
        count = len(axes.split(","))
        if count > MOST_AXES:
            raise ArgumentError("--axes", f"at most {MOST_AXES} axes", str(count))
        return sizes * count
    (picture, *_) = files.read(first)
    return sizes * min(2, sum(name not in "SC" for name in picture.axes))


def _read(file: _File, ndim: int, axes: str | None) -> NDArray[Any]:
    """Return the samples of a file without opacity, with the axes of the filter last."""
    pictures = files.read(file.path)
    if len(pictures) > 1:
        remedy = "Save each image as a file, in a folder."
        raise ArgumentError("IMAGE", "a file with images of one shape", f"'{file.path}'", remedy)
    (picture,) = pictures
    spatial = kernel_axes(picture, Kernel(np.ones((1,) * ndim)), axes, print_note)
    samples = np.moveaxis(_without_missing(colour_samples(picture), picture.nodata), spatial, range(-ndim, 0))
    return _without_clipped(samples) if file.filtered else samples


def _without_missing(samples: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    """Return samples with NaN in place of the value of missing ones, which a file names."""
    missing = np.zeros((), bool) if nodata is None else np.asarray(samples == nodata)
    if not missing.any():
        return samples
    return np.where(missing, np.nan, samples.astype(computed_dtype(samples.dtype, "BEFORE")))


def _without_clipped(samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples with NaN in place of the smallest and largest integer of their dtype."""
    if samples.dtype.kind not in "iu":
        return samples
    limits = np.iinfo(samples.dtype)
    clipped = (samples == limits.min) | (samples == limits.max)
    return np.where(clipped, np.nan, samples.astype(computed_dtype(samples.dtype, "AFTER")))
