"""How is a convolutional layer used in torch? As a module that plans how it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch.nn.modules.conv import _ConvNd

from faltung.errors import ArgumentError
from faltung.layers.shared import MODES, PlannedLayer, channel_counts, each_axis, left_to_torch, ndim_of
from faltung.layers.transposed import ConvTransposed
from faltung.tensors import operator
from faltung.tensors.layer_plan import LayerPlan
from faltung.tensors.ways import torch_kernels

__all__ = ["Conv"]


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
    method : {'auto', 'direct', 'triton', 'torch', 'fourier'}
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
    A tensor is (images, channels, *spatial), or without the first axis. Gradients of every order are computed with
    the same operator, under `torch.autocast`, `torch.compile`, `torch.export` and `torch.vmap` too. Half-precision
    tensors of the CPU are added up in single precision. Fourier transforms are used where many taps make them
    cheaper; their rounding errors are small relative to the largest output.

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
        count = ndim_of(kernel_size, ndim)
        if padding_mode not in MODES:
            raise ArgumentError("padding_mode", f"one of {', '.join(map(repr, MODES))}", repr(padding_mode))
        sizes, strides, dilations = (
            each_axis(name, value, count)
            for name, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
        )
        in_channels, out_channels, groups = channel_counts(in_channels, out_channels, groups)
        margins = padding if isinstance(padding, str) else each_axis("padding", padding, count, least=0)
        super().__init__(
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
            _torch_mode(padding_mode),
            device=device,
            dtype=dtype,
        )
        self.padding_mode: Any = padding_mode
        self._choose(flip, method)

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
        """Map (images, channels in, *spatial), or one such image, to (images, channels out, *spatial)."""
        return self._batched(input, self._forward)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        x, w, bias = self._operands(x)
        geometry = self._geometry(x.shape)
        if torch.compiler.is_compiling():
            # Shapes may be symbols here, so the layer is planned when it runs, unless torch is best for all shapes.
            if self._always_torch() and self.padding_mode == "zeros" and not isinstance(self.padding, str):
                zeros, stride, dilation = self.padding, self.stride, self.dilation
                return torch_kernels.convolution(x, w, bias, stride, zeros, dilation, self.groups)
            return operator.correlate(x, w, bias, *geometry, self.method, 0)
        layer = self._layer(x.shape, geometry)
        if left_to_torch(operator.plan_of(layer, x, self.method), "correlate", x, w):
            return torch_kernels.correlate(layer, x, w, bias)
        return operator.correlate(x, w, bias, *geometry, self.method, 0)

    def _geometry(self, shape: Sequence[int]) -> Any:
        """Return stride, first position, outputs, dilation, groups and mode, as the operator takes them."""
        # Where a graph is made, shapes may be symbols, which a cache must not keep.
        geometry = _geometry.__wrapped__ if torch.compiler.is_compiling() else _geometry
        sizes, mode = self.kernel_size, self.padding_mode
        return geometry(shape, sizes, self.stride, self.padding, self.dilation, self.groups, mode)

    def plan(self, shape: Sequence[int], *, channels_last: bool = False) -> LayerPlan:
        """Return how the layer and its gradients are computed for inputs of one shape, and why.

        Parameters
        ----------
        shape : sequence of int
            Of the input: (images, channels, *spatial).
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
        source = self._checked(shape)
        return self._plan(self._layer(source, self._geometry(source)), channels_last)


def _torch_mode(padding_mode: str) -> Any:
    """Return a mode that torch's constructor accepts; it only distinguishes zeros from all others."""
    return "circular" if padding_mode == "symmetric" else padding_mode


@lru_cache(maxsize=1024)
def _geometry(
    shape: tuple[int, ...],
    sizes: tuple[int, ...],
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    padding_mode: str,
) -> tuple[Any, ...]:
    starts, outputs = [], []
    for k, length in enumerate(shape[2:]):
        reach = dilation[k] * (sizes[k] - 1)
        if isinstance(padding, str):
            low, both = (reach // 2, reach) if padding == "same" else (0, 0)
        else:
            low, both = padding[k], 2 * padding[k]
        starts.append(-low)
        outputs.append((length + both - reach - 1) // stride[k] + 1)
    if not torch.compiler.is_compiling() and (min(outputs) < 1 or 0 in shape[1:]):
        expected = f"spatial axes at least as long as the kernel, {sizes} with dilation {dilation}"
        remedy = "Add padding, or make the input larger."
        raise ArgumentError("input", expected, f"shape {tuple(shape)} with padding {padding}", remedy)
    return stride, tuple(starts), tuple(outputs), dilation, groups, MODES[padding_mode]
