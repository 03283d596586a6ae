"""How is a tensor extended by its border, and what is the adjoint? With the index maps of `faltung.ground.boundary`.

before | tensor  | after
extend:   c b a | a b c d | d c b       mode "reflect": samples are copied
fold:     u v w | p q r s | x y z       copies are added: a is p + w, b is q + v + z, c is r + u + y, d is s + x
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from faltung.ground.boundary import index_map
from faltung.ground.bounded import Bounded
from faltung.tensors.dtypes import constant

__all__ = ["extend", "fold"]

#: Index maps of recent calls on their devices. They have an integer for each sample of an axis.
_indices: Bounded[tuple[str, int, int, int, torch.device], torch.Tensor] = Bounded(256, 1 << 26)


def extend(
    x: torch.Tensor, low: Sequence[int], high: Sequence[int], modes: Sequence[str], cval: float = 0.0
) -> torch.Tensor:
    """Return the samples from position `low` up to `high` of each of the last axes.

    Parameters
    ----------
    x : Tensor, shape (images, channels, *spatial)
        The tensor that is extended or cropped.
    low, high : sequence of int
        For each spatial axis; negative positions are before the first sample.
    modes : sequence of str
        For each spatial axis, one of the modes of `faltung.convolve`.
    cval : float
        The constant beyond the border of axes with the mode ``constant``.
    """
    first = x.ndim - len(low)
    lengths = x.shape[first:]
    if all(a >= 0 and b <= length for a, b, length in zip(low, high, lengths, strict=True)):
        for axis, (a, b) in enumerate(zip(low, high, strict=True), first):
            x = x.narrow(axis, a, b - a)
        return x
    if "constant" in modes:
        x = _with_constant(x, low, high, modes, cval)
    for axis, (a, b, length, mode) in enumerate(zip(low, high, lengths, modes, strict=True), first):
        if mode != "constant":
            x = _along(x, axis, a, b, length, mode)
    return x


def _along(x: torch.Tensor, axis: int, a: int, b: int, length: int, mode: str) -> torch.Tensor:
    """Return positions `a` to `b` of an axis. Samples inside are copied as they lie, only margins one by one."""
    start, stop = min(max(a, 0), length), max(min(b, length), 0)
    if (a, b) == (start, stop):
        return x.narrow(axis, a, b - a)
    if start >= stop:
        return x.index_select(axis, _index(x, mode, length, a, b))
    margins = [x.index_select(axis, _index(x, mode, length, *m)) for m in ((a, start), (stop, b)) if m[0] < m[1]]
    margins.insert(a < start, x.narrow(axis, start, stop - start))
    return torch.cat(margins, axis)


def _with_constant(
    x: torch.Tensor, low: Sequence[int], high: Sequence[int], modes: Sequence[str], cval: float
) -> torch.Tensor:
    """Extend the axes whose mode is ``constant``."""
    first, margins = x.ndim - len(low), []
    for axis, (a, b, mode) in enumerate(zip(low, high, modes, strict=True), first):
        length = x.shape[axis]
        if mode != "constant":
            margins.append((0, 0))
        elif b < 0 or a > length:  # torch pads what is left after cropping, and that would be less than nothing
            x = x.narrow(axis, 0, 0)
            margins.append((0, b - a))
        else:
            margins.append((-a, b - length))
    return pad(x, [n for margin in reversed(margins) for n in margin], value=cval)


def fold(extended: torch.Tensor, low: Sequence[int], lengths: Sequence[int], modes: Sequence[str]) -> torch.Tensor:
    """Return the adjoint of `extend`: the values of all copies of a sample are added.

    Parameters
    ----------
    extended : Tensor, shape (images, channels, *spatial)
        Values at the positions from `low` on; after the last one, zeros follow.
    low : sequence of int
        First position on each spatial axis.
    lengths : sequence of int
        Samples of each axis of the result.
    modes : sequence of str
        As for `extend`.
    """
    first = extended.ndim - len(low)
    for axis, (mode, a, length) in enumerate(zip(modes, low, lengths, strict=True), first):
        b = a + extended.shape[axis]
        if (a, b) == (0, length):
            continue
        total = extended.new_zeros((*extended.shape[:axis], length, *extended.shape[axis + 1 :]))
        start, stop = max(a, 0), min(b, length)
        if start < stop:
            inside = extended.narrow(axis, start - a, stop - start)
            total.narrow(axis, start, stop - start).copy_(inside)
        if mode != "constant":
            for start, stop in ((a, min(0, b)), (max(length, a), b)):
                if start < stop:
                    copies = extended.narrow(axis, start - a, stop - start)
                    total = total.index_add(axis, _index(extended, mode, length, start, stop), copies)
        extended = total
    return extended


def _index(x: torch.Tensor, mode: str, length: int, start: int, stop: int) -> torch.Tensor:
    """Return the index map as a tensor, for use with `x`."""
    if torch.compiler.is_compiling() or type(x) is not torch.Tensor:
        # A graph cannot use tensors that were made outside of it.
        return torch.tensor(index_map(mode, length, start, stop).tolist(), device=x.device)
    key = (mode, length, start, stop, x.device)
    index = _indices.get(key)
    if index is None:
        index = constant(lambda: index_map(mode, length, start, stop), x.device)
        _indices.put(key, index, index.nbytes)
    return index
