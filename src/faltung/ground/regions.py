"""Which outputs are there? The rule for `same`, `valid` and `full`, for a kernel of any size and origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from faltung.errors import ArgumentError

__all__ = ["SHAPES", "Regions", "check_shape", "regions"]

SHAPES = ("same", "valid", "full")


class Regions(NamedTuple):
    """For each axis of the kernel the positions of the array that have an output.

    Parameters
    ----------
    bounds : tuple of (int, int)
        Start and stop on each axis.
    beyond : bool
        Whether the kernel is longer than the array, so that its taps beyond the array take no part.
    """

    bounds: tuple[tuple[int, int], ...]
    beyond: bool


def check_shape(shape: Any) -> str:
    """Return `shape` if it is one of the three."""
    if not isinstance(shape, str) or shape not in SHAPES:
        raise ArgumentError("shape", f"one of {', '.join(map(repr, SHAPES))}", repr(shape))
    return shape


def regions(shape: str, lengths: Sequence[int], sizes: Sequence[int], origins: Sequence[int]) -> Regions:
    """Return the outputs of a correlation, as positions of the array.

    ``same`` has an output for each sample, ``full`` one for each position at which some tap meets a sample, and
    ``valid`` one for each position at which the shorter of kernel and array is inside the longer one.

    Parameters
    ----------
    shape : {'same', 'valid', 'full'}
        Which outputs.
    lengths, sizes, origins : sequence of int
        For each axis of the kernel: samples of the array, and taps and origin of the kernel that it is correlated
        with.

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


def _bounds(shape: str, length: int, size: int, origin: int) -> tuple[int, int]:
    if length == 0 or shape == "same":
        return 0, length
    start, stop = origin - size + 1, length + origin  # some tap meets a sample
    overlap = min(length, size) - 1 if shape == "valid" else 0
    return start + overlap, stop - overlap
