"""In which dtype is a result written, and which values become black and white? What `--dtype` and `--scale` say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import files
from faltung.errors import ArgumentError
from faltung.files import Picture
from faltung.files.opacity import colour_samples, opaque_value, stored
from faltung.ground.arrays import check_result_dtype, computed_dtype
from faltung.kernels import Kernel
from faltung.kernels.totals import has_negative

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SCALE_HELP", "Depth", "Scale", "depth_of", "own_dtype", "scale_of"]

#: Help of the option that names black and white.
SCALE_HELP = (
    "Which values become black and white where the depth changes: LOW:HIGH, auto (the range of the dtype or of the "
    "results) or none (numbers stay as they are, and what is out of range is cut off)."
)
#: Values that become black and white, "auto" or "none"; None where the option was not typed.
Scale = tuple[float, float] | str | None


@dataclass(frozen=True)
class Depth:
    """How results are stored.

    Parameters
    ----------
    dtype : dtype
        Dtype of the result.
    limits : (float, float) or None
        Values that become black and white; None to keep the numbers.
    by_results : bool
        Whether the smallest and largest result become black and white.
    typed : bool
        Whether a user chose the values that become black and white.
    """

    dtype: np.dtype[Any]
    limits: tuple[float, float] | None = None
    by_results: bool = False
    typed: bool = False

    @property
    def scales(self) -> bool:
        """Whether numbers change, beyond rounding."""
        return self.limits is not None or self.by_results

    def store(self, picture: Picture, note: Callable[[str], None]) -> Picture:
        """Return a picture of floats, whose opacity is from 0 to 1, in this dtype."""
        samples, white = picture.samples, opaque_value(self.dtype)
        limits = _range_of(colour_samples(picture)) if self.by_results else self.limits
        if limits is not None:
            low, high = limits
            others = "" if self.typed else "; --scale LOW:HIGH maps other values"
            if others and high - low > 1:  # numbers from 0 to 1 would all be black
                others += ", --scale none keeps the numbers"
            note(f"{low:g}:{high:g} became 0:{white:g}{others}")
            samples = (samples - low) * (white / (high - low))
            self._tell_of_cut(samples, white, picture, note)
        if (index := picture.opacity_index) is not None and picture.colour_axis is not None:
            samples = np.array(samples)
            band = (slice(None),) * picture.colour_axis + (index,)
            samples[band] = picture.samples[band] * white
        return replace(picture, samples=stored(samples, self.dtype), bits=0)

    def _tell_of_cut(
        self, samples: NDArray[Any], white: float, picture: Picture, note: Callable[[str], None]
    ) -> None:
        """Say how many results are beyond black and white, unless a user chose those."""
        if self.typed or self.by_results or self.dtype.kind not in "iu":
            return
        whole = np.rint(colour_samples(replace(picture, samples=samples)))
        if count := int(np.count_nonzero((whole < 0) | (whole > white))):
            note(f"{count:,} results were outside the values that are mapped, and became black or white")


def scale_of(text: str | None) -> Scale:
    """Return what the option ``--scale`` says.

    Examples
    --------
    >>> scale_of("0:4095"), scale_of("auto")
    ((0.0, 4095.0), 'auto')
    """
    if text is None or text in ("auto", "none"):
        return text
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low != high):
        raise ArgumentError("--scale", "auto, none, or two different numbers such as 0:4095", repr(text))
    return low, high


def depth_of(
    picture: Picture, kernel: Kernel, target: Path, chosen: str | None, scale: Scale, note: Callable[[str], None]
) -> Depth:
    """Return the dtype of a result and the values that become black and white.

    Without `scale`, numbers stay as they are, except where it is plain what is meant: the depth of a picture becomes
    smaller, or its floats from 0 to 1 become integers.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The results cannot be stored in the dtype, or in a file of this name.
    """
    wanted = _wanted(picture, kernel, chosen)
    held = files.dtypes(target, picture)
    dtype = wanted if held is None or wanted in held else held[-1]
    if dtype != wanted and (chosen is not None or wanted.kind == "c"):
        argument, omit = ("--output", "Use") if chosen is None else ("--dtype", "Omit --dtype, or use")
        expected = f"{' or '.join(map(str, held or ()))} for '{target}'"
        raise ArgumentError(argument, expected, str(wanted), f"{omit} .tif or .npy, which hold all numbers.")
    depth = _scaled(picture, dtype, scale, held is not None)
    if dtype != wanted and scale is None and not depth.scales:
        raise ArgumentError(
            "--output",
            f"samples that a {target.suffix} file holds",
            f"{wanted} for '{target}'",
            "Add --scale auto, or --scale LOW:HIGH for the values that become black and white; .tif and .npy hold "
            "the numbers as they are.",
        )
    _tell(depth, picture, kernel, held is not None and scale is None, note)
    return depth


def _tell(depth: Depth, picture: Picture, kernel: Kernel, by_default: bool, note: Callable[[str], None]) -> None:
    """Say what becomes of results that keep their numbers, and of a picture that by default uses few of its bits."""
    dtype = depth.dtype
    if depth.scales or dtype.kind != "u":
        return
    if has_negative(kernel.real):
        note(f"results below 0 become 0 in {dtype}; --dtype float32 keeps them")
    if by_default and dtype.itemsize > picture.samples.itemsize:
        note(f"the numbers stay as they are, so the picture is dark in {dtype}; --scale auto uses its whole range")


def own_dtype(given: np.dtype[Any], kernel: Kernel) -> np.dtype[Any]:
    """Return the dtype of results where none is typed: that of the input, if it holds them."""
    computed = computed_dtype(given, "IMAGE")
    if kernel.dtype.kind == "c":
        return np.result_type(computed, np.complex64)
    return computed if given.kind == "b" else given


def _wanted(picture: Picture, kernel: Kernel, chosen: str | None) -> np.dtype[Any]:
    """Return the dtype that was typed, or that of the picture."""
    own = own_dtype(picture.samples.dtype, kernel)
    computed = computed_dtype(own, "IMAGE")
    try:
        return check_result_dtype(own if chosen is None else chosen, computed, "--dtype")
    except ArgumentError as error:
        if computed.kind != "c":
            raise
        remedy = f"The real part of a filter is written ({kernel!r}).real." if kernel.dtype.kind == "c" else ""
        raise ArgumentError("--dtype", "a complex dtype for a complex result", str(chosen), remedy) from error


def _scaled(picture: Picture, dtype: np.dtype[Any], scale: Scale, as_picture: bool) -> Depth:
    """Return how results get a dtype: with `scale`, or without it where it is plain what is meant."""
    given = picture.samples.dtype
    if dtype.kind == "c" and scale not in (None, "none"):
        raise ArgumentError("--scale", "none for complex results", str(dtype), "No complex number is black or white.")
    if isinstance(scale, tuple):
        return Depth(dtype, scale, typed=True)
    if scale == "none" or given == dtype or dtype.kind == "c":
        return Depth(dtype)
    limits = _whole_range(picture)
    narrower = dtype.kind == "u" and (given.kind in "fb" or dtype.itemsize < given.itemsize)
    if limits is not None and (scale == "auto" or (narrower and (as_picture or bool(picture.colours)))):
        return Depth(dtype, limits)
    return Depth(dtype, by_results=scale == "auto")


def _whole_range(picture: Picture) -> tuple[float, float] | None:
    """Return what is black and white in a picture by its dtype; None where only its samples say so."""
    dtype = picture.samples.dtype
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return 0.0, float((1 << picture.bits) - 1 if picture.bits else np.iinfo(dtype).max)
    return (0.0, 1.0) if dtype.kind == "b" or (dtype.kind == "f" and _from_0_to_1(picture)) else None


def _from_0_to_1(picture: Picture) -> bool:
    samples = colour_samples(picture)
    present = np.isfinite(samples) if picture.nodata is None else np.isfinite(samples) & (samples != picture.nodata)
    return bool(((samples >= 0) & (samples <= 1) | ~present).all() and present.any())


def _range_of(samples: NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest finite sample, which differ; 0 and 1 where there is none."""
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low, low + 1)
