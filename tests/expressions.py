"""Random kernels, as expressions: named filters and boxes, and their products and sums."""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import add, mul

import numpy as np

import faltung as fa

Draw = Callable[[np.random.Generator], fa.Kernel]


def _size(rng: np.random.Generator, most: int) -> int:
    """Return an integer from one to `most`, uniform on a logarithmic scale."""
    return int(np.exp(rng.uniform(0, np.log(most + 0.99))))


def _named(ndim: int, most: int) -> dict[str, Draw]:
    """Return filters with `ndim` dimensions and at most about `most` taps along an axis."""
    sigma = most / 9

    def positive(rng: np.random.Generator, largest: float) -> float:
        return float(rng.uniform(0.3, max(0.4, largest)))

    everywhere: dict[str, Draw] = {
        "delta": lambda rng: fa.delta(ndim=ndim),
        "box": lambda rng: fa.box([_size(rng, most) for _ in range(ndim)]),
        "binomial": lambda rng: fa.binomial(_size(rng, most - 1), ndim=ndim),
        "gaussian": lambda rng: fa.gaussian([positive(rng, sigma) for _ in range(ndim)]),
        "log": lambda rng: fa.log(positive(rng, sigma), ndim=ndim),
        "dog": lambda rng: fa.dog(positive(rng, sigma / 1.6), ndim=ndim),
        "unsharp": lambda rng: fa.unsharp(positive(rng, sigma), ndim=ndim),
        "laplacian": lambda rng: fa.laplacian(ndim=ndim),
        "sobel": lambda rng: fa.sobel(int(rng.integers(ndim)), ndim=ndim),
        "derivative": lambda rng: fa.gaussian_derivative(
            positive(rng, sigma), int(rng.integers(1, 3)), int(rng.integers(ndim)), ndim=ndim
        ),
        "shift": lambda rng: fa.Kernel(np.ones((1,) * ndim), rng.integers(-3, 4, ndim).tolist()),
        "noise": lambda rng: fa.Kernel(rng.standard_normal([_size(rng, min(most, 12)) for _ in range(ndim)])),
        "low rank": lambda rng: fa.Kernel(low_rank(rng, [_size(rng, most) for _ in range(ndim)])),
        "dilated": lambda rng: fa.Kernel(dilated(rng, ndim, most)),
    }
    flat: dict[str, Draw] = {
        "disk": lambda rng: fa.disk(positive(rng, most / 2)),
        "motion": lambda rng: fa.motion(positive(rng, most), positive(rng, 3.0)),
        "gabor": lambda rng: fa.gabor(0.3, positive(rng, 3.0), sigma_x=positive(rng, sigma), sigma_y=sigma),
    }
    return everywhere | (flat if ndim == 2 else {})


def low_rank(rng: np.random.Generator, sizes: list[int]) -> np.ndarray:
    """Return a sum of at most four outer products."""
    terms = [[rng.standard_normal(size) for size in sizes] for _ in range(rng.integers(1, 5))]
    return np.asarray(sum(functools.reduce(np.multiply.outer, term) for term in terms))


def dilated(rng: np.random.Generator, ndim: int, most: int) -> np.ndarray:
    """Return three taps along each axis, with zeros between them."""
    apart = [_size(rng, max(1, (most - 1) // 2)) for _ in range(ndim)]
    taps = np.zeros([2 * by + 1 for by in apart])
    taps[tuple(slice(None, None, by) for by in apart)] = rng.standard_normal((3,) * ndim)
    return taps


def random_expression(rng: np.random.Generator, ndim: int, most: int) -> fa.Kernel:
    """Return a named filter, or a sum or product of a few, with at most about twice `most` taps along an axis."""
    named = _named(ndim, most)

    def one() -> fa.Kernel:
        kernel = named[str(rng.choice([*named]))](rng)
        return kernel if rng.random() < 0.7 else float(rng.choice([-1.0, 2.0, 0.3, 1e-3])) * kernel

    kernel = one()
    for _ in range(int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))):
        other = one()
        together = mul if rng.random() < 0.5 and max(kernel.shape) < 1.5 * most else add
        kernel = together(kernel, other)
    return kernel
