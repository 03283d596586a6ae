"""Kernels in coordinate units: their algebra, their text, and the kernels that they become."""

from __future__ import annotations

import copy
import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import faltung as fa

HOUR = np.timedelta64(1, "h")
SPACING = {"lat": -0.25, "lon": 0.5, "t": HOUR}

# The call, and the kernel in samples for SPACING.
NAMED = [
    (fa.gaussian({"lat": 0.5, "lon": 0.5}), fa.gaussian((2.0, 1.0))),
    (fa.gaussian({"lon": 0.5, "lat": 0.5}, truncate=2.0), fa.gaussian((1.0, 2.0), truncate=2.0)),
    (fa.gaussian(sigma={"lat": 0.0, "lon": 1}), fa.gaussian((0, 2))),
    (fa.gaussian({"t": 3 * HOUR}), fa.gaussian(3.0, ndim=1)),
    (fa.gaussian({"t": datetime.timedelta(hours=3), "lat": 1.0}), fa.gaussian((3.0, 4.0))),
    (fa.gaussian({"t": pd.Timedelta("90min")}), fa.gaussian(1.5, ndim=1)),
    (fa.box({"lat": 0.75, "lon": 1.0}), fa.box((3, 2))),
    (fa.disk({"lat": 1.0, "lon": 1.0}), fa.disk((4.0, 2.0))),
    (fa.dog({"lat": 0.5}), fa.dog(2.0, ndim=1)),
    (fa.dog({"lat": 0.5}, {"lat": 1.0}), fa.dog(2.0, 4.0, ndim=1)),
    (fa.unsharp({"lat": 0.5, "lon": 0.5}, 2.0), fa.unsharp((2.0, 1.0), 2.0)),
    (fa.gaussian_derivative({"lat": 0.5, "lon": 0.5}), fa.gaussian_derivative((2.0, 1.0)) / 0.5),
    (fa.gaussian_derivative({"lat": 0.5, "lon": 0.5}, axis="lat"), -4 * fa.gaussian_derivative((2.0, 1.0), axis=0)),
    (fa.gaussian_derivative({"lat": 0.5, "lon": 0.5}, axis=0), -4 * fa.gaussian_derivative((2.0, 1.0), axis=0)),
    (fa.gaussian_derivative({"lat": 0.5}, 2), 16 * fa.gaussian_derivative(2.0, 2, ndim=1)),
    (fa.gaussian_derivative({"lat": 0.5, "lon": 1}, {"lat": 1, "lon": 2}), -16 * fa.gaussian_derivative(2.0, (1, 2))),
    (fa.gaussian_derivative({"lat": 0.5, "lon": 1}, (1, 0)), -4 * fa.gaussian_derivative(2.0, (1, 0))),
    (fa.gaussian_derivative({"t": 2 * HOUR}), fa.gaussian_derivative(2.0, ndim=1) / 3600),
    (
        fa.log({"lat": 0.5, "lon": 1.0}),
        16 * fa.gaussian_derivative(2.0, 2, axis=0) + 4 * fa.gaussian_derivative(2.0, 2, axis=1),
    ),
    (fa.log({"lat": 0.5}), 16 * fa.gaussian_derivative(2.0, 2, ndim=1)),
]


@pytest.mark.parametrize(("kernel", "expected"), NAMED, ids=[repr(kernel) for kernel, _ in NAMED])
def test_lengths_become_samples(kernel, expected):
    assert isinstance(kernel, fa.CoordinateKernel)
    assert kernel.sampled(SPACING) == expected
    assert kernel.ndim == len(kernel.dims) == expected.ndim
    for same in (pickle.loads(pickle.dumps(kernel)), copy.deepcopy(kernel)):
        assert same == kernel
        assert repr(same) == repr(kernel)
        assert same.sampled(SPACING) == expected


