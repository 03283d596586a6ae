"""Does torch record a graph now, to use it later? As `torch.jit.trace`, `torch.export` and exports to ONNX do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["FAKE", "constant_for", "not_traced", "recording", "shape_of", "within"]

_PROXY, FAKE = torch._C._TorchDispatchModeKey.PROXY, torch._C._TorchDispatchModeKey.FAKE


def recording() -> bool:
    """Whether what is done now becomes a graph that is used without this package.

    Then nothing may depend on the numbers in a tensor, and only functions of torch may compute.
    """
    if torch._C._get_tracing_state() is not None or within(_PROXY):
        return True
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def within(mode: Any) -> bool:
    """Whether torch is in one of its modes for tensors without numbers (`FAKE`), or that stand for such (proxies)."""
    return bool(torch._C._len_torch_dispatch_stack()) and torch._C._get_dispatch_mode(mode) is not None


@contextmanager
def not_traced() -> Iterator[None]:
    """Leave the ``with`` block out of a graph that `torch.jit.trace` records; shapes are plain numbers in it."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch._C._set_tracing_state(state)  # type: ignore[attr-defined]


def shape_of(x: Any) -> tuple[int, ...]:
    """Return a shape, as plain numbers where `torch.jit.trace` would record how they came about."""
    if torch._C._get_tracing_state() is None:
        return tuple(x.shape)
    with not_traced():
        return tuple(x.shape)


def constant_for(x: torch.Tensor, values: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return an array as a tensor that becomes a constant of the graph, in the dtype of `x` or another one."""
    with not_traced():
        return torch.from_numpy(np.array(values)).to(x.device, dtype or x.dtype)
