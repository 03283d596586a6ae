"""How is an array of CuPy filtered? As the tensor of torch that it shares its memory with, on the same device."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from faltung.doors import door_of
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, computed_dtype
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.planning.planned import Planned
from faltung.planning.question import Options

__all__ = ["filter", "plan"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> Any:
    """Filter an array of CuPy; the arguments are those of `faltung.convolve`."""
    if out is not None:
        raise ArgumentError("out", "None for an array of CuPy", f"a {type(out).__name__}", "Omit out=.")
    tensor, taps = _inputs(x, kernel)
    valid = _as_tensor(mask, tensor)
    if options.dtype is None and tensor.dtype.itemsize == 2 and tensor.dtype.is_floating_point:
        options = options._replace(dtype=computed_dtype(np.dtype(str(x.dtype)), "x"))  # the rule of arrays
    result = door_of(tensor, taps).filter(tensor, taps, options, None, valid, workers)
    cupy: Any = importlib.import_module("cupy")
    return cupy.from_dlpack(result.detach())


def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
    """Return the plan for an array of CuPy, which is called with ``torch.from_dlpack(x)``."""
    tensor, taps = _inputs(x, kernel)
    return door_of(tensor, taps).plan(tensor, taps, options, effort)  # type: ignore[no-any-return]


def _inputs(x: Any, kernel: Any) -> tuple[Any, Any]:
    """Return the samples as a tensor that shares their memory, and the filter."""
    if not _of_cupy(x):
        as_array(kernel, "kernel")  # raises an error, since x alone decides what the result is
    try:
        torch: Any = importlib.import_module("torch")
        usable = torch.cuda.is_available()
    except ModuleNotFoundError:
        usable = False
    if not usable:
        remedy = "Pass x.get(), or install torch with CUDA, through which arrays of CuPy are filtered."
        raise ArgumentTypeError("x", "an array in the memory of the host", "one of CuPy", remedy)
    tensor = torch.from_dlpack(x)
    if isinstance(kernel, Kernel | Bank | CoordinateKernel):
        return tensor, kernel
    return tensor, as_array(kernel.get() if _of_cupy(kernel) else kernel, "kernel")


def _as_tensor(mask: Any, tensor: Any) -> Any:
    """Return a mask, or weights, on the device of the samples."""
    if mask is None:
        return None
    torch: Any = importlib.import_module("torch")
    return torch.from_dlpack(mask) if _of_cupy(mask) else torch.as_tensor(np.asarray(mask), device=tensor.device)


def _of_cupy(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "cupy"
