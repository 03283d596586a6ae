"""What is asked of a tensor? The question that is asked of an array, and the dtypes of torch that follow from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import computed_number
from faltung.ground.bounded import SMALL, Bounded
from faltung.kernels import Bank, Kernel
from faltung.kernels.dilated import dilated
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.question import Options, Question, as_value, question_of
from faltung.planning.whole import whole_rows
from faltung.tensors.recording import shape_of
from faltung.tensors.storing import followed, torch_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Asked", "as_numbers", "ask", "check_beside", "check_tensor", "correlated"]


class Asked(NamedTuple):
    """What is asked of a tensor.

    Parameters
    ----------
    question : Question
        The question; taps that are a tensor are ones in it.
    number : torch.dtype
        The real number computed with.
    result : torch.dtype
        The dtype of the result.
    plan : ChannelPlan or None
        For a bank, or taps that are a tensor: the layer that is asked for, as a plan without a method.
    divisors : ndarray or None
        If the results are exact sums of integers over a divisor: this number, one for each channel out of a bank. The
        taps of `kernel` are then whole numbers.
    kernel : Kernel, Bank or Tensor
        The filter.
    """

    question: Question
    number: torch.dtype
    result: torch.dtype
    plan: ChannelPlan | None
    divisors: NDArray[np.float64] | None
    kernel: Kernel | Bank | torch.Tensor


_Checked = tuple[Question, torch.dtype, torch.dtype, ChannelPlan | None, "NDArray[np.float64] | None"]
#: What was asked in recent calls, without kernels, by the arguments as they were passed.
_kept: Bounded[tuple[Any, ...], _Checked] = Bounded(256, 1 << 26)
#: Kernels that tensors were correlated with: the next call finds what is known of them.
_correlated: Bounded[tuple[Any, ...], Kernel] = Bounded(256, 1 << 26)


def ask(shape: tuple[int, ...], dtype: torch.dtype, kernel: Any, options: Options) -> Asked:
    """Check every argument, and return what is asked of a tensor of this shape and dtype.

    Examples
    --------
    >>> asked = ask((480, 640), torch.float16, [[1, 2, 1]], Options(True, dtype=torch.float64))
    >>> asked.number, asked.result
    (torch.float64, torch.float64)
    """
    if isinstance(kernel, torch.Tensor):
        form: Any = (shape_of(kernel), kernel.is_complex())
    else:
        kernel = as_value(kernel, options.channel_axis is not None)
        form = kernel.fingerprint
    key = (shape, dtype, form, options.key, options.dtype_name)
    try:
        kept = _kept.get(key)
    except TypeError:  # an argument that cannot be hashed is wrong, and `question_of` says so
        kept = _checked(shape, dtype, kernel, options)
    if kept is None:
        kept = _kept.put(key, _checked(shape, dtype, kernel, options), 8 * SMALL + 32 * math.prod(shape_of(kernel)))
    divisors = kept[-1]
    return Asked(*kept, kernel if divisors is None else _whole(kernel, divisors))


def _checked(shape: tuple[int, ...], dtype: torch.dtype, kernel: Any, options: Options) -> _Checked:
    """Return what is asked, without the kernel."""
    wanted = options.dtype
    if isinstance(wanted, torch.dtype):
        options = options._replace(dtype=followed(wanted, options.dtype_name))
    value = _ones(kernel, options.channel_axis is not None) if isinstance(kernel, torch.Tensor) else kernel
    question = question_of(shape, followed(dtype, "x"), value, options)
    if isinstance(wanted, torch.dtype):
        result = wanted
    elif wanted is None and not _is_integer(dtype) and dtype.is_complex == (question.result.kind == "c"):
        result = dtype
    else:
        result = torch_dtype(question.result)
    plan = None if isinstance(kernel, Kernel) else _channel_plan(question)
    divisors = None if isinstance(kernel, torch.Tensor) else _divisors(question, plan)
    number = torch_dtype(computed_number(question.dtype, question.result))
    return question, number if divisors is None else torch.float64, result, plan, divisors


def _divisors(question: Question, plan: ChannelPlan | None) -> NDArray[np.float64] | None:
    """Return the divisors of sums that are exact; None if samples or results are no integers, or some are missing."""
    if question.missing.applies:
        return None
    if plan is not None:
        return plan.whole.divisors if plan.whole and plan.whole.everywhere else None
    if question.dtype.kind not in "biu" or question.result.kind not in "iu":
        return None
    whole = whole_rows(question.kernel.taps[np.newaxis], question.problem.range_of_samples, question.problem.number)
    return whole.divisors if whole and whole.everywhere else None


def _whole(kernel: Kernel | Bank, divisors: NDArray[np.float64]) -> Kernel | Bank:
    """Return a kernel, or the kernels of each channel out, times its divisor."""
    if isinstance(kernel, Kernel):
        return Kernel(np.rint(kernel.taps * divisors[0]), kernel.origin)
    factors = divisors.reshape(-1, *[1] * (kernel.taps.ndim - 1))
    return Bank(np.where(factors > 1.0, np.rint(kernel.taps * factors), kernel.taps), kernel.origin)


def _is_integer(dtype: torch.dtype) -> bool:
    return not (dtype.is_floating_point or dtype.is_complex)


def _ones(taps: torch.Tensor, channels: bool) -> Kernel | Bank:
    """Return a kernel or bank of ones in the shape of taps that are a tensor."""
    shape = shape_of(taps)
    if channels and len(shape) < 3:
        expected = "taps of shape (channels out, channels in of a group, *spatial)"
        raise ArgumentError("kernel", expected, f"a tensor of shape {shape}")
    return as_value(np.ones(shape, np.complex64 if taps.is_complex() else np.float32), channels)


def check_tensor(x: Any, otherwise: str) -> None:
    """Raise an error unless `x` is a dense tensor; `otherwise` is what to do if it is none."""
    if not isinstance(x, torch.Tensor):
        raise ArgumentTypeError("x", "a tensor, as the kernel is one", f"a {type(x).__name__}", otherwise)
    _check_dense(x, "x")


def check_beside(x: torch.Tensor, other: torch.Tensor, name: str) -> None:
    """Raise an error unless taps, a mask or weights are a dense tensor, with numbers if the samples have some."""
    _check_dense(other, name)
    if other.is_meta and not x.is_meta:
        raise ArgumentError(name, f"a tensor with numbers, as x has on {x.device}", "one on the device meta")


def _check_dense(x: torch.Tensor, name: str) -> None:
    """Raise an error unless a tensor has a place for each number."""
    if x.layout is torch.strided and not (x.is_quantized or x.is_nested):
        return
    for wrong, kind, remedy in (
        (x.is_quantized, "a quantized tensor", f"Pass {name}.dequantize()."),
        (x.is_nested, "a nested tensor", f"Pass its tensors one by one, or {name}.to_padded_tensor(0.0)."),
        (x.layout is not torch.strided, f"a tensor with the layout {x.layout}", f"Pass {name}.to_dense()."),
    ):
        if wrong:
            raise ArgumentTypeError(name, "a dense tensor", kind, remedy)


def as_numbers(x: torch.Tensor, asked: Asked) -> torch.Tensor:
    """Return samples in the dtype that is computed with."""
    question, kernel = asked.question, asked.kernel
    alike = isinstance(kernel, torch.Tensor) and x.dtype == kernel.dtype == asked.result
    if alike and x.device.type != "cpu" and not question.missing.applies:
        return x  # devices multiply short numbers faster, and add up in single precision
    return x.to(asked.number.to_complex() if x.is_complex() else asked.number)


def correlated(kernel: Kernel, question: Question) -> Kernel:
    """Return the kernel that a tensor is correlated with, with the zeros of its dilation."""
    if not question.reflected and all(step == 1 for step in question.dilation):
        return kernel

    def make() -> Kernel:
        spread = dilated(kernel, question.dilation)
        return spread.flip() if question.reflected else spread

    key = (kernel.fingerprint, question.reflected, question.dilation)
    return _correlated.get_or_make(key, make, lambda made: 32 * made.size + SMALL)


def _channel_plan(question: Question) -> ChannelPlan:
    """Return what is asked of a bank, or of taps that are a tensor."""
    if len(question.axes) > 3:
        expected = "at most three spatial axes for tensors with channels"
        raise ArgumentError("kernel", expected, f"{len(question.axes)}")
    return ChannelPlan(question)
