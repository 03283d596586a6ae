"""The door for pyramids: an array in a file becomes an image of several resolutions in OME-Zarr."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from faltung.chunked.applying import Applied, opened
from faltung.chunked.array_level import ArrayLevel, LevelRun
from faltung.chunked.journal import Journal
from faltung.chunked.memory_budget import bytes_of
from faltung.chunked.multiscales import Multiscale, NamedAxis, written
from faltung.chunked.resolutions import begin_group, end_group, forget_smaller, make_smaller
from faltung.chunked.smaller_levels import check_level_method
from faltung.chunked.stored_nodata import missing_values, note_of
from faltung.chunked.streaming import Progress
from faltung.chunked.zarr_sink import as_path, check_new_folder
from faltung.chunked.zarr_source import ZarrSource, open_zarr
from faltung.errors import ArgumentError
from faltung.ground.checks import integer
from faltung.planning.nodata import Nodata

__all__ = ["pyramid"]

_LETTERS = "tczyx"
_KINDS = {"t": "time", "c": "channel"}
#: Levels end where the last one has at most so many samples along each axis that becomes smaller.
_SMALLEST = 256
_MOST_LEVELS = 16


def pyramid(
    source: Any,
    out: str | Path,
    levels: int | None = None,
    method: str = "mean",
    *,
    memory: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Write an array in a file as an image of several resolutions: OME-Zarr 0.5 for Zarr 3, and 0.4 for Zarr 2.

    Each level has half as many samples as the one before along the axes in space; along an axis whose samples are at
    least twice as far apart as those of another one, it has as many until they are not. A sample of a level is in the
    middle of those that it is made of, so its place is half a sample of the finer level beyond the first of them:
    scale and translation of each level say so.

    Parameters
    ----------
    source : path, zarr.Array or zarr.Group
        A Zarr array, an image of OME-Zarr whose finest level is used, or a ``.npy`` file.
    out : path
        The folder to write.
    levels : int, optional
        Number of levels, with the finest one; by default, until the last one has at most 256 samples along the axes
        that become smaller.
    method : {'mean', 'gaussian'}, optional
        How a sample is made of those of the finer level: their mean; or a Gaussian of a standard deviation of one
        sample of the finer level, which lets less of what cannot be shown through.
    memory, resume, overwrite, workers, progress
        As for `apply`.

    Returns
    -------
    Applied
        Shape and dtype of the finest level, and notes.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> import faltung as fa
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     array = zarr.create_array(f"{folder}/x.zarr", data=np.ones((600, 500)), chunks=(64, 64))
    ...     done = fa.chunked.pyramid(array, f"{folder}/y.zarr", memory="1GB")
    ...     image = zarr.open_group(f"{folder}/y.zarr", mode="r")
    ...     shapes = [image[path].shape for path in ("0", "1", "2")]
    >>> shapes
    [(600, 500), (300, 250), (150, 125)]
    """
    method = check_level_method(method)
    count = None if levels is None else integer("levels", levels, 1, _MOST_LEVELS)
    out = as_path(out)
    given = opened(source)
    image = given if isinstance(given, Multiscale) else None
    base = ZarrSource(given.group[given.paths[0]]) if image is not None else given
    if base.dtype.kind == "b":
        raise ArgumentError("source", "numbers, which have means", "booleans", "Convert them to uint8.")
    inputs = () if given.folder is None else (given.folder,)
    if resume and given.folder is None:
        raise ArgumentError("resume", "False for a store that is not in a folder", "True", "Copy it first.")
    nodata = missing_values(base)
    axes = _axes(base.axes if image is None else image.axes, base.shape)
    plan = _planned(_first(base, image), axes, count)
    target = check_new_folder(out, inputs, resume, overwrite)
    run = LevelRun(bytes_of(memory), workers, progress)
    layout = base.layout
    begin_group(target, layout.zarr_format)
    settings = {"operation": "pyramid", "levels": len(plan), "method": method}
    with Journal(target, settings, ()):  # it is gone on with by the same levels and method alone
        notes = _write_levels(base, target, [level.shape for level in plan], method, run, nodata)
        named = [(str(at), level.scale, level.place) for at, level in enumerate(plan)]
        end_group(target, _attributes(image, target.stem, axes, named, method, layout.zarr_format))
    if count is not None and len(plan) != count:
        notes.append(f"There are {len(plan)} levels: the last is a point.")
    if image is not None and (others := image.members_beside()):
        notes.append(f"Not copied: {', '.join(others)}.")
    return Applied(base.shape, base.stored, (*notes, *note_of(nodata)))


