"""What was observed? Samples, which of them are missing, and the blur that they came through."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, computed_dtype, is_masked_array, is_tensor, where
from faltung.kernels import Bank, Kernel
from faltung.planning.missing_rule import check_held, check_in_shape
from faltung.planning.question import as_value
from faltung.signals.given_axes import given_axes, is_labelled
from faltung.signals.linear_operator import ConvolutionOperator, operator

__all__ = ["Observation", "alike", "check_callable", "is_single", "observe", "times_power"]

#: Powers of two up to which squares of samples can be added up, in double and in single precision.
_FAR, _FAR_SINGLE = 400, 40


@dataclass(frozen=True)
class Observation:
    """Samples that came through a blur.

    Parameters
    ----------
    samples : ndarray or torch.Tensor
        In floats or complex numbers, with 0 where a sample is missing.
    present : ndarray, torch.Tensor or None
        True where a sample is not missing; None if none is.
    psf : Kernel
        The point spread function.
    blur : ConvolutionOperator
        The blur, from the unknown to the samples.
    axes : tuple of int
        The axis for each axis of the kernel, not negative.
    modes : tuple of str
        For each of them, how the unknown continues beyond the border.
    labels : xarray.DataArray, optional
        The array whose labels the result keeps.
    exponent : int
        The power of two that the samples were divided by, so that their squares can be added up; mostly 0.
    """

    samples: Any
    present: Any
    psf: Kernel
    blur: ConvolutionOperator
    axes: tuple[int, ...]
    modes: tuple[str, ...]
    labels: Any = None
    exponent: int = 0

    def labelled(self, values: Any) -> Any:
        """Return a result with the labels of the samples."""
        return values if self.labels is None else self.labels.copy(data=values)

    def reduced(self, value: Any) -> Any:
        """Return a number, or an array, that is in the unit of the given samples in that of `samples`."""
        return times_power(value, -self.exponent)

    def restored(self, estimate: Any) -> Any:
        """Return an estimate in the unit of the given samples."""
        return times_power(estimate, self.exponent)

    def told(self, progress: Callable[..., Any] | None) -> Callable[..., Any] | None:
        """Return what is called after each step, with the estimate in the unit of the given samples."""
        if progress is None or not self.exponent:
            return progress
        return lambda step, estimate: progress(step, self.restored(estimate))

    @property
    def periodic(self) -> bool:
        """Whether discrete Fourier transforms make the blur diagonal."""
        return self.present is None and {*self.modes} == {"wrap"}

    @property
    def count(self) -> int:
        """Number of samples that are not missing."""
        return int(np.prod(self.samples.shape)) if self.present is None else int(self.present.sum())

    def masked(self, values: Any) -> Any:
        """Return values with 0 where a sample is missing."""
        return values if self.present is None else values * self.present


def observe(x: Any, psf: Any, mode: Any, axes: Any, nan: Any, mask: Any) -> Observation:
    """Check what was observed.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.
    """
    kernel = as_value(psf, channels=False)
    if isinstance(kernel, Bank):
        raise ArgumentTypeError("psf", "one kernel", "a bank", "Call it once for each kernel.")
    if nan not in ("propagate", "ignore"):
        raise ArgumentError("nan", "'propagate' or 'ignore'", repr(nan))
    labels = x if is_labelled(x) else None
    if labels is not None:
        x, axes, mode, _, nan = given_axes(x, kernel.ndim, mode, axes, None, nan)
        mask = _values(mask, labels)
    x, mask = _numbers(x, mask)
    present = _present(x, nan, mask)
    if present is not None:
        x = where(present, x, 0)
        if not present.any():
            raise ArgumentError("mask", "at least one sample that is not missing", "none")
    if 0 in x.shape:
        raise ArgumentError("x", "at least one sample", f"shape {tuple(x.shape)}")
    if not bool((abs(x) < float("inf")).all()):  # false for NaN too
        remedy = "For samples that are missing, use nan='ignore' or mask=."
        raise ArgumentError("x", "finite samples, since every one affects every result", "others", remedy)
    blur = operator(kernel, tuple(x.shape), mode, axes=axes)
    question, exponent = blur.question, _exponent(x)
    samples = times_power(x, -exponent)
    return Observation(samples, present, kernel, blur, question.axes, question.modes, labels, exponent)


def times_power(value: Any, exponent: int) -> Any:
    """Return a number or an array times a power of two, which may itself be out of range."""
    if not exponent:
        return value
    half = exponent // 2
    return value * 2.0**half * 2.0 ** (exponent - half)


def _exponent(x: Any) -> int:
    """Return the exponent of samples that are too large, or too small, for sums of their squares; 0 for others."""
    largest = float(abs(x if isinstance(x, np.ndarray) else x.detach()).max())
    exponent = math.frexp(largest)[1]
    return exponent if largest and abs(exponent) > (_FAR_SINGLE if is_single(x) else _FAR) else 0


def _values(mask: Any, x: Any) -> Any:
    """Return a mask beside an array of xarray, without its labels, in the order of its axes."""
    if not is_labelled(mask):
        return mask
    from faltung.labelled.beside import aligned  # loads xarray no earlier than its arrays come

    return aligned("mask", mask, x)


def alike(name: str, value: Any, x: Any) -> Any:
    """Return another array of the kind, shape and dtype of `x`, as a copy."""
    if is_tensor(x) != is_tensor(value) or tuple(np.shape(value)) != tuple(x.shape):
        expected = f"an array of the kind of x and of its shape, {tuple(x.shape)}"
        raise ArgumentError(name, expected, f"a {type(value).__name__} of shape {tuple(np.shape(value))}")
    return value.to(x.dtype).clone() if is_tensor(x) else np.array(value, x.dtype)


def check_callable(name: str, value: Any) -> Callable[..., Any] | None:
    """Return `value` if it is a function or None."""
    if value is not None and not callable(value):
        raise ArgumentTypeError(name, "a function of the step and the estimate, or None", repr(value)[:80])
    return value  # type: ignore[no-any-return]


def is_single(x: Any) -> bool:
    """Whether an array, or a tensor, is in single precision."""
    return str(x.dtype).removeprefix("torch.") in ("float32", "complex64")


def _numbers(x: Any, mask: Any) -> tuple[Any, Any]:
    """Return the samples as floats or complex numbers, and the mask, with that of a masked array."""
    if is_tensor(x):
        kind = "float32" if str(x.dtype).removeprefix("torch.") in _SHORT else "float64"
        kept = x.is_complex() or (x.is_floating_point() and x.dtype.itemsize > 2)
        return (x if kept else x.to(_torch(kind))), mask
    if isinstance(x, Kernel) or type(x).__module__.partition(".")[0] in ("dask", "xarray", "pandas"):
        remedy = (
            "Every result depends on every sample: pass them as one array in memory, as x.compute() or x.to_numpy()."
        )
        raise ArgumentTypeError("x", "an array of NumPy or a tensor", f"a {type(x).__name__}", remedy)
    if is_masked_array(x):
        valid = ~np.ma.getmaskarray(x)
        x, mask = np.ma.getdata(x), valid if mask is None else valid & mask
    x = as_array(x, "x")
    return x.astype(computed_dtype(x.dtype, "x"), copy=False), mask


#: Dtypes of tensors that single precision holds.
_SHORT = ("float16", "bfloat16", "int8", "uint8", "int16", "bool")


def _torch(name: str) -> Any:
    import torch  # there is a tensor, so it is loaded

    return getattr(torch, name)


def _present(x: Any, nan: str, mask: Any) -> Any:
    """Return where samples are present, or None if all are."""
    missing = nan == "ignore" and bool((x != x).any())
    present = x == x if missing else None  # NaN is not equal to itself
    if mask is not None:
        if not is_tensor(x):
            mask = np.asarray(mask)
        elif not is_tensor(mask):
            raise ArgumentTypeError("mask", "a tensor of booleans beside a tensor", f"a {type(mask).__name__}")
        check_held("mask", mask.dtype)
        check_in_shape("mask", tuple(mask.shape), tuple(x.shape))
        mask = mask.expand(x.shape) if is_tensor(x) else np.broadcast_to(mask, x.shape)
        present = mask if present is None else present & mask
    return None if present is None or bool(present.all()) else present
