"""``faltung fit``: find the filter between two pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from faltung.cli import images
from faltung.cli.filtering import kernel_axes
from faltung.cli.filters import check_filter_target, sketch, write_filter
from faltung.errors import ArgumentError
from faltung.ground.arrays import computed_dtype
from faltung.kernels import Kernel

__all__ = ["fit"]

#: Relative distance from which on a named filter is no longer what was found.
_FAR = 0.25


def fit(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="PNG, JPEG, TIFF or .npy file, or a folder.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The same, filtered.")],
    size: Annotated[str, typer.Option(help="Taps of the filter, such as 15, 9x15 or 5x15x15.")] = "15",
    mode: Annotated[
        str | None,
        typer.Option(
            help="How BEFORE was extended: reflect, constant, nearest, mirror or wrap.",
            show_default="leave out what lies near the border",
        ),
    ] = None,
    cval: Annotated[float, typer.Option(help="What lies outside for --mode constant.")] = 0.0,
    axes: Annotated[
        str | None, typer.Option(help="Axes of the filter, such as 0,1; rows and columns by default.")
    ] = None,
    ridge: Annotated[float, typer.Option(min=0, help="Penalty on the squares of taps.")] = 0.0,
    symmetric: Annotated[str | None, typer.Option(help="point or mirror: taps that are the same.")] = None,
    non_negative: Annotated[bool, typer.Option("--non-negative", help="No tap below zero.")] = False,
    sum_to_one: Annotated[bool, typer.Option("--sum-to-one", help="The sum of taps is one.")] = False,
    held_out: Annotated[float, typer.Option(min=0, max=0.5, help="Share of tiles to judge the filter by.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of those.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the taps, .txt or .npy, for apply -k.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT if it exists.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; all cores by default.")] = None,
) -> None:
    """Find the filter that turns one picture into another, by least squares.

    Of two folders, files with the same name belong together. All colours, pages and pictures share the filter.
    Opacity does not count, and pixels of AFTER at an end of the range of integers, where they may have been cut off,
    are left out.

    Examples
    --------
      faltung fit sharp.png blurred.png --size 15

      faltung fit sharp.png blurred.png --size 9 -o filter.txt

      faltung apply other.png -k filter.txt -o like-it.png

      faltung fit raw/ processed/ --size 7 --symmetric mirror --sum-to-one
    """
    from faltung.fit.closest import closest_named
    from faltung.fit.least_squares import fit_filter

    if output is not None:
        check_filter_target(output, overwrite)
    pairs = _pairs(before, after)
    support = _support(size, axes, pairs[0][0])
    read = partial(_read, ndim=len(support), axes=axes)
    kernel, report = fit_filter(
        [_File(path) for path, _ in pairs],
        [_File(path, answer=True) for _, path in pairs],
        support,
        mode=mode,
        cval=cval,
        ridge=ridge,
        sum_to_one=sum_to_one,
        non_negative=non_negative,
        symmetric=symmetric,
        held_out=held_out,
        seed=seed,
        read=read,
        workers=workers,
    )
    assert isinstance(kernel, Kernel)
    typer.echo(f"{' x '.join(map(str, support))} taps, sum {kernel.taps.sum():.6g}")
    typer.echo(sketch(kernel.taps))
    typer.echo(str(report))
    found = closest_named(kernel)
    far = ": nothing with a name is close" if found.distance > _FAR else ""
    typer.echo(f"{'closest name':<14} {found.kernel!r}, {found.distance:.2%} away{far}")
    if output is not None:
        write_filter(output, kernel.taps)
        typer.echo(f"{'taps':<14} {output}, for apply -k {output}")


@dataclass(frozen=True)
class _File:
    """One picture of a pair, and whether it is the filtered one."""

    path: Path
    answer: bool = False


def _pairs(before: Path, after: Path) -> list[tuple[Path, Path]]:
    """Return the files that belong together."""
    if before.is_dir() != after.is_dir():
        received = f"'{before}' and '{after}'"
        raise ArgumentError("AFTER", "two files, or two folders", received)
    if not before.is_dir():
        return [(before, after)]
    names, others = ({path.name for path in folder.iterdir() if path.is_file()} for folder in (before, after))
    if names != others or not names:
        lone = ", ".join(sorted(names ^ others)[:5])
        expected = "folders in which files have the same names"
        raise ArgumentError("AFTER", expected, f"one that differs in {lone}" if lone else "empty ones")
    return [(before / name, after / name) for name in sorted(names)]


def _support(size: str, axes: str | None, first: Path) -> tuple[int, ...]:
    """Return the taps along each axis, as many as are written, or as the axes to filter."""
    if not re.fullmatch(r"\d+(\s*[x,]\s*\d+)*", size):
        raise ArgumentError("--size", "a number of taps such as 15, or 9x15", repr(size))
    sizes = tuple(int(taps) for taps in re.findall(r"\d+", size))
    if len(sizes) > 1:
        return sizes
    if axes is not None:
        return sizes * len(axes.split(","))
    (picture, *_) = images.read(first)
    return sizes * min(2, sum(name not in "SC" for name in picture.axes))


def _read(file: _File, ndim: int, axes: str | None) -> NDArray[Any]:
    """Return the samples of a file without opacity, axes of the filter last."""
    pictures = images.read(file.path)
    if len(pictures) > 1:
        remedy = "Save them as files of their own, in a folder."
        raise ArgumentError("IMAGE", "a file with pictures of one shape", f"'{file.path}'", remedy)
    (picture,) = pictures
    places = kernel_axes(picture, Kernel(np.ones((1,) * ndim)), axes)
    samples = picture.samples[..., :-1] if picture.alpha else picture.samples
    samples = np.moveaxis(samples, places, range(-ndim, 0))
    return _unclipped(samples) if file.answer else samples


def _unclipped(samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples with NaN in place of what may be the end of the range, and not the value."""
    if samples.dtype.kind not in "iu":
        return samples
    ends = np.iinfo(samples.dtype)
    clipped = (samples == ends.min) | (samples == ends.max)
    return np.where(clipped, np.nan, samples.astype(computed_dtype(samples.dtype, "AFTER")))
