"""The matrices of Winograd's tiles, in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from faltung.engines.winograd.minimal_filter import (
    minimal_filter,
    sums_of_points,
    taps_at_points,
    values_at_points,
)


class Exact:
    """Arithmetic of transforms without rounding errors; it counts its operations."""

    def __init__(self):
        self.count = 0

    def add(self, a, b):
        self.count += 1
        return a + b

    def subtract(self, a, b):
        self.count += 1
        return a - b

    def multiply_add(self, factor, a, b):
        self.count += 1
        return factor * a + (0 if b is None else b)


def applied(matrix, values):
    return [sum(a * b for a, b in zip(row, values, strict=True)) for row in matrix]


def drawn(count, seed=0):
    numbers = np.random.default_rng([count, seed]).integers(-99, 99, (count, 2))
    return [Fraction(int(a), 1 + abs(int(b))) for a, b in numbers]


@pytest.mark.parametrize("tile", [2, 4])
def test_products_at_the_points_are_the_correlation(tile):
    filter_ = minimal_filter(tile)
    g, d = drawn(3), drawn(tile + 2)
    products = [u * v for u, v in zip(applied(filter_.g, g), applied(filter_.b, d), strict=True)]
    want = [sum(g[j] * d[i + j] for j in range(3)) for i in range(tile)]
    assert applied(filter_.a, products) == want


@pytest.mark.parametrize("tile", [2, 4])
def test_transforms_are_the_matrices(tile):
    filter_ = minimal_filter(tile)
    for transform, matrix in (
        (taps_at_points, filter_.g),
        (values_at_points, filter_.b),
        (sums_of_points, filter_.a),
    ):
        values = drawn(len(matrix[0]), 1)
        assert transform(filter_, values, Exact()) == applied(matrix, values)


@pytest.mark.parametrize(("tile", "inputs", "outputs"), [(2, 4, 4), (4, 12, 12)])
def test_transforms_take_few_operations(tile, inputs, outputs):
    filter_, forth, back = minimal_filter(tile), Exact(), Exact()
    values_at_points(filter_, drawn(tile + 2), forth)
    sums_of_points(filter_, drawn(tile + 2), back)
    assert (forth.count, back.count) == (inputs, outputs)


@pytest.mark.parametrize("tile", [2, 4])
def test_samples_and_sums_meet_numbers_that_are_exact_in_single_precision(tile):
    filter_ = minimal_filter(tile)
    for matrix in (filter_.a, filter_.b):
        assert all(Fraction(float(np.float32(float(entry)))) == entry for row in matrix for entry in row)
