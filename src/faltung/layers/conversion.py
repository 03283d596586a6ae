"""How are layers of torch in a model exchanged for those of this package? In place, and back."""

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

    Layers stay the same objects, with their parameters, hooks and names, so optimisers and state dicts stay valid,
    and results differ by rounding only. Subclasses of torch's layers are not changed, because they may compute
    something else.

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
        A layer has ``flip=True`` or ``padding_mode='symmetric'``, which torch's layers lack. Nothing is changed then.

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
    other = _ours if to == "faltung" else _theirs
    swaps = [(module, other(module, name)) for name, module in model.named_modules()]
    for module, kind in swaps:
        if kind is not None:
            module.__class__ = kind
            if to == "torch":
                module.__dict__.pop("method", None)
    return model


def _ours(module: nn.Module, name: str) -> type | None:
    """Return the class of ours that replaces that of a module, or None."""
    del name
    plain: dict[type, type] = dict.fromkeys(_PLAIN.values(), Conv)
    transposed: dict[type, type] = dict.fromkeys(_TRANSPOSED.values(), ConvTransposed)
    kinds = plain | transposed
    return kinds.get(type(module))


def _theirs(module: nn.Module, name: str) -> type | None:
    """Return the class of torch that replaces that of a module, or None."""
    if not isinstance(module, Conv | ConvTransposed) or type(module) not in (Conv, ConvTransposed):
        return None
    if module.flip or module.padding_mode == "symmetric":
        lacking = "flip=True" if module.flip else "padding_mode='symmetric'"
        received = f"{lacking} in {name or 'the layer'!r}"
        raise ArgumentError("model", "layers that torch has too", received, "Keep that layer.")
    kinds: dict[int, Any] = _PLAIN if type(module) is Conv else _TRANSPOSED
    return kinds[len(module.kernel_size)]  # type: ignore[no-any-return]
