"""How is a Zarr array stored? Its chunks, shards, codecs, names and attributes, which a new array gets again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["ZarrLayout", "create_array", "default_layout", "fitted", "layout_of", "stored_dtype"]


@dataclass(frozen=True)
class ZarrLayout:
    """How an array is stored.

    Parameters
    ----------
    zarr_format : {2, 3}
        Version of the format.
    chunks : tuple of int
        What is read as a whole.
    unit : tuple of int
        What is written as a whole: the shards, or else the chunks.
    fill_value : number or None
        Value of chunks that are not stored.
    codecs : dict
        Arguments of `zarr.create` that say how chunks are packed, and what their keys are.
    dimension_names : tuple of str or None
        Names of the axes.
    attributes : dict
        Further attributes.
    """

    zarr_format: int
    chunks: tuple[int, ...]
    unit: tuple[int, ...]
    fill_value: Any = 0
    codecs: dict[str, Any] = field(default_factory=dict)
    dimension_names: tuple[str | None, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


def layout_of(array: Any) -> ZarrLayout:
    """Return how an array is stored."""
    metadata = array.metadata
    names, codecs = None, dict[str, Any]()
    if metadata.zarr_format == 2:
        codecs = {
            "compressor": metadata.compressor,
            "filters": metadata.filters,
            "dimension_separator": metadata.dimension_separator,
            "order": metadata.order,
        }
    else:
        codecs = {"codecs": metadata.codecs, "chunk_key_encoding": metadata.chunk_key_encoding}
        names = metadata.dimension_names
    return ZarrLayout(
        metadata.zarr_format,
        array.chunks,
        array.chunks if array.shards is None else array.shards,
        metadata.fill_value,
        codecs,
        names,
        dict(array.attrs),
    )


def stored_dtype(result: np.dtype[Any], source: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of results in a file: in the byte order of the source, if they have its dtype."""
    return source if source.newbyteorder("=") == result else result


def create_array(
    store: Any, layout: ZarrLayout, shape: tuple[int, ...], dtype: np.dtype[Any], attributes: Mapping[str, Any]
) -> Any:
    """Create an array that is stored in this way."""
    import zarr

    parts: dict[str, Any] = dict(layout.codecs)
    if layout.zarr_format == 2:
        parts["chunks"] = layout.unit
        order = {"order": parts.pop("order")} if "order" in parts else {}
    else:
        parts |= {"chunk_shape": layout.unit, "dimension_names": layout.dimension_names}
        order = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a codec has no specification yet is no news: the input has it
        return zarr.create(
            shape,
            store=store,
            zarr_format=layout.zarr_format,
            dtype=dtype,
            fill_value=layout.fill_value,
            attributes={**layout.attributes, **attributes},
            **parts,
            **order,
        )


def fitted(layout: ZarrLayout, before: np.dtype[Any], dtype: np.dtype[Any]) -> tuple[ZarrLayout, list[str]]:
    """Return the layout for another dtype, and what it does not keep, as sentences."""
    notes = []
    if dtype == before:
        if _packed(layout, dtype) is not None:  # what it gives back may be rounded, as in the input
            return layout, []
    elif layout.fill_value is not None and not _holds(dtype, layout.fill_value):
        notes.append(f"The fill value {layout.fill_value} becomes 0, as {dtype} does not have it.")
        layout = replace(layout, fill_value=0)
    elif layout.fill_value is not None:
        layout = replace(layout, fill_value=dtype.type(layout.fill_value))
    found = _packed(layout, dtype)
    if found is None or not np.array_equal(*found):
        notes.append(f"The codecs of the input do not hold {dtype}: those that Zarr takes by default are used.")
        kept = {"dimension_separator", "order", "chunk_key_encoding"}
        codecs = {name: value for name, value in layout.codecs.items() if name in kept}
        layout = replace(layout, codecs=codecs, unit=layout.unit)
    return layout, notes


def _holds(dtype: np.dtype[Any], value: Any) -> bool:
    with np.errstate(all="ignore"):
        try:
            return bool(np.array_equal(np.asarray(value).astype(dtype).astype(type(value)), value, equal_nan=True))
        except (TypeError, ValueError, OverflowError):
            return False


def _packed(layout: ZarrLayout, dtype: np.dtype[Any]) -> tuple[Any, Any] | None:
    """Return a few samples, and what the codecs give back of them; None if they do not pack this dtype."""
    from zarr.storage import MemoryStore

    count = min(layout.unit[-1], 251)
    few = np.arange(count).astype(dtype).reshape((1,) * (len(layout.unit) - 1) + (count,))
    part = tuple(slice(0, length) for length in few.shape)
    try:
        array = create_array(MemoryStore(), layout, layout.unit, dtype, {})
        array[part] = few
        return few, array[part]
    except Exception:  # whatever a codec says of a dtype that it does not know, or of what is asked of it
        return None


def default_layout(shape: tuple[int, ...]) -> ZarrLayout:
    """Return how an array is stored that comes from another kind of file: in chunks of about a megabyte.

    Examples
    --------
    >>> default_layout((4000, 3000)).chunks
    (512, 512)
    """
    ndim = sum(length > 1 for length in shape[-3:])
    side = {0: 1, 1: 1 << 18, 2: 512}.get(ndim, 64)
    chunks = tuple(max(1, min(side, length)) for length in shape[-3:])
    whole = (1,) * (len(shape) - len(chunks)) + chunks
    return ZarrLayout(3, whole, whole)
