"""Random problems beyond one kernel on one array: banks, channels, missing samples, tensors, memory that overlaps.

Each kind draws a call and checks it against `shifted.py`, in extended precision and within the bound of the plan.
`problems.py` runs them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import faltung as fa
import shifted
from agreement import Answer, answer, assert_agrees
from edge_numbers import samples_at_the_edge, taps_at_the_edge
from faltung.ground import boundary
from faltung.planning import axis_plan, kept

MODES = tuple(boundary.MODES)
REAL = ("f2", "f4", "f8", ">f4", ">f8", "u1", "i1", "u2", "i2", "u4", "i4", ">i2", "?")
COMPLEX = ("c8", "c16", ">c8")
RESULTS = ("f2", "f4", "f8", ">f2", ">f8", "u1", "i1", "u2", ">i2", "i4", "c8", "c16", ">c16")
METHODS = ("auto", "auto", "direct", "separable", "running", "fourier", "passes", "apart", "basis", "winograd")


# ---- drawing -----------------------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, *values: Any) -> Any:
    """Return one of the values."""
    return values[int(rng.integers(len(values)))]


def array(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return samples of any memory layout: in any order of axes, reversed, apart, repeated, read-only."""
    order = (
        tuple(int(axis) for axis in rng.permutation(len(shape))) if rng.random() < 0.3 else tuple(range(len(shape)))
    )
    steps = tuple(int(drawn(rng, 1, 1, 1, -1, 2, -3)) for _ in shape) if rng.random() < 0.4 else (1,) * len(shape)
    longer = [abs(steps[axis]) * shape[axis] for axis in order]
    values = rng.standard_normal(longer) * drawn(rng, 1, 100)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(longer)
    if np.dtype(dtype).kind in "uib":
        values = np.abs(values) if np.dtype(dtype).kind == "u" else values
        values = values.clip(-100, 100)
    x = values.astype(dtype).transpose(np.argsort(order))[tuple(slice(None, None, step) for step in steps)]
    x = x[tuple(slice(0, n) for n in shape)]
    if rng.random() < 0.1 and x.size:
        x = np.broadcast_to(x[:1], x.shape)  # a stride of zero, and read-only
    return x


class Steps(NamedTuple):
    """Stride, dilation and groups of a call."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def definition(
    x: NDArray[Any], bank: fa.Bank, mode: str, cval: complex, shape: str, steps: Steps, reflected: bool
) -> NDArray[Any]:
    """Return what a bank over channels is: of `x` (channels, ..., *spatial), with channels out first."""
    ndim, outs = bank.ndim, bank.out_channels // steps.groups
    sizes = [d * (size - 1) + 1 for d, size in zip(steps.dilation, bank.shape, strict=True)]
    origin = [d * at for d, at in zip(steps.dilation, bank.origin, strict=True)]
    axes = tuple(range(x.ndim - 1 - ndim, x.ndim - 1))
    region = [(0, n) for n in x.shape[1:]]
    for axis, size, at in zip(axes, sizes, origin, strict=True):
        length = x.shape[1 + axis]
        first = -at if reflected else at - size + 1
        overlap = min(length, size) - 1 if shape == "valid" else 0
        if shape != "same":
            region[axis] = first + overlap, first + length + size - 1 - overlap
    run = shifted.convolve if reflected else shifted.correlate
    results = []
    for o in range(bank.out_channels):
        total: Any = 0
        for i in range(bank.in_channels):
            taps = np.zeros(sizes, bank.taps.dtype)
            taps[tuple(slice(None, None, d) for d in steps.dilation)] = bank.taps[o, i]
            placed = shifted.along_axes(taps, origin, axes, x.ndim - 1)
            total = total + run(x[o // outs * bank.in_channels + i], *placed, mode, cval, region)
        every = [slice(None)] * len(region)
        for axis, step in zip(axes, steps.stride, strict=True):
            every[axis] = slice(None, None, step)
        results.append(total[tuple(every)])
    return np.stack(results)


def sizes_of(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the magnitudes of samples."""
    magnitudes: NDArray[np.float64] = np.abs(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64))
    return magnitudes


