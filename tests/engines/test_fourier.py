"""The Fourier engine by itself: every block against the definition, at every vector width."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import reference
from covering import covering
from faltung.engines.base import Block, Job
from faltung.engines.fourier import fourier_engine as fourier
from faltung.engines.fourier.butterfly import frequencies, radices, twiddles
from faltung.engines.fourier.fourier_engine import SLABS, Fourier
from faltung.engines.fourier.overlap import LARGEST_PLANE, SIZES, block_shape, choose_tiling, evenly, transforms
from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.ir import Function, module
from faltung.jit.target import Target, host
from faltung.jit.transpose import transpose

rng = np.random.default_rng(11)
ENGINE = Fourier()


def correlated(x, taps):
    """``y[n] = sum over m of taps[m] x[n + m]`` in double precision; `x` has an axis of channels more than `taps`."""
    shape = [n - k + 1 for n, k in zip(x.shape, taps.shape, strict=False)]
    out = np.zeros([*shape, x.shape[-1]])
    for m in np.ndindex(taps.shape):
        if taps[m] != 0:
            with np.errstate(invalid="ignore", over="ignore"):
                window = tuple(slice(k, k + n) for k, n in zip(m, shape, strict=True))
                out += np.float64(taps[m]) * x[window].astype(np.float64)
    return out


def job_of(x, taps, target=None, extents=None):
    """Job to correlate `x`, which has an axis of channels more than `taps`."""
    shape = tuple(n - k + 1 for n, k in zip(x.shape, taps.shape, strict=False))
    return Job(taps, (), True, x.shape[-1], x.dtype, np.dtype(target or x.dtype), extents or shape, False)


def fill(run, job, x):
    """Run a block function over the whole of `x`, as one block."""
    shape = tuple(n - k + 1 for n, k in zip(x.shape, job.taps.shape, strict=False))
    y = np.full((*shape, job.step), 77, job.target)
    run(x.ctypes.data, y.ctypes.data, Block(x.strides[:-2], y.strides[:-2], shape))
    return y


def filtered(x, taps, target=None, extents=None):
    """Correlate `x` with the engine, as one block."""
    job = job_of(x, taps, target, extents)
    assert ENGINE.accepts(job) == ""
    return fill(ENGINE.prepare(job), job, x)


def tolerance(job, x):
    """Stated bound, relative to the sum of all taps times the largest sample."""
    scale = np.abs(job.taps).sum(dtype=np.float64) * np.abs(x.astype(np.float64)).max()
    return ENGINE.work(job).roundings * np.finfo(job.taps.dtype).eps / 2 * scale


def check(x, taps, **options):
    job = job_of(x, taps, **options)
    assert_allclose(filtered(x, taps, **options), correlated(x, taps), rtol=0, atol=tolerance(job, x))


def samples(shape, dtype="f4", channels=1):
    return rng.standard_normal((*shape, channels)).astype(dtype)


# ---- values --------------------------------------------------------------------------------------------------

SHAPES = [
    # the source, and the taps
    ((1, 9), (1, 2)),
    ((1, 40), (1, 40)),
    ((1, 700), (1, 301)),
    ((1, 9000), (1, 2049)),
    ((19, 50), (1, 17)),
    ((70, 40), (1, 3)),
    ((9, 7), (9, 7)),
    ((40, 41), (15, 16)),
    ((90, 70), (2, 31)),
    ((80, 300), (31, 2)),
    ((300, 200), (33, 65)),
    ((9, 20, 31), (4, 5, 6)),
    ((6, 30, 20), (1, 7, 5)),
    ((30, 3, 40), (9, 1, 12)),
    ((5, 2, 20, 9), (3, 1, 4, 2)),
]


@pytest.mark.parametrize(("source", "taps"), SHAPES, ids=str)
@pytest.mark.parametrize("number", ["f4", "f8"])
def test_every_shape_at_every_width(vector_bits, source, taps, number):
    check(samples(source, number), samples(taps, number)[..., 0])


def test_few_registers(monkeypatch):
    processor = host()
    monkeypatch.setattr(fourier, "host", lambda: Target(processor.identity, 32, 16))
    for source, taps in SHAPES:
        check(samples(source), samples(taps)[..., 0])


@pytest.mark.parametrize("channels", [2, 3, 4, 7])
@pytest.mark.parametrize(("source", "taps"), [((1, 400), (1, 99)), ((60, 80), (11, 13)), ((50, 70), (1, 9))], ids=str)
def test_channels_share_transforms_but_not_samples(vector_bits, source, taps, channels):
    check(samples(source, channels=channels), samples(taps)[..., 0])


def test_values_written_out():
    x = np.array([[1, 2, 3, 4, 5]], "f4")[..., None]
    assert_allclose(filtered(x, np.array([[1, 10]], "f4"))[0, :, 0], [21, 32, 43, 54], atol=1e-4)
    x = np.arange(9, dtype="f8").reshape(3, 3, 1)
    assert_allclose(filtered(x, np.array([[1.0, 0], [0, -1]]))[..., 0], [[-4, -4], [-4, -4]], atol=1e-13)


@pytest.mark.parametrize(
    ("source", "target", "channels"),
    covering(
        ["u1", "i1", "u2", "i2", "i4", "f4", "u8", "f8"],
        ["u1", "i1", "u2", "i2", "i4", "i8", "u8", "f4", "f8"],
        [1, 3],
    ),
)
def test_every_pair_of_dtypes(source, target, channels):
    number = "f8" if source in {"i4", "u8", "f8"} or target in {"i4", "i8", "u8", "f8"} else "f4"
    low = 0 if source[0] == "u" else -90
    x = rng.integers(low, 100, (40, 50, channels)).astype(source)
    taps = rng.integers(-2, 3, (5, 6)).astype(number)
    expected = reference.stored(correlated(x, taps), np.dtype(target))
    got = filtered(x, taps, target=target)
    if target[0] == "f":
        assert_allclose(got, expected, rtol=0, atol=tolerance(job_of(x, taps), x))
    else:
        assert_array_equal(got, expected)  # whole numbers, far from any tie


def test_one_function_serves_blocks_of_any_shape():
    taps = samples((9, 14))[..., 0]
    job = job_of(samples((300, 300)), taps)
    run = ENGINE.prepare(job)
    for shape in [(9, 14), (9, 200), (10, 15), (64, 64), (200, 14), (299, 171)]:
        x = samples(shape)
        assert_allclose(fill(run, job, x), correlated(x, taps), rtol=0, atol=tolerance(job, x))


def test_nothing_outside_the_block_is_read_or_written():
    for channels, shape in itertools.product((1, 3), ((40, 37), (1, 600))):
        taps = np.ones((min(shape[0], 5), 17), "f4")
        sizes = [n - k + 1 for n, k in zip(shape, taps.shape, strict=True)]
        around = np.full((shape[0] + 2, shape[1] + 2, channels), np.nan, "f4")
        inside = around[1:-1, 1:-1]
        inside[...] = 1
        target = np.full((sizes[0] + 2, sizes[1] + 2, channels), -5, "f4")
        job = job_of(inside, taps)
        block = Block(inside.strides[:1], target.strides[:1], tuple(sizes))
        ENGINE.prepare(job)(inside.ctypes.data, target[1:, 1:].ctypes.data, block)
        assert_allclose(target[1:-1, 1:-1], taps.sum(), rtol=1e-5)
        target[1:-1, 1:-1] = -5
        assert (target == -5).all()


def test_strides_of_any_sign_and_odd_addresses():
    memory = np.zeros(4 * 40 * 50 + 1, np.uint8)
    x = memory[1:].view("f4").reshape(40, 50, 1)
    x[...] = samples((40, 50))
    taps = samples((4, 5))[..., 0]
    upside_down = x[::-1]
    y = fill(ENGINE.prepare(job_of(x, taps)), job_of(x, taps), upside_down)
    assert_allclose(y, correlated(upside_down, taps), rtol=0, atol=tolerance(job_of(x, taps), x))


# ---- what is not finite ----------------------------------------------------------------------------------------

BAD = [np.nan, np.inf, -np.inf]


def check_bad(x, taps):
    """Non-finite outputs are exactly those of the definition, and the others are as good as without them."""
    got, expected = filtered(x, taps), correlated(x, taps)
    assert_array_equal(np.isnan(got), np.isnan(expected))
    infinite = np.isinf(expected)
    assert_array_equal(got[infinite], expected[infinite])
    finite = np.isfinite(expected)
    calm = np.where(np.isfinite(x), x, 0)
    assert_allclose(got[finite], expected[finite], rtol=0, atol=tolerance(job_of(x, taps), calm))


@pytest.mark.parametrize("number", ["f4", "f8"])
@pytest.mark.parametrize("bad", BAD)
def test_a_sample_that_is_not_finite(vector_bits, number, bad):
    x = samples((60, 70), number)
    taps = samples((7, 8), number)[..., 0]
    taps[2:5, 3:6] = 0
    x[30, 35] = bad
    check_bad(x, taps)


@pytest.mark.parametrize(
    ("source", "taps"), [((1, 900), (1, 201)), ((40, 90), (1, 9)), ((9, 20, 31), (4, 5, 6))], ids=str
)
def test_many_samples_that_are_not_finite(source, taps):
    x = samples(source, channels=2)
    taps = samples(taps)[..., 0]
    taps[..., 1:3] = 0
    for place in rng.integers(0, x[..., 0].size, 5):
        x.reshape(-1, 2)[place, rng.integers(2)] = rng.choice(BAD)
    check_bad(x, taps)


def test_the_other_items_of_a_transform_keep_their_values():
    x = samples((50, 60), channels=2)
    x[20, 20, 1] = np.nan
    check_bad(x, samples((6, 6))[..., 0])


def test_an_integer_result_of_what_is_not_finite():
    x = np.zeros((1, 60, 1), "f4")
    x[0, [10, 30, 50], 0] = np.nan, np.inf, -np.inf
    got = filtered(x + 1, np.ones((1, 2), "f4"), target="u1")[0, :, 0]
    expected = np.full(59, 2)
    expected[[9, 10]], expected[[29, 30]], expected[[49, 50]] = 0, 255, 0
    assert_array_equal(got, expected)
    for target in ("i8", "u8", "i4"):
        got = filtered(x.astype("f8"), np.ones((1, 2)), target=target)[0, :, 0]
        assert got[[9, 29, 49]].tolist() == [0, np.iinfo(target).max, np.iinfo(target).min]


def test_overflow_on_the_way_does_not_reach_the_result():
    x = np.full((40, 40, 1), 2e38, "f4")
    taps = np.full((6, 6), 1 / 36, "f4")
    assert_allclose(filtered(x, taps), 2e38, rtol=1e-5)
    x[20:, :] = -2e38
    check(x / 2, taps)


def test_a_result_too_large_is_infinite():
    x = np.zeros((40, 40, 1), "f4")
    x[20, 20] = 3e38
    got = filtered(x, np.full((3, 3), 2, "f4"))[..., 0]
    assert (got[18:21, 18:21] == np.inf).all()
    got[18:21, 18:21] = 0
    assert np.abs(got).max() < 1e33


@pytest.mark.parametrize(("size", "sample"), [(1e-43, 1e25), (1e-30, 1e5), (1e30, 1e-5), (3e38, 1e-4)])
def test_taps_of_any_magnitude(size, sample):
    check(samples((40, 40)) * np.float32(sample), rng.uniform(-1, 1, (5, 5)).astype("f4") * np.float32(size))


@pytest.mark.parametrize("size", [1e-36, 1e-30, 1e25, 1e37])
def test_samples_of_any_magnitude(size):
    check(samples((40, 40)) / 5 * np.float32(size), samples((5, 5))[..., 0] / 20)


# ---- laws --------------------------------------------------------------------------------------------------------


def test_what_is_not_negative_stays_so(vector_bits):
    x = np.zeros((200, 150, 1), "f4")
    x[100, 70] = 1e6
    taps = np.abs(samples((9, 9))[..., 0])
    got = filtered(x, taps)
    assert got.min() == 0
    check(x, taps)
    x[0, 0] = -1e6
    assert filtered(x, taps)[0, 0, 0] < -1e5
    check(x, taps)


@pytest.mark.parametrize("number", ["f4", "f8"])
def test_the_stated_bound_holds_for_spikes_in_noise(number):
    for taps in (samples((31, 31), number)[..., 0], np.ones((15, 15), number)):
        x = samples((250, 260), number)
        x.reshape(-1)[rng.integers(0, x.size, 20)] = 1e12
        check(x, taps)


@pytest.mark.parametrize("number", ["f4", "f8"])
def test_the_stated_bound_holds_where_all_of_the_error_meets_in_few_outputs(number):
    delta = np.zeros((31, 31), number)
    delta[15, 15] = 1
    rows, columns = np.mgrid[:200, :210]
    check(np.cos(0.7 * rows + 0.31 * columns).astype(number)[..., None], delta)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=2),
    last=st.integers(2, 40),
    more=st.lists(st.integers(0, 30), min_size=3, max_size=3),
    channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_shape(sizes, last, more, channels, seed):
    kernel = (*sizes, last)
    random = np.random.default_rng(seed)
    taps = random.standard_normal(kernel).astype("f4")
    shape = [size + extra for size, extra in zip(kernel, more, strict=False)]
    check(random.standard_normal((*shape, channels)).astype("f4"), taps)


def test_bits_do_not_depend_on_the_thread():
    x, taps = samples((300, 300)), samples((21, 21))[..., 0]
    job = job_of(x, taps)
    run = ENGINE.prepare(job)
    expected = fill(run, job, x)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: fill(run, job, x), range(12)):
            assert_array_equal(got, expected)


def test_the_function_is_linear():
    taps = samples((8, 8), "f8")[..., 0]
    x, z = samples((50, 50), "f8"), samples((50, 50), "f8")
    both = filtered(2 * x - z, taps)
    assert_allclose(both, 2 * filtered(x, taps) - filtered(z, taps), rtol=0, atol=1e-12)


# ---- banks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(
    ("source", "kernel"),
    [((90, 120), (11, 13)), ((1, 800), (1, 100)), ((40, 60), (1, 9)), ((9, 20, 31), (4, 5, 6))],
    ids=str,
)
def test_a_bank_is_its_kernels_one_by_one(vector_bits, count, source, kernel):
    x = samples(source, channels=2)
    bank = [samples(kernel)[..., 0] * np.float32(4.0**k) for k in range(count)]
    job = job_of(x, bank[0])
    results = run_bank(bank, job, x)
    for taps, got in zip(bank, results, strict=True):
        assert_allclose(got, correlated(x, taps), rtol=0, atol=tolerance(job_of(x, taps), x))


def run_bank(bank, job, x):
    results = [np.full((*job.extents, job.step), 77, job.target) for _ in bank]
    addresses = [each.ctypes.data for each in results]
    ENGINE.prepare_bank(bank, job)(
        x.ctypes.data, addresses, Block(x.strides[:-2], results[0].strides[:-2], job.extents)
    )
    return results


def test_a_bank_keeps_the_promises_of_its_kernels():
    x = np.abs(samples((60, 60)))
    bank = [np.abs(samples((5, 5))[..., 0]), np.zeros((5, 5), "f4"), samples((5, 5))[..., 0]]
    results = run_bank(bank, job_of(x, bank[0]), x)
    assert results[0].min() >= 0
    assert (results[1] >= 0).all()
    x[30, 30] = np.inf
    for taps, got in zip(bank, run_bank(bank, job_of(x, bank[0]), x), strict=True):
        expected = correlated(x, taps)
        bad = ~np.isfinite(expected)
        assert_array_equal(got[bad], expected[bad])
        assert np.isfinite(got[~bad]).all()


# ---- choice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        ((3, 1), "the kernels do not fit into a transform in the cache"),
        ((2, 2, 2, 2), "the kernels do not fit into a transform in the cache"),
        ((1, 1_000_000), "the kernels do not fit into a transform in the cache"),
    ],
)
def test_what_a_bank_cannot_share(kernel, reason):
    job = Job(np.ones(kernel, "f4"), (), True, 1, np.dtype("f4"), np.dtype("f4"), (9,) * len(kernel), False)
    assert ENGINE.accepts(job) == ""
    assert ENGINE.shares(job) == reason


def test_a_single_tap_is_not_accepted():
    job = Job(np.ones((1, 1), "f4"), (), True, 1, np.dtype("f4"), np.dtype("f4"), (9, 9), False)
    assert ENGINE.accepts(job) == "the kernel is a single tap"


EXTENTS = [
    ((2048, 2048), (31, 31), 1),
    ((1, 1_000_000), (1, 1001), 1),
    ((160, 160, 160), (15, 15, 15), 1),
    ((500, 333), (1, 40), 3),
]


@pytest.mark.parametrize(("extents", "kernel", "step"), EXTENTS, ids=str)
@pytest.mark.parametrize("itemsize", [4, 8])
def test_a_tiling_covers_the_extents(extents, kernel, step, itemsize):
    tiling = choose_tiling(extents, kernel, step, itemsize)
    assert tiling.points <= LARGEST_PLANE
    for axis, size in enumerate(kernel):
        if tiling.kind == "line" and axis == len(kernel) - 1:
            assert tiling.outputs[axis] + size - 1 <= tiling.points
        elif size > 1:
            assert tiling.outputs[axis] + size - 1 <= tiling.plane[tiling.axes.index(axis)]
    block = block_shape(tiling, extents, step)
    assert all(1 <= size <= extent for size, extent in zip(block, extents, strict=True))


@pytest.mark.parametrize(("extents", "kernel", "step"), EXTENTS, ids=str)
def test_work_counts_what_the_blocks_take(extents, kernel, step):
    job = Job(np.ones(kernel, "f4"), (), True, step, np.dtype("f4"), np.dtype("f4"), extents, False)
    tiling, block = choose_tiling(extents, kernel, step, 4), ENGINE.tile(job)
    total = 0
    for start in itertools.product(*(range(0, extent, size) for extent, size in zip(extents, block, strict=True))):
        shape = [min(size, extent - first) for size, extent, first in zip(block, extents, start, strict=True)]
        tiles = math.prod(len(evenly(size, most)) for size, most in zip(shape, tiling.outputs, strict=True))
        total += -(-tiles * step // 2)
    assert transforms(tiling, extents, step) == total
    work = ENGINE.work(job)
    slower = tiling.far(4) * (SLABS if tiling.plane[0] > 1 else 1.0)
    assert work.transformed == 2 * total * tiling.points * math.log2(tiling.size) * slower
    assert not work.pointwise


def test_tiles_are_spread_evenly():
    assert evenly(10, 4) == [(0, 3), (3, 3), (6, 4)]
    assert evenly(8, 8) == [(0, 8)]


# ---- parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("registers", [16, 32])
def test_stages_make_up_every_size(registers):
    for size in SIZES:
        chosen = radices(size, registers)
        assert math.prod(chosen) == size
        assert {*chosen} <= {3, 4, 8}
        assert chosen[-1] in {4, 8}


def test_frequencies_are_where_decimation_leaves_them():
    assert frequencies((4,)).tolist() == [0, 1, 2, 3]
    assert frequencies((3, 4)).tolist() == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
    for size in SIZES[:20]:
        assert sorted(frequencies(radices(size, 32))) == list(range(size))


def test_stages_are_the_transform():
    """The definition of a stage, in NumPy, gives the discrete Fourier transform in the order of `frequencies`."""
    chosen = (3, 8, 4)
    x = samples((96,), "f8")[:, 0] + 1j * samples((96,), "f8")[:, 0]
    expected, blocks = np.fft.fft(x), 1
    for radix in chosen:
        count = x.size // (blocks * radix)
        butterflies = np.fft.fft(x.reshape(blocks, radix, count), axis=1)
        factors = twiddles(radix, count, np.dtype("f8"))
        butterflies[:, 1:] *= (factors[..., 0] + 1j * factors[..., 1]).T
        x, blocks = butterflies.ravel(), blocks * radix
    assert_allclose(x, expected[frequencies(chosen)], atol=1e-12)


@pytest.mark.parametrize(
    ("number", "lanes"), [("float", 4), ("float", 8), ("float", 16), ("double", 2), ("double", 8)]
)
def test_transposition(number, lanes):
    f = Function("turn", {"source": "ptr", "target": "ptr"})
    bytes_ = lanes * (4 if number == "float" else 8)
    kind = f"<{lanes} x {number}>"
    rows = [f.value(f"load {kind}, ptr {f.at('%source', k * bytes_)}, align 1") for k in range(lanes)]
    for k, column in enumerate(transpose(f, rows, number)):
        f.do(f"store {kind} {column}, ptr {f.at('%target', k * bytes_)}, align 1")
    f.do("ret i32 0")
    run = compile_function(module(f), "turn", ctypes_of({"source": "ptr", "target": "ptr"}), host())
    x = np.arange(lanes * lanes, dtype="f4" if number == "float" else "f8").reshape(lanes, lanes)
    y = np.zeros_like(x)
    run(x.ctypes.data, y.ctypes.data)
    assert_array_equal(y, x.T)
