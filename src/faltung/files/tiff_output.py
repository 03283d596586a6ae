"""How is a TIFF written? As its input was: of the same kind, with the same compression, tags and smaller copies."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.files import ome
from faltung.files.directory import Directory, Entry, Structure, packed
from faltung.files.exif import entry_of_text, parsed
from faltung.files.orientation import as_stored
from faltung.files.picture_value import Metadata, Picture
from faltung.files.pyramid import smaller
from faltung.files.tiff_tags import TEXTS, extra_tags, number_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_imagej", "is_ome", "packing", "write_tiff"]

_EXTRA = {"extra": "unspecified", "associated": "assocalpha", "straight": "unassalpha"}
_PHOTOMETRIC = {"white is zero": "miniswhite", "rgb": "rgb", "cmyk": "separated"}
_PIXEL_AXES = dict.fromkeys(map(ord, "YXS"))
_UNITS = {"inch": 2, "cm": 3}
_POINTERS = {34665: "ExifTag", 34853: "GPSTag"}
_ORDERS = {"<": "<", ">": ">"}
_LARGEST = 2**32 - 2**25  # bytes of a TIFF with offsets of 32 bits
#: Compressions that lose nothing, whatever the dtype: none, LZW, Deflate in two spellings, PackBits, LZMA, Zstandard.
_LOSSLESS = {1, 5, 8, 32946, 32773, 34925, 34926, 50000}
_PREDICTED = {5, 8, 32946, 34925, 34926, 50000}
_JPEG, _DEFLATE = 7, 8


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


def packing(picture: Picture) -> dict[str, Any]:
    """Return the compression of the input in the words of tifffile, or Deflate if it cannot hold the samples."""
    encoding, dtype = picture.metadata.encoding, picture.samples.dtype
    compression = encoding.get("compression", 1) if picture.metadata.format == "TIFF" else 1
    options: dict[str, Any] = {}
    if "tile" in encoding and not any(length % 16 for length in encoding["tile"]):
        options["tile"] = encoding["tile"]
    if compression in (6, _JPEG) and dtype == np.uint8 and picture.colour_count in (1, 3) and not picture.extra:
        options |= {"compression": _JPEG, "compressionargs": {"level": encoding.get("quality", 95)}}
        if picture.colour_count == 3:
            options["subsampling"] = encoding.get("subsampling") or (2, 2)
        return options
    compression = compression if compression in _LOSSLESS else _DEFLATE
    if compression != 1:
        options["compression"] = compression
        if encoding.get("predictor") and compression in _PREDICTED and dtype.kind in "iuf" and dtype.itemsize <= 8:
            options["predictor"] = True
    elif picture.bits and "tile" not in options and not picture.samples.size % 8 and _fits(picture):
        options["bitspersample"] = picture.bits
    return options


def _fits(picture: Picture) -> bool:
    itemsize = picture.samples.dtype.itemsize
    narrow = picture.samples.dtype.kind == "u" and {1: 0, 2: 8, 4: 16}.get(itemsize, 99) < picture.bits < 8 * itemsize
    return narrow and int(picture.samples.max(initial=0)) < 2**picture.bits


def write_tiff(path: Path, pictures: Sequence[Picture]) -> None:
    """Write pictures to a file, each as a series of pages."""
    import tifffile

    size = sum(picture.samples.nbytes * (1 + bool(picture.levels)) for picture in pictures)
    first = pictures[0].metadata
    imagej = len(pictures) == 1 and is_imagej(pictures[0])
    order = ">" if imagej else first.encoding.get("order", "<") if first.format == "TIFF" else "<"
    big = not imagej and (size > _LARGEST or first.encoding.get("big", False) is True)
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order, imagej=imagej, ome=False) as file:
        xml = _ome_xml(pictures, order) if is_ome(pictures) else None
        for index, picture in enumerate(pictures):
            if imagej:
                _write_imagej(file, picture)
            elif xml is not None:
                _write_series(file, picture, order, xml if index == 0 else None, None)
            else:
                _write_series(file, picture, order, None, _shaped(picture))
    _attach_exif(path, pictures, order, big)


def _shaped(picture: Picture) -> dict[str, Any] | None:
    """Return what tifffile has to say of the axes, or None if pages say enough."""
    told = picture.metadata.axes_told
    plain = picture.axes in ("YX", "YXS", "SYX") or (picture.metadata.format == "TIFF" and _is_stack(picture))
    if told is None and plain:
        return None
    return {**(told or {}), "axes": picture.axes}


def _is_stack(picture: Picture) -> bool:
    """Whether the axes before rows and columns are those of a plain sequence of pages."""
    metadata = picture.metadata
    return metadata.imagej is None and metadata.ome is None and picture.axes.translate(_PIXEL_AXES) in ("I", "Q")


def _stored_axes(picture: Picture) -> tuple[NDArray[Any], str]:
    return as_stored(picture.samples, picture.axes, picture.metadata.orientation), picture.axes


def _page_options(picture: Picture, order: str) -> dict[str, Any]:
    """Return what is the same on every page."""
    metadata = picture.metadata
    options: dict[str, Any] = {"photometric": _PHOTOMETRIC.get(picture.colours, "minisblack"), "software": False}
    if picture.colours == "" and picture.colour_count in (3, 4):
        options["photometric"] = "rgb"
        if picture.colour_count == 4:
            options["extrasamples"] = ["unspecified"]
    axis = picture.colour_axis
    if axis is not None:
        options["planarconfig"] = "contig" if axis == len(picture.axes) - 1 else "separate"
        surplus = picture.colour_count - (3 if options["photometric"] == "rgb" else 4)
        if picture.extra:
            options["extrasamples"] = [_EXTRA[kind] for kind in picture.extra]
        elif options["photometric"] == "minisblack" and picture.colour_count > 1:
            options["extrasamples"] = ["unspecified"] * (picture.colour_count - 1)
        elif surplus > 0:
            options["extrasamples"] = ["unspecified"] * surplus
    if metadata.resolution:
        options |= {"resolution": metadata.resolution, "resolutionunit": _UNITS.get(metadata.unit, 1)}
    if metadata.profile:
        options["iccprofile"] = metadata.profile
    return options | packing(picture)


def _own_tags(picture: Picture) -> list[Entry]:
    """Return entries that come from fields of the picture."""
    metadata, tags = picture.metadata, []
    if metadata.orientation != 1:
        tags.append(Entry(274, 3, 1, struct.pack("<H", metadata.orientation)))
    if metadata.xmp:
        tags.append(Entry(700, 1, len(metadata.xmp), metadata.xmp))
    if picture.nodata is not None:
        tags.append(entry_of_text(42113, number_text(picture.nodata)))
    return tags


def _texts(metadata: Metadata) -> list[Entry]:
    known = parsed(metadata.exif or b"")
    found = [entry for code, entry in known.items() if code in TEXTS and isinstance(entry, Entry)]
    codes = {entry.code for entry in found}
    own = {270: "Description", 305: "Software", 306: "Creation Time", 315: "Author", 33432: "Copyright"}
    return found + [
        entry_of_text(code, metadata.texts[name])
        for code, name in own.items()
        if name in metadata.texts and code not in codes
    ]


def _write_series(
    file: Any, picture: Picture, order: str, description: bytes | None, shaped: dict[str, Any] | None
) -> None:
    samples, axes = _stored_axes(picture)
    options, own = _page_options(picture, order), _own_tags(picture)
    texts = [entry for entry in _texts(picture.metadata) if entry.code != 270 or description is None]
    text = next((entry for entry in texts if entry.code == 270), None)
    if description is None and text is not None:
        description = text.data.rstrip(b"\0")
    once = [(*row[:4], True) for row in extra_tags([each for each in texts if each.code != 270], order)]
    once += _pointers(picture.metadata)
    levels = smaller(samples, axes, [_stored_shape(shape, picture) for shape in picture.levels])
    nested = len(levels) if picture.metadata.encoding.get("levels") == "directories" else 0
    pages = picture.metadata.tags or ((),)
    if len(pages) > 1 and shaped is None and not levels and len(pages) == len(samples):
        for index, (page, tags) in enumerate(zip(samples, pages, strict=True)):
            known = {entry.code: entry for entry in tags}
            told = known.pop(270, None)
            row = [each for each in once if each[0] not in known] if index == 0 else []
            row += extra_tags([*own, *known.values()], order)
            of_page = told.data.rstrip(b"\0") if told is not None else description if index == 0 else None
            file.write(page, description=of_page, metadata=None, extratags=row, **options)
        return
    every = once + extra_tags([*own, *pages[0]], order)
    file.write(samples, description=description, metadata=shaped, extratags=every, subifds=nested or None, **options)
    for level in levels:
        same = {key: value for key, value in options.items() if key not in ("resolution", "resolutionunit")}
        file.write(level, subfiletype=1, metadata=None, **same)


def _stored_shape(shape: tuple[int, ...], picture: Picture) -> tuple[int, ...]:
    return as_stored(np.broadcast_to(np.uint8(0), shape), picture.axes, picture.metadata.orientation).shape


def _write_imagej(file: Any, picture: Picture) -> None:
    known = dict(picture.metadata.imagej or {})
    table = known.pop("colormap", None)
    own = {"ImageJ", "images", "channels", "slices", "frames", "hyperstack", "axes", "shape"}
    options = _page_options(picture, ">")
    options = {key: value for key, value in options.items() if key in ("resolution", "resolutionunit", "iccprofile")}
    options["photometric"] = "rgb" if picture.colour_count == 3 else _PHOTOMETRIC.get(picture.colours, "minisblack")
    if table is not None and picture.samples.dtype == np.uint8:
        options |= {"colormap": table, "photometric": "palette"}
    samples, axes = _stored_axes(picture)
    metadata = {key: value for key, value in known.items() if key not in own} | {"axes": axes}
    texts = [entry for entry in _texts(picture.metadata) if entry.code != 270]
    tags = [(*row[:4], True) for row in extra_tags(texts, ">")] + _pointers(picture.metadata)
    tags += extra_tags([*_own_tags(picture), *(picture.metadata.tags or ((),))[0]], ">")
    file.write(samples, metadata=metadata, extratags=tags, software=False, **options)


def _ome_xml(pictures: Sequence[Picture], order: str) -> bytes:
    dtypes = [picture.samples.dtype for picture in pictures]
    planes = [_page_count(picture) for picture in pictures]
    return ome.rewritten(str(pictures[0].metadata.ome), dtypes, planes, order == ">")


def _page_count(picture: Picture) -> int:
    lengths = zip(picture.axes, picture.samples.shape, strict=True)
    return int(np.prod([length for letter, length in lengths if letter not in "YXS"], dtype=int))


def _pointers(metadata: Metadata) -> list[tuple[Any, ...]]:
    """Return entries for directories that are attached when the file is written."""
    known = parsed(metadata.exif or b"")
    return [(name, 4, 1, 0, True) for code, name in _POINTERS.items() if isinstance(known.get(code), dict)]


def _attach_exif(path: Path, pictures: Sequence[Picture], order: str, big: bool) -> None:
    """Write the directories of EXIF behind the pages, since tifffile does not write directories."""
    known = parsed(pictures[0].metadata.exif or b"")
    inner: dict[int, Directory] = {code: each for code in _POINTERS if isinstance(each := known.get(code), dict)}
    if not inner:
        return
    with open(path, "r+b") as file:
        for code, directory in inner.items():
            end = file.seek(0, 2)
            file.write(b"\0" * (end % 2))
            file.write(packed(directory, end + end % 2, order, big))
            file.flush()
            with mmap.mmap(file.fileno(), 0) as buffer:
                at = Structure.of(buffer).place(code)
                buffer[at : at + 4] = struct.pack(order + "I", end + end % 2)
