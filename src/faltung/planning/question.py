"""What is asked? Every argument is checked here, and written down as a `Problem`."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, check_result_dtype, computed_dtype
from faltung.ground.boundary import check_mode
from faltung.kernels import Bank, Kernel
from faltung.kernels.taps import as_taps
from faltung.planning.problem import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Asked", "as_input", "as_mask", "axes_of", "channel_axis_of", "problem_of", "steps"]

_SHAPES = ("same", "valid", "full")
_NAN = ("propagate", "ignore")
_ACCURACY = ("norm", "pointwise")
#: Largest origin: positions that far out still fit into the integers that they are counted with.
_FARTHEST = 1 << 40


class Asked(NamedTuple):
    """The arguments of a call that do not hold samples or taps, as they came."""

    reflected: bool
    mode: Any = None
    cval: Any = 0.0
    shape: Any = "same"
    axes: Any = None
    channel_axis: Any = None
    stride: Any = 1
    dilation: Any = 1
    groups: Any = 1
    dtype: Any = None
    nan: Any = "propagate"
    masked: bool = False
    accuracy: Any = "norm"
    method: Any = "auto"
    #: What an argument that gives the dtype of the result is called.
    name: str = "dtype"

    @property
    def plain(self) -> bool:
        """Whether there are no channels, and outputs and taps are neighbours."""
        return self.channel_axis is None and (self.stride, self.dilation, self.groups) == (1, 1, 1)

    @property
    def key(self) -> tuple[Any, ...]:
        """The same in a form that is equal for calls that ask the same."""
        # Type and text of cval tell apart what is equal but not the same (0.0 and -0.0, 1 and True), and find a NaN
        # again.
        steps = () if self.plain else (self.channel_axis, repr(self.stride), repr(self.dilation), self.groups)
        return (
            *(self.reflected, self.mode, type(self.cval), repr(self.cval), self.shape, repr(self.axes), self.dtype),
            *(self.nan, self.masked, self.accuracy, self.method, steps),
        )


def as_input(x: Any) -> NDArray[Any]:
    """Return the array to be filtered."""
    if isinstance(x, (Kernel, Bank)):
        remedy = "Give the array first; the convolution of two kernels is their product, a * b."
        raise ArgumentTypeError("x", "an array", f"a {'bank' if isinstance(x, Bank) else 'kernel'}", remedy)
    return as_array(x, "x")


def as_mask(mask: Any, x: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return the mask in the shape of the array, or None."""
    if mask is None:
        return None
    given = as_array(mask, "mask")
    if given.dtype.kind != "b":
        remedy = "Compare it with something, for example weights > 0."
        raise ArgumentTypeError(
            "mask", "an array of booleans, False where a sample is missing", f"{given.dtype}", remedy
        )
    try:
        return np.broadcast_to(given, x.shape)
    except ValueError:
        expected = f"an array of booleans of shape {x.shape}, or one that broadcasts to it"
        raise ArgumentError("mask", expected, f"shape {given.shape}") from None


def problem_of(x: NDArray[Any], kernel: Any, asked: Asked) -> Problem:
    """Check every argument and say what is asked."""
    computed = computed_dtype(x.dtype, "x")
    if not isinstance(kernel, Kernel):
        kernel = Kernel(as_taps(kernel, "kernel"))
    if kernel.taps.dtype.kind == "c":
        computed = np.result_type(computed, np.complex64)
    shape, cval = asked.shape, asked.cval
    if not isinstance(shape, str) or shape not in _SHAPES:
        raise ArgumentError("shape", f"one of {', '.join(map(repr, _SHAPES))}", repr(shape))
    for argument, value, choices in (("nan", asked.nan, _NAN), ("accuracy", asked.accuracy, _ACCURACY)):
        if not isinstance(value, str) or value not in choices:
            raise ArgumentError(argument, f"{choices[0]!r} or {choices[1]!r}", repr(value))
    if any(abs(at) > _FARTHEST for at in kernel.origin):
        raise ArgumentError("kernel", f"an origin of at most {_FARTHEST}", f"{kernel.origin}")
    places = axes_of(asked, x.ndim, kernel.ndim)
    mode = ("constant" if shape == "full" else "reflect") if asked.mode is None else check_mode(asked.mode)
    cval = _cval(cval, x.dtype)
    lengths = [x.shape[axis] for axis in places]
    larger = [size > length for size, length in zip(kernel.shape, lengths, strict=True)]
    if shape == "valid" and any(larger) and 0 not in lengths:
        if not all(size >= length for size, length in zip(kernel.shape, lengths, strict=True)):
            raise ArgumentError(
                "shape",
                "'same' or 'full' where the kernel is longer than the array on one axis and shorter on another",
                f"'valid' for a kernel of shape {kernel.shape} on axes of lengths {tuple(lengths)}",
                "Crop the kernel, or choose another shape.",
            )
        mode, cval = "constant", 0.0  # taps beyond the array do not take part
    origins = kernel.flip().origin if asked.reflected else kernel.origin
    regions = [
        _region(shape, length, size, origin)
        for length, size, origin in zip(lengths, kernel.shape, origins, strict=True)
    ]
    return Problem(
        shape=x.shape,
        dtype=x.dtype,
        kernel=kernel,
        reflected=asked.reflected,
        axes=places,
        mode=mode,
        cval=cval,
        regions=tuple(regions),
        result=computed if asked.dtype is None else check_result_dtype(asked.dtype, computed, asked.name),
        accuracy=asked.accuracy,
        skips_nan=asked.nan == "ignore" and x.dtype.kind in "fc",
        masked=asked.masked,
    )


