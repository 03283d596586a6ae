"""How do arrays travel between Python and the page? As one block of bytes beside a JSON value that says where each is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from faltung.errors import ArgumentError

__all__ = ["DTYPES", "pack", "unpack"]

DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "float32", "float64")
"""What an array can hold on its way: the typed arrays of a browser."""


def pack(value: object) -> tuple[Any, bytes]:
    """Return a value that JSON can hold, and the bytes of the arrays in it.

    Each array becomes ``{"$array": [offset, shape, dtype]}``, each number that is not finite ``{"$number": text}``.
    Arrays of other dtypes are sent as float64.

    Examples
    --------
    >>> pack({"taps": np.float32([[1, 2]]), "largest": math.inf})
    ({'taps': {'$array': [0, [1, 2], 'float32']}, 'largest': {'$number': 'Infinity'}}, b'\\x00\\x00\\x80?\\x00\\x00\\x00@')
    """
    parts: list[bytes] = []
    offset = 0

    def place(item: object) -> object:
        nonlocal offset
        if isinstance(item, np.ndarray):
            array = item if item.dtype.name in DTYPES else item.astype(np.float64)
            parts.append(np.ascontiguousarray(array).tobytes())
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
        If an array is not inside of `data`.

    Examples
    --------
    >>> unpack({"x": {"$array": [0, [2], "uint8"]}}, b"ab")["x"].tolist()
    [97, 98]
    """
    if isinstance(value, list):
        return [unpack(item, data) for item in value]
    if not isinstance(value, dict):
        return value
    if "$number" in value:
        return _number(value["$number"])
    if "$array" in value:
        return _array(value["$array"], data)
    return {key: unpack(item, data) for key, item in value.items()}


def _number(text: object) -> float:
    if text not in ("NaN", "Infinity", "-Infinity"):
        raise ArgumentError(
            "$number", "NaN, Infinity or -Infinity", repr(text)[:40], "send other numbers as they are"
        )
    return float(str(text).replace("inity", ""))


def _array(place: object, data: bytes | memoryview) -> np.ndarray[Any, np.dtype[Any]]:
    problem = ArgumentError("$array", "[offset, shape, dtype] inside of the data", repr(place)[:80], "pack it again")
    if not (isinstance(place, list) and len(place) == 3 and isinstance(place[1], list) and place[2] in DTYPES):
        raise problem
    offset, shape, name = place
    numbers = [offset, *shape]
    if len(shape) > 4 or not all(
        isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in numbers
    ):
        raise problem
    dtype, count = np.dtype(name), math.prod(shape)
    if offset + count * dtype.itemsize > len(data):
        raise problem
    return np.frombuffer(data, dtype, count, offset).reshape(shape).copy()
