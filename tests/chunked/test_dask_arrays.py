"""A filtered dask array has the result in memory, in every mode, with all arguments; nothing is computed early."""

from __future__ import annotations

import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import faltung as fa
from chunked_cases import Case, assert_same, drawn, random_case
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.boundary import MODES

da = pytest.importorskip("dask.array")


@pytest.fixture(autouse=True)
def _one_thread():
    import dask

    with dask.config.set(scheduler="synchronous"):
        yield


def random_chunks(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Cut every axis anywhere; some chunks are empty."""
    return tuple(_lengths(rng, length) for length in shape)


def _lengths(rng: np.random.Generator, length: int) -> tuple[int, ...]:
    cuts = rng.integers(0, length + 1, int(drawn(rng, 0, 1, 2, 4)))
    return tuple(stop - start for start, stop in itertools.pairwise(sorted([0, length, *cuts.tolist()])))


def lazily(case: Case, rng: np.random.Generator) -> Any:
    """Filter the array of a case as a dask array; its mask is one, too, or a NumPy array."""
    x = da.from_array(case.x, chunks=random_chunks(rng, case.x.shape))
    valid = {
        name: given if rng.random() < 0.5 else da.from_array(given, chunks=random_chunks(rng, given.shape))
        for name, given in case.valid.items()
    }
    return case.call(x, case.kernel, **case.options, **valid)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_the_result_is_that_in_memory(seed):
    rng = np.random.default_rng(seed)
    case = random_case(rng)
    y = lazily(case, rng)
    whole = case.whole()
    assert y.dtype == y._meta.dtype == whole.dtype
    assert y.shape == whole.shape
    for numbers in itertools.product(*(range(len(lengths)) for lengths in y.chunks)):
        expected = tuple(lengths[number] for lengths, number in zip(y.chunks, numbers, strict=True))
        assert y.blocks[numbers].compute().shape == expected
    assert_same(y.compute(), whole, case)


# ---- cases that others got wrong


def exact(shape: tuple[int, ...]) -> np.ndarray:
    """Return whole numbers, whose sums do not depend on their order."""
    return np.random.default_rng(0).integers(0, 100, shape).astype("f8")


@pytest.mark.parametrize("mode", [*MODES, ("wrap", "nearest"), ("constant", "mirror")], ids=str)
@pytest.mark.parametrize("chunks", [(20, 20), (7, 13), ((5, 1, 40, 14), (50,)), (3, 2)], ids=str)
def test_there_are_no_seams(mode, chunks):
    x, kernel = exact((60, 50)), fa.Kernel(exact((7, 4)))
    y = fa.convolve(da.from_array(x, chunks=chunks), kernel, mode=mode, cval=3.0)
    assert_array_equal(y.compute(), fa.convolve(x, kernel, mode=mode, cval=3.0))


@pytest.mark.parametrize("mode", MODES)
def test_the_kernel_may_be_longer_than_the_array(mode):
    x, kernel = exact((6, 9)), fa.Kernel(exact((40, 23)))
    y = fa.correlate(da.from_array(x, chunks=(2, 4)), kernel, mode=mode)
    assert_array_equal(y.compute(), fa.correlate(x, kernel, mode=mode))


@pytest.mark.parametrize("stride", [2, 3, (4, 1), 17])
@pytest.mark.parametrize("shape", ["same", "valid", "full"])
def test_strides_go_on_across_uneven_chunks(stride, shape):
    x, kernel = exact((61, 47)), fa.Kernel(exact((5, 3)))
    y = fa.convolve(da.from_array(x, chunks=((10, 7, 1, 43), (20, 20, 7))), kernel, shape=shape, stride=stride)
    assert_array_equal(y.compute(), fa.convolve(x, kernel, shape=shape, stride=stride))


def test_chunks_of_the_result_are_those_of_the_array():
    x = da.zeros((60, 50), chunks=((10, 20, 30), 25))
    assert fa.convolve(x, fa.gaussian(1.0)).chunks == x.chunks
    assert fa.convolve(x, fa.box(3), stride=(1, 2)).chunks == ((10, 20, 30), (13, 12))
    assert fa.convolve(x, fa.box(3), shape="valid").chunks == ((9, 20, 29), (24, 24))
    bank = fa.Bank.stack([fa.sobel(axis=0), fa.sobel(axis=1)])
    assert fa.convolve(x, bank).chunks == ((2,), *x.chunks)


def test_chunks_that_are_shorter_than_the_kernel_are_computed_together():
    x = da.zeros((1000, 64), chunks=(10, 64))
    y = fa.convolve(x, np.ones((41, 3)))
    assert y.chunks == ((40,) * 25, (64,))
    assert fa.plan(x, np.ones((41, 3))).amplification < 2.1


def test_chunks_are_put_together_as_far_as_memory_allows():
    import dask

    x = da.zeros((5000, 5000), chunks=100, dtype="f4")
    wide = fa.Kernel(np.ones((1, 961))) * fa.Kernel(np.ones((961, 1)))
    with dask.config.set({"array.chunk-size": "1 MiB"}):
        run = fa.plan(x, wide, mode="nearest")
    assert {*run.result_chunks[0][:-1]} == {500}
    alone = 1060**2  # what a chunk by itself would read
    assert max(math.prod(block.shape) for block, _ in run.kinds) < 2 * alone
    assert run.amplification < 9  # each by itself: more than a hundred


def test_large_banks_are_cut_into_channels():
    import dask

    bank = fa.Bank(exact((6, 2, 3, 3)))
    x = exact((4, 40, 30))
    with dask.config.set({"array.chunk-size": 2 * 40 * 30 * 8}):
        y = fa.convolve(da.from_array(x, chunks=(1, 40, 30)), bank, channel_axis=0, groups=2)
    assert y.chunks == ((3, 3), (40,), (30,))
    assert_array_equal(y.compute(), fa.convolve(x, bank, channel_axis=0, groups=2))


def test_equal_chunks_have_equal_bits():
    x = np.tile(np.random.default_rng(0).random((50, 40), np.float32), (4, 3))
    y = fa.convolve(da.from_array(x, chunks=(50, 40)), fa.gaussian(3.0), mode="wrap").compute()
    for row, column in itertools.product(range(4), range(3)):
        assert_array_equal(y[50 * row : 50 * row + 50, 40 * column : 40 * column + 40], y[:50, :40])


def test_a_product_of_kernels_is_one_pass():
    x = da.zeros((400, 400), chunks=100)
    once, twice = fa.convolve(x, fa.gaussian(2.0)), fa.convolve(x, fa.gaussian(2.0) * fa.sobel(axis=1))
    assert len(dict(once.__dask_graph__())) == len(dict(twice.__dask_graph__()))


# ---- laziness and the graph


def raises(block: Any) -> Any:
    raise AssertionError("computed early")


@pytest.mark.parametrize("options", [{}, {"nan": "ignore"}, {"shape": "full", "stride": 3}])
def test_nothing_is_computed_early(options):
    x = da.zeros((50, 60), chunks=20).map_blocks(raises, dtype="f4", meta=np.zeros((0, 0), "f4"))
    mask = da.zeros((50, 60), chunks=30).map_blocks(raises, dtype=bool, meta=np.zeros((0, 0), bool))
    y = fa.convolve(x, fa.gaussian(2.0), mask=mask, **options)
    print(fa.plan(x, fa.gaussian(2.0), mask=mask, **options))
    with pytest.raises(AssertionError, match="computed early"):
        y.compute()


@pytest.mark.parametrize(("ndim", "side"), [(1, 40), (2, 8), (3, 4)])
def test_there_are_two_tasks_for_a_chunk(ndim, side):
    x = da.zeros((20 * side,) * ndim, chunks=20)
    chunks = side**ndim
    y = fa.convolve(x, fa.gaussian(1.0, ndim=ndim), mode="wrap")
    added = len(dict(y.__dask_graph__())) - len(dict(x.__dask_graph__()))
    run = fa.plan(x, fa.gaussian(1.0, ndim=ndim), mode="wrap")
    assert run.tasks == 2 * chunks
    assert added <= run.tasks + len(run.kinds) <= 3 * chunks


def test_a_part_of_the_result_needs_a_part_of_the_array():
    x = da.zeros((200, 200), chunks=20)
    y = fa.convolve(x, fa.gaussian(1.0))[100:120, 100:120]
    needed = y.__dask_graph__().cull(y.__dask_keys__())
    read = [key for key in dict(needed) if key[0] == x.name]
    assert len(read) == 9


def test_names_say_what_is_computed():
    x = da.zeros((60, 50), chunks=20)
    same = [fa.convolve(x, fa.gaussian(1.0)).name for _ in range(2)]
    assert same[0] == same[1]
    others = [fa.correlate(x, fa.gaussian(1.0)).name, fa.convolve(x, fa.gaussian(1.5)).name]
    others += [fa.convolve(x + 1, fa.gaussian(1.0)).name, fa.convolve(x, fa.gaussian(1.0), mode="wrap").name]
    assert len({same[0], *others}) == 5
    assert same[0].startswith("convolve-")
    assert others[0].startswith("correlate-")


def test_tasks_are_small_beside_a_large_kernel():
    kernel = fa.Kernel(np.random.default_rng(0).random((301, 301)))
    y = fa.convolve(da.zeros((4000, 4000), chunks=1000), kernel)
    tasks = {key: task for key, task in dict(y.__dask_graph__()).items() if key[0] == y.name}
    assert len(tasks) == 16
    assert max(len(pickle.dumps(task)) for task in tasks.values()) < 3000


def test_workers_are_those_of_a_task(monkeypatch):
    from faltung.chunked import output_blocks

    counts = []
    run = output_blocks.execute
    monkeypatch.setattr(output_blocks, "execute", lambda *arguments: counts.append(arguments[3]) or run(*arguments))
    x = da.zeros((40, 30), chunks=30)
    fa.convolve(x, fa.box(3)).compute()
    fa.convolve(x, fa.box(3), workers=2).compute()
    assert counts == [1, 1, 2, 2]


# ---- plans


def test_a_plan_prints_what_a_chunk_costs():
    x = da.zeros((4000, 3000), chunks=1000, dtype="f4")
    run = fa.plan(x, fa.gaussian(2.0))
    text = str(run)
    assert "12 chunks of 1000 x 1000 in, 12 chunks of 1000 x 1000 out" in text
    assert "up to 1016 x 1016 samples a chunk" in text
    assert "at most 24; 9 kinds of chunks are planned" in text
    assert run.memory > 8_000_000
    assert math.isclose(run.error, fa.plan((4000, 3000), fa.gaussian(2.0)).error, rel_tol=1)
    assert pickle.loads(pickle.dumps(run)) == run


def test_a_plan_is_called_with_arrays_of_its_chunks():
    values = exact((40, 30))
    mask, x = values > 20, da.from_array(values, chunks=20)
    run = fa.plan(x, fa.box(3), mask=True)
    assert_array_equal(run(x, mask=mask).compute(), fa.convolve(x, fa.box(3), mask=mask))
    with pytest.raises(ArgumentError, match=r"x: expected .* 4 chunks of 20 x 20, for .*, got .* 8 chunks of 10 x"):
        run(x.rechunk((10, 20)), mask=mask)
    with pytest.raises(ArgumentError, match="mask: expected a dask array or a NumPy array of booleans, because"):
        run(x)
    with pytest.raises(ArgumentTypeError, match=r"x: expected a dask array, got a ndarray"):
        run(values, mask=mask)


def test_a_plan_can_be_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("FALTUNG_CONFIG", str(tmp_path))
    x = exact((40, 30))
    run = fa.plan(da.from_array(x, chunks=(40, 30)), fa.Kernel(exact((5, 5))), effort="measure")
    assert_array_equal(run(da.from_array(x, chunks=(40, 30))).compute(), fa.convolve(x, fa.Kernel(exact((5, 5)))))


# ---- what is refused


def test_results_cannot_be_written_into_arrays():
    with pytest.raises(ArgumentError, match="out: expected None for a dask array, whose result is lazy"):
        fa.convolve(da.zeros(20), [1, 1], out=np.zeros(20))


def test_chunks_of_unknown_lengths_are_refused():
    x = da.zeros(20, chunks=5)
    with pytest.raises(ArgumentError, match=r"x: .* unknown lengths \(nan\). Call x.compute_chunk_sizes\(\) first"):
        fa.convolve(x[x > 0], [1, 1])
    with pytest.raises(ArgumentError, match=r"mask: .* unknown"):
        fa.convolve(x, [1, 1], mask=(x > 0)[x > 0])


def test_masked_arrays_are_refused_with_what_to_pass():
    x = da.ma.masked_greater(da.from_array(exact((20,)), chunks=10), 50)
    with pytest.raises(ArgumentTypeError, match=r"x: .*masked arrays. Pass dask.array.ma.getdata\(x\), and mask"):
        fa.convolve(x, [1, 1])
    y = fa.convolve(da.ma.getdata(x), [1, 1], mask=~da.ma.getmaskarray(x))
    assert_array_equal(y.compute(), fa.convolve(x.compute(), [1, 1]).filled(np.nan))


def test_chunks_of_other_libraries_are_refused():
    x = da.zeros(20, chunks=10)
    x._meta = type("Sparse", (), {"__module__": "sparse.coo", "ndim": 1, "dtype": np.dtype("f8")})()
    with pytest.raises(ArgumentTypeError, match=r"type sparse Sparse. Convert its chunks, .*map_blocks\(numpy"):
        fa.convolve(x, [1, 1])


def test_a_kernel_cannot_be_lazy():
    for x in (np.zeros(20), da.zeros(20)):
        with pytest.raises(ArgumentTypeError, match=r"kernel: .* dask Array. Pass kernel.compute\(\)"):
            fa.convolve(x, da.ones(3))


def test_chunks_that_are_not_as_named_are_refused():
    x = da.zeros((20, 20), chunks=10)
    wrong = x.map_blocks(lambda block: block.astype("f4"), dtype="f8", meta=np.zeros((0, 0)))
    with pytest.raises(ArgumentError, match="x: expected chunks of the lengths and the dtype that it names"):
        fa.convolve(wrong, fa.box(3)).compute()
    short = x.map_blocks(lambda block: block[:1], dtype="f8", meta=np.zeros((0, 0)))
    with pytest.raises(ArgumentError, match="x: expected chunks of the lengths"):
        fa.convolve(short, fa.box(3)).compute()
    masked = x.map_blocks(np.ma.masked_equal, 0, dtype="f8", meta=np.zeros((0, 0)))
    with pytest.raises(ArgumentTypeError, match=r"x: .*masked array"):
        fa.convolve(masked, fa.box(3)).compute()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "symmetric"}, "mode: .*Use mode='reflect'"),
        ({"method": "fastest"}, "method: "),
        ({"method": "running"}, "method: "),
        ({"mask": np.zeros(3, bool)}, "mask: expected a dask array or a NumPy array of booleans of shape"),
        ({"mask": np.zeros((20, 20))}, "mask: expected a dask array or a NumPy array of booleans"),
        ({"weights": da.zeros((20, 20), dtype="c8")}, "weights: "),
        ({"workers": 0}, "workers: "),
        ({"dims": ("y", "x")}, "dims: "),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_before_anything_is_computed(options, message):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
        fa.convolve(da.zeros((20, 20), chunks=10), fa.Kernel(exact((3, 3)) + 1), **options)


def test_colours_are_warned_of():
    with pytest.warns(fa.errors.AxesWarning, match="pass axes="):
        fa.convolve(da.zeros((20, 20, 3), chunks=10), fa.box(3))
