"""How does a picture become one that plain formats hold? Of greys or colours from black to white, colours last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError
from faltung.files.opacity import opaque_value, stored
from faltung.files.picture_value import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HOLDS", "Holds", "has_frames", "has_many_colours", "has_partial_opacity", "held_dtypes", "plain"]


class Holds(NamedTuple):
    """What a plain format can hold."""

    dtypes: tuple[np.dtype[Any], ...]
    opacity: bool
    frames: bool
    inks: bool = False


_BYTES, _WORDS = np.dtype("u1"), np.dtype("u2")
#: What each format can hold.
HOLDS = {
    "PNG": Holds((_BYTES, _WORDS), opacity=True, frames=True),
    "JPEG": Holds((_BYTES,), opacity=False, frames=False, inks=True),
    "WEBP": Holds((_BYTES,), opacity=True, frames=True),
    "GIF": Holds((_BYTES,), opacity=True, frames=True),
    "BMP": Holds((_BYTES,), opacity=False, frames=False),
    "PNM": Holds((_BYTES, _WORDS), opacity=False, frames=False),
    "PFM": Holds((np.dtype("f4"),), opacity=False, frames=False),
}


def held_dtypes(picture: Picture, name: str) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes that a format can hold for a picture: animations have 8 bits."""
    return (_BYTES,) if has_frames(picture) else HOLDS[name].dtypes


def has_frames(picture: Picture) -> bool:
    """Whether a picture has more axes than rows, columns and colours."""
    samples, axes = _colours_last(_as_colours(picture))
    return samples.ndim > 2 + axes.endswith("S")


def plain(picture: Picture, name: str) -> Picture:
    """Return a picture with axes YX or YXS, or TYXS if a format has frames, in colours that the format has.

    Opacity that is 1 everywhere is left out where a format has none. Inks become light, (1 - ink)(1 - black), unless
    the format has them. Where zero is white, values are reversed. Colours that are multiplied by opacity are divided
    by it. An array with three or four columns is taken for rows and columns of colours.

    Raises
    ------
    ArgumentError
        The format cannot hold the picture.
    """
    picture = _as_colours(picture)
    samples, axes = _colours_last(picture)
    _check_axes(samples, axes, picture, name)
    _check_dtype(picture, name)
    samples = _whole_range(samples, picture.bits)
    if not axes.endswith("S"):
        return replace(picture, samples=_shown(samples, None, picture, name), axes=axes, colours="grey", bits=0)
    colours, opacity = np.split(samples, [picture.colour_count], axis=-1)
    if picture.opacity and not HOLDS[name].opacity and (opacity != opaque_value(samples.dtype)).any():
        raise ArgumentError("--output", f"no opacity for {name}", "a picture with opacity", "Use .png or .tif.")
    extra = ("straight",) if picture.opacity and HOLDS[name].opacity else ()
    colours = _shown(colours, opacity, picture, name)
    whole = np.concatenate([colours, opacity], axis=-1) if extra else colours
    if whole.shape[-1] == 1:
        whole, axes = whole[..., 0], axes[:-1]
    kind = {1: "grey", 3: "rgb", 4: "cmyk"}[colours.shape[-1]]
    # The profile of inks says nothing of light.
    kept = (
        picture.metadata if kind == "cmyk" or picture.colours != "cmyk" else replace(picture.metadata, profile=None)
    )
    return replace(picture, samples=whole, axes=axes, extra=extra, colours=kind, bits=0, metadata=kept)


def _check_dtype(picture: Picture, name: str) -> None:
    held = held_dtypes(picture, name)
    if picture.samples.dtype not in held:
        depths = {_BYTES: "8-bit", _WORDS: "16-bit", np.dtype("f4"): "float32"}
        expected = f"{' or '.join(depths[dtype] for dtype in held)} samples for {name}"
        remedy = "Add --scale, or use .tif or .npy."
        raise ArgumentError("--output", expected, str(picture.samples.dtype), remedy)


