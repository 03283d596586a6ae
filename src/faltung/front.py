"""The front door: the arguments of a call go to the module that filters arrays of this kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.doors import door_of
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import array_of_shape
from faltung.ground.checks import is_integer
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.kernels.grid import ZERO, GridFunction
from faltung.planning.kept import plan_before
from faltung.planning.missing_rule import one_of, planned_with
from faltung.planning.planned import Planned
from faltung.planning.question import ONE, Options
from faltung.run.entry import execute
from faltung.uncertainty import with_variance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["convolve", "correlate", "plan"]

#: Defaults, which are recognised by identity: `==` with an argument of any type may be anything.
_PROPAGATE, _NORM, _AUTO = "propagate", "norm", "auto"


def convolve(
    x: ArrayLike,
    kernel: Kernel | Bank | CoordinateKernel | ArrayLike,
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
    """Convolve an array with a kernel: ``y[n] = sum over m of kernel[m] * x[n - m]``.

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array with any number of axes, of integers, floats or complex numbers. For a tensor, the result is a tensor
        on the same device, with gradients. The masked samples of a masked array of NumPy are missing, as with `mask`;
        the result is a masked array, whose mask is True where no sample under the output is valid. Arrays of xarray
        and pandas keep their labels; their declared missing values are missing. An array of JAX on a CPU gives one of
        JAX.
    kernel : Kernel, Bank, CoordinateKernel, array_like or torch.Tensor
        The filter. An array of taps is a kernel whose origin is at ``size // 2`` on every axis, as in
        `scipy.ndimage`. For a bank without `channel_axis`, the result has a new first axis, with one entry for each
        channel out. A `CoordinateKernel` is for arrays whose axes have coordinates.
    mode : {'reflect', 'constant', 'nearest', 'mirror', 'wrap'}, or a sequence of these, optional
        How `x` continues beyond its border, with SciPy's meanings: one name, or one for each axis of the kernel. For
        example, ``reflect`` is ``d c b a | a b c d | d c b a``, and ``mirror`` is ``d c b | a b c d | c b a``. The
        default is ``reflect``, or ``constant`` for ``shape="full"``, as in `numpy.convolve`. For an array whose axes
        have names, it may be a mapping from names to modes.
    cval : number, optional
        The value of all samples beyond the border, for the mode ``constant``. With a mode for each axis, it is the
        value wherever a position is beyond the border of an axis with that mode.
    shape : {'same', 'valid', 'full'}, optional
        Which outputs are computed: ``same``, one for each sample of `x`, as in `scipy.ndimage`; ``valid``, those for
        which kernel and array overlap completely; ``full``, those for which they overlap at all. The last two are as
        in `numpy.convolve`. Its ``same`` differs for kernels of even size: see the origin of `Kernel`.
    axes : int or sequence of int, optional
        The axis of `x` for each axis of the kernel. The default is the last ``kernel.ndim`` axes; all other axes are
        a batch. For a colour image of shape (height, width, 3), use ``axes=(0, 1)``.
    dims : str or sequence of str, optional
        For an array whose axes have names, the name of the axis for each axis of the kernel, in place of `axes`. A
        `CoordinateKernel` names them itself.
    channel_axis : int or str, optional
        The axis of the channels of `x`, or its name, which a bank adds up. It has ``groups * bank.in_channels``
        channels; the result has ``bank.out_channels`` channels on the same axis. With this argument, an array of taps
        is a bank of shape ``(channels out, channels in, *spatial)``. A kernel filters every channel by itself.
    stride : int or sequence of int, optional
        Samples between neighbouring outputs, on each axis of the kernel.
    up : int or sequence of int, optional
        Outputs for each sample, on each axis of the kernel: ``up - 1`` zeros are put between neighbouring samples of
        the array as it continues beyond its border, and the kernel has `up` times their rate. No zero is multiplied.
        The `stride` then counts these positions: n samples have ``ceil(n * up / stride)`` outputs for ``same``, and
        those of `scipy.signal.upfirdn` for ``full``.
    dilation : int or sequence of int, optional
        Samples between neighbouring taps, on each axis of the kernel; ``dilation=1`` leaves the kernel as it is.
    groups : int, optional
        Number of groups of channels. Channels out depend only on the channels in of their own group.
    out : ndarray, optional
        The array that the result is written to. It may overlap `x`.
    dtype : dtype, optional
        The dtype of the result. The default is float32 for floats of up to 32 bits and integers of up to 16 bits, and
        float64 for all wider ones; for complex numbers, complex64 or complex128. A tensor of floats keeps its dtype:
        in half precision, the result in float32 is rounded once. An integer result is rounded half to even and
        saturated, and NaN becomes 0.
    nan : {'propagate', 'ignore'}, optional
        Whether a NaN is a value like others, or a missing sample.
    mask : array_like of bool, optional
        True where a sample is valid, False where it is missing, which is the opposite of `numpy.ma`; it has the shape
        of `x`, or one that broadcasts to it. Each missing sample counts, under each output, as the mean of the valid
        ones there, weighted by ``abs(kernel)``. For taps of one sign, this is the result of the valid samples,
        divided by their share of the sum of all taps; for taps that sum to zero, a constant stays zero. An output
        without any valid sample is NaN, unless all taps are zero. Beyond the border, copies of missing samples are
        missing, and the constant is valid, unless it is NaN and ``nan="ignore"``.
    weights : array_like, optional
        Weights of the samples, from 0 (missing) to 1, in place of a mask.
    min_weight : float, optional
        Share of the sum of ``abs(kernel)`` that must be valid under an output, from 0 to 1; otherwise it is NaN.
    keep_nan : bool, optional
        Whether outputs at the positions of missing samples are NaN. This needs ``shape="same"`` and ``stride=1``.
    variance : array_like, optional
        The variances of the samples of `x`, whose errors are independent, in an array of its kind and shape. The
        variances of the outputs are then returned too: sums of ``abs(tap)**2 * variance``, as of `Kernel.squared`,
        with missing samples left out as in the result. Constants beyond the border have none. The errors of outputs
        that share samples are not independent any more: equal variances v of all samples give outputs whose
        covariance at a lag is v times that tap of ``kernel * kernel.flip()``, so it reaches as far as the kernel.
    accuracy : {'norm', 'pointwise'}, optional
        The scale that the error bound is relative to: ``norm``, the largest sample times the sum of ``abs(kernel)``,
        which allows Fourier transforms; ``pointwise``, the sum of ``abs(tap) * abs(sample)`` under each output, for
        data over many decades.
    method : str, optional
        The method: ``auto``, the one with the least predicted time; the name of an engine, ``direct``,
        ``separable``, ``running`` or ``fourier``; or ``passes``, the factors of a product of kernels one by one. A
        bank has two methods more: ``apart``, its kernels one by one, and, without channels, ``basis``, combinations
        of a few separable filters; with a stride or with `up`, there is ``polyphase``, all phases of an outer product
        in a pass along each axis. A plan prints all methods with their predicted times.
    workers : int, optional
        Number of threads; the default is that of `faltung.workers`. The result does not depend on it.

    Returns
    -------
    ndarray or torch.Tensor
        The result, which is `out` if that was given. With `variance`, a pair: the result, and its variances.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    correlate : The same without the reflection of the kernel.
    plan : What would run, and why.

    Notes
    -----
    The result is the same for every engine, up to rounding, and the same to the last bit for any number of threads:

    - A sample that is not finite affects exactly the outputs whose non-zero taps read it.
    - If no tap and no sample is negative, no output is negative.
    - A rounding error is at most ``plan(x, kernel).error`` times a scale. This is the sum of
      ``abs(tap) * abs(sample)`` under the output if ``plan(x, kernel).pointwise``; otherwise it is the sum of all
      ``abs(tap)`` times the largest ``abs(sample)``. The Fourier engine takes samples of very different magnitudes
      apart: no sample counts that is more than 4096 times as large as all under the non-zero taps of the output.

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
    return _filtered(
        True, x, kernel, mode, cval, shape, axes, dims, channel_axis, stride, up, dilation, groups,
        out, dtype, nan, mask, weights, min_weight, keep_nan, variance, accuracy, method, workers,
    )  # fmt: skip


