"""JAX on the CPU, compiled beforehand."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from peers import fourier
from peers.calls import affordable

#: By number of dimensions.
_DENSE_RATE, _PASS_RATE = {1: 1e9, 2: 1e9, 3: 4e7}, {2: 2e8, 3: 4e7}


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if cell.dtype == "uint8":
        return {}
    source = jnp.asarray(image.reshape(-1, 1, *cell.spatial))
    contenders = {"JAX fft": _fourier(cell, source)}
    if affordable(cell.multiply_adds, _DENSE_RATE[len(cell.spatial)]):
        contenders["JAX conv"] = _compiled(_passes, source, [[_weight(cell.taps)]])
    if cell.terms and len(cell.spatial) > 1 and affordable(cell.pass_multiply_adds, _PASS_RATE[len(cell.spatial)]):
        lines = [
            [_weight(_along(axis, factor, len(term))) for axis, factor in enumerate(term)] for term in cell.terms
        ]
        contenders["JAX conv, separable"] = _compiled(_passes, source, lines)
    return contenders


def _along(axis: int, factor: NDArray[Any], ndim: int) -> NDArray[Any]:
    return factor.reshape(1, *(factor.size if own == axis else 1 for own in range(ndim)))


def _weight(taps: NDArray[Any]) -> jax.Array:
    """Reverse the taps, since JAX correlates, and add an axis of channels after that of the kernels."""
    return jnp.asarray(np.flip(taps, tuple(range(1, taps.ndim)))[:, None], jnp.float32)


def _passes(source: jax.Array, terms: list[list[jax.Array]]) -> jax.Array:
    results = []
    for term in terms:
        result = source
        for weight in term:
            result = jax.lax.conv_general_dilated(result, weight, (1,) * (source.ndim - 2), "SAME")
        results.append(result)
    return sum(results[1:], results[0])


def _fourier(cell: Cell, source: jax.Array) -> Run:
    """Return a product of transforms; those of the kernels are computed beforehand."""
    lengths, same = fourier.lengths(cell), fourier.same(cell)
    axes = tuple(range(-len(lengths), 0))
    spectra = jnp.fft.rfftn(jnp.asarray(cell.taps, jnp.float32), lengths, axes)

    def multiplied(source: jax.Array, spectra: jax.Array) -> jax.Array:
        return jnp.fft.irfftn(jnp.fft.rfftn(source, lengths, axes) * spectra, lengths, axes)[same]

    return _compiled(multiplied, source, spectra)


def _compiled(function: Any, *arguments: Any) -> Run:
    run = partial(jax.jit(function).lower(*arguments).compile(), *arguments)
    return lambda: run().block_until_ready()
