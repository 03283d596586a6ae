"""Which kernels are outer products by construction? `Outer`, and `Box`, the mean over a window."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import dimensions, integer
from faltung.kernels.kernel import Kernel, as_kernels, flipped_origin, sum_of
from faltung.kernels.taps import TapArray, as_origin, outer_taps
from faltung.kernels.text import Spelling, spell

__all__ = ["Box", "Outer"]


class Box(Kernel):
    """The mean over a window: each tap is one over the number of taps.

        k[m] = 1 / (widths[0] widths[1] ...)

    Parameters
    ----------
    widths : sequence of int
        Width of the window in samples, along each axis.
    origin : int or sequence of int, optional
        As for `Kernel`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A width is not a positive integer, or the origin does not fit.

    Examples
    --------
    >>> from faltung.kernels import Box
    >>> Box((1, 4)).taps
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    __match_args__ = ("widths", "origin")
    widths: tuple[int, ...]

    def __new__(cls, widths: Sequence[int], origin: int | Sequence[int] | None = None) -> Self:
        """Make the kernel; no taps are stored, so a window can be of any width."""
        sizes = tuple(integer("widths", width, 1, sys.maxsize) for width in widths)
        dimensions(len(sizes))
        return cls._make(widths=sizes, origin=as_origin(origin, sizes))

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.widths, self.origin

    def _is_complex(self) -> bool:
        return False

    def _multiply_out(self) -> TapArray:
        return np.full(self.widths, 1.0 / math.prod(self.widths))

    def _separated(self) -> tuple[Kernel, ...] | None:
        return tuple(Box((width,), (at,)) for width, at in zip(self.widths, self.origin, strict=True))

    def _flip(self) -> Kernel:
        return Box(self.widths, flipped_origin(self))

    def _spelling(self) -> Spelling:
        return Spelling(f"Box({spell(self.widths)}, origin={spell(self.origin)})")


class Outer(Kernel):
    """An outer product of one-dimensional kernels.

        k[m1, m2, ...] = f1[m1] f2[m2] ...

    Parameters
    ----------
    factors : sequence of Kernel
        One kernel with one axis for each axis of the product.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A factor is not a kernel with one axis.

    Examples
    --------
    >>> import faltung as fa
    >>> from faltung.kernels import Outer
    >>> Outer((fa.Kernel([1, 2]), fa.Kernel([1, 0, -1]))).taps
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.]])
    """

    __match_args__ = ("factors",)
    factors: tuple[Kernel, ...]

    def __new__(cls, factors: Iterable[Kernel]) -> Self:
        """Make the kernel of one factor for each axis; a factor can be any expression."""
        given = as_kernels(factors)
        if given[0].ndim != 1:
            raise ArgumentError("factors", "one-dimensional kernels, one per axis", f"{given[0].ndim}-D")
        return cls._make(factors=given)

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(f.shape[0] for f in self.factors), tuple(f.origin[0] for f in self.factors)

    def _is_complex(self) -> bool:
        return any(factor._is_complex() for factor in self.factors)

    def _multiply_out(self) -> TapArray:
        return outer_taps(factor.taps for factor in self.factors)

    def _separated(self) -> tuple[Kernel, ...] | None:
        return self.factors

    def _flip(self) -> Kernel:
        return Outer(factor.flip() for factor in self.factors)

    def _conj(self) -> Kernel:
        return Outer(factor.conj() for factor in self.factors)

    def _parts(self) -> tuple[Kernel, Kernel]:
        real: list[tuple[Kernel, ...]] = [()]
        imag: list[tuple[Kernel, ...]] = []
        for factor in self.factors:
            u = factor.real
            if factor._is_complex():
                v = factor.imag
                # (p + iq) (u + iv) = (pu - qv) + i (pv + qu), for each term
                real, imag = (
                    [(*p, u) for p in real] + [(*q, -v) for q in imag],
                    [(*p, v) for p in real] + [(*q, u) for q in imag],
                )
            else:
                real, imag = [(*p, u) for p in real], [(*q, u) for q in imag]
        return sum_of(map(Outer, real)), sum_of(map(Outer, imag))

    def _spelling(self) -> Spelling:
        inner = ", ".join(factor._spelled().text for factor in self.factors)
        return Spelling(f"Outer(({inner}{',' if len(self.factors) == 1 else ''}))")
