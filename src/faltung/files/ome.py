"""How is OME-XML passed on? As it is, but for dtype and the places of planes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

__all__ = ["can_hold", "rewritten"]

_TYPES = {"i1": "int8", "i2": "int16", "i4": "int32", "u1": "uint8", "u2": "uint16", "u4": "uint32"}
_TYPES |= {"f4": "float", "f8": "double", "c8": "complex", "c16": "double-complex"}


def can_hold(dtype: np.dtype[Any]) -> bool:
    """Whether OME-XML has a name for a dtype."""
    return dtype.str[1:] in _TYPES


def rewritten(xml: str, dtypes: Sequence[np.dtype[Any]], planes: Sequence[int], big_endian: bool) -> bytes:
    """Return OME-XML for the same images, of which each has some planes in the order of the pages.

    Parameters
    ----------
    xml : str
        The OME-XML of the input.
    dtypes : sequence of dtype
        Dtype of each image.
    planes : sequence of int
        Pages of each image.
    big_endian : bool
        Byte order of the file.
    """
    root = ElementTree.fromstring(xml)
    space = re.match(r"\{.*\}|", root.tag)
    prefix = space.group() if space else ""
    if prefix:
        ElementTree.register_namespace("", prefix[1:-1])
    first = 0
    for pixels, dtype, count in zip(root.iter(f"{prefix}Pixels"), dtypes, planes, strict=False):
        pixels.set("Type", _TYPES[dtype.str[1:]])
        pixels.set("BigEndian", "true" if big_endian else "false")
        if "SignificantBits" in pixels.attrib:
            pixels.set("SignificantBits", str(8 * dtype.itemsize))
        for child in [each for each in pixels if each.tag in (f"{prefix}TiffData", f"{prefix}BinData")]:
            pixels.remove(child)
        at = next((index for index, each in enumerate(pixels) if each.tag == f"{prefix}Plane"), len(pixels))
        at = min(at, 1 + max((i for i, each in enumerate(pixels) if each.tag == f"{prefix}Channel"), default=-1))
        pixels.insert(at, ElementTree.Element(f"{prefix}TiffData", {"IFD": str(first), "PlaneCount": str(count)}))
        first += count
    head = b'<?xml version="1.0" encoding="UTF-8"?>'
    # Only ASCII, as TIFF wants it.
    body: bytes = ElementTree.tostring(root, encoding="us-ascii")
    return head + body.split(b"?>", 1)[-1].lstrip() if body.startswith(b"<?xml") else head + body
