"""A block of outputs is the same part of the result in memory, computed from no more samples than it says."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
from chunked_cases import Case, assert_same, drawn, random_case
from faltung.chunked.output_blocks import OutputBlocks, _spans
from faltung.errors import ArgumentError
from faltung.ground.boundary import MODES, OUTSIDE, index_map
from faltung.planning.question import Options, question_of


def blocks_of(case: Case) -> OutputBlocks:
    options = dict(case.options) | {"masked": "mask" in case.valid, "graded": "weights" in case.valid}
    return OutputBlocks(question_of(case.x.shape, case.x.dtype, case.kernel, Options(not case.correlated, **options)))


def cuts(rng: np.random.Generator, length: int) -> list[tuple[int, int]]:
    """Cut an axis anywhere."""
    places = sorted({0, length, *rng.integers(0, length + 1, int(drawn(rng, 0, 1, 3))).tolist()})
    return [*itertools.pairwise(places)]


def in_blocks(case: Case, rng: np.random.Generator):
    """Compute the result block by block."""
    blocks = blocks_of(case)
    result = np.full(blocks.result_shape, 77, blocks.question.result)
    valid = next((np.broadcast_to(value, case.x.shape) for value in case.valid.values()), None)
    for bounds in itertools.product(*(cuts(rng, length) for length in result.shape)):
        block = blocks.block(bounds)
        flags = None if valid is None else block.gather(valid.__getitem__)
        samples = block.gather(case.x.__getitem__)
        assert samples.shape == block.shape
        result[tuple(slice(*edges) for edges in bounds)] = block.run(samples, flags)
    return result


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_blocks_are_parts_of_the_whole_result(seed):
    rng = np.random.default_rng(seed)
    case = random_case(rng)
    assert_same(in_blocks(case, rng), case.whole(), case)


@pytest.mark.parametrize("mode", MODES)
def test_ranges_of_an_axis_have_all_samples_that_are_read(mode):
    for length, start, size in itertools.product(range(1, 7), range(-15, 20), range(1, 22)):
        spans, shift = _spans(mode, length, start, start + size)
        held = np.concatenate([np.arange(*bounds) for bounds in spans])
        assert held.size
        assert {*held} <= {*range(length)}
        places = index_map(mode, held.size, start - shift, start + size - shift)
        read = np.where(places == OUTSIDE, OUTSIDE, held[places])
        assert read.tolist() == index_map(mode, length, start, start + size).tolist()


@pytest.mark.parametrize("mode", MODES)
def test_a_block_needs_little_more_than_its_own_samples(mode):
    question = question_of((1000, 900), np.dtype("f4"), np.ones((5, 7)), Options(False, mode))
    blocks = OutputBlocks(question)
    assert blocks.block(((100, 200), (300, 400))).spans == (((98, 202),), ((297, 403),))
    corner = blocks.block(((900, 1000), (0, 90)))
    assert corner.shape == ((104, 96) if mode == "wrap" else (102, 93))


def test_blocks_of_equal_shape_share_a_plan():
    blocks = OutputBlocks(question_of((1000, 900), np.dtype("f4"), np.ones((5, 7)), Options(False, "wrap")))
    one, other = blocks.block(((100, 200), (300, 400))), blocks.block(((900, 1000), (0, 100)))
    assert one.run is other.run


def test_a_run_can_be_pickled_and_is_small(rng):
    blocks = OutputBlocks(question_of((200, 300), np.dtype("f4"), fa.gaussian(2.0), Options(True)))
    block = blocks.block(((20, 60), (0, 300)))
    text = pickle.dumps(block.run)
    assert len(text) < 10_000
    samples = rng.random(block.shape, np.float32)
    np.testing.assert_array_equal(pickle.loads(text)(samples), block.run(samples))


@pytest.mark.parametrize("bounds", [((0, 5),), ((0, 11), (0, 5)), ((-1, 5), (0, 5)), ((4, 3), (0, 5))])
def test_bounds_outside_of_the_result_are_refused(bounds):
    blocks = OutputBlocks(question_of((10, 10), np.dtype("f4"), np.ones((3, 3)), Options(True)))
    with pytest.raises(ArgumentError, match="bounds: expected start and stop on each axis, inside a result"):
        blocks.block(bounds)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
