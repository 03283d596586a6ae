"""What are the taps of a kernel in coordinate units? Its lengths in samples, and derivatives per unit."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import real
from faltung.kernels.coordinate_kernel import LENGTHS, CoordinateKernel, as_duration
from faltung.kernels.derivatives import gaussian_derivative
from faltung.kernels.kernel import Kernel, sum_of
from faltung.kernels.named import NAMED

__all__ = ["in_samples", "per_unit", "sample_call"]

#: How far the width of a box may be from a whole number of samples: coordinates are rounded numbers.
_NEARLY_WHOLE = 0.01


def sample_call(name: str, arguments: Mapping[str, Any], spacing: Mapping[Hashable, Any]) -> Kernel:
    """Return a named kernel for samples of a known spacing.

    Parameters
    ----------
    name : str
        The name of the kernel.
    arguments : mapping
        Its arguments; those that are lengths have one for each axis.
    spacing : mapping
        The signed spacing along each axis, in the order of the axes.

    Examples
    --------
    >>> sample_call("box", {"size": (30.0,)}, {"x": -10.0})
    box((3,))
    """
    steps = {dim: _step(dim, step) for dim, step in spacing.items()}
    plain = dict(arguments)
    for argument in LENGTHS[name]:
        if argument in plain:
            pairs = zip(plain[argument], steps.items(), strict=True)
            plain[argument] = tuple(in_samples(argument, length, dim, step) for length, (dim, step) in pairs)
    if name == "box":
        plain["size"] = tuple(map(_whole, plain["size"], arguments["size"], steps.items()))
    rates = [per_unit(step) for step in steps.values()]
    if name == "gaussian_derivative":
        scale = float(math.prod(rate**-order for rate, order in zip(rates, plain["order"], strict=True)))
        return scale * gaussian_derivative(**plain)
    if name == "log":  # a sum of second derivatives, each in the unit of its own axis
        axes = range(len(rates))
        return sum_of(rates[axis] ** -2 * gaussian_derivative(order=2, axis=axis, **plain) for axis in axes)
    return NAMED[name](**plain)


CoordinateKernel.sample_call = staticmethod(sample_call)


def _step(dim: Hashable, step: Any) -> Any:
    """Return a spacing, which is not zero: a float or a timedelta of NumPy."""
    argument = f"spacing[{dim!r}]"
    duration = as_duration(step)
    plain = real(argument, step) if duration is None else duration
    if not plain or (duration is not None and np.isnat(duration)):
        raise ArgumentError(argument, "a spacing other than zero", repr(step))
    return plain


def in_samples(argument: str, length: Any, dim: Hashable, step: Any) -> float:
    """Return a length as a number of samples."""
    if isinstance(step, np.timedelta64) == isinstance(length, np.timedelta64):
        return float(abs(length / step))
    kind, remedy = "a number, in the unit of the coordinate", "Pass a number."
    if isinstance(step, np.timedelta64):
        kind, remedy = "a timedelta, as the coordinate is a time", "Use numpy.timedelta64(..., 'h'), for example."
    raise ArgumentTypeError(f"{argument}[{dim!r}]", kind, repr(length), remedy)


def _whole(samples: float, length: Any, along: tuple[Hashable, Any]) -> int:
    """Return the width of a box, which is a whole number of samples."""
    dim, step = along
    size = round(samples)
    if size < 1 or abs(samples - size) > _NEARLY_WHOLE:
        below, above = max(1, math.floor(samples)), max(1, math.floor(samples)) + 1
        unit = abs(step)
        raise ArgumentError(
            f"size[{dim!r}]",
            f"a multiple of the spacing, {_shown(unit)}",
            f"{_shown(length)}, which is {samples:.4g} samples",
            f"Use {_shown(below * unit)} or {_shown(above * unit)}.",
        )
    return size


def _shown(length: Any) -> str:
    return str(length) if isinstance(length, np.timedelta64) else f"{length:.10g}"


def per_unit(step: Any) -> float:
    """Return a spacing in the unit of the coordinate; that of times is the second."""
    return float(step / np.timedelta64(1, "s")) if isinstance(step, np.timedelta64) else float(step)