@given(st.floats(0.3, 3), st.floats(0.05, 0.7), st.sampled_from([-1, 1]), st.integers(0, 3))
@settings(deadline=None)
def test_derivatives_are_those_of_the_coordinate(sigma, step, sign, order):
    """Of a cubic of the coordinate, wherever the samples are dense enough for the Gaussian."""
    if sigma / step < 2:
        return
    half = int(9 * sigma / step) + 5
    place = sign * step * np.arange(-half, half + 1)
    kernel = fa.gaussian_derivative({"u": sigma}, order, truncate=8.0).sampled({"u": sign * step})
    got = fa.convolve(place**3 - 2 * place, kernel, shape="valid")
    inside = place[(place.size - got.size) // 2 :][: got.size]
    cubic, slope = inside**3 + 3 * sigma**2 * inside - 2 * inside, 3 * inside**2 + 3 * sigma**2 - 2
    smooth = [cubic, slope, 6 * inside, 6 + 0 * inside]
    np.testing.assert_allclose(got, smooth[order], rtol=1e-6, atol=1e-6 * np.abs(place).max() ** 3)


def test_one_spacing_for_all_axes_is_that_of_scipy():
    x = np.random.default_rng(0).random((20, 30))
    for spacing in (0.5, -0.5):
        got = fa.log({"y": 1.0, "x": 1.5}).sampled({"y": spacing, "x": spacing})(x)
        expected = sum(ndimage.gaussian_filter(x, (2.0, 3.0), order=order) / spacing**2 for order in ((2, 0), (0, 2)))
        np.testing.assert_allclose(got, expected, atol=1e-12)


# ---- the algebra

A, B = fa.gaussian({"lat": 0.5, "lon": 1.0}), fa.gaussian_derivative({"lat": 0.5, "lon": 0.5}, axis="lat")
C = fa.box({"lon": 1.5})


def k(kernel):
    return kernel.sampled(SPACING)


@pytest.mark.parametrize(
    ("kernel", "expected", "text"),
    [
        (A * B, k(A) * k(B), f"{A} * {B}"),
        (A + B, k(A) + k(B), f"{A} + {B}"),
        (A - 2 * B, k(A) - 2 * k(B), f"{A} - 2 * {B}"),
        (A / 4 - B * 3 + A, k(A) / 4 - k(B) * 3 + k(A), f"0.25 * {A} - 3 * {B} + {A}"),
        (-A, -k(A), f"-{A}"),
        (+A, k(A), f"{A}"),
        (np.float64(2) * A, 2 * k(A), f"2 * {A}"),
        (A**3, k(A) ** 3, f"{A} * {A} * {A}"),
        (A**1, k(A), f"{A}"),
        (sum([A, B]), k(A) + k(B), f"{A} + {B}"),
        ((A + B) * (A - B), (k(A) + k(B)) * (k(A) - k(B)), f"({A} + {B}) * ({A} - {B})"),
        (2 * (A + B), 2 * (k(A) + k(B)), f"2 * ({A} + {B})"),
        (B.flip(), k(B).flip(), f"{B}.flip()"),
        ((A * B).flip(), (k(A) * k(B)).flip(), f"({A} * {B}).flip()"),
        (1j * A, 1j * k(A), f"1j * {A}"),
    ],
    ids=repr,
)
def test_the_algebra_is_that_of_kernels(kernel, expected, text):
    assert kernel.sampled(SPACING) == expected
    assert repr(kernel) == text


def test_lengths_of_numpy_are_printed_as_numbers():
    hour = np.timedelta64(1, "h")
    kernel = fa.gaussian({"time": hour, "x": np.float32(0.5), "y": np.int64(3), "z": 2.0})
    assert repr(kernel) == f"gaussian({{'time': {hour!r}, 'x': 0.5, 'y': 3, 'z': 2.0}})"


def test_an_axis_that_one_factor_does_not_name_is_left_alone():
    row = fa.box((1, 3))
    assert (A * C).dims == ("lat", "lon")
    assert k(A * C) == k(A) * row
    assert k(A + C) == k(A) + row
    assert (C * A).dims == ("lon", "lat")
    np.testing.assert_allclose(k(C * A).taps, k(A * C).taps.T, atol=1e-15)
    assert k(A * fa.gaussian({"t": 2 * HOUR})).shape == (17, 17, 17)
    both = fa.log({"lat": 0.5, "lon": 1.0}) + fa.gaussian({"t": HOUR})
    assert k(both).shape == (17, 17, 9)
    mixed = fa.disk({"lat": 0.5, "t": 2 * HOUR}) * C
    assert mixed.dims == ("lat", "t", "lon")
    np.testing.assert_allclose(k(mixed).taps, fa.disk((2, 2)).taps[:, :, None] * np.full(3, 1 / 3), atol=1e-15)
    turned = C * fa.disk({"lat": 0.5, "lon": 2.0})
    np.testing.assert_allclose(k(turned).taps, (fa.disk((2, 4)) * row).taps.T, atol=1e-15)


def test_orders_are_those_of_the_derivative():
    assert A.orders == {}
    assert B.orders == (3 * B).orders == (A * B).orders == (B + B).orders == B.flip().orders == {"lat": 1}
    assert (B * B).orders == (B**2).orders == {"lat": 2}
    assert (A + B).orders is None
    assert ((A + B) * A).orders is None
    assert fa.log({"lat": 1.0}).orders == {"lat": 2}
    assert fa.log({"lat": 1.0, "lon": 1.0}).orders is None


WRONG = [
    (lambda: fa.gaussian({}), "sigma: expected a length for at least one name of an axis, got {}."),
    (lambda: fa.gaussian({"x": -1.0}), "sigma['x']: expected a number of at least 0, got -1.0."),
    (lambda: fa.gaussian({"x": np.nan}), "sigma['x']: expected a finite number, got nan."),
    (lambda: fa.gaussian({"x": -HOUR}), "sigma['x']: expected a timedelta of at least zero"),
    (lambda: fa.gaussian({"x": np.timedelta64("NaT")}), "sigma: expected a duration of a fixed length"),
    (lambda: fa.gaussian({"x": np.timedelta64(1, "M")}), "Months and years have no fixed length: use days."),
    (lambda: fa.gaussian({"x": "3h"}), "Pass pandas.Timedelta('3h'), or numpy.timedelta64."),
    (lambda: fa.gaussian({"x": [1.0]}), "sigma['x']: expected a real number, got [1.0]."),
    (lambda: fa.gaussian({"x": 1.0}, ndim=2), "ndim: expected 1, the number of names, got 2. Omit it."),
    (lambda: fa.gaussian({"x": 1.0}, truncate=-1), "truncate: expected a number of at least 0, got -1."),
    (lambda: fa.dog({"x": 1.0}, 2.0), "high: expected a length for each of 'x', got 2.0."),
    (lambda: fa.dog({"x": 1.0}, {"y": 2.0}), "high: expected a length for each of 'x', got 'y'."),
    (lambda: fa.dog(1.0, {"y": 2.0}), "high: "),
    (lambda: fa.gaussian_derivative({"x": 1.0}, axis="y"), "axis: expected one of 'x', got 'y'."),
    (lambda: fa.gaussian_derivative({"x": 1.0}, axis=1), "axis: expected an integer from -1 to 0, got 1."),
    (lambda: fa.gaussian_derivative({"x": 1.0}, 17), "order: expected an integer from 0 to 16, got 17."),
    (
        lambda: fa.gaussian_derivative({"x": 1.0}, {"y": 1}),
        "order: expected orders for 'x', without axis, got",
    ),
    (lambda: fa.gaussian_derivative({"x": 1.0}, {"x": 1}, "x"), "got {'x': 1} and axis='x'."),
    (lambda: fa.gaussian_derivative({"x": 1.0}, (1, 2)), "order: expected one number, or 1 without axis"),
    (lambda: fa.gaussian_derivative(1.0, axis="x"), "axis: expected an integer from -2 to 1, got 'x'."),
    (lambda: fa.motion({"x": 1.0}), "length: expected a real number, got {'x': 1.0}."),
    (lambda: A * fa.box(3), "operand: expected a kernel in coordinate units or a number, got a Box."),
    (lambda: fa.box(3) * A, "operand: expected a kernel in coordinate units or a number, got a Box."),
    (lambda: fa.delta() - A, "operand: expected a kernel in coordinate units or a number, got a Taps."),
    (lambda: A + 1, "operand: expected a kernel in coordinate units or a number, got a int."),
    (lambda: A * np.ones(3), "got a ndarray. Its method sampled(spacing) returns a kernel"),
    (lambda: A / 0, "divisor: expected a number other than zero, got 0."),
    (lambda: A**0, "exponent: expected an integer from 1 to 10000, got 0."),
    (lambda: A.sampled({"lat": 1.0}), "spacing: expected the spacing along 'lat', 'lon', got none along 'lon'."),
    (lambda: C.sampled({"lon": 0.0}), "spacing['lon']: expected a spacing other than zero, got 0.0."),
    (
        lambda: C.sampled({"lon": 1.0}),
        "a multiple of the spacing, 1, got 1.5, which is 1.5 samples. Use 1 or 2.",
    ),
    (lambda: C.sampled({"lon": 5.0}), "which is 0.3 samples. Use 5 or 10."),
    (lambda: C.sampled({"lon": HOUR}), "size['lon']: expected a timedelta, as the coordinate is a time, got 1.5."),
    (
        lambda: fa.gaussian({"t": HOUR}).sampled({"t": 1.0}),
        "sigma['t']: expected a number, in the unit of",
    ),
    (
        lambda: A(np.ones((9, 9))),
        "Pass an array of xarray, or kernel.sampled({'lat': ..., 'lon': ...})",
    ),
    (lambda: fa.correlate([[1.0]], A), "kernel: expected a kernel whose lengths are in samples"),
    (lambda: fa.plan((4, 4), A), "kernel: expected a kernel whose lengths are in samples"),
    (lambda: fa.Bank.stack([A]), "rows: expected a list of kernels, or of rows of kernels, got CoordinateKernel."),
    (lambda: fa.Kernel(A), "kernel: expected a kernel whose lengths are in samples"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(fa.FaltungError) as caught:
        call()
    assert message in str(caught.value)


def test_tensors_have_no_coordinates():
    torch = pytest.importorskip("torch")
    with pytest.raises(fa.ArgumentTypeError, match="whose lengths are in samples"):
        A(torch.ones(4, 4))


def test_a_box_allows_for_rounded_coordinates():
    assert fa.box({"x": 0.3}).sampled({"x": 0.1}).shape == (3,)
    assert fa.box({"x": 2.5}).sampled({"x": np.float32(0.1)}).shape == (25,)


def test_a_disk_of_several_radii_is_an_ellipse():
    taps = fa.disk((2, 3.5)).taps
    y, x = np.mgrid[-2:3, -3:4]
    np.testing.assert_array_equal(taps > 0, (y / 2) ** 2 + (x / 3.5) ** 2 <= 1)
    assert fa.disk((0, 2)).shape == (1, 5)
    assert fa.disk((2.5, 2.5)) == fa.disk(2.5)
    assert fa.disk(1, ndim=3) == fa.disk((1, 1, 1))
