"""The front door: each kind of array is served by one module."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, as_dtype
from faltung.ground.checks import is_integer
from faltung.kernels import Bank, Kernel
from faltung.planning.kept import keep, plan_of
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of
from faltung.run.entry import execute
from faltung.run.race import fastest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["convolve", "correlate", "plan"]


def convolve(
    x: ArrayLike,
    kernel: Kernel | Bank | ArrayLike,
    mode: str | None = None,
    cval: complex = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    accuracy: str = "norm",
    method: str = "auto",
    workers: int | None = None,
) -> NDArray[Any]:
    """Convolve an array with a kernel: ``y[n] = sum over m of kernel[m] * x[n - m]``.

    Parameters
    ----------
    x : array_like or torch.Tensor
        Array of any dimension, of integers, floats or complex numbers. For a tensor the result is one, on the same
        device and with gradients.
    kernel : Kernel, Bank, array_like or torch.Tensor
        The filter. An array is a kernel whose origin is at ``size // 2`` on every axis, as in `scipy.ndimage`. For a
        bank without `channel_axis`, the result has a new first axis, with one entry for each channel out.
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, optional
        How `x` goes on beyond its border, with SciPy's meanings: ``d c b a | a b c d | d c b a`` is ``reflect``,
        ``d c b | a b c d | c b a`` is ``mirror``. The default is ``reflect``; for ``shape="full"``, which is about
        the array standing alone, it is ``constant``.
    cval : number, optional
        What lies outside for ``constant``.
    shape : {'same', 'valid', 'full'}, optional
        Which outputs: as many as there are inputs; those for which kernel and array overlap completely; or all
        for which they overlap at all, as in `numpy.convolve`.
    axes : int or sequence of int, optional
        Axis of `x` for each axis of the kernel. The default is the last ``kernel.ndim`` axes; all others are a
        batch. A colour image of shape (height, width, 3) is filtered with ``axes=(0, 1)``.
    channel_axis : int, optional
        Axis of the channels of `x`, which a bank adds up: there are ``groups * bank.in_channels`` of them, and
        the result has the channels out on that axis. An array of taps is then (channels out, channels in, *spatial);
        a kernel filters every channel by itself.
    stride : int or sequence of int, optional
        Every how many positions there is an output, beginning with the first, on each axis of the kernel.
    dilation : int or sequence of int, optional
        Positions from tap to tap, on each axis of the kernel: `dilation` - 1 zeros stand between two of them.
    groups : int, optional
        Groups of channels, of which each goes through its own part of the channels out, as in neural networks.
    out : ndarray, optional
        Where to put the result; it may be `x` itself.
    dtype : dtype, optional
        Of the result. The default is float32 for half and single floats and for integers up to 16 bits, float64 for
        double floats and wider integers, and complex likewise. Integers are rounded half to even and saturated, and
        NaN becomes 0.
    nan : {'propagate', 'ignore'}, optional
        Whether NaN is a value like others, or says that a sample is missing.
    mask : array_like of bool, optional
        Which samples are there: False where one is missing. It has the shape of `x`, or one that broadcasts to it.
        Taps on missing samples drop out, and the others weigh as much more: the result is
        ``y * sum(abs(kernel)) / w``, with y the convolution with zeros in place of what is missing, and w that of
        ones and zeros with ``abs(kernel)``. An output under which everything is missing is NaN. What lies beyond the
        border is missing where the sample that `mode` puts there is; a constant never is.
    accuracy : {'norm', 'pointwise'}, optional
        What rounding errors are small beside: by default the largest outputs of a tile, which allows Fourier
        transforms; or the sum of ``abs(tap) * abs(sample)`` under each output itself, for data over many decades.
    method : {'auto', 'direct', 'separable', 'running', 'fourier', 'passes'}, optional
        The engine, or ``passes`` for a product of kernels applied one by one; by default the planner chooses.
    workers : int, optional
        Number of threads; the default is that of `faltung.workers`. The result does not depend on it.

    Returns
    -------
    ndarray
        The result, which is `out` if that was given.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    correlate : the same without the reflection of the kernel.
    plan : what would run, and why.

    Notes
    -----
    Samples that are not finite reach exactly those outputs whose non-zero taps touch them, and where neither taps nor
    samples are negative no output is, whichever engine runs. Rounding errors are at most ``plan(x, kernel).error``
    times the sum of ``abs(tap) * abs(sample)`` under an output, if ``plan(x, kernel).pointwise``, and else times the
    sum of all ``abs(tap)`` and the largest ``abs(sample)``. The result is the same, bit for bit, on any number of
    threads.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.convolve(np.array([0.0, 0.0, 1.0, 0.0]), [1.0, 2.0, 3.0])
    array([0., 1., 2., 3.])
    >>> fa.convolve(np.arange(4, dtype=np.uint8), [1, 1, 1], shape="valid", dtype="uint8")
    array([3, 6], dtype=uint8)
    >>> colours, layer = np.ones((64, 48, 3)), fa.Bank(np.ones((16, 3, 5, 5)))
    >>> fa.convolve(colours, layer, channel_axis=2, stride=2).shape
    (32, 24, 16)
    """
    steps = (channel_axis, stride, dilation, groups)
    options = Options(True, mode, cval, shape, axes, *steps, dtype, nan, mask is not None, accuracy, method)
    return _door(x, kernel).filter(x, kernel, options, out, mask, workers)  # type: ignore[no-any-return]


def correlate(
    x: ArrayLike,
    kernel: Kernel | Bank | ArrayLike,
    mode: str | None = None,
    cval: complex = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    accuracy: str = "norm",
    method: str = "auto",
    workers: int | None = None,
) -> NDArray[Any]:
    """Correlate an array with a kernel: ``y[n] = sum over m of kernel[m] * x[n + m]``.

    This is what neural-network libraries call convolution. Complex taps are not conjugated, unlike in
    `numpy.correlate` and `scipy.ndimage.correlate`; pass ``kernel.conj()`` where that is wanted.

    Parameters
    ----------
    x, kernel, mode, cval, shape, axes, channel_axis, stride, dilation, groups
        As for `convolve`.
    out, dtype, nan, mask, accuracy, method, workers
        As for `convolve`.

    Returns
    -------
    ndarray
        The result, which is `out` if that was given.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.correlate(np.array([0.0, 0.0, 1.0, 0.0]), [1.0, 2.0, 3.0])
    array([0., 3., 2., 1.])
    """
    steps = (channel_axis, stride, dilation, groups)
    options = Options(False, mode, cval, shape, axes, *steps, dtype, nan, mask is not None, accuracy, method)
    return _door(x, kernel).filter(x, kernel, options, out, mask, workers)  # type: ignore[no-any-return]


def plan(
    x: ArrayLike | tuple[int, ...],
    kernel: Kernel | Bank | ArrayLike,
    mode: str | None = None,
    cval: complex = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    dtype: DTypeLike | None = None,
    result_dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | bool = False,
    accuracy: str = "norm",
    method: str = "auto",
    effort: str = "estimate",
) -> Planned:
    """Return what `convolve` would do: a plan that can be printed, kept, pickled and called.

    Parameters
    ----------
    x : ndarray, torch.Tensor or tuple of int
        The array, or its shape.
    kernel, mode, cval, shape, axes, channel_axis, stride, dilation, groups, nan, accuracy, method
        As for `convolve`.
    dtype : dtype, optional
        For an array, the dtype of the result, as for `convolve`. For a shape, the dtype of the array, float32 by
        default.
    result_dtype : dtype, optional
        For a shape, the dtype of the result.
    mask : bool or array_like, optional
        Whether the plan is called with a mask.
    effort : {'estimate', 'measure'}, optional
        Whether engines are chosen by their predicted time, or by running them; the choice is remembered on disk, and
        taken from there by later plans for the same problem.

    Returns
    -------
    Planned
        A plan, which returns the result when it is called with an array of that shape and dtype.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import faltung as fa
    >>> run = fa.plan((480, 640), fa.gaussian(1.0), dtype="float32")
    >>> print(run.engine, run.problem.result_shape)
    separable (480, 640)
    """
    if effort not in ("estimate", "measure"):
        raise ArgumentError("effort", "'estimate' or 'measure'", repr(effort))
    name = "dtype"
    if isinstance(x, tuple):
        x, dtype, name = _array_of_shape(x, dtype), result_dtype, "result_dtype"
    elif result_dtype is not None:
        raise ArgumentError("result_dtype", "None where x is an array", repr(result_dtype), "Use dtype=.")
    elif isinstance(x, list) and x and all(map(is_integer, x)):
        remedy = f"For a shape, pass the tuple {tuple(x)}; for a signal, numpy.array({_shortened(x)})."
        raise ArgumentTypeError("x", "an array, or a tuple for a shape", "a list of integers", remedy)
    masked = mask is not False and mask is not None
    steps = (channel_axis, stride, dilation, groups)
    options = Options(True, mode, cval, shape, axes, *steps, dtype, nan, masked, accuracy, method, name)
    return _door(x, kernel).plan(x, kernel, options, effort)  # type: ignore[no-any-return]


def _array_of_shape(shape: tuple[Any, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of a shape that takes no memory."""
    if not all(is_integer(length) and length >= 0 for length in shape):
        raise ArgumentError("x", "an array, or a shape of integers that are not negative", repr(shape))
    sample = np.empty((), as_dtype("float32" if dtype is None else dtype, "dtype"))
    if math.prod(shape) * sample.itemsize >= 1 << 62:
        raise ArgumentError("x", "a shape whose samples can be counted in bytes", repr(shape))
    return np.broadcast_to(sample, [int(length) for length in shape])


