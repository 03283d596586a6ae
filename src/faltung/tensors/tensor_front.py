"""The front door for tensors: what `faltung.convolve`, `faltung.correlate` and `faltung.plan` call for them."""

from __future__ import annotations

from typing import Any

import torch

from faltung.planning.question import Options
from faltung.tensors import tensor_filter
from faltung.tensors.tensor_plan import plan

__all__ = ["filter", "plan"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter a tensor; the arguments are those of `faltung.convolve`."""
    run: Any = tensor_filter.filter
    if (
        torch.compiler.is_dynamo_compiling()
    ):  # kernels and plans are made by NumPy, which torch would trace step by step
        run = torch.compiler.disable(run, reason=_REASON)  # type: ignore[no-untyped-call]
    return run(x, kernel, options, out, mask, workers)  # type: ignore[no-any-return]


_REASON = "faltung plans a filter outside of the graph. Compile without fullgraph=True, or use faltung.layers.Conv."
