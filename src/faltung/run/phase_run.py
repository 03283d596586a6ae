"""How does a filter with zeros between samples run? All phases in passes, or each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faltung.ground.lazy import lazy
from faltung.planning.missing_rule import NOTHING_MISSING
from faltung.run.rate_run import RateRunner, rate_runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.planning.phase_plan import PhasePlan

__all__ = ["PhaseRunner"]


class PhaseRunner:
    """Runs the plan of a filter with zeros between samples."""

    ready = None

    def __init__(self, plan: PhasePlan) -> None:
        self._plan = plan

    @lazy
    def _passes(self) -> RateRunner | None:
        return rate_runner(self._plan)

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`; `valid` is False where a sample is missing, or its weight."""
        if self._passes is not None and self._passes.run(x, out, workers):
            return
        plan = self._plan
        for phase, part in zip(plan.phases, plan.parts, strict=True):
            # No sample is under a phase without taps.
            present = None if part.problem.missing is NOTHING_MISSING else valid
            part.runner.run(x, out[plan.place(phase.number)], workers, present)
