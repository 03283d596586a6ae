"""Arrays to filter, the same in every run, and comparisons of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import ndimage

#: The modes that SciPy has; `zoo.MODES` are those of faltung.
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")


def noise(shape: int | Sequence[int]) -> np.random.Generator:
    """Return a generator that depends on the shape only: a test draws the same numbers alone and with other tests."""
    return np.random.default_rng([20, *np.atleast_1d(shape)])


def normal(shape: int | Sequence[int], dtype: DTypeLike = "f4") -> NDArray[Any]:
    return noise(shape).standard_normal(shape).astype(dtype)


def complex_normal(shape: int | Sequence[int], dtype: DTypeLike = "c8") -> NDArray[Any]:
    rng = noise(shape)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def small_integers(shape: int | Sequence[int]) -> NDArray[np.float64]:
    return noise(shape).integers(-9, 9, shape).astype(float)


def misplaced(x: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of the samples at addresses that are not aligned."""
    view = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def by_scipy(call: str, x: NDArray[Any], taps: NDArray[Any], mode: str, axes: Sequence[int]) -> NDArray[Any]:
    """Return the result of SciPy in double precision."""
    sizes = np.ones(x.ndim, int)
    sizes[list(axes)] = taps.shape
    spread = taps.transpose(np.argsort(axes)).reshape(sizes)
    kind = np.complex128 if x.dtype.kind == "c" or taps.dtype.kind == "c" else np.float64
    return getattr(ndimage, call)(x.astype(kind), spread.astype(kind), mode=mode)


def assert_same_bits(first: NDArray[Any], second: NDArray[Any]) -> None:
    assert (first.dtype, first.shape) == (second.dtype, second.shape)
    assert first.tobytes() == second.tobytes()
