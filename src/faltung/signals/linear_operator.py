"""A filter as a linear operator: with its transpose, exact for every border, for solvers and dot tests."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.front import convolve, correlate
from faltung.ground.arrays import array_of_shape, as_array, is_tensor
from faltung.ground.lazy import lazy
from faltung.ground.regions import regions
from faltung.kernels import Bank, Kernel
from faltung.planning.call_axes import warn_of_channels
from faltung.planning.kept import plan_for
from faltung.planning.question import Options, Question, question_of
from faltung.signals.folding import fold, spread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["ConvolutionOperator", "operator"]


def operator(
    kernel: Kernel | Bank | ArrayLike,
    shape: tuple[int, ...],
    mode: str | Sequence[str] | None = None,
    cval: complex = 0.0,
    *,
    region: str = "same",
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    dtype: DTypeLike | None = None,
) -> ConvolutionOperator:
    """Return the convolution with a kernel as a linear operator on arrays of one shape.

    Parameters
    ----------
    kernel : Kernel, Bank or array_like
        The filter, as for `convolve`.
    shape : tuple of int
        Shape of the arrays that it is applied to.
    mode : str or sequence of str, optional
        As for `convolve`.
    cval : number, optional
        Only 0: with another constant beyond the border, the filter is not linear.
    region : {'same', 'valid', 'full'}, optional
        Which outputs are computed: the argument `shape` of `convolve`.
    axes, channel_axis, stride, dilation, groups
        As for `convolve`.
    dtype : dtype, optional
        The dtype of results, of floats or complex numbers. By default a result has the dtype that `convolve` gives
        it: float32 samples stay float32. SciPy is told float64 or complex128 then.

    Returns
    -------
    ConvolutionOperator
        ``A(x)`` is ``convolve(x, kernel, ...)``; `A.T` and `A.H` are its transpose and its adjoint.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> A = fa.operator([1.0, 2.0, 3.0], (4,), mode="reflect")
    >>> x, y = np.array([1.0, 0.0, 2.0, 1.0]), np.array([0.0, 1.0, 1.0, 3.0])
    >>> A(x)
    array([5., 5., 5., 9.])
    >>> A.T(y)
    array([ 3.,  5., 12., 10.])
    >>> float(A(x) @ y), float(x @ A.T(y))
    (37.0, 37.0)
    """
    if not isinstance(shape, tuple):
        remedy = "Pass x.shape."
        raise ArgumentTypeError("shape", "a tuple with the shape of the arrays", repr(shape)[:80], remedy)
    if np.ndim(cval) or cval != 0:
        remedy = "Subtract the constant from the samples, and use mode='constant'."
        raise ArgumentError("cval", "0, since a filter with another constant is not linear", repr(cval)[:80], remedy)
    if region not in ("same", "valid", "full"):
        raise ArgumentError("region", "one of 'same', 'valid', 'full'", repr(region))
    kind = None if dtype is None else np.dtype(dtype)
    if kind is not None and kind.kind not in "fc":
        raise ArgumentError("dtype", "a dtype of floats or complex numbers", str(kind), "Rounding is not linear.")
    numbers = array_of_shape(shape, None)
    options = Options(True, mode, 0.0, region, axes, channel_axis, stride, dilation, groups, dtype=kind)
    question = question_of(numbers.shape, np.dtype(np.float64), kernel, options)
    warn_of_channels(question.shape, question.axes, axes, channel_axis)
    return ConvolutionOperator(question, region, kind)


@dataclass(frozen=True, eq=False, repr=False)
class ConvolutionOperator:
    r"""A convolution, or its transpose, as a linear operator; `operator` makes it.

    It is called with an array of its input shape, a NumPy array or a tensor of torch, which keeps gradients. It has
    `shape`, `dtype`, `matvec` and `rmatvec` as SciPy's ``LinearOperator``, for flat vectors, so that the solvers of
    `scipy.sparse.linalg` take it as it is. ``A @ x`` takes an array, a flat vector, or a matrix of flat columns.

    Notes
    -----
    The transpose adds up what the border repeats. An output reads its samples from the extended array; the outputs
    are correlated with the kernel, with zeros between those of a stride, at all positions of the extended array, and
    the values at copies of a sample are added to it. So :math:`\langle A x, y \rangle = \langle x, A^H y \rangle`
    holds to rounding for every border, also where the kernel is longer than the array.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> A = fa.operator(fa.box(3, ndim=1), (6,), mode="nearest", stride=2)
    >>> A
    ConvolutionOperator(box(3, ndim=1), (6,) -> (3,))
    >>> A.shape, A.T.shape
    ((3, 6), (6, 3))
    >>> (A.T @ np.ones(3)).round(2)
    array([0.67, 0.67, 0.33, 0.67, 0.33, 0.33])
    """

    question: Question
    _region: str
    _result: np.dtype[Any] | None
    _transposed: bool = False

    @lazy
    def _shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of the arrays before and after the convolution."""
        question = self.question
        return question.shape, tuple(plan_for(question).result_shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the arrays that it is applied to."""
        return self._shapes[self._transposed]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of its results."""
        return self._shapes[not self._transposed]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its matrix, which maps flat vectors."""
        return math.prod(self.output_shape), math.prod(self.input_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its matrix."""
        return self.question.result if self._result is None else self._result

    @property
    def kernel(self) -> Kernel | Bank:
        """The filter."""
        return self.question.kernel

    @property
    def T(self) -> ConvolutionOperator:
        """The transpose, without conjugation."""
        return replace(self, _transposed=not self._transposed)

    @property
    def H(self) -> ConvolutionOperator:
        """The adjoint: the conjugate of the transpose, and for real taps the same."""
        return self.conj().T

    def conj(self) -> ConvolutionOperator:
        """Return the operator with conjugate taps."""
        if self.kernel.dtype.kind != "c":
            return self
        return replace(self, question=replace(self.question, kernel=self.kernel.conj()))

    def __call__(self, x: Any) -> Any:
        """Apply it to an array of its input shape."""
        x = self._checked(x)
        if 0 in (*self.input_shape, *self.output_shape):
            kind = correlate(x.reshape(-1)[:1], Kernel([0.0]), dtype=self._result)
            return kind.new_zeros(self.output_shape) if is_tensor(x) else np.zeros(self.output_shape, kind.dtype)
        return self.transpose(x) if self._transposed else self.forward(x)

    def matvec(self, v: Any) -> Any:
        """Return the product of its matrix and a flat vector."""
        return self(v.reshape(self.input_shape)).reshape(-1)

    def rmatvec(self, v: Any) -> Any:
        """Return the product of its adjoint matrix and a flat vector."""
        return self.H.matvec(v)

    def __matmul__(self, x: Any) -> Any:
        """Apply it to an array, a flat vector, or each column of a matrix."""
        if isinstance(x, ConvolutionOperator):
            remedy = "For the product of operators, wrap both in scipy.sparse.linalg.aslinearoperator."
            raise ArgumentTypeError("x", "an array, a flat vector or a matrix", "an operator", remedy)
        x = x if is_tensor(x) else as_array(x, "x")
        given, columns = tuple(x.shape), self.shape[1]
        if given == self.input_shape:
            return self(x)
        if given == (columns,):
            return self.matvec(x)
        if len(given) == 2 and given[0] == columns and given[1]:
            rows = [self.matvec(x[:, k])[None] for k in range(given[1])]
            return (sys.modules["torch"].cat(rows) if is_tensor(x) else np.concatenate(rows)).T
        expected = f"shape {self.input_shape}, ({columns},) or ({columns}, n)"
        raise ArgumentError("x", expected, f"shape {given}")

    def __repr__(self) -> str:
        shapes = f"{self.input_shape} -> {self.output_shape}"
        return f"ConvolutionOperator({self.kernel}, {shapes}{', transposed' if self._transposed else ''})"

    def _checked(self, x: Any) -> Any:
        if not is_tensor(x):
            if type(x).__module__.partition(".")[0] in ("dask", "xarray", "pandas"):
                remedy = "Pass its samples as an array of NumPy."
                raise ArgumentTypeError("x", "an array of NumPy or a tensor", f"a {type(x).__name__}", remedy)
            x = as_array(x, "x")
        if tuple(x.shape) != self.input_shape:
            remedy = "For flat vectors, use A @ x or A.matvec(x)."
            raise ArgumentError("x", f"shape {self.input_shape}", f"shape {tuple(x.shape)}", remedy)
        return x

    def forward(self, x: Any, out: Any = None) -> Any:
        """Return the convolution of an array of the shape that it is for, in `out` if that is given."""
        question = self.question
        how: dict[str, Any] = {
            "dilation": question.dilation,
            "groups": question.groups,
            "dtype": self._result,
            "out": out,
        }
        place: dict[str, Any] = {
            "axes": question.axes,
            "channel_axis": question.channel_axis,
            "stride": question.stride,
        }
        return convolve(x, question.kernel, question.modes, shape=self._region, **place, **how)

    # ---- the transpose

    def transpose(self, y: Any, out: Any = None) -> Any:
        """Return the transpose applied to an array of outputs; `out`, of `extended_shape`, is overwritten."""
        question = self.question
        kernel, channel, axes = question.kernel, question.channel_axis, question.axes
        if isinstance(kernel, Bank):
            kernel = _transposed(kernel, question.groups)
            if channel is None:  # the channels out are a new first axis
                channel, axes = 0, tuple(axis + 1 for axis in axes)
        how: dict[str, Any] = {"axes": axes, "channel_axis": channel, "dilation": question.dilation}
        how.update(groups=question.groups, dtype=self._result)
        if self._keeps_border:
            x = correlate(y, kernel, question.modes, out=out, **how)
        else:
            x = correlate(spread(y, axes, question.stride), kernel, shape="full", out=out, **how)
            x = self._folded(x, axes)
        return x[0] if question.new_axis else x

    @property
    def extended_shape(self) -> tuple[int, ...]:
        """Shape of the array that `transpose` makes first: the input and the samples of its border."""
        question, shape = self.question, [*self.question.shape]
        if not self._keeps_border:
            sizes, outputs = question.kernel.shape, [stop - start for start, stop in question.regions]
            for axis, step, size, every, count in zip(
                question.axes, question.dilation, sizes, question.stride, outputs, strict=True
            ):
                shape[axis] = every * (-(-count // every) - 1) + step * (size - 1) + 1
        return (1, *shape) if question.new_axis else tuple(shape)

    @lazy
    def _keeps_border(self) -> bool:
        """Whether the transpose is a correlation with the same border: nothing has to be folded."""
        question = self.question
        if self._region != "same" or {*question.stride} != {1}:
            return False
        for axis, mode in enumerate(question.modes):
            if mode not in ("constant", "wrap") and not (mode == "reflect" and _is_even(question.kernel, axis)):
                return False
        return True

    def _folded(self, x: Any, axes: tuple[int, ...]) -> Any:
        """Return values at the positions of the extended array, with those of copies added to their samples."""
        question = self.question
        for k, axis in enumerate(axes):
            x = fold(x, axis, self._first[k], question.shape[question.axes[k]], question.modes[k])
        return x

    @lazy
    def _first(self) -> list[int]:
        """The first position of the extended array that is read, for each axis of the kernel."""
        question = self.question
        sizes = [step * (size - 1) + 1 for step, size in zip(question.dilation, question.kernel.shape, strict=True)]
        origins = [step * at for step, at in zip(question.dilation, question.kernel.origin, strict=True)]
        bounds = regions("full", [1] * len(sizes), sizes, origins).bounds
        return [first + start for (first, _), (start, _) in zip(question.regions, bounds, strict=True)]


def _transposed(bank: Bank, groups: int) -> Bank:
    """Return the bank with its channels in and out exchanged, in every group."""
    taps = bank.taps.reshape(groups, -1, bank.in_channels, *bank.shape).swapaxes(1, 2)
    return Bank(taps.reshape(groups * bank.in_channels, -1, *bank.shape), bank.origin)


def _is_even(kernel: Kernel | Bank, axis: int) -> bool:
    """Whether taps at opposite lags along an axis are the same."""
    if 2 * kernel.origin[axis] != kernel.shape[axis] - 1:
        return False
    axis -= kernel.ndim  # a bank has axes of channels before
    return bool(np.array_equal(kernel.taps, np.flip(kernel.taps, axis)))
