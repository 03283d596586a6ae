"""The front door: check what came, plan it, carry the plan out."""

from __future__ import annotations

import math
import numbers
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.arrays import as_array, as_dtype, check_result_dtype, computed_dtype
from faltung.boundary import check_mode
from faltung.banks import execute_bank
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.execute import execute
from faltung.kernels import Bank, Kernel
from faltung.kernels.taps import as_taps
from faltung.plan.bank import BankPlan, make_bank_plan
from faltung.plan.cost import TYPICAL
from faltung.plan.planner import Plan, make_plan
from faltung.plan.problem import Problem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["convolve", "correlate", "plan"]

_SHAPES = ("same", "valid", "full")
_NAN = ("propagate", "ignore")
_ACCURACY = ("norm", "pointwise")

#: Plans of recent calls. A plan depends on everything but the samples, so a key holds all the arguments.
_plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()
_MOST_PLANS = 256
_bank_plans: dict[tuple[Any, ...], BankPlan] = {}
_MOST_BANK_PLANS = 16
#: Largest origin: positions that far out still fit into the integers that they are counted with.
_FARTHEST = 1 << 40


def convolve(
    x: ArrayLike,
    kernel: Kernel | ArrayLike,
    mode: str | None = None,
    cval: complex = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
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
    x : array_like
        Array of any dimension, of integers, floats or complex numbers.
    kernel : Kernel or array_like
        The filter. An array is a kernel whose origin is at ``size // 2`` on every axis, as in `scipy.ndimage`.
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
    sum of all ``abs(tap)`` and the largest ``abs(sample)``. The result is the same, bit for bit, on any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.convolve(np.array([0.0, 0.0, 1.0, 0.0]), [1.0, 2.0, 3.0])
    array([0., 1., 2., 3.])
    >>> fa.convolve(np.arange(4, dtype=np.uint8), [1, 1, 1], shape="valid", dtype="uint8")
    array([3, 6], dtype=uint8)
    """
    x = _input(x)
    mask = _mask(mask, x)
    chosen = _plan(x, kernel, True, mode, cval, shape, axes, dtype, out, nan, mask is not None, accuracy, method)
    return execute(chosen, x, out, workers, mask)


def correlate(
    x: ArrayLike,
    kernel: Kernel | ArrayLike,
    mode: str | None = None,
    cval: complex = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
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
    x, kernel, mode, cval, shape, axes, out, dtype, nan, mask, accuracy, method, workers
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
    x = _input(x)
    mask = _mask(mask, x)
    chosen = _plan(x, kernel, False, mode, cval, shape, axes, dtype, out, nan, mask is not None, accuracy, method)
    return execute(chosen, x, out, workers, mask)


def plan(
    x: ArrayLike | Sequence[int],
    kernel: Kernel | ArrayLike,
    mode: str | None = None,
    cval: complex = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    result_dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | bool = False,
    accuracy: str = "norm",
    method: str = "auto",
    effort: str = "estimate",
) -> Plan:
    """Return what `convolve` would do: a plan that can be printed, kept, pickled and called.

    Parameters
    ----------
    x : ndarray or tuple of int
        The array, or its shape.
    kernel, mode, cval, shape, axes, nan, accuracy, method
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
    Plan
        Called with an array of that shape and dtype, it returns the result.

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
    if isinstance(x, (tuple, list)) and all(isinstance(length, numbers.Integral) for length in x):
        if any(length < 0 for length in x):
            raise ArgumentError("x", "an array, or a shape of lengths that are not negative", repr(x))
        sample = np.empty((), as_dtype("float32" if dtype is None else dtype, "dtype"))
        if math.prod(x) * sample.itemsize >= 1 << 62:
            raise ArgumentError("x", "a shape whose samples can be counted in bytes", repr(x))
        x, dtype = np.broadcast_to(sample, [int(length) for length in x]), result_dtype
        name = "result_dtype"
    elif result_dtype is not None:
        raise ArgumentError("result_dtype", "None where x is an array", repr(result_dtype), "Use dtype=.")
    else:
        x, name = _input(x), "dtype"
    masked = mask is not False and mask is not None
    return _plan(x, kernel, True, mode, cval, shape, axes, dtype, None, nan, masked, accuracy, method, name)


def _apply(kernel: Kernel, x: ArrayLike, mode: Any, cval: Any, axes: Any, dtype: Any) -> NDArray[Any]:
    return convolve(x, kernel, mode, cval, axes=axes, dtype=dtype)


def _apply_bank(
    bank: Bank,
    x: ArrayLike,
    mode: Any,
    cval: Any,
    *,
    axes: Any,
    out: Any,
    dtype: Any,
    method: Any,
    workers: int | None,
) -> NDArray[Any]:
    x = _input(x)
    if dtype is None and isinstance(out, np.ndarray):
        dtype = out.dtype
    chosen = _bank_plan(x, bank, True, mode, cval, "same", axes, dtype, "norm", method, "dtype")
    return execute_bank(chosen, x, out, workers)


Kernel.apply = staticmethod(_apply)
Bank.apply = staticmethod(_apply_bank)


def _bank_plan(
    x: NDArray[Any],
    bank: Bank,
    reflected: bool,
    mode: Any,
    cval: Any,
    shape: Any,
    axes: Any,
    dtype: Any,
    accuracy: Any,
    method: Any,
    name: str,
) -> BankPlan:
    """Plan a bank for these arguments, or find the plan again."""
    key = (bank.fingerprint, x.shape, x.dtype, reflected, mode, repr(cval), shape, repr(axes), dtype, accuracy, method)
    try:
        found = _bank_plans.get(key)
    except TypeError:
        found, key = None, ()
    if found is None:
        if bank.in_channels != 1:
            received = f"{bank.in_channels}"
            remedy = "Give every row of the bank a single kernel, and apply several banks to several channels."
            raise ArgumentError("bank", "one channel in", received, remedy)
        kernels = [row[0] for row in bank]
        arguments = (reflected, mode, cval, shape, axes, dtype, "propagate", False, accuracy, name)
        problems = [_problem(x, kernel, *arguments) for kernel in kernels]
        complex_result = any(problem.result.kind == "c" for problem in problems)
        if complex_result and dtype is None:
            result = np.result_type(*(problem.result for problem in problems))
            problems = [replace(problem, result=result) for problem in problems]
        # Taps of one everywhere: no rule makes their support smaller.
        support = Kernel(np.ones(bank.shape), bank.origin)
        together = replace(_problem(x, support, *arguments), result=problems[0].result)
        found = make_bank_plan(bank, problems, together, method, TYPICAL)
        if key:
            while len(_bank_plans) >= _MOST_BANK_PLANS:
                _bank_plans.pop(next(iter(_bank_plans)), None)
            _bank_plans[key] = found
    return found


def _input(x: Any) -> NDArray[Any]:
    if isinstance(x, Kernel):
        remedy = "Give the array first; the convolution of two kernels is their product, a * b."
        raise ArgumentTypeError("x", "an array", "a kernel", remedy)
    return as_array(x, "x")


def _mask(mask: Any, x: NDArray[Any]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    given = as_array(mask, "mask")
    if given.dtype.kind != "b":
        remedy = "Compare it with something, for example weights > 0."
        raise ArgumentTypeError(
            "mask", "an array of booleans, False where a sample is missing", f"{given.dtype}", remedy
        )
    try:
        return np.broadcast_to(given, x.shape)
    except ValueError:
        expected = f"an array of booleans of shape {x.shape}, or one that broadcasts to it"
        raise ArgumentError("mask", expected, f"shape {given.shape}") from None


def _plan(
    x: NDArray[Any],
    kernel: Any,
    reflected: bool,
    mode: Any,
    cval: Any,
    shape: Any,
    axes: Any,
    dtype: Any,
    out: Any,
    nan: Any,
    masked: bool,
    accuracy: Any,
    method: Any,
    name: str = "dtype",
) -> Plan:
    """Plan for these arguments, from those kept where the same arguments were used before."""
    if isinstance(kernel, Kernel):
        taps: Any = kernel.fingerprint
    else:
        if isinstance(kernel, str):
            remedy = "Read an expression with faltung.parse."
            raise ArgumentTypeError("kernel", "a kernel or an array of taps", repr(kernel), remedy)
        kernel = as_array(kernel, "kernel")
        taps = (kernel.shape, kernel.dtype, kernel.tobytes())
    if dtype is None and isinstance(out, np.ndarray):
        dtype, name = out.dtype, "out"
    # Type and text of cval tell apart what is equal but not the same (0.0 and -0.0, 1 and True) and find a NaN again.
    outside = (type(cval), repr(cval))
    key = (x.shape, x.dtype, taps, reflected, mode, outside, shape, repr(axes), dtype, nan, masked, accuracy, method)
    arguments = (x, kernel, reflected, mode, cval, shape, axes, dtype, nan, masked, accuracy, name)
    try:
        found = _plans.get(key)
    except TypeError:  # an argument that cannot be hashed cannot be right either, and is reported here
        return make_plan(_problem(*arguments), method, TYPICAL)
    if found is None:
        found = _plans[key] = make_plan(_problem(*arguments), method, TYPICAL)
        while len(_plans) > _MOST_PLANS:
            _plans.popitem(last=False)
    else:
        try:  # noqa: SIM105  # every call comes through here, and contextlib.suppress takes a microsecond
            _plans.move_to_end(key)
        except KeyError:  # another thread has just dropped it
            pass
    return found


def _problem(
    x: NDArray[Any],
    kernel: Any,
    reflected: bool,
    mode: Any,
    cval: Any,
    shape: Any,
    axes: Any,
    dtype: Any,
    nan: Any,
    masked: bool,
    accuracy: Any,
    name: str,
) -> Problem:
    """Check every argument and say what is asked."""
    computed = computed_dtype(x.dtype, "x")
    if not isinstance(kernel, Kernel):
        kernel = Kernel(as_taps(kernel, "kernel"))
    if kernel.taps.dtype.kind == "c":
        computed = np.result_type(computed, np.complex64)
    if not isinstance(shape, str) or shape not in _SHAPES:
        raise ArgumentError("shape", f"one of {', '.join(map(repr, _SHAPES))}", repr(shape))
    for argument, value, choices in (("nan", nan, _NAN), ("accuracy", accuracy, _ACCURACY)):
        if not isinstance(value, str) or value not in choices:
            raise ArgumentError(argument, f"{choices[0]!r} or {choices[1]!r}", repr(value))
    if any(abs(at) > _FARTHEST for at in kernel.origin):
        raise ArgumentError("kernel", f"an origin of at most {_FARTHEST}", f"{kernel.origin}")
    places = _axes(axes, x.ndim, kernel.ndim)
    mode = ("constant" if shape == "full" else "reflect") if mode is None else check_mode(mode)
    cval = _cval(cval, x.dtype)
    lengths = [x.shape[axis] for axis in places]
    larger = [size > length for size, length in zip(kernel.shape, lengths, strict=True)]
    if shape == "valid" and any(larger) and 0 not in lengths:
        if not all(size >= length for size, length in zip(kernel.shape, lengths, strict=True)):
            raise ArgumentError(
                "shape",
                "'same' or 'full' where the kernel is longer than the array on one axis and shorter on another",
                f"'valid' for a kernel of shape {kernel.shape} on axes of lengths {tuple(lengths)}",
                "Crop the kernel, or choose another shape.",
            )
        mode, cval = "constant", 0.0  # taps beyond the array do not take part
    origins = kernel.flip().origin if reflected else kernel.origin
    regions = [
        _region(shape, length, size, origin)
        for length, size, origin in zip(lengths, kernel.shape, origins, strict=True)
    ]
    return Problem(
        shape=x.shape,
        dtype=x.dtype,
        kernel=kernel,
        reflected=reflected,
        axes=places,
        mode=mode,
        cval=cval,
        regions=tuple(regions),
        result=computed if dtype is None else check_result_dtype(dtype, computed, name),
        accuracy=accuracy,
        skips_nan=nan == "ignore" and x.dtype.kind in "fc",
        masked=masked,
    )


def _region(shape: str, length: int, size: int, origin: int) -> tuple[int, int]:
    """Positions of the array for which there is an output, along one axis."""
    if length == 0 or shape == "same":
        return 0, length
    reaching = (origin - size + 1, length + origin)  # some tap meets a sample
    if shape == "full":
        return reaching
    overlap = min(length, size) - 1
    return reaching[0] + overlap, reaching[1] - overlap


def _axes(axes: Any, ndim: int, kernel_ndim: int) -> tuple[int, ...]:
    if axes is None:
        if ndim < kernel_ndim:
            raise ArgumentError(
                "x",
                f"an array with at least as many axes as the kernel, which has {kernel_ndim}",
                f"one with {ndim}",
                "Give the kernel fewer axes (named filters take ndim=), or the array more.",
            )
        return tuple(range(ndim - kernel_ndim, ndim))
    several = isinstance(axes, (tuple, list, range)) or (isinstance(axes, np.ndarray) and axes.ndim > 0)
    chosen = tuple(axes) if several else (axes,)
    for axis in chosen:
        if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
            raise ArgumentTypeError("axes", "an integer for each axis of the kernel", repr(axes))
    if len(chosen) != kernel_ndim:
        raise ArgumentError("axes", f"{kernel_ndim}, one for each axis of the kernel", f"{len(chosen)}: {axes!r}")
    if any(not -ndim <= axis < ndim for axis in chosen):
        raise ArgumentError("axes", f"axes of an array with {ndim}", repr(axes))
    placed = tuple(int(axis) % ndim for axis in chosen)
    if len(set(placed)) != len(placed):
        raise ArgumentError("axes", "axes that differ", repr(axes))
    return placed


def _cval(cval: Any, dtype: np.dtype[Any]) -> complex:
    if isinstance(cval, bool) or not isinstance(cval, (numbers.Complex, np.number)):
        raise ArgumentTypeError("cval", "a number", repr(cval))
    try:
        value = complex(cval)
    except OverflowError as error:
        raise ArgumentError("cval", "a number within double precision", "a larger integer") from error
    if dtype.kind == "c":
        return value
    if value.imag:
        raise ArgumentError("cval", "a real number for a real array", repr(cval), "Convert x to a complex dtype.")
    return math.nan if math.isnan(value.real) else value.real
