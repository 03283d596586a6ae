"""How is a `Dataset` of xarray filtered? Each variable that has the axes; the others stay as they are."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import xarray

from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.labelled import xarray_door
from faltung.labelled.named_axes import as_filter, asked_dims
from faltung.labelled.result_coordinates import moved, outputs_of
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of

__all__ = ["filter", "plan"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> Any:
    """Filter the variables of a data set; the arguments are those of `faltung.convolve`.

    Variables that lack one of the axes are not filtered. Where the result has not one output for each sample, they
    are those at the positions of the outputs, as coordinates are.
    """
    xarray_door.refuse_out(out)
    names = _variables(x, kernel, options)
    if mask is not None and not isinstance(mask, xarray.DataArray):
        name = "weights" if options.graded else "mask"
        raise ArgumentError(name, "an array of xarray, as x is a data set", f"a {type(mask).__name__}")
    results = {name: _filtered(x[name], name, kernel, options, mask, workers) for name in names}
    first = x[names[0]]
    value, asked, _ = xarray_door.resolved(first, kernel, options)
    question = question_of(first.shape, first.dtype, value, asked._replace(masked=False, graded=False))
    rest = moved(x.drop_vars(names), outputs_of(question, first.dims))
    if question.channel_axis is not None:
        rest = _without_channels(rest, first.dims[question.channel_axis])
    variables = {name: results[name] if name in results else rest[name] for name in x.data_vars}
    result = xarray.Dataset(variables, rest.coords, x.attrs)
    for name, variable in variables.items():
        result[name].encoding = variable.encoding
    result.encoding = dict(x.encoding)
    return result


def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
    """Raise an error: each variable of a data set has a plan of its own."""
    remedy = "Plan one of them: faltung.plan(x[name], kernel)."
    raise ArgumentError("x", "an array, as each variable has a plan of its own", "a data set", remedy)


def _variables(x: Any, kernel: Any, options: Options) -> list[Hashable]:
    """Return the names of the variables that have the axes of the call."""
    dims = asked_dims(as_filter(kernel, options), options)
    if options.axes is not None:
        raise ArgumentError("axes", "None for a data set", repr(options.axes), "Name the axes with dims=.")
    if dims is None:
        expected = f"names of axes of the data set, which are {', '.join(map(repr, x.dims))}"
        raise ArgumentError("dims", expected, "None", "A data set has no last axes.")
    if options.channel_axis is not None and options.channel_axis not in [*x.dims]:
        expected = f"a name of an axis of the data set, which are {', '.join(map(repr, x.dims))}"
        raise ArgumentError("channel_axis", expected, repr(options.channel_axis))
    named = [*dims] if options.channel_axis is None else [*dims, options.channel_axis]
    names = [name for name, variable in x.data_vars.items() if {*named} <= {*variable.dims}]
    if not names:
        expected = f"a data set with a variable that has the axes {', '.join(map(repr, named))}"
        raise ArgumentError("x", expected, f"one with the axes {', '.join(map(repr, x.dims))}")
    return names


def _filtered(x: Any, name: Any, kernel: Any, options: Options, mask: Any, workers: int | None) -> Any:
    """Return a variable, filtered; an error names it."""
    try:
        return xarray_door.filter(x, kernel, options, None, mask, workers)
    except FaltungError as error:
        is_text = x.dtype.kind in "SUTOmM" and isinstance(error, ArgumentTypeError)
        remedy = f" Or leave it out: x.drop_vars({name!r})." if is_text else ""
        error.args = (f"variable {name!r}: {error}{remedy}", *error.args[1:])
        raise


def _without_channels(rest: Any, dim: Hashable) -> Any:
    """Return what is not filtered without the coordinates of channels: the channels out are others."""
    others = [name for name, variable in rest.data_vars.items() if dim in variable.dims]
    if others:
        named = ", ".join(map(repr, others))
        remedy = f"Drop them first: x.drop_vars([{named}])."
        raise ArgumentError("x", f"no variables along {dim!r} that are not filtered", named, remedy)
    return rest.drop_dims(dim, errors="ignore")
