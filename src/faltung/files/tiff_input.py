"""How is a TIFF read? As tifffile does it, one picture for each of its series, after its directories are checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.files.directory import Directory, Structure, Tag
from faltung.files.exif import block, orientation_of
from faltung.files.jpeg_quality import quality_of_tables
from faltung.files.orientation import as_seen
from faltung.files.picture_value import Metadata, Picture
from faltung.files.refusal import RefusedError
from faltung.files.tiff_check import checked_structure
from faltung.files.tiff_opening import opened_tiff
from faltung.files.tiff_tags import TEXTS, nodata_of, passed_on
from faltung.ground.given_files import check_fits, check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_tiff"]

_COLOURS = {"minisblack": "grey", "miniswhite": "white is zero", "rgb": "rgb", "ycbcr": "rgb", "separated": "cmyk"}
_COLOURS |= {"palette": "rgb", "linear_raw": "rgb"}
_COUNTS = {"rgb": 3, "cmyk": 4}
_EXTRA = {1: "associated", 2: "straight"}
_UNITS = {2: "inch", 3: "cm"}
#: Kinds of series whose axes are told by something that is passed on.
_KEPT_KINDS = {"generic", "uniform", "shaped", "imagej", "ome", "stk"}
_JPEG = {6, 7, 34892, 33007}
_SUB = 330  # directories inside a page


def read_tiff(path: Path, *, decoded: bool = True) -> list[Picture]:
    """Return the pictures of a file, one for each series: pages of one shape and dtype.

    If they are not to be decoded, their samples are zeros that take no memory.
    """
    with checked_structure(path) as structure, opened_tiff(path, structure) as file:
        series = list(file.series)
        if not series:
            raise RefusedError("a TIFF file with at least one page", "")
        check_size(nbytes := sum(each.nbytes for each in series), len(structure.buffer))
        if decoded:
            check_fits(nbytes)
        _check_all_pages_are_read(structure, series)
        return [_picture(path, file, each, structure, decoded) for each in series]


def _check_all_pages_are_read(structure: Structure, series: list[Any]) -> None:
    """Refuse a file that has pictures which would be left out."""
    levels = [level for each in series for level in each.levels]
    if any(page is None for level in levels for page in level):
        held = ", an OME-TIFF of which some are in other files"
        raise RefusedError("a TIFF with all of its planes", held, "Save it as one file.")
    read = {page.offset for level in levels for page in level}
    for index, offset in enumerate(structure.chain()):
        inner = {number for tag in structure.entries(offset) if tag.code == _SUB for number in tag.numbers}
        if {offset, *inner} - read:
            held = f" with a further picture at page {index}"
            raise RefusedError("a TIFF of pages and smaller copies of them", held, "Split it.")


def _picture(path: Path, file: Any, series: Any, structure: Structure, decoded: bool) -> Picture:
    page = series.keyframe
    directory = structure.directory(page.offset)
    imagej = dict(file.imagej_metadata) if series.kind == "imagej" else None
    samples, axes, colours = _pixels(path, series, imagej, decoded)
    narrow = samples.dtype.kind == "u" and 1 < page.bitspersample < 8 * samples.dtype.itemsize
    narrow = narrow and (page.photometric.name != "PALETTE" or imagej is not None)
    orientation = orientation_of(directory)
    return Picture(
        as_seen(samples, axes, orientation),
        axes,
        _extra(samples, axes, colours, page) if "S" in axes else (),
        colours,
        nodata_of(directory),
        page.bitspersample if narrow else 0,
        tuple(_seen_shape(level.shape, axes, orientation) for level in series.levels[1:]),
        _metadata(file, series, structure, directory, imagej),
    )


def _pixels(path: Path, series: Any, imagej: dict[str, Any] | None, decoded: bool) -> tuple[NDArray[Any], str, str]:
    """Return samples, their axes, and what their colours are."""
    page = series.keyframe
    # An unknown number has no name, and one that is not there is grey.
    photometric = (
        getattr(page.photometric, "name", str(page.photometric)).lower() if 262 in page.tags else "minisblack"
    )
    if photometric not in _COLOURS:
        held = f" with {photometric} samples"
        raise RefusedError("a TIFF of grey, RGB or CMYK samples", held, "Convert it to RGB first.")
    colours = _COLOURS[photometric]
    if not decoded:
        return _undecoded(series, photometric), series.axes, colours
    if photometric == "ycbcr" and int(page.compression) not in _JPEG:
        pages = [_converted(path, each) for each in series]
        return np.stack(pages) if len(pages) > 1 else pages[0], "IYXS"[len(pages) == 1 :], colours
    samples, axes = series.asarray(), series.axes
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if samples.ndim != len(axes):
        raise ValueError("its pages do not have the shape that they should have")
    if photometric != "palette":
        return samples.astype(np.uint8) * np.uint8(255) if samples.dtype.kind == "b" else samples, axes, colours
    if imagej is not None:
        imagej["colormap"] = page.colormap  # for the display of values
        return samples, axes, "grey"
    if "S" in axes:
        raise RefusedError("a TIFF of grey, RGB or CMYK samples", " with a palette and further samples")
    return _without_palette(samples, page.colormap), axes + "S", colours


def _undecoded(series: Any, photometric: str) -> NDArray[Any]:
    """Return zeros that take no memory, in place of samples that do not become others when they are read."""
    page = series.keyframe
    if photometric == "palette" or (photometric == "ycbcr" and int(page.compression) not in _JPEG):
        held = f" with {photometric} samples"
        raise RefusedError("a TIFF of grey, RGB or CMYK samples, if it is read in parts", held)
    if len(series.shape) != len(series.axes):
        raise ValueError("its pages do not have the shape that they should have")
    return np.broadcast_to(np.zeros((), series.dtype), series.shape)


def _extra(samples: NDArray[Any], axes: str, colours: str, page: Any) -> tuple[str, ...]:
    """Return what the samples of a pixel beyond its colours are."""
    extra = tuple(_EXTRA.get(int(kind), "extra") for kind in page.extrasamples)
    # Some writers do not say what bands beyond the colours are.
    surplus: int = samples.shape[axes.index("S")] - _COUNTS.get(colours, 1) - len(extra)
    if surplus < 0:
        raise ValueError(f"its pixels have too few samples for {colours}")
    return ("extra",) * surplus + extra


def _seen_shape(shape: tuple[int, ...], axes: str, orientation: int) -> tuple[int, ...]:
    return as_seen(np.broadcast_to(np.uint8(0), shape), axes, orientation).shape


def _without_palette(samples: NDArray[Any], table: NDArray[np.uint16]) -> NDArray[Any]:
    """Return the colours that samples stand for, with 8 bits if that is all a table uses."""
    if not (table % 257).any():
        table = (table // 257).astype(np.uint8)
    elif not (table & 255).any():
        table = (table >> 8).astype(np.uint8)  # as old writers scale
    colours: NDArray[Any] = table.T[samples.astype(np.intp)]
    return colours


def _converted(path: Path, page: Any) -> NDArray[Any]:
    """Return the RGB samples of a page that tifffile does not convert."""
    from PIL import Image

    with open(path, "rb") as opened, Image.open(opened) as image:
        image.seek(page.index)
        image.getexif().pop(274, None)
        return np.asarray(image.convert("RGB"))


def _metadata(
    file: Any, series: Any, structure: Structure, directory: Directory, imagej: dict[str, Any] | None
) -> Metadata:
    page = series.keyframe
    told = {code for code in TEXTS if code != 270 or series.kind in ("generic", "uniform") or page.description1}
    if series.kind == "ome":
        told -= {270}
    kept = {code: entry for code, entry in directory.items() if isinstance(entry, dict) or code in told}
    xmp = directory.get(700)
    return Metadata(
        "TIFF",
        _encoding(file, series),
        orientation_of(directory),
        *_resolution(directory),
        page.iccprofile,
        block(kept) or None,
        xmp.data if isinstance(xmp, Tag) else None,
        tags=_tags(series, structure),
        axes_told=_told_axes(file, series),
        imagej=imagej,
        ome=file.ome_metadata if series.kind == "ome" else None,
        unread=_unread(series, directory),
    )


def _resolution(directory: Directory) -> tuple[tuple[float, float] | None, str]:
    """Return pixels in a unit of length along columns and rows, and the unit."""
    found = [entry.numbers for code in (282, 283) if isinstance(entry := directory.get(code), Tag)]
    if any(len(each) != 2 or not each[0] or not each[1] for each in found) or len(found) != 2:
        return None, ""
    (across, unit_across), (down, unit_down) = found
    resolution = (across / unit_across, down / unit_down)
    unit = directory.get(296)
    name = _UNITS.get(unit.numbers[0], "") if isinstance(unit, Tag) and unit.numbers else "inch"
    # Square pixels without a unit are what writers put there if nothing is known.
    return (None, "") if resolution == (1, 1) and not name else (resolution, name)


def _tags(series: Any, structure: Structure) -> tuple[tuple[Tag, ...], ...]:
    """Return the entries to pass on: once if all pages have the same, else for each page."""
    if series.kind not in ("generic", "uniform"):
        return (passed_on(structure.entries(series.keyframe.offset)),)
    pages = [structure.entries(page.offset) for page in series]
    texts = [tuple(entry for entry in page if entry.code in TEXTS and entry.complete) for page in pages]
    kept = [passed_on(page) for page in pages]
    if all(each == kept[0] for each in kept) and not any(texts[1:]):
        return (kept[0],)
    return tuple(page + text for page, text in zip(kept, texts, strict=True))


def _told_axes(file: Any, series: Any) -> dict[str, Any] | None:
    """Return what tifffile's own description of axes says, or what it would say; None if pages tell enough."""
    if series.kind == "shaped":
        known = next((dict(each) for each in file.shaped_metadata or () if each), {})
        return {key: value for key, value in known.items() if key not in ("shape", "axes", "truncated")}
    return None if series.kind in ("generic", "uniform", "imagej", "ome") else {}


