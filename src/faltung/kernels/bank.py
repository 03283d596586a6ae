"""What is a bank? A matrix of kernels that keeps the expression that made it: the algebra of banks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import chain, pairwise
from operator import mul
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_number, number
from faltung.kernels.grid import GridFunction
from faltung.kernels.kernel import Kernel, Product, Scaled, Sum, as_kernels, sum_of
from faltung.kernels.kernel_matrix import KernelMatrix, compose_taps
from faltung.kernels.multiplied import convolve_taps
from faltung.kernels.outer import Box
from faltung.kernels.taps import TapArray, add_taps, as_origin, as_taps
from faltung.kernels.text import PRODUCT, SUM, Spelling, spell, spell_taps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Bank", "BankTaps", "Combination", "Composition", "Stack"]

_MOST_PRINTED = 6


class Bank(KernelMatrix):
    """A matrix of kernels as a value: the filters of a convolutional layer, and an algebra.

    A bank of kernels k_ij computes channels out y_i from channels in x_j:

        y_i[n] = sum_j sum_m k_ij[m] x_j[n - m].

    ``b2 * b1`` is the composition of two banks, of which `b1` is applied first. It is the product of matrices, in
    which kernels are multiplied by convolution:

        (b2 * b1)_ij = sum_m (b2)_im * (b1)_mj.

    The order of banks matters. A kernel or a number is applied to each channel, and its order does not matter:
    ``g * b == b * g``. ``b + c``, ``b - c``, ``a * b``, ``b / a`` and ``-b`` act on the taps, lag by lag. The result
    of an operator keeps the expression; its taps are computed when `taps` is first read. ``b == c`` is true if both
    are the same function up to rounding, as told by `isclose`.

    A bank is a sequence of rows, one for each channel out, and a row is a tuple of kernels, one for each
    channel in: ``b[i]`` is a row, ``b[i, j]`` is a kernel, and ``Bank.stack(b[2:5])`` is a smaller bank.

    Parameters
    ----------
    taps : array_like, shape ``(channels out, channels in, *spatial)``
        Finite real or complex numbers, with at least one spatial axis; they are stored as float64 or complex128.
        Another bank can be passed, of which the taps are used, and the origin unless `origin` is given.
    origin : int or sequence of int, optional
        Index of the tap at lag zero, one integer per spatial axis, the same for all kernels. The default is
        ``size // 2`` along each axis.

    Raises
    ------
    ArgumentTypeError
        The taps are not numbers, or are kernels (use `Bank.stack`), or the origin is not made of integers.
    ArgumentError
        An axis is missing, a tap is not finite, or the origin has the wrong length.

    See Also
    --------
    Kernel : one filter.

    Notes
    -----
    `shape`, `ndim`, `origin` and `lags` are those of the kernels, without channels; `taps` has the shape
    ``(out_channels, in_channels, *shape)``. Neural-network libraries correlate: the bank of one of their layers is
    ``Bank(weights).flip()``.

    Examples
    --------
    >>> import faltung as fa
    >>> b = fa.Bank.stack([fa.Kernel([1, 2, 1]), fa.Kernel([1, 0, -1])])
    >>> b.out_channels, b.in_channels, b.shape
    (2, 1, (3,))
    >>> b.taps
    array([[[ 1.,  2.,  1.]],
           [[ 1.,  0., -1.]]])
    >>> (fa.Bank([[[1], [-1]]]) * b)[0, 0] == b[0, 0] - b[1, 0]
    True
    """

    # With this, NumPy leaves `array * bank` and `numpy.float64(2) * bank` to the methods below.
    __array_ufunc__ = None

    def __new__(cls, taps: ArrayLike, origin: int | Sequence[int] | None = None) -> Bank:
        """Make the simplest expression, which is given by taps; `stack` and operators make all others."""
        return BankTaps(taps, origin)

    @staticmethod
    def stack(rows: Iterable[Kernel | Iterable[Kernel]]) -> Bank:
        """Return a bank of kernels, which keep their expressions.

        The kernels may differ in shape and origin: they are aligned at lag zero, and the shape of the bank is that
        of the smallest box that holds all of them.

        Parameters
        ----------
        rows : iterable of Kernel, or iterable of rows
            One row for each channel out, with one kernel for each channel in. If there is one channel in, a row can
            be the kernel itself.

        Returns
        -------
        Bank
            The bank of the kernels.

        Raises
        ------
        ArgumentTypeError
            One of the items is not a kernel.
        ArgumentError
            There are no kernels, the rows differ in length, or the kernels differ in their number of dimensions.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.gaussian(2) * fa.Bank.stack([fa.sobel(axis=0), fa.sobel(axis=1)])
        gaussian(2) * Bank.stack([sobel(axis=0), sobel(axis=1)])
        >>> fa.Bank.stack([[fa.delta(), fa.box(3)], [fa.box((1, 5)), fa.delta()]]).taps.shape
        (2, 2, 3, 5)
        """
        return Stack(rows)

    def __mul__(self, other: Bank | Kernel | complex) -> Bank:
        if isinstance(other, Bank):
            return Composition((), (self, other))
        return self.__rmul__(other)  # the order of a bank and a kernel or a number does not matter

    def __rmul__(self, other: Kernel | complex) -> Bank:
        if isinstance(other, Kernel):
            return Composition((other,), (self,))
        if is_number(other):
            return Combination(((other, self),))
        self._refuse_array(other)
        return NotImplemented

    def __truediv__(self, other: complex) -> Bank:
        if not is_number(other):
            self._refuse_array(other)
            return NotImplemented
        divisor = number("divisor", other)
        if divisor == 0:
            raise ArgumentError("divisor", "a number other than zero", str(other))
        return Combination(((1.0 / divisor, self),))

    def __add__(self, other: Bank) -> Bank:
        if isinstance(other, Bank):
            return Combination(((1.0, self), (1.0, other)))
        if isinstance(other, Kernel) or is_number(other):
            received = "a kernel" if isinstance(other, Kernel) else f"the number {other}"
            remedy = "Make a bank of the kernel with Bank.stack, which tells the channels that it connects."
            raise ArgumentTypeError("sum", "two banks", f"a bank and {received}", remedy)
        self._refuse_array(other)
        return NotImplemented

    def __radd__(self, other: Bank | int) -> Bank:
        # The built-in sum() begins with the integer zero.
        return self if type(other) is int and other == 0 else self + other  # type: ignore[operator]

    def __sub__(self, other: Bank) -> Bank:
        return self + (-other if isinstance(other, Bank) else other)

    def __rsub__(self, other: Bank) -> Bank:
        return -self + other

    def __neg__(self) -> Bank:
        return Combination(((-1.0, self),))

    def __pos__(self) -> Bank:
        return self


class BankTaps(Bank):
    """A bank given by its taps, with the parameters of `Bank`."""

    __match_args__ = ("taps", "origin")

    def __new__(cls, taps: ArrayLike, origin: int | Sequence[int] | None = None) -> Self:
        """Copy the taps, so that no other code can change them."""
        if _holds_kernels(taps):
            remedy = "Use Bank.stack, which keeps their expressions."
            raise ArgumentTypeError("taps", "an array of numbers", "kernels", remedy)
        if isinstance(taps, Bank) and origin is None:
            origin = taps.origin
        array = as_taps(taps)
        if array.ndim < 3:
            remedy = "Both axes of channels are needed; their length may be 1."
            raise ArgumentError("taps", "shape (channels out, channels in, *spatial)", str(array.shape), remedy)
        return cls._make(taps=array, origin=as_origin(origin, array.shape[2:]))

    def _spelling(self) -> Spelling:
        text = spell_taps(self.taps, self.origin)
        # If there are too many taps to print all, only their shape is printed.
        _, shortened, rest = text.partition("shape=")
        return Spelling(f"Bank(..., shape={rest}" if shortened else text.replace("Kernel", "Bank", 1))


Bank._of_taps = BankTaps


class Stack(Bank):
    """A bank of kernels, which keep their expressions; the parameters are those of `Bank.stack`."""

    __match_args__ = ("rows",)
    rows: tuple[tuple[Kernel, ...], ...]

    def __new__(cls, rows: Iterable[Kernel | Iterable[Kernel]]) -> Self:
        """Make the bank of rows of equal length; a kernel is a row with one item."""
        given = tuple((row,) if isinstance(row, Kernel) else _items(row) for row in _items(rows))
        lengths = sorted({len(row) for row in given})
        if len(lengths) != 1 or lengths == [0]:
            received = f"lengths {' and '.join(map(str, lengths))}" if len(lengths) > 1 else "none"
            remedy = "For two channels that are not connected, use the kernel 0 * delta()."
            raise ArgumentError("rows", "rows with the same number of kernels", received, remedy)
        as_kernels(chain.from_iterable(given))
        return cls._make(rows=given)

    @property
    def _channels(self) -> tuple[int, ...]:
        return len(self.rows), len(self.rows[0])

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return Sum(chain.from_iterable(self.rows))._support()

    def _is_complex(self) -> bool:
        return any(kernel._is_complex() for kernel in chain.from_iterable(self.rows))

    def _multiply_out(self) -> TapArray:
        total = np.zeros((*self._channels, *self.shape), self.dtype)
        for taps, kernel in zip(total.reshape(-1, *self.shape), chain.from_iterable(self.rows), strict=True):
            taps[...] = add_taps([(kernel.taps, kernel.origin)], self.shape, self.origin, self.dtype)
        return total

    def _row(self, i: int) -> tuple[Kernel, ...]:
        return self.rows[i]

    def _flip(self) -> Self:
        return type(self)([kernel.flip() for kernel in row] for row in self.rows)

    def _conj(self) -> Self:
        return type(self)([kernel.conj() for kernel in row] for row in self.rows)

    def _spelling(self) -> Spelling:
        rows = [[kernel._spelled().text for kernel in row] for row in self.rows]
        return Spelling(f"Bank.stack({_listed(row[0] if self.in_channels == 1 else _listed(row) for row in rows)})")


class Combination(Bank):
    """A linear combination of banks, aligned at lag zero: pairs of a number and a bank."""

    __match_args__ = ("terms",)
    terms: tuple[tuple[float | complex, Bank], ...]

    def __new__(cls, terms: Iterable[tuple[complex, Bank]]) -> Self:
        """Add up terms; a bank that is a combination without a label is replaced by its own terms."""
        given = tuple(terms)
        banks = _as_banks(bank for _, bank in given)
        flat: list[tuple[float | complex, Bank]] = []
        for a, bank in given:
            inner = bank.terms if isinstance(bank, Combination) and not bank.label else ((1.0, bank),)
            flat += [(number("scalar", number("scalar", a) * b), term) for b, term in inner]
        channels = [bank._channels for bank in banks]
        if len(set(channels)) != 1:
            received = " and ".join(f"{after} x {before}" for after, before in channels)
            remedy = "Channels out x channels in must agree."
            raise ArgumentError("sum", "banks with the same channels", received, remedy)
        return cls._make(terms=tuple(flat))

    @property
    def _channels(self) -> tuple[int, ...]:
        return self.terms[0][1]._channels

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return Sum(_window(bank) for _, bank in self.terms)._support()

    def _is_complex(self) -> bool:
        return any(isinstance(a, complex) or bank._is_complex() for a, bank in self.terms)

    def _multiply_out(self) -> TapArray:
        terms = ((a * bank.taps, bank._lag_zero) for a, bank in self.terms)
        return add_taps(terms, (*self._channels, *self.shape), self._lag_zero, self.dtype)

    def _row(self, i: int) -> tuple[Kernel, ...]:
        rows = [[kernel if a == 1 else Scaled(a, kernel) for kernel in bank[i]] for a, bank in self.terms]
        return tuple(map(sum_of, zip(*rows, strict=True)))

    def _flip(self) -> Self:
        return type(self)((a, bank.flip()) for a, bank in self.terms)

    def _conj(self) -> Self:
        return type(self)((a.conjugate(), bank.conj()) for a, bank in self.terms)

    def _spelling(self) -> Spelling:
        first, *others = (_spell_multiple(a, bank) for a, bank in self.terms)
        rest = (f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in others)
        return Spelling(first + "".join(rest), SUM if others else PRODUCT)


class Composition(Bank):
    """A product of banks, of which the last is applied first, and of kernels, which filter each channel."""

    __match_args__ = ("kernels", "banks")
    kernels: tuple[Kernel, ...]
    banks: tuple[Bank, ...]

    def __new__(cls, kernels: Iterable[Kernel], banks: Iterable[Bank]) -> Self:
        """Multiply factors; a bank that is a composition without a label is replaced by its own factors."""
        common: list[Kernel] = [*kernels]
        layers: list[Bank] = []
        for bank in _as_banks(banks):
            if isinstance(bank, Composition) and not bank.label:
                common += bank.kernels
                layers += bank.banks
            else:
                layers.append(bank)
        as_kernels([*common, *map(_window, layers)])
        for left, right in pairwise(layers):
            if left.in_channels != right.out_channels:
                expected = f"a right factor with {left.in_channels} channels out, the channels in of the left factor"
                remedy = "In b2 * b1 the right factor is applied first."
                raise ArgumentError("product", expected, str(right.out_channels), remedy)
        return cls._make(kernels=tuple(common), banks=tuple(layers))

    @property
    def _channels(self) -> tuple[int, ...]:
        return self.banks[0].out_channels, self.banks[-1].in_channels

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return Product((*self.kernels, *map(_window, self.banks)))._support()

    def _is_complex(self) -> bool:
        return any(factor._is_complex() for factor in (*self.kernels, *self.banks))

    def _multiply_out(self) -> TapArray:
        # From the right, since most banks have fewer channels in than out.
        total = reduce(lambda right, left: compose_taps(left, right), [bank.taps for bank in reversed(self.banks)])
        return convolve_taps(Product(self.kernels).taps[np.newaxis, np.newaxis], total) if self.kernels else total

    def _row(self, i: int) -> tuple[Kernel, ...]:
        first, *others = self.banks
        row = first[i]
        for bank in others:
            row = tuple(sum_of(map(Product, zip(row, column, strict=True))) for column in zip(*bank, strict=True))
        return tuple(reduce(mul, (*self.kernels, kernel)) for kernel in row)

    def _flip(self) -> Self:
        return type(self)((kernel.flip() for kernel in self.kernels), (bank.flip() for bank in self.banks))

    def _conj(self) -> Self:
        return type(self)((kernel.conj() for kernel in self.kernels), (bank.conj() for bank in self.banks))

    def _spelling(self) -> Spelling:
        return Spelling(" * ".join(f._spelled().inside(PRODUCT) for f in (*self.kernels, *self.banks)), PRODUCT)


def _as_banks(banks: Iterable[Bank]) -> tuple[Bank, ...]:
    """Return at least one bank, all with the same number of dimensions."""
    given = tuple(banks)
    for bank in given:
        if not isinstance(bank, Bank):
            raise ArgumentTypeError("banks", "banks only", type(bank).__name__, "Wrap taps in faltung.Bank.")
    as_kernels(map(_window, given))
    return given


def _window(function: GridFunction) -> Kernel:
    """Return a kernel with the support of the function: sums and products of kernels compute supports."""
    return Box(function.shape, function.origin)


def _holds_kernels(taps: object) -> bool:
    while isinstance(taps, list | tuple) and taps:
        taps = taps[0]
    return isinstance(taps, Kernel)


def _items(rows: object) -> tuple[Any, ...]:
    if not isinstance(rows, Iterable):
        remedy = "Bank.stack([f, g]) has two channels out, Bank.stack([[f, g]]) two channels in."
        raise ArgumentTypeError("rows", "a list of kernels, or of rows of kernels", type(rows).__name__, remedy)
    return tuple(rows)


def _spell_multiple(scalar: complex, bank: Bank) -> str:
    text = bank._spelled().inside(PRODUCT)
    return text if scalar == 1 else f"-{text}" if scalar == -1 else f"{spell(scalar)} * {text}"


def _listed(texts: Iterable[str]) -> str:
    items = list(texts)
    shown = items if len(items) <= _MOST_PRINTED else [*items[:2], "...", items[-1]]
    return f"[{', '.join(shown)}]"
