"""How is a transposed convolutional layer used in torch? As a module that is computed as the gradient of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import conv_transpose1d, conv_transpose2d, conv_transpose3d
from torch.nn.modules.conv import _ConvTransposeNd

from faltung.errors import ArgumentError
from faltung.layers.shared import PlannedLayer, channel_counts, each_axis, left_to_torch, ndim_of
from faltung.tensors import operator
from faltung.tensors.layer_plan import LayerPlan

__all__ = ["ConvTransposed"]

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
        count = ndim_of(kernel_size, ndim)
        in_channels, out_channels, groups = channel_counts(in_channels, out_channels, groups)
        super().__init__(
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

    @property
    def _zeros(self) -> tuple[int, ...]:
        assert not isinstance(self.padding, str)
        return self.padding

    def forward(self, input: torch.Tensor, output_size: Sequence[int] | None = None) -> torch.Tensor:
        """Map (images, channels in, *spatial), or one such image, to (images, channels out, *spatial)."""
        # Several shapes are mapped to the same one by the layer: torch's output padding says which one is meant.
        more = self._output_padding(
            input,
            None if output_size is None else list(output_size),
            list(self.stride),
            list(self._zeros),
            list(self.kernel_size),
            len(self.kernel_size),
            list(self.dilation),
        )
        for extra, stride, dilation in zip(more, self.stride, self.dilation, strict=True):
            if extra and extra >= max(stride, dilation):
                expected = f"less than the stride {self.stride} or the dilation {self.dilation} on each axis"
                raise ArgumentError("output_padding", expected, str(tuple(more)))
        return self._batched(input, lambda x: self._forward(x, tuple(more)))

    def _forward(self, x: torch.Tensor, more: tuple[int, ...]) -> torch.Tensor:
        x, w, bias = self._operands(x)
        lengths, geometry = self._geometry(x.shape, more)
        by_torch = self._always_torch()
        if not torch.compiler.is_compiling():
            layer = self._layer((x.shape[0], self.out_channels, *lengths), geometry)
            by_torch = left_to_torch(operator.plan_of(layer, x, self.method), "adjoint", x, w)
        if by_torch:
            enlarge: Any = _CONV_TRANSPOSE[len(lengths)]
            arguments = (self.stride, self.padding, more, self.groups, self.dilation)
            return enlarge(x, w, bias, *arguments)  # type: ignore[no-any-return]
        stride, start, _, dilation, groups, mode = geometry
        y: torch.Tensor = operator.adjoint(x, w, lengths, stride, start, dilation, groups, mode, self.method, 0)
        return y if bias is None else y + bias.reshape(-1, *[1] * len(lengths))

    def _geometry(self, shape: Sequence[int], more: Sequence[int]) -> tuple[tuple[int, ...], tuple[Any, ...]]:
        """Return the lengths of the result, and the geometry of the layer of which this one is the transpose."""
        lengths = tuple(
            (length - 1) * s - 2 * p + d * (k - 1) + m + 1
            for length, s, p, d, k, m in zip(
                shape[2:], self.stride, self._zeros, self.dilation, self.kernel_size, more, strict=True
            )
        )
        if not torch.compiler.is_compiling() and (min(lengths) < 1 or 0 in shape[1:]):
            remedy = "Use less padding, or make the input larger."
            raise ArgumentError("input", "a shape with an output for every axis", f"shape {tuple(shape)}", remedy)
        start = tuple(-p for p in self._zeros)
        return lengths, (self.stride, start, tuple(shape[2:]), self.dilation, self.groups, "constant")

    def plan(self, shape: Sequence[int], *, channels_last: bool = False) -> LayerPlan:
        """Return how the layer and its gradients are computed; its outputs are the ``adjoint`` of a `Conv`.

        Parameters
        ----------
        shape : sequence of int
            Of the input: (images, channels, *spatial).
        channels_last : bool
            Whether its channels are last in memory.

        Examples
        --------
        >>> ConvTransposed(64, 32, 4, stride=2).plan((1, 64, 16, 16)).method_of("adjoint")
        'torch'
        """
        source = self._checked(shape)
        lengths, geometry = self._geometry(source, self.output_padding)
        return self._plan(self._layer((source[0], self.out_channels, *lengths), geometry), channels_last)
