"""In which form does torch call an operator? Plain, with gradients, with all transforms, or registered by name.

From a function and its derivatives, `differentiable` makes all four forms, and a function that calls the cheapest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad
from torch.utils.flop_counter import register_flop_formula

__all__ = ["are_plain", "differentiable"]

_KINDS = (torch.Tensor, torch.nn.Parameter)
_KEYS = torch._C.DispatchKey
#: Tensors whose values are not those in memory: they are negated or conjugated when they are read, or are one of many
#: (those of the older vmap behind ``is_grads_batched``), or there are none (the device ``meta``).
_STRANGE = torch._C.DispatchKeySet(_KEYS.Meta).raw_repr() & ~torch._C.DispatchKeySet(_KEYS.CPU).raw_repr()
for _key in (_KEYS.Negative, _KEYS.Conjugate, _KEYS.AutogradOther):
    _STRANGE |= torch._C.DispatchKeySet(_key).raw_repr()


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
        if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
            return registered(*arguments)  # type: ignore[no-any-return]
        differentiated = False
        for x in arguments[:tensors]:
            if x is not None:
                if type(x) not in _KINDS or torch._C._dispatch_keys(x).raw_repr() & _STRANGE:
                    return registered(*arguments)  # type: ignore[no-any-return]
                differentiated |= x.requires_grad
        if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
            return anywhere.apply(*arguments)  # type: ignore[no-any-return]
        if differentiated and torch.is_grad_enabled():
            return with_gradients.apply(*arguments)  # type: ignore[no-any-return]
        return do(*arguments)

    call.__doc__ = do.__doc__
    return call


def are_plain(*tensors: torch.Tensor | None) -> bool:
    """Whether torch asks for nothing but the numbers of a result, if these tensors need no gradient."""
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() or torch._C._get_tracing_state():
        return False
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return False
    for x in tensors:
        if x is not None and (type(x) not in _KINDS or torch._C._dispatch_keys(x).raw_repr() & _STRANGE):
            return False
    return True


def _named(name: str) -> Any:
    """Return a registered operator, for all types of arguments."""
    library, operator = name.split("::")
    return getattr(getattr(torch.ops, library), operator)


def _function(do: Callable[..., Any], **methods: Callable[..., Any]) -> Any:
    parts = {name: staticmethod(method) for name, method in methods.items()}
    return type(do.__name__, (torch.autograd.Function,), parts)
