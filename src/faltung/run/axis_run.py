"""How is a large separable kernel run? One filter after the other, each over the whole array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.planning.axis_plan import AxisPlan

__all__ = ["AxisRunner"]


class AxisRunner:
    """Runs the plans of the axes."""

    ready = None  # what is large takes no shorter way

    def __init__(self, plan: AxisPlan) -> None:
        self._plans = plan.plans

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`; no samples are missing."""
        *others, last = self._plans
        for plan in others:
            x = plan(x, workers=workers)
        last(x, out=out, workers=workers)
