"""faltung among the contenders: with the method that the planner chose, and with each other method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fa
from cells import Cell, Run
from faltung.planning.planner import Candidate
from measure import Timing

OURS = "faltung"

#: Most samples of an array whose plan is made once and kept, as for many small images.
_SMALL = 64 * 64


@dataclass(frozen=True, eq=False)
class Choice:
    """The method that the planner chose for a cell, and the times of all.

    Parameters
    ----------
    cell : Cell
        Array and filter.
    engine : str
        The chosen method.
    timings : dict
        Timing by name: ``faltung`` for the chosen method, ``faltung`` and a method, and other contenders.
    """

    cell: Cell
    engine: str
    timings: dict[str, Timing]

    def of(self, *libraries: str) -> dict[str, Timing]:
        """Return the timings of contenders of these libraries."""
        return {name: timing for name, timing in self.timings.items() if name.split()[0] in libraries}

    @property
    def seconds(self) -> float:
        """Seconds of our best run."""
        return self.timings[OURS].best

    @property
    def best_engine(self) -> str:
        """The fastest method of faltung."""
        own = self.of(OURS)
        best = min(own, key=lambda name: own[name].ratio)
        return self.engine if best == OURS else best.removeprefix(f"{OURS} ")

    @property
    def regret(self) -> float:
        """Time of the chosen method over that of the fastest one."""
        return 1 / min(timing.ratio for timing in self.of(OURS).values())

    def data(self) -> dict[str, Any]:
        """Return all figures, for the JSON file."""
        return {
            "cell": str(self.cell),
            "engine": self.engine,
            "best_engine": self.best_engine,
            "regret": self.regret,
            "timings": {name: vars(timing) for name, timing in self.timings.items()},
        }


def engines(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    """Return the call that users make, and the same call with each possible method that was not chosen."""
    _, *rejected = _candidates(cell, image)
    names = [candidate.method for candidate in rejected if candidate.seconds < math.inf]
    return {OURS: auto(cell, image)} | {f"{OURS} {name}": _run(cell, image, name) for name in names}


def auto(cell: Cell, image: NDArray[Any]) -> Run:
    """Return the call that users make."""
    return _run(cell, image, "auto")


def engine(cell: Cell, image: NDArray[Any]) -> str:
    """Return the method that the planner chose; of a bank, for its first kernel."""
    return _candidates(cell, image)[0].method


def _candidates(cell: Cell, image: NDArray[Any]) -> tuple[Candidate, ...]:
    return fa.plan(image, cell.kernels[0], axes=cell.axes, dtype=cell.dtype).candidates


def _run(cell: Cell, image: NDArray[Any], method: str) -> Run:
    out = np.empty(cell.result_shape, cell.dtype)
    if len(cell.kernels) > 1:
        return partial(fa.Bank.stack(list(cell.kernels)), image, out=out, method=method)
    (kernel,) = cell.kernels
    if image.size <= _SMALL:
        return partial(fa.plan(image, kernel, dtype=cell.dtype, method=method), image, out=out)
    axes = cell.axes if cell.channels else None
    return partial(fa.convolve, image, kernel, axes=axes, out=out, method=method)
