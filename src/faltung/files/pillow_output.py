"""How are JPEG, GIF, WebP, BMP and animations written? As Pillow does it, with the compression of the input."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.files.picture_value import Metadata, Picture
from faltung.files.png_output import with_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["write_pillow"]

_QUALITY = 95
_JFIF_UNITS = {"inch": 1, "cm": 2}
_INCH = 2.54  # centimetres
_TRANSPARENT = 255  # index in the palette of a GIF


def write_pillow(path: Path, picture: Picture, name: str) -> None:
    """Write a plain picture, or frames."""
    from PIL import Image

    metadata = picture.metadata
    mode = "CMYK" if picture.colours == "cmyk" else None
    frames = list(picture.samples) if picture.axes[0] != "Y" else [picture.samples]
    if name == "GIF":
        images = [_indexed(frame) for frame in frames]
    else:
        images = [Image.fromarray(frame, mode) if mode else Image.fromarray(frame) for frame in frames]
    options = _OPTIONS[name](metadata, picture)
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:]} | _animated(metadata, len(images), name)
    packed = io.BytesIO()
    images[0].save(packed, format=name, **options)
    finish = {"PNG": with_chunks, "JPEG": _with_density}.get(name)
    path.write_bytes(packed.getvalue() if finish is None else finish(packed.getvalue(), metadata))


def _animated(metadata: Metadata, count: int, name: str) -> dict[str, Any]:
    durations = [round(each) for each in metadata.durations] if len(metadata.durations) == count else [100] * count
    options: dict[str, Any] = {"duration": durations}
    if "loop" in metadata.encoding or name != "GIF":
        options["loop"] = metadata.encoding.get("loop", 0)
    if name == "GIF":
        options["disposal"] = 2
    elif name == "PNG":
        # A picture that is no frame, for programs that show one picture.
        options |= {"disposal": 0, "blend": 0, "default_image": metadata.encoding.get("default_image", False)}
        if options["default_image"]:
            options["duration"] = durations[1:]
    return options


def _dots_per_inch(metadata: Metadata) -> tuple[float, float] | None:
    if metadata.resolution is None or not metadata.unit:
        return None
    factor = _INCH if metadata.unit == "cm" else 1.0
    return (metadata.resolution[0] * factor, metadata.resolution[1] * factor)


def _jpeg_options(metadata: Metadata, picture: Picture) -> dict[str, Any]:
    encoding = metadata.encoding
    options: dict[str, Any] = {"quality": _QUALITY, "subsampling": 0}
    if metadata.format == "JPEG" and "tables" in encoding:
        # Without quality, which would scale the tables.
        options = {"qtables": encoding["tables"], "progressive": encoding["progressive"]}
        if encoding["subsampling"] >= 0 and picture.colours == "rgb":
            options["subsampling"] = encoding["subsampling"]
        if encoding.get("segments"):
            options["extra"] = encoding["segments"]
    elif "quality" in encoding:
        options["quality"] = encoding["quality"]
    if metadata.profile:
        options["icc_profile"] = metadata.profile
    if metadata.exif:
        options["exif"] = b"Exif\0\0" + metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if "Comment" in metadata.texts:
        options["comment"] = metadata.texts["Comment"].encode("utf-8")
    return options


def _with_density(packed: bytes, metadata: Metadata) -> bytes:
    """Return a JPEG whose first segment has the resolution, which is of whole numbers there."""
    if metadata.resolution is None or packed[6:11] != b"JFIF\0":
        return packed
    choices = [(_JFIF_UNITS.get(metadata.unit, 0), metadata.resolution)]
    if metadata.unit == "cm":
        # What was in inches is whole only there.
        choices.append((_JFIF_UNITS["inch"], (_INCH * metadata.resolution[0], _INCH * metadata.resolution[1])))
    unit, values = min(choices, key=lambda choice: sum(abs(value - round(value)) / value for value in choice[1]))
    across, down = (max(1, min(round(value), 65535)) for value in values)
    return packed[:13] + struct.pack(">BHH", unit, across, down) + packed[18:]


def _webp_options(metadata: Metadata, _: Picture) -> dict[str, Any]:
    lossless = metadata.encoding.get("lossless", metadata.format != "JPEG")
    # Colours under opacity 0 are kept, too.
    options: dict[str, Any] = {"lossless": lossless, "exact": True, "quality": 80 if lossless else _QUALITY}
    if metadata.profile:
        options["icc_profile"] = metadata.profile
    if metadata.exif:
        options["exif"] = metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    return options


def _gif_options(metadata: Metadata, picture: Picture) -> dict[str, Any]:
    options: dict[str, Any] = {"optimize": False}
    if picture.opacity:
        options["transparency"] = _TRANSPARENT
    if "Comment" in metadata.texts:
        options["comment"] = metadata.texts["Comment"].encode("utf-8")
    return options


def _bmp_options(metadata: Metadata, _: Picture) -> dict[str, Any]:
    return {"dpi": _dots_per_inch(metadata) or (0, 0)}  # zero: not known


def _png_options(_: Metadata, __: Picture) -> dict[str, Any]:
    return {}


_OPTIONS = {
    "JPEG": _jpeg_options,
    "WEBP": _webp_options,
    "GIF": _gif_options,
    "BMP": _bmp_options,
    "PNG": _png_options,
}


def _indexed(frame: NDArray[Any]) -> Any:
    """Return a frame with at most 256 colours: its own, if they are as few. Opacity below a half is transparent."""
    from PIL import Image

    if frame.ndim == 2:
        return Image.fromarray(frame)
    hidden = frame[..., -1] < 128 if frame.shape[-1] in (2, 4) else None
    colours = np.repeat(frame[..., :1], 3, -1) if frame.shape[-1] < 3 else frame[..., :3]
    most = 256 if hidden is None else 255
    flat = colours.reshape(-1, 3)
    table, indices = np.unique(flat if hidden is None else flat[~hidden.ravel()], axis=0, return_inverse=True)
    if len(table) <= most:
        whole = np.full(len(flat), _TRANSPARENT, np.uint8)
        whole[... if hidden is None else ~hidden.ravel()] = indices.ravel()
        found = Image.fromarray(whole.reshape(hidden.shape if hidden is not None else colours.shape[:2]), "P")
        found.putpalette(table.astype(np.uint8).tobytes())
        return found
    found = Image.fromarray(np.ascontiguousarray(colours)).quantize(most)
    if hidden is not None:
        indices = np.where(hidden, np.uint8(_TRANSPARENT), np.asarray(found))
        palette = found.getpalette()
        found = Image.fromarray(indices, "P")
        found.putpalette(palette or [])
    return found
