"""How are complex numbers filtered by operators of real ones? Each part of the samples by each part of the taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from faltung.kernels import Bank

__all__ = ["has_complex_taps", "joined", "parts_of", "parts_of_taps"]


def parts_of(x: torch.Tensor, cval: complex) -> list[tuple[torch.Tensor, float]]:
    """Return real samples, or their real and imaginary parts, with the constant beyond the border of each."""
    cval = complex(cval)
    return [(x.real, cval.real), (x.imag, cval.imag)] if x.is_complex() else [(x, cval.real)]


def has_complex_taps(kernel: Any) -> bool:
    """Whether the taps of a kernel, of a bank or in a tensor are complex."""
    return bool(kernel.is_complex() if isinstance(kernel, torch.Tensor) else kernel.dtype.kind == "c")


def parts_of_taps(kernel: Any) -> list[Any]:
    """Return real taps, or their real and imaginary parts."""
    if not has_complex_taps(kernel):
        return [kernel]
    if isinstance(kernel, Bank):
        return [Bank(kernel.taps.real, kernel.origin), Bank(kernel.taps.imag, kernel.origin)]
    return [kernel.real, kernel.imag]


def joined(found: Sequence[Sequence[torch.Tensor]]) -> torch.Tensor:
    """Return the result for samples and taps from those of their parts: a row for each part of the samples."""
    first = found[0]
    if len(found) == len(first) == 1:
        return first[0]
    if len(found) == 1:
        return torch.complex(first[0], first[1])
    second = found[1]
    if len(first) == 1:
        return torch.complex(first[0], second[0])
    return torch.complex(first[0] - second[1], first[1] + second[0])
