"""Maxima are those of a slow search, and positions between samples are those of parabolas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import faltung as fa


def slow(x):
    """Indices of maxima: connected plateaus without a higher neighbour that have a lower one; the first sample."""
    found = []
    everywhere = np.ones((3,) * x.ndim)
    for value in np.unique(x[~np.isnan(x)]):
        labels, count = ndimage.label(x == value, everywhere)
        for label in range(1, count + 1):
            plateau = labels == label
            ring = ndimage.binary_dilation(plateau, everywhere) & ~plateau & ~np.isnan(x)
            if ring.any() and (x[ring] < value).all():
                found.append((-value, int(np.flatnonzero(plateau)[0])))
    return np.array([np.unravel_index(at, x.shape) for _, at in sorted(found)]).reshape(-1, x.ndim)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7),
        elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, np.nan, np.inf]),
    )
)
def test_maxima(x):
    found = fa.peaks(x)
    np.testing.assert_array_equal(found.indices, slow(x))
    np.testing.assert_array_equal(found.scores, x[tuple(found.indices.T)])
    assert (np.abs(found.positions - found.indices) <= 0.5).all()


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_vertex_of_a_parabola(ndim):
    centre = np.array([3.3, 4.75, 2.1][:ndim])
    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * ndim, indexing="ij"), -1)
    x = 5 - ((grid - centre) ** 2 * [1.0, 0.5, 2.0][:ndim]).sum(-1)
    found = fa.peaks(x)
    np.testing.assert_allclose(found.positions, [centre], atol=1e-12)
    np.testing.assert_array_equal(found.indices, [np.round(centre)])


def test_at_the_border_and_beside_nan_a_position_is_that_of_the_sample():
    found = fa.peaks([3.0, 1.0, 2.0, np.nan, 0.0, 1.0])
    np.testing.assert_array_equal(found.positions.ravel(), [0, 2, 5])
    np.testing.assert_array_equal(fa.peaks(np.array([0, 2, 2, 1])).positions, [[1.5]])


def test_count_least_and_distance():
    x = np.random.default_rng(0).random((40, 50))
    every = fa.peaks(x)
    assert (np.diff(every.scores) <= 0).all()
    np.testing.assert_array_equal(fa.peaks(x, 7).indices, every.indices[:7])
    np.testing.assert_array_equal(fa.peaks(x, least=0.95).indices, every.indices[every.scores >= 0.95])
    apart = fa.peaks(x, distance=(5, 9)).indices
    kept = []
    for place in every.indices:
        if all((np.abs(place - other) >= (5, 9)).any() for other in kept):
            kept.append(place)
    np.testing.assert_array_equal(apart, kept)
    assert all((np.abs(a - b) >= (5, 9)).any() for a, b in itertools.combinations(apart, 2))
    np.testing.assert_array_equal(fa.peaks(x, 3, distance=(5, 9)).indices, kept[:3])


def test_a_shifted_pattern_is_found_between_samples():
    grid = np.arange(60.0)
    pattern = np.exp(-0.5 * ((np.arange(25) - 12) / 4.0) ** 2)
    x = 3 * np.exp(-0.5 * ((grid - 12 - 20.3) / 4.0) ** 2) + 7
    found = fa.peaks(fa.match(x, pattern), 1)
    np.testing.assert_allclose(found.positions, [[20.3]], atol=0.01)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"scores": np.ones(3) * 1j}, "scores: .*real"),
        ({"scores": 1.0}, "scores: .*axis"),
        ({"scores": [1.0], "count": -1}, "count: "),
        ({"scores": [1.0], "distance": 0}, "distance: "),
        ({"scores": [1.0], "distance": (1, 2)}, "distance: "),
        ({"scores": [1.0], "least": "high"}, "least: "),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    with pytest.raises(fa.FaltungError, match=text):
        fa.peaks(**arguments)
