"""The front door for tensors: what `faltung.convolve`, `faltung.correlate` and `faltung.plan` call for them."""

from __future__ import annotations

from faltung.tensors.tensor_filter import filter
from faltung.tensors.tensor_plan import plan

__all__ = ["filter", "plan"]
