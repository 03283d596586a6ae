"""How is an image of several resolutions made? Its finest level first, and each smaller one of the one before."""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from faltung.chunked.array_level import ArrayLevel, LevelRun, question_for
from faltung.chunked.journal import make_durable
from faltung.chunked.multiscales import Multiscale
from faltung.chunked.smaller_levels import factors_between, level_question
from faltung.chunked.zarr_layout import ZarrLayout, fitted
from faltung.chunked.zarr_sink import UNFINISHED, files_are_lost
from faltung.chunked.zarr_source import ZarrSource, is_zarr, open_zarr
from faltung.errors import ArgumentError
from faltung.ground.given_files import check_regular
from faltung.planning.nodata import Nodata
from faltung.planning.question import Options

__all__ = ["begin_group", "end_group", "filtered_image", "forget_smaller", "make_smaller"]


def filtered_image(
    image: Multiscale,
    kernel: Any,
    target: Path,
    options: Options,
    dims: Sequence[str] | None,
    run: LevelRun,
    nodata: Nodata,
) -> tuple[tuple[int, ...], np.dtype[Any], tuple[str, ...]]:
    """Filter the finest level of an image, and make the others of the result; return shape, dtype and notes."""
    _check_others(image)
    levels = [ZarrSource(image.group[path]) for path in image.paths]
    question = question_for(levels[0], kernel, options, dims, image.axes)
    first = ArrayLevel.like(levels[0], question, None, nodata)
    count, notes = _rebuilt(levels), list(first.notes)
    if count < len(levels):
        lost = ", ".join(image.paths[count:])
        notes.append(f"Levels {lost} are not kept: their lengths are no whole fractions of those before.")
    first.check(run)
    begin_group(target, image.group.metadata.zarr_format)
    counts = [math.prod(level.shape) for level in levels[:count]]
    run = replace(run, after=sum(counts[1:]))
    for path in image.paths[:count]:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
    forget_smaller(target, image.paths[:count])
    first.run(target / image.paths[0], run)
    for at in range(1, count):
        run = replace(run, before=sum(counts[:at]), after=sum(counts[at + 1 :]))
        finer = ZarrSource(open_zarr(target / image.paths[at - 1]))
        layout, smaller = levels[at].layout, target / image.paths[at]
        notes += make_smaller(finer, levels[at].shape, layout, image.method, smaller, run, nodata)
    if count > 1:
        notes.append(f"The {count - 1} smaller levels are made of the filtered one, each by the {image.method}.")
    notes += _copied(image, target)
    end_group(target, image.with_levels(count))
    return levels[0].shape, question.result, tuple(notes)


def forget_smaller(target: Path, paths: Sequence[str]) -> None:
    """Remove the levels below the first one that has lost files: they are made again of what is computed again."""
    lost = next((at for at, path in enumerate(paths) if files_are_lost(target / path)), len(paths))
    for path in paths[lost + 1 :]:
        if (target / path).exists():
            shutil.rmtree(target / path)


def _rebuilt(levels: Sequence[ZarrSource]) -> int:
    """Return how many levels can be made, each of the one before."""
    for at in range(1, len(levels)):
        if factors_between(levels[at - 1].shape, levels[at].shape) is None:
            return at
    return len(levels)


def make_smaller(
    finer: ZarrSource,
    shape: tuple[int, ...],
    layout: ZarrLayout,
    method: str,
    target: Path,
    run: LevelRun,
    nodata: Nodata,
) -> list[str]:
    """Make the next level of an array, where missing samples are left out; return what is not kept, as sentences."""
    factors = factors_between(finer.shape, shape)
    assert factors is not None, "the caller has looked"
    question = level_question(finer.shape, finer.dtype, factors, method, shape, masked=bool(nodata.values))
    level = ArrayLevel.like(finer, question, shape, nodata)
    layout, notes = fitted(layout, level.dtype, level.dtype)
    if layout.unit != level.layout.unit:
        level.settings["output unit"] = list(layout.unit)
    replace(level, layout=layout).run(target, run)
    return notes


def begin_group(target: Path, zarr_format: int) -> None:
    """Make a group that says that it is not finished, unless there is one."""
    import zarr

    if not is_zarr(target):
        target.mkdir(exist_ok=True)
        sentence = "not all of it is computed: go on with resume=True, or faltung ... --resume"
        zarr.create_group(os.fspath(target), zarr_format=zarr_format, attributes={UNFINISHED: sentence})
        make_durable(target)


def end_group(target: Path, attributes: Mapping[str, Any]) -> None:
    """Give a finished group its attributes."""
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.open_group(os.fspath(target), mode="r+").attrs.put(dict(attributes))
    for name in ("zarr.json", ".zattrs", ""):
        make_durable(target / name)


def _others(image: Multiscale) -> list[Path]:
    """Return the folders in a group that hold none of its levels, such as labels."""
    levels = {path.split("/")[0] for path in image.paths}
    marks = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata"}
    return [path for path in sorted(image.folder.iterdir()) if path.name not in levels | marks and path.is_dir()]


def _check_others(image: Multiscale) -> None:
    """Refuse what cannot be copied: a device has no end, and links to folders may lead in circles."""
    seen = set[str]()
    for other in _others(image):
        for place, _, names in os.walk(other, followlinks=True):
            if (real := os.path.realpath(place)) in seen:
                received = f"'{place}', a link to one of them"
                raise ArgumentError("source", "folders beside its levels that can be copied", received)
            seen.add(real)
            for name in names:
                check_regular(Path(place, name))


def _copied(image: Multiscale, target: Path) -> list[str]:
    """Copy what else is in a group, such as labels; return what is said of it."""
    others = _others(image)
    for path in others:
        part = target / f"{path.name}.part"
        if part.exists():
            shutil.rmtree(part)
        if not (target / path.name).exists():
            shutil.copytree(path, part)
            os.replace(part, target / path.name)
    named = ", ".join(path.name for path in others)
    return [f"Copied as it is, and not filtered: {named}."] if others else []
