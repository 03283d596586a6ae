"""What is asked of a bank over channels? A `Layer`, and for each axis the positions that its outputs read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import groupby

from faltung.ground.lazy import lazy
from faltung.ground.regions import covered
from faltung.planning.report import shape_text

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

    Examples
    --------
    >>> Axis(length=5, size=3, start=-1, outputs=3, stride=2).positions(0, 3)
    ([-1, 1, 3, 5, 0, 2, 4], [0, 4, 1])
    """

    length: int
    size: int
    start: int = 0
    outputs: int = 1
    stride: int = 1
    dilation: int = 1

    def positions(self, first: int, count: int) -> tuple[list[int], list[int]]:
        """Return the positions that `count` outputs read, and the place among them of each tap of the first output.

        The positions that one tap reads for all outputs are contiguous in this order: for a stride of s, every s-th
        position comes first, then those shifted by one.
        """
        reach = [self.dilation * j for j in range(self.size)]
        positions: list[int] = []
        places = [0] * self.size
        by_phase = sorted(range(self.size), key=lambda j: (reach[j] % self.stride, j))
        for phase, group in groupby(by_phase, key=lambda j: reach[j] % self.stride):
            taps = [*group]
            for j in taps:
                places[j] = len(positions) + reach[j] // self.stride
            farthest = reach[taps[-1]] // self.stride
            begin = self.start + self.stride * first + phase
            positions += range(begin, begin + self.stride * (count + farthest), self.stride)
        return positions, places

    @property
    def stop(self) -> int:
        """Position behind the last tap of the last output."""
        return self.start + self.stride * (self.outputs - 1) + self.dilation * (self.size - 1) + 1


@dataclass(frozen=True, eq=False)
class Layer:
    """A correlation with a bank: its shapes and its mode, without samples and taps.

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
    mode : str
        How the input continues beyond its border.
    cval : float
        The constant beyond the border for ``constant``.

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
    mode: str = "constant"
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
        return replace(self, ins=self.outs, outs=self.ins, axes=axes, mode="constant", cval=0.0)

    def margin(self, axis: Axis) -> tuple[int, int]:
        """Return where the samples of the adjoint begin, counted from the first tap, and their number."""
        if self.mode == "constant":  # the constant beyond the border is no sample
            return -axis.start, axis.length
        low, high = covered(axis.start, axis.stop, axis.length)
        return low - axis.start, high - low