def _region(shape: str, length: int, size: int, origin: int) -> tuple[int, int]:
    """Positions of the array for which there is an output, along one axis."""
    if length == 0 or shape == "same":
        return 0, length
    reaching = (origin - size + 1, length + origin)  # some tap meets a sample
    if shape == "full":
        return reaching
    overlap = min(length, size) - 1
    return reaching[0] + overlap, reaching[1] - overlap


def axes_of(asked: Asked, ndim: int, kernel_ndim: int) -> tuple[int, ...]:
    """Return the axis of the array for each axis of the kernel; by default the last ones but that of the channels."""
    axes, channel = asked.axes, channel_axis_of(asked, ndim)
    if axes is None:
        free = [axis for axis in range(ndim) if axis != channel]
        if len(free) < kernel_ndim:
            beside = "" if channel is None else " beside the channels"
            raise ArgumentError(
                "x",
                f"an array with at least as many axes{beside} as the kernel, which has {kernel_ndim}",
                f"one with {len(free)}",
                "Give the kernel fewer axes (named filters take ndim=), or the array more.",
            )
        return tuple(free[len(free) - kernel_ndim :])
    several = isinstance(axes, (tuple, list, range)) or (isinstance(axes, np.ndarray) and axes.ndim > 0)
    chosen = tuple(axes) if several else (axes,)
    for axis in chosen:
        if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
            raise ArgumentTypeError("axes", "an integer for each axis of the kernel", repr(axes))
    if len(chosen) != kernel_ndim:
        raise ArgumentError("axes", f"{kernel_ndim}, one for each axis of the kernel", f"{len(chosen)}: {axes!r}")
    if any(not -ndim <= axis < ndim for axis in chosen):
        raise ArgumentError("axes", f"axes of an array with {ndim}", repr(axes))
    placed = tuple(int(axis) % ndim for axis in chosen)
    if len(set(placed)) != len(placed):
        raise ArgumentError("axes", "axes that differ", repr(axes))
    if channel in placed:
        raise ArgumentError("axes", f"axes other than that of the channels, {channel}", repr(axes))
    return placed


def channel_axis_of(asked: Asked, ndim: int) -> int | None:
    """Return the axis of the channels, not negative, or None."""
    axis = asked.channel_axis
    if axis is None:
        return None
    if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
        raise ArgumentTypeError("channel_axis", "an integer or None", repr(axis))
    place = int(axis)
    if not -ndim <= place < ndim:
        raise ArgumentError("channel_axis", f"an axis of an array with {ndim}", repr(axis))
    return place % ndim


def steps(name: str, value: Any, count: int) -> tuple[int, ...]:
    """Return a stride or dilation for each spatial axis."""
    several = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    given = tuple(value) if several else (value,) * count
    for step in given:
        if isinstance(step, bool) or not isinstance(step, numbers.Integral):
            raise ArgumentTypeError(name, "a positive integer, or one for each axis of the kernel", repr(value))
    found = tuple(int(step) for step in given)
    if len(found) != count or min(found) < 1:
        expected = f"a positive integer, or {count} of them, one for each axis of the kernel"
        raise ArgumentError(name, expected, repr(value))
    return found


def _cval(cval: Any, dtype: np.dtype[Any]) -> complex:
    if isinstance(cval, bool) or not isinstance(cval, (numbers.Complex, np.number)):
        raise ArgumentTypeError("cval", "a number", repr(cval))
    try:
        value = complex(cval)
    except OverflowError as error:
        raise ArgumentError("cval", "a number within double precision", "a larger integer") from error
    if dtype.kind == "c":
        return value
    if value.imag:
        raise ArgumentError("cval", "a real number for a real array", repr(cval), "Convert x to a complex dtype.")
    return math.nan if math.isnan(value.real) else value.real
