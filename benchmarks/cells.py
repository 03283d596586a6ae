"""What is measured? Cells: an array, and the filters that are applied to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fa

Run = Callable[[], Any]
"""A call that filters the array of a cell, and returns an array of the library that it uses."""

Terms = tuple[tuple[NDArray[np.float64], ...], ...]

FAMILIES = {
    "2d": "dense",
    "uint8": "uint8",
    "colour": "uint8, three colours",
    "gauss": "Gaussian",
    "box": "box",
    "edges": "edges, blobs, blurs",
    "bank": "bank",
    "1d": "signals",
    "3d": "volumes",
}


@dataclass(frozen=True, eq=False)
class Cell:
    """An array and what it is filtered with.

    Parameters
    ----------
    family, filter : str
        A key of `FAMILIES`, and the name of the filter.
    shape, dtype
        Shape and dtype of the array. The result has the same, with one more axis in front for several kernels.
    kernels : tuple of Kernel
        Kernels of odd size with the origin in the middle, which extend over the last axes before that of the
        channels; several are a bank.
    terms : tuple of tuple of ndarray
        Outer products that add up to the only kernel, each with one factor for each axis of it; empty if a user of
        the other libraries would not know any.
    known : tuple
        Name and parameters of a filter for which other libraries have a function.
    channels : int
        Length of the last axis, if it is that of colours; each is filtered by itself.
    """

    family: str
    filter: str
    shape: tuple[int, ...]
    dtype: str
    kernels: tuple[fa.Kernel, ...]
    terms: Terms = ()
    known: tuple[Any, ...] = ()
    channels: int = 0

    def image(self) -> NDArray[Any]:
        """Return the array, the same for all contenders."""
        rng = np.random.default_rng(0)
        if self.dtype == "uint8":
            return rng.integers(0, 256, self.shape, dtype=np.uint8)
        return rng.random(self.shape, dtype=np.float32)

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.shape if len(self.kernels) == 1 else (len(self.kernels), *self.shape)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Lengths of the axes that the kernels extend over."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that the kernels extend over."""
        end = len(self.shape) - bool(self.channels)
        return tuple(range(end - self.kernels[0].ndim, end))

    @property
    def samples(self) -> int:
        """Number of outputs."""
        return math.prod(self.result_shape)

    @cached_property
    def taps(self) -> NDArray[np.float64]:
        """Taps of all kernels, one after the other along the first axis."""
        return np.stack([kernel.taps for kernel in self.kernels])

    @property
    def multiply_adds(self) -> float:
        """Multiply-adds of the definition."""
        return float(self.samples) * math.prod(self.taps.shape[1:])

    @property
    def pass_multiply_adds(self) -> float:
        """Multiply-adds of the passes along each axis."""
        return float(self.samples) * sum(factor.size for term in self.terms for factor in term)

    @property
    def inner(self) -> tuple[Any, ...]:
        """Index of the outputs that do not depend on samples beyond the border."""
        border = [slice(size, -size) if size > 1 else slice(None) for size in self.taps.shape[1:]]
        return (..., *border, *[slice(None)] * bool(self.channels))

    @property
    def label(self) -> str:
        """Name of the cell within its family."""
        usual = {"1d": (1_000_000,), "3d": (160, 160, 160), "bank": (1024, 1024)}.get(self.family, (2048, 2048))
        return self.filter if self.shape == usual else f"{self.filter}, {size_text(self.shape)}"

    def __str__(self) -> str:
        """Return the cell in one line."""
        return f"{self.filter} on {size_text(self.shape)} {self.dtype}"


def size_text(shape: Sequence[int]) -> str:
    """Return a shape as people write it."""
    raised = {2: "²", 3: "³"}.get(len(shape), "")
    return f"{shape[0]}{raised}" if raised and len(set(shape)) == 1 else " x ".join(map(str, shape))


def dense(size: int, width: int, dtype: str = "float32", channels: int = 0) -> Cell:
    """Random taps, without any structure."""
    taps = np.random.default_rng(width).random((width, width))
    return Cell(
        _family("2d", dtype, channels),
        f"dense {width}",
        _picture(size, channels),
        dtype,
        (fa.Kernel(taps / taps.sum()),),
        channels=channels,
    )


def _family(usual: str, dtype: str, channels: int) -> str:
    return "colour" if channels else "uint8" if dtype == "uint8" else usual


def _picture(size: int, channels: int, ndim: int = 2) -> tuple[int, ...]:
    return (size,) * ndim + (channels,) * bool(channels)


def gaussian(size: int, sigma: float, dtype: str = "float32", ndim: int = 2, channels: int = 0) -> Cell:
    line = fa.gaussian(sigma, ndim=1).taps
    family = _family("3d" if ndim == 3 else "gauss", dtype, channels)
    kernel, shape = fa.gaussian(sigma, ndim=ndim), _picture(size, channels, ndim)
    known = ("gaussian", float(sigma))
    return Cell(family, f"Gaussian {sigma:g}", shape, dtype, (kernel,), ((line,) * ndim,), known, channels)


