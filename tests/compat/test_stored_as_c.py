"""Numbers are stored as C converts them: what machine code stores is what the definition says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import faltung as fa
from faltung.engines.repair import stored
from faltung.planning.kept import plan_for
from faltung.planning.question import Options, question_of

WHOLE = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]


def plan_as_c(x, kernel, result, **options):
    """The plan of a correlation along the last axis whose sums are stored as C converts them."""
    question = question_of(x.shape, x.dtype, kernel, Options(False, dtype=np.dtype(result), **options))
    return plan_for(replace(question, as_c=True))


def definition(value, dtype):
    """The integer that a number becomes, in Python's own integers."""
    bits, signed = 8 * np.dtype(dtype).itemsize, np.dtype(dtype).kind == "i"
    if math.isnan(value):
        return 0
    if bits < 64 and abs(value) * (1 + 2.0**-46) >= 2.0**51:
        return 0  # C does not say
    size = abs(value)
    size += min(size * 2.0**-46, 0.25) if bits == 64 else size * 2.0**-46
    if math.isinf(size):
        whole = 2**200
    else:
        whole = int(size)
    whole = -whole if value < 0 else whole
    if bits == 64:
        whole = max(whole, -(2**63))
        whole = min(whole, 2**63 - 1) if signed else whole * (whole < 2**64)
    whole %= 2**bits
    return whole - 2**bits if signed and whole >= 2 ** (bits - 1) else whole


def numbers():
    """Numbers at which a conversion may go wrong, and some between."""
    powers = [2.0**n for n in (0, 7, 8, 15, 16, 31, 32, 46, 50, 51, 52, 53, 62, 63, 64, 100)]
    around = [np.nextafter(power, to) for power in powers for to in (0.0, np.inf)]
    special = [0.0, 0.5, 0.999, 1.5, 4.999999999999999, 4.9999, 254.99999999999997, 255.7, 300.25, np.inf, np.nan]
    given = np.array([*powers, *around, *special, *np.random.default_rng(0).normal(scale=1e4, size=40)])
    return np.concatenate([given, -given])


@pytest.mark.parametrize("dtype", WHOLE)
def test_every_number_becomes_what_the_definition_says(dtype, vector_bits):
    x = numbers()
    expected = np.array([definition(float(value), dtype) for value in x], dtype)
    np.testing.assert_array_equal(stored(x, np.dtype(dtype), truncated=True), expected)
    np.testing.assert_array_equal(plan_as_c(x, fa.Kernel([1.0]), dtype)(x), expected)


@pytest.mark.parametrize("dtype", WHOLE)
def test_every_engine_stores_alike(dtype):
    x = np.random.default_rng(1).integers(0, 200, (40, 50)).astype("u1")
    kernel = fa.gaussian(1.5) - fa.delta()
    expected = stored(fa.correlate(x, kernel, dtype=float), np.dtype(dtype), truncated=True)
    plan = plan_as_c(x, kernel, dtype)
    methods = [row.method for row in plan.candidates if math.isfinite(row.seconds)]
    assert len(methods) >= 3
    for method in methods:
        np.testing.assert_array_equal(plan_as_c(x, kernel, dtype, method=method)(x), expected)


@pytest.mark.parametrize("source", ["u1", "f4", "f8"])
@pytest.mark.parametrize("result", ["u1", "f4", "f8"])
@pytest.mark.parametrize("size", [(1, 49), (7, 7), (3, 1, 9)])
def test_means_of_whole_numbers_are_quotients(source, result, size):
    x = np.random.default_rng(2).integers(0, 9, (6, 20, 60)).astype(source)
    taps = np.ones(size)
    sums = fa.correlate(x, taps, dtype=float, method="direct")  # whole numbers, without rounding
    expected = (sums / taps.size).astype(result)
    for kernel in (fa.Kernel(taps / taps.size), fa.box(size)):
        plan = plan_as_c(x, kernel, result)
        for method in [
            row.method for row in plan.candidates if math.isfinite(row.seconds) and row.method != "fourier"
        ]:
            found = plan_as_c(x, kernel, result, method=method)(x)
            np.testing.assert_array_equal(found, expected, err_msg=method)


def test_plans_that_round_and_plans_that_truncate_are_two():
    x = np.array([[1, 2, 4, 4]], np.uint8)
    taps = fa.Kernel([0.5, 0.5])
    assert fa.correlate(x, taps, dtype="u1").tolist() == [[1, 2, 3, 4]]
    assert plan_as_c(x, taps, "u1")(x).tolist() == [[1, 1, 3, 4]]
