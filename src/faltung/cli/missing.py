"""Which samples of a picture are missing? What `--nan`, `--mask` and `--nodata` say, and what the file says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import files
from faltung.errors import ArgumentError
from faltung.files import Picture
from faltung.files.opacity import colour_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOTHING_SAID", "MissingOptions", "MissingSamples", "missing_options"]

#: Formats in which 0 stays 0.
_LOSSY = ("JPEG", "WEBP")


@dataclass(frozen=True)
class MissingOptions:
    """What was typed about missing samples.

    Parameters
    ----------
    nan : {'propagate', 'ignore'}
        Whether a NaN is a value like others, or a missing sample.
    mask : ndarray of bool or None
        True where a sample is valid, for each pixel.
    nodata : float, 'none' or None
        The value of missing samples; None for that which a file names itself.
    min_weight : float
        Share of the weights of the kernel that must be valid under an output.
    mask_name : str
        The file of the mask.
    """

    nan: str = "propagate"
    mask: NDArray[np.bool_] | None = None
    nodata: float | str | None = None
    min_weight: float = 0.0
    mask_name: str = ""

    def of(self, picture: Picture, note: Callable[[str], None]) -> tuple[Picture, MissingSamples]:
        """Return a picture that knows its value of missing samples, and the samples that are missing.

        Raises
        ------
        ArgumentError
            The mask has another shape than the picture, or no sample can have the value.
        """
        picture = self._with_nodata(picture)
        samples = colour_samples(picture) if picture.opacity else picture.samples
        nodata = picture.nodata
        if nodata is not None and not _holds(samples.dtype, nodata):
            nodata = None  # no sample of this file is missing
        present = _other_than(samples, nodata)
        nans = _count_of_nan(samples, present)
        if nans and self.nan == "propagate":
            note(f"{nans:,} samples are NaN, and so is every result that they reach; --nan ignore leaves them out")
        kept = None if present is None else np.asarray(~present)
        if self.mask is not None:
            mask = _fitted(self.mask, self.mask_name, picture)
            present = mask if present is None else np.asarray(present & mask)
        if (axis := picture.colour_axis) is not None and picture.opacity:
            # A pixel has one opacity, so all its colours are missing, or none.
            present = None if present is None else np.asarray(present.all(axis=axis, keepdims=True))
            kept = None if kept is None else np.asarray(kept.any(axis=axis, keepdims=True))
        if present is not None and present.all():
            present = None
        return picture, MissingSamples(self, nodata, present, kept, bool(nans))

    def _with_nodata(self, picture: Picture) -> Picture:
        if self.nodata is None:
            return picture
        if isinstance(self.nodata, str):
            return replace(picture, nodata=None)
        if not _holds(picture.samples.dtype, self.nodata):
            expected = f"a number that {picture.samples.dtype} samples can have"
            raise ArgumentError("--nodata", expected, f"{self.nodata:g}", "Or none, if no sample is missing.")
        whole = picture.samples.dtype.kind in "iu"
        return replace(picture, nodata=int(self.nodata) if whole else self.nodata)


@dataclass(frozen=True)
class MissingSamples:
    """The missing samples of one picture.

    Parameters
    ----------
    options : MissingOptions
        What was typed.
    nodata : float or None
        The value of missing samples.
    present : ndarray of bool or None
        False where a sample is missing, with the axes of the picture; None if it says nothing.
    kept : ndarray of bool or None
        True where the result has the value of missing samples again.
    nans : bool
        Whether samples are NaN that are values like others, or are left out by ``--nan ignore``.
    """

    options: MissingOptions
    nodata: float | None
    present: NDArray[np.bool_] | None
    kept: NDArray[np.bool_] | None
    nans: bool

    @property
    def applies(self) -> bool:
        """Whether samples are missing."""
        return self.present is not None or (self.options.nan == "ignore" and self.nans)

    @property
    def marks(self) -> bool:
        """Whether results have to be looked at, because they may be missing or must not look so."""
        return self.applies or self.nodata is not None

    def arguments(self, page: Any) -> dict[str, Any]:
        """Return the arguments of `faltung.convolve` for a page, given by its index."""
        if not self.applies:
            return {}
        given: dict[str, Any] = {"nan": self.options.nan, "min_weight": self.options.min_weight}
        return given if self.present is None else given | {"mask": self.present[page]}

    def marked(self, result: Picture, filtered: Picture, mapped: bool, note: Callable[[str], None]) -> Picture:
        """Return a result with the value of missing samples where there is none, and nowhere else.

        Parameters
        ----------
        result : Picture
            The result in its dtype.
        filtered : Picture
            The result in floating point, which is NaN where no sample was valid.
        mapped : bool
            Whether values became black and white, so that missing samples may be black.
        note : callable
            Called with what a user should know.

        Raises
        ------
        ArgumentError
            The dtype of the result does not hold the value.
        """
        empty = np.isnan(filtered.samples)
        nodata, samples = self.nodata, result.samples
        if nodata is None:
            if samples.dtype.kind in "iu" and (count := int(np.count_nonzero(empty))):
                note(f"{count:,} results have no valid sample and became 0; --dtype float32 makes them NaN")
            return result
        if not _holds(samples.dtype, nodata):
            if mapped:
                return self._black(result, empty, note)
            remedy = "Keep the dtype: with --nodata none, the value would count as a sample."
            expected = f"a dtype that holds the value of missing samples, {nodata:g}"
            raise ArgumentError("--dtype", expected, str(samples.dtype), remedy)
        if self.nans and self.options.nan == "propagate":
            empty &= False  # these are NaN because samples were
        if self.kept is not None:
            empty |= self.kept
        samples, equal = np.array(samples), samples == nodata
        if (index := result.opacity_index) is not None and result.colour_axis is not None:
            empty[(slice(None),) * result.colour_axis + (index,)] = False
            equal[(slice(None),) * result.colour_axis + (index,)] = False
        equal &= ~empty
        if count := int(np.count_nonzero(equal)):
            samples[equal] = other = _beside(samples.dtype, nodata)
            note(f"{count:,} results were {nodata:g}, the value of missing samples, and became {other:g}")
        samples[empty] = nodata
        return replace(result, samples=samples)

    def _black(self, result: Picture, empty: NDArray[np.bool_], note: Callable[[str], None]) -> Picture:
        """Return a result in which what is missing is black."""
        samples = np.array(result.samples)
        black = empty if self.kept is None else empty | self.kept
        if (index := result.opacity_index) is not None and result.colour_axis is not None:
            black = np.array(np.broadcast_to(black, samples.shape))
            black[(slice(None),) * result.colour_axis + (index,)] = False
        samples[black] = 0
        note(f"{np.count_nonzero(black):,} missing samples became black: {samples.dtype} has no {self.nodata:g}")
        return replace(result, samples=samples, nodata=None)


#: Nothing was typed about missing samples.
NOTHING_SAID = MissingOptions()


def missing_options(nan: str, mask: Path | None, nodata: str | None, min_weight: float) -> MissingOptions:
    """Return what the options of a command say.

    Raises
    ------
    ArgumentError
        An option cannot be used; the message says why.
    """
    if nan not in ("propagate", "ignore"):
        remedy = "Use ignore." if nan in ("omit", "skip", "drop") else ""
        raise ArgumentError("--nan", "propagate or ignore", repr(nan), remedy)
    value: float | str | None = nodata
    if nodata is not None and nodata.lower() != "none":
        try:
            value = float(nodata)
        except ValueError as error:
            raise ArgumentError("--nodata", "a number such as -9999, or none", repr(nodata)) from error
    elif nodata is not None:
        value = "none"
    if mask is None:
        return MissingOptions(nan, None, value, min_weight)
    return MissingOptions(nan, _mask(mask), value, min_weight, str(mask))


def _other_than(samples: NDArray[Any], nodata: float | None) -> Any:
    """Return where samples differ from the value of missing ones; None if all do."""
    if nodata is None:
        return None
    other = np.asarray(~np.isnan(samples) if nodata != nodata else samples != nodata)
    return None if other.all() else other


def _count_of_nan(samples: NDArray[Any], present: Any) -> int:
    if samples.dtype.kind not in "fc":
        return 0
    return int(np.count_nonzero(np.isnan(samples) if present is None else np.isnan(samples) & present))


def _mask(path: Path) -> NDArray[np.bool_]:
    """Return the mask of a file, with a value for each pixel."""
    pictures = files.read(path, "--mask")
    if len(pictures) != 1 or pictures[0].metadata.format in _LOSSY:
        what = "several pictures" if len(pictures) != 1 else pictures[0].metadata.format
        raise ArgumentError("--mask", "one picture in a PNG, TIFF or .npy file", f"'{path}', {what}")
    (picture,) = pictures
    samples = colour_samples(picture)
    if samples.dtype.kind == "f" and np.isnan(samples).any():
        raise ArgumentError("--mask", "numbers, nonzero where a sample is valid", f"NaN in '{path}'")
    valid: NDArray[np.bool_] = samples != 0
    if not valid.any():
        remedy = "Its opacity is not looked at." if picture.opacity else ""
        raise ArgumentError("--mask", "a mask that is nonzero somewhere", f"only zeros in '{path}'", remedy)
    return valid if picture.colour_axis is None else np.asarray(valid.any(axis=picture.colour_axis))


def _fitted(mask: NDArray[np.bool_], name: str, picture: Picture) -> NDArray[np.bool_]:
    """Return the mask with the axes of a picture: one for each page of a stack, or the same for all."""
    samples, colours = picture.samples, picture.colour_axis
    shape = samples.shape if colours is None else np.delete(samples.shape, colours)
    lengths = tuple(map(int, shape))
    if mask.shape == samples.shape and colours is None:
        return mask
    if mask.shape != lengths[len(lengths) - mask.ndim :]:
        spelled = " x ".join(map(str, lengths))
        received = " x ".join(map(str, mask.shape))
        raise ArgumentError("--mask", f"{spelled} samples, as many as IMAGE has", f"{received} in '{name}'")
    fitted = np.broadcast_to(mask, lengths)
    if colours is None:
        return fitted
    fitted = np.expand_dims(fitted, colours)
    return fitted if picture.opacity else np.broadcast_to(fitted, samples.shape)


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether a sample of a dtype can have a value."""
    if dtype.kind == "b":
        return value in (0, 1)
    if dtype.kind not in "iu":
        largest = float(np.finfo(dtype).max) * (1 + 1e-7)  # files spell it with few digits
        return dtype.kind in "fc" and (not np.isfinite(value) or abs(value) <= largest)
    limits = np.iinfo(dtype)
    return bool(value == value and limits.min <= value <= limits.max and value == int(value))


def _beside(dtype: np.dtype[Any], value: float) -> Any:
    """Return the number of a dtype next to a value."""
    if dtype.kind in "iu":
        return dtype.type(value + 1 if value < np.iinfo(dtype).max else value - 1)
    return np.nextafter(dtype.type(value), dtype.type(0 if value else 1))
