"""Random problems for `convolve` and `correlate`, checked against the definition within the bounds of their plans.

Arrays begin or end at protected memory pages. Run as a program, this solves as many problems as asked, and names
those that fail, or that end the process. Every second one is a kernel on an array; the others are of the kinds of
`mixed_problems.py`::

    python tests/problems.py 20000 --seed 1
    python tests/problems.py 1000 --kind tensor
    python tests/problems.py 1000 --kind kernel --decades 15
    python tests/problems.py 5000 --kind channels --decades 12
    python tests/problems.py 5000 --edge
"""

from __future__ import annotations

import argparse
import functools
import itertools
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import faltung as fa
import mixed_problems
from agreement import answer, assert_agrees
from edge_numbers import samples_at_the_edge, taps_at_the_edge
from expressions import random_expression
from faltung.ground import boundary
from faltung.planning.planner import METHODS
from guarded import guarded

MODES = tuple(boundary.MODES)
FLOATS = ("f2", "f4", "f8", ">f2", ">f4", ">f8")
INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i2", ">u4", "?")
COMPLEX = ("c8", "c16", ">c8")

#: Longest axis of an array, by its number of axes, and most taps along an axis of a kernel, by its number of axes.
SMALL = {1: 40, 2: 40, 3: 12, 4: 6}, {1: 9, 2: 9, 3: 4, 4: 3}
LARGE = {1: 40_000, 2: 300, 3: 40, 4: 14}, {1: 300, 2: 45, 3: 9, 4: 3}
#: Most products in the definition of a problem: they take about a second.
MOST_PRODUCTS = 50_000_000


@dataclass
class Problem:
    """One call and its arguments."""

    x: NDArray[Any]
    kernel: fa.Kernel
    call: str
    mode: str | tuple[str, ...]
    cval: complex
    shape: str
    axes: tuple[int, ...]
    result: np.dtype[Any] | None
    out: NDArray[Any] | None
    method: str
    accuracy: str

    def __str__(self) -> str:
        return (
            f"{self.call} x={self.x.shape} {self.x.dtype} strides={self.x.strides} kernel={self.kernel!r:.300} "
            f"{self.kernel.shape} {self.kernel.dtype} origin={self.kernel.origin} mode={self.mode} cval={self.cval} "
            f"shape={self.shape} axes={self.axes} result={self.result} method={self.method} "
            f"accuracy={self.accuracy} out={None if self.out is None else self.out.strides}"
        )


# ---- drawing ---------------------------------------------------------------------------------------------


def random_problem(rng: np.random.Generator, large: bool = False) -> Problem:
    """Draw arrays of 1 to 4 axes, kernels over any of them, every mode, shape, dtype and layout."""
    longest, sides = LARGE if large else SMALL
    ndim = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.5, 0.2, 0.1]))
    lengths = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.05 else 1, longest[ndim] + 1, ndim))
    kernel_ndim = int(rng.integers(1, ndim + 1))
    axes = tuple(int(axis) for axis in rng.permutation(ndim)[:kernel_ndim])
    kernel = _kernel(rng, kernel_ndim, sides[kernel_ndim])
    dtype = np.dtype(str(rng.choice(FLOATS * 3 + INTEGERS + COMPLEX)))
    products = np.count_nonzero(kernel.taps) * np.prod(np.add(lengths, 1.0))
    if products > MOST_PRODUCTS:
        lengths = tuple(max(1, int(n * (MOST_PRODUCTS / products) ** (1 / ndim))) for n in lengths)
    x = _array(rng, lengths, dtype)
    complex_result = x.dtype.kind == "c" or kernel.dtype.kind == "c"
    results = ("c8", "c16", ">c8") if complex_result else FLOATS + INTEGERS[:-1] + ("c16",)
    cval = float(rng.choice([0.0, 0.3, -1.0, 7.0]))
    problem = Problem(
        x,
        kernel,
        str(rng.choice(["convolve", "correlate"])),
        str(rng.choice(MODES)) if rng.random() < 0.7 else tuple(map(str, rng.choice(MODES, kernel_ndim))),
        complex(cval, 0.1) if x.dtype.kind == "c" and rng.random() < 0.5 else cval,
        _shape(rng, kernel.shape, [x.shape[axis] for axis in axes]),
        axes,
        np.dtype(str(rng.choice(results))) if rng.random() < 0.5 else None,
        None,
        str(rng.choice(METHODS)),
        str(rng.choice(["norm", "norm", "pointwise"])),
    )
    if problem.result is not None and rng.random() < 0.5:
        result_shape = tuple(stop - start for start, stop in regions(problem))
        behind = bool(rng.random() < 0.5)
        problem.out = _layout(rng, guarded(tuple(reversed(result_shape)), problem.result, behind).T, rng.random())
    return problem


