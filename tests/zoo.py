"""Kernels and arrays that every engine is tested with."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fa
from expressions import dilated, low_rank
from faltung.ground import boundary
from faltung.planning.planner import METHODS

MODES = tuple(boundary.MODES)


def _noise(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng([7, *shape]).standard_normal(shape)


def _place(shape: tuple[int, ...], *at: int) -> NDArray[np.float64]:
    taps = np.zeros(shape)
    taps[at] = 1.5
    return taps


def _rank(rank: int, *shape: int) -> NDArray[np.float64]:
    rng = np.random.default_rng([rank, *shape])
    terms = [functools.reduce(np.multiply.outer, [rng.standard_normal(n) for n in shape]) for _ in range(rank)]
    return np.sum(terms, axis=0)


KERNELS: dict[str, fa.Kernel] = {
    # one axis
    "delta of a signal": fa.delta(ndim=1),
    "box of a signal": fa.box(9, ndim=1),
    "even box of a signal": fa.box(4, ndim=1),
    "wide box of a signal": fa.box(65, ndim=1),
    "box cubed of a signal": fa.box(7, ndim=1) ** 3,
    "binomial of a signal": fa.binomial(6, ndim=1),
    "gaussian of a signal": fa.gaussian(3.0, ndim=1),
    "noise of a signal": fa.Kernel(_noise(40)),
    "echo": fa.Kernel(_place((50,), 3) + 0.5 * _place((50,), 49)),
    "complex signal": fa.Kernel(_noise(9) + 1j * _noise(9)[::-1]),
    # two axes
    "delta": fa.delta(),
    "shift": fa.Kernel([[1.0]], (2, -3)),
    "single tap": fa.Kernel(_place((5, 4), 4, 0)),
    "far origin": fa.Kernel(_noise(3, 3), (-9, 12)),
    "box": fa.box(3),
    "even box": fa.box((4, 6)),
    "wide box": fa.box((21, 33)),
    "box along one axis": fa.box((1, 17)),
    "box squared": fa.box(5) ** 2,
    "binomial": fa.binomial(4),
    "gaussian": fa.gaussian(1.0),
    "wide gaussian": fa.gaussian((4.0, 3.0)),
    "gaussian of long tails": fa.gaussian(1.0, truncate=10.0),  # products of its factors underflow
    "cancelled taps": fa.Kernel([[0.1, 0.2, -0.3]]) * fa.Kernel([[1.0, 1.0, 1.0, 0.7], [2.0, 2.0, 2.0, 1.4]]),
    "gaussian derivative": fa.gaussian_derivative(1.5, 2, 1),
    "sobel": fa.sobel(0),
    "sobel of a gaussian": fa.sobel(1) * fa.gaussian(1.5),
    "box of a gaussian": fa.box(9) * fa.gaussian(1.0),
    "box of noise": fa.box(9) * fa.Kernel(_noise(5, 5)),
    "laplacian": fa.laplacian(),
    "log": fa.log(1.5),
    "dog": fa.dog(1.0),
    "unsharp": fa.unsharp(2.0),
    "sum of boxes": fa.box(7) - 0.5 * fa.box((3, 11)),
    "disk": fa.disk(5.0),
    "motion": fa.motion(9.0, 0.5),
    "gabor": fa.gabor(0.2, 0.6, sigma_x=2.0, sigma_y=2.0),
    "sparse": fa.Kernel(_noise(23, 19) * (np.abs(_noise(19, 23).T) > 2)),
    "dilated": fa.Kernel(dilated(np.random.default_rng(3), 2, 9)),
    "rank 1": fa.Kernel(_rank(1, 9, 7)),
    "rank 2": fa.Kernel(_rank(2, 15, 15)),
    "rank 3": fa.Kernel(low_rank(np.random.default_rng(1), [25, 21])),
    "rank 5": fa.Kernel(_rank(5, 33, 31)),
    "noise": fa.Kernel(_noise(5, 4)),
    "much noise": fa.Kernel(_noise(17, 18)),
    "positive noise": fa.Kernel(np.abs(_noise(6, 7))),
    "nothing": fa.Kernel(np.zeros((3, 5))),
    "complex": fa.Kernel(_noise(4, 5) + 1j * _noise(5, 4).T),
    # more axes
    "box of a volume": fa.box(5, ndim=3),
    "gaussian of a volume": fa.gaussian(1.0, ndim=3),
    "laplacian of a volume": fa.laplacian(ndim=3),
    "noise of a volume": fa.Kernel(_noise(3, 4, 3)),
    "rank 2 of a volume": fa.Kernel(_rank(2, 5, 5, 5)),
    "box of four axes": fa.box(3, ndim=4),
    "noise of four axes": fa.Kernel(_noise(2, 3, 2, 3)),
}

SHAPES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1,), (7,), (300,), (5, 90)),
    2: ((1, 3), (9, 6), (70, 90), (2, 33, 41)),
    3: ((3, 2, 4), (14, 15, 17)),
    4: ((4, 3, 5, 6),),
}
#: Dtypes besides float32, which every kernel is tested with. Each dtype needs machine code of its own, which takes
#: most of the time of a test, so every second kernel has one of them.
DTYPES = ("f8", "u1", "i2", "f2", ">f4", "c8", "i4", "?")


@dataclass(frozen=True)
class Case:
    """An array, and how it continues beyond its border."""

    x: NDArray[Any]
    mode: str
    cval: float


def cases(name: str) -> Iterator[Case]:
    """Yield arrays for a kernel, some of them smaller than the kernel, with shapes, modes and dtypes in turn."""
    turn = [*KERNELS].index(name)
    other, odd = divmod(turn, 2)
    for count, shape in enumerate(SHAPES[KERNELS[name].ndim]):
        for again, dtype in enumerate(("f4",) if odd else ("f4", DTYPES[other % len(DTYPES)])):
            yield Case(samples(shape, dtype), MODES[(turn + 2 * count + again) % len(MODES)], 0.5)


def samples(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return noise over the range of a dtype, unless sums of products would overflow."""
    rng = np.random.default_rng([11, *shape])
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    if kind.kind in "iu":
        return rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape, kind, endpoint=True)
    if kind.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(kind)
    return rng.standard_normal(shape).astype(kind)


def largest(name: str) -> tuple[int, ...]:
    """Return the shape with most samples for a kernel."""
    return max(SHAPES[KERNELS[name].ndim], key=np.prod)


def possible(plan: fa.Plan) -> list[str]:
    """Return all methods that are possible for a plan."""
    able = {candidate.method for candidate in plan.candidates if candidate.seconds < np.inf}
    return [method for method in METHODS if method in able]
