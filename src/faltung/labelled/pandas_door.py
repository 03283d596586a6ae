"""How are a `Series` and a `DataFrame` of pandas filtered? Each column along the index, which is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas

from faltung.doors import door_of
from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.ground.arrays import as_array
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.labelled.named_axes import as_filter, with_numbers
from faltung.labelled.result_coordinates import Outputs, outputs_of
from faltung.labelled.spacing import between, spacing_of, unevenness
from faltung.planning.nodata import with_validity
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of
from faltung.planning.statistic import averaging

__all__ = ["filter", "plan"]

_DIM = "index"


class _Column(NamedTuple):
    """The samples of one column, False where one is missing, and whether the column can hold `pandas.NA`."""

    data: Any
    valid: Any
    nullable: bool


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> Any:
    """Filter a series, or each column of a frame; the arguments are those of `faltung.convolve`."""
    if not isinstance(x, pandas.Series | pandas.DataFrame):
        as_array(kernel, "kernel")  # raises an error, since x alone decides what has labels
    if out is not None:
        raise ArgumentError("out", "None where x has labels", f"a {type(out).__name__}", "Omit out=.")
    value, asked = _resolved(x, kernel, options)
    name = "weights" if options.graded else "mask"
    mask = _aligned(name, mask, x)
    question = question_of((len(x),), np.dtype("f8"), value, asked._replace(masked=False, graded=False, dtype=None))
    index = _moved(x.index, outputs_of(question, (_DIM,)).get(_DIM))
    if isinstance(x, pandas.Series):
        result = pandas.Series(_column(x, value, asked, mask, workers), index, name=x.name, copy=False)
    else:
        columns = {
            place: _named(x.iloc[:, place], value, asked, _part(mask, place, x.shape), workers)
            for place in range(x.shape[1])
        }
        result = pandas.DataFrame(columns, index, copy=False)
        result.columns = x.columns
    result.attrs = dict(x.attrs)
    return result


def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
    """Return the plan for a series, which is called with its numbers; each column of a frame has one of its own."""
    if isinstance(x, pandas.DataFrame):
        remedy = "Plan one of them: faltung.plan(x[name], kernel)."
        raise ArgumentError("x", "a series, as each column of a frame has a plan of its own", "a frame", remedy)
    if not isinstance(x, pandas.Series):
        as_array(kernel, "kernel")
    value, asked = _resolved(x, kernel, options)
    column = _samples(x)
    asked = asked._replace(masked=asked.masked or column.valid is not None)
    return door_of(column.data, value).plan(column.data, value, asked, effort)  # type: ignore[no-any-return]


def _resolved(x: Any, kernel: Any, options: Options) -> tuple[Kernel, Options]:
    """Return the kernel in samples, and the options for one column."""
    value = as_filter(kernel, options)
    if isinstance(value, Bank) or options.channel_axis is not None:
        remedy = "Pass x.to_numpy(), in which the columns are an axis of channels."
        received = "a bank" if isinstance(value, Bank) else f"channel_axis={options.channel_axis!r}"
        raise ArgumentError("kernel", "a kernel that filters each column by itself", received, remedy)
    if value.ndim != 1:
        remedy = "Named filters take ndim=1; for a table that is an image, pass x.to_numpy()."
        raise ArgumentError("kernel", "a kernel with one axis, along the index", f"one with {value.ndim}", remedy)
    names = (_DIM, x.index.name)
    if options.dims is not None:
        dims = options.dims if isinstance(options.dims, list | tuple) else [options.dims]
        options = options._replace(dims=[_DIM if dim in names else dim for dim in dims])
    if isinstance(options.mode, Mapping):
        options = options._replace(mode={_DIM if dim in names else dim: one for dim, one in options.mode.items()})
    if not isinstance(value, CoordinateKernel):
        return value, with_numbers((_DIM,), value, options)
    (dim,) = value.dims
    if dim not in names:
        expected = f"a length along {' or '.join(repr(name) for name in names if name is not None)}"
        raise ArgumentError("kernel", expected, f"one along {dim!r}")
    kernel = value.sampled({dim: spacing_of(_values(x.index), dim)})
    kernel, statistic = averaging(kernel, options.statistic)
    return kernel, with_numbers((_DIM,), kernel, options._replace(dims=None, statistic=statistic))


def _named(column: Any, kernel: Kernel, options: Options, mask: Any, workers: int | None) -> Any:
    """Return a column of a frame, filtered; an error names it."""
    try:
        return _column(column, kernel, options, mask, workers)
    except FaltungError as error:
        error.args = (f"column {column.name!r}: {error}", *error.args[1:])
        raise


def _column(x: Any, kernel: Kernel, options: Options, mask: Any, workers: int | None) -> Any:
    """Return a column, filtered: an array of NumPy, or of pandas where samples can be `pandas.NA`."""
    column = _samples(x)
    valid = with_validity(column.valid, mask, options.graded)
    options = options._replace(masked=options.masked or (column.valid is not None and not options.graded))
    run = door_of(column.data, kernel).filter
    result = run(column.data, kernel, options, None, valid, workers)
    if not column.nullable:
        return result
    missing = np.zeros(result.shape, bool)
    if valid is not None:
        floats = (
            result
            if result.dtype.kind == "f"
            else run(column.data, kernel, options._replace(dtype=None), None, valid, workers)
        )
        missing = np.isnan(floats)
    values = pandas.array(np.where(missing, 0, result), dtype=str(result.dtype).capitalize().replace("Ui", "UI"))
    values[missing] = pandas.NA
    return values


def _samples(x: Any) -> _Column:
    """Return the samples of a column.

    Raises
    ------
    ArgumentTypeError
        The column does not hold numbers.
    """
    dtype = x.dtype
    if isinstance(dtype, np.dtype):
        return _Column(as_array(x.to_numpy(), "x"), None, False)
    plain = getattr(dtype, "numpy_dtype", None)
    if plain is None or plain.kind not in "biuf" or isinstance(dtype, pandas.ArrowDtype):
        remedy = "Leave the column out, or convert it with x.astype('float64')."
        raise ArgumentTypeError("x", "columns of numbers", f"dtype {dtype}", remedy)
    missing = x.isna().to_numpy()
    data = x.to_numpy(plain, na_value=plain.type(0))
    return _Column(data, ~missing if missing.any() else None, True)


def _aligned(name: str, mask: Any, x: Any) -> Any:
    """Return a mask, or weights, as an array of NumPy if their labels are those of the series or frame."""
    if not isinstance(mask, pandas.Series | pandas.DataFrame):
        return mask
    if not mask.index.equals(x.index):
        raise ArgumentError(name, "the index of x", "another", f"Use {name}.reindex(x.index).")
    if isinstance(mask, pandas.DataFrame):
        if not isinstance(x, pandas.DataFrame) or not mask.columns.equals(x.columns):
            raise ArgumentError(name, "the columns of x", "others", f"Use {name}.reindex_like(x).")
        return mask.to_numpy()
    values = mask.to_numpy()
    return values if isinstance(x, pandas.Series) else values[:, None]


def _part(mask: Any, place: int, shape: tuple[int, ...]) -> Any:
    """Return the part of a mask that goes with one column."""
    if mask is None:
        return None
    whole = np.asarray(mask)
    try:
        return np.broadcast_to(whole, shape)[:, place]
    except ValueError as error:
        raise ArgumentError("mask", f"an array that broadcasts to shape {shape}", f"shape {whole.shape}") from error


def _values(index: Any) -> Any:
    """Return the values of an index; times of a zone as those of UTC."""
    if isinstance(index, pandas.DatetimeIndex) and index.tz is not None:
        index = index.tz_convert(None)
    return index.to_numpy()


def _moved(index: Any, outputs: Outputs | None) -> Any:
    """Return the index at the positions of outputs."""
    if outputs is None:
        return index
    if outputs.inside:
        return index[outputs.start : outputs.stop : outputs.step] if outputs.stop > outputs.start else index[:0]
    values = _values(index)
    reason = f"a {type(index).__name__}" if isinstance(index, pandas.MultiIndex) else unevenness(values)
    if reason:
        remedy = "x.reset_index(drop=True) first."
        if outputs.up > 1:
            raise ArgumentError("x", "an evenly spaced index for outputs between samples", reason, f"Use {remedy}")
        remedy = f"Use shape='same' or 'valid', or {remedy}"
        raise ArgumentError("shape", "one whose outputs are at samples, or an evenly spaced index", reason, remedy)
    longer = pandas.Index(between(values, outputs.positions, outputs.up), name=index.name)
    zone = getattr(index, "tz", None)
    return longer if zone is None else longer.tz_localize("UTC").tz_convert(zone)
