"""How is the operator asked for any region of outputs? Positions are those of the full convolution."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.ground.bounded import Bounded
from faltung.kernels import Bank, Kernel
from faltung.planning.kept import plan_for
from faltung.planning.machine import on_change
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of
from faltung.run.entry import execute

__all__ = ["Region", "convolve_region", "outputs_of", "plan_of_region"]

#: Most plans that are found by the arguments of a call, and most bytes of them.
_MOST_PLANS, _MOST_BYTES = 1024, 1 << 26
#: Bytes of taps above which a digest is kept in their place.
_LONG = 1024

_plans: Bounded[tuple[Any, ...], Planned] = Bounded(_MOST_PLANS, _MOST_BYTES)
on_change(_plans.clear)


class Region(NamedTuple):
    """Which outputs of a convolution are computed, and how.

    Parameters
    ----------
    axes : tuple of int
        The axis of the array for each axis of the taps, not negative.
    bounds : tuple of (int, int)
        For each of these axes: start and stop of the outputs, of which number 0 is the first of the full convolution.
    result : dtype
        The dtype of the result.
    modes : str or tuple of str
        How the array continues beyond its border.
    cval : complex
        The value beyond the border of an axis with the mode ``constant``.
    stride : int
        Samples between neighbouring outputs.
    channel_axis : int or None
        The axis of the channels; the taps are then those of a bank, (channels out, channels in, *spatial).
    groups : int
        Groups of channels.
    pointwise : bool
        Whether the error has to be relative to the samples under each output.
    whole : float
        For samples and taps that are integers, a bound of all sums: rounding errors are then below one half. 0 means
        that errors are as usual.
    """

    axes: tuple[int, ...]
    bounds: tuple[tuple[int, int], ...]
    result: np.dtype[Any]
    modes: str | tuple[str, ...] = "constant"
    cval: complex = 0.0
    stride: int = 1
    channel_axis: int | None = None
    groups: int = 1
    pointwise: bool = False
    whole: float = 0.0


def outputs_of(mode: str, length: int, size: int) -> tuple[int, int]:
    """Return start and stop of the outputs of one axis, as positions of the full convolution.

    Examples
    --------
    >>> outputs_of("full", 5, 3), outputs_of("same", 5, 3), outputs_of("valid", 5, 3)
    ((0, 7), (1, 6), (2, 5))
    """
    if mode == "full":
        return 0, length + size - 1
    if mode == "same":
        start = (size - 1) // 2
        return start, start + length
    return size - 1, length


def convolve_region(
    x: NDArray[Any], taps: NDArray[Any], region: Region, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the outputs of a region: ``y[n] = sum over m of taps[m] * x[n - m]``."""
    return execute(plan_of_region(x, taps, region), x, out)


def plan_of_region(x: NDArray[Any], taps: NDArray[Any], region: Region) -> Planned:
    """Return the plan of a region; plans of recent calls are kept."""
    held = taps.tobytes()
    if len(held) > _LONG:
        held = hashlib.blake2b(held, digest_size=16).digest()
    # As text, -0.0 differs from 0.0.
    key = (x.shape, x.dtype, taps.shape, taps.dtype, held, region, repr(region.cval))
    return _plans.get_or_make(key, lambda: _make(x, taps, region), lambda plan: len(held) + plan.kept_bytes)


def _make(x: NDArray[Any], taps: NDArray[Any], region: Region) -> Planned:
    plan = _planned(x, taps, region, "auto")
    if region.whole and plan.error * region.whole >= 0.5:
        # Sums of integers that the mantissa holds are exact in any order.
        plan = _planned(x, taps, region, "direct")
    return plan


def _planned(x: NDArray[Any], taps: NDArray[Any], region: Region, method: str) -> Planned:
    if taps.dtype.kind == "c" and not taps.imag.any():
        taps = taps.real
    zeros: Sequence[int] = (0,) * len(region.axes)
    kernel = Kernel(taps, zeros) if region.channel_axis is None else Bank(taps, zeros)
    options = Options(
        True,
        region.modes,
        region.cval,
        axes=region.axes,
        channel_axis=region.channel_axis,
        stride=region.stride,
        groups=region.groups,
        dtype=region.result,
        accuracy="pointwise" if region.pointwise else "norm",
        method=method,
    )
    return plan_for(replace(question_of(x.shape, x.dtype, kernel, options), regions=region.bounds))
