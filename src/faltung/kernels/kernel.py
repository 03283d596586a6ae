"""What is a kernel? A function on the grid that keeps the expression that made it: the algebra of kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, is_number, number
from faltung.kernels.grid import MOST_MIXED, GridFunction
from faltung.kernels.multiplied import multiply_out
from faltung.kernels.taps import TapArray, add_taps, as_origin, as_taps, flipped, outer_taps
from faltung.kernels.text import ATOM, PRODUCT, SUM, Spelling, spell

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Kernel", "Product", "Scaled", "Sum", "Taps", "as_kernels", "flipped_origin", "sum_of"]

_MOST_FACTORS = 10_000


class Kernel(GridFunction):
    """A filter as a value: taps, the index of the tap at lag zero (the origin), and an algebra.

    The convolution of an array x with a kernel k of origin o is

        y[n] = sum_i k[i] x[n - (i - o)].

    The correlation is y[n] = sum_i k[i] x[n + (i - o)], which is the convolution with ``k.flip()``.

    ``f * g`` is the convolution of two kernels: filtering with it is filtering with `f` and then with `g`.
    ``f ** n`` is the product of n factors `f`, and ``f ** 0`` is the identity. ``f + g``, ``f - g``, ``a * f``,
    ``f / a`` and ``-f`` act on the taps, lag by lag. The result of an operator keeps the expression; its taps are
    computed when `taps` is first read. ``f == g`` is true if both are the same function up to rounding, as told by
    `isclose`.

    Parameters
    ----------
    taps : array_like
        Finite real or complex numbers, with at least one axis; they are stored as float64 or complex128. Another
        kernel can be passed, of which the taps are used, and the origin unless `origin` is given.
    origin : int or sequence of int, optional
        Index of the tap at lag zero, one integer per axis. It may be outside the array, which makes a shifted kernel.
        The default is ``size // 2`` along each axis, as in `scipy.ndimage`.

    Raises
    ------
    ArgumentTypeError
        The taps are not numbers or have more than double precision, or the origin is not made of integers.
    ArgumentError
        There are no taps, a tap is not finite, or the origin has the wrong length.

    See Also
    --------
    Bank : a matrix of kernels.

    Notes
    -----
    Kernels cannot be changed. They cannot be dictionary keys, since no hash agrees with equality up to rounding; use
    `fingerprint` as the key.

    Examples
    --------
    >>> import faltung as fa
    >>> smooth = fa.Kernel([1, 2, 1]) / 4
    >>> smooth.taps
    array([0.25, 0.5 , 0.25])
    >>> (smooth * fa.Kernel([1, 0, -1])).taps
    array([ 0.25,  0.5 ,  0.  , -0.5 , -0.25])
    >>> (fa.delta(ndim=1) - smooth).taps
    array([-0.25,  0.5 , -0.25])
    """

    # With this, NumPy leaves `array * kernel` and `numpy.float64(2) * kernel` to the methods below.
    __array_ufunc__ = None

    def __new__(cls, taps: ArrayLike, origin: int | Sequence[int] | None = None) -> Kernel:
        """Make the simplest expression, which is given by taps; operators make all others."""
        return Taps(taps, origin)

    def _flip(self) -> Kernel:
        return Taps._make(taps=flipped(self.taps), origin=flipped_origin(self))

    def _conj(self) -> Kernel:
        return Taps(self.taps.conj(), self.origin)

    def _parts(self) -> tuple[Kernel, Kernel]:
        """Real and imaginary part of a complex kernel; known structure is kept."""
        return Taps(self.taps.real, self.origin), Taps(self.taps.imag, self.origin)

    def flip(self) -> Kernel:
        """Return the kernel reversed about lag zero along each axis.

            k.flip()[m] = k[-m]

        Correlation with a kernel is convolution with its flip. Complex taps are not conjugated.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Kernel([1, 2, 3], origin=0).flip()
        Kernel([3, 2, 1], origin=2)
        """
        return self._derived(self._flip(), ".flip()")

    def conj(self) -> Kernel:
        """Return the kernel with conjugated taps; a real kernel is returned itself.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Kernel([1, 2 + 1j]).conj()
        Kernel([(1-0j), (2-1j)], origin=1)
        """
        return self._derived(self._conj(), ".conj()") if self._is_complex() else self

    @property
    def real(self) -> Kernel:
        """Real part, as a real kernel; of a real kernel, the kernel itself."""
        return self._derived(self._both[0], ".real") if self._is_complex() else self

    @property
    def imag(self) -> Kernel:
        """Imaginary part, as a real kernel; of a real kernel, zero."""
        return self._derived(self._both[1], ".imag") if self._is_complex() else 0.0 * self

    def __mul__(self, other: Kernel | complex) -> Kernel:
        if isinstance(other, Kernel):
            return Product((self, other))
        if is_number(other):
            return Scaled(other, self)
        self._refuse_array(other)
        return NotImplemented

    def __rmul__(self, other: complex) -> Kernel:
        return self * other

    def __truediv__(self, other: complex) -> Kernel:
        if isinstance(other, Kernel):
            _refuse_inverse()
        if not is_number(other):
            self._refuse_array(other)
            return NotImplemented
        divisor = number("divisor", other)
        if divisor == 0:
            raise ArgumentError("divisor", "a number other than zero", str(other))
        return Scaled(1.0 / divisor, self)

    def __rtruediv__(self, other: object) -> NoReturn:
        _refuse_inverse()

    def __add__(self, other: Kernel) -> Kernel:
        if isinstance(other, Kernel):
            return Sum((self, other))
        if is_number(other):
            remedy = f"Add {other} * delta(ndim={self.ndim}), which is that multiple of the identity."
            raise ArgumentTypeError("sum", "two kernels", f"a kernel and the number {other}", remedy)
        self._refuse_array(other)
        return NotImplemented

    def __radd__(self, other: Kernel | int) -> Kernel:
        # The built-in sum() begins with the integer zero.
        return self if type(other) is int and other == 0 else self + other  # type: ignore[operator]

    def __sub__(self, other: Kernel) -> Kernel:
        return self + (-other if isinstance(other, Kernel) else other)

    def __rsub__(self, other: Kernel) -> Kernel:
        return -self + other

    def __neg__(self) -> Kernel:
        return Scaled(-1.0, self)

    def __pos__(self) -> Kernel:
        return self

    def __pow__(self, exponent: int) -> Kernel:
        """Return the kernel convolved with itself: ``k**2`` is ``k * k``, the filter applied twice.

        It does not square the taps; ``Kernel(k.taps**2, k.origin)`` does. ``k**0`` is the identity, ``delta()``.

        Examples
        --------
        >>> import faltung as fa
        >>> print((fa.Kernel([1, 2]) ** 2).taps)
        [1. 4. 4.]
        """
        count = integer("exponent", exponent, 0, _MOST_FACTORS)
        if count == 0:
            return Taps(np.ones((1,) * self.ndim))
        return self if count == 1 else Product((self,) * count)

    def _derived(self, kernel: Kernel, suffix: str) -> Kernel:
        return kernel.labelled(self._label + suffix) if self._label else kernel


class Taps(Kernel):
    """A kernel given by its taps, with the parameters of `Kernel`."""

    __match_args__ = ("taps", "origin")

    def __new__(cls, taps: ArrayLike, origin: int | Sequence[int] | None = None) -> Self:
        """Copy the taps, so that no other code can change them."""
        if isinstance(taps, Kernel) and origin is None:
            origin = taps.origin
        array = as_taps(taps)
        return cls._make(taps=array, origin=as_origin(origin, array.shape))


class Sum(Kernel):
    """A sum of kernels, aligned at lag zero."""

    __match_args__ = ("terms",)
    terms: tuple[Kernel, ...]

    def __new__(cls, terms: Iterable[Kernel]) -> Self:
        """Add up terms; a term that is a sum without a label is replaced by its own terms."""
        given = as_kernels(terms)
        flat = [inner for k in given for inner in (k.terms if isinstance(k, Sum) and not k.label else (k,))]
        return cls._make(terms=tuple(flat))

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        lags = list(zip(*(term.lags for term in self.terms), strict=True))
        low = [min(lag.start for lag in axis) for axis in lags]
        high = [max(lag.stop for lag in axis) for axis in lags]
        return tuple(b - a for a, b in zip(low, high, strict=True)), tuple(-a for a in low)

    def _is_complex(self) -> bool:
        return any(term._is_complex() for term in self.terms)

    def _multiply_out(self) -> TapArray:
        terms = ((term.taps, term.origin) for term in self.terms)
        return add_taps(terms, self.shape, self.origin, self.dtype)

    def _flip(self) -> Kernel:
        return Sum(term.flip() for term in self.terms)

    def _conj(self) -> Kernel:
        return Sum(term.conj() for term in self.terms)

    def _parts(self) -> tuple[Kernel, Kernel]:
        complex_terms = (term for term in self.terms if term._is_complex())
        return sum_of(term.real for term in self.terms), sum_of(term.imag for term in complex_terms)

    def _spelling(self) -> Spelling:
        text = self.terms[0]._spelled().text
        for term in self.terms[1:]:
            if isinstance(term, Scaled) and not term.label and term.scalar == -1:
                text += f" - {term.kernel._spelled().inside(PRODUCT)}"
            elif isinstance(term, Scaled) and not term.label and term.scalar.real < 0 == term.scalar.imag:
                text += f" - {(-term)._spelled().text}"
            else:
                text += f" + {term._spelled().text}"
        return Spelling(text, SUM)


class Product(Kernel):
    """A convolution of kernels: filtering with all of them, one after the other, in any order."""

    __match_args__ = ("factors",)
    factors: tuple[Kernel, ...]

    def __new__(cls, factors: Iterable[Kernel]) -> Self:
        """Multiply factors; a factor that is a product without a label is replaced by its own factors."""
        given = as_kernels(factors)
        flat = [f for k in given for f in (k.factors if isinstance(k, Product) and not k.label else (k,))]
        integer("number of factors", len(flat), 1, _MOST_FACTORS)
        return cls._make(factors=tuple(flat))

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        shapes = zip(*(factor.shape for factor in self.factors), strict=True)
        origins = zip(*(factor.origin for factor in self.factors), strict=True)
        return tuple(sum(axis) - len(axis) + 1 for axis in shapes), tuple(map(sum, origins))

    def _is_complex(self) -> bool:
        return any(factor._is_complex() for factor in self.factors)

    def _multiply_out(self) -> TapArray:
        split = [None if self.ndim == 1 else factor._separated() for factor in self.factors]
        arrays = [(f.fingerprint, f.taps) for f, axes in zip(self.factors, split, strict=True) if axes is None]
        separable = [axes for axes in split if axes is not None]
        if separable:
            # Outer products are convolved along each axis, at the cost of their sides and not of their areas.
            arrays.append((b"", outer_taps(Product(axis).taps for axis in zip(*separable, strict=True))))
        return multiply_out(arrays)

    def _separated(self) -> tuple[Kernel, ...] | None:
        if self.ndim == 1:
            return (self,)
        parts = [factor._separated() for factor in self.factors]
        if None in parts:
            return None
        return tuple(map(Product, zip(*parts, strict=True)))

    def _flip(self) -> Kernel:
        return Product(factor.flip() for factor in self.factors)

    def _conj(self) -> Kernel:
        return Product(factor.conj() for factor in self.factors)

    def _parts(self) -> tuple[Kernel, Kernel]:
        real = tuple(factor for factor in self.factors if not factor._is_complex())
        others = [factor for factor in self.factors if factor._is_complex()]
        # The parts of n complex factors are sums of 2^(n-1) products, so more than one factor is multiplied out.
        rest = others[0] if len(others) == 1 else Taps(Product(others))
        return Product((*real, rest.real)), Product((*real, rest.imag))

    def _spelling(self) -> Spelling:
        runs = (list(run) for _, run in groupby(self.factors, key=id))
        return Spelling(" * ".join(_spell_power(run[0], len(run)) for run in runs), PRODUCT)


class Scaled(Kernel):
    """A multiple of a kernel."""

    __match_args__ = ("scalar", "kernel")
    scalar: float | complex
    kernel: Kernel

    def __new__(cls, scalar: complex, kernel: Kernel) -> Self:
        """Multiply a kernel by a number; a multiple of a multiple becomes one multiple."""
        factor = number("scalar", scalar)
        (inner,) = as_kernels((kernel,))
        if isinstance(inner, Scaled) and not inner.label:
            factor, inner = number("scalar", factor * inner.scalar), inner.kernel
        return cls._make(scalar=factor, kernel=inner)

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.kernel.shape, self.kernel.origin

    def _is_complex(self) -> bool:
        return isinstance(self.scalar, complex) or self.kernel._is_complex()

    def _multiply_out(self) -> TapArray:
        return self.scalar * self.kernel.taps

    def _separated(self) -> tuple[Kernel, ...] | None:
        parts = self.kernel._separated()
        return (Scaled(self.scalar, parts[0]), *parts[1:]) if parts else None

    def _flip(self) -> Kernel:
        return Scaled(self.scalar, self.kernel.flip())

    def _conj(self) -> Kernel:
        return Scaled(self.scalar.conjugate(), self.kernel.conj())

    def _parts(self) -> tuple[Kernel, Kernel]:
        if self._mixing > MOST_MIXED:  # each complex multiple of a complex sum doubles the terms
            return Taps(self)._parts()
        a, b, real = self.scalar.real, self.scalar.imag, self.kernel.real
        if not isinstance(self.scalar, complex):
            return a * real, a * self.kernel.imag
        if not self.kernel._is_complex():
            return a * real, b * real
        imag = self.kernel.imag
        return a * real - b * imag, a * imag + b * real

    def _spelling(self) -> Spelling:
        inner = self.kernel._spelled().inside(PRODUCT)
        return Spelling(f"-{inner}" if self.scalar == -1 else f"{spell(self.scalar)} * {inner}", PRODUCT)


def as_kernels(kernels: Iterable[Kernel]) -> tuple[Kernel, ...]:
    """Return at least one kernel, all with the same number of dimensions."""
    given = tuple(kernels)
    for kernel in given:
        if not isinstance(kernel, Kernel):
            remedy = "Wrap taps in faltung.Kernel."
            raise ArgumentTypeError("kernels", "kernels only", type(kernel).__name__, remedy)
    dimensions = [kernel.ndim for kernel in given]
    if len(set(dimensions)) != 1:
        received = " and ".join(f"{ndim}-D" for ndim in dimensions) or "none"
        remedy = "Named kernels take ndim=, for example gaussian(2, ndim=3)."
        raise ArgumentError("kernels", "kernels with the same number of dimensions", received, remedy)
    return given


def sum_of(terms: Iterable[Kernel]) -> Kernel:
    """Return the sum of the terms, or the only term itself."""
    given = tuple(terms)
    return given[0] if len(given) == 1 else Sum(given)


def flipped_origin(kernel: Kernel) -> tuple[int, ...]:
    """Return the origin of the kernel reversed along each axis."""
    return tuple(size - 1 - at for size, at in zip(kernel.shape, kernel.origin, strict=True))


def _spell_power(factor: Kernel, count: int) -> str:
    base = factor._spelled()
    return base.inside(PRODUCT) if count == 1 else f"{base.inside(ATOM)}**{count}"


def _refuse_inverse() -> NoReturn:
    remedy = "Only a multiple of a shifted delta has an inverse that is a kernel."
    raise ArgumentTypeError("divisor", "a number", "a kernel", remedy)
