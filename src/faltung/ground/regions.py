"""Which outputs does a correlation have? The rule for `same`, `valid` and `full`, for any size and origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from faltung.errors import ArgumentError

__all__ = ["SHAPES", "Regions", "check_shape", "covered", "regions"]

SHAPES = ("same", "valid", "full")


class Regions(NamedTuple):
    """The positions that have an output, along each axis of the kernel.

    Parameters
    ----------
    bounds : tuple of (int, int)
        First position, and the position after the last, for each axis.
    beyond : bool
        Whether the kernel is longer than the array; then taps beyond the border are left out.
    """

    bounds: tuple[tuple[int, int], ...]
    beyond: bool


def check_shape(shape: Any) -> str:
    """Return `shape` if it is ``same``, ``valid`` or ``full``."""
    if not isinstance(shape, str) or shape not in SHAPES:
        raise ArgumentError("shape", f"one of {', '.join(map(repr, SHAPES))}", repr(shape))
    return shape


def regions(shape: str, lengths: Sequence[int], sizes: Sequence[int], origins: Sequence[int]) -> Regions:
    """Return the outputs of a correlation, as positions of the array.

    ``same`` has an output for each sample. ``full`` has one for each position where the kernel overlaps the array.
    ``valid`` has one for each position where the shorter of kernel and array is inside the longer one.

    Parameters
    ----------
    shape : {'same', 'valid', 'full'}
        Which outputs.
    lengths : sequence of int
        Samples of the array, along each axis of the kernel.
    sizes, origins : sequence of int
        Taps and origin of the kernel, along each of its axes.

    Returns
    -------
    Regions
        The positions that have an output.

    Raises
    ------
    ArgumentError
        For ``valid``, the kernel is longer than the array on one axis and shorter on another.

    Examples
    --------
    >>> regions("valid", [5], [3], [1]).bounds, regions("full", [5], [3], [1]).bounds
    (((1, 4),), ((-1, 6),))
    """
    longer = [size > length for size, length in zip(sizes, lengths, strict=True)]
    beyond = shape == "valid" and any(longer) and 0 not in lengths
    if beyond and any(size < length for size, length in zip(sizes, lengths, strict=True)):
        raise ArgumentError(
            "shape",
            "'same' or 'full' where the kernel is longer than the array on one axis and shorter on another",
            f"'valid' for a kernel of shape {tuple(sizes)} on axes of lengths {tuple(lengths)}",
            "Crop the kernel, or choose another shape.",
        )
    return Regions(tuple(_bounds(shape, *axis) for axis in zip(lengths, sizes, origins, strict=True)), beyond)


def covered(start: int, stop: int, length: int) -> tuple[int, int]:
    """Return the least range of positions that has all that are read, from `start` up to `stop`, and all samples.

    If no sample is read, because the taps are far beyond the array, it has only the positions that are read.

    Examples
    --------
    >>> covered(-2, 4, 10), covered(3, 12, 10), covered(500, 502, 10)
    ((-2, 10), (0, 12), (500, 502))
    """
    if stop < 0 or start > length:
        return start, stop
    return min(start, 0), max(stop, length)


def _bounds(shape: str, length: int, size: int, origin: int) -> tuple[int, int]:
    if length == 0 or shape == "same":
        return 0, length
    start, stop = origin - size + 1, length + origin  # at least one tap is on a sample
    overlap = min(length, size) - 1 if shape == "valid" else 0
    return start + overlap, stop - overlap
