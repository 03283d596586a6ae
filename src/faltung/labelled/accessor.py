"""How do arrays of xarray get an attribute `faltung`? By an import of this module, which registers it.

>>> import faltung.labelled.accessor
>>> import numpy as np
>>> import xarray
>>> x = xarray.DataArray(np.eye(5), dims=("lat", "lon"), coords={"lat": range(5), "lon": range(5)})
>>> x.faltung.gaussian({"lat": 1.0, "lon": 1.0}).dims
('lat', 'lon')
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from faltung.errors import ArgumentError, MissingExtraError
from faltung.front import convolve, correlate, plan
from faltung.kernels import gaussian, gaussian_derivative

try:
    import xarray
except ModuleNotFoundError as error:
    raise MissingExtraError("faltung.labelled.accessor", "chunked") from error

__all__ = ["Accessor"]

Lengths = float | Sequence[float] | Mapping[Any, Any]
Modes = str | Sequence[str] | Mapping[str, str] | None


@xarray.register_dataarray_accessor("faltung")
@xarray.register_dataset_accessor("faltung")
class Accessor:
    """The attribute `faltung` of arrays and data sets of xarray, after ``import faltung.labelled.accessor``.

    `convolve`, `correlate` and `plan` are those of `faltung`, without their first argument. A named filter is made
    for the axes that its lengths name, or for those in `dims`.
    """

    def __init__(self, x: Any) -> None:
        self._x = x

    @property
    def convolve(self) -> Callable[..., Any]:
        """`faltung.convolve` of this array."""
        return partial(convolve, self._x)

    @property
    def correlate(self) -> Callable[..., Any]:
        """`faltung.correlate` of this array."""
        return partial(correlate, self._x)

    @property
    def plan(self) -> Callable[..., Any]:
        """`faltung.plan` of this array."""
        return partial(plan, self._x)

    def gaussian(
        self,
        sigma: Lengths,
        mode: Modes = None,
        *,
        dims: str | Sequence[str] | None = None,
        truncate: float = 4.0,
        nan: str = "propagate",
    ) -> Any:
        """Return this array, smoothed by a Gaussian.

        Parameters
        ----------
        sigma : mapping, float or sequence of float
            Standard deviation for each name of an axis, in the units of its coordinate; or in samples, with `dims`.
        mode, nan
            As for `faltung.convolve`.
        dims : str or sequence of str, optional
            The names of the axes, if `sigma` is in samples.
        truncate : float, optional
            Radius of the kernel in standard deviations.
        """
        kernel = gaussian(sigma, truncate=truncate, ndim=_count(sigma, dims))
        return convolve(self._x, kernel, mode, dims=dims, nan=nan)

    def gaussian_derivative(
        self,
        sigma: Lengths,
        axis: str,
        order: int = 1,
        mode: Modes = None,
        *,
        dims: str | Sequence[str] | None = None,
        truncate: float = 4.0,
        nan: str = "propagate",
    ) -> Any:
        """Return a derivative of this array along one axis, smoothed by a Gaussian.

        Parameters
        ----------
        sigma : mapping, float or sequence of float
            Standard deviation for each name of an axis, in the units of its coordinate; or in samples, with `dims`.
            The derivative is in the same units.
        axis : str
            The name of the axis of the derivative.
        order : int, optional
            Order of the derivative.
        mode, nan
            As for `faltung.convolve`.
        dims : str or sequence of str, optional
            The names of the axes, if `sigma` is in samples.
        truncate : float, optional
            Radius of the kernel in standard deviations.
        """
        count = _count(sigma, dims)
        along: Any = axis
        if count is not None:
            names = _names(dims)
            if axis not in names:
                raise ArgumentError("axis", f"one of {', '.join(map(repr, names))}", repr(axis))
            along = names.index(axis)
        kernel = gaussian_derivative(sigma, order, along, truncate=truncate, ndim=count)
        return convolve(self._x, kernel, mode, dims=dims, nan=nan)


def _names(dims: Any) -> list[Hashable]:
    return [dims] if isinstance(dims, str) else [*dims]


def _count(sigma: Lengths, dims: Any) -> int | None:
    """Return the number of axes of a kernel in samples; None for one in the units of coordinates."""
    if isinstance(sigma, Mapping):
        return None
    if dims is None:
        remedy = "Pass sigma={name: length} in the units of coordinates, or name the axes with dims=."
        raise ArgumentError("dims", "names of axes for a length in samples", "None", remedy)
    return len(_names(dims))
