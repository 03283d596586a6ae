"""What can be read from a matrix of kernels, whatever expression it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import integer
from faltung.kernels.dense import matrix_of
from faltung.kernels.grid import GridFunction
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.nearest import taps_of
from faltung.kernels.taps import TapArray, freeze

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from scipy.sparse import csr_array

__all__ = ["KernelMatrix", "compose_taps"]


class KernelMatrix(GridFunction):
    """A function on the integer grid whose values are matrices: one row for each channel that comes out."""

    _noun: ClassVar[str] = "bank"
    #: Makes a bank of taps and an origin; the class of such banks, which derives from this one, puts itself here.
    _of_taps: ClassVar[Callable[..., Any]]

    # What follows is true of any matrix whose taps and origin are fields; other nodes replace it.

    @property
    def _channels(self) -> tuple[int, ...]:
        return (self.taps.shape[0], self.taps.shape[1])

    def _support(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.taps.shape[2:], self.origin

    def _row(self, i: int) -> tuple[Kernel, ...]:
        """Kernels that make one channel out, with as much structure as there is."""
        return tuple(Taps(taps, self.origin) for taps in self.taps[i])

    def _flip(self) -> Self:
        origin = tuple(size - 1 - at for size, at in zip(self.shape, self.origin, strict=True))
        return self._make(taps=np.flip(self.taps, axis=tuple(range(2, self.taps.ndim))), origin=origin)

    def _conj(self) -> Self:
        return self._make(taps=freeze(self.taps.conj()), origin=self.origin)

    @property
    def out_channels(self) -> int:
        """Number of channels that come out, which is that of rows and ``len(bank)``."""
        return self._channels[0]

    @property
    def in_channels(self) -> int:
        """Number of channels that go in, which is that of the kernels in a row."""
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

    def __call__(
        self,
        x: ArrayLike,
        mode: str | None = None,
        cval: complex = 0.0,
        *,
        axes: int | Sequence[int] | None = None,
        channel_axis: int | None = None,
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike | None = None,
        method: str = "auto",
        workers: int | None = None,
    ) -> NDArray[Any]:
        """Convolve the channels of an array with the bank, and add them up.

            y[i] = sum over j of convolve(x[j], bank[i, j])

        Without `channel_axis`, the bank has one channel in, and the first axis of the result, which `x` does not
        have, is for the channels out.

        Parameters
        ----------
        x : array_like
            Array of any dimension. The kernels extend over its last axes or over `axes`, all others are a batch.
        mode, cval, axes, channel_axis, stride, dilation, groups, out, dtype, method, workers
            As for `faltung.convolve`.

        Returns
        -------
        ndarray
            The result, which is `out` if that was given.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The channels do not fit the bank, or another argument cannot be used.

        Examples
        --------
        >>> import numpy as np
        >>> import faltung as fa
        >>> grey = fa.Bank([[[[0.3]], [[0.6]], [[0.1]]]])
        >>> grey(np.ones((4, 5, 3)), channel_axis=2).shape
        (4, 5, 1)
        """
        return type(self).apply(  # type: ignore[no-any-return]
            self,
            x,
            mode,
            cval,
            axes=axes,
            channel_axis=channel_axis,
            stride=stride,
            dilation=dilation,
            groups=groups,
            out=out,
            dtype=dtype,
            method=method,
            workers=workers,
        )

    def matrix(
        self,
        lengths: int | Sequence[int],
        mode: str | None = None,
        *,
        shape: str = "same",
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> csr_array:
        """Return the fully connected layer that convolves an array with the bank.

        A convolution is a linear map, so there is a matrix B with

            y.ravel() = B @ x.ravel()

        for every array x of shape ``(groups * in_channels, *lengths)``, and its convolution y of shape
        ``(out_channels, *outputs)``. A tap stands in B once for each output, and most of B is zero: this is what
        makes a convolution of a dense layer.

        Parameters
        ----------
        lengths : int or sequence of int
            Samples along each spatial axis.
        mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, optional
            How x goes on beyond its border, as for `faltung.convolve`: by default ``reflect``, for ``shape="full"``
            ``constant``. The constant is zero, as another would be added to every output near the border: no matrix
            does that.
        shape : {'same', 'valid', 'full'}, optional
            Which outputs, as for `faltung.convolve`.
        stride : int or sequence of int, optional
            Every how many outputs one is kept, beginning with the first.
        dilation : int or sequence of int, optional
            Distance of neighbouring taps; ``dilation - 1`` zeros are put between them. The lag of each tap is as many
            times longer.
        groups : int, optional
            Into how many groups the channels are divided: the first ``out_channels / groups`` see the first
            `in_channels` channels only, and so on.

        Returns
        -------
        scipy.sparse.csr_array
            Of float64 or complex128, and of shape ``(out_channels * prod(outputs), groups * in_channels *
            prod(lengths))``. Where several taps meet the same sample, at a border, they are added up.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            An argument cannot be used.
        MissingExtraError
            SciPy is not installed.

        See Also
        --------
        from_matrix : the way back.

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
        return matrix_of(self.taps, self.origin, lengths, mode, shape, stride, dilation, groups)

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        lengths: int | Sequence[int],
        mode: str | None = None,
        *,
        shape: str = "same",
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        size: int | Sequence[int] | None = None,
        origin: int | Sequence[int] | None = None,
        tol: float | None = None,
    ) -> Self:
        """Return the bank that a fully connected layer convolves with, if there is one.

            Bank.from_matrix(bank.matrix(lengths, mode), lengths, mode) == bank

        Parameters
        ----------
        matrix : array_like or scipy.sparse array
            A matrix as made by `matrix`, with a row for each output and a column for each input.
        lengths, mode, shape, stride, dilation, groups
            What the matrix was made with. Channels are counted.
        size : int or sequence of int, optional
            Taps along each axis. It must be given for ``shape="valid"`` and ``"full"``, where the number of outputs
            depends on it. Otherwise the default is the smallest support that holds all taps other than zero, for
            arrays of up to 1023 samples along each axis.
        origin : int or sequence of int, optional
            Origin of taps of that size; the default is that of `Kernel`. For ``"valid"`` and ``"full"`` the matrix is
            the same for any.
        tol : float, optional
            How far entries may be off, relative to the largest. The default is 1e-12, or 16 units of rounding for
            matrices of lower precision.

        Returns
        -------
        Bank
            Where the array is so small that several taps always meet the same samples, as taps a period apart do for
            ``wrap``, many banks have the same matrix: this is one with lags near zero. Otherwise it is the only one.

        Raises
        ------
        ArgumentError
            It is not the matrix of a convolution: the message says at which output and input it differs most, and by
            how much. Or another argument cannot be used.
        ArgumentTypeError
            An argument has a type that cannot be used.
        MissingExtraError
            SciPy is not installed.

        Notes
        -----
        Taps are found by least squares over lags: a tap is about the mean of all entries where it stands. What is
        smaller than `tol` beside the largest tap counts as zero.

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
        faltung.errors.ArgumentError: matrix: expected the matrix of a convolution, got one that differs ...
        """
        taps, origin = taps_of(matrix, lengths, mode, shape, stride, dilation, groups, size, origin, tol)
        return cls._of_taps(taps, origin)  # type: ignore[no-any-return]

    def rank(self, tol: float | None = None) -> int:
        """Return the largest rank among the kernels: it is one where all of them are separable.

        Parameters
        ----------
        tol : float, optional
            As for `Kernel.rank`.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Bank.stack([fa.sobel(), fa.gaussian(1)]).rank()
        1
        """
        return max(kernel.rank(tol) for kernel in chain.from_iterable(self))

    def flip(self) -> Self:
        """Return the bank of the kernels reversed about lag zero along every axis.

        Correlating with a bank is convolving with its flip. Nothing is conjugated and no channels change places,
        so that ``(b2 * b1).flip() == b2.flip() * b1.flip()``.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.Bank([[[1, 2, 3]]], origin=0).flip()
        Bank([[[3, 2, 1]]], origin=2)
        """
        return self._derived(self._flip(), ".flip()")

    def conj(self) -> Self:
        """Return the bank with conjugated taps, which is the bank itself if it is real.

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
    """Matrix product of two arrays of taps, with convolution for product: one matrix product for each lag."""
    # Matrices in the last two axes, and one after the other in memory: so matmul is fast.
    outer, inner = (np.ascontiguousarray(np.moveaxis(taps, (0, 1), (-2, -1))) for taps in (left, right))
    sizes = [m + n - 1 for m, n in zip(left.shape[2:], right.shape[2:], strict=True)]
    total = np.zeros((*sizes, left.shape[0], right.shape[1]), np.result_type(left, right))
    for index in np.ndindex(*outer.shape[:-2]):
        window = tuple(slice(i, i + size) for i, size in zip(index, inner.shape[:-2], strict=True))
        total[window] += outer[index] @ inner
    return np.ascontiguousarray(np.moveaxis(total, (-2, -1), (0, 1)))


def _channel(name: str, index: int, count: int) -> int:
    return integer(name, index, -count, count - 1) % count
