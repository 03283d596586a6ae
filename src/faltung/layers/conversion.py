"""Whose layers does a model have? Those of torch are exchanged for ours, and back."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.layers.conv import Conv
from faltung.layers.transposed import ConvTransposed

__all__ = ["CONVOLUTIONS", "convert"]

_Model = TypeVar("_Model", bound=nn.Module)

_PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
CONVOLUTIONS = (Conv, *_PLAIN.values())
"""Classes of convolutional layers, ours and torch's, that are not transposed."""
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def convert(model: _Model, to: str = "faltung") -> _Model:
    """Swap the convolutional layers of a model, in place, for those of this module, or back for torch's.

    Layers stay the same objects, with their parameters, hooks and names: optimisers and state dicts go on as if
    nothing had happened, and results differ by rounding only. Subclasses of torch's layers are left alone, because
    what they compute is their own.

    Parameters
    ----------
    model : torch.nn.Module
        Any network, or a single layer.
    to : {'faltung', 'torch'}
        Whose layers it has afterwards.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ArgumentError
        A layer has what torch's layers lack, ``flip=True`` or ``padding_mode='symmetric'``; nothing is changed then.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 1, 3))
    >>> print(*(type(module).__name__ for module in convert(model)))
    Conv ReLU ConvTransposed
    >>> print(*(type(module).__name__ for module in convert(model, to="torch")))
    Conv2d ReLU ConvTranspose2d
    """
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError("model", "a torch.nn.Module", f"a {type(model).__name__}")
    if to not in ("faltung", "torch"):
        raise ArgumentError("to", "'faltung' or 'torch'", repr(to))
    ours: dict[type, type] = {
        **dict.fromkeys(_PLAIN.values(), Conv),
        **dict.fromkeys(_TRANSPOSED.values(), ConvTransposed),
    }
    swaps: list[tuple[nn.Module, type]] = []
    for name, module in model.named_modules():
        if to == "faltung" and type(module) in ours:
            swaps.append((module, ours[type(module)]))
        elif to == "torch" and type(module) in (Conv, ConvTransposed):
            assert isinstance(module, (Conv, ConvTransposed))
            if module.flip or module.padding_mode == "symmetric":
                what = "flip=True" if module.flip else "padding_mode='symmetric'"
                expected = "layers that torch has too"
                raise ArgumentError("model", expected, f"{what} in {name or 'the layer'!r}", "Keep that layer.")
            theirs: dict[int, Any] = _PLAIN if type(module) is Conv else _TRANSPOSED
            swaps.append((module, theirs[len(module.kernel_size)]))
    for module, kind in swaps:
        module.__class__ = kind
        if to == "torch":
            module.__dict__.pop("method", None)
    return model
