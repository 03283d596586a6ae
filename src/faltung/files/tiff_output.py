"""How is a TIFF written? As its input was: of the same kind, with the same compression, tags and smaller copies."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.files import ome
from faltung.files.directory import Tag
from faltung.files.exif import entry_of_text, parsed
from faltung.files.orientation import as_stored
from faltung.files.picture_value import Metadata, Picture
from faltung.files.pyramid import smaller
from faltung.files.tiff_exif import attach, pointers
from faltung.files.tiff_packing import packing
from faltung.files.tiff_tags import TEXTS, extra_tags, number_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_imagej", "is_ome", "write_tiff"]

_EXTRA = {"extra": "unspecified", "associated": "assocalpha", "straight": "unassalpha"}
_PHOTOMETRIC = {"white is zero": "miniswhite", "rgb": "rgb", "cmyk": "separated"}
_PIXEL_AXES = dict.fromkeys(map(ord, "YXS"))
_COUNTS = {"rgb": 3, "separated": 4}
_DESCRIPTION = 270
_UNITS = {"inch": 2, "cm": 3}
_LARGEST = 2**32 - 2**25  # bytes of a TIFF with offsets of 32 bits


def is_imagej(picture: Picture) -> bool:
    """Whether a picture came from ImageJ, and can be stored in such a file again."""
    dtype, colours = picture.samples.dtype, picture.colour_count
    fits = dtype in (np.uint8, np.uint16, np.float32) and (colours == 1 or (colours == 3 and dtype == np.uint8))
    return picture.metadata.imagej is not None and fits and not picture.extra


def is_ome(pictures: Sequence[Picture]) -> bool:
    """Whether pictures came from one OME-TIFF, and can be stored in such a file again."""
    return all(
        picture.metadata.ome is not None and ome.can_hold(picture.samples.dtype) for picture in pictures
    ) and bool(pictures)


def write_tiff(path: Path, pictures: Sequence[Picture], parts: Iterator[NDArray[Any]] | None = None) -> None:
    """Write pictures to a file, each as a series of pages.

    With `parts`, there is one picture, whose samples are not looked at: the parts are its tiles or pages, in order.
    """
    import tifffile

    size = sum(picture.samples.nbytes * (1 + bool(picture.levels)) for picture in pictures)
    first = pictures[0].metadata
    imagej = len(pictures) == 1 and is_imagej(pictures[0])
    order = first.encoding.get("order", "<") if first.format == "TIFF" else "<"
    big = not imagej and (size > _LARGEST or first.encoding.get("big", False) is True)
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order, imagej=imagej, ome=False) as file:
        xml = _ome_xml(pictures, order) if is_ome(pictures) else None
        for index, picture in enumerate(pictures):
            if imagej:
                _write_imagej(file, picture, order, parts)
            elif xml is not None:
                _write_series(file, picture, order, xml if index == 0 else None, None, parts)
            else:
                _write_series(file, picture, order, None, _shaped(picture), parts)
    attach(path, first.exif, order, big)


def _shaped(picture: Picture) -> dict[str, Any] | None:
    """Return what tifffile has to say of the axes, or None if pages say enough."""
    told = picture.metadata.axes_told
    plain = picture.axes in ("YX", "YXS", "SYX") or (picture.metadata.format == "TIFF" and _is_stack(picture))
    plain = plain or len(packing(picture).get("tile", ())) == 3
    if told is None and plain:
        return None
    return {**(told or {}), "axes": picture.axes}


def _is_stack(picture: Picture) -> bool:
    """Whether the axes before rows and columns are those of a plain sequence of pages."""
    metadata = picture.metadata
    return metadata.imagej is None and metadata.ome is None and picture.axes.translate(_PIXEL_AXES) in ("I", "Q")


def _stored_axes(picture: Picture) -> tuple[NDArray[Any], str]:
    return as_stored(picture.samples, picture.axes, picture.metadata.orientation), picture.axes


def _page_options(picture: Picture) -> dict[str, Any]:
    """Return what is the same on every page."""
    metadata, count = picture.metadata, picture.colour_count
    photometric = _PHOTOMETRIC.get(
        picture.colours, "rgb" if not picture.colours and count in (3, 4) else "minisblack"
    )
    options: dict[str, Any] = {"photometric": photometric, "software": False}
    if (axis := picture.colour_axis) is not None:
        options["planarconfig"] = "contig" if axis == len(picture.axes) - 1 else "separate"
        unsaid = ("extra",) * (count - _COUNTS.get(photometric, 1))
        options["extrasamples"] = [_EXTRA[kind] for kind in unsaid + picture.extra] or None
    if metadata.resolution:
        options |= {"resolution": metadata.resolution, "resolutionunit": _UNITS.get(metadata.unit, 1)}
    if metadata.profile:
        options["iccprofile"] = metadata.profile
    return options | packing(picture)


def _once(file: Any, texts: Iterable[Tag], picture: Picture, order: str) -> list[tuple[Any, ...]]:
    """Return what only the first page of a picture has, as tifffile writes it."""
    told = [(*row[:4], True) for row in extra_tags(texts, order)]
    return told + pointers(picture.metadata.exif, file.tiff.is_bigtiff)


def _own_tags(picture: Picture) -> list[Tag]:
    """Return entries that come from fields of the picture."""
    metadata, tags = picture.metadata, []
    if metadata.orientation != 1:
        tags.append(Tag(274, 3, 1, struct.pack("<H", metadata.orientation)))
    if metadata.xmp:
        tags.append(Tag(700, 1, len(metadata.xmp), metadata.xmp))
    if picture.nodata is not None:
        tags.append(entry_of_text(42113, number_text(picture.nodata)))
    return tags


def _texts(metadata: Metadata) -> list[Tag]:
    known = parsed(metadata.exif or b"")
    found = [entry for code, entry in known.items() if code in TEXTS and isinstance(entry, Tag)]
    codes = {entry.code for entry in found}
    own = {270: "Description", 305: "Software", 306: "Creation Time", 315: "Author", 33432: "Copyright"}
    return found + [
        entry_of_text(code, metadata.texts[name])
        for code, name in own.items()
        if name in metadata.texts and code not in codes
    ]


def _write_series(
    file: Any,
    picture: Picture,
    order: str,
    description: bytes | None,
    shaped: dict[str, Any] | None,
    parts: Iterator[NDArray[Any]] | None,
) -> None:
    samples, axes = _stored_axes(picture)
    options, own = _page_options(picture), _own_tags(picture)
    texts = {tag.code: tag for tag in _texts(picture.metadata)}
    told = texts.pop(_DESCRIPTION, None)
    if description is None and told is not None:
        description = told.data.rstrip(b"\0")
    once = _once(file, texts.values(), picture, order)
    levels = smaller(samples, axes, [_stored_shape(shape, picture) for shape in picture.levels], picture.nodata)
    nested = len(levels) if picture.metadata.encoding.get("levels") == "directories" else None
    pages = picture.metadata.tags or ((),)
    if len(pages) == len(samples) > 1 and shaped is None and not levels:
        for page, tags in zip(samples, pages, strict=True):
            _write_page(file, page, [*own, *tags], once, description, order, options)
            once, description = [], None
        return
    every = once + extra_tags([*own, *pages[0]], order)
    data = _data(samples, parts)
    file.write(**data, description=description, metadata=shaped, extratags=every, subifds=nested, **options)
    for level in levels:
        same = {key: value for key, value in options.items() if key not in ("resolution", "resolutionunit")}
        its_axes = (
            None if shaped is None else {"axes": shaped["axes"]}
        )  # tifffile wants them of all levels or of none
        file.write(level, subfiletype=1, metadata=its_axes, **same)


def _write_page(
    file: Any,
    page: NDArray[Any],
    tags: Sequence[Tag],
    once: Sequence[tuple[Any, ...]],
    description: bytes | None,
    order: str,
    options: dict[str, Any],
) -> None:
    """Write one page of several that have tags of their own."""
    known = {tag.code: tag for tag in tags}
    told = known.pop(_DESCRIPTION, None)
    row = [each for each in once if each[0] not in known] + extra_tags(known.values(), order)
    text = description if told is None else told.data.rstrip(b"\0")
    file.write(page, description=text, metadata=None, extratags=row, **options)


def _stored_shape(shape: tuple[int, ...], picture: Picture) -> tuple[int, ...]:
    return as_stored(np.broadcast_to(np.uint8(0), shape), picture.axes, picture.metadata.orientation).shape


def _data(samples: NDArray[Any], parts: Iterator[NDArray[Any]] | None) -> dict[str, Any]:
    """Return what is written: all samples, or parts of them one after the other."""
    return {"data": samples} if parts is None else {"data": parts, "shape": samples.shape, "dtype": samples.dtype}


def _write_imagej(file: Any, picture: Picture, order: str, parts: Iterator[NDArray[Any]] | None) -> None:
    known = dict(picture.metadata.imagej or {})
    table = known.pop("colormap", None)
    own = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack", "axes", "shape"}
    options = _page_options(picture)
    options = {key: value for key, value in options.items() if key in ("resolution", "resolutionunit", "iccprofile")}
    options["photometric"] = "rgb" if picture.colour_count == 3 else _PHOTOMETRIC.get(picture.colours, "minisblack")
    if table is not None and picture.samples.dtype == np.uint8:
        options |= {"colormap": table, "photometric": "palette"}
    samples, axes = _stored_axes(picture)
    metadata = {key: value for key, value in known.items() if key not in own} | {"axes": axes}
    texts = [entry for entry in _texts(picture.metadata) if entry.code != 270]
    tags = _once(file, texts, picture, order) + extra_tags(
        [*_own_tags(picture), *(picture.metadata.tags or ((),))[0]], order
    )
    file.write(**_data(samples, parts), metadata=metadata, extratags=tags, software=False, **options)


def _ome_xml(pictures: Sequence[Picture], order: str) -> bytes:
    dtypes = [picture.samples.dtype for picture in pictures]
    planes = [_page_count(picture) for picture in pictures]
    return ome.rewritten(str(pictures[0].metadata.ome), dtypes, planes, order == ">")


def _page_count(picture: Picture) -> int:
    lengths = zip(picture.axes, picture.samples.shape, strict=True)
    return int(np.prod([length for letter, length in lengths if letter not in "YXS"], dtype=int))
