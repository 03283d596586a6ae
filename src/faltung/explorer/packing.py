"""How do arrays travel between Python and the page? As bytes, beside a JSON value that says where each is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from faltung.errors import ArgumentError

__all__ = ["DTYPES", "pack", "unpack"]

DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "float32", "float64")
"""What an array can hold on its way: the typed arrays of a browser."""

#: What a value of the page may be: levels of nesting, and axes of an array.
_DEEPEST, _MOST_AXES = 16, 4


def pack(value: object) -> tuple[Any, bytes]:
    """Return a value that JSON can hold, and the bytes of the arrays in it.

    Each array becomes ``{"$array": [offset, shape, dtype]}``, each number that is not finite ``{"$number": text}``.
    Arrays of other dtypes are sent as float64.

    Examples
    --------
    >>> pack({"taps": np.uint8([[65, 66]]), "largest": math.inf})
    ({'taps': {'$array': [0, [1, 2], 'uint8']}, 'largest': {'$number': 'Infinity'}}, b'AB')
    """
    parts: list[bytes] = []
    offset = 0

    def place(item: object) -> object:
        nonlocal offset
        if isinstance(item, np.ndarray):
            array = item if item.dtype.name in DTYPES else item.astype(np.float64)
            parts.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
            reference = {"$array": [offset, list(array.shape), array.dtype.name]}
            offset += len(parts[-1])
            return reference
        if isinstance(item, np.generic):
            return place(item.item())
        if isinstance(item, float) and not math.isfinite(item):
            return {"$number": "NaN" if math.isnan(item) else "Infinity" if item > 0 else "-Infinity"}
        if isinstance(item, Mapping):
            return {str(key): place(inner) for key, inner in item.items()}
        if isinstance(item, list | tuple):
            return [place(inner) for inner in item]
        return item

    return place(value), b"".join(parts)


def unpack(value: Any, data: bytes | memoryview) -> Any:
    """Return the value that `pack` took apart. The value may come from anyone.

    Raises
    ------
    ArgumentError
        If an array is not inside of `data`, all arrays together are larger than it, or the value is nested too deep.

    Examples
    --------
    >>> unpack({"x": {"$array": [0, [2], "uint8"]}}, b"ab")["x"].tolist()
    [97, 98]
    """
    left = len(data)  # bytes for arrays: the same bytes may be named many times

    def whole(item: Any, depth: int) -> Any:
        nonlocal left
        if depth > _DEEPEST:
            raise ArgumentError("arguments", f"a value of at most {_DEEPEST} levels", "a deeper one")
        if isinstance(item, list):
            return [whole(inner, depth + 1) for inner in item]
        if not isinstance(item, dict):
            return item
        if "$number" in item:
            return _number(item["$number"])
        if "$array" in item:
            array = _array(item["$array"], data)
            left -= array.nbytes
            if left < 0:
                raise ArgumentError("$array", f"arrays of {len(data)} bytes all in all", "more")
            return array.copy()
        return {key: whole(inner, depth + 1) for key, inner in item.items()}

    return whole(value, 0)


def _number(text: object) -> float:
    if text not in ("NaN", "Infinity", "-Infinity"):
        raise ArgumentError(
            "$number", "NaN, Infinity or -Infinity", f"{text!r:.40}", "Send other numbers as they are."
        )
    return float(str(text))


def _array(place: object, data: bytes | memoryview) -> np.ndarray[Any, np.dtype[Any]]:
    """Return an array on the data itself."""
    problem = ArgumentError("$array", "[offset, shape, dtype] inside of the data", f"{place!r:.80}")
    if not (isinstance(place, list) and len(place) == 3 and isinstance(place[1], list) and place[2] in DTYPES):
        raise problem
    offset, shape, name = place
    if shape == [0]:
        return np.empty(0, name)
    lengths_fit = all(type(length) is int and 0 < length <= len(data) for length in shape)
    if not (len(shape) <= _MOST_AXES and lengths_fit and type(offset) is int and offset >= 0):
        raise problem
    dtype, count = np.dtype(name), math.prod(shape)
    if offset + count * dtype.itemsize > len(data):
        raise problem
    return np.frombuffer(data, dtype, count, offset).reshape(shape)
