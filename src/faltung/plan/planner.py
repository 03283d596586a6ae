"""What will run? From a problem to a plan, without touching an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from faltung.engines.base import Engine
from faltung.engines.direct import Direct
from faltung.engines.separable import Separable
from faltung.errors import ArgumentError
from faltung.plan.cost import TYPICAL, seconds
from faltung.plan.problem import Problem
from faltung.plan.report import describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ENGINES", "Candidate", "Plan", "make_plan"]

_DIRECT = Direct()
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (_DIRECT, Separable(_DIRECT))}

#: Multiply-adds that make a tile worth handing to a thread, the least samples of a tile, and its greatest width.
_TILE_WORK, _SMALLEST_TILE, _WIDEST_TILE = 1 << 23, 1 << 14, 1 << 12


@dataclass(frozen=True)
class Candidate:
    """One engine that was considered.

    Parameters
    ----------
    engine : str
        Its name.
    seconds : float
        Predicted time on one core; infinite if it cannot do the task.
    reason : str
        Why it was not chosen; empty for the one that was.
    """

    engine: str
    seconds: float
    reason: str


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer to a problem: which engine runs, on which tiles, and what that is expected to cost.

    A plan is called with an array of the shape and dtype it was made for. It can be printed, pickled and used from
    many threads.

    Parameters
    ----------
    problem : Problem
        What is asked.
    engine : str
        What was chosen.
    multiply_adds : float
        For one output.
    tile_samples : int
        Samples of an output tile, about.
    candidates : tuple of Candidate
        Everything considered, the chosen one first.
    error : float
        Bound of the rounding error of an output, relative to the sum of abs(tap) * abs(sample) under it.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> run = fa.plan((4, 5), fa.box(3), dtype="float32")
    >>> run(np.ones((4, 5), dtype="float32")).shape
    (4, 5)
    """

    problem: Problem
    engine: str
    multiply_adds: float
    tile_samples: int
    candidates: tuple[Candidate, ...]
    error: float

    #: How a plan is carried out; the module that executes plans stands one rung higher and puts itself here.
    execute: ClassVar[Callable[[Plan, Any, Any, int | None], NDArray[Any]]]

    def __call__(self, x: Any, out: Any = None, workers: int | None = None) -> NDArray[Any]:
        """Carry out the plan on an array of the planned shape and dtype.

        Parameters
        ----------
        x : array_like
            The input.
        out : ndarray, optional
            Where to put the result.
        workers : int, optional
            Number of threads.

        Returns
        -------
        ndarray
            The result, which is `out` if that was given.
        """
        return Plan.execute(self, x, out, workers)

    def tile_shape(self, extents: tuple[int, ...], inside: bool = True) -> tuple[int, ...]:
        """Shape of the tiles that a box of outputs is cut into, for slices, row and column.

        Parameters
        ----------
        extents : tuple of int
            Shape of the box.
        inside : bool
            Whether the source is read in place. Where it is gathered, a tile is at least as long as the kernel: a
            shorter one would gather more than it computes.
        """
        layout = self.problem.layout
        tile: list[int] = []
        room = self.tile_samples // layout.step
        # Rows of a tile are reused while they are in the cache, so they should not be longer than that; a signal has
        # one row, and nothing is reused.
        widest = _WIDEST_TILE if math.prod(extents[:-1]) > 1 else room
        for extent, size in zip(reversed(extents), reversed(layout.sizes), strict=True):
            most = room if tile else min(room, widest)
            length = max(most, 1 if inside else 2 * size)
            tile.append(min(extent, length - length % 8 if length > 8 else length))
            room //= max(tile[-1], 1)
        return tuple(reversed(tile))

    def __str__(self) -> str:
        """Return the plan as a table."""
        return describe(self)


def make_plan(problem: Problem, method: str = "auto") -> Plan:
    """Choose the engine with the least predicted time, or take the one asked for.

    Raises
    ------
    ArgumentError
        `method` names no engine, or one that cannot do the task.
    """
    if method not in ("auto", *ENGINES):
        names = ", ".join(repr(name) for name in ("auto", *ENGINES))
        raise ArgumentError("method", f"one of {names}", repr(method))
    tasks = problem.tasks(problem.stored if problem.readable else problem.extended)
    works, times, refusals = {}, {}, {}
    samples = math.prod(problem.result_shape)
    for name, engine in ENGINES.items():
        refusals[name] = next((text for text in map(engine.accepts, tasks) if text), "")
        works[name] = [] if refusals[name] else [engine.work(task) for task in tasks]
        found = sum(seconds(work, samples, problem.number, TYPICAL) for work in works[name])
        times[name] = math.inf if refusals[name] else found
    chosen = min(times, key=times.__getitem__) if method == "auto" else method
    if refusals[chosen]:
        raise ArgumentError("method", "an engine that can do this", repr(chosen), f"It cannot: {refusals[chosen]}.")
    candidates = [Candidate(chosen, times[chosen], "")]
    for name in sorted((name for name in times if name != chosen), key=times.__getitem__):
        slower = f"{times[name] / times[chosen]:.2f} times the predicted time"
        candidates.append(Candidate(name, times[name], refusals[name] or slower))
    multiply_adds = sum(work.multiply_adds for work in works[chosen])
    roundings = max(work.roundings for work in works[chosen]) + len(tasks) - 1
    wanted = max(_TILE_WORK // max(int(multiply_adds), 1), _SMALLEST_TILE)
    return Plan(
        problem=problem,
        engine=chosen,
        multiply_adds=multiply_adds,
        tile_samples=min(wanted, ENGINES[chosen].tile_samples),
        candidates=tuple(candidates),
        error=(1 + roundings * _rounding(problem.number)) * (1 + _rounding_stored(problem)) - 1,
    )


def _rounding(number: np.dtype[Any]) -> float:
    return float(np.finfo(number).eps) / 2


def _rounding_stored(problem: Problem) -> float:
    """Return the rounding of the store, where the result is a float narrower than the number computed with."""
    if problem.result.kind not in "fc" or np.finfo(problem.result).eps <= np.finfo(problem.number).eps:
        return 0.0
    return _rounding(problem.result)
