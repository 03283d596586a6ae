"""Which phases do the outputs of a question have? Those along each axis of its kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.kernels.phases import Phases, phases_along

if TYPE_CHECKING:
    from faltung.planning.question import Question

__all__ = ["axes_of_phases"]


def axes_of_phases(question: Question) -> tuple[Phases, ...]:
    """Return the phases along each axis of the kernel."""
    origins = question.kernel.origin
    if question.reflected:
        origins = tuple(size - 1 - at for size, at in zip(question.kernel.shape, origins, strict=True))
    steps = zip(question.regions, question.up, question.stride, question.dilation, strict=True)
    return tuple(
        phases_along(size, at, first, up, stride, dilation)
        for size, at, ((first, _), up, stride, dilation) in zip(question.kernel.shape, origins, steps, strict=True)
    )
