"""Which dask arrays can be filtered? The checks of an array, its mask and its weights; none of them computes it."""

from __future__ import annotations

import math
from typing import Any

import dask.array as da
import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, is_masked_array
from faltung.planning.missing_rule import check_given, check_held, check_in_shape

__all__ = ["as_chunked_valid", "check_dask"]

_NOUN = "a dask array or a NumPy array"


def check_dask(name: str, array: Any) -> None:
    """Raise an error unless an array is a dask array of NumPy arrays whose chunks have known lengths.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        It is another array, or holds other arrays; the message says what to do.
    """
    if not isinstance(array, da.Array):
        raise ArgumentTypeError(name, "a dask array", f"a {type(array).__name__}", "Use dask.array.from_array.")
    if any(math.isnan(length) for lengths in array.chunks for length in lengths):
        remedy = f"Call {name}.compute_chunk_sizes() first."
        raise ArgumentError(name, "a dask array whose chunks have known lengths", "unknown lengths (nan)", remedy)
    meta = array._meta
    if is_masked_array(meta):
        remedy = f"Pass dask.array.ma.getdata({name}), and mask=~dask.array.ma.getmaskarray({name})."
        raise ArgumentTypeError(name, "a dask array of NumPy arrays", "one of masked arrays", remedy)
    if not isinstance(meta, (np.ndarray, np.generic, type(None))):
        kind = f"{type(meta).__module__.partition('.')[0]} {type(meta).__name__}"
        change = "cupy.asnumpy" if kind.startswith("cupy") else "numpy.asarray"
        remedy = f"Convert its chunks, for example with {name}.map_blocks({change})."
        raise ArgumentTypeError(name, "a dask array of NumPy arrays", f"one of arrays of the type {kind}", remedy)


def as_chunked_valid(name: str, given: Any, planned: bool, x: da.Array) -> da.Array | None:
    """Return a mask, or weights, as a dask array that can be broadcast to the shape of the samples.

    Parameters
    ----------
    name : {'mask', 'weights'}
        The argument.
    given : array or None
        What was passed.
    planned : bool
        Whether the plan was made for it.
    x : dask.array.Array
        The samples.
    """
    check_given(name, given, planned, _NOUN)
    if given is None:
        return None
    if isinstance(given, da.Array):
        check_dask(name, given)
    else:
        given = as_array(given, name)
    check_held(name, given.dtype, _NOUN)
    check_in_shape(name, given.shape, x.shape, _NOUN)
    if isinstance(given, da.Array):
        return given
    ends = x.chunks[x.ndim - given.ndim :]
    chunks = tuple(
        lengths if length == sum(lengths) else (length,) for lengths, length in zip(ends, given.shape, strict=True)
    )
    return da.from_array(given, chunks=chunks)