def _shortened(values: list[Any]) -> str:
    return str(values) if len(values) <= 4 else f"[{values[0]}, {values[1]}, ...]"


# ---- doors: the module that serves each kind of array


class _Door(NamedTuple):
    """A kind of array, and the module that filters it.

    The module has ``filter(x, kernel, options, out, mask, workers)`` and ``plan(x, kernel, options, effort)``. It is
    imported when such an array comes, and its library is never imported for it.
    """

    library: str
    type_name: str
    module: str


_DOORS = (_Door("torch", "Tensor", "faltung.tensors.tensor_front"),)


class _Arrays:
    """The door for NumPy arrays, and for everything that becomes one."""

    @staticmethod
    def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> NDArray[Any]:
        """Plan, and run the plan."""
        x = _as_input(x)
        if options.dtype is None and isinstance(out, np.ndarray):
            options = options._replace(dtype=out.dtype, dtype_name="out")
        return execute(plan_of(x.shape, x.dtype, kernel, options), x, out, workers, mask)

    @staticmethod
    def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
        """Plan; with effort ``measure``, run what might be fastest, and remember which was."""
        x = _as_input(x)
        if effort == "estimate":
            return plan_of(x.shape, x.dtype, kernel, options)
        question = question_of(x.shape, x.dtype, kernel, options)
        return keep(question, fastest(question))


