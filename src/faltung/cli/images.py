"""How are pictures read and written? PNG, JPEG, TIFF and NumPy arrays, without loss."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.cli.targets import check_new_file, new_file
from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["Picture", "check_target", "read", "write"]

_PILLOW = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_TIFF = {".tif", ".tiff"}
_KNOWN = ".png, .jpg, .tif or .npy"


@dataclass(frozen=True)
class Picture:
    """Samples and their meaning.

    Parameters
    ----------
    samples : ndarray
        The samples.
    axes : str
        A letter for each axis, as in TIFF: Y and X are rows and columns, and S is the colours of a pixel. An array
        from a ``.npy`` file has Q for all axes but the last two.
    profile : bytes or None
        Colour profile.
    alpha : bool
        Whether the last colour is opacity.
    tiff : dict
        Other properties of a TIFF page, which are kept when it is written: photometric interpretation, resolution
        and its unit, orientation.
    """

    samples: NDArray[Any]
    axes: str
    profile: bytes | None = None
    alpha: bool = False
    tiff: dict[str, Any] = field(default_factory=dict)


def read(path: Path) -> list[Picture]:
    """Return the pictures of a file: one, or several if the pages of a TIFF differ in shape.

    Raises
    ------
    ArgumentError
        The file is missing, damaged, or cannot be read without loss.
    """
    suffix = path.suffix.lower()
    readers: dict[str, Callable[[Path], list[Picture]]] = {".npy": _read_array}
    readers |= dict.fromkeys(_PILLOW, _read_pillow) | dict.fromkeys(_TIFF, _read_tiff)
    if suffix not in readers:
        raise ArgumentError("IMAGE", f"a file named {_KNOWN}", f"'{path}'")
    if not path.is_file():
        received = f"'{path}', a folder" if path.is_dir() else f"'{path}'"
        raise ArgumentError("IMAGE", "a file that exists", received)
    try:
        return readers[suffix](path)
    except ArgumentError:
        raise
    except Exception as error:  # a damaged file can raise any kind of error
        raise ArgumentError("IMAGE", f"a readable {suffix[1:].upper()} file", f"'{path}' ({error})") from error


def check_target(target: Path, source: Path, overwrite: bool) -> None:
    """Refuse a file to write before any work is done, if it cannot be written or would replace another one.

    Raises
    ------
    ArgumentError
        The target is the input, its suffix is not known, or as for `check_new_file`.
    """
    if target.suffix.lower() not in {".npy", *_PILLOW, *_TIFF}:
        raise ArgumentError("--output", f"a file named {_KNOWN}", f"'{target}'")
    if target.exists() and source.exists() and os.path.samefile(target, source):
        raise ArgumentError("--output", "a file other than the input", f"'{target}'", "Choose another name.")
    check_new_file("--output", target, overwrite)


def write(path: Path, pictures: list[Picture]) -> None:
    """Write pictures to a file, whole or not at all.

    Raises
    ------
    ArgumentError
        A file of this format cannot hold the pictures, or cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix in _TIFF:
        with new_file(path) as temporary:
            _write_tiff(temporary, pictures)
        return
    if len(pictures) > 1:
        raise ArgumentError("--output", "a TIFF file for pages of different shapes", f"'{path}'", "Use .tif.")
    if suffix == ".npy":
        with new_file(path) as temporary, open(temporary, "wb") as file:
            np.save(file, pictures[0].samples, allow_pickle=False)
        return
    image = _as_pillow(pictures[0], _PILLOW[suffix])
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if suffix != ".png" else {}
    if pictures[0].profile:
        options["icc_profile"] = pictures[0].profile
    with new_file(path) as temporary:
        image.save(temporary, format=_PILLOW[suffix], **options)


def _read_array(path: Path) -> list[Picture]:
    samples = np.load(path, mmap_mode="r", allow_pickle=False)
    if samples.ndim == 0:
        raise ArgumentError("IMAGE", "an array with at least one axis", f"'{path}', a single number")
    return [Picture(samples, ("Q" * samples.ndim + "YX")[-samples.ndim :] if samples.ndim > 1 else "X")]


