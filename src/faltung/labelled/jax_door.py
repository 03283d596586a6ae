"""How is an array of JAX filtered? As the array of NumPy that it shares its memory with; the result is one of JAX."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from faltung.doors import door_of
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, as_dtype
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.planning.planned import Planned
from faltung.planning.question import Options

__all__ = ["filter", "plan"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> Any:
    """Filter an array of JAX; the arguments are those of `faltung.convolve`."""
    if out is not None:
        raise ArgumentError("out", "None for an array of JAX", f"a {type(out).__name__}", "Omit out=.")
    samples, taps = _inputs(x, kernel)
    options = options._replace(dtype=_dtype(options.dtype))
    valid = _on_host("weights" if options.graded else "mask", mask)
    result = door_of(samples, taps).filter(samples, taps, options, None, valid, workers)
    return _jax().device_put(result, next(iter(x.devices())))


def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
    """Return the plan for an array of JAX, which is called with ``numpy.asarray(x)``."""
    samples, taps = _inputs(x, kernel)
    return door_of(samples, taps).plan(samples, taps, options, effort)  # type: ignore[no-any-return]


def _inputs(x: Any, kernel: Any) -> tuple[Any, Any]:
    """Return the samples, and the filter, without JAX."""
    if not isinstance(x, _jax().Array):
        as_array(kernel, "kernel")  # raises an error, since x alone decides what the result is
    samples = _on_host("x", x)
    value = isinstance(kernel, Kernel | Bank | CoordinateKernel)
    return samples, kernel if value else _on_host("kernel", kernel)


def _on_host(name: str, array: Any) -> Any:
    """Return an array of JAX as one of NumPy, which is not a copy in the memory of the host.

    Raises
    ------
    ArgumentTypeError
        It has no values yet, as in a function that JAX transforms, or it is on another device.
    """
    if not isinstance(array, _jax().Array):
        return array
    if isinstance(array, _jax().core.Tracer):
        remedy = (
            "Call it outside of jit, grad and vmap, or through jax.pure_callback. Gradients are not offered for JAX; "
            "they are for tensors of torch."
        )
        raise ArgumentTypeError(name, "an array of JAX that has values", "one that is traced", remedy)
    devices = array.devices()
    platforms = sorted({device.platform for device in devices})
    if platforms != ["cpu"] or len(devices) > 1:
        received = f"one on {len(devices)} devices, {', '.join(platforms)}"
        remedy = f"Pass numpy.asarray({name}), or a tensor of torch on that device: torch.from_dlpack({name})."
        raise ArgumentTypeError(name, "an array of JAX on one CPU", received, remedy)
    return np.asarray(array)


def _jax() -> Any:
    """Return the library, which whoever passes one of its arrays has imported."""
    return sys.modules["jax"]


def _dtype(dtype: Any) -> Any:
    """Return the dtype of the result, if JAX has arrays of it."""
    if dtype is None:
        return None
    wanted = as_dtype(dtype, "dtype")
    held = _jax().dtypes.canonicalize_dtype(wanted)
    if held != wanted:
        remedy = "Set jax_enable_x64, or pass numpy.asarray(x)."
        raise ArgumentError("dtype", f"{held}, as JAX has no wider arrays here", str(wanted), remedy)
    return wanted
