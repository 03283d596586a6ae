"""How does a network follow its input better? It is blurred before every subsampling."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from faltung.errors import ArgumentTypeError
from faltung.front import convolve
from faltung.ground.checks import integer
from faltung.kernels import binomial

__all__ = ["BlurredSubsampling", "antialias"]

_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_MEANS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class BlurredSubsampling(nn.Module):
    """Keeps every s-th position along each axis, after a binomial filter.

    Parameters
    ----------
    stride : tuple of int
        For each spatial axis; an axis of stride 1 is left as it is.
    order : int, optional
        Order of the binomial filter, which has ``order + 1`` taps.
    mode : str, optional
        How feature maps go on beyond their border.

    Examples
    --------
    >>> BlurredSubsampling((2,))(torch.tensor([[[0.0, 0, 4, 0, 0]]]))
    tensor([[[0., 2., 0.]]])
    """

    def __init__(self, stride: tuple[int, ...], order: int = 2, mode: str = "mirror") -> None:
        super().__init__()
        self.mode, self.stride, self.order, self.kernel_size = mode, stride, order, (order + 1,) * len(stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        r"""Return the positions that are kept; `x` has the shape (batch, channels, \*spatial)."""
        strided = [axis for axis, step in enumerate(self.stride) if step > 1]
        axes = tuple(axis - len(self.stride) for axis in strided)
        kernel = binomial(self.order, ndim=len(axes))
        steps = tuple(self.stride[axis] for axis in strided)
        return convolve(x, kernel, self.mode, axes=axes, stride=steps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return stride and order, and the mode if it is another than usual."""
        return f"{self.stride}, order={self.order}" + (f", mode={self.mode!r}" if self.mode != "mirror" else "")


def antialias(model: nn.Module, order: int = 2) -> nn.Module:
    """Return a copy of a network in which a blur comes before every subsampling.

    - A convolution with a stride has stride 1, then blur and stride. With one tap, blur and stride come first: that
      is the same with less work.
    - A maximum or mean over windows with a stride has stride 1, then blur and stride.

    The blur mirrors at the border; behind a convolution with circular padding it goes round.

    Shapes of outputs do not change. The weights are kept; training goes on best from there. To see what it changes,
    make both cards: ``card(model, x).compare(card(antialias(model), x))``.

    Parameters
    ----------
    model : torch.nn.Module
        Any network; it is not changed. Left as they are: functions that subsample, such as
        ``torch.nn.functional.max_pool2d``, subclasses of torch's layers with a forward of their own, pooling with
        ``ceil_mode`` or ``return_indices``, and other layers than convolutions, maxima and means.
    order : int, optional
        Order of the binomial filter, from 1 to 16: it has ``order + 1`` taps.

    Returns
    -------
    torch.nn.Module
        The copy. In place of a module there is a `torch.nn.Sequential` of the module, with stride 1, and of the blur.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used.

    References
    ----------
    R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019.

    Examples
    --------
    >>> import torch
    >>> import faltung as fa
    >>> fa.inspect.antialias(torch.nn.Sequential(torch.nn.MaxPool2d(2)))
    Sequential(
      (0): Sequential(
        (0): MaxPool2d(kernel_size=2, stride=1, padding=0, dilation=1, ceil_mode=False)
        (1): BlurredSubsampling((2, 2), order=2)
      )
    )
    """
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError("model", "a torch.nn.Module", type(model).__name__)
    order = integer("order", order, 1, 16)
    holder = nn.ModuleDict({"model": copy.deepcopy(model)})
    made: dict[int, nn.Module] = {}  # a module that has two names stays one module
    for owner in [*holder.modules()]:
        for name, child in [*owner._modules.items()]:
            if child is not None and id(child) not in made:
                made[id(child)] = _blurred(child, order)
            owner._modules[name] = child and made[id(child)]
    return holder["model"]


def _blurred(module: Any, order: int) -> nn.Module:
    """Return a module with a blur before its stride, or the module itself if it has none."""
    axes = _axes(module)
    if not axes:
        return module  # type: ignore[no-any-return]
    stride = _each(module.stride, axes)
    if {*stride} == {1} or getattr(module, "ceil_mode", False) or getattr(module, "return_indices", False):
        return module  # type: ignore[no-any-return]
    convolves = isinstance(module, nn.modules.conv._ConvNd)
    # Where the input of the layer goes round, its feature maps do, too.
    circular = convolves and module.padding_mode == "circular"
    ones, blur = (1,) * axes, BlurredSubsampling(stride, order, "wrap" if circular else "mirror")
    # One tap without padding reads single positions, so it may as well come last.
    first = convolves and (module.kernel_size, module.padding) in ((ones, (0,) * axes), (ones, "valid"))
    module.stride = ones if convolves or axes == 1 else 1
    both = nn.Sequential(*((blur, module) if first else (module, blur)))
    both.training = module.training
    return both


def _axes(module: nn.Module) -> int:
    """Return the number of spatial axes of a layer that can subsample, or 0 for any other module."""
    for kinds in (_CONVOLUTIONS, _POOLS, _MEANS):
        for axes, kind in enumerate(kinds, 1):
            ours = kinds is _CONVOLUTIONS and type(module).__module__.startswith("faltung.")
            if isinstance(module, kind) and (vars(kind)["forward"] is getattr(type(module), "forward", None) or ours):
                return axes
    return 0


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
