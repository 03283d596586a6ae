"""The oracles against each other: sums of shifted arrays are what the nested loops say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import reference
import shifted
from zoo import MODES


@st.composite
def asked(draw):
    ndim = draw(st.integers(1, 3))
    own = np.random.default_rng(draw(st.integers(0, 10**6)))
    lengths, sizes = own.integers(1, 6, ndim), own.integers(1, 4, ndim)
    x, taps = own.integers(-9, 9, lengths) * 1.0, own.integers(-2, 3, sizes) * 1.0
    starts = own.integers(-9, 9, ndim)
    region = [(start, start + own.integers(0, 5)) for start in starts]
    return x, taps, own.integers(-4, 5, ndim), draw(st.sampled_from(MODES)), 3.0, region


@settings(deadline=None, max_examples=60)
@given(asked(), st.sampled_from(["convolve", "correlate"]))
def test_shifted_sums_are_nested_loops(problem, call):
    assert_array_equal(getattr(shifted, call)(*problem), getattr(reference, call)(*problem))


@settings(deadline=None, max_examples=20)
@given(asked(), st.sampled_from(["convolve", "correlate"]))
def test_shifted_sums_of_complex_numbers(problem, call):
    x, taps, origin, mode, _, region = problem
    problem = (x + 1j * x[::-1], taps - 1j * np.flip(taps), origin, mode, 3 - 1j, region)
    assert_array_equal(getattr(shifted, call)(*problem), getattr(reference, call)(*problem))


def test_shifted_sums_beside_what_is_not_finite():
    x, region = np.array([np.inf, 1, np.nan, 1, 1, -np.inf]), [(0, 6)]
    got = shifted.convolve(x, np.array([1.0, 0, 2]), (1,), "wrap", 0, region)
    assert_array_equal(got, [-np.inf, np.nan, 3, np.nan, -np.inf, np.inf])


@pytest.mark.parametrize("call", ["convolve", "correlate"])
def test_taps_along_chosen_axes(call):
    x, taps = np.arange(24.0).reshape(2, 3, 4), np.array([[1.0, 2], [3, 4], [5, 6]])
    spread, origin = shifted.along_axes(taps, (1, 0), (2, 0), 3)
    assert (spread.shape, origin) == ((2, 1, 3), [0, 0, 1])
    got = getattr(shifted, call)(x, spread, origin, "mirror", 0, [(0, n) for n in x.shape])
    for k in range(3):
        plane = getattr(reference, call)(x[:, k].T, taps, (1, 0), "mirror", 0, [(0, 4), (0, 2)])
        assert_array_equal(got[:, k], plane.T)
