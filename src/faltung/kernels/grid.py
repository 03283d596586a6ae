"""What can be read from a function on the integer grid, whatever expression it comes from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np

from faltung.errors import ArgumentTypeError
from faltung.ground.lazy import lazy
from faltung.kernels.picture import draw_kernel
from faltung.kernels.taps import TapArray, check_size, freeze, largest_difference, numerical_rank
from faltung.kernels.text import Spelling, spell_taps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["GridFunction"]

_MOST_DRAWN = 2**22


class GridFunction:
    """A finitely supported function on the integer grid: an immutable value, defined by its fields.

    At each lag a kernel has a number and a bank has a matrix. Whatever is derived from the fields is derived
    once, when it is first asked for.
    """

    # Equality within rounding is not transitive, so no hash can agree with it.
    __hash__: ClassVar[None]  # type: ignore[assignment]
    # The fields, in the order of the constructor: they are what is compared, digested and pickled.
    __match_args__: ClassVar[tuple[str, ...]]
    _noun: ClassVar[str] = "kernel"
    _label: str | None = None
    #: Filters an array; the module that does it stands rungs higher and puts itself here.
    apply: ClassVar[Callable[..., Any]]

    @classmethod
    def _make(cls, **fields: object) -> Self:
        # Fields live in the instance dictionary, where a field also takes the place of a cached property.
        self = object.__new__(cls)
        vars(self).update(fields)
        return self

    # What follows is true of any function whose taps and origin are fields. A node of an expression replaces
    # it by what its structure knows without multiplying out.

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shape and origin of the smallest box that is known to hold all taps."""
        return self.taps.shape, self.origin

    def _multiply_out(self) -> TapArray:
        return self.taps

    def _is_complex(self) -> bool:
        return np.iscomplexobj(self.taps)

    def _separated(self) -> tuple[Any, ...] | None:
        """One-dimensional functions whose outer product this is, if the structure says so."""
        return (self,) if self.ndim == 1 else None

    def _spelling(self) -> Spelling:
        return Spelling(spell_taps(self.taps, self.origin))

    @property
    def _channels(self) -> tuple[int, ...]:
        """Shape of the value at one lag; the leading axes of the array of taps."""
        return ()

    @property
    def _lag_zero(self) -> tuple[int, ...]:
        """Index of lag zero in the array of taps."""
        return (0,) * len(self._channels) + self.origin

    @lazy
    def shape(self) -> tuple[int, ...]:
        """Size of the support along each axis."""
        return self._support()[0]

    @lazy
    def origin(self) -> tuple[int, ...]:
        """Index of the tap at lag zero, which may lie outside of the support."""
        return self._support()[1]

    @lazy
    def taps(self) -> TapArray:
        """The coefficients, multiplied out on first use: a read-only float64 or complex128 array."""
        check_size((*self._channels, *self.shape))
        with np.errstate(over="ignore", invalid="ignore"):  # `freeze` answers an overflow with an error
            return freeze(self._multiply_out())

    @lazy
    def dtype(self) -> np.dtype[Any]:
        """Data type of the taps, float64 or complex128."""
        return np.dtype(np.complex128 if self._is_complex() else np.float64)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of taps in the support, zeros included."""
        return math.prod((*self._channels, *self.shape))

    @property
    def lags(self) -> tuple[range, ...]:
        """Lags of the support, one range per axis: ``taps[i]`` has lag ``i - origin``."""
        return tuple(range(-at, size - at) for size, at in zip(self.shape, self.origin, strict=True))

    @property
    def label(self) -> str | None:
        """Text that stands for the kernel where it is printed, or None."""
        return self._label

    def labelled(self, label: str) -> Self:
        """Return the same kernel, printed as `label`.

        Parameters
        ----------
        label : str
            Name or call that stands for the kernel.

        Examples
        --------
        >>> import faltung as fa
        >>> edge = fa.Kernel([1, 0, -1]).labelled("edge")
        >>> 2 * edge * edge.flip()
        2 * edge * edge.flip()
        """
        return self._make(**(vars(self) | {"_label": label}))

    @lazy
    def fingerprint(self) -> bytes:
        """Digest of the expression for use as a key: equal ones mean equal taps and origin, bit for bit.

        It is made without multiplying out, so equal functions of different structure have different ones.
        """
        digest = hashlib.blake2b(type(self).__name__.encode(), digest_size=16)
        for name in self.__match_args__:
            digest.update(_digestible(getattr(self, name)))
        return digest.digest()

    def __call__(
        self,
        x: ArrayLike,
        mode: str | None = None,
        cval: complex = 0.0,
        *,
        axes: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
    ) -> NDArray[Any]:
        """Convolve an array with this kernel; `faltung.convolve` says what the parameters mean.

        Examples
        --------
        >>> import numpy as np
        >>> import faltung as fa
        >>> fa.Kernel([1, 2, 3])(np.array([0.0, 0.0, 1.0, 0.0]))
        array([0., 1., 2., 3.])
        """
        return type(self).apply(self, x, mode, cval, axes, dtype)  # type: ignore[no-any-return]

    def rank(self, tol: float | None = None) -> int:
        """Return the numerical rank: in two dimensions, how many separable kernels add up to this one.

        It is the rank of the matrix of taps, and for more than two axes the largest rank among the unfoldings
        of the array along each axis. What is built as an outer product has rank one by construction; the
        zero kernel has rank zero.

        Parameters
        ----------
        tol : float, optional
            Singular values up to `tol` times the largest count as zero. The default is the rounding of
            float64 times the larger side of the matrix.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.sobel().rank(), fa.laplacian().rank()
        (1, 2)
        """
        if (factors := self._separated()) is not None:
            return int(all(factor.taps.any() for factor in factors))
        return numerical_rank(self.taps, tol)

    def isclose(self, other: GridFunction, rtol: float = 1e-12, atol: float = 0.0) -> bool:
        """Tell whether two kernels, or two banks, are the same function on the grid, within a tolerance.

            max |f - g| <= atol + rtol max(|f|, |g|)

        over all lags: borders of zeros do not matter, a shifted origin does.

        Parameters
        ----------
        other : Kernel or Bank
            What to compare with; a kernel and a bank are never the same.
        rtol, atol : float, optional
            Tolerance relative to the largest tap of both, and absolute.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Kernel([0, 1, 2, 1, 0]).isclose(fa.Kernel([1, 2, 1]))
        True
        >>> fa.Kernel([1, 2, 1]).isclose(fa.Kernel([1, 2, 1], origin=0))
        False
        """
        if not isinstance(other, GridFunction):
            remedy = f"Wrap taps in faltung.{self._noun.capitalize()}."
            raise ArgumentTypeError("other", f"a {self._noun}", type(other).__name__, remedy)
        if (self.ndim, self._channels) != (other.ndim, other._channels):
            return False
        if self.fingerprint == other.fingerprint:
            return True
        largest = max(float(np.abs(self.taps).max()), float(np.abs(other.taps).max()))
        difference = largest_difference(self.taps, self._lag_zero, other.taps, other._lag_zero)
        return difference <= atol + rtol * largest

    def __eq__(self, other: object) -> bool:
        return self.isclose(other) if isinstance(other, GridFunction) else NotImplemented

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> TapArray:
        return np.array(self.taps, dtype=dtype, copy=copy)  # None: if needed

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be set: a {self._noun} is a value, build another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be deleted: a {self._noun} is a value")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), [getattr(self, name) for name in self.__match_args__], self._label)

    def __repr__(self) -> str:
        return self._spelled().text

    def _spelled(self) -> Spelling:
        return Spelling(self._label) if self._label else self._spelling()

    def _repr_svg_(self) -> str | None:
        return draw_kernel(self.taps, self._lag_zero, repr(self)) if self.size <= _MOST_DRAWN else None


def _restore(cls: type[GridFunction], fields: list[object], label: str | None) -> GridFunction:
    function = cls(*fields)
    return function.labelled(label) if label else function


def _digestible(value: object) -> bytes:
    if isinstance(value, GridFunction):
        return value.fingerprint
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}".encode() + value.tobytes()
    if isinstance(value, tuple):
        return f"{len(value)}:".encode() + b",".join(map(_digestible, value))
    return repr(value).encode()
