"""How is a convolutional layer used in torch? As a module that plans how it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.compiler import is_dynamo_compiling
from torch.nn.modules.conv import _ConvNd

from faltung.errors import ArgumentError, FaltungError
from faltung.layers.geometry import MODES, Geometry, correlation, torch_can_pad
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
from faltung.layers.transposed import ConvTransposed
from faltung.tensors import operator
from faltung.tensors.layer_plan import LayerPlan, plan_layer
from faltung.tensors.layer_wisdom import on_change
from faltung.tensors.memory_order import lie_channels_last
from faltung.tensors.ways import torch_kernels

__all__ = ["Conv", "Conv1d", "Conv2d", "Conv3d"]


class Conv(PlannedLayer, _ConvNd):
    """A convolutional layer for series, images and volumes, which plans how it is computed.

    It takes the arguments of `torch.nn.Conv1d`, `torch.nn.Conv2d` and `torch.nn.Conv3d`, computes the same, and has
    the same parameters under the same names. For every shape of input it plans the fastest way: torch's own kernels,
    or others for depthwise layers, large kernels and few channels. `plan` says which, and why.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    kernel_size : int or tuple of int
        Taps along each spatial axis.
    stride : int or tuple of int
        Samples between neighbouring outputs.
    padding : int, tuple of int, 'same' or 'valid'
        Samples by which both ends of each axis are extended; ``'same'`` keeps the shape.
    dilation : int or tuple of int
        Samples between neighbouring taps.
    groups : int
        Groups of channels that are connected with each other only.
    bias : bool
        Whether a number is added to each channel.
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular', 'symmetric'}
        How the input continues beyond its border. ``'symmetric'``, which torch lacks, is ``c b a | a b c``.
    device, dtype
        Of the parameters.
    ndim : int, optional
        Number of spatial axes, 1 to 3. The default is the length of `kernel_size`, or 2 if that is a number.
    flip : bool
        Whether to convolve in the mathematical sense, ``y[n] = sum of w[m] x[n - m]``. By default layers correlate,
        which other libraries call convolution.
    method : {'auto', 'direct', 'winograd', 'triton', 'torch', 'fourier'}
        The way in which it is computed; by default the plan chooses.

    Raises
    ------
    ValueError
        An argument cannot be used.

    See Also
    --------
    convert : put such layers in place of those of a whole model.

    Notes
    -----
    A tensor is ``(images, channels, *spatial)``, or without the first axis. Gradients of every order are computed
    with the same operator, under `torch.autocast`, `torch.compile`, `torch.export` and `torch.vmap` too.
    Half-precision tensors of the CPU are added up in single precision. Fourier transforms are used where many taps
    make them cheaper; their rounding errors are small relative to the largest output.

    Machine code runs on the number of threads that `faltung.workers` or ``FALTUNG_WORKERS`` sets where a layer or its
    backward pass is called, or else on as many as torch uses. The result does not depend on it.

    Examples
    --------
    >>> layer = Conv(96, 96, 31, padding=15, groups=96)
    >>> layer(torch.zeros(1, 96, 56, 56)).shape
    torch.Size([1, 96, 56, 56])
    >>> layer.plan((1, 96, 56, 56)).method_of("correlate")
    'direct'
    >>> Conv(2, 4, 9, ndim=1)(torch.zeros(8, 2, 100)).shape
    torch.Size([8, 4, 92])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | str | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        ndim: int | None = None,
        flip: bool = False,
        method: str = "auto",
    ) -> None:
        count = ndim_of(kernel_size, self.axes_count if ndim is None else ndim)
        if padding_mode not in MODES:
            raise ArgumentError("padding_mode", f"one of {', '.join(map(repr, MODES))}", repr(padding_mode))
        sizes, strides, dilations = (
            each_axis(name, value, count)
            for name, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
        )
        in_channels, out_channels, groups = channel_counts(in_channels, out_channels, groups)
        margins = padding if isinstance(padding, str) else each_axis("padding", padding, count, least=0)
        _ConvNd.__init__(
            self,
            in_channels,
            out_channels,
            sizes,
            strides,
            margins,
            dilations,
            False,
            (0,) * count,
            groups,
            bias,
            # torch's constructor only tells zeros from other modes
            "circular" if padding_mode == "symmetric" else padding_mode,  # type: ignore[arg-type]
            device=device,
            dtype=dtype,
        )
        self.padding_mode = padding_mode
        self._choose(flip, method)

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """Return a new `Conv1d`, `Conv2d` or `Conv3d`: the number of axes says which."""
        if cls is not Conv:
            return super().__new__(cls)
        kernel_size = named.get("kernel_size", arguments[2] if len(arguments) > 2 else 1)
        return super().__new__(_BY_AXES[ndim_of(kernel_size, named.get("ndim"))])

    # What asks for the signature of the class gets that of its arguments.
    __new__.__wrapped__ = __init__  # type: ignore[attr-defined]

    @staticmethod
    def transposed(  # type: ignore[override]  # torch's layers have an attribute of this name, which is False
        *arguments: Any, **named: Any
    ) -> ConvTransposed:
        """Return the transposed layer, a `ConvTransposed` made with these arguments.

        Examples
        --------
        >>> Conv.transposed(8, 3, 4, stride=2, padding=1)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 3, 32, 32])
        """
        return ConvTransposed(*arguments, **named)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map ``(images, channels in, *spatial)``, or one such image, to ``(images, channels out, *spatial)``."""
        if not is_dynamo_compiling():
            known = self._before(input)
            if known is None:
                w, bias = self._parameters["weight"], self._parameters["bias"]
                return self.of_torch._conv_forward(self, input, w, bias)  # type: ignore[no-any-return]
            if known and (y := self._as_before(known, input)) is not None:
                return y
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Correlate with a weight and a bias that need not be those of the layer, as torch's layers do."""
        who, x, w = self._who(input, weight), input, weight
        if who == "torch":
            return self._by_torch(x, w, bias)
        if torch._C._is_any_autocast_enabled():
            x, w, bias = autocast(x, w, bias)
        if who == "plan":
            chosen = self._chosen(x, w)
            if chosen is None or chosen.plan.left_to_torch(*parts_of("correlate", x, w)):
                if chosen is not None and chosen.torch_pads:
                    self._remember(x, w)
                return self._by_torch(x, w, bias, chosen)
        elif self._left_in_graph(x, w):
            return self._by_torch(x, w, bias)
        if x.ndim == self.axes_count + 1:
            return self._conv_forward(input.unsqueeze(0), weight, bias).squeeze(0)
        check_dtypes(x.dtype, w.dtype)
        geometry = correlation(x.shape, w.shape, *self._attributes()) if who == "later" else chosen.geometry  # type: ignore[union-attr]
        if geometry is None or not fits(x, w, bias, w.shape[0]):
            return self._by_torch(x, w, bias)
        if who == "plan":
            self._remember(x, w, chosen.plan)  # type: ignore[union-attr]
        return self._by_plan(x, w, bias, geometry)

    @property
    def _is_plain(self) -> bool:
        """Whether no subclass computes something else."""
        return type(self)._conv_forward is Conv._conv_forward

    def _by_plan(
        self, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry
    ) -> torch.Tensor:
        """Correlate in the ways that the plan chose."""
        return operator.correlate(x, self._taps(w), bias, *geometry, self.method, 0)

    def _by_torch(
        self, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None, chosen: _Chosen | None = None
    ) -> torch.Tensor:
        """Correlate by the functions that torch's own layer calls; a mode that torch lacks is computed first."""
        if self.flip:
            w = self._taps(w)
        if chosen is not None and not chosen.torch_pads:
            layer, one = chosen.plan.problem, x.ndim == self.axes_count + 1
            y = torch_kernels.correlate(layer, x.unsqueeze(0) if one else x, w, bias)
            return y.squeeze(0) if one else y
        if self.padding_mode != "symmetric":
            return super()._conv_forward(x, w, bias)
        x = _symmetric(x, self._reversed_padding_repeated_twice)
        zeros = (0,) * self.axes_count
        return torch_kernels.convolution(x, w, bias, self.stride, zeros, self.dilation, self.groups)

    def _attributes(self) -> tuple[Any, ...]:
        mode = self.padding_mode
        margins = () if mode == "zeros" else tuple(self._reversed_padding_repeated_twice)
        return self.stride, self.padding, self.dilation, self.groups, mode, margins

    def _chosen(self, x: torch.Tensor, w: torch.Tensor) -> _Chosen | None:
        attributes = self._attributes()
        tensors = (x.shape, x.stride(), w.shape, w.stride(), x.dtype, w.dtype, x.device, self.method)
        try:
            return _chosen(attributes, *tensors)
        except TypeError:  # lists are no keys
            return _chosen(frozen(attributes), *tensors)

    def _left_in_graph(self, x: torch.Tensor, w: torch.Tensor) -> bool:
        """Whether torch's own function is called in a graph that is compiled, for shapes that it knows."""
        if not is_dynamo_compiling() or not are_static(x, w):
            return False
        tensors = (tuple(x.shape), tuple(x.stride()), tuple(w.shape), tuple(w.stride()), x.dtype, w.dtype, x.device)
        return _left_in_graph(frozen(self._attributes()), *tensors, self.method, parts_of("correlate", x, w))

    def plan(self, shape: Sequence[int], *, channels_last: bool = False) -> LayerPlan:
        """Return how the layer and its gradients are computed for inputs of one shape, and why.

        Parameters
        ----------
        shape : sequence of int
            Of the input: ``(images, channels, *spatial)``.
        channels_last : bool
            Whether its channels are last in memory.

        Returns
        -------
        LayerPlan
            It prints as a table.

        Examples
        --------
        >>> Conv(64, 64, 3, padding=1).plan((16, 64, 56, 56)).method_of("taps")
        'torch'
        """
        source = self._checked(shape, self.weight.shape[1] * self.groups)
        plan, _ = self._planned(source, self.weight.dtype, self.weight.device, channels_last)
        if plan is None:
            raise ArgumentError("shape", "an input with outputs, and attributes that torch takes", str(source))
        return plan

    def _planned(self, shape: Sequence[int], *how: Any) -> tuple[LayerPlan, Geometry] | tuple[None, None]:
        """Return the plan and the geometry for a shape; `how` is dtype, device, and whether channels are last."""
        chosen = _planned(frozen(self._attributes()), shape, self.weight.shape, *how, self.method)
        return (None, None) if chosen is None else (chosen.plan, chosen.geometry)


