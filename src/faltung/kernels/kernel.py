"""What is a filter? A function on the grid that keeps the expression that made it: the algebra of kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, is_number, number
from faltung.kernels.grid import GridFunction
from faltung.kernels.taps import TapArray, add_taps, as_origin, as_taps, convolve_taps, outer_taps
from faltung.kernels.text import ATOM, PRODUCT, SUM, Spelling, spell

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Kernel", "Product", "Scaled", "Sum", "Taps", "as_kernels", "flipped_origin", "sum_of"]

_MOST_FACTORS = 10_000


class Kernel(GridFunction):
    """A filter as a value: taps, the index of the tap at lag zero, and an algebra.

    With the origin o, convolving a signal x with the kernel k is

        y[n] = sum_i k[i] x[n - (i - o)],

    and correlating is y[n] = sum_i k[i] x[n + (i - o)], the same as convolving with ``k.flip()``.

    ``f * g`` is the convolution of two kernels: filtering with it is filtering with one after the other.
    ``f + g``, ``f - g``, ``a * f``, ``f / a`` and ``-f`` are those of a linear space, ``f ** n`` is the
    n-fold product, and ``f ** 0`` the identity. All of them keep the expression; nothing is multiplied out
    until `taps` is asked for. ``f == g`` tells whether two kernels are the same function within rounding
    (see `isclose`).

    Parameters
    ----------
    taps : array_like
        Finite real or complex numbers, with at least one axis; stored as float64 or complex128. A kernel
        is accepted too, and multiplied out.
    origin : int or sequence of int, optional
        Index of the tap at lag zero, one integer per axis. Any integer will do: one outside of the array
        makes a shifted kernel. The default ``size // 2`` is that of `scipy.ndimage`, for odd and even sizes.

    Raises
    ------
    ArgumentTypeError
        If the taps are not numbers, or numbers of more than double precision.
    ArgumentError
        If there is no tap, a tap is not finite, or the origin has the wrong length.

    Notes
    -----
    Kernels are immutable. They are no dictionary keys, since no hash agrees with equality within rounding;
    `fingerprint` is the key to use.

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

    # NumPy then hands `array * kernel` and `numpy.float64(2) * kernel` over to the methods below.
    __array_ufunc__ = None

    def __new__(cls, taps: ArrayLike, origin: int | Sequence[int] | None = None) -> Kernel:
        """Make the simplest node of an expression, given taps; operators make the others."""
        return Taps(taps, origin)

    def _flip(self) -> Kernel:
        return Taps(np.flip(self.taps), flipped_origin(self))

    def _conj(self) -> Kernel:
        return Taps(self.taps.conj(), self.origin)

    def _parts(self) -> tuple[Kernel, Kernel]:
        """Real and imaginary part of a complex kernel, with as much structure as they keep."""
        return Taps(self.taps.real, self.origin), Taps(self.taps.imag, self.origin)

    def flip(self) -> Kernel:
        """Return the kernel reversed about lag zero along every axis: ``k.flip()[m] = k[-m]``.

        Correlating with a kernel is convolving with its flip. Nothing is conjugated.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Kernel([1, 2, 3], origin=0).flip()
        Kernel([3, 2, 1], origin=2)
        """
        return self._derived(self._flip(), ".flip()")

    def conj(self) -> Kernel:
        """Return the kernel with conjugated taps, which is the kernel itself if it is real.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Kernel([1, 2 + 1j]).conj()
        Kernel([(1-0j), (2-1j)], origin=1)
        """
        return self._derived(self._conj(), ".conj()") if self._is_complex() else self

    @property
    def real(self) -> Kernel:
        """Real part; the kernel itself if it is real."""
        return self._derived(self._parts()[0], ".real") if self._is_complex() else self

    @property
    def imag(self) -> Kernel:
        """Imaginary part, as a real kernel."""
        return self._derived(self._parts()[1], ".imag") if self._is_complex() else 0.0 * self

    def __mul__(self, other: Kernel | complex) -> Kernel:
        if isinstance(other, Kernel):
            return Product((self, other))
        if is_number(other):
            return Scaled(other, self)
        _refuse_array(other)
        return NotImplemented

    def __rmul__(self, other: complex) -> Kernel:
        return self * other

    def __truediv__(self, other: complex) -> Kernel:
        if isinstance(other, Kernel):
            _refuse_inverse()
        if not is_number(other):
            _refuse_array(other)
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
            remedy = f"Add {other} * delta(ndim={self.ndim}), that multiple of the identity."
            raise ArgumentTypeError("sum", "two kernels", f"a kernel and the number {other}", remedy)
        _refuse_array(other)
        return NotImplemented

    def __radd__(self, other: Kernel | int) -> Kernel:
        # The builtin sum() starts from the integer zero.
        return self if isinstance(other, int) and other == 0 else self + other  # type: ignore[operator]

    def __sub__(self, other: Kernel) -> Kernel:
        return self + (-other if isinstance(other, Kernel) else other)

    def __rsub__(self, other: Kernel) -> Kernel:
        return -self + other

    def __neg__(self) -> Kernel:
        return Scaled(-1.0, self)

    def __pos__(self) -> Kernel:
        return self

    def __pow__(self, exponent: int) -> Kernel:
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
        """Copy the taps, so that nobody else can change them."""
        if isinstance(taps, Kernel) and origin is None:
            origin = taps.origin
        array = as_taps(taps)
        return cls._make(taps=array, origin=as_origin(origin, array.shape))


