"""What can be read from any matrix of kernels? Channels, rows, and the sparse matrix, of every expression."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import integer
from faltung.kernels.grid import GridFunction
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.taps import TapArray, freeze

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["KernelMatrix", "compose_taps"]


class KernelMatrix(GridFunction):
    """A function on the integer grid whose values are matrices, with one row for each channel out."""

    _noun: ClassVar[str] = "bank"
    _operands: ClassVar[str] = "a bank, a kernel or a number"
    #: Makes a bank of taps and an origin: the class that is given by taps, which derives from this one.
    _of_taps: ClassVar[Callable[..., Any]]

    # These methods are right for each class with the fields `taps` and `origin`; other classes override them.

    @property
    def _channels(self) -> tuple[int, ...]:
        return (self.taps.shape[0], self.taps.shape[1])

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.taps.shape[2:], self.origin

    def _row(self, i: int) -> tuple[Kernel, ...]:
        """Kernels that compute one channel out; known structure is kept."""
        return tuple(Taps(taps, self.origin) for taps in self.taps[i])

    def _flip(self) -> Self:
        origin = tuple(size - 1 - at for size, at in zip(self.shape, self.origin, strict=True))
        return self._make(taps=np.flip(self.taps, axis=tuple(range(2, self.taps.ndim))), origin=origin)

    def _conj(self) -> Self:
        return self._make(taps=freeze(self.taps.conj()), origin=self.origin)

    @property
    def out_channels(self) -> int:
        """Number of channels out, which is the number of rows and ``len(bank)``."""
        return self._channels[0]

    @property
    def in_channels(self) -> int:
        """Number of channels in, which is the number of kernels in a row."""
        return self._channels[1]

    def __len__(self) -> int:
        return self.out_channels

    def __iter__(self) -> Iterator[tuple[Kernel, ...]]:
        return map(self._row, range(self.out_channels))

    @overload
    def __getitem__(self, index: int) -> tuple[Kernel, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Kernel, ...], ...]: ...
    @overload
    def __getitem__(self, index: tuple[int, int]) -> Kernel: ...
    def __getitem__(self, index: int | slice | tuple[int, int]) -> object:
        if isinstance(index, slice):
            return tuple(map(self._row, range(self.out_channels)[index]))
        if not isinstance(index, tuple):
            return self._row(_channel("channel out", index, self.out_channels))
        if len(index) != 2:
            remedy = "Taps are read from a kernel, as in bank[0, 0].taps."
            raise ArgumentError("index", "a channel out and a channel in", f"{len(index)} indices", remedy)
        return self[index[0]][_channel("channel in", index[1], self.in_channels)]

    def matrix(
        self,
        lengths: int | Sequence[int],
        mode: str | Sequence[str] | None = None,
        *,
        shape: str = "same",
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> csr_array:
        """Return the convolution with the bank as the matrix of a fully connected layer.

            y.ravel() = matrix @ x.ravel()

        for every array x of shape ``(groups * in_channels, *lengths)`` and its convolution y of shape
        ``(out_channels, *outputs)``. Each row holds the taps of one output, and all other entries are zero.

        Parameters
        ----------
        lengths : int or sequence of int
            Samples of x along each spatial axis.
        mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, or a sequence of these, optional
            How x continues beyond its border, as for `faltung.convolve`. The default is ``reflect``, and ``constant``
            for ``shape="full"``. The constant is zero: any other would add a number to the outputs near the border,
            which no matrix can do.
        shape : {'same', 'valid', 'full'}, optional
            Which outputs, as for `faltung.convolve`.
        stride : int or sequence of int, optional
            Samples between neighbouring outputs; the first output is kept.
        dilation : int or sequence of int, optional
            Samples between neighbouring taps: each lag is multiplied by it.
        groups : int, optional
            Number of groups of channels. The first ``out_channels / groups`` channels out are computed from the first
            `in_channels` channels of x only, and so on.

        Returns
        -------
        scipy.sparse.csr_array
            Matrix of float64 or complex128 and of shape ``(out_channels * prod(outputs), groups * in_channels *
            prod(lengths))``. Near a border several taps can be on the same sample: then they are added up.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            An argument cannot be used.
        MissingExtraError
            SciPy is not installed.

        See Also
        --------
        from_matrix : the bank of such a matrix.

        Examples
        --------
        >>> import faltung as fa
        >>> bank = fa.Bank([[[1, 2, 3]]])
        >>> bank.matrix(4, "constant").toarray()
        array([[2., 1., 0., 0.],
               [3., 2., 1., 0.],
               [0., 3., 2., 1.],
               [0., 0., 3., 2.]])
        >>> bank.matrix(4, "wrap", stride=2).toarray()
        array([[2., 1., 0., 3.],
               [0., 3., 2., 1.]])
        """
        from faltung.kernels.linear_map import matrix_of  # matrices are seldom used, and an import should cost little

        return matrix_of(self.taps, self.origin, lengths, mode, shape, stride, dilation, groups)

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        lengths: int | Sequence[int],
        mode: str | Sequence[str] | None = None,
        *,
        shape: str = "same",
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        size: int | Sequence[int] | None = None,
        origin: int | Sequence[int] | None = None,
        tol: float | None = None,
    ) -> Self:
        """Return the bank of which a matrix is the convolution, or raise an error if there is none.

            Bank.from_matrix(bank.matrix(lengths, mode), lengths, mode) == bank

        Parameters
        ----------
        matrix : array_like or scipy.sparse array
            A matrix such as `matrix` returns, with a row for each output and a column for each sample. The numbers
            of channels follow from its shape.
        lengths, mode, shape, stride, dilation, groups
            The arguments of `matrix` that the matrix was made with.
        size : int or sequence of int, optional
            Taps along each axis. It must be given for ``shape="valid"`` and ``"full"``, where the number of outputs
            depends on it. The default is the smallest size that holds all taps that are not zero; it needs arrays of
            at most 1023 samples along each axis.
        origin : int or sequence of int, optional
            Origin of taps of that `size`; the default is that of `Kernel`. For ``shape="valid"`` and ``"full"`` the
            matrix does not depend on it.
        tol : float, optional
            Largest error of an entry, relative to the largest entry, from 0 to 1. The default is 1e-12, or 16 units
            of rounding for a matrix of lower precision.

        Returns
        -------
        Bank
            The only such bank, or one with lags near zero if there are several. There are several if the array is so
            small that two taps are always on the same sample, such as taps a whole length apart with ``wrap``.

        Raises
        ------
        ArgumentError
            It is not the matrix of a convolution, and the message gives the entry with the largest error. Or another
            argument cannot be used.
        ArgumentTypeError
            An argument has a type that cannot be used.
        MissingExtraError
            SciPy is not installed.

        See Also
        --------
        matrix : the matrix of a bank.

        Notes
        -----
        The taps are fitted by least squares: a tap is about the mean of all entries that it belongs to. A tap smaller
        than `tol` times the largest counts as zero.

        Examples
        --------
        >>> import numpy as np
        >>> import faltung as fa
        >>> dense = np.array([[2.0, 1.0, 0.0], [3.0, 2.0, 1.0], [0.0, 3.0, 2.0]])
        >>> fa.Bank.from_matrix(dense, 3, "constant").taps
        array([[[1., 2., 3.]]])
        >>> dense[1, 2] += 1.0
        >>> fa.Bank.from_matrix(dense, 3, "constant")
        Traceback (most recent call last):
        ...
        faltung.errors.ArgumentError: matrix: expected the matrix of a convolution, got a matrix that differs ...
        """
        from faltung.kernels.nearest import taps_of

        taps, origin = taps_of(matrix, lengths, mode, shape, stride, dilation, groups, size, origin, tol)
        return cls._of_taps(taps, origin)  # type: ignore[no-any-return]

    def rank(self, tol: float | None = None) -> int:
        """Return the largest rank of the kernels, which is 1 if all of them are separable.

        Parameters
        ----------
        tol : float, optional
            As for `Kernel.rank`.

        Returns
        -------
        int
            The rank.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Bank.stack([fa.sobel(), fa.gaussian(1)]).rank()
        1
        """
        return max(kernel.rank(tol) for kernel in chain.from_iterable(self))

    def flip(self) -> Self:
        """Return the bank with each kernel reversed about lag zero along each axis.

            b.flip()[i, j] = b[i, j].flip()

        Correlation with a bank is convolution with its flip. Complex taps are not conjugated, and channels keep
        their order, so that ``(b2 * b1).flip() == b2.flip() * b1.flip()``.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Bank([[[1, 2, 3]]], origin=0).flip()
        Bank([[[3, 2, 1]]], origin=2)
        """
        return self._derived(self._flip(), ".flip()")

    def conj(self) -> Self:
        """Return the bank with conjugated taps; a real bank is returned itself.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Bank([[[1, 2 + 1j]]]).conj()
        Bank([[[(1-0j), (2-1j)]]], origin=1)
        """
        return self._derived(self._conj(), ".conj()") if self._is_complex() else self

    def _derived(self, bank: Self, suffix: str) -> Self:
        return bank.labelled(self._label + suffix) if self._label else bank


def compose_taps(left: TapArray, right: TapArray) -> TapArray:
    """Return the matrix product of two arrays of taps, in which entries are multiplied by convolution."""
    # The last two axes are those of the matrices, and contiguous, so that their products are fast.
    outer, inner = (np.ascontiguousarray(np.moveaxis(taps, (0, 1), (-2, -1))) for taps in (left, right))
    sizes = [m + n - 1 for m, n in zip(left.shape[2:], right.shape[2:], strict=True)]
    total = np.zeros((*sizes, left.shape[0], right.shape[1]), np.result_type(left, right))
    for index in np.ndindex(*outer.shape[:-2]):
        window = tuple(slice(i, i + size) for i, size in zip(index, inner.shape[:-2], strict=True))
        total[window] += outer[index] @ inner
    return np.ascontiguousarray(np.moveaxis(total, (-2, -1), (0, 1)))


def _channel(name: str, index: int, count: int) -> int:
    return integer(name, index, -count, count - 1) % count
