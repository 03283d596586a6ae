"""How is one filter that changes the rate applied to many arrays? With its machine code, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.result_memory import LARGE, empty
from faltung.jit.target import host
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.machine import current
from faltung.planning.phase_plan import PhasePlan
from faltung.planning.rate_passes import RatePasses
from faltung.run.gathering import address_of
from faltung.run.layer_run import STREAMED_BYTES
from faltung.run.rate_run import RateCode
from faltung.run.tables import MemoryLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.planning.planned import Planned

__all__ = ["RateStep", "rate_step"]

#: Predicted seconds up to which a step saves more than another method, since less comes before the machine code.
_SHORT = 1e-4
#: Bytes of a result from which on it is written past the cache.
_PAST = STREAMED_BYTES // 4


class RateStep:
    """Filters contiguous arrays of one shape and dtype; the results may be added to another array as they are stored.

    Parameters
    ----------
    passes : RatePasses
        The passes, in the order of the axes of the array.
    shape, result : tuple of int
        Shapes of the array and of the result.

    Examples
    --------
    >>> import faltung as fa
    >>> step = rate_step(fa.plan(np.zeros(4), fa.binomial(2, ndim=1), up=2, mode="nearest"))
    >>> step(np.array([0.0, 4.0, 8.0, 0.0]))
    array([0., 1., 2., 3., 4., 2., 0., 0.])
    >>> step(np.array([0.0, 4.0, 8.0, 0.0]), np.ones(8), -1)
    array([ 1.,  0., -1., -2., -3., -1.,  1.,  1.])
    """

    def __init__(self, passes: RatePasses, shape: tuple[int, ...], result: tuple[int, ...]) -> None:
        self._passes, self._shape, self._result = passes, shape, result
        self._codes: dict[tuple[bool, bool], RateCode] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of tables and machine code."""
        return sum(code.nbytes for code in self._codes.values())

    def __call__(
        self, x: NDArray[Any], base: NDArray[Any] | None = None, sign: int = 1, workers: int | None = None
    ) -> NDArray[Any] | None:
        """Return the result, or ``base + sign * result``; None if some of the result may not be finite."""
        out = _result(self._result, self._passes.number)
        target = address_of(out)
        past = out.nbytes >= _PAST and not target % host().vector_bytes
        code = self._codes.get((past, base is not None)) or self._code(past, base is not None)
        other = 0 if base is None else address_of(base)
        return out if code(address_of(x), target, workers, other, sign) else None

    def _code(self, past: bool, beside: bool) -> RateCode:
        source, target = self._layout(self._shape), self._layout(self._result)
        images = math.prod(self._shape[axis] for axis in self._passes.images)
        made = RateCode(self._passes, source, target, images, past, beside)
        return self._codes.setdefault((past, beside), made)

    def _layout(self, shape: tuple[int, ...]) -> MemoryLayout:
        """Return the memory layout of the planes of a contiguous array."""
        passes = self._passes
        size = passes.number.itemsize
        columns = math.prod(shape[axis] for axis in passes.merged)
        rows = 1 if passes.row is None else shape[passes.row]
        return MemoryLayout(passes.number, (rows * columns * size, columns * size, size))


def _result(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a new array; a large one, which is written past the cache, begins at a whole vector."""
    size = math.prod(shape) * dtype.itemsize
    if not _PAST <= size < LARGE:
        return empty(shape, dtype)
    memory = np.empty(size + host().vector_bytes, np.uint8)
    first = -address_of(memory) % host().vector_bytes
    return memory[first : first + size].view(dtype).reshape(shape)


def rate_step(plan: Planned, shape: tuple[int, ...] | None = None) -> RateStep | None:
    """Return the step of a plan; None if it does not run in passes, in the order of the axes.

    With a shape, the result has only the first outputs along each axis.
    """
    if not isinstance(plan, (PhasePlan, ChannelPlan)):
        return None
    passes, problem = plan.passes, plan.problem
    if not isinstance(passes, RatePasses) or problem.dtype != passes.number:
        return None
    images = math.prod(problem.shape[axis] for axis in passes.images)
    if plan.method != "polyphase" and passes.seconds(images, current()) > _SHORT:
        return None
    row = () if passes.row is None else (passes.row,)
    if (*passes.images, *row, *passes.merged) != tuple(range(len(problem.shape))):
        return None
    shape = tuple(plan.result_shape) if shape is None else shape
    rows = 1 if passes.row is None else shape[passes.row]
    lengths = {"rows": rows, "columns": math.prod(shape[axis] for axis in passes.merged)}
    axes = {name: replace(getattr(passes, name), outputs=length) for name, length in lengths.items()}
    return RateStep(replace(passes, **axes), problem.shape, shape)