class Conv1d(Conv, nn.Conv1d):
    """A `Conv` with one spatial axis: a `torch.nn.Conv1d` that plans how it is computed.

    Examples
    --------
    >>> isinstance(Conv(2, 4, 9, ndim=1), Conv1d), isinstance(Conv1d(2, 4, 9), nn.Conv1d)
    (True, True)
    """

    axes_count, of_torch = 1, nn.Conv1d


class Conv2d(Conv, nn.Conv2d):
    """A `Conv` with two spatial axes: a `torch.nn.Conv2d` that plans how it is computed.

    Examples
    --------
    >>> isinstance(Conv(2, 4, 3), Conv2d), isinstance(Conv2d(2, 4, 3), nn.Conv2d)
    (True, True)
    """

    axes_count, of_torch = 2, nn.Conv2d


class Conv3d(Conv, nn.Conv3d):
    """A `Conv` with three spatial axes: a `torch.nn.Conv3d` that plans how it is computed.

    Examples
    --------
    >>> isinstance(Conv(2, 4, 3, ndim=3), Conv3d), isinstance(Conv3d(2, 4, 3), nn.Conv3d)
    (True, True)
    """

    axes_count, of_torch = 3, nn.Conv3d


_BY_AXES: dict[int, type[Conv]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}


class _Chosen(NamedTuple):
    """What was decided for shapes and attributes; whether torch's function can extend the input across its border."""

    plan: LayerPlan
    geometry: Geometry
    torch_pads: bool


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
) -> _Chosen | None:
    """Return the plan for tensors that lie in memory like these, or None if torch has to judge them."""
    check_dtypes(dtype, taps_dtype)
    if len(shape) == len(taps) - 1:  # one image
        shape, strides = (1, *shape), (0, *strides)
    last = lie_channels_last(shape, strides) or lie_channels_last(taps, taps_strides)
    return _planned(attributes, shape, taps, dtype, device, last, method)