def correlate(
    x: ArrayLike,
    kernel: Kernel | Bank | CoordinateKernel | ArrayLike,
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
    """Correlate an array with a kernel: ``y[n] = sum over m of kernel[m] * x[n + m]``.

    Neural-network libraries call this operation convolution. Complex taps are not conjugated, unlike in
    `numpy.correlate` and `scipy.ndimage.correlate`; to conjugate them, pass ``kernel.conj()``.

    Parameters
    ----------
    x, kernel, mode, cval, shape, axes, dims, channel_axis, stride, up, dilation, groups
        As for `convolve`.
    out, dtype, nan, mask, weights, min_weight, keep_nan, variance, accuracy, method, workers
        As for `convolve`.

    Returns
    -------
    ndarray or torch.Tensor
        The result, which is `out` if that was given. With `variance`, a pair: the result, and its variances.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    convolve : The same with the kernel reflected.
    plan : What would run, and why.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.correlate(np.array([0.0, 0.0, 1.0, 0.0]), [1.0, 2.0, 3.0])
    array([0., 3., 2., 1.])
    """
    return _filtered(
        False, x, kernel, mode, cval, shape, axes, dims, channel_axis, stride, up, dilation, groups,
        out, dtype, nan, mask, weights, min_weight, keep_nan, variance, accuracy, method, workers,
    )  # fmt: skip


def plan(
    x: ArrayLike | tuple[int, ...],
    kernel: Kernel | Bank | CoordinateKernel | ArrayLike,
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
    dtype: DTypeLike | None = None,
    result_dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | bool = False,
    weights: ArrayLike | bool = False,
    min_weight: float = ZERO,
    keep_nan: bool = False,
    accuracy: str = "norm",
    method: str = "auto",
    effort: str = "estimate",
) -> Planned:
    """Return the plan of a convolution: it says what `convolve` would do, and does it when it is called.

    A plan can be printed, pickled, kept, and called many times with other arrays of the same shape and dtype.

    Parameters
    ----------
    x : array_like, torch.Tensor or tuple of int
        The array, or its shape.
    kernel, mode, cval, shape, axes, dims, channel_axis, stride, up, dilation, groups
        As for `convolve`.
    nan, min_weight, keep_nan, accuracy, method
        As for `convolve`.
    dtype : dtype, optional
        If `x` is an array, the dtype of the result, as for `convolve`. If `x` is a shape, the dtype of the array; the
        default is float32.
    result_dtype : dtype, optional
        If `x` is a shape, the dtype of the result; the default is that of `convolve`.
    mask, weights : bool or array_like, optional
        Whether the plan will be called with a mask, or with weights. An array means yes; its values are not read.
    effort : {'estimate', 'measure'}, optional
        How the method is chosen: ``estimate``, by predicted times; ``measure``, by running every method that might be
        the fastest. A measured choice is kept on disk, and later plans for the same question use it.

    Returns
    -------
    Planned
        The plan. ``run(x)`` returns the result for an array of the planned shape and dtype.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import faltung as fa
    >>> run = fa.plan((480, 640), fa.gaussian(1.0), dtype="float32")
    >>> print(run.method, run.result_shape)
    separable (480, 640)
    """
    if effort not in ("estimate", "measure"):
        raise ArgumentError("effort", "'estimate' or 'measure'", repr(effort))
    name = "dtype"
    if isinstance(x, tuple):
        x, dtype, name = array_of_shape(x, dtype), result_dtype, "result_dtype"
    elif result_dtype is not None:
        raise ArgumentError("result_dtype", "None where x is an array", repr(result_dtype), "Use dtype=.")
    elif isinstance(x, list) and x and all(map(is_integer, x)):
        remedy = f"For a shape, pass the tuple {tuple(x)}; for a signal, numpy.array(x)."
        raise ArgumentTypeError("x", "an array, or a tuple for a shape", "a list of integers", remedy)
    masked, graded = planned_with("mask", mask), planned_with("weights", weights)
    one_of(masked or None, graded or None)
    steps = (channel_axis, stride, dilation, groups)
    rest: tuple[Any, ...] = (accuracy, method, graded, min_weight, keep_nan, name, dims, "", up)
    options = Options(True, mode, cval, shape, axes, *steps, dtype, nan, masked, *rest)
    return door_of(x, kernel).plan(x, kernel, options, effort)  # type: ignore[no-any-return]


def _filtered(
    reflected: bool,
    x: Any,
    kernel: Any,
    mode: Any,
    cval: Any,
    shape: Any,
    axes: Any,
    dims: Any,
    channel_axis: Any,
    stride: Any,
    up: Any,
    dilation: Any,
    groups: Any,
    out: Any,
    dtype: Any,
    nan: Any,
    mask: Any,
    weights: Any,
    min_weight: Any,
    keep_nan: Any,
    variance: Any,
    accuracy: Any,
    method: Any,
    workers: Any,
) -> Any:
    """Filter an array; the arguments are those of `convolve`, in the order of the documentation."""
    if (
        type(x) is np.ndarray
        and axes is dims is channel_axis is mask is weights is variance is None
        and stride is up is dilation is groups is ONE
        and cval is ZERO
        and min_weight is ZERO
        and keep_nan is False
        and nan is _PROPAGATE
        and accuracy is _NORM
        and method is _AUTO
    ):
        result = out.dtype if dtype is None and type(out) is np.ndarray else dtype
        plan = plan_before(x.shape, x.dtype, kernel, reflected, mode, shape, result)
        if plan is not None and not plan.over_channels:
            return execute(plan, x, out, workers)
    steps = (channel_axis, stride, dilation, groups)
    rest: tuple[Any, ...] = (accuracy, method, weights is not None, min_weight, keep_nan, "dtype", dims, "", up)
    options = Options(reflected, mode, cval, shape, axes, *steps, dtype, nan, mask is not None, *rest)
    valid = mask if weights is None else one_of(mask, weights)
    y = door_of(x, kernel).filter(x, kernel, options, out, valid, workers)
    return with_variance(y, x, kernel, options, variance, valid, workers)


GridFunction.apply = staticmethod(_filtered)
CoordinateKernel.apply = staticmethod(_filtered)
