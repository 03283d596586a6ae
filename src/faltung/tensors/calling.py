"""In which form does torch call an operator? Plain, with gradients, with all transforms, or registered by name.

From a function and its derivatives, `differentiable` makes all four forms, and a function that calls the cheapest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd import forward_ad
from torch.utils.flop_counter import register_flop_formula

__all__ = ["are_plain", "differentiable"]

_KINDS = (torch.Tensor, torch.nn.Parameter)
# Names of their own, since every call of a layer asks.
_dispatch_keys, _mode_count = torch._C._dispatch_keys, torch._C._len_torch_dispatch_stack
_is_transformed = torch._C._are_functorch_transforms_active
_KEYS = torch._C.DispatchKey
#: Tensors whose values are not those in memory: they are negated or conjugated when they are read, or are one of many
#: (those of the older vmap behind ``is_grads_batched``), or there are none (the device ``meta``).
_STRANGE = torch._C.DispatchKeySet(_KEYS.Meta).raw_repr() & ~torch._C.DispatchKeySet(_KEYS.CPU).raw_repr()
for _key in (_KEYS.Negative, _KEYS.Conjugate, _KEYS.AutogradOther):
    _STRANGE |= torch._C.DispatchKeySet(_key).raw_repr()
#: What torch makes of a call besides numbers and gradients: a graph, for which there is a registered operator, or a
#: derivative or a map by the rules of a function.
_GRAPH, _RULES = "graph", "rules"


def differentiable(
    name: str,
    do: Callable[..., torch.Tensor],
    *,
    tensors: int,
    fake: Callable[..., torch.Tensor],
    keep: Callable[..., None],
    backward: Callable[..., Any],
    tangent: Callable[..., Any],
    vmap: Callable[..., Any],
    flops: Callable[..., int],
) -> Callable[..., torch.Tensor]:
    """Return a function that torch can differentiate, map, compile and export.

    Parameters
    ----------
    name : str
        The name under which it is registered, ``library::name``.
    do : callable
        The function that computes; torch reads the schema of the operator from its annotations.
    tensors : int
        Number of its first arguments that are tensors, or None.
    fake : callable
        Returns a result of the right shape without numbers.
    keep, backward, tangent, vmap : callable
        What torch calls ``setup_context``, ``backward``, ``jvp`` and ``vmap``.
    flops : callable
        Returns how many operations torch's FlopCounterMode counts; it is given shapes in place of tensors.
    """

    def forward(ctx: Any, *inputs: Any) -> torch.Tensor:
        keep(ctx, inputs)
        return do(*inputs)

    def keep_for_both(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        keep(ctx, inputs, output)
        ctx.save_for_forward(inputs[0], inputs[1])

    with_gradients = _function(do, forward=forward, backward=backward)
    anywhere = _function(do, forward=do, setup_context=keep_for_both, backward=backward, jvp=tangent, vmap=vmap)
    registered = torch.library.custom_op(name, do, mutates_args=())
    registered.register_fake(fake)
    registered.register_autograd(backward, setup_context=keep)
    registered.register_vmap(vmap)
    register_flop_formula(_named(name))(flops)

    def call(*arguments: Any) -> torch.Tensor:
        """Call the cheapest form that supports what torch is doing.

        A registered operator costs some 0.1 ms more than a function with gradients, which costs more than a plain
        one. It is called where a graph is made. The transforms of torch.func, and tangents, need a function that
        has rules for them.
        """
        given = arguments[:tensors]
        asked = _asked_of(given)
        if asked == _GRAPH:
            return registered(*arguments)  # type: ignore[no-any-return]
        if asked == _RULES:
            return anywhere.apply(*arguments)  # type: ignore[no-any-return]
        if torch.is_grad_enabled():
            for x in given:
                if x is not None and x.requires_grad:
                    return with_gradients.apply(*arguments)  # type: ignore[no-any-return]
        return do(*arguments)

    call.__doc__ = do.__doc__
    return call


def are_plain(*tensors: torch.Tensor | None) -> bool:
    """Whether torch asks for nothing but the numbers of a result, if these tensors need no gradient."""
    return not (_asked_of(tensors) or torch._C._get_tracing_state())


def _asked_of(tensors: Iterable[torch.Tensor | None]) -> str:
    """Return what torch makes of a call besides numbers and gradients: `_GRAPH`, `_RULES`, or an empty string."""
    if torch.compiler.is_compiling() or _mode_count():
        return _GRAPH
    for x in tensors:
        if x is not None and (type(x) not in _KINDS or _dispatch_keys(x).raw_repr() & _STRANGE):
            return _GRAPH
    return _RULES if _is_transformed() or forward_ad._current_level >= 0 else ""


def _named(name: str) -> Any:
    """Return a registered operator, for all types of arguments."""
    library, operator = name.split("::")
    return getattr(getattr(torch.ops, library), operator)


def _function(do: Callable[..., Any], **methods: Callable[..., Any]) -> Any:
    parts = {name: staticmethod(method) for name, method in methods.items()}
    return type(do.__name__, (torch.autograd.Function,), parts)
