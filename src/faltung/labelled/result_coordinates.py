"""Which coordinates does a result have? Those of the samples at which it has outputs, or evenly spaced others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray

from faltung.errors import ArgumentError
from faltung.labelled.geotransform import moved_transform
from faltung.labelled.spacing import between, unevenness
from faltung.planning.question import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Outputs", "moved", "outputs_of"]

#: Names of the axes of rasters, as rioxarray knows them.
_ROWS, _COLUMNS = ("y", "latitude", "lat"), ("x", "longitude", "lon")


class Outputs(NamedTuple):
    """The positions along one axis that have an output.

    Parameters
    ----------
    start, stop, step : int
        As of a range; positions are beyond the array if they are negative, or at least ``length * up``.
    length : int
        Samples of the array along this axis.
    up : int
        Positions from sample to sample.
    """

    start: int
    stop: int
    step: int
    length: int
    up: int = 1

    @property
    def whole(self) -> bool:
        """Whether there is one output for each sample."""
        return (self.start, self.stop, self.step, self.up) == (0, self.length, 1, 1)

    @property
    def inside(self) -> bool:
        """Whether each output is at a sample, and there are none between samples."""
        last = self.start + self.step * ((self.stop - self.start - 1) // self.step)
        return self.stop <= self.start or (self.start >= 0 and last < self.length and self.up == 1)

    @property
    def place(self) -> tuple[float, float]:
        """The first position and the step, in samples."""
        return (self.start, self.step) if self.up == 1 else (self.start / self.up, self.step / self.up)

    @property
    def positions(self) -> NDArray[np.int64]:
        """All positions."""
        return np.arange(self.start, self.stop, self.step, dtype=np.int64)


def outputs_of(question: Question, dims: Sequence[Hashable]) -> dict[Hashable, Outputs]:
    """Return where the result has outputs, for each axis along which these are not the samples.

    `dims` are the names of all axes of the array.
    """
    axes = zip(question.axes, question.regions, question.stride, question.up, strict=True)
    outputs = {
        dims[axis]: Outputs(start, stop, step, question.shape[axis], up) for axis, (start, stop), step, up in axes
    }
    return {dim: along for dim, along in outputs.items() if not along.whole}


def moved(x: Any, outputs: Mapping[Hashable, Outputs]) -> Any:
    """Return a data set at the positions of outputs.

    Where each output is at a sample, everything along that axis is that of the samples. Where not, evenly spaced
    coordinates are continued.

    Raises
    ------
    ArgumentError
        Something cannot be continued: it is named, with what to do.
    """
    x = _with_transforms(x, {dim: along.place for dim, along in outputs.items()})
    inside = {dim: along for dim, along in outputs.items() if along.inside}
    beyond = {dim: along for dim, along in outputs.items() if not along.inside}
    if inside:
        x = x.isel({dim: _as_slice(along) for dim, along in inside.items() if dim in x.dims})
    if not beyond:
        return x
    _check_even(x, beyond)
    names = {name: variable for name, variable in x.variables.items() if {*variable.dims} & {*beyond}}
    longer = {}
    for name, old in names.items():
        along = beyond[old.dims[0]]
        values = between(old.values, along.positions, along.up)
        longer[name] = xarray.Variable(old.dims, values, old.attrs, old.encoding if along.up == 1 else {})
    return x.drop_vars(names).assign_coords(longer)


def _check_even(x: Any, dims: Mapping[Hashable, Outputs]) -> None:
    """Raise an error if something along these axes cannot be placed anew."""
    reasons = {
        name: reason
        for name, variable in x.variables.items()
        if not dims.keys().isdisjoint(variable.dims) and (reason := _why_not(variable, name in x.coords))
    }
    if reasons:
        named = ", ".join(map(repr, reasons))
        received = "; ".join(f"{name!r}: {reason}" for name, reason in reasons.items())
        between_samples = any(along.up > 1 for along in dims.values())
        argument, expected = ("x", "labels at samples") if between_samples else ("shape", "outputs at samples")
        remedy = "Drop it first" if between_samples else "Use shape='same' or 'valid', or drop it first"
        expected = f"{expected}, or evenly spaced coordinates"
        raise ArgumentError(argument, expected, received, f"{remedy}: x.drop_vars([{named}]).")


def _with_transforms(x: Any, placed: Mapping[Hashable, tuple[float, float]]) -> Any:
    """Return a data set whose transforms of rasters are those of outputs with a first position and a step."""
    row, column = (next((placed[name] for name in names if name in placed), (0, 1)) for names in (_ROWS, _COLUMNS))
    if row == column == (0, 1):
        return x
    for name, variable in x.coords.items():
        if isinstance(text := variable.attrs.get("GeoTransform"), str):
            attrs = {**variable.attrs, "GeoTransform": moved_transform(text, row, column)}
            x = x.assign_coords({name: xarray.Variable(variable.dims, variable.data, attrs, variable.encoding)})
    return x


def _as_slice(along: Outputs) -> slice:
    return slice(along.start, along.stop, along.step) if along.stop > along.start else slice(0, 0)


def _why_not(variable: Any, coordinate: bool) -> str:
    """Return why a variable cannot be continued; empty if it can."""
    if not coordinate:
        return "not filtered, and no coordinate"
    if variable.ndim != 1:
        return f"{variable.ndim} axes"
    return unevenness(variable.values)
