"""Which numbers are computed with, and how is a result stored? The rules of arrays, for tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentTypeError
from faltung.ground.arrays import as_dtype, check_result_dtype, computed_dtype

__all__ = ["as_numbers", "result_dtype", "stored"]

#: Dtypes of torch that NumPy lacks, and dtypes of NumPy for which the same rules hold.
_LIKE = {torch.bfloat16: "float16", torch.complex32: "complex64"}


def as_numbers(x: torch.Tensor) -> torch.Tensor:
    """Return samples to compute with: integers and booleans become floats, by the rule for arrays."""
    if x.is_floating_point() or x.is_complex():
        return x
    return x.to(_torch_dtype(computed_dtype(_numpy_dtype(x.dtype), "x")))


def result_dtype(dtype: Any, x: torch.Tensor) -> torch.dtype | None:
    """Return the dtype asked for the result of a tensor, if the result can be stored in it; None if none is asked."""
    if dtype is None:
        return None
    asked = dtype if isinstance(dtype, torch.dtype) else _torch_dtype(as_dtype(dtype, "dtype"))
    check_result_dtype(_numpy_dtype(asked), computed_dtype(_numpy_dtype(x.dtype), "x"), "dtype")
    return asked


def stored(y: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """Convert a result; integers are rounded half to even and saturated, and NaN becomes 0."""
    if dtype is None or y.dtype == dtype:
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


def _numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    return np.dtype(_LIKE.get(dtype) or str(dtype).removeprefix("torch."))


def _torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    found = getattr(torch, dtype.name, None)
    if not isinstance(found, torch.dtype):
        raise ArgumentTypeError("dtype", "a dtype of torch", repr(dtype.name))
    return found
