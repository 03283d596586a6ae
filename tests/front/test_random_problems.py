"""Random problems between pages that may not be touched: at every vector width, in tiny tiles, past the cache.

Most problems need machine code of their own, which takes longer than they do. `tests/problems.py 4000 --seed 7` draws
as many as one likes.
"""

from __future__ import annotations

import pytest

import faltung as fa
import mixed_problems
import problems


@pytest.mark.parametrize("seed", range(4))
def test_random_problems(seed):
    for number in range(20):
        problems.attempt(seed, number)


@pytest.mark.parametrize("seed", range(400, 402))
def test_random_problems_in_large_arrays(seed):
    for number in range(5):
        problems.attempt(seed, number, large=True)


@pytest.mark.parametrize("seed", [100, 101])
def test_random_problems_at_every_vector_width(seed, vector_bits):
    for number in range(8):
        problems.attempt(seed, number)


@pytest.mark.parametrize("seed", [200, 201])
def test_random_problems_in_many_tiles(seed, tiny_tiles):
    with fa.workers(3):
        for number in range(8):
            problems.attempt(seed, number)


@pytest.mark.parametrize("seed", [300])
def test_random_problems_written_past_the_cache(seed, vector_bits, past_the_cache):
    for number in range(8):
        problems.attempt(seed, number)
    for number in range(3):
        problems.attempt(seed, number, large=True)


@pytest.mark.parametrize("kind", mixed_problems.KINDS)
def test_random_problems_of_every_kind(kind):
    for number in range(12):
        mixed_problems.attempt(kind, 0, number)


@pytest.mark.parametrize("kind", mixed_problems.KINDS)
def test_random_problems_of_every_kind_in_many_tiles(kind, tiny_tiles):
    with fa.workers(3):
        for number in range(3):
            mixed_problems.attempt(kind, 20, number)


@pytest.mark.parametrize("kind", mixed_problems.AT_THE_EDGE)
def test_bounds_hold_at_the_ends_of_what_floats_hold(kind):
    for number in range(8):
        mixed_problems.attempt(kind, 700, number, edge=True)


def test_every_method_agrees_at_the_ends_of_what_floats_hold():
    for number in range(12):
        problems.attempt_all_methods(701, number, edge=True)


@pytest.mark.parametrize("decades", [3, 12, 30])
@pytest.mark.parametrize("kind", mixed_problems.SPREAD)
def test_bounds_of_banks_hold_where_samples_taps_and_kernels_are_far_apart(kind, decades):
    for number in range(8):
        mixed_problems.attempt(kind, 500, number, decades)
