"""How are JPEG, GIF, WebP, BMP and animations read? As Pillow does it, frame by frame."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from faltung.files.exif import block, orientation_of, parsed, upright, upright_xmp
from faltung.files.orientation import as_seen
from faltung.files.picture_value import Metadata, Picture
from faltung.files.refusal import RefusedError
from faltung.ground.given_files import check_fits, check_size, largest_size, read_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

__all__ = ["read_pillow"]

_FORMATS = ["JPEG", "GIF", "WEBP", "BMP", "PNG"]
_MODES = {"L": "grey", "LA": "grey", "RGB": "rgb", "RGBA": "rgb", "CMYK": "cmyk"}
_UNITS = {1: "inch", 2: "cm"}
_KNOWN_SEGMENTS = {"APP0", "APP1", "APP2", "APP14", "COM"}


@contextlib.contextmanager
def _limited(size: int) -> Iterator[None]:
    """Let Pillow open large pictures without complaints, but not what is implausible for so many bytes."""
    from PIL import Image

    # Pillow refuses what has twice as many pixels, and a pixel has up to four bytes.
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, largest_size(size) // 8
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _opened(file: BinaryIO) -> ImageFile:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise ValueError("its header is damaged") from None


def read_pillow(path: Path, known: dict[str, Any] | None = None) -> list[Picture]:
    """Return the picture of a file, or the frames of an animation, with metadata that are known already."""
    size = path.stat().st_size
    with _limited(size), open(path, "rb") as file, _opened(file) as image:
        check_size(image.width * image.height * 4, size)
        frames = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
        check_size(image.width * image.height * 4 * frames, size)
        check_fits(image.width * image.height * 4 * frames)
        fields = _metadata(image, path) | (known or {})
        if frames > 1:
            samples, mode, fields["durations"] = _frames(image, frames)
        else:
            samples, mode = _samples(image)
        directory, xmp = parsed(image.info.get("exif", b"")), fields["xmp"]
        fields["xmp"] = upright_xmp(xmp)
    axes = ("T" if frames > 1 else "") + ("YX" if mode == "L" else "YXS")
    return [
        Picture(
            as_seen(samples, axes, orientation_of(directory, xmp)),
            axes,
            ("straight",) if mode.endswith("A") else (),
            _MODES[mode],
            metadata=Metadata(exif=block(upright(directory)) or None, **fields),
        )
    ]


def _samples(image: Any) -> tuple[NDArray[Any], str]:
    """Return the samples of a frame, and the mode that says what they are."""
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "RGBX":
        image = image.convert("RGB")
    if image.mode not in _MODES:
        raise RefusedError("grey, RGB or CMYK samples", f" with mode {image.mode}", "Convert it to RGB first.")
    return np.array(image), image.mode


def _frames(image: Any, count: int) -> tuple[NDArray[Any], str, tuple[float, ...]]:
    """Return all frames of an animation as they are shown, and for how long each is."""
    frames, durations, size = [], [], image.size
    for index in range(count):
        image.seek(index)
        if image.size != size:  # before it is decoded: memory was asked for by the size of the first
            raise RefusedError("an animation whose frames have one size", " with others")
        frames.append(np.array(image.convert("RGBA")))
        durations.append(float(image.info.get("duration", 0)))
    whole = np.stack(frames)
    colours, mode = whole[..., :3], "RGB"
    if (colours[..., :2] == colours[..., 1:]).all():
        colours, mode = colours[..., :1], "L"
    if (whole[..., 3] < 255).any():
        return np.concatenate([colours, whole[..., 3:]], axis=-1), mode + "A", tuple(durations)
    return colours[..., 0] if mode == "L" else colours, mode, tuple(durations)


def _metadata(image: Any, path: Path) -> dict[str, Any]:
    """Return what the file says, by the fields of `Metadata`."""
    info, kind = image.info, "JPEG" if image.format == "MPO" else image.format
    encoding: dict[str, Any] = {key: info[key] for key in ("loop", "default_image") if key in info}
    fields: dict[str, Any] = {"format": kind, "encoding": encoding, "profile": info.get("icc_profile")}
    fields["xmp"] = info.get("xmp")
    if isinstance(comment := info.get("comment"), bytes):
        fields["texts"] = {"Comment": comment.decode("utf-8", "replace")}
    if kind == "JPEG":
        _say_jpeg(image, fields, encoding)
    elif kind == "WEBP":
        encoding["lossless"] = _is_lossless(path)
    elif (dpi := info.get("dpi")) and min(dpi) > 0:
        fields |= {"resolution": (float(dpi[0]), float(dpi[1])), "unit": "inch"}
    return fields


def _say_jpeg(image: Any, fields: dict[str, Any], encoding: dict[str, Any]) -> None:
    from PIL import JpegImagePlugin

    info = image.info
    if min(density := info.get("jfif_density", (0, 0))) > 0 and density != (1, 1):
        fields |= {"resolution": tuple(map(float, density)), "unit": _UNITS.get(info.get("jfif_unit"), "")}
    elif (dpi := info.get("dpi")) and min(dpi) > 0 and "jfif" not in info:
        fields |= {"resolution": tuple(map(float, dpi)), "unit": "inch"}
    encoding |= {"tables": dict(image.quantization), "subsampling": JpegImagePlugin.get_sampling(image)}
    encoding["progressive"] = bool(info.get("progressive"))
    # Segments of other programs, such as captions of the press, are written again as they are.
    others = [(name, data) for name, data in image.applist if name not in _KNOWN_SEGMENTS]
    encoding["segments"] = b"".join(_segment(name, data) for name, data in others)
    if image.format == "MPO":
        fields["unread"] = ("Only the first picture of the file is read: the others are previews or depths.",)


def _segment(name: str, data: bytes) -> bytes:
    return struct.pack(">BBH", 255, 0xE0 + int(name.removeprefix("APP")), len(data) + 2) + data


def _is_lossless(path: Path) -> bool:
    """Whether the pixels of a WebP are stored without loss."""
    data = read_regular(path)
    at, kinds = 12, set()
    while at + 8 <= len(data):
        kind, (length,) = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])
        kinds.add(data[at + 24 : at + 28] if kind == b"ANMF" else kind)
        at += 8 + length + length % 2
    return b"VP8L" in kinds and b"VP8 " not in kinds
