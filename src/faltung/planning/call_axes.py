"""Which axes of the array does a call name? Those of the channels, with their groups, and of the kernel, checked."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from faltung.errors import ArgumentError, ArgumentTypeError, AxesWarning
from faltung.ground.checks import is_integer, is_sequence

if TYPE_CHECKING:
    from faltung.kernels import Bank, Kernel

__all__ = [
    "channel_axis",
    "check_channels",
    "check_no_groups",
    "checked_groups",
    "extends_over_channels",
    "spatial_axes",
    "warn_of_axes",
    "warn_of_channels",
]

#: Lengths that the last axis of an array has if it holds colours or channels, by the number of axes before it.
_CHANNELS = {1: (2,), 2: (3, 4)}


def channel_axis(axis: Any, ndim: int) -> int | None:
    """Return the index of the axis of the channels, counted from the start, or None."""
    if axis is None:
        return None
    if not is_integer(axis):
        raise ArgumentTypeError("channel_axis", "an integer or None", repr(axis))
    place = int(axis)
    if not -ndim <= place < ndim:
        raise ArgumentError("channel_axis", f"an axis of an array with {_axes_text(ndim)}", repr(axis))
    return place % ndim


def spatial_axes(axes: Any, channel: int | None, ndim: int, kernel_ndim: int) -> tuple[int, ...]:
    """Return the axis of the array for each axis of the kernel; by default the last ones, without the channels."""
    if axes is None:
        return _last_axes(channel, ndim, kernel_ndim)
    chosen = tuple(axes) if is_sequence(axes) or isinstance(axes, range) else (axes,)
    if not all(map(is_integer, chosen)):
        raise ArgumentTypeError("axes", "an integer for each axis of the kernel", repr(axes))
    if len(chosen) != kernel_ndim:
        raise ArgumentError("axes", f"{_axes_text(kernel_ndim)}, as many as the kernel has", repr(axes))
    if not all(-ndim <= axis < ndim for axis in chosen):
        raise ArgumentError("axes", f"axes of an array with {_axes_text(ndim)}", repr(axes))
    placed = tuple(int(axis) % ndim for axis in chosen)
    if len({*placed}) != len(placed):
        raise ArgumentError("axes", "axes that are all different", repr(axes))
    if channel in placed:
        raise ArgumentError("axes", f"axes other than that of the channels, {channel}", repr(axes))
    return placed


def warn_of_channels(shape: tuple[int, ...], kernel_axes: tuple[int, ...], axes: Any, channel_axis: Any) -> None:
    """Warn of a kernel that extends over colours or channels in a call without axes; `AxesWarning` has the rule."""
    if axes is None and channel_axis is None and extends_over_channels(shape, kernel_axes):
        count, lengths = len(kernel_axes), " x ".join(map(str, shape))
        remedy = "colours, pass axes=(0, 1)" if count == 2 else "channels, pass axes=0"
        text = f"axes: the kernel extends over the last axis of {lengths} samples. If it holds {remedy}."
        warn_of_axes(text)


def extends_over_channels(shape: tuple[int, ...], kernel_axes: tuple[int, ...]) -> bool:
    """Whether a kernel that extends over the last axes extends over one that looks like colours or channels."""
    count = len(kernel_axes)
    is_short = len(shape) == count + 1 and shape[-1] in _CHANNELS.get(count, ())
    return is_short and min(shape[:-1]) > shape[-1]


def warn_of_axes(text: str) -> None:
    """Warn of axes that a kernel probably should not extend over; the warning names the caller of this package."""
    warnings.warn(text, AxesWarning, stacklevel=_frames_of_this_package())


def checked_groups(groups: Any) -> int:
    """Return the number of groups of channels."""
    if not is_integer(groups):
        raise ArgumentTypeError("groups", "a positive integer", repr(groups))
    if groups < 1:
        raise ArgumentError("groups", "a positive integer", repr(groups))
    return int(groups)


def check_no_groups(kernel: Kernel, groups: int) -> None:
    """Raise an error if an array without channels should have groups of them."""
    if groups > 1:
        remedy = "Pass the axis of the channels as channel_axis=."
        received = f"a bank with 1 channels in and groups={groups}"
        raise ArgumentError("kernel", "a bank with one channel in for an array without channels", received, remedy)


def check_channels(bank: Bank, channel: int | None, channels: int, groups: int) -> None:
    """Raise an error if a bank does not have as many channels in as the array, in all groups together."""
    if channels == groups * bank.in_channels and not bank.out_channels % groups:
        return
    if channel is not None:
        expected = f"{channels} channels in, as many as x has on axis {channel}"
        received = f"a bank with {bank.in_channels} channels in and {bank.out_channels} out"
        if groups > 1:
            expected = f"channels out in {groups} equal groups, and in all groups together {expected}"
            received += f", and groups={groups}"
        raise ArgumentError("kernel", expected, received)
    remedy = "Pass the axis of the channels as channel_axis=."
    if groups == 1:
        raise ArgumentError("kernel", "a bank with one channel in", f"one with {bank.in_channels}", remedy)
    received = f"a bank with {bank.in_channels} channels in and groups={groups}"
    raise ArgumentError("kernel", "a bank with one channel in for an array without channels", received, remedy)


def _frames_of_this_package() -> int:
    """Return how many callers up the first one outside of this package is, for the place that a warning names."""
    frame, count = sys._getframe(1), 0
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "faltung":
        frame, count = frame.f_back, count + 1
    return count + 1


def _last_axes(channel: int | None, ndim: int, kernel_ndim: int) -> tuple[int, ...]:
    free = [axis for axis in range(ndim) if axis != channel]
    if len(free) < kernel_ndim:
        beside = "" if channel is None else " beside the channels"
        raise ArgumentError(
            "x",
            f"an array with at least as many axes{beside} as the kernel, which has {kernel_ndim}",
            f"one with {len(free)}",
            "Use a kernel with fewer axes (named filters take ndim=), or an array with more.",
        )
    return tuple(free[len(free) - kernel_ndim :])


def _axes_text(count: int) -> str:
    return f"{count} {'axis' if count == 1 else 'axes'}"