def _read_pillow(path: Path) -> list[Picture]:
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
    return [Picture(samples, "YX" if bands == 1 else "YXS", profile, alpha=bands in (2, 4))]


def _read_tiff(path: Path) -> list[Picture]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        pictures = []
        for series in file.series:
            samples = series.asarray()
            axes = series.axes
            page = series.keyframe
            alpha = "S" in axes and len(page.extrasamples) == 1 and int(page.extrasamples[0]) in (1, 2)
            photometric = page.photometric.name.lower()
            if photometric not in ("minisblack", "miniswhite", "rgb", "ycbcr"):
                received = f"'{path}' with {photometric} samples"
                raise ArgumentError("IMAGE", "a TIFF of grey or RGB samples", received, "Convert it to RGB first.")
            if samples.dtype.kind == "b":
                samples = samples.astype(np.uint8) * np.uint8(255)
            kept: dict[str, Any] = {"photometric": "rgb" if photometric == "ycbcr" else photometric}
            if (tag := page.tags.get("XResolution")) is not None and tag.value[1]:
                kept |= {"resolution": page.get_resolution(), "resolutionunit": page.resolutionunit}
            if (tag := page.tags.get("Orientation")) is not None:
                kept["extratags"] = [(tag.code, tag.dtype, tag.count, tag.value, True)]
            pictures.append(Picture(samples, axes, page.iccprofile, alpha, kept))
    if not pictures:
        raise ArgumentError("IMAGE", "a TIFF file with at least one page", f"'{path}'")
    return pictures


def _write_tiff(path: Path, pictures: list[Picture]) -> None:
    import tifffile

    size = sum(picture.samples.nbytes for picture in pictures)
    with tifffile.TiffWriter(path, bigtiff=size > 2**32 - 2**25) as file:
        for picture in pictures:
            colours = picture.samples.shape[picture.axes.index("S")] if "S" in picture.axes else 1
            options = {"photometric": "rgb" if colours in (3, 4) else "minisblack"} | picture.tiff
            file.write(
                picture.samples,
                planarconfig="contig" if picture.axes.endswith("S") else None,
                extrasamples=["unassalpha"] if picture.alpha else None,
                metadata={"axes": picture.axes},
                iccprofile=picture.profile,
                **options,
            )


def _as_pillow(picture: Picture, kind: str) -> Image:
    from PIL import Image

    _check_pillow(picture, kind)
    one_grey = picture.axes.endswith("S") and picture.samples.shape[-1] == 1
    return Image.fromarray(picture.samples[..., 0] if one_grey else picture.samples)


def _check_pillow(picture: Picture, kind: str) -> None:
    """Refuse a picture that a PNG or JPEG file cannot hold without loss."""
    samples, coloured = picture.samples, picture.axes.endswith("S")
    colours = samples.shape[-1] if coloured else 1
    if samples.ndim != 2 + coloured or colours > 4 or (colours == 2 and not picture.alpha):
        received = f"an array of shape {samples.shape}"
        raise ArgumentError("--output", f"one grey or colour picture for {kind}", received, "Use .tif or .npy.")
    if picture.tiff.get("photometric") == "miniswhite":
        expected, received = f"a picture in which zero is black for {kind}", "a TIFF in which zero is white"
        raise ArgumentError("--output", expected, received, "Use .tif.")
    wide = samples.dtype == np.uint16 and kind == "PNG" and colours == 1
    if samples.dtype != np.uint8 and not wide:
        expected = "8-bit samples" if kind == "JPEG" else "8-bit samples, or 16-bit grey"
        remedy = "Add --dtype uint8, or use .tif or .npy."
        raise ArgumentError("--output", f"{expected} for {kind}", str(samples.dtype), remedy)
    if kind == "JPEG" and picture.alpha:
        received = "a picture with opacity"
        raise ArgumentError("--output", "no opacity for JPEG", received, "Use .png or .tif.")
