"""How are layers of torch in a model exchanged for those of this package? In place, and back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.layers.conv import Conv1d, Conv2d, Conv3d
from faltung.layers.measuring import asked_of, measure
from faltung.layers.model_race import settle
from faltung.layers.rehearsal import rehearse
from faltung.layers.shared import PlannedLayer
from faltung.layers.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from faltung.planning.report import table

__all__ = ["CONVOLUTIONS", "Conversion", "conversion_of", "convert"]

_Model = TypeVar("_Model", bound=nn.Module)

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Classes of convolutional layers, of which ours are subclasses, that are not transposed."""
_OURS: dict[type, type[PlannedLayer]] = {
    kind.of_torch: kind for kind in (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
}
_THEIRS: dict[type, type] = {ours: theirs for theirs, ours in _OURS.items()}
#: Layers that get their sizes with the first input; they have a class of their own until then.
_LAZY: dict[type, type[PlannedLayer]] = {
    getattr(nn, f"Lazy{theirs.__name__}"): ours for theirs, ours in _OURS.items()
}
_log = logging.getLogger("faltung.layers")


@dataclass(frozen=True)
class Conversion:
    """What `convert` did to a model: which of its convolutional layers are planned here, and which are not.

    Parameters
    ----------
    planned : tuple of str
        Names of the layers of this package.
    left : dict of str to str
        Name of every other convolutional layer, and why it is not one of them.

    Examples
    --------
    >>> class Padded(nn.Conv2d):
    ...     def forward(self, input):
    ...         return super().forward(nn.functional.pad(input, (0, 1, 0, 1)))
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), Padded(4, 4, 2))
    >>> print(conversion_of(convert(model)))
    0  planned by faltung
    1  left alone: Padded is a subclass of Conv2d that may compute something else
    """

    planned: tuple[str, ...]
    left: dict[str, str]

    def __str__(self) -> str:
        """Return the layers as a table."""
        rows = [(name, "planned by faltung") for name in self.planned]
        rows += [(name, f"left alone: {why}") for name, why in self.left.items()]
        return table(rows) if rows else "no convolutional layers"


def conversion_of(model: nn.Module) -> Conversion:
    """Return which convolutional layers of a model are planned here, and why the others are not.

    Parameters
    ----------
    model : torch.nn.Module
        Any network, converted or not.

    Examples
    --------
    >>> conversion_of(convert(nn.Conv2d(1, 4, 3))).planned
    ('the model itself',)
    """
    planned, left = [], {}
    for name, module in _checked(model).named_modules():
        name = name or "the model itself"
        if isinstance(module, PlannedLayer) or _becomes(module) in _THEIRS:
            planned.append(name)
        elif isinstance(module, _ConvNd):
            left[name] = _why_left(module)
    return Conversion(tuple(planned), left)


def convert(model: _Model, to: str = "faltung", *, example: Any = None) -> _Model:
    """Swap the convolutional layers of a model, in place, for those of this module, or back for torch's.

    Layers stay the same objects, with their parameters, hooks, parametrizations and names, so optimisers and state
    dicts stay valid, and results differ by rounding only. They stay instances of torch's classes, too. Somebody's
    subclasses of these are not changed, because they may compute something else. The log of ``faltung.layers`` warns
    of them, and `conversion_of` names all.

    Parameters
    ----------
    model : torch.nn.Module
        Any network, or a single layer.
    to : {'faltung', 'torch'}
        Whose layers it has afterwards.
    example : Any, optional
        An input of the model: a tuple of all arguments, a dict of arguments by name, or the only argument. The model
        is run on it once, and the parts of each layer are timed in every way that may be the fastest, in the memory
        format that it has there, and for contiguous tensors in that with channels last too. A layer is computed in
        another way than torch's only if that took at least 3 % less time. Then the whole model is timed beside itself
        with torch's layers only: if it is slower, layers that gain least get ``method="torch"``, until it is not.
        Gradients are timed where they are asked for: so call this under `torch.no_grad` for a model that is not
        trained. Times are kept on disk for the same machine and number of threads, so that later processes time
        whole models only.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ArgumentError
        A layer has ``flip=True`` or ``padding_mode='symmetric'``, which torch's layers lack; or the model fails on
        the example. Nothing is changed then.

    Examples
    --------
    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 1, 3))
    >>> conversion_of(convert(model)).planned
    ('0', '2')
    >>> isinstance(model[0], nn.Conv2d)
    True
    >>> conversion_of(convert(model, to="torch")).planned
    ()

    With an example, layers are computed in the way that was measured to be the fastest:

    >>> conversion_of(convert(nn.Conv2d(1, 8, 3), example=torch.zeros(1, 1, 64, 64))).planned
    ('the model itself',)
    """
    _checked(model)
    if to not in ("faltung", "torch"):
        raise ArgumentError("to", "'faltung' or 'torch'", repr(to))
    if to == "faltung":
        calls = [] if example is None else rehearse(model, example, asked_of)
        for module in model.modules():
            _to_ours(module)
        _tell(conversion_of(model))
        if calls:
            _log.info("measured %d layers, of %d calls", measure(calls), len(calls))
            left = settle(model, example, calls)
            if left:
                _log.info("left %d layers to torch, with which the whole model was faster", left)
        return model
    if example is not None:
        raise ArgumentError("example", "None for to='torch'", f"a {type(example).__name__}", "Omit it.")
    modules = dict(model.named_modules())
    for name, module in modules.items():
        lacking = module.lacking_in_torch() if isinstance(module, PlannedLayer) else ""
        if lacking:
            received = f"{lacking} in {name or 'the layer'!r}"
            raise ArgumentError("model", "layers that torch has too", received, "Keep that layer.")
    for module in modules.values():
        _to_theirs(module)
    return model


def _checked(model: _Model) -> _Model:
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError("model", "a torch.nn.Module", f"a {type(model).__name__}")
    return model


def _to_ours(module: nn.Module) -> None:
    kind = _exchanged(module, _OURS)
    if kind is not None:
        module.__class__ = kind
    elif type(module) in _LAZY:
        module.cls_to_become = _LAZY[type(module)]  # type: ignore[assignment]
    else:
        return
    PlannedLayer.become_leaf(module)  # type: ignore[arg-type]


def _to_theirs(module: nn.Module) -> None:
    kind = _exchanged(module, _THEIRS)
    if kind is not None:
        module.__class__ = kind
    elif _becomes(module) not in _THEIRS:
        return
    module.__dict__ = PlannedLayer.plain_state(module)  # type: ignore[arg-type]


def _exchanged(module: nn.Module, kinds: dict[type, Any]) -> type | None:
    """Return the class that replaces that of a module, or None.

    A parametrized module has a class of its own, a subclass made by torch whose properties compute its parameters.
    """
    kind = type(module)
    if not parametrize.is_parametrized(module):
        return kinds.get(kind)
    base = kinds.get(parametrize.type_before_parametrizations(module))
    if base is None:
        return None
    own = {name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")}
    return type(kind.__name__, (base,), own)


def _becomes(module: nn.Module) -> type | None:
    """Return the class that a lazy module gets with its first input, if that was exchanged."""
    return vars(module).get("cls_to_become") if isinstance(module, LazyModuleMixin) else None


def _why_left(module: nn.Module) -> str:
    kind = parametrize.type_before_parametrizations(module)
    if kind in _OURS or kind in _LAZY:
        return "it was not converted"
    base = next(each for each in kind.__mro__ if each in _OURS or each is _ConvNd)
    return f"{kind.__name__} is a subclass of {base.__name__} that may compute something else"


def _tell(done: Conversion) -> None:
    """Write to the log what was done; for each reason why layers were left alone, the first of them and a number."""
    _log.info("planned by faltung: %s", ", ".join(done.planned) or "no layer")
    for why in dict.fromkeys(done.left.values()):
        first, *others = (name for name, reason in done.left.items() if reason == why)
        more = f" and {len(others)} more" if others else ""
        _log.warning("faltung.layers.convert left %s%s alone: %s", first, more, why)
