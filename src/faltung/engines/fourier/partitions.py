"""How is a kernel applied that is longer than the transforms? In partitions, whose products are added up as spectra.

A kernel is cut into partitions of one length, and the signal into blocks of that length. Each window of two blocks is
transformed once. The spectrum of an output block is a sum over partitions::

    spectrum of outputs b = window(b) partition(0) + window(b - 1) partition(1) + window(b - 2) partition(2) + ...

and is transformed back once. So a partition costs one product of spectra for each block, and no transform. A window
holds complex numbers: two real signals, or one complex signal.

T. G. Stockham, "High-speed convolution and correlation", 1966; W. G. Gardner, "Efficient convolution without
input-output delay", 1995.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faltung.engines.fourier.butterfly import ComplexVectors, call, for_range
from faltung.engines.fourier.overlap import LANES, Tiling
from faltung.engines.fourier.spectrum import Plane, aligned
from faltung.engines.fourier.transform import FILTER, PAIR, analyse, parts, restore
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.target import Target, host

__all__ = ["SHORTEST", "Partitions"]

#: The shortest partition: windows are long lines of whole vectors.
SHORTEST = LANES * LANES // 2
#: Bytes of a sum that stay in the first-level cache while products are added to it.
PIECE = 1 << 13

#: Parameters of ``add_products``; `factors` holds the addresses of two spectra for each product.
_PRODUCTS = {"sum": "ptr", "factors": "ptr", "count": "i64", "pieces": "i64", "vectors": "i64"}


class Partitions:
    """Windows of one length: their transforms, products and sums.

    An object holds the plane in which it transforms, so only one thread may use it at a time.

    Parameters
    ----------
    length : int
        Taps of a partition and samples of a block, a power of two from `SHORTEST` on.
    number : dtype
        float32 or float64.

    Attributes
    ----------
    size : int
        Numbers of a spectrum.
    """

    def __init__(self, length: int, number: np.dtype[np.floating]) -> None:
        target, name = host(), "float" if number.itemsize == 4 else "double"
        self.length, self.number = length, number
        rows = 1 << ((2 * length).bit_length() - 1) // 2
        columns = 2 * length // rows
        self._plane = Plane(Tiling((1, rows, columns), (None, None, 0), "line", (length,)), number, target)
        self.size = self._plane.spectrum_bytes // number.itemsize
        lanes = self._plane.lanes
        vectors = columns // lanes
        pair = {"rows_in": rows, "vectors_in": vectors, "rows_out": rows, "vectors_out": vectors}
        self._pair = np.array([{**pair, "groups": rows // lanes}[name] for name in PAIR], np.int64)
        memory = aligned(np.zeros(self._plane.bytes, np.uint8))
        stride = self._plane.tiling.row_bytes(number.itemsize) // number.itemsize
        table = memory[: rows * stride * number.itemsize].view(number).reshape(rows, stride)
        #: The real and the imaginary part of the window, row by row.
        self._parts = table[:, :columns], table[:, columns : 2 * columns]
        self._keep = memory
        #: Addresses that every call gets: those of scratch and spectrum are not used.
        self._plane_at = memory.ctypes.data
        self._tables = (0, 0, self._plane.table.ctypes.data, self._pair.ctypes.data)
        self._forward, self._backward = (_transforms(name, target, way) for way in ("analyse", "restore"))
        self._add = _products(name, target)
        # A sum is cut into pieces of whole complex vectors.
        whole = self._plane.spectrum_bytes // (2 * lanes * number.itemsize)
        piece = min(whole, PIECE // (2 * lanes * number.itemsize))
        self._pieces = whole // piece, piece

    def spectrum(self, taps: NDArray[np.inexact]) -> NDArray[np.floating]:
        """Return the spectrum of a partition, by which windows are multiplied.

        Parameters
        ----------
        taps : ndarray
            As many real or complex taps as the partition has, the tap of the least lag first. The real part is for
            the real part of the output, as if the window were real.
        """
        reflected = np.zeros(2 * self.length, taps.dtype)
        reflected[1 : self.length + 1] = taps[::-1] / (2 * self.length)
        plane, spectrum = self._plane, None
        for factor, part in ((1, reflected.real), (1j, reflected.imag)):
            if factor == 1 or part.any():
                one = factor * plane.spectrum(np.asarray(part, np.float64).reshape(1, 1, -1))
                spectrum = one if spectrum is None else spectrum + one
        assert spectrum is not None
        return plane.laid_out(spectrum).reshape(-1)

    def transform(self, real: NDArray[np.floating], imaginary: NDArray[np.floating] | None, target: int) -> None:
        """Transform a window of two blocks; `target` is the address of its spectrum."""
        for part, samples in zip(self._parts, (real, imaginary), strict=True):
            part[...] = 0 if samples is None else samples.reshape(part.shape)
        self._forward(self._plane_at, target, *self._tables)

    def add_products(self, total: int, factors: int, count: int) -> None:
        """Add products of spectra to a sum.

        Parameters
        ----------
        total : int
            The address of the sum.
        factors : int
            The address of a table with a row of two addresses for each product: those of its factors.
        count : int
            Number of products.
        """
        self._add(total, factors, count, *self._pieces)

    def restore(self, total: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return both parts of a block of outputs; the sum at the address is overwritten."""
        self._backward(self._plane_at, total, *self._tables)
        half = len(self._parts[0]) // 2
        re, im = (part[:half].reshape(-1) for part in self._parts)
        return re, im


@compiled_once
def _transforms(number: str, target: Target, name: str) -> Callable[..., int]:
    lanes = target.lanes(number)
    f = Function(f"{name}_window", FILTER)
    f.do(f"ret i32 {call(f, name, FILTER, {key: f'%{key}' for key in FILTER})}")
    written = analyse(number, lanes) if name == "analyse" else restore(number, lanes)
    return compile_function(module(*parts(number, lanes), written, f), f.name, ctypes_of(FILTER), target)


@compiled_once
def _products(number: str, target: Target) -> Callable[..., int]:
    text = module(_add_products(number, target.lanes(number)))
    return compile_function(text, "add_products", ctypes_of(_PRODUCTS), target)


def _add_products(number: str, lanes: int) -> Function:
    """Write ``add_products``, piece by piece of the sum."""
    f = Function("add_products", _PRODUCTS)
    vectors = ComplexVectors(f, number, lanes)
    piece_bytes = f.multiply("%vectors", 2 * vectors.width)

    def one_piece(piece: Value) -> None:
        start = f.multiply(piece, piece_bytes)
        sums = f.at("%sum", start)

        def one_product(index: Value) -> None:
            window, partition = (
                f.at(f.value(f"inttoptr i64 {f.entry('%factors', f.add(f.multiply(index, 2), k))} to ptr"), start)
                for k in range(2)
            )

            def one_vector(column: Value) -> None:
                offset = f.multiply(column, 2 * vectors.width)
                a, b = (vectors.load(f.at(factor, offset), vectors.width) for factor in (window, partition))
                place = f.at(sums, offset)
                vectors.store(vectors.plus_product(vectors.load(place, vectors.width), a, b), place, vectors.width)

            for_range(f, "%vectors", one_vector)

        for_range(f, "%count", one_product)

    for_range(f, "%pieces", one_piece)
    f.do("ret i32 0")
    return f