def _kernel(rng: np.random.Generator, ndim: int, side: int) -> fa.Kernel:
    if ndim < 4 and rng.random() < 0.5:
        return random_expression(rng, ndim, side)
    sizes = tuple(int(n) for n in rng.integers(1, side + 1, ndim))
    taps = rng.standard_normal(sizes)
    if rng.random() < 0.3:  # an outer product, which engines can use
        taps = functools.reduce(np.multiply.outer, [rng.standard_normal(size) for size in sizes])
    if rng.random() < 0.15:
        taps = taps + 1j * rng.standard_normal(sizes)
    if rng.random() < 0.4:
        taps = taps * (rng.random(sizes) < rng.choice([0.1, 0.5, 0.9]))
    if rng.random() < 0.2:
        taps = np.abs(taps.real)
    anywhere = rng.integers(-2, side + 2, ndim)
    return fa.Kernel(taps, [int(o) if rng.random() < 0.3 else n // 2 for o, n in zip(anywhere, sizes, strict=True)])


def _shape(rng: np.random.Generator, sizes: tuple[int, ...], lengths: list[int]) -> str:
    fits = all(size <= length for size, length in zip(sizes, lengths, strict=True))
    covers = all(size >= length for size, length in zip(sizes, lengths, strict=True))
    return str(rng.choice(["same", "same", "full", "valid" if fits or covers else "same"]))


def _array(rng: np.random.Generator, lengths: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    x = guarded(lengths, dtype, bool(rng.random() < 0.5))
    if dtype.kind == "b":
        x[...] = rng.random(lengths) < 0.5
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        x[...] = rng.integers(max(limits.min, -(2**40)), min(limits.max, 2**40), lengths, endpoint=True)
    else:
        x[...] = _numbers(rng, lengths, 2 if dtype.itemsize == 2 else 6)
        if dtype.kind == "c":
            x.imag[...] = rng.standard_normal(lengths)
        if x.size and rng.random() < 0.2:
            for _ in range(3):
                x[tuple(int(rng.integers(n)) for n in lengths)] = rng.choice([np.nan, np.inf, -np.inf])
    return _layout(rng, x, rng.random())


def _numbers(rng: np.random.Generator, lengths: tuple[int, ...], decades: int) -> NDArray[np.float64]:
    """Return noise, or numbers of very different sizes, everywhere or at a few samples; sometimes without a sign."""
    choice = rng.random()
    numbers = rng.standard_normal(lengths)
    if choice < 0.2:
        numbers *= 10.0 ** rng.uniform(-decades, decades, lengths)
    elif choice < 0.4:
        numbers[rng.random(lengths) < 0.01] *= 10.0 ** (2 * decades if decades > 2 else decades)
    return np.abs(numbers) if rng.random() < 0.3 else numbers


def _layout(rng: np.random.Generator, x: NDArray[Any], choice: float) -> NDArray[Any]:
    """Return the same values, possibly with other strides: reversed, or every second sample."""
    if choice < 0.6:
        copy = guarded(x.shape, x.dtype, choice < 0.3)
        copy[...] = x
        return copy
    if choice < 0.75:
        return x[tuple(slice(None, None, int(rng.choice([1, -1]))) for _ in x.shape)]
    if choice < 0.9:
        wide = guarded(tuple(2 * n for n in x.shape), x.dtype, True)
        view = wide[tuple(slice(0, 2 * n, 2) for n in x.shape)]
        view[...] = x
        return view
    return x


# ---- solving and checking --------------------------------------------------------------------------------


def regions(problem: Problem) -> list[tuple[int, int]]:
    """Return the region of outputs along each axis of the array, by NumPy's rules for the three shapes."""
    bounds = [(0, n) for n in problem.x.shape]
    for axis, size, origin in zip(problem.axes, problem.kernel.shape, problem.kernel.origin, strict=True):
        length = problem.x.shape[axis]
        if problem.shape == "same" or length == 0:
            continue
        # Position of the first output of 'full': there, the last tap of a convolution is on sample 0.
        first = -origin if problem.call == "convolve" else origin - size + 1
        if problem.shape == "full":
            bounds[axis] = (first, first + length + size - 1)
        else:
            bounds[axis] = (first + min(length, size) - 1, first + max(length, size))
    return bounds


def solve(problem: Problem, workers: int | None = None) -> tuple[NDArray[Any], fa.Plan]:
    """Return the result and the plan of a problem; if its method is impossible, the planner chooses one."""

    def arguments(method: str) -> dict[str, Any]:
        kept = ("mode", "cval", "shape", "axes", "accuracy")
        return {name: getattr(problem, name) for name in kept} | {"dtype": problem.result, "method": method}

    def planned(method: str) -> fa.Plan:
        # Correlating is convolving with the flipped kernel.
        kernel = problem.kernel if problem.call == "convolve" else problem.kernel.flip()
        return fa.plan(problem.x, kernel, **arguments(method))

    method = problem.method
    try:
        plan = planned(method)
    except fa.ArgumentError as error:
        if error.argument != "method" or method == "auto":
            raise
        method = "auto"
        plan = planned(method)
    run = getattr(fa, problem.call)
    return run(problem.x, problem.kernel, **arguments(method), out=problem.out, workers=workers), plan


def check(problem: Problem) -> None:
    """Solve a problem and compare it with the definition; without negative numbers, no result may be negative."""
    before = problem.x.tobytes()
    got, plan = solve(problem)
    assert problem.x.tobytes() == before, f"the input changed: {problem}"
    assert problem.out is None or got is problem.out, problem
    assert plan.pointwise or problem.accuracy == "norm", problem
    mode, cval = problem.mode, problem.cval
    lengths = [problem.x.shape[axis] for axis in problem.axes]
    if problem.shape == "valid" and any(n < k for n, k in zip(lengths, problem.kernel.shape, strict=True)):
        mode, cval = "constant", 0.0  # taps beyond the border are left out
    taps, origin = problem.kernel.taps, problem.kernel.origin
    double = plan.problem.number == np.float64
    region = regions(problem)
    wanted = answer(problem.call, problem.x, taps, origin, mode, cval, region, problem.axes, double)
    assert_agrees(got, wanted, plan, f"{problem}\n{plan}")
    # A plan is one of a convolution; a product that is flipped factor by factor has other rounding errors.
    for name, again in elsewhere(problem.x, plan) if problem.call == "convolve" else ():
        assert_agrees(again, wanted, plan, f"{name}: {problem}\n{plan}")
        if {*plan.engines} <= {"direct", "separable"}:  # other engines may add up from the beginning of a tile
            assert_array_equal(again, got, f"{name}: {problem}\n{plan}")
    real = problem.x.dtype.kind != "c" and taps.dtype.kind != "c"
    outside = float(cval.real) if "constant" in mode else 0.0
    if real and (taps >= 0).all() and not (problem.x < 0).any() and not outside < 0:
        assert not (got.real < 0).any(), f"{got.real.min()} is negative: {problem}\n{plan}"


def elsewhere(x: NDArray[Any], plan: fa.Plan) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield results of the same plan for the same samples with other memory layouts, and in place."""
    around = tuple(slice(None, None, -1) for _ in x.shape)
    in_order = x.copy()
    yield "in order", plan(in_order)
    yield "columns first", plan(np.asfortranarray(x))
    yield "reversed", plan(x[around].copy()[around])
    if (x.shape, x.dtype) == (plan.problem.result_shape, plan.problem.result):
        yield "in place", plan(in_order, out=in_order)


def attempt(
    seed: int, number: int, large: bool = False, decades: int = 0, edge: bool = False, method: str = ""
) -> None:
    """Solve one random problem and check it; by its own method, or by the one that is asked for."""
    problem = random_problem(np.random.default_rng([seed, number]), large)
    problem.method = method or problem.method
    if edge and problem.x.flags.writeable:
        rng = np.random.default_rng([seed, number, 1])
        with np.errstate(all="ignore"):
            problem.x[...] = samples_at_the_edge(rng, problem.x)
        if rng.random() < 0.5:
            problem.kernel = fa.Kernel(taps_at_the_edge(rng, problem.kernel.taps), problem.kernel.origin)
    if decades and problem.x.dtype.kind == "f" and problem.x.dtype.itemsize > 2 and problem.x.flags.writeable:
        rng = np.random.default_rng([seed, number, decades])
        with np.errstate(all="ignore"):
            problem.x[...] *= 10.0 ** rng.uniform(-decades, decades, problem.x.shape)
    try:
        check(problem)
    except Exception as error:
        error.add_note(f"seed {seed} problem {number}, large={large}: {problem}")
        raise


def attempt_all_methods(seed: int, number: int, edge: bool = False) -> None:
    """Solve one random problem by every method that it has: all agree with the definition, and so with each other."""
    for method in METHODS:
        attempt(seed, number, edge=edge, method=method)


def solve_some(arguments: argparse.Namespace, numbers: range, at: Any, failed: Any) -> None:
    """Solve a number of problems; `at` is the one that is being solved, and `failed` counts."""
    others = itertools.cycle(["methods", *mixed_problems.KINDS])
    kinds = [arguments.kind or ("kernel" if number % 2 else next(others)) for number in numbers]
    for number, kind in zip(numbers, kinds, strict=True):
        at.value = number
        try:
            if kind == "methods":
                attempt_all_methods(arguments.seed, number, arguments.edge)
            elif kind == "kernel":
                attempt(arguments.seed, number, arguments.large, arguments.decades, arguments.edge)
            else:
                mixed_problems.attempt(kind, arguments.seed, number, arguments.decades, arguments.edge)
        except Exception as error:
            failed.value += 1
            notes = " ".join(getattr(error, "__notes__", []))
            print(f"{notes:.300}\n{type(error).__name__}: {error}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=["kernel", "methods", *mixed_problems.KINDS], help="all kinds by default")
    parser.add_argument("--large", action="store_true", help="arrays of many tiles, for kernels")
    parser.add_argument("--decades", type=int, default=0, help="samples from 10**-N to 10**N; kernels of banks, too")
    parser.add_argument("--edge", action="store_true", help="samples and taps at the ends of what floats hold")
    arguments = parser.parse_args()
    forked = multiprocessing.get_context("fork")
    at, failed, first = forked.Value("q", 0), forked.Value("q", 0), 0
    while first < arguments.count:  # a process for some hundred problems: if one of them ends it, others go on
        last = min(first + 600, arguments.count)
        process = forked.Process(target=solve_some, args=(arguments, range(first, last), at, failed))
        process.start()
        process.join()
        first = last
        if process.exitcode:
            failed.value += 1
            first = at.value + 1
            print(f"seed {arguments.seed} problem {at.value} ended the process: {process.exitcode}\n", flush=True)
    print(f"{arguments.count} problems, {failed.value} of them not solved")


if __name__ == "__main__":
    main()
