"""What is a dtype or an array in torch, and in NumPy? The rules for both directions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["computed", "constant", "numpy_dtype"]


_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def computed(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which real tensors are computed: double precision for double precision, else single."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """Return NumPy's name for the dtype in which real tensors are computed."""
    return _DOUBLE if dtype == torch.float64 else _SINGLE


def constant(
    values: Callable[[], NDArray[Any]], device: torch.device, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Copy an array to a device, as a tensor that is kept from call to call.

    A tensor that was made in `torch.inference_mode` could not be used where gradients are computed later, and one
    that was made while torch traces a function would belong to the graph. So torch must not see the array either,
    and `values` is a function that returns it.
    """
    copy: Any = torch.compiler.disable(_copy) if "torch._dynamo" in sys.modules else _copy  # type: ignore[no-untyped-call]
    return copy(values, device, dtype)  # type: ignore[no-any-return]


def _copy(values: Callable[[], NDArray[Any]], device: torch.device, dtype: torch.dtype | None) -> torch.Tensor:
    with torch.inference_mode(False):
        return torch.from_numpy(np.array(values())).to(device, dtype)