def _door(x: Any, kernel: Any) -> Any:
    """Return what serves these arguments."""
    if type(x) is np.ndarray and isinstance(kernel, (Kernel, Bank, np.ndarray)):
        return _Arrays
    for library, type_name, module in _DOORS:
        loaded = sys.modules.get(library)
        if loaded is not None and isinstance(
            x if isinstance(x, kind := getattr(loaded, type_name)) else kernel, kind
        ):
            return importlib.import_module(module)
    return _Arrays


def _as_input(x: Any) -> NDArray[Any]:
    if isinstance(x, (Kernel, Bank)):
        remedy = "Give the array first; the convolution of two kernels is their product, a * b."
        raise ArgumentTypeError("x", "an array", f"a {'bank' if isinstance(x, Bank) else 'kernel'}", remedy)
    return as_array(x, "x")


def _apply(kernel: Kernel, x: ArrayLike, mode: Any, cval: Any, axes: Any, dtype: Any) -> NDArray[Any]:
    return convolve(x, kernel, mode, cval, axes=axes, dtype=dtype)


def _apply_bank(bank: Bank, x: ArrayLike, mode: Any, cval: Any, **named: Any) -> NDArray[Any]:
    return convolve(x, bank, mode, cval, **named)


Kernel.apply = staticmethod(_apply)
Bank.apply = staticmethod(_apply_bank)