def _left_in_graph(*asked: Any) -> bool:
    """Return what a graph does for all tensors like these; the parts of the layer come last."""
    *tensors, parts = asked
    try:
        chosen = _chosen(*tensors)
    except FaltungError:  # which is raised when the graph runs
        return False
    return chosen is not None and chosen.torch_pads and chosen.plan.left_in_graph(*parts)


# As torch.compiler.assume_constant_result does it, without loading the compiler.
_left_in_graph._dynamo_marked_constant = True  # type: ignore[attr-defined]
on_change(_chosen.cache_clear)


def _planned(attributes: tuple[Any, ...], shape: Sequence[int], taps: Sequence[int], *how: Any) -> _Chosen | None:
    geometry = correlation(shape, taps, *attributes)
    if geometry is None:
        return None
    *_, mode, margins = attributes
    lengths = [n for n in reversed(shape[2:]) for _ in range(2)]
    pads = all(torch_can_pad(mode, n, margin) for n, margin in zip(lengths, margins, strict=False))
    return _Chosen(plan_layer(operator.layer_of(tuple(shape), tuple(taps), *geometry), *how), geometry, pads)


def _symmetric(x: torch.Tensor, margins: Sequence[int]) -> torch.Tensor:
    """Extend an input, ``c b a | a b c``, by functions that any program can be made of."""
    for k in range(len(margins) // 2):
        axis, (low, high) = x.ndim - 1 - k, margins[2 * k : 2 * k + 2]
        before, after = x.narrow(axis, 0, low), x.narrow(axis, x.shape[axis] - high, high)
        x = torch.cat([before.flip(axis), x, after.flip(axis)], axis)
    return x
