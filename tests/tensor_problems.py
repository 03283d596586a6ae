"""Random problems for tensors: every dtype and door, missing samples and weights, against the definition.

A problem is drawn as for arrays (`mixed_problems.call`). Its answer is computed in extended precision from the
formula of missing samples, part by part where numbers are complex.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import faltung as fa
import mixed_problems
from agreement import assert_agrees, assert_places
from mixed_problems import Call, drawn

DTYPES = ("float16", "bfloat16", "float32", "float64", "uint8", "int16", "int32", "complex64", "complex128")
RESULTS = ("float16", "bfloat16", "float32", "float64", "uint8", "int16", "int32")
DOORS = ("value", "taps", "bank", "layer", "taps of a layer")
METHODS = ("auto", "auto", "direct", "separable", "fourier", "torch", "winograd")
LAYER_METHODS = ("auto", "direct", "fourier", "torch", "winograd", "winograd")


class Present(NamedTuple):
    """Which samples are there: their weights, (channels, ..., *spatial), and what becomes of the others."""

    weights: NDArray[np.floating[Any]]
    applies: bool
    outside: bool
    min_weight: float
    keep_nan: bool


class Truth(NamedTuple):
    """What the result is, and the scales of its rounding errors; NaN or not is not sure near the least weight."""

    values: NDArray[Any]
    scale: NDArray[np.floating[Any]]
    largest: NDArray[np.floating[Any]]
    sure: NDArray[np.bool_]


def truth(problem: Call, present: Present) -> Truth:
    """Return the result by the definition, channels out first."""
    x, v, cval = problem.x, present.weights, complex(problem.cval)
    if not present.outside:
        cval = 0j
    taps, origin = problem.bank.taps, problem.bank.origin
    magnitudes = fa.Bank(np.abs(taps), origin)

    def of(samples: NDArray[Any], bank: fa.Bank, outside: float) -> NDArray[np.longdouble]:
        steps = (problem.mode, outside, problem.shape, problem.steps, problem.reflected)
        return mixed_problems.definition(samples, bank, *steps)

    with np.errstate(all="ignore"):
        x = np.where(v > 0, x, 0)
        samples = [(x.real * v, cval.real)] + ([(x.imag * v, cval.imag)] if x.dtype.kind == "c" else [])
        parts = [taps.real] + ([taps.imag] if taps.dtype.kind == "c" else [])
        total = of(v, magnitudes, float(present.outside))
        found = []
        for s, c in samples:
            mean = of(s, magnitudes, c) / np.where(total > 0, total, 1)
            row = []
            for part in parts:
                bank = fa.Bank(part, origin)
                hole = of(1 - v, bank, float(not present.outside))
                row.append(of(s, bank, c) + np.where((hole == 0) & ~np.isfinite(mean), 0, mean * hole))
            found.append(row)
        sizes = sum(np.nan_to_num(np.abs(s), nan=0, posinf=0, neginf=0) for s, _ in samples)
        edge = float(sum(abs(c) for _, c in samples if np.isfinite(c)))
        scale = of(np.asarray(sizes), magnitudes, edge)
        whole = np.abs(taps).sum(axis=tuple(range(1, taps.ndim))).reshape(-1, *[1] * (total.ndim - 1))
        largest = max(np.max(sizes, initial=0.0), np.longdouble(edge)) * whole.max() + 0 * scale
        if present.applies:  # few samples carry the errors of all
            share = np.where(total > 0, whole / np.where(total > 0, total, 1), 1)
            scale, largest = scale * share, largest * share
        values = _joined(found)
        known, near = np.ones(values.shape, bool), np.zeros(values.shape, bool)
        if present.applies:
            least = present.min_weight * whole
            known = (whole == 0) | (total > 0) & (total >= least)
            near = (present.min_weight > 0) & (np.abs(total - least) <= 1e-4 * whole)
            if present.keep_nan:
                known &= v[0] > 0
        nan = complex(np.nan, np.nan) if values.dtype.kind == "c" else np.nan
    return Truth(np.where(known | near, values, nan), scale, largest, ~near)


def _joined(found: list[list[NDArray[Any]]]) -> NDArray[Any]:
    """Put parts together: a row for each part of the samples, a column for each part of the taps."""
    real, imaginary = found[0][0], None
    if len(found[0]) == 2:
        imaginary = found[0][1]
    if len(found) == 2:
        if len(found[0]) == 2:
            real, imaginary = real - found[1][1], found[0][1] + found[1][0]
        else:
            imaginary = found[1][0]
    if imaginary is None:
        return real
    together = np.empty(real.shape, np.clongdouble)
    together.real, together.imag = real, imaginary
    return together


def solve(rng: np.random.Generator) -> None:
    """Draw a problem, solve it, and compare."""
    door, dtype = drawn(rng, *DOORS), drawn(rng, *DTYPES)
    channels = "layer" in door
    problem = mixed_problems.call(rng, plain=not channels, real=False)
    missing = {} if rng.random() < 0.5 else _missing(rng)
    if missing and channels:  # several channels that are added up cannot miss samples
        problem = problem._replace(
            bank=fa.Bank(problem.bank.taps[:, :1], problem.bank.origin), x=problem.x[: problem.steps.groups]
        )
    if door in ("value", "taps"):
        problem = problem._replace(bank=fa.Bank(problem.bank.taps[:1], problem.bank.origin))
    if "taps" in door:
        problem = problem._replace(bank=fa.Bank(problem.bank.taps))
    elif rng.random() < 0.15:
        far = [int(rng.integers(-30, 30)) for _ in range(problem.bank.ndim)]
        problem = problem._replace(bank=fa.Bank(problem.bank.taps, far), shape="same")
    x = _samples(rng, problem.x, dtype, door != "value")
    cval = float(drawn(rng, 0.0, 0.0, 0.3, -7.0, 1e4, np.inf, np.nan))
    problem = problem._replace(x=_exact(x), cval=cval, mode=str(drawn(rng, "constant", problem.mode)))
    _check(rng, problem, x, door, missing)


def _missing(rng: np.random.Generator) -> dict[str, Any]:
    """Draw arguments about missing samples; a mask and weights are drawn later."""
    named: dict[str, Any] = {}
    named[str(drawn(rng, "mask", "weights", "none"))] = None
    if "none" in named or rng.random() < 0.4:
        named["nan"] = "ignore"
    named.pop("none", None)
    if rng.random() < 0.3:
        named["min_weight"] = float(drawn(rng, 0.1, 0.5, 0.9, 1.0))
    if rng.random() < 0.3:
        named["keep_nan"] = True
    return named


def _samples(rng: np.random.Generator, x: NDArray[Any], dtype: str, large: bool) -> torch.Tensor:
    kind = getattr(torch, dtype)
    values = torch.from_numpy(np.asarray(x.real, np.float64).copy())
    if kind.is_complex:
        values = torch.complex(values, values.flip(0) / 2)
    elif not kind.is_floating_point:
        return values.abs().clamp(0, 250).to(kind)
    if large and rng.random() < 0.2:  # terms overflow
        values *= float(torch.finfo(kind).max) / float(values.abs().amax().clamp_min(1e-3)) / 4
    if values.numel() and rng.random() < 0.4:
        for _ in range(3):
            at = tuple(int(rng.integers(n)) for n in values.shape)
            values[at] = float(drawn(rng, np.nan, np.inf, -np.inf))
    return values.to(kind)


def _exact(x: torch.Tensor) -> NDArray[Any]:
    return (x.to(torch.complex128) if x.is_complex() else x.to(torch.float64)).numpy()


def _check(rng: np.random.Generator, problem: Call, x: torch.Tensor, door: str, missing: dict[str, Any]) -> None:
    channels, at = "layer" in door, 0
    arguments: dict[str, Any] = {"mode": problem.mode, "cval": problem.cval, "shape": problem.shape}
    if channels or door == "value":
        arguments |= {"stride": problem.steps.stride, "dilation": problem.steps.dilation}
    if channels:
        at = int(rng.integers(x.ndim - problem.bank.ndim))
        arguments |= {"channel_axis": at, "groups": problem.steps.groups}
    if missing.get("keep_nan") and (problem.shape != "same" or channels or {*problem.steps.stride} != {1}):
        missing = {name: value for name, value in missing.items() if name != "keep_nan"}
    given = np.ones(problem.x.shape)
    if "mask" in missing:
        given = rng.random(problem.x.shape) < float(drawn(rng, 0.2, 0.7, 1.0))
    elif "weights" in missing:
        given = rng.random(problem.x.shape).round(2).astype(np.float32)
        given[rng.random(given.shape) < 0.4] = 0
    skips = missing.get("nan") == "ignore"
    skips = skips and (x.is_floating_point() or x.is_complex() or np.isnan(problem.cval))
    present = given * ~(np.isnan(problem.x) & skips)
    placed = given if channels else given[0]
    for name in ("mask", "weights"):
        if name in missing:
            missing[name] = torch.from_numpy(np.moveaxis(placed, 0, at).copy() if channels else placed.copy())
    outside = not (skips and np.isnan(problem.cval))
    rule = Present(
        np.asarray(present, np.longdouble), bool(missing), outside, missing.get("min_weight", 0.0),
        missing.get("keep_nan", False),
    )  # fmt: skip
    is_complex = x.is_complex() or problem.bank.dtype.kind == "c"
    result = None if is_complex or rng.random() < 0.6 else str(drawn(rng, *RESULTS))
    if result:
        arguments["dtype"] = getattr(torch, result)
    kernel, arguments["method"] = _kernel(problem, door), str(drawn(rng, *METHODS))
    run = fa.convolve if problem.reflected else fa.correlate
    samples = x.movedim(0, at) if channels else x[0]
    note = f"{door} {tuple(samples.shape)} {x.dtype} {arguments} {[*missing.items()]!r:.80} {problem.bank!r:.300}"
    try:
        got = run(samples, kernel, **arguments, **missing)
    except fa.ArgumentError as error:
        if error.argument != "method":
            raise
        arguments["method"] = "auto"
        got = run(samples, kernel, **arguments, **missing)
    if channels:
        got = got.movedim(at, 0)
    transformed = arguments["method"] == "fourier" or problem.bank.taps[0, 0].size >= 64
    assert_close(got, truth(problem, rule), problem, x.dtype, transformed, note)


def solve_layer(rng: np.random.Generator, decades: int = 0) -> None:
    """Draw a layer, solve it by its plan, and compare within the bound that the plan states."""
    problem = mixed_problems.layer_call(rng)
    problem = mixed_problems.spread_out(rng, problem, decades) if decades else problem
    at = int(rng.integers(problem.x.ndim - problem.bank.ndim))
    x = torch.from_numpy(np.moveaxis(problem.x, 0, at).copy())
    kernel: Any = problem.bank if problem.reflected else problem.bank.flip()  # plans are of convolutions
    if rng.random() < 0.5 and kernel.origin == tuple(size // 2 for size in kernel.shape):
        kernel = torch.tensor(kernel.taps.copy(), dtype=x.dtype)
    arguments = problem.arguments | {"channel_axis": at, "method": str(drawn(rng, *LAYER_METHODS))}
    try:
        plan = fa.plan(x, kernel, **arguments)
    except fa.ArgumentError as error:
        if error.argument != "method":
            raise
        plan = fa.plan(x, kernel, **(arguments | {"method": "auto"}))
    got = plan(x, workers=int(drawn(rng, 1, 2)))
    number = np.dtype(str(x.dtype).removeprefix("torch."))
    asked = SimpleNamespace(result=number, number=number, kernel=problem.bank[0, 0])
    stated = SimpleNamespace(error=plan.error, pointwise=plan.pointwise, problem=asked)
    note = f"{problem} {arguments} {type(kernel).__name__}\n{plan}"
    assert_agrees(np.moveaxis(got.numpy(), at, 0), problem.answer(), stated, note)  # type: ignore[arg-type]


def _kernel(problem: Call, door: str) -> Any:
    taps, origin = problem.bank.taps, problem.bank.origin
    return {
        "value": lambda: fa.Kernel(taps[0, 0], origin),
        "taps": lambda: torch.tensor(taps[0, 0]),
        "bank": lambda: fa.Bank(taps, origin),
        "layer": lambda: fa.Bank(taps, origin),
        "taps of a layer": lambda: torch.tensor(taps),
    }[door]()


def assert_close(
    got: torch.Tensor, wanted: Truth, problem: Call, dtype: torch.dtype, transformed: bool, note: str
) -> None:
    """Check a result: computed in single or double precision, and rounded to its own dtype once."""
    values = wanted.values
    y = _exact(got).reshape(values.shape)
    doubles = (torch.float64, torch.complex128, torch.int32)
    unit = 2.0**-53 if dtype in doubles or got.dtype in doubles else 2.0**-24
    count = 2 * float(np.prod(problem.bank.taps.shape[1:])) + 40
    error = unit * (count * wanted.scale + (200 * wanted.largest if transformed else 0)) + 1e-37 * (unit > 1e-10)
    error = error + np.abs(np.nan_to_num(values, nan=0, posinf=0, neginf=0)) * unit
    for part in ("real", "imag") if values.dtype.kind == "c" else ("real",):
        one, true = getattr(y, part), getattr(values, part)
        if got.dtype in (torch.uint8, torch.int16, torch.int32):
            limits = torch.iinfo(got.dtype)
            true = np.nan_to_num(true, nan=0.0, posinf=np.inf, neginf=-np.inf)
            low, high = (np.rint(true + sign * error).clip(limits.min, limits.max) for sign in (-1, 1))
            wrong = wanted.sure & ~((low <= one) & (one <= high))
            assert not wrong.any(), f"{one[wrong][0]} not from {low[wrong][0]} to {high[wrong][0]}: {note}"
            continue
        info = torch.finfo(got.dtype)
        sure = wanted.sure & ((np.abs(true) + error < info.max) | ~np.isfinite(true))
        assert_places(np.isnan(true), np.isnan(one), sure, "NaN", note)
        for sign in (np.inf, -np.inf):
            assert_places(true == sign, one == sign, sure, f"{sign}", note)
        with np.errstate(all="ignore"):
            stored = (
                np.abs(true) * info.eps / 2 * 1.001 + info.smallest_normal * info.eps if info.eps > 4 * unit else 0
            )
            wrong = sure & np.isfinite(true) & ~(np.abs(one - true) <= error + stored)
        assert not wrong.any(), (
            f"{wrong.sum()} of {wrong.size}: {one[wrong][0]} instead of {true[wrong][0]}, bound "
            f"{np.broadcast_to(error + stored, wrong.shape)[wrong][0]:.3g}: {note}"
        )
