"""What lies outside a tensor? The index maps of `boundary`, and their adjoint, which gives gradients back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch.nn.functional import pad

from faltung.ground.boundary import index_map

__all__ = ["extend", "fold"]


def extend(x: torch.Tensor, low: Sequence[int], high: Sequence[int], mode: str) -> torch.Tensor:
    """Return the samples from position `low` up to `high` of each of the last axes.

    Parameters
    ----------
    x : Tensor, shape (images, channels, *spatial)
        What is extended, or cropped.
    low, high : sequence of int
        For each spatial axis; negative positions lie before the first sample.
    mode : str
        One of the modes of `faltung.convolve`; for ``constant`` zeros stand outside.
    """
    first = x.ndim - len(low)
    lengths = x.shape[first:]
    if all(a >= 0 and b <= length for a, b, length in zip(low, high, lengths, strict=True)):
        for axis, (a, b) in enumerate(zip(low, high, strict=True), first):
            x = x.narrow(axis, a, b - a)
        return x
    if mode == "constant":
        margins = [(-a, b - length) for a, b, length in zip(low, high, lengths, strict=True)]
        return pad(x, [n for margin in reversed(margins) for n in margin])
    for axis, (a, b, length) in enumerate(zip(low, high, lengths, strict=True), first):
        if (a, b) != (0, length):
            x = x.index_select(axis, _index(x, mode, length, a, b))
    return x


def fold(extended: torch.Tensor, low: Sequence[int], lengths: Sequence[int], mode: str) -> torch.Tensor:
    """Return the adjoint of `extend`: what belongs to copies of a sample is added to the sample.

    Parameters
    ----------
    extended : Tensor, shape (images, channels, *spatial)
        Values at the positions from `low` on; where they end before the last sample, zeros follow.
    low : sequence of int
        First position on each spatial axis.
    lengths : sequence of int
        Samples of each axis of the result.
    mode : str
        As for `extend`.
    """
    first = extended.ndim - len(low)
    for axis, (a, length) in enumerate(zip(low, lengths, strict=True), first):
        b = a + extended.shape[axis]
        if (a, b) == (0, length):
            continue
        inside = extended.narrow(axis, max(-a, 0), max(min(b, length) - max(a, 0), 0))
        total = extended.new_zeros((*extended.shape[:axis], length, *extended.shape[axis + 1 :]))
        total.narrow(axis, max(a, 0), inside.shape[axis]).copy_(inside)
        if mode != "constant":
            for start, stop in ((a, min(0, b)), (max(length, a), b)):
                if start < stop:
                    part = extended.narrow(axis, start - a, stop - start)
                    total = total.index_add(axis, _index(extended, mode, length, start, stop), part)
        extended = total
    return extended


def _index(x: torch.Tensor, mode: str, length: int, start: int, stop: int) -> torch.Tensor:
    """Return the index map as a tensor, for use with `x`."""
    if torch.compiler.is_compiling() or type(x) is not torch.Tensor:
        # Where a graph is made, what was made outside of it is not known.
        return torch.tensor(index_map(mode, length, start, stop).tolist(), device=x.device)
    return _kept_index(mode, length, start, stop, x.device)


@lru_cache(maxsize=256)
def _kept_index(mode: str, length: int, start: int, stop: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(index_map(mode, length, start, stop)).to(device)
