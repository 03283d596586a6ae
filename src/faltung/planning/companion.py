"""How do sums over the magnitudes of taps follow from other sums? For taps of both signs and missing samples.

Twice the sum over the taps of the rarer sign makes, of a sum over all taps, one over their magnitudes. For example::

    taps                 1  -2   3        sum over all        A
    of the rarer sign    .   2   .        sum over these      N        sum over the magnitudes   A + 2 N

The magnitudes are often no sum of few outer products, though the taps are: those of a Laplacian of a Gaussian, or of
a difference. The taps of the rarer sign are then few. Where they are not, the magnitudes are summed themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from faltung.kernels import Taps
from faltung.kernels.taps import TapArray
from faltung.planning.forms import Form, forms

__all__ = ["Companion", "rarer_sign"]


class Companion(NamedTuple):
    """A kernel whose sums, with those over all taps, make sums over magnitudes: own * A + other * N.

    Parameters
    ----------
    text : str
        What it is.
    form : Form
        The kernel.
    corner : tuple of int
        Index of its first tap among all taps, in the axes of the layout.
    own, other : float
        The factors of sums over all taps, and of sums over this kernel.
    """

    text: str
    form: Form
    corner: tuple[int, ...]
    own: float
    other: float


def rarer_sign(taps: TapArray, axes: Sequence[int], ndim: int, number: np.dtype[Any]) -> Companion:
    """Return the magnitudes of the taps of the rarer sign, without the zeros around; parameters as of `forms`."""
    sign = 1.0 if np.count_nonzero(taps < 0) <= np.count_nonzero(taps > 0) else -1.0
    rarer = np.maximum(-sign * taps, 0.0)
    places = np.argwhere(rarer)
    first, last = places.min(axis=0), places.max(axis=0) + 1
    part = Taps(rarer[tuple(map(slice, first, last))], (0,) * taps.ndim)
    corner = [0] * ndim
    for axis, index in zip(axes, first, strict=True):
        corner[axis] = int(index)
    return Companion("taps of the rarer sign", forms(part, part, axes, ndim, number)[0], tuple(corner), sign, 2.0)
