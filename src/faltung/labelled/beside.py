"""Does a mask belong to this array? Masks and weights with labels, in the axes of the array that they go with."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray

from faltung.errors import ArgumentError

__all__ = ["aligned"]


def aligned(name: str, given: Any, x: Any) -> Any:
    """Return the data of a mask, or of weights, so that they broadcast to the data of an array of xarray.

    Axes are matched by name, and an axis that is not there is one along which all samples are alike. What has no
    labels is returned as it is.

    Raises
    ------
    ArgumentError
        There is an axis that the array has not, or coordinates are not the same.
    """
    if not isinstance(given, xarray.DataArray):
        return given
    others = [dim for dim in given.dims if dim not in x.dims]
    if others:
        expected = f"axes of x, which are {', '.join(map(repr, x.dims))}"
        raise ArgumentError(name, expected, f"an array with {', '.join(map(repr, others))}")
    for dim in given.dims:
        _check_alike(name, given, x, dim)
    ordered = given.transpose(*[dim for dim in x.dims if dim in given.dims])
    return ordered.data[tuple(slice(None) if dim in given.dims else None for dim in x.dims)]


def _check_alike(name: str, given: Any, x: Any, dim: Hashable) -> None:
    expected = f"as many samples along {dim!r} as x, {x.sizes[dim]}"
    if given.sizes[dim] != x.sizes[dim]:
        raise ArgumentError(name, expected, str(given.sizes[dim]), f"Use {name}.reindex_like(x).")
    if dim not in given.coords or dim not in x.coords:
        return
    own, other = x.coords[dim].values, given.coords[dim].values
    if not np.array_equal(own, other):
        different = own != other
        where = int(np.argmax(different)) if isinstance(different, np.ndarray) else 0
        raise ArgumentError(
            name,
            f"the coordinates of x along {dim!r}",
            f"others: {other[where]} in place of {own[where]}, at {where}",
            f"Use {name}.reindex_like(x), or {name}.to_numpy() where they are meant to be the same.",
        )
