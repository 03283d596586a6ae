"""How does Pillow read and write a picture? One format for each suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.files.picture_value import Metadata, Picture

__all__ = ["read_pillow", "write_pillow"]


def read_pillow(path: Path) -> list[Picture]:
    """Return the picture of a file."""
    from PIL import Image, ImageOps

    with open(path, "rb") as file:
        header = file.read(26)
    if header.startswith(b"\x89PNG") and header[24] == 16 and header[25] != 0:
        # Pillow would silently keep only the upper eight bits of each colour.
        remedy = "Convert it to TIFF, which is read as it is."
        raise ArgumentError("IMAGE", "a PNG with 8 bits a colour or 16 bits of grey", f"'{path}' with 16", remedy)
    with Image.open(path) as opened:
        frames = getattr(opened, "n_frames", 1)
        if opened.format == "PNG" and frames > 1:
            remedy = "Save the pictures as pages of a TIFF."
            raise ArgumentError("IMAGE", "a PNG with one picture", f"'{path}' with {frames}", remedy)
        profile = opened.info.get("icc_profile")
        # The orientation is not written to the output, so the picture is turned here.
        image = ImageOps.exif_transpose(opened)
        if image.mode == "1":
            image = image.convert("L")
        elif image.mode == "P" or "transparency" in image.info:
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        elif image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I"):
            image, profile = image.convert("RGB"), None  # the profile is for other colours
        samples = np.asarray(image)
        if image.mode == "I":
            samples = samples.astype(np.uint16)  # 16-bit grey, which Pillow reads as 32 bits
        bands = len(image.getbands())
        metadata = Metadata(str(opened.format), profile=profile)
    extra = ("straight",) if bands in (2, 4) else ()
    colours = "grey" if bands < 3 else "rgb"
    return [Picture(samples, "YX" if bands == 1 else "YXS", extra, colours, metadata=metadata)]


def write_pillow(path: Path, picture: Picture, kind: str) -> None:
    """Write a picture in a format of Pillow."""
    from PIL import Image

    _check(picture, kind)
    one_grey = picture.axes.endswith("S") and picture.samples.shape[-1] == 1
    image = Image.fromarray(picture.samples[..., 0] if one_grey else picture.samples)
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    if picture.metadata.profile:
        options["icc_profile"] = picture.metadata.profile
    image.save(path, format=kind, **options)


def _check(picture: Picture, kind: str) -> None:
    """Refuse a picture that a PNG or JPEG file cannot hold without loss."""
    samples, coloured = picture.samples, picture.axes.endswith("S")
    colours = samples.shape[-1] if coloured else 1
    if samples.ndim != 2 + coloured or colours > 4 or (colours == 2 and not picture.opacity):
        received = f"an array of shape {samples.shape}"
        raise ArgumentError("--output", f"one grey or colour picture for {kind}", received, "Use .tif or .npy.")
    if picture.colours == "white is zero":
        expected, received = f"a picture in which zero is black for {kind}", "a TIFF in which zero is white"
        raise ArgumentError("--output", expected, received, "Use .tif.")
    wide = samples.dtype == np.uint16 and kind == "PNG" and colours == 1
    if samples.dtype != np.uint8 and not wide:
        expected = "8-bit samples" if kind == "JPEG" else "8-bit samples, or 16-bit grey"
        remedy = "Add --dtype uint8, or use .tif or .npy."
        raise ArgumentError("--output", f"{expected} for {kind}", str(samples.dtype), remedy)
    if kind == "JPEG" and picture.opacity:
        received = "a picture with opacity"
        raise ArgumentError("--output", "no opacity for JPEG", received, "Use .png or .tif.")
