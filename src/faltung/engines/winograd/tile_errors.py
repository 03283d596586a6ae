"""How large are the rounding errors of Winograd's tiles? A running error analysis of the transforms as written.

With u for half the machine epsilon, every operation has the relative error u at most. Each transform is run on
symbols: a symbol holds the coefficients of its value in the inputs, and those of a bound of its error in their
magnitudes, in units of u. So a sum of `a` and `b` has the error of both, and u times its own magnitude; a product
with a constant that is added to something counts as two operations, as on processors that cannot fuse them. So

    |error of B d| <= u E |d|,   |error of A m| <= u F |m|            with matrices E and F that are not negative

In two dimensions a transform goes over columns, then over rows. Let v be the sums of the rows of |B|, e those of E,
C the channels in, and U = G g G^T the values of taps, rounded once more. If no sample is larger than 1, then

    |V_pq| <= v_p v_q                                            values of samples at the points (p, q)
    |error of V_pq| <= u (e_p v_q + v_p e_q)
    |error of M_pq| <= u (C + 1) sum |U_pq| v_p v_q + sum |U_pq| |error of V_pq|       sums over channels in
    |error of Y| <= |A| |error of M| |A|^T + u (F |M| |A|^T + |A| |M| F^T)             outputs of a tile

up to terms of the second order in u, which a factor covers. Each output of a tile is thus bounded by a sum over
points of |U_pq|, summed over channels in, times a weight. Over the sum of all |tap|, the largest of these is the
bound: that of the worst kernel where taps are known, and else that of the worst single tap, since |U| is at most
|G| |g| |G|^T.

The bound is linear in the number of channels, like that of any sum in order. Reference: N. J. Higham, *Accuracy and
Stability of Numerical Algorithms*, 2002, chapters 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.winograd.minimal_filter import (
    Matrix,
    MinimalFilter,
    minimal_filter,
    sums_of_points,
    values_at_points,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["tile_error"]

#: Roundings on the way of a tap to the points, in double precision: of the constants, of products and of sums.
_TAP_ROUNDINGS = 14
#: Roundings on the way of a term through both transforms, and more: what terms of the second order are bounded with.
_DEPTH = 40


@dataclass(frozen=True)
class _Symbol:
    """A value as coefficients of the inputs, and its error as coefficients of their magnitudes."""

    value: tuple[Fraction, ...]
    error: tuple[Fraction, ...]


class _Symbols:
    """Arithmetic of symbols (see `faltung.engines.winograd.minimal_filter.Numbers`)."""

    def add(self, a: _Symbol, b: _Symbol) -> _Symbol:
        return self._rounded(a, b, 1)

    def subtract(self, a: _Symbol, b: _Symbol) -> _Symbol:
        return self._rounded(a, b, -1)

    def multiply_add(self, factor: Fraction, a: _Symbol, b: _Symbol | None) -> _Symbol:
        factor = Fraction(factor)
        value = tuple(factor * v for v in a.value)
        exact = abs(factor) == 1  # a power of two, in general; others do not occur
        errors = tuple(abs(factor) * e + (0 if exact else abs(v)) for e, v in zip(a.error, value, strict=True))
        product = _Symbol(value, errors)
        return product if b is None else self.add(product, b)

    def _rounded(self, a: _Symbol, b: _Symbol, sign: int) -> _Symbol:
        value = tuple(v + sign * w for v, w in zip(a.value, b.value, strict=True))
        own = (e + f + abs(v) for e, f, v in zip(a.error, b.error, value, strict=True))
        return _Symbol(value, tuple(own))


def _analysed(transform: Callable[..., list[_Symbol]], filter_: MinimalFilter) -> NDArray[np.float64]:
    """Return the matrix of a bound of the error of a transform, in units of u."""
    size, zero = filter_.points, Fraction(0)
    units = [_Symbol(tuple(Fraction(int(k == n)) for k in range(size)), tuple([zero] * size)) for n in range(size)]
    return _floats(tuple(symbol.error for symbol in transform(filter_, units, _Symbols())))


def _floats(matrix: Matrix) -> NDArray[np.float64]:
    return np.array([[float(entry) for entry in row] for row in matrix])


@cache
def _weights(tile: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of |U| in the bound of each output: those that are multiplied by C, and the others.

    Their shape is (outputs, outputs, points, points).
    """
    filter_ = minimal_filter(tile)
    a, b = np.abs(_floats(filter_.a)), np.abs(_floats(filter_.b))
    e, f = _analysed(values_at_points, filter_), _analysed(sums_of_points, filter_)
    v, own = b.sum(axis=1), e.sum(axis=1)
    values, errors = np.multiply.outer(v, v), np.multiply.outer(own, v) + np.multiply.outer(v, own)

    def outputs(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        products: NDArray[np.float64] = np.einsum("ip,jq->ijpq", rows, columns)
        return products

    each = outputs(a, a) * values
    return each, each + outputs(a, a) * errors + (outputs(f, a) + outputs(a, f)) * values


def tile_error(tile: int, number: np.dtype[Any], ins: int, taps: NDArray[Any] | None = None) -> float:
    """Return a bound of the rounding error of an output, over the sum of abs(tap) times the largest abs(sample).

    Parameters
    ----------
    tile : int
        Outputs of a tile along each axis.
    number : dtype
        The number computed with.
    ins : int
        Channels in of a group.
    taps : ndarray, shape (channels out, channels in of a group, 3, 3), optional
        The taps; without them, the bound holds for any.

    Returns
    -------
    float
        The bound; it is the largest over all channels out.

    Examples
    --------
    >>> single = np.dtype("f4")
    >>> f"{tile_error(2, single, ins=64):.1e}", f"{tile_error(4, single, ins=64):.1e}"
    ('6.7e-05', '9.3e-04')
    """
    unit = float(np.finfo(number).eps) / 2
    by_channels, others = _weights(tile)
    weights = ins * by_channels + others
    magnitudes = _of_any_tap(tile) if taps is None else _of_kernels(tile, taps)
    roundings = float(np.einsum("ijpq,kpq->kij", weights, magnitudes).max(initial=0.0))
    # Taps are transformed in double precision, whatever the number.
    in_double = _TAP_ROUNDINGS * float(np.finfo(np.float64).eps) / 2 / unit
    roundings += in_double * float(np.einsum("ijpq,kpq->kij", by_channels, _of_any_tap(tile)).max())
    return roundings * unit / (1 - (ins + _DEPTH) * unit)


def _of_any_tap(tile: int) -> NDArray[np.float64]:
    """Return |G| |g| |G|^T for each of the nine single taps."""
    g = np.abs(_floats(minimal_filter(tile).g))
    magnitudes: NDArray[np.float64] = np.einsum("pa,qb->abpq", g, g).reshape(9, len(g), len(g))
    return magnitudes


def _of_kernels(tile: int, taps: NDArray[Any]) -> NDArray[np.float64]:
    """Return |U|, summed over channels in and over the sum of all |tap|, for each channel out that is not zero."""
    g, taps = _floats(minimal_filter(tile).g), taps.astype(np.float64)
    totals = np.abs(taps).sum(axis=(1, 2, 3))
    taps, totals = taps[totals > 0], totals[totals > 0]
    values = np.abs(np.einsum("pa,qb,ocab->ocpq", g, g, taps, optimize=True)).sum(axis=1)
    magnitudes: NDArray[np.float64] = values / totals[:, np.newaxis, np.newaxis]
    return magnitudes