class Call(NamedTuple):
    """A bank over channels, and how it is applied."""

    x: NDArray[Any]  # (channels, ..., *spatial)
    bank: fa.Bank
    mode: str
    cval: complex
    shape: str
    steps: Steps
    reflected: bool

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `convolve` and `correlate` after the kernel."""
        named = {"mode": self.mode, "cval": self.cval, "shape": self.shape}
        return named | {"stride": self.steps.stride, "dilation": self.steps.dilation, "groups": self.steps.groups}

    def answer(self) -> Answer:
        """Return the definition, with channels out first."""
        common = (self.mode, self.shape, self.steps, self.reflected)

        def of(x: NDArray[Any], bank: fa.Bank, cval: complex) -> NDArray[Any]:
            mode, shape, *rest = common
            return definition(x, bank, mode, cval, shape, *rest)

        magnitudes = fa.Bank(np.abs(self.bank.taps), self.bank.origin)
        scale = of(sizes_of(self.x), magnitudes, abs(self.cval))
        largest = float(sizes_of(self.x).max(initial=0.0))
        if self.mode == "constant":
            largest = max(largest, abs(self.cval))
        totals = np.abs(self.bank.taps).sum(axis=tuple(range(1, self.bank.taps.ndim)))
        totals = np.broadcast_to(totals.reshape(-1, *[1] * (scale.ndim - 1)), scale.shape)
        with np.errstate(over="ignore"):
            return Answer(of(self.x, self.bank, self.cval), scale, totals * largest, totals)


def call(rng: np.random.Generator, plain: bool, real: bool = False) -> Call:
    """Draw a bank over channels; a `plain` one has one channel in and no strides."""
    ndim = int(drawn(rng, 1, 2, 2, 3))
    longest, side = {1: (60, 12), 2: (20, 6), 3: (8, 3)}[ndim]
    groups = 1 if plain else int(drawn(rng, 1, 1, 2, 3))
    ins = 1 if plain else int(rng.integers(1, 4))
    outs = groups * int(rng.integers(1, 4))
    sizes = tuple(int(n) for n in rng.integers(1, side + 1, ndim))
    taps = rng.standard_normal((outs, ins, *sizes)) * (rng.random((outs, ins, *sizes)) < drawn(rng, 0.5, 1, 1))
    if not real and rng.random() < 0.15:
        taps = taps + 1j * rng.standard_normal(taps.shape)
    origin = [int(rng.integers(-1, n + 1)) for n in sizes] if rng.random() < 0.3 else None
    lengths = tuple(int(n) for n in rng.integers(1, longest + 1, ndim))
    batch = (2,) if rng.random() < 0.3 else ()
    dtype = drawn(rng, "f4", "f8") if real else drawn(rng, *REAL, *COMPLEX)
    x = array(rng, (groups * ins, *batch, *lengths), str(dtype))
    ones = (1,) * ndim
    steps = Steps(*(ones if plain else tuple(map(int, rng.integers(1, 4, ndim))) for _ in range(2)), groups)
    fits = all(d * (k - 1) < n for d, k, n in zip(steps.dilation, sizes, lengths, strict=True))
    shape = str(drawn(rng, "same", "same", "full", "valid" if fits else "same"))
    cval = float(drawn(rng, 0.0, 0.3, -7.0))
    return Call(x, fa.Bank(taps, origin), str(drawn(rng, *MODES)), cval, shape, steps, bool(rng.random() < 0.5))


def layer_call(rng: np.random.Generator) -> Call:
    """Draw a layer of floats; one of two has 3 x 3 taps and no strides."""
    problem = call(rng, plain=False, real=True)
    if rng.random() < 0.5:
        return problem
    groups, ins, outs = (int(drawn(rng, 1, 1, 2)), int(rng.integers(1, 9)), int(rng.integers(1, 5)))
    taps = rng.standard_normal((groups * outs, ins, 3, 3)) * (
        rng.random((groups * outs, ins, 3, 3)) < drawn(rng, 0.5, 1)
    )
    batch = (2,) if rng.random() < 0.3 else ()
    lengths = tuple(int(n) for n in rng.integers(1, 15, 2))
    x = array(rng, (groups * ins, *batch, *lengths), str(problem.x.dtype))
    shape = str(drawn(rng, "same", "same", "full", "valid" if min(lengths) > 2 else "same"))
    steps = Steps((1, 1), (1, 1), groups)
    return Call(x, fa.Bank(taps), problem.mode, problem.cval, shape, steps, problem.reflected)


#: In place of a number of decades: samples and taps at the ends of what floats hold.
EDGE = -1


def spread_out(rng: np.random.Generator, problem: Call, decades: int) -> Call:
    """Return a call whose samples, taps or whole kernels are up to 10**decades times as large or small, or zero."""
    if decades == EDGE:
        taps = taps_at_the_edge(rng, problem.bank.taps)
        bank = fa.Bank(np.where(np.abs(taps) > 1e-37, taps, 0), problem.bank.origin)
        return problem._replace(x=samples_at_the_edge(rng, problem.x), bank=bank)

    def factors(*shape: int) -> Any:
        return 10.0 ** rng.uniform(-decades, decades, shape) if rng.random() < 0.7 else 1.0

    x, taps = problem.x, problem.bank.taps
    if x.dtype.kind in "fc" and x.real.itemsize > 2:
        with np.errstate(all="ignore"):
            x = (x * (factors(*x.shape) if rng.random() < 0.5 else factors(len(x), *[1] * (x.ndim - 1)))).astype(
                x.dtype
            )
    few = [1] * problem.bank.ndim
    taps = taps * factors(*taps.shape[:2], *few)
    if rng.random() < 0.3:
        taps = taps * factors(*taps.shape)
    taps = taps * (rng.random((*taps.shape[:2], *few)) < drawn(rng, 0.5, 0.8, 1))
    sizes = np.abs(taps)
    # Single precision holds larger ones, but hardly their sum, and smaller ones with fewer digits.
    taps = np.where(sizes > 1e-37, taps / np.maximum(sizes / 1e30, 1), 0)
    return problem._replace(x=x, bank=fa.Bank(taps, problem.bank.origin))


# ---- kinds -------------------------------------------------------------------------------------------------


def planned(problem: Call, x: NDArray[Any], kernel: Any, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """Return the plan, and its arguments; by any method if the one that was drawn is impossible."""
    flipped = kernel if problem.reflected else kernel.flip()
    run = fa.convolve if problem.reflected else fa.correlate
    try:
        run(x, kernel, **arguments)  # some methods are refused for a single kernel of several
    except fa.ArgumentError as error:
        if error.argument != "method" or arguments["method"] == "auto":
            raise
        arguments = arguments | {"method": "auto"}
    return fa.plan(x, flipped, **arguments), arguments


def channels(rng: np.random.Generator, decades: int = 0) -> None:
    """Solve a bank over channels, on any axis, into any dtype."""
    problem = layer_call(rng) if rng.random() < 0.3 else call(rng, plain=False)
    problem = spread_out(rng, problem, decades) if decades else problem
    at = int(rng.integers(problem.x.ndim - problem.bank.ndim))
    x = np.moveaxis(problem.x, 0, at)
    is_complex = problem.x.dtype.kind == "c" or problem.bank.dtype.kind == "c"
    result = str(drawn(rng, *COMPLEX)) if is_complex else str(drawn(rng, *RESULTS))
    arguments = problem.arguments | {"channel_axis": at, "dtype": drawn(rng, None, result)}
    solved(rng, problem, x, problem.bank, arguments | {"method": str(drawn(rng, *METHODS))}, at)


def bank(rng: np.random.Generator, decades: int = 0) -> None:
    """Solve a bank of kernels, whose results come one after the other."""
    problem = call(rng, plain=True)
    problem = spread_out(rng, problem, decades) if decades else problem
    is_complex = problem.x.dtype.kind == "c" or problem.bank.dtype.kind == "c"
    result = str(drawn(rng, *COMPLEX)) if is_complex else str(drawn(rng, *RESULTS))
    arguments = problem.arguments | {"dtype": drawn(rng, None, result), "method": str(drawn(rng, *METHODS))}
    solved(rng, problem, problem.x[0], problem.bank, arguments, 0)


def solved(
    rng: np.random.Generator, problem: Call, x: NDArray[Any], kernel: Any, arguments: dict[str, Any], at: int
) -> None:
    """Call, with and without an array for the result, and compare with the definition."""
    plan, arguments = planned(problem, x, kernel, **arguments)
    run = fa.convolve if problem.reflected else fa.correlate
    before = x.tobytes()
    got = run(x, kernel, workers=int(drawn(rng, 1, 2)), **arguments)
    assert x.tobytes() == before
    assert_agrees(np.moveaxis(got, at, 0), problem.answer(), plan, f"{problem} {arguments}\n{plan}")
    out = array(rng, got.shape, str(got.dtype))
    if out.flags.writeable:
        assert run(x, kernel, out=out, **arguments) is out
        np.testing.assert_array_equal(out, got)


def missing(rng: np.random.Generator, decades: int = 0) -> None:
    """Solve a kernel without negative taps where samples are missing: sums of the others, and of their weights."""
    problem = call(rng, plain=True, real=True)
    problem = spread_out(rng, problem, decades) if decades else problem
    x, taps = problem.x[0].copy(), np.abs(problem.bank.taps[0, 0])
    valid = rng.random(x.shape) < drawn(rng, 0.1, 0.5, 0.9, 1)
    masked = bool(rng.random() < 0.5)
    if not masked:
        x[~valid] = np.nan
    kernel = fa.Kernel(taps, problem.bank.origin)
    one = problem._replace(x=np.where(valid, x, 0)[np.newaxis], bank=fa.Bank.stack([kernel]))
    weights = one._replace(x=valid.astype(float)[np.newaxis], cval=1.0).answer().values[0]
    with np.errstate(all="ignore"):
        scaling = np.where(weights > 0, taps.sum(dtype=np.longdouble) / weights, np.nan if taps.any() else 0.0)
    sums = one.answer()
    scale = np.nan_to_num(3.0 * sums.scale[0] * scaling)  # both sums are rounded, and so is their ratio
    arguments = {"mode": problem.mode, "cval": problem.cval, "shape": problem.shape, "accuracy": "pointwise"}
    arguments |= {"mask": valid} if masked else {"nan": "ignore"}
    plan = fa.plan(x, kernel if problem.reflected else kernel.flip(), **arguments)
    run = fa.convolve if problem.reflected else fa.correlate
    got = run(x, kernel, **arguments)
    assert plan.pointwise
    total = np.nan_to_num(float(taps.sum()) * scaling, nan=0.0).astype(float)
    assert_agrees(got, Answer(sums.values[0] * scaling, scale, scale, total), plan, f"{one} {arguments}\n{plan}")


def separable(rng: np.random.Generator, decades: int = 0) -> None:
    """Solve outer products as if they were too large for an array of their taps."""
    problem = call(rng, plain=True)
    problem = spread_out(rng, problem, decades) if decades else problem
    ndim = int(drawn(rng, 2, 2, 3))
    lines = [fa.Kernel(rng.standard_normal(int(rng.integers(1, 8))) * drawn(rng, 1, 1e-3)) for _ in range(ndim)]
    kernel = fa.kernels.Outer(lines)
    lengths = tuple(int(n) for n in rng.integers(1, 12, ndim))
    x = array(rng, lengths, str(problem.x.dtype))
    x = samples_at_the_edge(rng, x) if decades == EDGE else x
    axes = tuple(int(axis) for axis in rng.permutation(ndim))
    most, axis_plan.MOST_SEPARABLE = axis_plan.MOST_SEPARABLE, 0
    kept.forget()
    try:
        plan = fa.plan(x, kernel, problem.mode, problem.cval, axes=axes)
        assert isinstance(plan, axis_plan.AxisPlan) or kernel.size == max(kernel.shape)
        got = fa.convolve(x, kernel, problem.mode, problem.cval, axes=axes)
    finally:
        axis_plan.MOST_SEPARABLE = most
        kept.forget()
    double = plan.problem.number == np.float64
    region = [(0, n) for n in lengths]
    wanted = answer("convolve", x, kernel.taps, kernel.origin, problem.mode, problem.cval, region, axes, double)
    assert_agrees(got, wanted, plan, f"{kernel!r} {x.shape} {x.dtype} {problem.mode} {problem.cval} {axes}\n{plan}")


def statistic(rng: np.random.Generator, decades: int = 0) -> None:
    """Solve a local variance or deviation, with samples that may be missing."""
    x = array(rng, tuple(int(n) for n in rng.integers(1, 24, 2)), str(drawn(rng, "f4", "f8", "u1", "i2", "c8")))
    x = x * drawn(rng, 1, 1, 7) + drawn(rng, 0, 0, 100)
    sizes = tuple(int(n) for n in rng.integers(1, 6, 2))
    kernel = fa.Kernel(np.abs(rng.standard_normal(sizes)) + 1e-3)
    x = samples_at_the_edge(rng, x) if decades == EDGE else x
    mode = str(drawn(rng, *MODES))
    run, root = drawn(rng, (fa.local_var, False), (fa.local_std, True))
    got = run(x, kernel, mode)
    wide = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    flipped, before = kernel.flip(), kernel.flip().origin
    reach = [(at, size - 1 - at) for at, size in zip(before, flipped.shape, strict=True)]
    padding = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(wide, reach, padding[mode]), flipped.shape)
    weights = flipped.taps / np.longdouble(flipped.taps.sum())
    windows = windows - windows[..., :1, :1]  # exact where all are equal
    means = (windows * weights).sum((-2, -1))
    squares = np.abs(windows - means[..., None, None]) ** 2
    wanted = (squares * weights).sum((-2, -1))
    values = [*wide.ravel(), 0] if mode == "constant" else wide.ravel()
    spread = np.longdouble(np.ptp(np.real(values))) ** 2 + np.longdouble(np.ptp(np.imag(values))) ** 2
    number = np.finfo(got.dtype)
    bound = 1e-13 * spread + 4 * float(number.eps) * wanted + number.tiny
    low, high = np.maximum(wanted - bound, 0), wanted + bound
    if root:
        low, high = (np.sqrt(end) * (1 + side * 4 * number.eps) for end, side in ((low, -1), (high, 1)))
    sure = high < number.max
    np.testing.assert_array_equal(np.isfinite(got) | ~sure, True, err_msg=f"{x.dtype} {mode} {kernel!r}")
    within = (low.astype(np.longdouble) <= got) & (got <= high)
    assert (within | ~sure).all(), (
        f"{x.dtype} {mode} {kernel!r} {got[sure & ~within][:3]} {wanted[sure & ~within][:3]}"
    )


def overlap(rng: np.random.Generator) -> None:
    """Write the result anywhere in the memory of the array, or beside it."""
    problem = call(rng, plain=False)
    plan = fa.plan(np.ascontiguousarray(problem.x), problem.bank, channel_axis=0, **problem.arguments)
    memory = np.zeros(3 * (problem.x.nbytes + 16 * int(np.prod(plan.result_shape))) + 64, np.uint8)

    def view(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        size = int(np.prod(shape)) * dtype.itemsize
        return np.ndarray(shape, dtype, memory.data, int(rng.integers((memory.size - size) // 16 + 1)) * 16)

    x, out = view(problem.x.shape, problem.x.dtype), view(plan.result_shape, plan.problem.result)
    x[...] = problem.x
    expected = plan(x.copy())
    assert plan(x, out=out) is out
    np.testing.assert_array_equal(out, expected)


def tensor(rng: np.random.Generator) -> None:
    """Solve a tensor, of any dtype, with samples that may be missing."""
    from tensor_problems import solve  # torch is loaded for this kind only

    solve(rng)


def layer(rng: np.random.Generator, decades: int = 0) -> None:
    """Solve a layer of tensors by its plan."""
    from tensor_problems import solve_layer  # torch is loaded for this kind only

    solve_layer(rng, decades)


def anything(rng: np.random.Generator) -> None:
    """Call with arguments of which many are wrong: refused by name, or the same as for plain arrays."""
    problem = call(rng, plain=bool(rng.random() < 0.3))
    x = problem.x
    if rng.random() < 0.1:
        x = x[..., :0]
    arguments: dict[str, Any] = problem.arguments | {
        "channel_axis": drawn(rng, None, 0, 0, -1, 1, 5),
        "dtype": drawn(rng, None, *RESULTS, "?", "O", "i8", "U3"),
        "nan": drawn(rng, "propagate", "propagate", "ignore"),
        "mask": drawn(rng, None, None, np.ones(1, bool), rng.random(x.shape) < 0.5),
        "axes": drawn(rng, None, None, 0, tuple(range(problem.bank.ndim)), (-1,), 7),
        "method": drawn(rng, *METHODS),
        "accuracy": drawn(rng, "norm", "pointwise"),
        "groups": drawn(rng, problem.steps.groups, 1, 2, 0),
    }
    kernel = drawn(rng, problem.bank, problem.bank, problem.bank[0, 0], problem.bank.taps)
    try:
        got = fa.convolve(x, kernel, **arguments)
    except fa.FaltungError:
        return
    again = fa.convolve(np.array(x, x.dtype.newbyteorder("="), order="C"), kernel, **arguments)
    assert (got.shape, got.dtype) == (again.shape, again.dtype)
    size = float(np.abs(np.nan_to_num(again.astype("c16"))).max(initial=1e-30))
    whole = got.dtype.kind in "iu"
    number = np.dtype("f4") if whole else got.real.dtype
    close = 1e3 * max(float(np.finfo(number).eps), float(np.finfo("f4").eps)) * size + whole
    np.testing.assert_allclose(got.astype("c16"), again.astype("c16"), rtol=0, atol=close, err_msg=str(arguments))
    for shape, dtype in ((got.shape, got.dtype), (got.shape, np.dtype("f4")), (got.shape[1:], got.dtype)):
        out = array(rng, shape, str(dtype))
        try:
            fa.convolve(x, kernel, out=out, **arguments)
        except fa.FaltungError:
            continue
    if got.size > 1:  # every output in one place
        place = np.lib.stride_tricks.as_strided(np.zeros(1, got.dtype), got.shape, [0] * got.ndim)
        with pytest.raises(fa.FaltungError, match="overlap in memory"):
            fa.convolve(x, kernel, out=place, **arguments)


KINDS: dict[str, Callable[..., None]] = {
    "channels": channels,
    "bank": bank,
    "missing": missing,
    "separable": separable,
    "statistic": statistic,
    "overlap": overlap,
    "tensor": tensor,
    "layer": layer,
    "anything": anything,
}
#: Those that take `decades`: samples, taps and kernels of very different sizes.
SPREAD = ("channels", "bank", "layer")
#: Those that also take `EDGE`.
AT_THE_EDGE = (*SPREAD, "missing", "separable", "statistic")


def attempt(kind: str, seed: int, number: int, decades: int = 0, edge: bool = False) -> None:
    """Solve one random problem of a kind and check it; `decades` says how far apart numbers are, where it can be."""
    decades = EDGE if edge and kind in AT_THE_EDGE else decades
    try:
        rng = np.random.default_rng([seed, number, *kind.encode()])
        spread = decades and kind in (AT_THE_EDGE if edge else SPREAD)
        KINDS[kind](rng, **({"decades": decades} if spread else {}))
    except Exception as error:
        error.add_note(f"{kind}: seed {seed} problem {number}, decades={decades}")
        raise
