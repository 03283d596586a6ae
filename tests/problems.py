"""Random problems for `convolve` and `correlate`, with answers from the reference and from SciPy.

Arrays lie against memory pages that may not be touched, now before and now behind them, so that one byte
read or written outside ends the process. Run as a program, this solves as many problems as asked::

    python tests/problems.py 20000 --seed 1
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import math
import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal

import faltung as fa
import reference
from faltung.plan.planner import ENGINES

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
FLOATS = ("f2", "f4", "f8", ">f2", ">f4", ">f8")
INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i2", ">u4", "?")
COMPLEX = ("c8", "c16", ">c8")

_keep: list[Any] = []


def guarded(shape: tuple[int, ...], dtype: np.dtype, behind: bool) -> np.ndarray:
    """Uninitialised array that ends (or begins) where a page that may not be touched begins (or ends)."""
    page = mmap.PAGESIZE
    size = math.prod(shape) * dtype.itemsize
    room = -(-max(size, 1) // page) * page
    memory = mmap.mmap(-1, room + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None)
    for place in (start, start + page + room):
        if libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(page), 0):
            raise OSError("mprotect failed")
    _keep.append(memory)
    if len(_keep) > 64:
        _keep.pop(0)
    offset = page + room - size if behind else page
    return np.frombuffer(memory, np.uint8, size, offset).view(dtype).reshape(shape)


@dataclass
class Problem:
    """One call and the array it is made on."""

    x: np.ndarray
    taps: np.ndarray
    origin: tuple[int, ...]
    call: str
    mode: str
    cval: complex
    shape: str
    axes: tuple[int, ...]
    result: np.dtype | None
    out: np.ndarray | None
    method: str

    def __str__(self) -> str:
        return (
            f"{self.call} x={self.x.shape} {self.x.dtype} strides={self.x.strides} taps={self.taps.shape} "
            f"{self.taps.dtype} nonzero={np.count_nonzero(self.taps)} origin={self.origin} mode={self.mode} "
            f"cval={self.cval} shape={self.shape} axes={self.axes} result={self.result} "
            f"out={None if self.out is None else self.out.strides} method={self.method}"
        )


def random_problem(rng: np.random.Generator, longest: int = 40, largest: int = 9) -> Problem:
    """Draw arrays of 1 to 4 axes, kernels over any of them, every mode, shape, dtype and layout."""
    ndim = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.5, 0.2, 0.1]))
    limit = {1: longest, 2: longest, 3: 12, 4: 6}[ndim]
    lengths = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.05 else 1, limit + 1, ndim))
    kernel_ndim = int(rng.integers(1, ndim + 1))
    axes = tuple(int(axis) for axis in rng.permutation(ndim)[:kernel_ndim])
    side = {1: largest, 2: largest, 3: 4, 4: 3}[kernel_ndim]
    sizes = tuple(int(n) for n in rng.integers(1, side + 1, kernel_ndim))
    taps = _taps(rng, sizes)
    anywhere = rng.integers(-2, side + 2, kernel_ndim)
    origin = tuple(int(o) if rng.random() < 0.3 else size // 2 for o, size in zip(anywhere, sizes, strict=True))
    x = _array(rng, lengths, np.dtype(str(rng.choice(FLOATS * 3 + INTEGERS + COMPLEX))))
    shape = str(rng.choice(["same", "same", "full", "valid"]))
    if shape == "valid":
        lengths_there = [x.shape[axis] for axis in axes]
        fits = all(s <= n for s, n in zip(sizes, lengths_there, strict=True))
        if not fits and not all(s >= n for s, n in zip(sizes, lengths_there, strict=True)):
            shape = "same"
    complex_result = x.dtype.kind == "c" or taps.dtype.kind == "c"
    results = ("c8", "c16", ">c8") if complex_result else FLOATS + INTEGERS[:-1] + ("c16",)
    result = np.dtype(str(rng.choice(results))) if rng.random() < 0.5 else None
    cval = float(rng.choice([0.0, 0.3, -1.0, 7.0]))
    problem = Problem(
        x,
        taps,
        origin,
        str(rng.choice(["convolve", "correlate"])),
        str(rng.choice(MODES)),
        complex(cval, 0.1) if x.dtype.kind == "c" and rng.random() < 0.5 else cval,
        shape,
        axes,
        result,
        None,
        str(rng.choice(["auto", *ENGINES])),
    )
    if result is not None and rng.random() < 0.5:
        region = regions(problem)
        there = tuple(stop - start for start, stop in region)
        problem.out = _layout(rng, guarded(tuple(reversed(there)), result, bool(rng.random() < 0.5)).T, rng.random())
    return problem


def _taps(rng: np.random.Generator, sizes: tuple[int, ...]) -> np.ndarray:
    taps = rng.standard_normal(sizes)
    if rng.random() < 0.3:  # an outer product, which engines may take apart
        taps = functools.reduce(np.multiply.outer, [rng.standard_normal(size) for size in sizes])
    if rng.random() < 0.15:
        taps = taps + 1j * rng.standard_normal(sizes)
    if rng.random() < 0.4:
        taps = taps * (rng.random(sizes) < rng.choice([0.1, 0.5, 0.9]))
    return taps


def _array(rng: np.random.Generator, lengths: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    x = guarded(lengths, dtype, bool(rng.random() < 0.5))
    if dtype.kind == "b":
        x[...] = rng.random(lengths) < 0.5
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        x[...] = rng.integers(max(limits.min, -(2**40)), min(limits.max, 2**40), lengths, endpoint=True)
    elif dtype.kind == "c":
        x[...] = rng.standard_normal(lengths) + 1j * rng.standard_normal(lengths)
    else:
        x[...] = rng.standard_normal(lengths)
    if dtype.kind in "fc" and x.size and rng.random() < 0.2:
        for _ in range(3):
            x[tuple(int(rng.integers(n)) for n in lengths)] = rng.choice([np.nan, np.inf, -np.inf])
    return _layout(rng, x, rng.random())


def _layout(rng: np.random.Generator, x: np.ndarray, choice: float) -> np.ndarray:
    """The same values, maybe with other strides: reversed, transposed in memory, every other sample."""
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


def regions(problem: Problem) -> list[tuple[int, int]]:
    """Output region on every axis of the array, worked out from what NumPy means by the three shapes."""
    found = [(0, n) for n in problem.x.shape]
    for axis, size, origin in zip(problem.axes, problem.taps.shape, problem.origin, strict=True):
        length = problem.x.shape[axis]
        if problem.shape == "same" or length == 0:
            continue
        # Position of the first output of 'full': a convolution begins where its last lag meets sample 0.
        first = -origin if problem.call == "convolve" else origin - size + 1
        if problem.shape == "full":
            found[axis] = (first, first + length + size - 1)
        else:
            found[axis] = (first + min(length, size) - 1, first + max(length, size))
    return found


def expected(problem: Problem, by_scipy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Result in double precision, and the sum of abs(tap) * abs(sample) that rounding is measured by."""
    x = problem.x.astype(np.complex128 if problem.x.dtype.kind == "c" else np.float64)
    order = np.argsort(problem.axes)
    taps = problem.taps.transpose(order)
    sizes, origin = [1] * x.ndim, [0] * x.ndim
    for k, axis in enumerate(problem.axes):
        sizes[axis], origin[axis] = problem.taps.shape[k], problem.origin[k]
    taps = taps.reshape(sizes)
    mode, cval = problem.mode, problem.cval
    outside = any(problem.x.shape[a] < s for a, s in zip(problem.axes, problem.taps.shape, strict=True))
    if problem.shape == "valid" and outside:
        mode, cval = "constant", 0.0
    if not by_scipy:
        run = getattr(reference, problem.call)
        with np.errstate(all="ignore"):
            return tuple(
                run(a, b, origin, mode, c, regions(problem))
                for a, b, c in ((x, taps, cval), (abs(x), abs(taps), abs(cval)))
            )
    run = getattr(scipy.ndimage, problem.call)
    shift = [o - s // 2 for o, s in zip(origin, sizes, strict=True)]
    if problem.call == "correlate" and taps.dtype.kind == "c":
        taps = taps.conj()  # SciPy conjugates, the definition here does not
    return tuple(
        run(a, b, mode=mode, cval=c, origin=shift) for a, b, c in ((x, taps, cval), (abs(x), abs(taps), abs(cval)))
    )


def scipy_can(problem: Problem) -> bool:
    """Whether SciPy defines the answer: it has no other shape, no origin outside a kernel, no exact NaN."""
    centred = all(0 <= o < s for o, s in zip(problem.origin, problem.taps.shape, strict=True))
    real_cval = complex(problem.cval).imag == 0
    finite = problem.x.dtype.kind not in "fc" or bool(np.isfinite(problem.x.astype(np.complex128)).all())
    return problem.shape == "same" and centred and real_cval and finite and problem.x.size > 0


def solve(problem: Problem, workers: int | None = None) -> np.ndarray:
    """Call what is under test; an engine that cannot do it leaves the choice to the planner."""

    def call(method: str) -> np.ndarray:
        return getattr(fa, problem.call)(
            problem.x,
            fa.Kernel(problem.taps, problem.origin),
            problem.mode,
            problem.cval,
            shape=problem.shape,
            axes=problem.axes,
            dtype=problem.result,
            out=problem.out,
            method=method,
            workers=workers,
        )

    try:
        return call(problem.method)
    except fa.ArgumentError as error:
        if error.argument != "method" or problem.method == "auto":
            raise
        return call("auto")


def check(problem: Problem, by_scipy: bool) -> None:
    """Solve a problem and compare: dtype, shape, values to rounding, and the places of what is not finite."""
    before = problem.x.tobytes()
    got = solve(problem)
    assert problem.x.tobytes() == before, f"the input changed: {problem}"
    assert problem.out is None or got is problem.out, problem
    if by_scipy:
        want, scale = expected(problem, True)
    else:
        want, scale = expected(problem, False)
    assert got.shape == want.shape, f"{got.shape} is not {want.shape}: {problem}"
    single = (np.dtype("f4"), np.dtype("c8"))
    computed = single if _default_is_single(problem.x.dtype) and _stored_as_single(problem.result) else ()
    eps = float(np.finfo(np.float32 if computed else np.float64).eps)
    bound = eps * (np.count_nonzero(problem.taps) + 4) * np.abs(scale)
    if got.dtype.kind in "iu":
        _check_integers(got, want, bound, problem)
    else:
        _check_floats(got, want, bound, problem)


def _default_is_single(dtype: np.dtype) -> bool:
    return dtype.itemsize <= {"f": 4, "c": 8}.get(dtype.kind, 2)


def _stored_as_single(dtype: np.dtype | None) -> bool:
    return dtype is None or _default_is_single(dtype)


def _check_integers(got: np.ndarray, want: np.ndarray, bound: np.ndarray, problem: Problem) -> None:
    # Whatever value within the error bound was rounded, the integer lies between those of the two ends.
    with np.errstate(invalid="ignore"):
        low, high = want - bound, want + bound
    bad = ~np.isfinite(want)
    low, high = np.where(bad, want, low), np.where(bad, want, high)
    below, above = reference.stored(low, got.dtype), reference.stored(high, got.dtype)
    # 64-bit integers next to the limits cannot be told apart in double precision.
    assert ((below <= got) & (got <= above)).all(), f"{problem}\n{got}\n{below}\n{above}"


def _check_floats(got: np.ndarray, want: np.ndarray, bound: np.ndarray, problem: Problem) -> None:
    limits = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        bound = bound + np.abs(want) * float(limits.eps) + float(limits.tiny) * 2
        got = got.astype(np.complex128 if got.dtype.kind == "c" else np.float64)
        finite = np.isfinite(want) & (np.abs(want) < float(limits.max))
        # A complex product spreads what is not finite over both parts, depending on how it is written.
        places = np.isfinite if got.dtype.kind == "c" else np.isnan
        assert (places(got)[np.abs(want) != np.inf] == places(want)[np.abs(want) != np.inf]).all(), problem
        if got.dtype.kind == "f":
            assert (got[np.isinf(want)] == want[np.isinf(want)]).all(), f"infinities in other places: {problem}"
        error, bound = np.abs(got - want)[finite], bound[finite]
    assert (error <= bound).all(), f"{problem}\n{error.max()} > {bound[error.argmax()]}"


def attempt(seed: int, number: int, longest: int = 40) -> bool:
    """Solve one random problem and check it; return whether SciPy knew the answer."""
    problem = random_problem(np.random.default_rng([seed, number]), longest)
    by_scipy = scipy_can(problem)
    small = problem.x.size * problem.taps.size < 3000
    if not by_scipy and not small:
        problem.x = problem.x[tuple(slice(0, 6) for _ in problem.x.shape)]
        problem.out = None
        if problem.shape == "valid":
            problem.shape = "full"
    try:
        check(problem, by_scipy)
        if small and by_scipy:
            check(problem, False)
    except Exception as error:
        error.add_note(f"seed {seed} problem {number}: {problem}")
        raise
    return by_scipy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    scipys = sum(attempt(arguments.seed, number) for number in range(arguments.count))
    print(f"{arguments.count} problems solved, {scipys} of them compared with SciPy")


if __name__ == "__main__":
    main()