def _shown(colours: NDArray[Any], opacity: NDArray[Any] | None, picture: Picture, name: str) -> NDArray[Any]:
    """Return colours of which zero is black, in light if a format has no inks, and not multiplied by opacity."""
    opaque = colours.dtype.type(opaque_value(colours.dtype))
    if picture.colours == "white is zero":
        colours = opaque - colours
    if picture.colours == "cmyk" and not HOLDS[name].inks:
        colours = _light(colours, opaque)
    if opacity is not None and picture.opacity == "associated":
        return _divided(colours, opacity, opaque)
    return colours


def has_partial_opacity(picture: Picture) -> bool:
    """Whether any pixel is neither opaque nor transparent."""
    index, axis = picture.opacity_index, picture.colour_axis
    if index is None or axis is None:
        return False
    opacity = np.take(picture.samples, index, axis)
    return bool(((opacity != opaque_value(opacity.dtype)) & (opacity != 0)).any())


def has_many_colours(picture: Picture) -> bool:
    """Whether one frame of a picture of bytes has more colours than a table of 256."""
    samples, axes = _colours_last(picture)
    if not axes.endswith("S") or samples.dtype != np.uint8 or samples.shape[-1] not in (2, 3, 4):
        return False
    weights = np.uint32(256) ** np.arange(samples.shape[-1], dtype=np.uint32)
    frames = samples.reshape(-1, samples.shape[-3] * samples.shape[-2], samples.shape[-1])
    return any(len(np.unique(frame @ weights)) > 256 - bool(picture.extra) for frame in frames)


def _as_colours(picture: Picture) -> Picture:
    """Return an array of three or four columns as the colours that it must be in a format without volumes."""
    if picture.colours or picture.axes != "QYX" or picture.samples.shape[-1] not in (3, 4):
        return picture
    extra = ("straight",) if picture.samples.shape[-1] == 4 else ()
    return replace(picture, axes="YXS", extra=extra, colours="rgb")


def _colours_last(picture: Picture) -> tuple[NDArray[Any], str]:
    """Return samples with the colours last, without axes of length one before rows."""
    samples, axes = picture.samples, picture.axes
    if "S" in axes:
        samples, axes = np.moveaxis(samples, axes.index("S"), -1), axes.replace("S", "") + "S"
    while samples.ndim > 2 + axes.endswith("S") and samples.shape[0] == 1 and axes[0] not in "YX":
        samples, axes = samples[0], axes[1:]
    return samples, axes


def _check_axes(samples: NDArray[Any], axes: str, picture: Picture, name: str) -> None:
    # Few programs show more than the first frame of a PNG, so only what was an animation becomes one.
    frames = HOLDS[name].frames and samples.ndim == 3 + axes.endswith("S") and (name != "PNG" or axes[0] == "T")
    bands = samples.shape[-1] if axes.endswith("S") else 1
    counts = {1, 3} | ({4} if picture.colours == "cmyk" else set())
    fits = picture.colour_count in counts and len(picture.extra) <= 1 and picture.extra != ("extra",)
    if (samples.ndim != 2 + axes.endswith("S") and not frames) or bands > 5 or not fits:
        received = f"an array of shape {picture.samples.shape}"
        if "extra" in picture.extra:
            received += f", of which {picture.extra.count('extra')} bands are no colours"
        raise ArgumentError("--output", f"one grey or colour picture for {name}", received, "Use .tif or .npy.")


def _whole_range(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return samples of which all bits are used, from those that use some."""
    if not bits:
        return samples
    return stored(samples * (opaque_value(samples.dtype) / (2**bits - 1)), samples.dtype)


def _light(inks: NDArray[Any], opaque: Any) -> NDArray[Any]:
    left = (opaque - inks).astype(np.float64)
    return stored(left[..., :3] * left[..., 3:] / float(opaque), inks.dtype)


def _divided(colours: NDArray[Any], opacity: NDArray[Any], opaque: Any) -> NDArray[Any]:
    shares = np.where(opacity == 0, 1.0, opacity / float(opaque))
    return stored(colours / shares, colours.dtype)