def box(size: int, width: int, dtype: str = "float32", ndim: int = 2, channels: int = 0) -> Cell:
    line = np.full(width, 1 / width)
    family = _family("3d" if ndim == 3 else "box", dtype, channels)
    kernel, shape = fa.box(width, ndim=ndim), _picture(size, channels, ndim)
    return Cell(family, f"box {width}", shape, dtype, (kernel,), ((line,) * ndim,), ("box", width), channels)


def sobel(size: int, dtype: str = "float32", channels: int = 0) -> Cell:
    terms = ((np.array([1.0, 2.0, 1.0]), np.array([1.0, 0.0, -1.0])),)
    shape = _picture(size, channels)
    return Cell(
        _family("edges", dtype, channels), "Sobel", shape, dtype, (fa.sobel(axis=1),), terms, ("sobel",), channels
    )


def laplacian_of_gaussian(size: int, sigma: float) -> Cell:
    line = fa.gaussian(sigma, ndim=1).taps
    second = fa.gaussian_derivative(sigma, 2, ndim=1).taps
    terms = ((second, line), (line, second))
    return Cell("edges", f"LoG {sigma:g}", (size, size), "float32", (fa.log(sigma),), terms, ("log", float(sigma)))


def difference_of_gaussians(size: int, low: float, high: float) -> Cell:
    narrow, wide = (fa.gaussian(sigma, ndim=1).taps for sigma in (low, high))
    terms = ((narrow, narrow), (-wide, wide))
    return Cell("edges", f"DoG {low:g}, {high:g}", (size, size), "float32", (fa.dog(low, high),), terms)


def disk(size: int, radius: float) -> Cell:
    return Cell("edges", f"disk {radius:g}", (size, size), "float32", (fa.disk(radius),))


def motion(size: int, length: float, degrees: float) -> Cell:
    kernel = fa.motion(length, math.radians(degrees))
    return Cell("edges", f"motion {length:g} at {degrees:g}°", (size, size), "float32", (kernel,))


def gabors(size: int, frequencies: Sequence[float], angles: int, width: int) -> Cell:
    """Gabor kernels of one size, twice as long as wide, so that they are not outer products."""
    kernels = []
    for frequency in frequencies:
        for turn in range(angles):
            sigma = width / 10
            wave = fa.gabor(frequency, turn * math.pi / angles, sigma_x=sigma, sigma_y=2 * sigma, truncate=10)
            middle = tuple(slice(at - width // 2, at + width // 2 + 1) for at in wave.origin)
            kernels.append(fa.Kernel(wave.taps.real[middle]))
    return Cell("bank", f"{len(kernels)} Gabors {width}", (size, size), "float32", tuple(kernels))


def signal(length: int, width: int, batch: int = 0) -> Cell:
    """Random taps along the last axis."""
    taps = np.random.default_rng(width).random(width)
    taps /= taps.sum()
    shape = (batch, length) if batch else (length,)
    return Cell("1d", f"{width} taps", shape, "float32", (fa.Kernel(taps),), ((taps,),))


def volume(size: int, width: int) -> Cell:
    """Random taps in three dimensions."""
    taps = np.random.default_rng(width).random((width,) * 3)
    return Cell("3d", f"dense {width}", (size,) * 3, "float32", (fa.Kernel(taps / taps.sum()),))


def grid() -> Iterator[Cell]:
    """Yield every cell, family by family."""
    widths = {
        2048: (3, 5, 7, 9, 11, 15, 21, 31, 63, 127),
        64: (3, 7, 15),
        128: (3, 5, 7),
        256: (3, 7, 15, 31),
        512: (3, 7, 15, 63),
        1024: (5, 11, 31, 127),
        4096: (3, 7, 15, 31, 63),
    }
    yield from (dense(size, width) for size in widths for width in widths[size])
    yield from (dense(2048, width, "uint8") for width in (3, 5, 7, 11, 15))
    yield from (gaussian(2048, sigma, "uint8") for sigma in (1, 2, 3, 5))
    yield from (box(2048, width, "uint8") for width in (3, 9))
    yield sobel(2048, "uint8")
    yield from (dense(1024, width, "uint8", channels=3) for width in (3, 5))
    yield from (gaussian(1024, sigma, "uint8", channels=3) for sigma in (1, 2, 5))
    yield from (box(1024, 9, "uint8", channels=3), sobel(1024, "uint8", channels=3))
    yield from (gaussian(2048, sigma) for sigma in (1, 2, 3, 5, 10, 20))
    yield from (gaussian(512, sigma) for sigma in (1, 3, 10))
    yield from (gaussian(size, 2) for size in (64, 128, 256))
    yield from (box(size, 5) for size in (64, 256))
    yield from (box(2048, width) for width in (3, 5, 9, 31, 101))
    yield from (sobel(2048), laplacian_of_gaussian(2048, 2), difference_of_gaussians(2048, 1, 1.6))
    yield from (disk(2048, 5), disk(2048, 15), motion(2048, 15, 30))
    yield gabors(1024, (0.05, 0.1, 0.15, 0.2, 0.25), 8, 31)
    yield from (signal(1_000_000, width) for width in (11, 101, 1001, 10_001, 100_001))
    yield from (signal(10_000, width, batch=64) for width in (101, 1001))
    yield from (volume(160, width) for width in (3, 7, 15))
    yield from (gaussian(160, 2, ndim=3), box(160, 9, ndim=3))
