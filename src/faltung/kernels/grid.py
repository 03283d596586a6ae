"""What can be read from any function on the grid? Taps, support, label, fingerprint and rank of every expression."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np

from faltung.errors import ArgumentTypeError
from faltung.ground.checks import non_negative, real
from faltung.ground.lazy import lazy
from faltung.kernels.picture import draw_kernel
from faltung.kernels.taps import TapArray, check_size, freeze, largest_difference, numerical_rank
from faltung.kernels.text import Spelling, spell_taps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["MOST_MIXED", "ZERO", "GridFunction"]

#: Complex multiples within each other up to which real and imaginary parts keep the structure of an expression.
MOST_MIXED = 3

#: The object that a default of 0.0 is: a call that leaves it so is recognised by identity. -0.0 is equal to it.
ZERO = 0.0

_MOST_DRAWN = 2**22
#: Relative tolerance of equality.
_RTOL = 1e-12
#: What people look for in a kernel, and where it is.
_ELSEWHERE = {
    "matrix": "A bank has a matrix: faltung.Bank.stack([kernel]).matrix(lengths).",
    "T": "Use kernel.taps.T, or kernel.flip() for the reflected kernel.",
    **dict.fromkeys(("array", "coefficients", "data", "kernel", "values", "weights"), "Use kernel.taps."),
}


class GridFunction:
    """A function on the integer grid with finitely many taps: a value that cannot be changed.

    At each lag a kernel has a number, and a bank has a matrix. The fields in `__match_args__` define the function;
    everything else is computed from them when it is first read, and then kept.
    """

    # Equality up to rounding is not transitive, so no hash can agree with it.
    __hash__: ClassVar[None]  # type: ignore[assignment]
    # The fields, in the order of the constructor: they are digested and pickled.
    __match_args__: ClassVar[tuple[str, ...]]
    _noun: ClassVar[str] = "kernel"
    _operands: ClassVar[str] = "a kernel or a number"
    _label: str | None = None
    # What `faltung.convolve` does, which is on a higher floor and sets this attribute.
    apply: ClassVar[Callable[..., Any]]
    square: ClassVar[Callable[[Any], Any]]  # it is set by `faltung.kernels.squares`

    @classmethod
    def _make(cls, **fields: object) -> Self:
        # Fields are in the dictionary of the instance, where a field also replaces a lazy property of its name.
        self = object.__new__(cls)
        vars(self).update(fields)
        return self

    # Right for each function with the fields `taps` and `origin`; expressions override them by their structure.

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shape and origin of the support: a box that holds all taps."""
        return self.taps.shape, self.origin

    def _multiply_out(self) -> TapArray:
        return self.taps

    def _is_complex(self) -> bool:
        return np.iscomplexobj(self.taps)

    def _separated(self) -> tuple[Any, ...] | None:
        """One-dimensional functions whose outer product this is, if that is known from the structure."""
        return (self,) if self.ndim == 1 else None

    def _spelling(self) -> Spelling:
        return Spelling(spell_taps(self.taps, self.origin))

    @property
    def _channels(self) -> tuple[int, ...]:
        """Shape of the value at one lag: lengths of the first axes of the array of taps."""
        return ()

    @property
    def _lag_zero(self) -> tuple[int, ...]:
        """Index of lag zero in the array of taps."""
        return (0,) * len(self._channels) + self.origin

    # Real and imaginary part, of a function that can be split; both are needed wherever one is.
    _both: Any = lazy(lambda self: self._parts())

    @lazy
    def _mixing(self) -> int:
        """How many complex multiples are within each other."""
        fields = [getattr(self, name) for name in self.__match_args__]
        parts = [part for field in fields for part in (field if isinstance(field, tuple) else (field,))]
        deepest = max((part._mixing for part in parts if isinstance(part, GridFunction)), default=0)
        return deepest + any(isinstance(field, complex) for field in fields)

    @lazy
    def shape(self) -> tuple[int, ...]:
        """Number of taps along each axis, zeros included."""
        return self._support()[0]

    @lazy
    def origin(self) -> tuple[int, ...]:
        """Index of the tap at lag zero along each axis; it may be outside the array of taps."""
        return self._support()[1]

    @lazy
    def taps(self) -> TapArray:
        """The coefficients: a read-only array of float64 or complex128, computed when it is first read."""
        check_size((*self._channels, *self.shape))
        with np.errstate(all="ignore"):  # after an overflow, `freeze` raises an error
            return freeze(self._multiply_out())

    @lazy
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the taps: float64 or complex128."""
        return np.dtype(np.complex128 if self._is_complex() else np.float64)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of all taps, zeros included."""
        return math.prod((*self._channels, *self.shape))

    @property
    def lags(self) -> tuple[range, ...]:
        """Lags of the taps, as one range for each axis: ``taps[i]`` has the lag ``i - origin``."""
        return tuple(range(-at, size - at) for size, at in zip(self.shape, self.origin, strict=True))

    @property
    def label(self) -> str | None:
        """Text that is printed instead of the expression, or None."""
        return self._label

    def labelled(self, label: str) -> Self:
        """Return the same function, which is then printed as `label`.

        Parameters
        ----------
        label : str
            A name, or the text of a call.

        Returns
        -------
        Kernel or Bank
            The function with the label.

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
        """Digest of the expression, for use as a key: 16 bytes.

        Equal fingerprints mean equal taps and origin, bit for bit. The taps of an expression are not computed for it,
        so equal functions that are written in different ways have different fingerprints.
        """
        digest = hashlib.blake2b(type(self).__name__.encode(), digest_size=16)
        for name in self.__match_args__:
            digest.update(_digestible(getattr(self, name)))
        return digest.digest()

    def squared(self) -> Self:
        """Return the same with ``abs(tap)**2`` for each tap: what the variances of samples are convolved with.

        Examples
        --------
        >>> import faltung as fa
        >>> print(fa.Kernel([1, -2]).squared().taps)
        [1. 4.]
        """
        return type(self).square(self)  # type: ignore[no-any-return]

    def __call__(
        self,
        x: ArrayLike,
        mode: str | Sequence[str] | Mapping[str, str] | None = None,
        cval: complex = ZERO,
        *,
        shape: str = "same",
        axes: int | Sequence[int] | None = None,
        dims: str | Sequence[str] | None = None,
        channel_axis: int | str | None = None,
        stride: int | Sequence[int] = 1,
        up: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike | None = None,
        nan: str = "propagate",
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        min_weight: float = ZERO,
        keep_nan: bool = False,
        variance: ArrayLike | None = None,
        accuracy: str = "norm",
        method: str = "auto",
        workers: int | None = None,
    ) -> Any:
        """Return the convolution of an array with this kernel, or of its channels with this bank.

        For a bank, ``y[i] = sum over j of convolve(x[j], bank[i, j])``. Without `channel_axis`, the bank must have
        one channel in, and the result has a new first axis for the channels out.

        Parameters
        ----------
        x : array_like
            Array of any dimension. The kernel extends over its last axes, or over `axes`; all others are a batch.
        mode, cval, shape, axes, dims, channel_axis, stride, up, dilation, groups
            As for `faltung.convolve`.
        out, dtype, nan, mask, weights, min_weight, keep_nan, variance, accuracy, method, workers
            As for `faltung.convolve`.

        Returns
        -------
        ndarray
            The convolution; this is `out`, if `out` is given.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            An argument cannot be used.

        Examples
        --------
        >>> import numpy as np
        >>> import faltung as fa
        >>> fa.Kernel([1, 2, 3])(np.array([0.0, 0.0, 1.0, 0.0]))
        array([0., 1., 2., 3.])
        """
        return type(self).apply(
            True, x, self, mode, cval, shape, axes, dims, channel_axis, stride, up, dilation, groups,
            out, dtype, nan, mask, weights, min_weight, keep_nan, variance, accuracy, method, workers,
        )  # fmt: skip

    def rank(self, tol: float | None = None) -> int:
        """Return the rank: the smallest number of outer products that add up to the kernel, in two dimensions.

        It is the rank of the matrix of taps. With more than two axes, it is the largest rank of the unfoldings of
        the array along each axis. A kernel that is written as an outer product has rank 1, and zero has rank 0.

        Parameters
        ----------
        tol : float, optional
            Singular values up to `tol` times the largest count as zero. The default is the relative rounding error
            of float64 times the longer side of the matrix.

        Returns
        -------
        int
            The rank.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            `tol` is not a number from 0 to 1.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.sobel().rank(), fa.laplacian().rank()
        (1, 2)
        """
        relative = None if tol is None else real("tol", tol, 0.0, 1.0)
        if (factors := self._separated()) is not None:
            return int(all(factor.taps.any() for factor in factors))
        return numerical_rank(self.taps, relative)

    def isclose(self, other: GridFunction, rtol: float = _RTOL, atol: float = 0.0) -> bool:
        """Return whether two kernels, or two banks, are the same function within a tolerance.

            max |f[m] - g[m]| <= atol + rtol max(|f[m]|, |g[m]|)    over all lags m

        Taps outside an array are zero, so zeros at its border make no difference; a shifted origin does.

        Parameters
        ----------
        other : Kernel or Bank
            The other function; a kernel and a bank are never the same.
        rtol : float, optional
            Tolerance relative to the largest tap of both.
        atol : float, optional
            Absolute tolerance, in the unit of the taps.

        Returns
        -------
        bool
            Whether they are the same.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            `other` is neither a kernel nor a bank, or a tolerance is not a number of at least zero.

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
        return self._is_close(other, non_negative("rtol", rtol), non_negative("atol", atol))

    def _is_close(self, other: GridFunction, rtol: float, atol: float) -> bool:
        if (self.ndim, self._channels) != (other.ndim, other._channels):
            return False
        if self.fingerprint == other.fingerprint:
            return True
        largest = max(float(np.abs(self.taps).max()), float(np.abs(other.taps).max()))
        difference = largest_difference(self.taps, self._lag_zero, other.taps, other._lag_zero)
        return difference <= atol + rtol * largest

    def __eq__(self, other: object) -> bool:
        return self._is_close(other, _RTOL, 0.0) if isinstance(other, GridFunction) else NotImplemented

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> TapArray:
        return np.array(self.taps, dtype=dtype, copy=copy)  # copy=None copies where it must

    def _refuse_array(self, other: object) -> None:
        # An object that opts out of NumPy's arithmetic, as kernels do, may know how to work with a kernel.
        array = hasattr(other, "__array__") and getattr(other, "__array_ufunc__", True) is not None
        if array or isinstance(other, list | tuple):
            noun = self._noun
            remedy = (
                f"To filter an array, call {noun}(array); to make a {noun} of it, call {noun.capitalize()}(array)."
            )
            raise ArgumentTypeError("operand", self._operands, type(other).__name__, remedy)

    if not TYPE_CHECKING:  # for a type checker, what is not defined does not exist

        def __getattr__(self, name: str) -> NoReturn:
            remedy = _ELSEWHERE.get(name, "")
            text = f"a {self._noun} has no attribute {name!r}" + (f". {remedy}" if remedy else "")
            raise AttributeError(text, name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be set: a {self._noun} cannot be changed. Make another one.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be deleted: a {self._noun} cannot be changed.")

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
        if self.size > _MOST_DRAWN:
            return None
        return draw_kernel(self.taps, self.origin, repr(self), self._channels)


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
