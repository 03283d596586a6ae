"""Which axes of the array does a call name? Those of the channels and of the kernel, checked."""

from __future__ import annotations

from typing import Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer, is_sequence

__all__ = ["channel_axis", "spatial_axes"]


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
