"""How is a transposed convolutional layer used in torch? As a module that is computed as the gradient of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import nn
from torch.compiler import is_dynamo_compiling
from torch.nn.functional import conv_transpose1d, conv_transpose2d, conv_transpose3d
from torch.nn.modules.conv import _ConvTransposeNd

from faltung.errors import ArgumentError, FaltungError
from faltung.layers.geometry import Geometry, transposition
from faltung.layers.shared import (
    PlannedLayer,
    are_static,
    autocast,
    channel_counts,
    check_dtypes,
    each_axis,
    fits,
    frozen,
    ndim_of,
    parts_of,
)
from faltung.tensors import operator
from faltung.tensors.layer_plan import LayerPlan, plan_layer
from faltung.tensors.layer_wisdom import on_change
from faltung.tensors.memory_order import lie_channels_last

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "ConvTransposed"]

_CONV_TRANSPOSE = {1: conv_transpose1d, 2: conv_transpose2d, 3: conv_transpose3d}


class ConvTransposed(PlannedLayer, _ConvTransposeNd):
    """The transpose of a `Conv`, with which generators and decoders enlarge; made by `Conv.transposed`.

    The parameters are those of `torch.nn.ConvTranspose1d`, `torch.nn.ConvTranspose2d` and
    `torch.nn.ConvTranspose3d`, and of `Conv`; the padding is of zeros.

    Raises
    ------
    ValueError
        An argument cannot be used.

    Examples
    --------
    >>> ConvTransposed(8, 3, 4, stride=2, padding=1)(torch.zeros(1, 8, 16, 16)).shape
    torch.Size([1, 3, 32, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        ndim: int | None = None,
        flip: bool = False,
        method: str = "auto",
    ) -> None:
        count = ndim_of(kernel_size, self.axes_count if ndim is None else ndim)
        in_channels, out_channels, groups = channel_counts(in_channels, out_channels, groups)
        _ConvTransposeNd.__init__(
            self,
            in_channels,
            out_channels,
            each_axis("kernel_size", kernel_size, count),
            each_axis("stride", stride, count),
            each_axis("padding", padding, count, least=0),
            each_axis("dilation", dilation, count),
            True,
            each_axis("output_padding", output_padding, count, least=0),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        self._choose(flip, method)

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """Return a new `ConvTranspose1d`, `ConvTranspose2d` or `ConvTranspose3d`: the number of axes says which."""
        if cls is not ConvTransposed:
            return super().__new__(cls)
        kernel_size = named.get("kernel_size", arguments[2] if len(arguments) > 2 else 1)
        return super().__new__(_BY_AXES[ndim_of(kernel_size, named.get("ndim"))])

    # What asks for the signature of the class gets that of its arguments.
    __new__.__wrapped__ = __init__  # type: ignore[attr-defined]

    def forward(self, input: torch.Tensor, output_size: Sequence[int] | None = None) -> torch.Tensor:
        """Map ``(images, channels in, *spatial)``, or one such image, to ``(images, channels out, *spatial)``."""
        if output_size is None and not is_dynamo_compiling() and self._before(input) is None:
            return self._by_torch(input, self._parameters["weight"], self._parameters["bias"], None)  # type: ignore[arg-type]
        x, w, bias = input, self.weight, self.bias
        who = self._who(x, w)
        if who == "torch" or self.padding_mode != "zeros":
            return self._by_torch(x, w, bias, output_size)
        if torch._C._is_any_autocast_enabled():
            x, w, bias = autocast(x, w, bias)
        attributes = self._attributes(x, output_size)
        left, found = self._decided(who, x, w, attributes, output_size)
        if left:
            return self._by_torch(x, w, bias, output_size)
        if x.ndim == self.axes_count + 1:
            return self.forward(input.unsqueeze(0), output_size).squeeze(0)
        check_dtypes(x.dtype, w.dtype)
        if who == "later":
            found = transposition(x.shape, w.shape, *attributes)
        if found is None or not fits(x, w, bias, w.shape[1] * self.groups):
            return self._by_torch(x, w, bias, output_size)
        return self._by_plan(x, w, bias, found)

    def _decided(self, who: str, x: torch.Tensor, w: torch.Tensor, attributes: tuple[Any, ...], size: Any) -> Any:
        """Return whether torch computes this, and the geometry if the plan is made now."""
        if who != "plan":
            return self._left_in_graph(x, w, attributes), None
        plan, found = self._chosen(x, w, attributes)
        left = plan is None or plan.left_to_torch(*parts_of("adjoint", x, w))
        if left and plan is not None and size is None:
            self._remember(x, w)
        return left, found

    def _by_plan(self, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None, found: Any) -> torch.Tensor:
        """Transpose in the ways that the plan chose."""
        lengths, (stride, start, _, *rest) = found
        y: torch.Tensor = operator.adjoint(x, self._taps(w), lengths, stride, start, *rest, self.method, 0)
        return y if bias is None else y + bias.reshape(-1, *[1] * len(lengths))

    def _by_torch(
        self, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None, output_size: Sequence[int] | None
    ) -> torch.Tensor:
        """Transpose by the function that torch's own layer calls."""
        if self.padding_mode != "zeros":
            return cast(torch.Tensor, super().forward(x, output_size))  # which refuses it
        stride, padding, more, dilation, groups = self._attributes(x, output_size)
        enlarge: Any = _CONV_TRANSPOSE[self.axes_count]
        y: torch.Tensor = enlarge(x, self._taps(w), bias, stride, padding, more, groups, dilation)
        return y

    def _attributes(self, x: torch.Tensor, output_size: Sequence[int] | None = None) -> tuple[Any, ...]:
        """Return stride, padding, output padding, dilation and groups.

        Several shapes are mapped to the same one by the layer: torch's output padding says which one is meant.
        """
        more: Any = self.output_padding
        if output_size is not None:
            found: Any = self._output_padding
            more = found(x, output_size, self.stride, self.padding, self.kernel_size, self.axes_count, self.dilation)
        return self.stride, self.padding, more, self.dilation, self.groups

    def _chosen(self, x: torch.Tensor, w: torch.Tensor, attributes: tuple[Any, ...]) -> Any:
        tensors = (x.shape, x.stride(), w.shape, w.stride(), x.dtype, w.dtype, x.device, self.method)
        try:
            return _chosen(attributes, *tensors)
        except TypeError:  # lists are no keys
            return _chosen(frozen(attributes), *tensors)

    def _left_in_graph(self, x: torch.Tensor, w: torch.Tensor, attributes: tuple[Any, ...]) -> bool:
        """Whether torch's own function is called in a graph that is compiled, for shapes that it knows."""
        if not is_dynamo_compiling() or not are_static(x, w):
            return False
        tensors = (tuple(x.shape), tuple(x.stride()), tuple(w.shape), tuple(w.stride()), x.dtype, w.dtype, x.device)
        return _left_in_graph(frozen(attributes), *tensors, self.method, parts_of("adjoint", x, w))

    def plan(self, shape: Sequence[int], *, channels_last: bool = False) -> LayerPlan:
        """Return how the layer and its gradients are computed; its outputs are the ``adjoint`` of a `Conv`.

        Parameters
        ----------
        shape : sequence of int
            Of the input: ``(images, channels, *spatial)``.
        channels_last : bool
            Whether its channels are last in memory.

        Examples
        --------
        >>> ConvTransposed(64, 32, 4, stride=2).plan((1, 64, 16, 16)).method_of("adjoint")
        'torch'
        """
        source = self._checked(shape, self.weight.shape[0])
        plan, _ = self._planned(source, self.weight.dtype, self.weight.device, channels_last)
        if plan is None:
            raise ArgumentError("shape", "an input with outputs, and attributes that torch takes", str(source))
        return plan

    def _planned(self, shape: Sequence[int], *how: Any) -> _Found:
        """Return the plan and the geometry for a shape; `how` is dtype, device, and whether channels are last."""
        attributes = frozen((self.stride, self.padding, self.output_padding, self.dilation, self.groups))
        return _planned(attributes, shape, self.weight.shape, *how, self.method)


class ConvTranspose1d(ConvTransposed, nn.ConvTranspose1d):
    """A `ConvTransposed` with one spatial axis: a `torch.nn.ConvTranspose1d` that plans how it is computed.

    Examples
    --------
    >>> isinstance(ConvTransposed(2, 4, 3, ndim=1), ConvTranspose1d)
    True
    """

    axes_count, of_torch = 1, nn.ConvTranspose1d


class ConvTranspose2d(ConvTransposed, nn.ConvTranspose2d):
    """A `ConvTransposed` with two spatial axes: a `torch.nn.ConvTranspose2d` that plans how it is computed.

    Examples
    --------
    >>> isinstance(ConvTransposed(2, 4, 3), ConvTranspose2d)
    True
    """

    axes_count, of_torch = 2, nn.ConvTranspose2d


class ConvTranspose3d(ConvTransposed, nn.ConvTranspose3d):
    """A `ConvTransposed` with three spatial axes: a `torch.nn.ConvTranspose3d` that plans how it is computed.

    Examples
    --------
    >>> isinstance(ConvTransposed(2, 4, 3, ndim=3), ConvTranspose3d)
    True
    """

    axes_count, of_torch = 3, nn.ConvTranspose3d


_BY_AXES: dict[int, type[ConvTransposed]] = {1: ConvTranspose1d, 2: ConvTranspose2d, 3: ConvTranspose3d}


#: A plan and the geometry of a layer, or None for both if torch has to judge its attributes.
_Found = tuple[LayerPlan, tuple[tuple[int, ...], Geometry]] | tuple[None, None]


@lru_cache(maxsize=2048)
def _chosen(
    attributes: tuple[Any, ...],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    taps: tuple[int, ...],
    taps_strides: tuple[int, ...],
    dtype: torch.dtype,
    taps_dtype: torch.dtype,
    device: torch.device,
    method: str,
) -> _Found:
    """Return what was decided for tensors that lie in memory like these."""
    check_dtypes(dtype, taps_dtype)
    if len(shape) == len(taps) - 1:  # one image
        shape, strides = (1, *shape), (0, *strides)
    last = lie_channels_last(shape, strides) or lie_channels_last(taps, taps_strides)
    return _planned(attributes, shape, taps, dtype, device, last, method)


def _left_in_graph(*asked: Any) -> bool:
    """Return what a graph does for all tensors like these; the parts of the layer come last."""
    *tensors, parts = asked
    try:
        plan, _ = _chosen(*tensors)
    except FaltungError:  # which is raised when the graph runs
        return False
    return plan is not None and plan.left_in_graph(*parts)


# As torch.compiler.assume_constant_result does it, without loading the compiler.
_left_in_graph._dynamo_marked_constant = True  # type: ignore[attr-defined]
on_change(_chosen.cache_clear)


def _planned(attributes: tuple[Any, ...], shape: Sequence[int], taps: Sequence[int], *how: Any) -> _Found:
    found = transposition(shape, taps, *attributes)
    if found is None:
        return None, None
    lengths, geometry = found
    source = (shape[0], taps[1] * geometry[4], *lengths)
    return plan_layer(operator.layer_of(source, tuple(taps), *geometry), *how), found
