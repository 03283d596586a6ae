"""How is a TIFF read and written? Page by page, as tifffile does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.files.picture_value import Metadata, Picture

__all__ = ["read_tiff", "write_tiff"]

_COLOURS = {"minisblack": "grey", "miniswhite": "white is zero", "rgb": "rgb", "ycbcr": "rgb"}
_EXTRA = ("extra", "associated", "straight")
_EXTRA_NAMES = {"extra": "unspecified", "associated": "assocalpha", "straight": "unassalpha"}


def read_tiff(path: Path) -> list[Picture]:
    """Return the pictures of a file, one for each series."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        pictures = []
        for series in file.series:
            samples = series.asarray()
            page = series.keyframe
            photometric = page.photometric.name.lower()
            if photometric not in _COLOURS:
                received = f"'{path}' with {photometric} samples"
                raise ArgumentError("IMAGE", "a TIFF of grey or RGB samples", received, "Convert it to RGB first.")
            if samples.dtype.kind == "b":
                samples = samples.astype(np.uint8) * np.uint8(255)
            kept: dict[str, Any] = {}
            if (tag := page.tags.get("XResolution")) is not None and tag.value[1]:
                kept |= {
                    "resolution": page.get_resolution(),
                    "unit": {2: "inch", 3: "cm"}.get(page.resolutionunit, ""),
                }
            if (tag := page.tags.get("Orientation")) is not None:
                kept["tags"] = ((tag.code, tag.dtype, tag.count, tag.value, True),)
            extra = tuple(_EXTRA[int(kind)] for kind in page.extrasamples) if "S" in series.axes else ()
            metadata = Metadata("TIFF", profile=page.iccprofile, **kept)
            pictures.append(Picture(samples, series.axes, extra, _COLOURS[photometric], metadata=metadata))
    if not pictures:
        raise ArgumentError("IMAGE", "a TIFF file with at least one page", f"'{path}'")
    return pictures


def write_tiff(path: Path, pictures: Sequence[Picture]) -> None:
    """Write pictures, each as a series of pages."""
    import tifffile

    size = sum(picture.samples.nbytes for picture in pictures)
    with tifffile.TiffWriter(path, bigtiff=size > 2**32 - 2**25) as file:
        for picture in pictures:
            known, options = picture.metadata, dict[str, Any]()
            if known.resolution:
                options |= {"resolution": known.resolution}
                options |= {"resolutionunit": {"inch": 2, "cm": 3}.get(known.unit, 1)}
            photometric = "rgb" if picture.colour_count in (3, 4) else "minisblack"
            file.write(
                picture.samples,
                photometric="miniswhite" if picture.colours == "white is zero" else photometric,
                planarconfig="contig" if picture.axes.endswith("S") else None,
                extrasamples=[_EXTRA_NAMES[kind] for kind in picture.extra] or None,
                metadata={"axes": picture.axes},
                iccprofile=known.profile,
                extratags=known.tags,
                **options,
            )
