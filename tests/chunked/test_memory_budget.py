"""How memory is shared: what is arranged fits, and what cannot fit is refused with what it needs."""

from __future__ import annotations

import math
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fa
from faltung.chunked.cells import Cells
from faltung.chunked.memory_budget import Demand, arranged, bytes_of, fresh
from faltung.chunked.portions import MOST_UNITS, Portions, box_of_bytes
from faltung.ground.given_files import free_bytes


def test_sizes_as_they_are_typed():
    assert [bytes_of(text) for text in ("7", "2kB", "1.5 MB", "3gib", 12)] == [7, 2000, 1_500_000, 3 << 30, 12]
    assert bytes_of(None) <= free_bytes()
    for wrong in ("", "MB", "-1GB", "1 potato", 0, -5, "9" * 400 + "GB"):
        with pytest.raises(fa.ArgumentError, match="memory"):
            bytes_of(wrong)
    for wrong in (1.5, True):
        with pytest.raises(fa.ArgumentTypeError, match="memory"):
            bytes_of(wrong)


@given(
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(1, 3000), st.integers(0, 200)), min_size=1, max_size=3),
    st.integers(100 << 20, 4 << 30),
    st.booleans(),
)
def test_what_is_arranged_fits(axes, memory, in_order):
    shape, unit, halo = zip(*axes, strict=True)
    demand = Demand(shape, unit, halo, (1,) * len(shape), 4, 4, 4 * math.prod(unit), 0, in_order)
    try:
        plan = arranged(demand, memory)
    except fa.ArgumentError as error:
        least = int(re.search(r"at least (\d+)MB", str(error))[1])
        assert least * 10**6 > memory
        return
    assert not any(box % part for box, part in zip(plan.box, unit, strict=True))
    assert demand.bytes_of(plan.box, plan.piece, plan.overlap) + plan.cells <= memory
    assert plan.cells >= 0
    if in_order:  # whole axes at the end, and single units before
        partly = [axis for axis in range(len(shape)) if plan.box[axis] < shape[axis]]
        assert all(plan.box[axis] == unit[axis] or axis == max(partly) for axis in partly[:-1])


@pytest.mark.parametrize("most", [0, 3_000, 10_000, 10**6])
@pytest.mark.parametrize("rim", [(0, 0), (2, 1), (30, 30)])
def test_cells_return_the_samples_whatever_they_keep(monkeypatch, most, rim):
    monkeypatch.setattr("faltung.chunked.cells.CELL_BYTES", 800)
    x = np.random.default_rng(0).random((60, 55))
    cells = Cells(lambda index: x[index], x.shape, x.dtype, (10, 8), rim, most)
    rng = np.random.default_rng(1)
    for _ in range(200):
        (a, b), (c, d) = np.sort(rng.integers(0, 55, 2)), np.sort(rng.integers(0, 55, 2))
        index = (slice(int(a), int(b) + 1), slice(int(c), int(d) + 1))
        assert np.array_equal(cells(index), x[index])
        assert cells._bytes <= most
        held = sum(block.nbytes for block in cells._whole.values())
        assert held == cells._whole_bytes
    if most >= x.nbytes:
        assert cells.unpacked == x.nbytes
    cells.close()


def test_fresh_memory_is_zero_and_can_be_written():
    block = fresh((3, 4), np.dtype("c8"))
    assert not block.any()
    block[1] = 2
    assert block.sum() == 8
    assert fresh((0, 4), np.dtype("f4")).shape == (0, 4)


def test_portions_have_a_bounded_number_of_units():
    shape, unit = (10**12, 3), (1, 1)
    box = box_of_bytes(unit, shape, 1, 1 << 26)
    assert math.prod(box) <= MOST_UNITS
    plan = arranged(Demand((10**9, 1), (1, 1), (0, 0), (1, 1), 1, 1, in_order=True), 1 << 30)
    assert math.prod(plan.box) <= MOST_UNITS


def test_portions_of_long_arrays_are_found_one_by_one():
    tracemalloc.start()
    left = Portions((1 << 40,), (1 << 16,), (1 << 16,)).left(np.broadcast_to(np.False_, 1 << 24))
    assert [next(left).region for _ in range(2)] == [((0, 1 << 16),), ((1 << 16, 1 << 17),)]
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
