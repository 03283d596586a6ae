"""What is a stream asked to do? The arguments as one checked value, from which everything else follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, as_dtype, computed_dtype
from faltung.ground.checks import integer
from faltung.kernels import Bank, Kernel
from faltung.kernels.grid import GridFunction
from faltung.streams.partitioning import BLOCK

__all__ = ["Setting", "as_filter", "check_fits", "sample_dtype", "setting_of"]

_ALIGNMENTS = ("causal", "centred")
#: How other libraries spell an alignment, and what is called so here.
_ELSEWHERE = {
    "centered": "centred",
    "center": "centred",
    "centre": "centred",
    "zero": "centred",
    "zero-phase": "centred",
    "same": "centred",
    "minimum": "causal",
    "forward": "causal",
}
_FEWEST_CHANNELS, _MOST_FACTOR = 1, 1 << 20


@dataclass(frozen=True)
class Setting:
    """The checked arguments of a stream, besides its kernel.

    Parameters
    ----------
    channels : int or None
        Channels of the samples; None if these have a single axis.
    groups, block, axis, up, down
        As for `Stream`.
    centred, full : bool
        Whether the output is aligned at the origin; whether the end of the output is given.
    offset : int
        The lag of the first output, in samples at ``up`` times the rate.
    longest : int
        Taps of the longest kernel.
    accuracy : str
        As for `Stream`.
    """

    channels: int | None
    groups: int
    block: int
    axis: int
    up: int
    down: int
    centred: bool
    full: bool
    offset: int
    longest: int
    accuracy: str

    @property
    def lines(self) -> int:
        """Number of channels."""
        return self.channels or 1

    @property
    def resamples(self) -> bool:
        """Whether outputs come at another rate than samples."""
        return (self.up, self.down) != (1, 1)

    def outputs(self, samples: int, taps: int) -> int:
        """Return how many outputs so many samples allow, under so many taps."""
        allowed = max(0, -(-(samples * self.up - self.offset) // self.down))
        # Under fewer taps than `up`, the zeros behind the last sample are given with the next one.
        return min(allowed, self.all_outputs(samples, taps)) if taps < self.up else allowed

    def all_outputs(self, samples: int, taps: int) -> int:
        """Return how many outputs there are if the signal ends after so many samples."""
        if not samples:
            return 0
        if self.full:
            return -(-((samples - 1) * self.up + taps) // self.down)
        return -(-samples * self.up // self.down)

    def inward(self, samples: Any, computed: np.dtype[Any] | None) -> NDArray[Any]:
        """Return samples as an array of shape (channels, n), whose dtype fits to that of the stream."""
        array = as_array(samples, "samples")
        expected = 1 if self.channels is None else 2
        if array.ndim != expected:
            if self.channels is None:
                what, remedy = "an array with one axis", "Name the number of channels with channels=."
            else:
                what, remedy = f"an array with two axes, {self.channels} channels and time", ""
            raise ArgumentError("samples", what, f"shape {array.shape}", remedy)
        if self.channels is None:
            array = array[None]
        else:
            array = array if self.axis % 2 else array.T
            if len(array) != self.channels:
                received = f"{len(array)}, where time is axis {self.axis} of shape {np.shape(samples)}"
                raise ArgumentError(
                    "samples", f"{self.channels} channels", received, "Name the axis of time as axis=."
                )
        if computed is None or not array.shape[1] or computed_dtype(array.dtype, "samples") == computed:
            return array
        if np.can_cast(computed_dtype(array.dtype, "samples"), computed):
            return array
        remedy = f"Convert them, or make the stream with dtype={str(array.dtype)!r}."
        raise ArgumentError("samples", f"numbers that {computed} holds, as before", f"dtype {array.dtype}", remedy)

    def outward(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return outputs of shape (channels out, n) in the shape that samples have."""
        return outputs[0] if self.channels is None else outputs if self.axis % 2 else outputs.T


