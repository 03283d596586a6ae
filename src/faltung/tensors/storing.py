"""Which dtype of NumPy does a dtype of torch follow, and how is a result stored? The rules of arrays, for tensors."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentTypeError

__all__ = ["followed", "stored", "torch_dtype"]

#: Dtypes of torch that NumPy lacks, and dtypes of NumPy whose rules they follow.
_LIKE: dict[torch.dtype, np.dtype[Any]] = {torch.bfloat16: np.dtype("f2"), torch.complex32: np.dtype("c8")}


@cache
def followed(dtype: torch.dtype, name: str) -> np.dtype[Any]:
    """Return the dtype of NumPy whose rules a dtype of torch follows.

    Examples
    --------
    >>> followed(torch.bfloat16, "x"), followed(torch.uint8, "x")
    (dtype('float16'), dtype('uint8'))
    """
    if dtype in _LIKE:
        return _LIKE[dtype]
    try:
        like: np.dtype[Any] = np.dtype(str(dtype).removeprefix("torch."))
    except TypeError:
        raise ArgumentTypeError(name, "a dtype of numbers", str(dtype), "Convert to float32.") from None
    return like


@cache
def torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    """Return the dtype of torch with the name of one of NumPy."""
    found = getattr(torch, dtype.name, None)
    if not isinstance(found, torch.dtype):
        raise ArgumentTypeError("dtype", "a dtype of torch", repr(dtype.name))
    return found


def stored(y: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert a result; integers are rounded half to even and saturated, and NaN becomes 0."""
    if y.dtype == dtype:
        return y
    if dtype.is_floating_point or dtype.is_complex:
        return y.to(dtype)
    limits = torch.iinfo(dtype)
    rounded = torch.nan_to_num(y.round(), nan=0.0)
    if dtype.itemsize <= 2 or (y.dtype == torch.float64 and dtype.itemsize < 8):
        return rounded.clamp(float(limits.min), float(limits.max)).to(dtype)
    # The largest integer is no float: the largest float below it is the limit, and what is above is set to it.
    below = math.nextafter(float(limits.max), 0.0)
    whole = rounded.clamp(float(limits.min), below).to(torch.float64).to(dtype)
    return torch.where(rounded >= float(limits.max), limits.max, whole)
