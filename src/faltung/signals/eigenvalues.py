"""The eigenvalues of symmetric matrices that are stacked as triangles: what Hessians and structure tensors mean."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import is_tensor

__all__ = ["symmetric_eigenvalues"]


def symmetric_eigenvalues(matrices: Any) -> Any:
    """Return the eigenvalues of the symmetric matrix at each sample, the largest first.

    Parameters
    ----------
    matrices : ndarray or torch.Tensor, shape ``(n * (n + 1) // 2, ...)``
        The upper triangles, row by row, of real numbers: what `hessian` and `structure_tensor` return. An array of
        xarray, dask or JAX can be passed too.

    Returns
    -------
    ndarray or torch.Tensor, shape ``(n, ...)``
        The eigenvalues, in descending order; not finite where a number of the matrix is not. For two axes, the
        gradient of a tensor counts a difference of zero between the eigenvalues as constant.

    Raises
    ------
    ArgumentError
        The first axis has no length n (n + 1) / 2, or the numbers are complex.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.symmetric_eigenvalues(np.array([2.0, 2.0, 5.0]))
    array([6., 1.])
    """
    if hasattr(matrices, "data_vars"):
        return matrices.map(symmetric_eigenvalues, keep_attrs=True)
    if not hasattr(matrices, "shape"):
        matrices = np.asarray(matrices)
    count = matrices.shape[0] if matrices.shape else 0
    size = (math.isqrt(8 * count + 1) - 1) // 2
    if size < 1 or size * (size + 1) // 2 != count:
        expected = "a first axis with the n (n + 1) / 2 numbers of triangles"
        raise ArgumentError("matrices", expected, f"shape {tuple(matrices.shape)}")
    if "complex" in str(matrices.dtype):
        raise ArgumentError("matrices", "real numbers", f"dtype {matrices.dtype}")
    if hasattr(matrices, "coords"):
        return matrices[:size].copy(data=symmetric_eigenvalues(matrices.data))
    if hasattr(matrices, "dask"):
        whole = matrices.rechunk({0: count})
        return whole.map_blocks(symmetric_eigenvalues, chunks=((size,), *whole.chunks[1:]), meta=whole._meta)
    if size == 1:
        return matrices
    return _of_pairs(matrices) if size == 2 else _of_matrices(matrices, size)


def _of_pairs(triangles: Any) -> Any:
    """Return the eigenvalues of matrices with two rows: their mean, and as far above as below."""
    a, b, c = triangles
    space = _space(triangles)
    middle, half = a / 2 + c / 2, a / 2 - c / 2
    if is_tensor(triangles):  # the gradient of the root at zero is infinite
        equal = (half == 0) & (b == 0)
        half = space.where(equal, 1.0, half)
        radius = space.where(equal, 0.0, space.hypot(half, b))
    else:
        radius = space.hypot(half, b)
    return space.stack([middle + radius, middle - radius])


def _of_matrices(triangles: Any, size: int) -> Any:
    space = _space(triangles)
    rows, columns = np.triu_indices(size)
    places = np.empty((size, size), dtype=int)
    places[rows, columns] = places[columns, rows] = np.arange(len(rows))
    matrices = space.stack([space.stack([triangles[k] for k in row], -1) for row in places], -1) * 1.0
    finite = space.isfinite(matrices).all(-1).all(-1)
    values = space.linalg.eigvalsh(space.where(finite[..., None, None], matrices, 0.0))
    values = space.where(finite[..., None], values, math.nan)
    return space.stack([values[..., k] for k in reversed(range(size))])


def _space(array: Any) -> Any:
    """Return the module with the functions for an array."""
    if is_tensor(array):
        return importlib.import_module("torch")
    return array.__array_namespace__() if hasattr(array, "__array_namespace__") else np
