"""How is a `DataArray` of xarray filtered? Names become axes, the data pass another door, labels come back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray

from faltung.doors import door_of
from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.labelled.beside import aligned
from faltung.labelled.labelled_plan import LabelledPlan
from faltung.labelled.named_axes import as_filter, with_numbers
from faltung.labelled.result_coordinates import Outputs, moved, outputs_of
from faltung.labelled.spacing import spacing_of
from faltung.planning.nodata import Nodata, declared, with_validity
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of
from faltung.planning.statistic import averaging, unit_of

__all__ = [
    "NEW_DIM",
    "LabelledCall",
    "at_rates",
    "filter",
    "plan",
    "prepare",
    "refuse_out",
    "relabelled",
    "resolved",
    "with_missing",
]

#: The name of the new first axis, for the channels out of a bank.
NEW_DIM = "channel_out"

#: What an encoding says of the range of the values, which are others in a result; and of the shape.
_RANGE = ("dtype", "scale_factor", "add_offset", "_Unsigned")
_SHAPE = ("original_shape", "chunksizes", "chunks", "preferred_chunks", "shards", "contiguous")


class LabelledCall(NamedTuple):
    """A call without names: what is passed to the door of the data, and what the labels of the result need.

    Parameters
    ----------
    kernel : Kernel or Bank
        The filter.
    options : Options
        All other arguments.
    valid : array or None
        The mask, or the weights.
    outputs : dict
        Where the result has outputs, for each name of an axis along which these are not the samples.
    nodata : Nodata
        The values of missing samples.
    units : str or None
        The attribute `units` of the result; None if there is none.
    """

    kernel: Kernel | Bank
    options: Options
    valid: Any
    outputs: dict[Hashable, Outputs]
    nodata: Nodata
    units: str | None


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> Any:
    """Filter an array of xarray; the arguments are those of `faltung.convolve`."""
    call = prepare(x, kernel, options, out, mask)
    result = door_of(x.data, call.kernel).filter(x.data, call.kernel, call.options, None, call.valid, workers)
    return relabelled(x, with_missing(x, result, call, workers), call)


def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
    """Return the plan for an array of xarray; it is called with arrays of the same axes and coordinates."""
    call = prepare(x, kernel, options, None, None)
    declares = bool(call.nodata.values) and not options.graded  # also if no sample of this array is missing
    asked = call.options._replace(masked=call.options.masked or declares)
    inner = door_of(x.data, call.kernel).plan(x.data, call.kernel, asked, effort)
    return LabelledPlan(inner, x.dims, kernel, options, call.kernel)


def prepare(x: Any, kernel: Any, options: Options, out: Any, mask: Any) -> LabelledCall:
    """Check everything that has to do with labels, and return the call without them."""
    if not isinstance(x, xarray.DataArray):
        as_array(kernel, "kernel")  # raises an error, since x alone decides what has labels
    refuse_out(out)
    given, options, units = resolved(x, kernel, options)
    nodata = declared(x.attrs, x.encoding, x.dtype)
    valid = nodata.valid(x.data)
    if isinstance(valid, np.ndarray) and valid.all():
        valid = None
    mask = aligned("weights" if options.graded else "mask", mask, x)
    options = options._replace(
        masked=options.masked or (valid is not None and not options.graded),
        nan="ignore" if nodata.nan else options.nan,
    )
    question = question_of(x.shape, x.dtype, given, options)
    if question.new_axis and NEW_DIM in x.dims:
        remedy = f"Rename it, or pass channel_axis={NEW_DIM!r} if it holds the channels that the bank adds up."
        raise ArgumentError("x", f"no axis of the name {NEW_DIM!r}, which the result gets", "one", remedy)
    together = with_validity(valid, mask, options.graded)
    return LabelledCall(
        given, options, together, outputs_of(question, x.dims), nodata, unit_of(units, options.statistic)
    )


def resolved(x: Any, kernel: Any, options: Options) -> tuple[Kernel | Bank, Options, str | None]:
    """Return the filter in samples, the options with numbers of axes, and the units of the result."""
    given = as_filter(kernel, options)
    options = with_numbers(x.dims, given, options)
    if not isinstance(given, CoordinateKernel):
        return given, options, x.attrs.get("units")
    units = _units(x, given)
    kernel = given.sampled({dim: spacing_of(_coordinate(x, dim), dim) for dim in given.dims})
    kernel, statistic = averaging(kernel, options.statistic)
    return kernel, options._replace(statistic=statistic), units


def with_missing(x: Any, result: Any, call: LabelledCall, workers: int | None) -> Any:
    """Return a result in which missing outputs have the declared value if it holds integers, which cannot be NaN."""
    if result.dtype.kind not in "iu" or call.valid is None or not call.nodata.values:
        return result
    in_floats = call.options._replace(dtype=None)  # where outputs are missing follows from the same in floats
    floats = door_of(x.data, call.kernel).filter(x.data, call.kernel, in_floats, None, call.valid, workers)
    return np.where(np.isnan(floats), call.nodata.fill(result.dtype), result)


def refuse_out(out: Any) -> None:
    """Raise an error if a result should be written into an array: labels have to come from somewhere."""
    if out is not None:
        remedy = "Omit out=; the result can be assigned, y[...] = result."
        raise ArgumentError("out", "None where x has labels", f"a {type(out).__name__}", remedy)


def relabelled(x: Any, data: Any, call: LabelledCall) -> Any:
    """Return a result with the labels of the array: names, coordinates, attributes and encoding."""
    coordinates = moved(x.coords.to_dataset(), call.outputs)
    dims = x.dims
    if isinstance(call.kernel, Bank):
        if call.options.channel_axis is None:
            dims = (NEW_DIM, *dims)
        else:  # the channels out of a bank are others than the channels in
            coordinates = coordinates.drop_dims(dims[call.options.channel_axis], errors="ignore")
    attrs = call.nodata.relabelled(x.attrs, call.nodata.attrs, data.dtype)
    if call.units is None:
        attrs.pop("units", None)
    else:
        attrs["units"] = call.units
    result = xarray.DataArray(data, dims=dims, coords=coordinates.coords, name=x.name, attrs=attrs)
    encoding = call.nodata.relabelled(x.encoding, call.nodata.encoding, data.dtype)
    dropped = (*_RANGE, *(_SHAPE if data.shape != x.shape else ()))
    result.encoding = {name: value for name, value in encoding.items() if name not in dropped}
    return result


def at_rates(x: Any, data: Any, rates: Mapping[Hashable, tuple[int, int, int]]) -> Any:
    """Return a result whose rate is ``up / down`` times that of `x` along some axes, with the labels of `x`.

    Parameters
    ----------
    x : DataArray
        The array.
    data : array
        The result without labels.
    rates : mapping
        For each name of an axis: up, down, and the number of outputs.
    """
    outputs = {dim: Outputs(0, down * length, down, x.sizes[dim], up) for dim, (up, down, length) in rates.items()}
    coordinates = moved(x.coords.to_dataset(), outputs)
    result = xarray.DataArray(data, dims=x.dims, coords=coordinates.coords, name=x.name, attrs=x.attrs)
    result.encoding = {name: value for name, value in x.encoding.items() if name not in (*_RANGE, *_SHAPE)}
    return result


def _coordinate(x: Any, dim: Hashable) -> Any:
    if dim not in x.coords:
        remedy = f"Add it with x.assign_coords({dim}=...), or give lengths in samples with dims=."
        received = f"one along {dim!r}, which has none"
        raise ArgumentError("kernel", "lengths along axes with coordinates", received, remedy)
    return x.coords[dim].values


def _units(x: Any, kernel: CoordinateKernel) -> str | None:
    """Return the units of the result: a derivative per unit of a coordinate has others than the array."""
    if any(dim not in x.coords for dim in kernel.dims):
        return None  # which is an error when the kernel is sampled
    units, orders = x.attrs.get("units"), kernel.orders
    if units is None or orders == {}:
        return units  # type: ignore[no-any-return]
    along = {dim: _unit_of(x, dim) for dim in kernel.dims}
    if orders is None:  # a Laplacian adds up second derivatives, which have one unit if all coordinates have
        orders = {kernel.dims[0]: 2} if kernel.operation == "call" and len({*along.values()}) == 1 else {}
    powers: dict[str | None, int] = {}
    for dim, order in orders.items():
        powers[along[dim]] = powers.get(along[dim], 0) + order
    if None in powers or not powers:
        return None
    return " ".join([str(units), *(f"{unit}-{order}" for unit, order in powers.items())])


def _unit_of(x: Any, dim: Hashable) -> str | None:
    coordinate = x.coords[dim]
    if coordinate.dtype.kind in "mM":
        return "s"
    unit = coordinate.attrs.get("units")
    return None if unit is None else str(unit)
