"""Which signals share a transform? Two real ones are the real and the imaginary part of a complex one, a *line*.

If all channels have one real kernel, two channels share the line in and the line out. In a bank, each channel in has
a line of its own, and the kernels of two channels out are the real and the imaginary part of one complex kernel::

    line out (0, 1) = sum over channels in i of line in (i) * (kernel 0i + i kernel 1i)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Connection", "Wiring", "wire", "written_out"]

#: A line: the channels of its real and of its imaginary part. For complex signals both are the same channel, and None
#: is an imaginary part of zeros, or one that is not used.
Line = tuple[int, int | None]


@dataclass(frozen=True)
class Connection:
    """A line in that counts for a line out, and its taps."""

    line: int
    taps: NDArray[Any]


@dataclass(frozen=True)
class Wiring:
    """Lines in, and for each line out the connections.

    Parameters
    ----------
    lines_in, lines_out : tuple of Line
        The channels of each line.
    connections : tuple of tuple of Connection
        For each line out.
    """

    lines_in: tuple[tuple[int, int | None], ...]
    lines_out: tuple[tuple[int, int | None], ...]
    connections: tuple[tuple[Connection, ...], ...]


def wire(taps: NDArray[Any], channels: int, groups: int, complex_in: bool) -> Wiring:
    """Return the wiring of a kernel of shape (taps,), or of a bank of shape (channels out, channels in, taps)."""
    complex_out = complex_in or taps.dtype.kind == "c"
    if taps.ndim == 1:
        if complex_out:
            lines: tuple[Line, ...] = tuple((c, c if complex_in else None) for c in range(channels))
            out: tuple[Line, ...] = tuple((c, c) for c in range(channels))
        else:
            lines = out = _pairs(range(channels))
        return Wiring(lines, out, tuple((Connection(k, taps),) for k in range(len(lines))))
    lines = tuple((c, c if complex_in else None) for c in range(channels))
    every = written_out(taps, groups)
    outs = len(taps)
    out = tuple((o, o) for o in range(outs)) if complex_out else _pairs(range(outs))
    kernels = [every[o] if complex_out or p is None else every[o] + 1j * every[p] for o, p in out]
    return Wiring(lines, out, tuple(map(_connections, kernels)))


def written_out(taps: NDArray[Any], groups: int) -> NDArray[Any]:
    """Return the taps of a bank for all channels in: zeros for those of other groups. A kernel stays as it is."""
    if taps.ndim == 1 or groups == 1:
        return taps
    outs, ins, count = taps.shape
    every = np.zeros((outs, groups * ins, count), taps.dtype)
    for o in range(outs):
        first = o * groups // outs * ins
        every[o, first : first + ins] = taps[o]
    return every


def _pairs(channels: range) -> tuple[Line, ...]:
    return tuple((c, c + 1 if c + 1 in channels else None) for c in channels[::2])


def _connections(kernels: NDArray[Any]) -> tuple[Connection, ...]:
    return tuple(Connection(line, taps) for line, taps in enumerate(kernels) if taps.any())
