"""The parts of a fit, each against its definition: sums over lags, minima on faces, tiles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.errors import FaltungError
from faltung.fit.gram_sum import GramSum
from faltung.fit.lag_sums import Spectra, smooth_length
from faltung.fit.nonnegative import minimise_nonnegative
from faltung.fit.quadratic import minimise
from faltung.fit.row_sums import RowGram
from faltung.fit.tiles import TileSplitter, tile_sides, tiled


def products(source, size, lengths):
    """All windows of a block as rows, one after the other."""
    starts = itertools.product(*(range(length) for length in lengths))
    rows = [
        source[(slice(None), *(slice(p, p + side) for p, side in zip(start, size, strict=True)))] for start in starts
    ]
    return np.array([row.ravel() for row in rows])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_sums_over_lags_make_the_gram_matrix(data):
    ndim, channels, channels_out = (data.draw(st.integers(1, 3)) for _ in range(3))
    size = data.draw(st.tuples(*[st.integers(1, 3)] * ndim))
    lengths = data.draw(st.tuples(*[st.integers(1, 6)] * ndim))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    source = rng.normal(size=(channels, *(length + side - 1 for length, side in zip(lengths, size, strict=True))))
    target = rng.normal(size=(channels_out, *lengths))
    rows = products(source, size, lengths)
    moment = Spectra(source, size).moment(target)
    assert np.allclose(moment.reshape(channels_out, -1), target.reshape(channels_out, -1) @ rows)
    gram = GramSum(channels, size)
    gram.add(source)
    assert np.allclose(gram.total(), rows.T @ rows)
    gram.add(2 * source, sign=-1)
    assert np.allclose(gram.total(), -3 * rows.T @ rows)


def test_lag_sums_are_those_of_the_definition():
    rng = np.random.default_rng(3)
    size, lengths = (2, 3), (4, 5)
    source = rng.normal(size=(2, 5, 7))
    sums = Spectra(source, size).lag_sums()
    for i, j, *lag in itertools.product(range(2), range(2), (-1, 0, 1), (-2, -1, 0, 1, 2)):
        first, second = ([max(sign * d, 0) for d in lag] for sign in (-1, 1))
        expected = sum(
            source[(i, *(p + a for p, a in zip(n, first, strict=True)))]
            * source[(j, *(p + b for p, b in zip(n, second, strict=True)))]
            for n in np.ndindex(lengths)
        )
        assert sums[i, j, lag[0] + 1, lag[1] + 2] == pytest.approx(expected, abs=1e-12)


def test_smooth_lengths_are_the_next_ones():
    smooth = sorted(2**a * 3**b * 5**c for a, b, c in itertools.product(range(12), range(8), range(5)))
    for least in range(1, 2000):
        assert smooth_length(least) == next(length for length in smooth if length >= least)


def test_products_are_the_same_in_any_number_of_batches(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 4))
    for batch in (1, 37, 10_000):
        monkeypatch.setattr("faltung.fit.row_sums._BATCH", batch)
        gram = RowGram(4)
        for start in range(0, 50, 7):
            gram.add(rows[start : start + 7], sign=1 if start % 2 else -1)
        signs = np.where(np.arange(50) // 7 % 2, 1, -1)
        assert np.allclose(gram.total(), (rows * signs[:, np.newaxis]).T @ rows)


def positive_definite(rng, unknowns):
    rows = rng.normal(size=(2 * unknowns, unknowns))
    return rows.T @ rows


def test_minima_on_a_hyperplane_are_those_of_lagrange():
    rng = np.random.default_rng(1)
    for normal in (rng.random(6), -rng.random(6), np.eye(6)[0], np.eye(6)[3], -np.eye(6)[0]):
        a, b = positive_definite(rng, 6), rng.normal(size=(2, 6))
        bordered = np.block([[a + 0.5 * np.eye(6), normal[:, np.newaxis]], [normal, np.zeros((1, 1))]])
        expected = [np.linalg.solve(bordered, np.append(row, 1.0))[:6] for row in b]
        minimum = minimise(a, b, 0.5, normal)
        assert np.allclose(minimum.points, expected)
        assert len(minimum.eigenvalues) == 5


def test_a_singular_minimum_is_the_smallest():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(3, 7))
    b = rows.T @ rng.normal(size=3)
    minimum = minimise(rows.T @ rows, b[np.newaxis], 0.0)
    assert (minimum.rank, minimum.condition, minimum.degrees_of_freedom) == (3, math.inf, pytest.approx(3))
    assert np.allclose(minimum.points[0], np.linalg.pinv(rows.T @ rows) @ b)
    normal = np.ones(7)
    best = minimise(rows.T @ rows, b[np.newaxis], 0.0, normal).points[0]
    bordered = np.block([[rows.T @ rows, normal[:, np.newaxis]], [normal, np.zeros((1, 1))]])
    assert np.allclose(best, (np.linalg.pinv(bordered) @ np.append(b, 1.0))[:7])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), unknowns=st.integers(1, 25), constrained=st.booleans(), guess=st.booleans())
def test_non_negative_minima_satisfy_the_conditions_of_kuhn_and_tucker(seed, unknowns, constrained, guess):
    rng = np.random.default_rng(seed)
    a, b = positive_definite(rng, unknowns), 5 * rng.normal(size=unknowns)
    normal = 0.5 + rng.random(unknowns) if constrained else None
    start = rng.normal(size=unknowns) if guess else np.zeros(unknowns)
    point = minimise_nonnegative(a, b, start, normal)
    gradient = a @ point - b
    assert (point >= 0).all()
    multiplier = 0.0
    if normal is not None:
        assert point @ normal == pytest.approx(1)
        positive = np.flatnonzero(point)[0]
        multiplier = -gradient[positive] / normal[positive]
        gradient += multiplier * normal
    assert np.abs(gradient[point > 0]).max(initial=0) < 1e-8
    assert gradient.min() > -1e-8


def test_non_negative_minima_of_singular_functions():
    rng = np.random.default_rng(4)
    for _ in range(20):
        rows = rng.normal(size=(4, 9))
        point = minimise_nonnegative(rows.T @ rows, rows.T @ rng.normal(size=4), np.ones(9))
        assert (point >= 0).all()
        assert np.isfinite(point).all()
    alike = np.ones((3, 3))
    assert np.allclose(minimise_nonnegative(alike, np.ones(3), np.ones(3)), 1 / 3)
    assert (minimise_nonnegative(alike, -np.ones(3), np.ones(3)) == 0).all()
    assert (minimise_nonnegative(np.zeros((2, 2)), np.zeros(2), np.zeros(2)) == 0).all()


def test_a_search_that_does_not_converge_is_an_error(monkeypatch):
    rng = np.random.default_rng(5)
    before = np.zeros(4, bool)

    def forget(a, b, point, free, normal):
        """Stay at the same point, and never free a coordinate twice, so that the search does not converge."""
        free &= ~before
        before[:] = free
        return point, 0.0

    monkeypatch.setattr("faltung.fit.nonnegative._descend", forget)
    with pytest.raises(FaltungError, match="Add a small ridge"):
        minimise_nonnegative(positive_definite(rng, 4), np.ones(4), np.zeros(4))


def test_tiles_cover_a_region_once():
    region = ((-3, 20), (5, 6), (0, 17))
    count = np.zeros((23, 1, 17), int)
    for tile in tiled(region, [5, 4, 6]):
        count[
            tuple(slice(start - low, stop - low) for (start, stop), (low, _) in zip(tile, region, strict=True))
        ] += 1
    assert (count == 1).all()


@pytest.mark.parametrize(
    ("lengths", "size", "sections", "sides"),
    [
        ((3000, 4000), (15, 15), 1, [242, 242]),
        ((3000, 4000), (101, 3), 1, [303, 254]),
        ((512, 512), (3, 3), 1, [64, 64]),
        ((512, 512), (3, 3), 64, [254, 254]),
        ((9, 9), (3, 3), 1, [5, 5]),
        ((10**6,), (31,), 1, [8185]),
        ((100, 100, 100), (7, 7, 7), 1, [29, 29, 29]),
    ],
)
def test_sides_of_tiles(lengths, size, sections, sides):
    assert tile_sides(tuple((0, length) for length in lengths), size, sections) == sides


def test_held_out_tiles_depend_on_the_seed_alone():
    tiles = tiled(((0, 50),), [1])

    def chosen(seed, fraction=0.3):
        choice = TileSplitter(fraction, seed)
        return [choice.split(part)[1] for part in (tiles, tiles[:1], tiles[:1], tiles[:2], tiles)]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    assert sum(map(len, chosen(1))) == round(0.3 * 104)
    assert chosen(1, 0.0) == [[]] * 5
    kept, held_out = TileSplitter(0.5, 0).split(tiles)
    assert sorted(kept + held_out) == tiles
    assert TileSplitter(0.5, 0).split(tiles[:1]) == (tiles[:1], [])
