"""The tables that the transforms of one tiling read: stages, twiddles, and spectra in the order of the code.

Spectra are computed by NumPy in double precision and rounded once: more precisely than the transforms of tiles.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engines.fourier.butterfly import frequencies, radices, twiddles
from faltung.engines.fourier.overlap import LINE_BYTES, Tiling
from faltung.engines.fourier.transform import STAGE, STAGES, TILE
from faltung.ground.bounded import Bounded
from faltung.ground.lazy import lazy
from faltung.jit.target import Target

__all__ = ["Plane", "aligned", "plane_of"]

#: Most planes whose tables are kept, and most bytes of these tables.
MOST_PLANES, MOST_BYTES = 256, 1 << 25
#: Bytes of the vectors that go through all stages of an axis together, so few that they stay in the cache.
CHUNK = 1 << 18


def aligned(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array to an address that is a multiple of the size of any vector."""
    copy = _aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array at such an address; its values are not set."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


class Plane:
    """A plane for one tiling.

    Parameters
    ----------
    tiling : Tiling
        Its size, and which of its axes are transformed.
    number : dtype
        The dtype of its parts.
    target : Target
        The processor.

    Attributes
    ----------
    table : ndarray
        The entries `TILE` for the machine code.
    bytes, buffer_bytes, spectrum_bytes : int
        Sizes of the plane itself, of the buffer for a group of its rows, and of a transform of the whole plane.
    """

    def __init__(self, tiling: Tiling, number: np.dtype[np.floating], target: Target) -> None:
        self.tiling = tiling
        self.number = number
        self.lanes = target.lanes("float" if number.itemsize == 4 else "double")
        slabs, rows, columns = tiling.plane
        part = columns * number.itemsize
        row_stride = tiling.row_bytes(number.itemsize)
        width = self.lanes * number.itemsize
        self.bytes = tiling.bytes(number.itemsize)
        self.buffer_bytes = 2 * columns * width
        self.spectrum_bytes = slabs * (rows // self.lanes) * self.buffer_bytes
        alone = tiling.kind == "rows"
        self._orders: list[NDArray[np.int64]] = []
        stages = []
        for size, transformed in zip(tiling.plane, (slabs > 1, rows > 1 and not alone, True), strict=True):
            chosen = radices(size, target.registers) if transformed else ()
            self._orders.append(frequencies(chosen))
            stages.append(_stages(size, chosen, number))
        twists = self.laid_out(self._grouped(self._twists())) if tiling.kind == "line" else None
        entries = {
            "slabs": slabs,
            "rows": rows,
            "columns": columns,
            "slab_stride": self.bytes // slabs,
            "row_stride": row_stride,
            "imaginary": part,
            "slab_chunk": max(1, CHUNK // (2 * width * slabs)),
            "row_chunk": max(1, CHUNK // (2 * width * rows)),
            "spectrum_slab": 0 if alone else rows // self.lanes * self.buffer_bytes,
            "spectrum_group": 0 if alone else self.buffer_bytes,
            "twists": 0 if twists is None else twists.ctypes.data,
        }
        for axis, (table, _) in zip(("slab", "row", "column"), stages, strict=True):
            entries[f"{axis}_stages"], entries[f"{axis}_stage_count"] = table.ctypes.data, len(table)
        self.table = np.array([entries[name] for name in TILE], np.int64)
        self._keep = stages, twists  # the tables point to these

    def spectrum(self, taps: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the conjugate of the transform of real taps, with frequencies in the order of the code."""
        if self.tiling.kind == "line":
            half = np.fft.rfft(taps.ravel(), self.tiling.points)
        else:
            half = np.fft.rfftn(taps, [len(order) for order in self._orders], axes=(0, 1, 2))
        # The transform of real taps at minus a frequency is the conjugate of that at the frequency.
        places, signs = self._places
        spectrum: NDArray[np.complex128] = half.take(places)
        spectrum.imag *= signs
        return spectrum

    @lazy
    def _places(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """For each point of a spectrum in the order of the code: where the transform has it, and the sign of i."""
        slabs, rows, columns = self._orders
        if self.tiling.kind == "line":
            points = self.tiling.points
            along = np.add.outer(rows, self.tiling.plane[1] * columns)[None]
            places = self._grouped(np.minimum(along, points - along))
            return places, self._grouped(np.where(along > points // 2, 1.0, -1.0))
        size = len(columns)
        mirrored = columns > size // 2
        stored = (len(slabs), len(rows), size // 2 + 1)
        signs = np.where(mirrored, -1, 1)
        moved = (signs * slabs[:, None, None] % len(slabs), signs * rows[:, None] % len(rows), signs * columns % size)
        places = np.ravel_multi_index(np.broadcast_arrays(*moved), stored)
        if self.tiling.kind == "rows":
            places = np.broadcast_to(places, (1, self.lanes, size))
        return self._grouped(places), np.where(mirrored, 1.0, -1.0)[:, None]

    def laid_out(self, spectrum: NDArray[np.complex128]) -> NDArray[np.floating]:
        """Return a spectrum in memory as the code reads it: for each group and column a vector of each part."""
        parts = _aligned((*spectrum.shape[:-1], 2, self.lanes), self.number)
        parts[..., 0, :], parts[..., 1, :] = spectrum.real, spectrum.imag
        return parts

    def _grouped(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of all points (slabs, rows, columns) as (slabs, groups of rows, columns, lanes)."""
        slabs, rows, columns = values.shape
        groups = values.reshape(slabs, rows // self.lanes, self.lanes, columns)
        return np.ascontiguousarray(groups.swapaxes(2, 3))

    @property
    def kept_bytes(self) -> int:
        """Bytes of all tables, approximately: those of the stages, the twists, and the places of the spectrum."""
        points = max(self.tiling.points, self.lanes * self.tiling.size)
        return 4 * self.number.itemsize * points + 16 * points + 4096

    def _twists(self) -> NDArray[np.complex128]:
        # The transform of n1 n2 points is one along the n1 rows, these factors, and one along the n2 columns.
        products = np.multiply.outer(self._orders[1], np.arange(self.tiling.plane[2])) % self.tiling.points
        return np.exp(-2j * np.pi / self.tiling.points * products)[None]


_planes: Bounded[tuple[Any, ...], Plane] = Bounded(MOST_PLANES, MOST_BYTES)


def plane_of(tiling: Tiling, number: np.dtype[np.floating], target: Target) -> Plane:
    """Return the plane for a tiling; planes do not depend on taps, and recent ones are kept."""
    key = (tiling, number, target)
    plane = _planes.get(key)
    if plane is None:
        plane = Plane(tiling, number, target)
        if plane.kept_bytes <= MOST_BYTES:  # a larger one would stay alone, and for ever
            _planes.put(key, plane, plane.kept_bytes)
    return plane


def _stages(
    size: int, chosen: tuple[int, ...], number: np.dtype[np.floating]
) -> tuple[NDArray[np.int64], list[NDArray[np.floating]]]:
    """Return the table of the stages of an axis, and the factors that it points to."""
    table, factors, blocks = np.zeros((len(chosen), len(STAGE)), np.int64), [], 1
    for row, radix in zip(table, chosen, strict=True):
        count = size // (blocks * radix)
        factors.append(twiddles(radix, count, number))
        row[:] = STAGES.index(("last" if count == 1 else "inner", radix)), count, blocks, factors[-1].ctypes.data
        blocks *= radix
    return table, factors