class Sum(Kernel):
    """A sum of kernels, aligned at lag zero."""

    __match_args__ = ("terms",)
    terms: tuple[Kernel, ...]

    def __new__(cls, terms: Iterable[Kernel]) -> Self:
        """Take terms, and the terms of sums among them; a sum with a name stays one term."""
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
    """A convolution of kernels: filtering with one after the other, in any order."""

    __match_args__ = ("factors",)
    factors: tuple[Kernel, ...]

    def __new__(cls, factors: Iterable[Kernel]) -> Self:
        """Take factors, and the factors of products among them; a product with a name stays one factor."""
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
        arrays = [factor.taps for factor, axes in zip(self.factors, split, strict=True) if axes is None]
        separable = [axes for axes in split if axes is not None]
        if separable:
            # They meet axis by axis, at the cost of their sides and not of their areas.
            arrays.append(outer_taps(Product(axis).taps for axis in zip(*separable, strict=True)))
        return reduce(convolve_taps, sorted(arrays, key=np.size))

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
        # Keeping the structure of n complex factors would take 2^(n-1) products; one is kept, more are not.
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
        """Take a number and a kernel; a multiple of a multiple is one multiple."""
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
    """At least one kernel, and all of them with the same number of dimensions."""
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
    """Sum of the terms, or the only term itself."""
    given = tuple(terms)
    return given[0] if len(given) == 1 else Sum(given)


def flipped_origin(kernel: Kernel) -> tuple[int, ...]:
    """Origin of the kernel reversed along every axis."""
    return tuple(size - 1 - at for size, at in zip(kernel.shape, kernel.origin, strict=True))


def _spell_power(factor: Kernel, count: int) -> str:
    base = factor._spelled()
    return base.inside(PRODUCT) if count == 1 else f"{base.inside(ATOM)}**{count}"


def _refuse_inverse() -> NoReturn:
    remedy = "Only the multiples of a shifted delta have an inverse that is a kernel."
    raise ArgumentTypeError("divisor", "a number", "a kernel", remedy)


def _refuse_array(other: object) -> None:
    # An object that opts out of array arithmetic, as kernels do, may know kernels: it gets its turn.
    array = hasattr(other, "__array__") and getattr(other, "__array_ufunc__", True) is not None
    if array or isinstance(other, list | tuple):
        remedy = "Filter it with convolve(array, kernel), or make a kernel of it with Kernel(array)."
        raise ArgumentTypeError("operand", "a kernel or a number", type(other).__name__, remedy)
