"""How is a ``.npy`` file read and written by regions? With reads and writes of rows, so that no page stays mapped."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.chunked.multiscales import NamedAxis
from faltung.chunked.portions import Portion, unit_counts
from faltung.chunked.streaming import PortionStream
from faltung.chunked.zarr_layout import ZarrLayout, default_layout
from faltung.errors import ArgumentError
from faltung.ground.given_arrays import npy_header
from faltung.ground.given_files import check_fits, open_regular
from faltung.ground.new_files import new_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NpySource", "RawArray", "write_npy"]


class RawArray:
    """An array that is stored as it is in memory, somewhere in a file.

    Parameters
    ----------
    path : path
        The file.
    offset : int
        Place of the first sample.
    shape, dtype
        Of the array, whose last axis is the fastest.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._offset, self._shape, self._dtype = path, offset, shape, dtype

    def read(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Return the samples in a slice for each axis."""
        lengths = [part.stop - part.start for part in index]
        samples = np.empty(lengths, self._dtype)
        whole = len(lengths)  # from this axis on, a region has all samples
        while whole and lengths[whole - 1] == self._shape[whole - 1]:
            whole -= 1
        outer = max(whole - 1, 0)
        run = math.prod(lengths[outer:]) * self._dtype.itemsize
        flat = samples.reshape(-1).view(np.uint8).data if samples.size else memoryview(b"")
        steps = [math.prod(self._shape[axis + 1 :]) for axis in range(len(self._shape))]
        with open(self._path, "rb", buffering=0) as file:
            before = itertools.product(*(range(part.start, part.stop) for part in index[:outer]))
            for number, places in enumerate(before):
                first = [*places, *(part.start for part in index[outer:])]
                at = sum(place * step for place, step in zip(first, steps, strict=True))
                file.seek(self._offset + at * self._dtype.itemsize)
                _fill(file, flat[number * run : (number + 1) * run])
        return samples


class NpySource:
    """A ``.npy`` file that is read by regions; an array in Fortran's order is read as its transpose.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    ArgumentError
        It is no such file, or it is damaged.
    """

    packed = False

    def __init__(self, path: Path) -> None:
        try:
            with open_regular(path) as file:
                shape, self.transposed, dtype = npy_header(file)
                offset = file.tell()
            if offset + math.prod(shape) * dtype.itemsize > os.path.getsize(path):
                raise ValueError("it is shorter than it says")
        except (ValueError, OSError) as error:
            received = f"'{path}' ({' '.join(str(error).split())[:200]})"
            raise ArgumentError("source", "a .npy file, or the folder of a Zarr array", received) from error
        self.folder = path
        self.axes = (NamedAxis(""),) * len(shape)
        self.shape: tuple[int, ...] = shape[::-1] if self.transposed else shape
        self.stored = dtype
        self.dtype: np.dtype[Any] = dtype.newbyteorder("=")
        self.chunk = (1,) * len(shape)
        self._raw = RawArray(path, offset, self.shape, dtype)

    def read(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Return samples."""
        return self._raw.read(index).astype(self.dtype, copy=False)

    @property
    def layout(self) -> ZarrLayout:
        """How an array of Zarr is stored that is made of it."""
        return default_layout(self.shape)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What changes if the file does."""
        found = os.stat(self.folder)
        return {
            "path": os.path.realpath(self.folder),
            "shape": list(self.shape),
            "dtype": str(self.stored),
            "size": found.st_size,
            "time": found.st_mtime_ns,
        }


def write_npy(
    path: Path,
    stream: PortionStream,
    dtype: np.dtype[Any],
    transposed: bool,
    memory: int,
    workers: int | None,
    tell: Any,
) -> None:
    """Write the result of a stream to a file, whole or not at all."""
    shape = stream.shape[::-1] if transposed else stream.shape
    counts = unit_counts(stream.shape, stream.unit)
    check_fits(math.prod(counts))
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": transposed, "shape": shape}
    with new_file(path, "out") as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_2_0(file, header)

        def write(portion: Portion, outputs: NDArray[Any]) -> None:
            file.write(np.ascontiguousarray(outputs, dtype).reshape(-1).view(np.uint8).data)

        stream.run(write, np.zeros(counts, bool), memory, workers, tell)


def _fill(file: Any, space: memoryview) -> None:
    while len(space):
        count = file.readinto(space)
        if not count:
            raise OSError("the file is shorter than it says")
        space = space[count:]
