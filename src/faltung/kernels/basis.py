"""Which outer products do several kernels share? A basis of which all kernels of a bank are combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.kernels.lowrank import SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Basis", "shared_basis"]

#: Multiples of it, modulo 1, are all different and spread evenly.
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Basis:
    """Outer products of which several kernels are linear combinations.

    Parameters
    ----------
    columns, rows : ndarray, shape (products, size)
        The factors of each outer product.
    weights : ndarray, shape (kernels, products)
        The coefficient of each outer product in each kernel.
    """

    columns: NDArray[np.float64]
    rows: NDArray[np.float64]
    weights: NDArray[np.float64]


def shared_basis(taps: NDArray[np.floating[Any]], eps: float, most: int) -> Basis | None:
    """Return outer products of which all kernels of a bank are combinations, or None if there are more than `most`.

        |sum over j of weights[i, j] columns[j] rows[j] - taps[i]| <= SLACK eps max |taps[i]|    for every tap

    The columns of all kernels span a space, and so do their rows. The outer products of a basis of the first space
    with a basis of the second span all kernels; those with a coefficient of zero in every kernel are left out.

    Parameters
    ----------
    taps : ndarray, shape (kernels, rows, columns)
        Real taps.
    eps : float
        Relative rounding error of the dtype that is computed with.
    most : int
        Largest number of outer products.

    Returns
    -------
    Basis or None
        The outer products and the coefficients.

    References
    ----------
    Freeman and Adelson, "The design and use of steerable filters", IEEE PAMI 13, 1991. Sironi et al., "Learning
    separable filters", IEEE PAMI 37, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> smooth, edge = np.array([1.0, 2.0, 1.0]), np.array([1.0, 0.0, -1.0])
    >>> across, down = np.multiply.outer(smooth, edge), np.multiply.outer(edge, smooth)
    >>> steered = np.stack([np.cos(a) * across + np.sin(a) * down for a in (0.0, 0.5, 1.0, 1.5)])
    >>> basis = shared_basis(steered, 1e-7, most=4)
    >>> len(basis.columns), np.allclose(np.einsum("ij,jk,jl->ikl", basis.weights, basis.columns, basis.rows), steered)
    (2, True)
    """
    block = taps.astype(np.float64)
    sizes = np.abs(block).max(axis=(1, 2))
    if not sizes.all():
        return None  # the taps of each kernel are divided by the largest of them
    block = block / sizes[:, None, None]
    # With equal weights, as of filters steered to equidistant angles, singular values may be equal too. Then any
    # rotation of the factors is a basis, and most of them take more outer products.
    unequal: NDArray[np.float64] = 1 + np.arange(len(block), dtype=np.float64) * _GOLDEN % 1
    candidates = [_basis(block, sizes, weights, eps, most) for weights in (np.ones(len(block)), unequal)]
    return min((basis for basis in candidates if basis), key=lambda basis: len(basis.rows), default=None)


def _basis(
    block: NDArray[np.float64], sizes: NDArray[np.floating[Any]], weights: NDArray[np.float64], eps: float, most: int
) -> Basis | None:
    """Return the basis of kernels, whose largest tap is 1, that the singular vectors of weighted kernels give."""
    weighted = block * weights[:, None, None]
    columns = _span(np.moveaxis(weighted, 1, 0).reshape(block.shape[1], -1), eps, most)
    rows = _span(np.moveaxis(weighted, 2, 0).reshape(block.shape[2], -1), eps, most)
    if columns is None or rows is None:
        return None
    cores = np.einsum("ikl,ka,lb->iab", block, columns, rows, optimize=True)
    cores[np.abs(cores) <= SLACK * eps * np.abs(cores).max(axis=(1, 2), keepdims=True) / cores[0].size] = 0.0
    used = np.argwhere(np.abs(cores).max(axis=0) > 0)
    if len(used) > most:
        return None
    basis = Basis(columns[:, used[:, 0]].T, rows[:, used[:, 1]].T, cores[:, used[:, 0], used[:, 1]] * sizes[:, None])
    sums = np.einsum("ij,jk,jl->ikl", basis.weights, basis.columns, basis.rows, optimize=True)
    exact = np.abs(sums - block * sizes[:, None, None]) <= SLACK * eps * sizes[:, None, None]
    return basis if exact.all() else None


def _span(vectors: NDArray[np.float64], eps: float, most: int) -> NDArray[np.float64] | None:
    """Return an orthonormal basis of the span of the columns, up to rounding, or None if it is larger than `most`."""
    # No singular value of a part is larger than that of the whole: a few columns rule out nearly every bank.
    part = vectors[:, :: -(-vectors.shape[1] // (2 * (most + 1)))]
    if min(part.shape) > most:
        largest = float(np.linalg.norm(vectors))
        if np.count_nonzero(np.linalg.svd(part, compute_uv=False) > SLACK * eps * largest) > most:
            return None
    basis, values, _ = np.linalg.svd(vectors, full_matrices=False)
    kept = values > SLACK * eps * values[0]
    return basis[:, kept] if kept.sum() <= most else None