def _attributes(
    image: Multiscale | None,
    name: str,
    axes: Sequence[NamedAxis],
    levels: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    method: str,
    zarr_format: int,
) -> dict[str, Any]:
    """Return the attributes of the group, with what an image says of itself besides its levels."""
    version = "0.4" if zarr_format == 2 else "0.5"
    if image is None:
        return written(version, name, axes, levels, method)
    return written(version, str(image.first.get("name") or name), axes, levels, method, image.besides)


class _PlannedLevel(NamedTuple):
    """Shape, distance of samples and place of the first sample of a level."""

    shape: tuple[int, ...]
    scale: list[float]
    place: list[float]


def _first(base: Any, image: Multiscale | None) -> _PlannedLevel:
    if image is None:
        return _PlannedLevel(base.shape, [1.0] * len(base.shape), [0.0] * len(base.shape))
    return _PlannedLevel(base.shape, list(image.scale(0)), list(image.translation(0)))


def _planned(first: _PlannedLevel, axes: Sequence[NamedAxis], count: int | None) -> list[_PlannedLevel]:
    """Return the levels: so many, or until the last one is small."""
    levels = [first]
    while len(levels) < (count or _MOST_LEVELS):
        finer = levels[-1]
        factors = _factors(finer.shape, finer.scale, axes, _SMALLEST if count is None else 1)
        if max(factors) == 1:
            break
        each = [*zip(finer.shape, finer.scale, finer.place, factors, strict=True)]
        levels.append(
            _PlannedLevel(
                tuple(-(-length // factor) for length, _, _, factor in each),
                [scale * factor for _, scale, _, factor in each],
                [place + scale * (factor - 1) / 2 for _, scale, place, factor in each],
            )
        )
    return levels


def _write_levels(
    base: Any, target: Path, shapes: Sequence[tuple[int, ...]], method: str, run: LevelRun, nodata: Nodata
) -> list[str]:
    """Copy the finest level, and make each other one of the one before; return what is not kept, as sentences."""
    counts = [math.prod(shape) for shape in shapes]
    layout = base.layout
    if layout.zarr_format == 3:
        names = tuple(axis.name for axis in _axes(base.axes, base.shape))
        layout = replace(layout, dimension_names=layout.dimension_names or names)
    first = ArrayLevel.copy_of(base, layout)
    forget_smaller(target, [str(at) for at in range(len(shapes))])
    first.run(target / "0", replace(run, after=sum(counts[1:])))
    for at in range(1, len(shapes)):
        finer = ZarrSource(open_zarr(target / str(at - 1)))
        now = replace(run, before=sum(counts[:at]), after=sum(counts[at + 1 :]))
        first.notes += make_smaller(finer, shapes[at], finer.layout, method, target / str(at), now, nodata)
    return list(dict.fromkeys(first.notes))


def _axes(known: Sequence[NamedAxis], shape: tuple[int, ...]) -> tuple[NamedAxis, ...]:
    """Return axes that all have a name and a type, as OME-Zarr wants it: those of images, where nothing is said."""
    if len(shape) > len(_LETTERS) or len(shape) < 2:
        raise ArgumentError("source", "an array with 2 to 5 axes, which OME-Zarr has", f"one with {len(shape)}")
    letters = _LETTERS[-len(shape) :] if len(shape) != 4 else "czyx"
    named = known if all(axis.name for axis in known) else [NamedAxis(letter) for letter in letters]
    axes = [replace(axis, kind=axis.kind or _KINDS.get(axis.name, "space")) for axis in named]
    if sum(axis.kind == "space" for axis in axes) not in (2, 3):
        received = ", ".join(axis.name for axis in axes)
        raise ArgumentError("source", "an array with two or three axes in space", received)
    return tuple(axes)


def _factors(
    shape: Sequence[int], scale: Sequence[float], axes: Sequence[NamedAxis], smallest: int
) -> tuple[int, ...]:
    """Return by which factor each axis becomes smaller."""
    places = [at for at, axis in enumerate(axes) if axis.kind == "space" and shape[at] > 1]
    if not places:
        return (1,) * len(axes)
    finest = min(abs(scale[at]) for at in places)
    halved = [at for at in places if abs(scale[at]) < 2 * finest]
    if max(shape[at] for at in halved) <= smallest:
        return (1,) * len(axes)
    return tuple(2 if at in halved else 1 for at in range(len(axes)))
