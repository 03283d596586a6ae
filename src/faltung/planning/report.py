"""How a plan is printed: what runs, what it costs, and what else was considered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from faltung.planning.bank_plan import BankPlan
    from faltung.planning.channel_plan import ChannelPlan
    from faltung.planning.forms import Factor
    from faltung.planning.layer import Axis
    from faltung.planning.planner import Plan

__all__ = ["describe", "describe_bank", "describe_channels", "describe_filter", "describe_layer"]

#: Characters of a kernel that are printed; of a longer text both ends.
LONGEST = 160


def describe(plan: Plan) -> str:
    """Return a plan as a few lines of text."""
    problem = plan.problem
    mode = f"{problem.mode}({problem.cval:g})" if problem.mode == "constant" else problem.mode
    scale = (
        "the sum of |tap| |sample| under each output"
        if plan.pointwise
        else "the sum of |tap| times the largest |sample|"
    )
    rows = [
        ("convolve" if problem.reflected else "correlate", _shortened(repr(problem.kernel))),
        ("input", f"{_shape(problem.shape)} {problem.dtype}, mode {mode}, axes {problem.axes}"),
        ("output", f"{_shape(problem.result_shape)} {problem.result}, computed in {problem.number}"),
        ("rewritten", _shortened(repr(problem.correlated)) + _rules(problem.simplified.rules)),
    ]
    for number, (engine, step) in enumerate(zip(plan.engines, problem.forms[plan.form].steps, strict=True), 1):
        rows.append((f"step {number}", f"{engine}, {_factor(step[0])}{', twice' if len(step) > 1 else ''}"))
    if problem.weighted:
        engines = f"by {' + '.join(plan.weight_engines)}" if plan.weight_engines else "along with the samples"
        rows.append(("missing", f"weights {engines}"))
    rows += [
        ("tile", f"{_shape(plan.tile)}, {'across the border' if plan.gathers else 'and strips along the border'}"),
        ("time", f"{_time(plan.candidates[0].seconds)} predicted, on one core"),
        ("memory", f"{_bytes(plan.memory)} of scratch a worker"),
        ("error", f"at most {plan.error:.1e} of {scale}"),
    ]
    lines = [f"{name:<10}{text}" for name, text in rows]
    for candidate in plan.candidates[1:]:
        lines.append(f"{'rejected':<10}{candidate.method}: {_time(candidate.seconds)}, {candidate.reason}")
    return "\n".join(lines)


def describe_bank(plan: BankPlan) -> str:
    """Return the plan of a bank as a few lines of text."""
    problem, chosen = plan.together, plan.candidates[0]
    what = {
        "apart": f"one by one, {' and '.join(chosen.engines)}",
        "fourier": "all from one transform of each tile",
        "basis": f"combinations of {len(plan.basis.rows) if plan.basis else 0} separable filters",
    }
    rows = [
        ("convolve" if problem.reflected else "correlate", f"a bank of {len(plan.plans)} kernels"),
        ("input", f"{_shape(problem.shape)} {problem.dtype}, mode {problem.mode}, axes {problem.axes}"),
        ("output", f"{_shape(plan.result_shape)} {problem.result}, computed in {problem.number}"),
        ("method", f"{plan.method}: {what[plan.method]}"),
        ("time", f"{_time(chosen.seconds)} predicted, on one core"),
    ]
    lines = [f"{name:<10}{text}" for name, text in rows]
    lines += [f"{'rejected':<10}{c.method}: {_time(c.seconds)}, {c.reason}" for c in plan.candidates[1:]]
    return "\n".join(lines)


def describe_channels(plan: ChannelPlan) -> str:
    """Return the plan of a bank over channels as a few lines of text."""
    problem, layer, chosen = plan.together, plan.layer, plan.candidates[0]
    what = {
        "direct": "channels in and out blocked in registers",
        "apart": f"kernel by kernel, {' and '.join(chosen.engines)}",
    }
    kind = "convolve" if problem.reflected else "correlate"
    taps = f"{_shape(layer.taps_shape)} taps{f', {layer.groups} groups' if layer.groups > 1 else ''}"
    steps = ", ".join(f"stride {axis.stride} dilation {axis.dilation}" for axis in layer.axes)
    rows = [
        (kind, f"{taps}, {steps}"),
        ("input", f"{_shape(problem.shape)} {problem.dtype}, mode {problem.mode}, axes {problem.axes}"),
        ("output", f"{_shape(plan.result_shape)} {problem.result}, computed in {problem.number}"),
        ("method", f"{plan.method}: {what[plan.method]}"),
        ("time", f"{_time(chosen.seconds)} predicted, on one core"),
    ]
    lines = [f"{name:<10}{text}" for name, text in rows]
    lines += [f"{'rejected':<10}{c.method}: {_time(c.seconds)}, {c.reason}" for c in plan.candidates[1:]]
    return "\n".join(lines)


def describe_filter(plan: Any) -> str:
    """Return the plan of a filter on a device as a few lines of text."""
    problem, chosen = plan.problem, plan.candidates[0]
    rows = [
        ("correlate", _shortened(repr(problem.kernel))),
        ("input", f"{_shape(problem.shape)} {plan.dtype} on {plan.device}, mode {problem.mode}, axes {problem.axes}"),
        ("output", f"{_shape(problem.result_shape)}, computed in {problem.number}"),
        ("method", f"{plan.method}: {_time(chosen.seconds)} predicted"),
    ]
    lines = [f"{name:<10}{text}" for name, text in rows]
    lines += [f"{'rejected':<10}{c.method}: {_time(c.seconds)}, {c.reason}" for c in plan.candidates[1:]]
    return "\n".join(lines)


def describe_layer(plan: Any) -> str:
    """Return the plan of a layer as a few lines of text."""
    layer = plan.layer
    taps = f"{_shape(layer.taps_shape)} taps{f', {layer.groups} groups' if layer.groups > 1 else ''}"
    rows = [
        ("layer", f"{taps}, {', '.join(_steps(axis) for axis in layer.axes)}, mode {layer.mode}"),
        ("input", f"{_shape(layer.source_shape)} {plan.dtype} on {plan.device}, {plan.cores} cores"),
        ("output", f"{_shape(layer.target_shape)}, {layer.multiply_adds:.3g} multiply-adds"),
    ]
    names = {"correlate": "outputs", "adjoint": "d input", "taps": "d kernel"}
    for part, (first, *others) in plan.candidates.items():
        rows.append((names[part], f"{first.method}: {_time(first.seconds)} predicted"))
        rows += [("", f"rejected {other.method}: {_time(other.seconds)}, {other.reason}") for other in others]
    return "\n".join(f"{name:<10}{text}" for name, text in rows)


def _steps(axis: Axis) -> str:
    dilated = f" dilation {axis.dilation}" if axis.dilation > 1 else ""
    return f"stride {axis.stride}{dilated} from {axis.start}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def _rules(rules: tuple[str, ...]) -> str:
    return f" (by {', '.join(dict.fromkeys(rules))})" if rules else ""


def _factor(factor: Factor) -> str:
    text = f"{_shape(factor.taps.shape)} taps, {np.count_nonzero(factor.taps)} of them not zero"
    terms = len(factor.terms)
    return f"{text}, {terms} outer product{'s' if terms > 1 else ''}" if terms else text


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
