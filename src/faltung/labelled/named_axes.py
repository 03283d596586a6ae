"""Which axes do names mean? The names in `dims`, `mode` and `channel_axis` become numbers of axes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array
from faltung.ground.checks import is_integer
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.planning.call_axes import channel_axis, spatial_axes, warn_of_axes
from faltung.planning.question import Options, as_value

__all__ = ["as_filter", "asked_dims", "with_numbers"]

#: Names of axes that hold colours or channels. A kernel that takes the last axes should not extend over them.
_CHANNELS = {"band", "bands", "channel", "channels", "c", "color", "colour", "colors", "colours", "rgb", "rgba"}


def as_filter(kernel: Any, options: Options) -> Kernel | Bank | CoordinateKernel:
    """Return the filter as a value."""
    if isinstance(kernel, CoordinateKernel):
        return kernel
    if not isinstance(kernel, Kernel | Bank | str):
        kernel = as_array(kernel, "kernel")  # taps with labels would lose them
    return as_value(kernel, options.channel_axis is not None)


def asked_dims(kernel: Kernel | Bank | CoordinateKernel, options: Options) -> tuple[Hashable, ...] | None:
    """Return the names of the axes of the kernel, or None if neither the call nor the kernel has names.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        There are names and numbers, or a name twice, or not one name for each axis of the kernel.
    """
    own = kernel.dims if isinstance(kernel, CoordinateKernel) else None
    if options.axes is not None and (own or options.dims is not None):
        remedy = "Name the axes with dims= only." if own is None else "Omit axes=."
        raise ArgumentError("axes", "None where axes have names", repr(options.axes), remedy)
    if options.dims is None:
        return own
    given, names = options.dims, _names_in(options.dims)
    if own is not None and {*names} != {*own}:
        expected = f"{', '.join(map(repr, own))}, which the kernel names, or None"
        raise ArgumentError("dims", expected, repr(given))
    if len(names) != kernel.ndim:
        count = "1 name" if kernel.ndim == 1 else f"{kernel.ndim} names"
        remedy = "Named filters take ndim=, for example gaussian(2, ndim=1)."
        raise ArgumentError("dims", f"{count}, one for each axis of the kernel", repr(given), remedy)
    return own or names


def _names_in(given: Any) -> tuple[Hashable, ...]:
    """Return the names in `dims`, which are all different."""
    names = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    if not all(isinstance(name, Hashable) for name in names):
        raise ArgumentTypeError("dims", "a name, or a sequence of names", repr(given))
    if len({*names}) != len(names):
        raise ArgumentError("dims", "names that are all different", repr(given))
    return names


def with_numbers(names: Sequence[Hashable], kernel: Kernel | Bank | CoordinateKernel, options: Options) -> Options:
    """Return the options of a call with numbers of axes in place of names.

    Parameters
    ----------
    names : sequence
        The names of all axes of the array.
    kernel : Kernel, Bank or CoordinateKernel
        The filter.
    options : Options
        The arguments as they were passed.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A name is not that of an axis, or an axis is named twice.

    Examples
    --------
    >>> import faltung as fa
    >>> asked = Options(True, {"lon": "wrap"}, dims=("lat", "lon"))
    >>> found = with_numbers(("lon", "time", "lat"), fa.box(3), asked)
    >>> found.axes, found.mode
    ((2, 0), ('reflect', 'wrap'))
    """
    channel = options.channel_axis
    if channel is not None and not is_integer(channel):
        channel = _number("channel_axis", channel, names)
    dims = asked_dims(kernel, options)
    checked = channel_axis(channel, len(names))
    axes: Any = options.axes if dims is None else [_number("dims", dim, names) for dim in dims]
    if dims is None and axes is None:
        _warn(names, kernel.ndim, checked)
    axes = spatial_axes(axes, checked, len(names), kernel.ndim)
    mode = options.mode
    if isinstance(mode, Mapping):
        mode = _modes(mode, [names[axis] for axis in axes], options.shape)
    return options._replace(axes=axes, dims=None, mode=mode, channel_axis=checked)


def _number(argument: str, name: Hashable, names: Sequence[Hashable]) -> int:
    if name not in names:
        expected = f"names of axes of x, which are {', '.join(map(repr, names))}"
        raise ArgumentError(argument, expected, repr(name))
    return [*names].index(name)


def _modes(mode: Mapping[Any, Any], names: Sequence[Hashable], shape: Any) -> tuple[Any, ...]:
    """Return a mode for each axis of the kernel; an axis without one has the default."""
    others = [name for name in mode if name not in names]
    if others:
        expected = f"a mode for each of {', '.join(map(repr, names))}, the axes of the kernel"
        raise ArgumentError("mode", expected, f"one for {', '.join(map(repr, others))}")
    default = "constant" if shape == "full" else "reflect"
    return tuple(mode.get(name, default) for name in names)


def _warn(names: Sequence[Hashable], count: int, channel: int | None) -> None:
    """Warn of a kernel that extends over colours or channels because no names were passed."""
    free = [name for axis, name in enumerate(names) if axis != channel]
    wrong = [name for name in free[len(free) - count :] if str(name).lower() in _CHANNELS]
    if wrong and len(free) > count:
        others = [name for name in free if name not in wrong][-count:]
        remedy = f"To filter along others, pass dims={tuple(others)}."
        warn_of_axes(f"axes: the kernel extends over the axis {wrong[0]!r}. {remedy}")
