"""Which axes of an array are filtered? Their numbers and modes, and the array without its labels."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from faltung.doors import DOORS
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, is_masked_array
from faltung.ground.boundary import check_modes
from faltung.kernels import box
from faltung.planning.call_axes import spatial_axes
from faltung.planning.nodata import declared
from faltung.planning.question import Options

__all__ = ["GivenAxes", "given_axes", "is_labelled", "unitless"]

#: Libraries whose arrays are indexed, reshaped and filtered as they are.
_PLAIN = ("torch", "jax", "cupy", "dask.array")
_ELSEWHERE = {
    "pandas": "Pass x.to_numpy(), or x.to_xarray() to keep the labels.",
    "xarray": "Pass its arrays one by one: x.map(function, ...).",
}


class GivenAxes(NamedTuple):
    """An array without labels, and its axes that are filtered.

    Parameters
    ----------
    data : array
        The samples.
    axes : tuple of int
        Numbers of the axes, not negative.
    modes : tuple of str
        How the array continues along each of them.
    names : tuple
        The names of these axes; empty if they have none.
    nan : str
        Whether NaN is a value or a missing sample.
    """

    data: Any
    axes: tuple[int, ...]
    modes: tuple[str, ...]
    names: tuple[Hashable, ...]
    nan: str


def is_labelled(x: Any) -> bool:
    """Whether `x` is a `DataArray` of xarray. The library is not loaded by this check."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray)


def unitless(y: Any) -> Any:
    """Return a result without the attribute `units` of xarray, which is not that of its values any more."""
    for array in getattr(y, "data_vars", {"": y}).values():
        getattr(array, "attrs", {}).pop("units", None)
    return y


def given_axes(x: Any, count: int | None, mode: Any, axes: Any, dims: Any, nan: str) -> GivenAxes:
    """Return an array without its labels, and the axes of a call; without a `count`, all of them by default.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The array has labels that would be lost, or samples that are declared missing; or axes and modes do not fit.
    """
    labelled = is_labelled(x)
    data = _unlabelled(x.data if labelled else x)
    asked = Options(True, mode, axes=axes, dims=dims, nan=nan)
    number = _count(axes if dims is None else dims, len(data.shape)) if count is None else count
    return _by_name(x, data, number, asked) if labelled else _by_number(data, number, asked)


def _count(given: Any, ndim: int) -> int:
    """Return how many axes are named; all, if none is."""
    if given is None:
        return ndim
    return len(given) if isinstance(given, list | tuple | range) else 1


def _by_number(data: Any, count: int, asked: Options) -> GivenAxes:
    if asked.dims is not None:
        raise ArgumentError("dims", "None, as the axes of the array have no names", repr(asked.dims), "Use axes=.")
    if isinstance(asked.mode, Mapping):
        remedy = "Pass one mode, or one for each axis."
        raise ArgumentTypeError("mode", "no names, as the axes of the array have none", repr(asked.mode), remedy)
    axes = spatial_axes(asked.axes, None, len(data.shape), count)
    return GivenAxes(data, axes, _modes(asked.mode, count), (), asked.nan)


def _by_name(x: Any, data: Any, count: int, asked: Options) -> GivenAxes:
    from faltung.labelled.named_axes import with_numbers  # loads xarray no earlier than its arrays come

    found = with_numbers(x.dims, box(1, ndim=count), asked)
    nodata = declared(x.attrs, x.encoding, x.dtype)
    if nodata.values:
        received = f"samples of the value {nodata.values[0]}, declared missing"
        raise ArgumentError("x", "samples that are NaN where missing", received, "Decode them: xarray.decode_cf.")
    names = tuple(x.dims[axis] for axis in found.axes)
    return GivenAxes(data, found.axes, _modes(found.mode, count), names, "ignore" if nodata.nan else asked.nan)


def _modes(mode: Any, count: int) -> tuple[str, ...]:
    return check_modes("reflect" if mode is None else mode, count)


def _unlabelled(x: Any) -> Any:
    """Return an array that can be indexed and reshaped: of its own library, or of NumPy."""
    for door in DOORS:
        kind = getattr(sys.modules.get(door.library), door.type_name, None)
        if kind is not None and isinstance(x, kind):
            if door.library in _PLAIN:
                return x
            raise ArgumentTypeError("x", "an array", f"a {door.type_name}", _ELSEWHERE[door.library])
    return x if is_masked_array(x) else as_array(x, "x")
