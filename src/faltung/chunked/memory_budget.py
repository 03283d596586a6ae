"""How much memory may a stream take? What is read, computed and written at the same time shares it."""

from __future__ import annotations

import itertools
import math
import mmap
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.chunked.portions import MOST_UNITS, box_of_bytes
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer
from faltung.ground.given_files import free_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Demand", "MemoryPlan", "arranged", "base_bytes", "bytes_of", "fresh"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
#: Share of the free memory that is used where nothing is said.
_SHARE = 4
#: A process that filters files has about so much before it begins.
_BASE = 224 << 20
#: Outputs that are computed at once: enough that little is read twice, and few are lost when a process is killed.
_TARGETS = tuple((64 << 20) >> step for step in range(11))
#: Least of these that are worth the memory of outputs that wait to be written.
_COMFORTABLE = 4 << 20
#: Portions of a file, at least, if it is large.
_PORTIONS = 8
#: What threads and libraries take beside the arrays that are counted.
_RESERVE = 64 << 20
#: Chunks that are packed at the same time, and how often the bytes of each are in memory meanwhile.
_PACKED_AT_ONCE, _PACKED_COPIES = 10, 2


def bytes_of(memory: Any) -> int:
    """Return a number of bytes; a quarter of the free memory for None.

    Parameters
    ----------
    memory : int, str or None
        Bytes, or a text such as ``"500MB"``, ``"1GB"`` (10^9 bytes) or ``"2GiB"`` (2 * 2^30).

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It is no size.

    Examples
    --------
    >>> bytes_of("1GB"), bytes_of("1.5 GiB"), bytes_of(4096)
    (1000000000, 1610612736, 4096)
    """
    if memory is None:
        return free_bytes() // _SHARE
    expected = "a number of bytes, such as 500MB or 2GiB"
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*(\d{1,18}(?:\.\d*)?)\s*([a-zA-Z]*)\s*", memory)
        if found is None or found[2].upper() not in _UNITS:
            raise ArgumentError("memory", expected, repr(memory))
        memory = int(float(found[1]) * _UNITS[found[2].upper()])
    if not is_integer(memory):
        raise ArgumentTypeError("memory", expected, repr(memory))
    if memory < 1:
        raise ArgumentError("memory", expected, repr(memory))
    return int(memory)


def base_bytes() -> int:
    """Return the memory that this process has now and that counts: as much as a process has that only filters files.

    What a longer session keeps besides is its own matter.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return min(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"), _BASE)
    except OSError:
        return _BASE


def fresh(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a new array in memory of its own, which goes back to the system when the array is dropped.

    The memory of other arrays of some megabytes stays with the process, in pieces between which nothing fits.

    Examples
    --------
    >>> fresh((2, 3), np.dtype("u1"))
    array([[0, 0, 0],
           [0, 0, 0]], dtype=uint8)
    """
    count = math.prod(shape)
    nbytes = count * dtype.itemsize
    if nbytes == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(mmap.mmap(-1, nbytes), dtype, count).reshape(shape)


class MemoryPlan(NamedTuple):
    """How a stream uses its memory.

    Parameters
    ----------
    box : tuple of int
        Outputs that are written at once.
    piece : tuple of int
        Outputs that are computed at once.
    overlap : bool
        Whether outputs are computed while others are written.
    cells : int
        Bytes of unpacked chunks that are kept.
    """

    box: tuple[int, ...]
    piece: tuple[int, ...]
    overlap: bool
    cells: int


class Demand(NamedTuple):
    """What a stream needs memory for.

    Parameters
    ----------
    shape, unit : tuple of int
        Of the result: its shape, and that of what is written as a whole.
    halo, strides : tuple of int
        Along each axis: samples that an output needs beside its own, and samples between neighbouring outputs.
    given, result : int
        Bytes of a sample, and of an output.
    packed : int
        Bytes of the result that are packed at once.
    unpacking : int
        Bytes that it takes to unpack the input, beside what is kept.
    in_order : bool
        Whether outputs are written in the order of the file.
    """

    shape: tuple[int, ...]
    unit: tuple[int, ...]
    halo: tuple[int, ...]
    strides: tuple[int, ...]
    given: int
    result: int
    packed: int = 0
    unpacking: int = 0
    in_order: bool = False

    def bytes_of(self, box: Sequence[int], piece: Sequence[int], overlap: bool) -> int:
        """Return the bytes that are in memory, with so many outputs that are written and computed at once."""
        box, piece = [*map(min, box, self.shape)], [*map(min, piece, self.shape)]
        written = math.prod(box) * self.result
        computed = 0 if piece == box else math.prod(piece) * self.result
        axes = zip(piece, self.strides, self.halo, strict=True)
        read = math.prod(length * step + more for length, step, more in axes) * self.given
        packed = _PACKED_COPIES * min(written, _PACKED_AT_ONCE * self.packed)
        return (2 if overlap else 1) * written + computed + 2 * read + packed


def arranged(demand: Demand, memory: int) -> MemoryPlan:
    """Return how a stream uses so much memory, beside what the process has already.

    Raises
    ------
    ArgumentError
        That is not enough for a single unit.
    """
    left = memory - _RESERVE - demand.unpacking
    grown = _ordered_box if demand.in_order else box_of_bytes
    least = math.inf
    # A file of some portions is read, computed and written at the same time; a single portion is not.
    largest = math.prod(demand.shape) * demand.result // _PORTIONS
    targets = [target for target in _TARGETS if target <= max(largest, _COMFORTABLE)]
    for overlap, target in itertools.product((True, False), targets):
        box = grown(demand.unit, demand.shape, demand.result, target)
        piece = _cut([*map(min, box, demand.shape)], demand.halo, demand.result, target)
        needed = demand.bytes_of(box, piece, overlap)
        least = min(least, needed)
        # What is left keeps unpacked chunks: without them, each would be unpacked for every portion beside it.
        comfortable = target >= _COMFORTABLE
        if needed <= (0.75 if comfortable else 1.0) * left and (comfortable or not overlap):
            return MemoryPlan(box, piece, overlap, left - needed)
    size = " x ".join(map(str, map(min, demand.unit, demand.shape)))
    megabytes = -(-(int(least) + base_bytes() + memory - left) // 10**6)
    remedy = "Allow more, or write smaller chunks or shards."
    received = f"{(memory + base_bytes()) / 10**6:g}MB"
    raise ArgumentError("memory", f"at least {megabytes}MB for blocks of {size}", received, remedy)


def _ordered_box(unit: Sequence[int], shape: Sequence[int], itemsize: int, most: float) -> tuple[int, ...]:
    """Return a box of units that are neighbours in a file: whole axes at the end, and single units before."""
    box = [*map(min, unit, shape)]
    for axis in reversed(range(len(box))):
        units = math.prod(-(-size // part) for size, part in zip(box, unit, strict=True))
        fits = int(min(most // (math.prod(box) * itemsize), MOST_UNITS // units))
        box[axis] = min(shape[axis], max(1, fits) * box[axis])
        if box[axis] < shape[axis]:
            break
    return tuple(-(-length // size) * size for length, size in zip(box, unit, strict=True))


def _cut(box: list[int], halo: Sequence[int], itemsize: int, target: int) -> tuple[int, ...]:
    """Return a shape of at most twice so many bytes: halves of the box, where it is longest for its halo."""
    while math.prod(box) * itemsize > 2 * target and max(box) > 1:
        axis = max(range(len(box)), key=lambda axis: (box[axis] > 1, box[axis] / (halo[axis] + 1)))
        box[axis] = -(-box[axis] // 2)
    return tuple(box)
