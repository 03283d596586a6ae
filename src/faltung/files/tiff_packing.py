"""How is a TIFF packed? With the compression, tiles and bits of the input, where they can hold the samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.files.picture_value import Picture

__all__ = ["packing"]

#: Compressions that lose nothing, whatever the dtype: none, LZW, Deflate in two spellings, PackBits, LZMA, Zstandard.
_LOSSLESS = {1, 5, 8, 32946, 32773, 34925, 34926, 50000}
_PREDICTED = {5, 8, 32946, 34925, 34926, 50000}
_JPEG, _DEFLATE = 7, 8


def packing(picture: Picture) -> dict[str, Any]:
    """Return the compression of the input in the words of tifffile, or Deflate if it cannot hold the samples."""
    encoding = picture.metadata.encoding if picture.metadata.format == "TIFF" else {}
    compression = encoding.get("compression", 1)
    tiled = (
        {"tile": encoding["tile"]} if "tile" in encoding and not any(each % 16 for each in encoding["tile"]) else {}
    )
    if compression == 1:
        return tiled or _bits(picture)
    if compression in (6, _JPEG) and _fits_jpeg(picture):
        options = {"compression": _JPEG, "compressionargs": {"level": encoding["quality"]}}
        options |= {"subsampling": encoding["subsampling"] or (2, 2)} if picture.colour_count == 3 else {}
        return tiled | options
    compression = compression if compression in _LOSSLESS else _DEFLATE
    predicts = encoding.get("predictor") and compression in _PREDICTED
    predictor = {"i": 2, "u": 2, "f": 3}.get(picture.samples.dtype.kind) if predicts else None
    return tiled | {"compression": compression, "predictor": predictor}


def _are_tiles(lengths: tuple[int, ...]) -> bool:
    """Whether tifffile can write tiles of some lengths; those of volumes have three."""
    return bool(lengths) and not any(length % 16 for length in lengths[-2:])


def _fits_jpeg(picture: Picture) -> bool:
    return picture.samples.dtype == np.uint8 and picture.colour_count in (1, 3) and not picture.extra


def _bits(picture: Picture) -> dict[str, Any]:
    """Return as many bits as samples had, if they still fit."""
    samples, bits = picture.samples, picture.bits
    least = {1: 0, 2: 8, 4: 16}.get(samples.dtype.itemsize, 64)
    narrow = samples.dtype.kind == "u" and least < bits < 8 * samples.dtype.itemsize
    return {"bitspersample": bits} if narrow and not samples.size % 8 and int(samples.max()) < 2**bits else {}
