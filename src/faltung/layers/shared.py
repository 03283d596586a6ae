"""What do a layer and its transpose share? The checks of arguments and inputs, and what torch's tools ask for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch import is_grad_enabled as grad_is_on
from torch._C import _is_any_autocast_enabled as autocast_is_on
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.fx.experimental import symbolic_shapes
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import is_tensor_like

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, is_sequence
from faltung.layers.input_errors import InputTypeError
from faltung.tensors.calling import are_plain
from faltung.tensors.layer_plan import LayerPlan, check_method
from faltung.tensors.layer_wisdom import on_change
from faltung.tensors.memory_order import order_of

__all__ = [
    "PlannedLayer",
    "are_static",
    "autocast",
    "channel_counts",
    "check_dtypes",
    "each_axis",
    "fits",
    "frozen",
    "ndim_of",
    "parts_of",
]

#: With so many channels in each group, and no more taps, torch's kernels are best whatever the shape of the input.
_MANY_CHANNELS, _FEW_TAPS = 32, 49
_LARGEST = 2**31 - 1
#: Tensors that are computed with here, and those without numbers, which stand for them where a graph is made.
_TENSORS = frozenset({torch.Tensor, nn.Parameter, nn.Buffer})
_STAND_INS = (FakeTensor, FunctionalTensor)
#: Attributes that a layer of ours may have, and one of torch's has not.
_OWN = ("method", "flip", "__module__", "cls_to_become", "_known")
#: Attributes that may be lists, which change without being set.
_NUMBERS = ("stride", "padding", "dilation", "output_padding")
#: Most kinds of input that a layer computes without asking its plan again.
_MOST_KNOWN = 64
#: Layers that know such inputs.
_hasty: WeakSet[PlannedLayer] = WeakSet()
_has_static_value = getattr(symbolic_shapes, "has_static_value", None)  # older versions of torch do not tell
_exporting = getattr(torch.compiler, "is_exporting", torch.onnx.is_in_onnx_export)  # torch 2.6 has only the latter


def ndim_of(kernel_size: int | Sequence[int], ndim: int | None) -> int:
    """Return the number of spatial axes of a layer."""
    sizes = len(kernel_size) if isinstance(kernel_size, (tuple, list)) else None
    if ndim is None:
        return 2 if sizes is None else integer("len(kernel_size)", sizes, 1, 3)
    count = integer("ndim", ndim, 1, 3)
    if sizes not in (None, 1, count):
        remedy = "Omit ndim=, or give a single number."
        expected = f"one number for each of {count} spatial axes"
        raise ArgumentError("kernel_size", expected, f"{sizes} of them", remedy)
    return count


def each_axis(name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return a checked integer for each spatial axis; a single one is used for all axes."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(given) == 1:
        given *= count
    if len(given) != count:
        expected = f"{count} integers of at least {least}, or one for all axes"
        raise ArgumentError(name, expected, repr(value))
    return tuple(integer(name, number, least, _LARGEST) for number in given)


def channel_counts(in_channels: int, out_channels: int, groups: int) -> tuple[int, int, int]:
    """Return the checked numbers of channels and groups; torch checks whether they fit together."""
    named = (("in_channels", in_channels, 0), ("out_channels", out_channels, 0), ("groups", groups, 1))
    ins, outs, parts = (integer(name, count, least, _LARGEST) for name, count, least in named)
    return ins, outs, parts


def _kind_of(x: torch.Tensor, w: torch.Tensor) -> tuple[Any, ...]:
    """Return all that a plan depends on besides the attributes of a layer."""
    return x.shape, x.stride(), x.dtype, x.requires_grad, grad_is_on(), w.requires_grad


class _Known(NamedTuple):
    """A plan of outputs, the weight that it is for, and the order of its outputs in memory."""

    plan: LayerPlan
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    order: torch.memory_format


class PlannedLayer(nn.Module):
    """What a layer and its transpose add to torch's: a direction, a method and a plan for every shape of input.

    Attributes
    ----------
    flip : bool
        Whether the layer convolves in the mathematical sense.
    method : str
        The way in which it is computed, ``'auto'`` for that of the plan.
    """

    # A layer that was converted from torch's has no attributes of these names.
    flip: bool = False
    method: str = "auto"

    #: Who computes inputs, by all that their plan depends on; None before there is one.
    _known: dict[tuple[Any, ...], _Known | None] | None = None

    #: Number of spatial axes, and the class of torch that computes the same.
    axes_count: ClassVar[int]
    of_torch: ClassVar[Any]

    groups: int
    padding_mode: Any
    weight: torch.Tensor
    bias: torch.Tensor | None

    def extra_repr(self) -> str:
        """Return as text the arguments that are not the default."""
        text = super().extra_repr()
        return text + ", flip=True" * self.flip + (f", method={self.method}" if self.method != "auto" else "")

    def _choose(self, flip: bool, method: str) -> None:
        self.become_leaf()
        if flip:
            self.flip = True
        if check_method(method) != "auto":
            self.method = method

    # ---- beside torch's tools

    def become_leaf(self) -> None:
        """Let torch.fx take the layer for one of torch's, whose insides are not traced: it reads this attribute."""
        self.__dict__["__module__"] = nn.Conv2d.__module__

    def lacking_in_torch(self) -> str:
        """Return what this layer has and torch's layers lack, or an empty string."""
        if self.flip:
            return "flip=True"
        return "padding_mode='symmetric'" if self.padding_mode == "symmetric" else ""

    def plain_state(self) -> dict[str, Any]:
        """Return the attributes of a layer of torch that computes the same."""
        return {name: value for name, value in vars(self).items() if name not in _OWN}

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what torch.jit.script compiles instead: a layer of torch with the same parameters."""
        lacking = "parametrizations" if is_parametrized(self) else self.lacking_in_torch()
        if lacking:
            remedy = "Use torch.jit.trace, or torch.export."
            raise ArgumentError(
                "obj", "layers that torch can script", f"{lacking} in a {type(self).__name__}", remedy
            )
        plain: nn.Module = object.__new__(self.of_torch)
        plain.__dict__.update(self.plain_state())
        return plain

    @property
    def qconfig(self) -> Any:
        """How torch is to quantise the layer: nothing, since it knows its own layers only."""
        raise AttributeError("qconfig")

    @qconfig.setter
    def qconfig(self, value: object) -> None:
        if value is not None:
            remedy = 'Call faltung.layers.convert(model, to="torch") first.'
            raise ArgumentTypeError(
                "model", "layers of torch, to quantise them", f"faltung's {type(self).__name__}", remedy
            )

    # ---- inputs like those before, in no more time than torch's own layer takes

    @property
    def _is_plain(self) -> bool:
        """Whether no subclass computes something else beneath `forward`."""
        return True

    def _before(self, x: torch.Tensor) -> Any:
        """Return who computed an input like this one before: None is torch, a `_Known` the plan, False unknown.

        Torch's own function is right for every input and every parameter. So nothing is checked here that would make
        it wrong: only what a plan depends on, and of that not how a parameter lies in memory.
        """
        known = self._known
        if known is None or type(x) is not Tensor or autocast_is_on():
            return False
        parameters = self._parameters
        w = parameters.get("weight")
        if w is None or "bias" not in parameters:
            return False
        return known.get(_kind_of(x, w), False)

    def _as_before(self, known: _Known, x: torch.Tensor) -> torch.Tensor | None:
        """Compute the plan that is known for inputs like this one, or return None if something else has changed."""
        plan, shape, strides, dtype, device, order = known
        parameters = self._parameters
        w, bias = parameters["weight"], parameters["bias"]
        assert w is not None
        same = w.shape == shape and w.stride() == strides and w.dtype == dtype and x.device == device
        if not (same and are_plain(x, w, bias) and fits(x, w, bias, plan.result_shape[1])):
            return None
        return plan.compute("correlate", (x, w, bias)).to(dtype).contiguous(memory_format=order)

    def _remember(self, x: torch.Tensor, w: torch.Tensor, plan: LayerPlan | None = None) -> None:
        """Remember who computes an input: torch, or a plan of outputs without gradients.

        What may change without being noticed is not remembered.
        """
        own = self._is_plain and type(x) is Tensor and w is self._parameters.get("weight") and not autocast_is_on()
        if not own or self.lacking_in_torch() or any(isinstance(getattr(self, name), list) for name in _NUMBERS):
            return
        known = None
        if plan is not None:
            if grad_is_on() or not are_plain(x, w):
                return
            known = _Known(plan, w.shape, w.stride(), w.dtype, w.device, order_of(x, w))
        if self._known is None or len(self._known) >= _MOST_KNOWN:
            self.__dict__["_known"] = {}
            _hasty.add(self)
        self.__dict__["_known"][_kind_of(x, w)] = known

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__.pop("_known", None)  # every attribute may change the plan
        super().__setattr__(name, value)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Any:
        self.__dict__.pop("_known", None)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_known"}

    # ---- what is computed, and by whom

    def _who(self, x: torch.Tensor, w: torch.Tensor) -> str:
        """Return who decides how these tensors are computed: the plan, torch, or the plan of a later time.

        Torch's own functions are called, whatever the plan, where others will read or run them: in traced and
        exported programs, and for what only calls itself a tensor, as a proxy of torch.fx, a distributed or quantised
        tensor, or a subclass of somebody, which have their own ways to compute what torch does. In a graph that is
        compiled, and for tensors without numbers, shapes may be symbols; there the layer is planned when it runs.
        """
        if torch.compiler.is_compiling():
            return "torch" if _exporting() or self._always_torch(w) else "later"
        if type(x) in _TENSORS and type(w) in _TENSORS:
            return "plan" if torch._C._get_tracing_state() is None else "torch"
        if not is_tensor_like(x):  # type: ignore[no-untyped-call]
            remedy = "Use torch.from_numpy for an array."
            raise ArgumentTypeError("input", "a tensor", f"a {type(x).__name__}", remedy)
        known = all(type(tensor) in _TENSORS or isinstance(tensor, _STAND_INS) for tensor in (x, w))
        return "later" if known else "torch"

    def _always_torch(self, w: torch.Tensor) -> bool:
        """Whether the layer is left to torch whatever the shape of its input."""
        if self.method != "auto":
            return self.method == "torch"
        channels = min(w.shape[0] // self.groups, w.shape[1])
        return channels >= _MANY_CHANNELS and math.prod(w.shape[2:]) <= _FEW_TAPS

    def _taps(self, w: torch.Tensor) -> torch.Tensor:
        """Return the taps with which samples are correlated."""
        return w.flip([*range(2, w.ndim)]) if self.flip else w

    def _checked(self, shape: Sequence[int], channels: int) -> tuple[int, ...]:
        """Return the shape of an input that the layer can be planned for."""
        expected = f"(images, {channels}, *spatial) with {self.axes_count} spatial axes"
        if not is_sequence(shape):
            raise ArgumentTypeError("shape", expected, repr(shape))
        lengths = tuple(integer("shape", length, 0, _LARGEST) for length in shape)
        if len(lengths) != self.axes_count + 2 or lengths[1] != channels:
            raise ArgumentError("shape", expected, str(lengths))
        return lengths


def _forget_inputs() -> None:
    for layer in list(_hasty):
        vars(layer).pop("_known", None)


on_change(_forget_inputs)


def are_static(*tensors: torch.Tensor) -> bool:
    """Whether a graph that is made knows the shapes of these tensors."""
    if _has_static_value is None:
        return False
    sizes = [n for tensor in tensors for n in (*tensor.shape, *tensor.stride())]
    return all([_has_static_value(n) for n in sizes])  # noqa: C419  # a generator breaks the graph


def autocast(
    x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return the operands of a layer, in the dtype of torch.autocast if it is on."""
    device = x.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return x, w, bias
    if not x.is_floating_point() or x.dtype == torch.float64:
        return x, w, bias
    kind = torch.get_autocast_dtype(device)
    return x.to(kind), w.to(kind), None if bias is None else bias.to(kind)


def check_dtypes(x: torch.dtype, w: torch.dtype) -> None:
    """Refuse an input and a weight of different dtypes."""
    if x != w:
        remedy = "Convert one of them: input.to(layer.weight.dtype), or layer.to(input.dtype)."
        raise InputTypeError("input", f"dtype {w}, which the weights have", f"{x}", remedy)


def parts_of(part: str, x: torch.Tensor, w: torch.Tensor) -> tuple[str, ...]:
    """Return the parts of a layer that are going to be computed: its result, and the gradients that are asked for."""
    if not torch.is_grad_enabled():
        return (part,)
    to_x = ("adjoint" if part == "correlate" else "correlate",) if x.requires_grad else ()
    return (part, *to_x, "taps") if w.requires_grad else (part, *to_x)


def frozen(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return attributes of a layer as a key of a cache: lists become tuples."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def fits(x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None, channels: int) -> bool:
    """Whether weight and bias are where and what torch asks for; otherwise torch says what is wrong."""
    if x.device != w.device:
        return False
    return bias is None or (bias.dtype == x.dtype and bias.shape == (channels,) and bias.device == x.device)