def as_filter(kernel: Any, channels: int | None) -> Kernel | Bank:
    """Return a kernel with one axis, or a bank of such kernels."""
    remedy = "Make it with ndim=1, or from taps with one axis; for a bank, pass taps of shape (out, in, taps)."
    if not isinstance(kernel, GridFunction):
        if isinstance(kernel, str):
            raise ArgumentTypeError("kernel", "a kernel or an array of taps", repr(kernel), "Read it with fa.parse.")
        taps = as_array(kernel, "kernel")
        if taps.ndim not in (1, 3) or (taps.ndim == 3 and channels is None):
            raise ArgumentError("kernel", "a kernel with one axis", f"taps of shape {taps.shape}", remedy)
        kernel = Kernel(taps) if taps.ndim == 1 else Bank(taps)
    if kernel.ndim != 1:
        raise ArgumentError("kernel", "a kernel with one axis", f"one with {kernel.ndim} axes", remedy)
    return kernel  # type: ignore[no-any-return]


def setting_of(
    kernel: Kernel | Bank,
    channels: Any,
    groups: Any,
    block: Any,
    axis: Any,
    up: Any,
    down: Any,
    align: Any,
    shape: Any,
    longest: Any,
    accuracy: Any,
) -> Setting:
    """Check the arguments of a stream."""
    lines = None if channels is None else integer("channels", channels, _FEWEST_CHANNELS)
    axes = 1 if lines is None else 2
    time = integer("axis", axis, -axes, axes - 1)
    centred = _choice("align", align, _ALIGNMENTS) == "centred"
    whole = _choice("shape", ("same" if centred else "full") if shape is None else shape, ("full", "same")) == "full"
    if centred and whole:
        remedy = "Use align='causal', whose outputs begin where kernel and signal begin to overlap."
        raise ArgumentError("shape", "'same' for align='centred'", "'full'", remedy)
    taps = kernel.shape[0]
    setting = Setting(
        channels=lines,
        groups=integer("groups", groups, 1),
        block=BLOCK if block is None else integer("block", block, 1),
        axis=time,
        up=integer("up", up, 1, _MOST_FACTOR),
        down=integer("down", down, 1, _MOST_FACTOR),
        centred=centred,
        full=whole,
        offset=kernel.origin[0] if centred else 0,
        longest=taps if longest is None else integer("longest", longest, 1),
        accuracy=_choice("accuracy", accuracy, ("norm", "pointwise")),
    )
    if setting.offset < 0:
        remedy = "Use align='causal'."
        raise ArgumentError("kernel", "an origin at a tap or behind it", f"origin {setting.offset}", remedy)
    check_fits(kernel, setting)
    return setting


def check_fits(kernel: Kernel | Bank, setting: Setting) -> None:
    """Refuse a kernel that does not fit to the channels, the rates or the history of a stream."""
    taps = kernel.shape[0]
    if taps > setting.longest:
        remedy = f"Make the stream with longest={taps}, so that it keeps as many samples."
        raise ArgumentError("kernel", f"at most {setting.longest} taps", str(taps), remedy)
    if setting.centred and kernel.origin[0] != setting.offset:
        remedy = "Shift it, or use align='causal'."
        raise ArgumentError("kernel", f"the origin {setting.offset} of the stream", str(kernel.origin[0]), remedy)
    if not isinstance(kernel, Bank):
        if setting.groups > 1:
            raise ArgumentError("groups", "1 for a kernel", str(setting.groups), "A kernel filters each channel.")
        return
    if setting.channels is None:
        raise ArgumentError("channels", "the number of channels of a bank", "None", "Pass channels=1 for one.")
    if setting.resamples:
        remedy = "Use a stream for each kernel."
        raise ArgumentError("kernel", "a kernel, not a bank, with up= or down=", "a bank", remedy)
    if kernel.in_channels * setting.groups != setting.channels or kernel.out_channels % setting.groups:
        received = f"{kernel.out_channels} out and {kernel.in_channels} in, and groups={setting.groups}"
        remedy = "For a kernel of its own for each channel, pass a bank with one channel in, and groups=channels."
        expected = f"a bank for {setting.channels} channels, in equal groups"
        raise ArgumentError("kernel", expected, received, remedy)


def sample_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype in which samples of a dtype are kept."""
    return computed_dtype(as_dtype(dtype, "dtype"), "dtype")


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in choices:
        return value
    here = _ELSEWHERE.get(value.lower()) if isinstance(value, str) else None
    remedy = f"Use {name}={here!r}." if here in choices else ""
    raise ArgumentError(name, " or ".join(map(repr, choices)), repr(value), remedy)
