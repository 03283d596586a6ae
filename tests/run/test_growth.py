"""Planning costs what the kernel costs, not what the array does: huge arrays, by their shape alone."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

import faltung as fa
from faltung.engines.fourier.overlap import LARGEST_PLANE
from faltung.planning.layer import Axis, Layer
from faltung.planning.problem import Problem
from faltung.run import tiling
from faltung.run.layer_run import LayerCode
from faltung.run.tables import MemoryLayout
from faltung.run.tap_gradient import TapGradientCode
from faltung.run.tiling import tiles_across, tiles_beside

rng = np.random.default_rng(8)
BANK = fa.Bank(rng.random((4, 3, 31)))
SQUARES = fa.Bank(rng.random((4, 3, 5, 5)))
DENSE = rng.random((15, 15))

#: Shape, kernel and other arguments; -1 is a side of 10^8 samples, or of 10^5 where there are several.
ASKED = [
    ((-1,), rng.random(31), {}),
    ((-1,), rng.random(31), {"stride": 2}),
    ((-1,), rng.random(31), {"stride": 441, "dilation": 5}),
    ((-1,), fa.gaussian(50, ndim=1), {"nan": "ignore"}),
    ((-1,), fa.Bank(rng.random((4, 1, 31))), {}),
    ((3, -1), BANK, {"channel_axis": 0}),
    ((-1, 3), BANK, {"channel_axis": 1, "stride": 3}),
    ((-1, 1), np.ones((3, 1)), {"stride": (2, 1)}),
    ((-1, -1), DENSE, {}),
    ((-1, -1), DENSE, {"stride": 2}),
    ((-1, -1), fa.gaussian(3), {}),
    ((-1, -1), fa.box(31), {"nan": "ignore"}),
    ((3, -1, -1), SQUARES, {"channel_axis": 0, "stride": 2}),
    ((-1, -1, 3), fa.Bank(rng.random((8, 1, 15, 15))), {"axes": (0, 1)}),
]


def planned(shape, kernel, arguments):
    """Return the plan, and the bytes that it took at the peak."""
    huge = 10**8 if shape.count(-1) == 1 else 10**5
    small = tuple(64 if n < 0 else n for n in shape)
    fa.plan(small, kernel, **arguments)  # loads everything that is loaded once
    tracemalloc.start()
    try:
        plan = fa.plan(tuple(huge if n < 0 else n for n in shape), kernel, **arguments)
        str(plan)
        return plan, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("shape", "kernel", "arguments"), ASKED)
def test_a_plan_of_a_huge_array_takes_little_memory(shape, kernel, arguments):
    plan, peak = planned(shape, kernel, arguments)
    assert peak < 1 << 21
    assert max(plan.result_shape) >= 10**5 // 441


def test_a_plan_counts_transforms_without_counting_blocks():
    # For each way to cut an array into tiles, the cost of planning is that of a few numbers.
    from faltung.engines.fourier.overlap import block_shape, choose_tiling, transforms

    for extents, kernel, step in (((1, 1003), (1, 40), 1), ((117, 230), (9, 30), 3), ((60, 50, 41), (5, 3, 9), 1)):
        tiling_ = choose_tiling(extents, kernel, step, 4)
        block = block_shape(tiling_, extents, step)
        sizes = [
            [min(size, extent - at) for at in range(0, extent, size)]
            for size, extent in zip(block, extents, strict=True)
        ]
        one_by_one = sum(-(-int(np.prod(tiling_.counts(shape))) * step // 2) for shape in itertools.product(*sizes))
        assert transforms(tiling_, extents, step) == one_by_one


@pytest.mark.parametrize("stride", [1, 2, 5, 441])
@pytest.mark.parametrize("mode", ["reflect", "constant", "wrap"])
@pytest.mark.parametrize("size", [1, 31, 5001])
def test_tables_of_a_long_signal_are_as_long_as_those_of_a_short_one(stride, mode, size):
    taken = []
    for length in (10**6, 10**8):
        axis = Axis(length, size, -(size // 2), length // stride, stride, mode=mode)
        layer = Layer(1, 1, 2, 3, (axis,))
        single = np.dtype("f4")
        source = MemoryLayout(single, (8 * length, 4 * length, 4))
        target = MemoryLayout(single, (12 * axis.outputs, 4 * axis.outputs, 4))
        codes = [LayerCode(layer, source, target, single, False)]
        if size < 100:
            codes.append(TapGradientCode(layer, source, target, single))
        taken.append(sum(code.nbytes for code in codes))
    assert taken[1] - taken[0] < 0.5 * 10**8 / stride  # some numbers for each tile
    assert taken[0] < (1 << 22) + 1000 * size  # those of one tile, and of the border


@pytest.mark.parametrize("axis", [0, 1])
def test_tables_of_an_image_depend_on_its_sides(axis):
    sides = [64, 64]
    sides[axis] = 10**7
    axes = tuple(Axis(n, 9, -4, n // 2, 2) for n in sides)
    single = np.dtype("f4")
    source = MemoryLayout(single, (0, 0, 4 * sides[1], 4))
    target = MemoryLayout(single, (0, 0, 4 * axes[1].outputs, 4))
    assert LayerCode(Layer(1, 1, 1, 1, axes), source, target, single, False).nbytes < 10**7


@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 7), (5, 4)])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(1, 1, 1), (5, 1, 3), (7, 2, 1), (6, 4, 6), (9, 3, 2)])
def test_the_positions_of_an_axis_hold_every_tap(size, stride, dilation, first, count):
    axis = Axis(1000, size, -3, 50, stride, dilation)
    positions, places = axis.positions(count) + stride * first, axis.places(count)
    assert len(positions) == axis.reads(count) == len({*positions.tolist()})
    for n, j in itertools.product(range(count), range(size)):
        assert positions[places[j] + n] == axis.start + stride * (first + n) + dilation * j


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
def test_the_tiles_of_a_huge_image_are_not_listed(method):
    plan = fa.plan((10**6, 10**6), fa.gaussian(2), method=method)
    tracemalloc.start()
    try:
        tiles = tiles_beside(plan)
        first = next(iter(tiles))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(tiles) > 1000
    assert len(first.start) == 2
    assert peak < 1 << 26  # the parts of both axes


@pytest.mark.parametrize("shape", [(20_000, 20_000), (300, 300, 3000), (40, 9_000_000)])
def test_no_strip_along_the_border_spans_much_memory(shape):
    """If the memory of the result is new, the system clears what a tile spans, and nothing interrupts it."""
    plan = fa.plan(shape, np.ones((3,) * len(shape)), method="direct")
    steps = np.cumprod((1, *shape[:0:-1]))[::-1]
    most = max(tiling.SPANNED, sum((n - 1) * step for n, step in zip(plan.tile, steps, strict=True)))
    for tile in tiles_beside(plan):
        assert sum((n - 1) * step for n, step in zip(tile.shape, steps, strict=True)) < 2 * most


@pytest.mark.parametrize("shape", [(10**6, 10**6), (999_999, 999_983), (10**4, 10**4, 10**4), (10**9,)])
@pytest.mark.parametrize("size", [9, 101])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_blocks_of_fourier_tiles_take_bounded_memory(shape, size, dtype):
    plan = fa.plan(shape, rng.random((size,) * len(shape)), dtype=dtype, method="fourier")
    # A plane, a spectrum as large, and a source block; a kernel of a million taps needs larger planes.
    few = size ** len(shape) < 10**5
    assert plan.memory < (1 << 25 if few else 6 * LARGEST_PLANE * np.dtype(dtype).itemsize)


@pytest.mark.parametrize("size", [3, 31])
@pytest.mark.parametrize("lengths", [(40, 50), (300, 700), (1, 5000), (2000, 3)])
def test_tiles_cover_every_output_once_and_know_what_is_inside(lengths, size, monkeypatch):
    monkeypatch.setattr(tiling, "QUICK", 0.0)
    plan = fa.plan(lengths, np.ones((size, size)), method="direct")
    problem: Problem = plan.problem
    for tiles in (tiles_beside(plan), tiles_across(problem.layout, (16, 24))):
        covered, every = np.zeros(lengths, int), [*tiles]
        assert len(every) == len(tiles)
        for kept in (tiling.KEPT, 0):
            monkeypatch.setattr(tiling, "KEPT", kept)
            assert [tiles[number] for number in range(len(tiles))] == every
        assert tiles.some_inside == any(tile.inside for tile in every)
        assert tiles.all_inside == all(tile.inside for tile in every)
        for start, shape, inside in every:
            covered[tuple(slice(at, at + n) for at, n in zip(start, shape, strict=True))] += 1
            reach = [(at - size // 2, at + n - 1 + size // 2) for at, n in zip(start, shape, strict=True)]
            assert inside == all(low >= 0 and high < n for (low, high), n in zip(reach, lengths, strict=True))
        assert (covered == 1).all()


def test_tiles_of_a_large_kernel_take_a_moment():
    plan = fa.plan((2000, 2000), np.ones((701, 703)) + np.eye(701, 703), method="direct")
    tiles = tiles_beside(plan)
    share = max(np.prod(tile.shape) for tile in tiles) / 2000**2
    assert plan.seconds * share < 0.2
