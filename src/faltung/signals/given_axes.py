"""Which array is there without its labels, and along which of its axes is it filtered?"""

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

__all__ = ["GivenAxes", "given_axes", "is_labelled"]

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


def given_axes(x: Any, count: int | None, mode: Any, axes: Any, dims: Any, nan: str) -> GivenAxes:
    """Return an array without its labels, and the axes of a call; without a `count`, all of them by default.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The array has labels that would be lost, or samples that are declared missing; or axes and modes do not fit.
    """
    labelled = is_labelled(x)
    data = _unlabelled(x.data if labelled else x)
    ndim = len(data.shape)
    if count is None:
        given = dims if axes is None else axes
        one = given is not None and (isinstance(given, str) or not isinstance(given, list | tuple | range))
        count = 1 if one else ndim if given is None else len(given)
    if not labelled:
        if dims is not None:
            raise ArgumentError("dims", "None, as the axes of the array have no names", repr(dims), "Use axes=.")
        if isinstance(mode, Mapping):
            remedy = "Pass one mode, or one for each axis."
            raise ArgumentTypeError("mode", "no names, as the axes of the array have none", repr(mode), remedy)
        numbers = spatial_axes(axes, None, ndim, count)
        return GivenAxes(data, numbers, check_modes("reflect" if mode is None else mode, count), (), nan)
    from faltung.labelled.named_axes import with_numbers  # loads xarray no earlier than its arrays come

    found = with_numbers(x.dims, box(1, ndim=count), Options(True, mode, axes=axes, dims=dims))
    nodata = declared(x.attrs, x.encoding, x.dtype)
    if nodata.values:
        received = f"samples of the value {nodata.values[0]}, declared missing"
        raise ArgumentError("x", "samples that are NaN where missing", received, "Decode them: xarray.decode_cf.")
    modes = check_modes("reflect" if found.mode is None else found.mode, count)
    return GivenAxes(data, found.axes, modes, tuple(x.dims[axis] for axis in found.axes), "ignore" if nodata.nan else nan)


def _unlabelled(x: Any) -> Any:
    """Return an array that can be indexed and reshaped: of its own library, or of NumPy."""
    for door in DOORS:
        kind = getattr(sys.modules.get(door.library), door.type_name, None)
        if kind is not None and isinstance(x, kind):
            if door.library in _PLAIN:
                return x
            raise ArgumentTypeError("x", "an array", f"a {door.type_name}", _ELSEWHERE[door.library])
    return x if is_masked_array(x) else as_array(x, "x")
