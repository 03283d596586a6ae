"""Who calls an operator? It is a plain function, one with gradients, one that all transforms know, or registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

__all__ = ["anywhere", "way"]

_KINDS = (torch.Tensor, torch.nn.Parameter)
_KEYS = torch._C.DispatchKey
#: Tensors that are not what lies in memory: negated or conjugated when they are read, or one of many (those of the
#: older vmap behind ``is_grads_batched`` have the gradients of no device of their own).
_STRANGE = 0
for _key in (_KEYS.Negative, _KEYS.Conjugate, _KEYS.AutogradOther):
    _STRANGE |= torch._C.DispatchKeySet(_key).raw_repr()


def way(plain: Any, with_gradients: Any, transformed: Any, registered: Any, *tensors: torch.Tensor | None) -> Any:
    """Choose what to call: the cheapest that does all that is asked for.

    Where a graph is made, that is the registered operator; it costs some 0.1 ms more than a function with gradients,
    which costs more than one without. Transforms of torch.func, and tangents, want a function that knows them all.
    """
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
        return registered
    differentiated = False
    for x in tensors:
        if x is not None:
            if type(x) not in _KINDS or torch._C._dispatch_keys(x).raw_repr() & _STRANGE:
                return registered
            differentiated |= x.requires_grad
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return transformed.apply
    return with_gradients.apply if differentiated and torch.is_grad_enabled() else plain


def anywhere(
    do: Callable[..., torch.Tensor],
    keep: Callable[..., None],
    backward: Callable[..., Any],
    tangent: Callable[..., Any],
    vmap: Callable[..., Any],
) -> type[torch.autograd.Function]:
    """Return a function that every transform of torch.func knows; to call it costs more than one without them.

    Parameters
    ----------
    do, keep, backward, tangent, vmap : callable
        What torch calls ``forward``, ``setup_context``, ``backward``, ``jvp`` and ``vmap``.
    """

    def keep_for_both(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        keep(ctx, inputs, output)
        ctx.save_for_forward(inputs[0], inputs[1])

    parts: dict[str, Callable[..., Any]] = {
        "forward": do,
        "setup_context": keep_for_both,
        "backward": backward,
        "jvp": tangent,
        "vmap": vmap,
    }
    methods = {name: staticmethod(part) for name, part in parts.items()}
    return type(f"{do.__name__}_anywhere", (torch.autograd.Function,), methods)