def _unread(series: Any, directory: Directory) -> tuple[str, ...]:
    sentences = []
    if series.kind not in _KEPT_KINDS:
        sentences.append(f"What only {series.kind.upper()} files say is not passed on.")
    broken = [code for code, entry in directory.items() if isinstance(entry, Tag) and not entry.complete]
    if broken:
        sentences.append(f"The values of tag {', '.join(map(str, sorted(broken)))} are not in the file.")
    return tuple(sentences)


def _encoding(file: Any, series: Any) -> dict[str, Any]:
    page = series.keyframe
    found: dict[str, Any] = {"compression": int(page.compression), "big": file.is_bigtiff, "order": file.byteorder}
    if page.is_tiled:
        volume = (page.tiledepth,) if page.imagedepth > 1 else ()
        found["tile"] = (*volume, page.tilelength, page.tilewidth)
    if int(page.predictor) != 1:
        found["predictor"] = True
    if int(page.compression) in _JPEG:
        first = page.jpegtables or file.filehandle.read_array("u1", page.databytecounts[0], page.dataoffsets[0])
        found["quality"] = quality_of_tables(bytes(first)) or 95
        found["subsampling"] = page.subsampling
    if len(series.levels) > 1:
        found["levels"] = "directories" if series.levels[1].keyframe.is_subifd else "pages"
    return found
