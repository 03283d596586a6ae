"""Which samples of an array in a file are missing? What its attributes declare, or what the caller says."""

from __future__ import annotations

import base64
import binascii
import numbers
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from faltung.chunked.zarr_layout import ZarrLayout
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.planning.nodata import Nodata, declared

__all__ = ["missing_values", "note_of", "redeclared"]

#: With this attribute, the fill value of an array of Zarr 2 stands for missing samples: xarray has written it. A fill
#: value of 0 is the one that Zarr takes where nothing is said, so it says nothing.
_WRITTEN_BY_XARRAY = "_ARRAY_DIMENSIONS"


def missing_values(source: Any, asked: Any = "declared") -> Nodata:
    """Return the values of missing samples.

    A NaN that is declared changes nothing, as in what xarray opens: ``nan=`` says what becomes of NaN.

    Parameters
    ----------
    source : FileSource
        The array; one of Zarr has attributes.
    asked : {'declared', 'none'} or number
        What the caller says.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The samples are packed in a way that a filter would not keep, or a value is no number.
    """
    layout = getattr(source, "layout", None)
    attrs = {} if layout is None else _attributes_of(layout, source.dtype)
    if str(attrs.get("_Unsigned", "")).lower() == "true" and source.dtype.kind == "i":
        received = "signed integers with the attribute _Unsigned"
        raise ArgumentError("source", "samples that are decoded", received, "Decode them with xarray.open_zarr.")
    found = declared(attrs, {}, source.dtype, "source")
    if isinstance(asked, str) and asked == "declared":
        return found
    if isinstance(asked, str) and asked == "none":
        return Nodata()
    if isinstance(asked, (str, bool, np.bool_)) or not isinstance(asked, numbers.Real):
        raise ArgumentTypeError("nodata", "a number, 'declared' or 'none'", repr(asked))
    return declared({"nodata": asked}, {}, source.dtype)._replace(attrs=())


def note_of(nodata: Nodata) -> list[str]:
    """Return what is said of missing samples."""
    if not nodata.values:
        return []
    values = ", ".join(str(value).removesuffix(".0") for value in nodata.values)
    return [f"Samples equal to {values} are missing: outputs are computed from the others under the kernel."]


def redeclared(layout: ZarrLayout, nodata: Nodata, dtype: np.dtype[Any]) -> ZarrLayout:
    """Return a layout that declares missing outputs as they are stored: in floats they are NaN.

    The first value is that of missing outputs in integers.
    """
    if not (nodata.attrs and nodata.values):
        return layout
    if dtype.kind not in "fc":
        fill, names = int(nodata.fill(dtype)), [name for name in nodata.attrs if name in layout.attributes]
        return replace(layout, attributes={**layout.attributes, **dict.fromkeys(names, fill)})
    kept = {name: value for name, value in layout.attributes.items() if name not in nodata.attrs}
    if layout.zarr_format == 2:
        return replace(layout, attributes=kept, fill_value=dtype.type(np.nan))
    return replace(layout, attributes={**kept, "_FillValue": base64.b64encode(struct.pack("<d", np.nan)).decode()})


def _attributes_of(layout: ZarrLayout, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes with numbers in them: JSON has no NaN, so xarray writes the bytes of floats as text."""
    attrs = dict(layout.attributes)
    if layout.zarr_format == 2 and _WRITTEN_BY_XARRAY in attrs and layout.fill_value:
        attrs.setdefault("_FillValue", layout.fill_value)
    for name in ("_FillValue", "missing_value", "nodata"):
        if isinstance(value := attrs.get(name), str):
            attrs[name] = _number_in(value, dtype)
    return attrs


def _number_in(text: str, dtype: np.dtype[Any]) -> Any:
    try:
        return float(text) if dtype.kind in "fc" else int(text)
    except ValueError:
        pass
    try:
        (value,) = struct.unpack("<d", base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, struct.error):
        return text  # which is refused by name
    return value
