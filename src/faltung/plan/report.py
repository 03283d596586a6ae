"""How a plan is printed: what runs, what it costs, and what else was considered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faltung.plan.planner import Plan

__all__ = ["describe"]


def describe(plan: Plan) -> str:
    """Return a plan as a few lines of text."""
    problem, layout = plan.problem, plan.problem.layout
    tile = plan.tile_shape(tuple(stop - start for start, stop in layout.regions), inside=False)
    mode = f"{problem.mode}({problem.cval:g})" if problem.mode == "constant" else problem.mode
    halo = [length + size - 1 for length, size in zip(tile, layout.sizes, strict=True)]
    scratch = math.prod(halo) * layout.step * problem.number.itemsize
    rows = [
        ("convolve" if problem.reflected else "correlate", f"{problem.kernel!r}"),
        ("input", f"{_shape(problem.shape)} {problem.dtype}, mode {mode}, axes {problem.axes}"),
        ("output", f"{_shape(problem.result_shape)} {problem.result}, computed in {problem.number}"),
        ("engine", f"{plan.engine}, {plan.multiply_adds:g} multiply-adds a sample"),
        ("tile", f"{_shape(tile)} at the border, scratch at most {_bytes(scratch)} a worker"),
        ("time", f"{_time(plan.candidates[0].seconds)} predicted, on one core"),
        ("error", f"at most {plan.error:.1e} of the sum of |tap| |sample|"),
    ]
    lines = [f"{name:<10}{text}" for name, text in rows]
    for candidate in plan.candidates[1:]:
        lines.append(f"{'rejected':<10}{candidate.engine}: {_time(candidate.seconds)}, {candidate.reason}")
    return "\n".join(lines)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape) or "scalar"


def _bytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(count / 2**10, 0.1):.1f} kB"


def _time(seconds: float) -> str:
    if seconds == math.inf:
        return "impossible"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"
