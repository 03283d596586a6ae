"""How many planes does OME-XML speak of? No more than a file has pages, since a list of all of them is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

__all__ = ["check_planes"]

#: More axes than OME-XML has, and more labels than an axis has.
_MOST_AXES, _MOST_LABELS = 32, 2**16


def check_planes(xml: str, pages: Sequence[int]) -> None:
    """Refuse OME-XML that speaks of many more planes than there are.

    Parameters
    ----------
    xml : str
        The description of the first page.
    pages : sequence of int
        Samples of each page.

    Raises
    ------
    ValueError
        It does, it has entities, or it says something else than numbers where they should be.

    Examples
    --------
    >>> check_planes("<OME><Image><Pixels SizeX='4' SizeY='4' SizeT='9999'/></Image></OME>", [16])
    Traceback (most recent call last):
    ValueError: its OME-XML speaks of 9,999 planes, and it has 1 pages; planes in other files are not read
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise ValueError("its OME-XML has entities")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:  # then it is left out where the file is read
        return
    for axis in root.iter():
        if axis.tag[:-1].endswith("Along") and "Start" in axis.attrib:
            start, stop, step = (float(axis.attrib.get(name, 1)) for name in ("Start", "End", "Step"))
            if not abs(stop - start) <= _MOST_LABELS * abs(step):
                raise ValueError("its OME-XML has an axis with too many labels")
    for image in _children([root], "Image"):
        for pixels in _children([image], "Pixels"):
            spoken_of = _planes(pixels, pages)
            if spoken_of > 64 * len(pages) + 64:
                received = f"its OME-XML speaks of {spoken_of:,} planes, and it has {len(pages)} pages"
                raise ValueError(f"{received}; planes in other files are not read")


def _children(elements: Iterable[ElementTree.Element], ending: str) -> list[ElementTree.Element]:
    return [child for element in elements for child in element if child.tag.endswith(ending)]


def _planes(pixels: ElementTree.Element, pages: Sequence[int]) -> int:
    """Return the most planes that a reader may take from what is said of an image."""
    lengths = {name[4:]: abs(int(text)) for name, text in pixels.attrib.items() if re.fullmatch("Size.", name)}
    if len(lengths) > _MOST_AXES:
        raise ValueError("its OME-XML has too many axes")
    named, smallest = [0], max(pages, default=1)
    for data in _children([pixels], "TiffData"):
        counts = [int(data.attrib[name]) for name in ("PlaneCount", "NumPlanes") if name in data.attrib]
        named += counts
        first = max(0, int(data.attrib.get("IFD", 0)))
        count = counts[0] if counts else int("IFD" in data.attrib)
        smallest = min([smallest, *pages[first : first + (count if count > 0 else len(pages))]])
    beside = math.prod(length for axis, length in lengths.items() if axis not in "XY")
    return max(beside, *named, math.prod(lengths.values()) // max(1, smallest))
