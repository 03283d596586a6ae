"""What is a picture? Samples, what they mean, and what else its file said about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.files.directory import Tag

__all__ = ["Metadata", "Picture"]


@dataclass(frozen=True)
class Metadata:
    """What a file says beside the samples. Whoever filters a picture passes it on as it is.

    Parameters
    ----------
    format : str
        Format of the file: TIFF, PNG, JPEG, GIF, WEBP, BMP, PNM or NPY.
    encoding : dict
        How the samples were packed: compression and its options, by the names of the writer of that format.
    orientation : int
        How the file stored rows and columns, 1 to 8 as in EXIF. The samples are turned already: a TIFF is stored
        in the same way again, other formats as they are.
    resolution : (float, float) or None
        Pixels in a unit of length along columns and rows.
    unit : str
        The unit of length: "inch", "cm", or "" if only the ratio is known.
    profile : bytes or None
        ICC profile of the colours.
    exif : bytes or None
        EXIF without thumbnail and orientation.
    xmp : bytes or None
        XMP packet.
    texts : dict
        Texts by keyword, such as Software and Comment.
    durations : tuple of float
        Milliseconds for which each picture of an animation is shown.
    tags : tuple of tuple of Tag
        Further entries of TIFF pages: of all pages, or of each.
    axes_told : dict or None
        What the description of axes in a TIFF of tifffile says beside them; None if there is no such description.
    imagej : dict or None
        Properties of an ImageJ hyperstack: spacing, unit, ranges, tables of colours.
    ome : str or None
        OME-XML of the file.
    chunks : tuple of (bytes, bytes)
        Further chunks of a PNG, by type.
    unread : tuple of str
        What the file holds that cannot be passed on to any file, as sentences.
    """

    format: str = ""
    encoding: dict[str, Any] = field(default_factory=dict)
    orientation: int = 1
    resolution: tuple[float, float] | None = None
    unit: str = ""
    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)
    durations: tuple[float, ...] = ()
    tags: tuple[tuple[Tag, ...], ...] = ()
    axes_told: dict[str, Any] | None = None
    imagej: dict[str, Any] | None = None
    ome: str | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Samples and their meaning.

    Parameters
    ----------
    samples : ndarray
        The samples.
    axes : str
        A letter for each axis, as in tifffile: Y and X are rows and columns, S the samples of a pixel (colours, then
        extra ones), C channels, Z slices, T times, Q or I unknown. The axis S may stand anywhere.
    extra : tuple of str
        What the last samples of a pixel are, if they are no colours, in their order: "straight" is opacity of colours
        that are not multiplied by it, "associated" is opacity of colours that are, "extra" is a band of its own.
    colours : str
        What the colours are: "grey", "white is zero", "rgb", "cmyk", or "" for an array.
    nodata : int, float or None
        The value of samples that are missing.
    bits : int
        Bits of a sample that are used, or 0 if all bits of its dtype are.
    levels : tuple of shape
        Shapes of the smaller copies that a pyramid has, which are made again when it is written.
    metadata : Metadata
        What else the file says.

    Examples
    --------
    >>> import numpy as np
    >>> picture = Picture(np.zeros((4, 16, 20)), "SYX", extra=("straight",), colours="rgb")
    >>> picture.colour_axis, picture.opacity, picture.opacity_index, picture.colour_count
    (0, 'straight', 3, 3)
    """

    samples: NDArray[Any]
    axes: str
    extra: tuple[str, ...] = ()
    colours: str = ""
    nodata: int | float | None = None
    bits: int = 0
    levels: tuple[tuple[int, ...], ...] = ()
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def colour_axis(self) -> int | None:
        """The axis of the samples of a pixel, or None."""
        return self.axes.index("S") if "S" in self.axes else None

    @property
    def colour_count(self) -> int:
        """Number of samples of a pixel that are colours: 1 for grey."""
        return self.samples.shape[self.axes.index("S")] - len(self.extra) if "S" in self.axes else 1

    @property
    def opacity(self) -> str | None:
        """Kind of its opacity, "straight" or "associated", or None if all is opaque."""
        return next((kind for kind in self.extra if kind != "extra"), None)

    @property
    def opacity_index(self) -> int | None:
        """Index of opacity along the colour axis, or None."""
        return None if self.opacity is None else self.colour_count + self.extra.index(self.opacity)
