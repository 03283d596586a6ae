"""What is asked of a bank over channels? A `Layer`, and for each axis the positions that its outputs read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from faltung.ground.lazy import lazy
from faltung.ground.regions import covered
from faltung.planning.report import shape_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Axis", "Layer"]


@dataclass(frozen=True)
class Axis:
    """One spatial axis: tap j of output n reads the sample at position ``start + stride * n + dilation * j``.

    Parameters
    ----------
    length : int
        Number of samples.
    size : int
        Number of taps.
    start : int
        Position of the first tap of the first output; negative where the array is extended (padded) there.
    outputs : int
        Number of outputs.
    stride, dilation : int
        Samples between neighbouring outputs, and between neighbouring taps.
    mode : str
        How the array continues beyond its border.

    Examples
    --------
    >>> axis = Axis(length=5, size=3, start=-1, outputs=3, stride=2)
    >>> axis.positions(3).tolist(), axis.places(3).tolist(), axis.reads(3)
    ([-1, 1, 3, 5, 0, 2, 4], [0, 4, 1], 7)
    """

    length: int
    size: int
    start: int = 0
    outputs: int = 1
    stride: int = 1
    dilation: int = 1
    mode: str = "constant"

    @lazy
    def _phases(self) -> list[tuple[int, int]]:
        """Remainders of the distances of taps from the first one by the stride, each with its largest quotient."""
        period = self.stride // math.gcd(self.stride, self.dilation)  # taps so far apart have the same remainder
        firsts = range(min(period, self.size))
        lasts = (first + period * ((self.size - 1 - first) // period) for first in firsts)
        reached = zip(firsts, lasts, strict=True)
        return sorted(
            (self.dilation * first % self.stride, self.dilation * last // self.stride) for first, last in reached
        )

    def reads(self, count: int) -> int:
        """Return how many positions `count` neighbouring outputs read."""
        return sum(count + farthest for _, farthest in self._phases)

    def positions(self, count: int) -> NDArray[np.int64]:
        """Return the positions that the first `count` outputs read; those of later ones are as many strides behind.

        The positions that one tap reads for all outputs are contiguous in this order: for a stride of s, every s-th
        position comes first, then those shifted by one.
        """
        parts = [phase + self.stride * np.arange(count + farthest) for phase, farthest in self._phases]
        positions: NDArray[np.int64] = self.start + np.concatenate(parts)
        return positions

    def places(self, count: int) -> NDArray[np.int64]:
        """Return the place of each tap of the first output among the positions that `count` outputs read."""
        begin, begins = 0, {}
        for phase, farthest in self._phases:
            begins[phase] = begin
            begin += count + farthest
        reach = self.dilation * np.arange(self.size)
        first = np.array([begins[phase] for phase in (reach % self.stride).tolist()], np.int64)
        places: NDArray[np.int64] = first + reach // self.stride
        return places

    @property
    def contiguous(self) -> bool:
        """Whether the columns that a tile reads are neighbours, in their order."""
        return self.stride == 1

    @property
    def stop(self) -> int:
        """Position behind the last tap of the last output."""
        return self.start + self.stride * (self.outputs - 1) + self.dilation * (self.size - 1) + 1


@dataclass(frozen=True, eq=False)
class Layer:
    """A correlation with a bank: its shapes and modes, without samples and taps.

    Layers are compared by identity, so that plans and machine code are found in the least time.

    Parameters
    ----------
    images : int
        Number of arrays in a batch.
    groups : int
        Groups of channels; channels are connected only within their group.
    ins, outs : int
        Channels in and channels out of each group.
    axes : tuple of Axis
        One to three spatial axes.
    cval : float
        The value beyond the border of an axis with the mode ``constant``.

    Examples
    --------
    >>> layer = Layer(images=8, groups=1, ins=3, outs=16, axes=(Axis(32, 3, -1, 32), Axis(32, 3, -1, 32)))
    >>> layer.multiply_adds
    3538944
    """

    images: int
    groups: int
    ins: int
    outs: int
    axes: tuple[Axis, ...]
    cval: float = 0.0

    @lazy
    def taps(self) -> int:
        """Number of taps of one kernel."""
        return math.prod(axis.size for axis in self.axes)

    @lazy
    def outputs(self) -> int:
        """Number of outputs of one channel."""
        return math.prod(axis.outputs for axis in self.axes)

    @lazy
    def multiply_adds(self) -> int:
        """Number of multiply-adds."""
        return self.images * self.groups * self.ins * self.outs * self.taps * self.outputs

    @lazy
    def source_shape(self) -> tuple[int, ...]:
        """Shape of the input: (images, channels, *spatial)."""
        return (self.images, self.groups * self.ins, *(axis.length for axis in self.axes))

    @lazy
    def target_shape(self) -> tuple[int, ...]:
        """Shape of the output: (images, channels, *spatial)."""
        return (self.images, self.groups * self.outs, *(axis.outputs for axis in self.axes))

    @lazy
    def taps_shape(self) -> tuple[int, ...]:
        """Shape of the taps: (channels out, channels in of a group, *spatial)."""
        return (self.groups * self.outs, self.ins, *(axis.size for axis in self.axes))

    @property
    def taps_text(self) -> str:
        """The text that a plan prints for the taps."""
        return f"{shape_text(self.taps_shape)} taps{f', {self.groups} groups' if self.groups > 1 else ''}"

    @lazy
    def stride(self) -> tuple[int, ...]:
        """Samples between neighbouring outputs, on each axis."""
        return tuple(axis.stride for axis in self.axes)

    @lazy
    def dilation(self) -> tuple[int, ...]:
        """Samples between neighbouring taps, on each axis."""
        return tuple(axis.dilation for axis in self.axes)

    @property
    def steps_text(self) -> str:
        """Stride and dilation, and the position of the first sample that is read, as text."""
        dilation, starts = (tuple(getattr(axis, name) for axis in self.axes) for name in ("dilation", "start"))
        dilated = f", dilation {dilation}" if max(dilation) > 1 else ""
        return f"stride {self.stride}{dilated}, from position {starts}"

    @lazy
    def modes(self) -> tuple[str, ...]:
        """How the input continues beyond its border, on each axis."""
        return tuple(axis.mode for axis in self.axes)

    @lazy
    def strided(self) -> bool:
        """Whether the stride is larger than 1 on some axis."""
        return any(axis.stride > 1 for axis in self.axes)

    @lazy
    def adjoint(self) -> Layer:
        """The layer that computes the gradient with respect to the input: taps reversed, channels exchanged.

        Its output covers all samples that a tap reads, those beyond the border too. The stride has to be 1.
        """
        axes = tuple(
            Axis(
                length=axis.outputs,
                size=axis.size,
                start=-axis.dilation * (axis.size - 1) + self.margin(axis)[0],
                outputs=self.margin(axis)[1],
                dilation=axis.dilation,
            )
            for axis in self.axes
        )
        return replace(self, ins=self.outs, outs=self.ins, axes=axes, cval=0.0)

    def margin(self, axis: Axis) -> tuple[int, int]:
        """Return where the samples of the adjoint begin, counted from the first tap, and their number."""
        if axis.mode == "constant":  # the constant beyond the border is no sample
            return -axis.start, axis.length
        low, high = covered(axis.start, axis.stop, axis.length)
        return low - axis.start, high - low
