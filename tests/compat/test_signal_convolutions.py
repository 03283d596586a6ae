"""convolve, correlate, fftconvolve, oaconvolve, convolve2d, correlate2d and sepfir2d are those of SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.compat import signal
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError
from signal_calls import assert_same, both, check, dtypes, modes, outcome, samples, seeds, shapes

few = settings(max_examples=40, deadline=None)


@few
@given(seeds, shapes(1, 3), st.data(), dtypes, dtypes, modes, st.sampled_from(("auto", "direct", "fft")))
def test_convolve_and_correlate(seed, shape, data, first, second, mode, method):
    x = samples(seed, shape, first, small=bool(seed % 2))
    k = samples(seed + 1, data.draw(shapes(len(shape), len(shape))), second, small=bool(seed % 2))
    for name in ("convolve", "correlate"):
        ours, theirs = both(name, x, k, mode, method)
        if np.result_type(x, k).kind in "biu":  # by Fourier transforms, SciPy rounds, and overflows without wrapping
            theirs = both(name, x, k, mode, "direct")[1]
        if isinstance(theirs, ValueError) and "Unsupported type" in str(theirs):  # booleans with several axes
            theirs = outcome(getattr(scipy.signal, name), (x.astype(int), k.astype(int), mode), {}) > 0
        assert_same(ours, theirs, x, k)


@few
@given(seeds, shapes(1, 3), st.data(), dtypes, dtypes, modes)
def test_axes_that_are_not_convolved_broadcast(seed, shape, data, first, second, mode):
    ndim = len(shape)
    axes = data.draw(st.lists(st.integers(-ndim, ndim - 1), min_size=1, max_size=ndim, unique_by=lambda a: a % ndim))
    one, other = [*shape], [*data.draw(shapes(ndim, ndim))]
    for axis in {*range(ndim)} - {axis % ndim for axis in axes}:
        one[axis], other[axis] = data.draw(st.sampled_from([(shape[axis],) * 2, (1, shape[axis]), (shape[axis], 1)]))
    x, k = samples(seed, one, first, small=True), samples(seed + 1, other, second, small=True)
    for name, chosen in itertools.product(("fftconvolve", "oaconvolve"), (axes, None)):
        check(name, x, k, mode, chosen)


@few
@given(
    seeds,
    shapes(2, 2),
    shapes(2, 2),
    dtypes.filter(lambda d: d != "?"),
    dtypes.filter(lambda d: d != "?"),
    modes,
    st.sampled_from(("fill", "wrap", "symm")),
    st.sampled_from((0, 3, 2.5)),
)
def test_planes_with_every_boundary(seed, shape, size, first, second, mode, boundary, value):
    x, k = samples(seed, shape, first), samples(seed + 1, size, second)
    for name in ("convolve2d", "correlate2d"):
        check(name, x, k, mode, boundary, value)


@few
@given(seeds, shapes(2, 2, 5, 9), st.integers(0, 2), st.integers(0, 2), dtypes, dtypes)
def test_separable_filters(seed, shape, rows, columns, first, second):
    image = samples(seed, shape, first)
    check("sepfir2d", image, samples(seed + 1, 2 * rows + 1, second), samples(seed + 2, 2 * columns + 1, second))


def test_taps_that_are_no_array_become_one_of_the_dtype_of_the_image():
    check("sepfir2d", np.ones((5, 5), "f4"), [1.0, 2.0, 4.0], (1, 2, 3))


def test_separable_filters_reflect_images_smaller_than_the_taps():
    # SciPy reads other memory there; an image of ones stays one of 25.
    np.testing.assert_allclose(signal.sepfir2d(np.ones((2, 1)), np.ones(5), np.ones(5)), 25.0)


def test_a_plane_of_complex_samples_has_a_complex_constant():
    check("convolve2d", np.ones((3, 4), "c16"), np.ones((2, 2)), "full", "fill", 1 + 2j)
    check("convolve2d", np.ones((3, 4)), np.ones((2, 2), "c8"), "full", "fill", 1 + 2j)
    with pytest.raises(ArgumentError, match="fillvalue"):
        signal.convolve2d(np.ones((3, 4)), np.ones((2, 2)), fillvalue=1j)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve"])
def test_values_that_are_not_finite_reach_only_what_touches_them(name, value):
    x, k = np.arange(1.0, 40.0), np.array([1.0, 2.0, 3.0, 4.0])
    x[20] = value
    assert_same(getattr(signal, name)(x, k), scipy.signal.correlate(x, k if name == "correlate" else k[::-1]), x, k)
    # The array that has them may be the second one, and the shorter one.
    assert_same(getattr(signal, name)(k, x), both("correlate" if name == "correlate" else "convolve", k, x)[1], k)
    k[1] = value
    with pytest.raises(NotServedError, match="not finite"):
        getattr(signal, name)(x, k)


@pytest.mark.parametrize("boundary", ["fill", "wrap"])
def test_planes_with_values_that_are_not_finite(boundary):
    x, k = np.arange(1.0, 31.0).reshape(5, 6), np.array([[1.0, 2.0], [3.0, 4.0]])
    x[2, 2] = np.nan
    check("convolve2d", x, k, "full", boundary)
    check("correlate2d", x, k, "full", boundary)
    if boundary == "fill":  # SciPy multiplies NaN by the zeros beyond the border; the convolution is the same
        assert_same(signal.convolve2d(k, x), scipy.signal.convolve2d(x, k))
        assert np.isnan(signal.correlate2d(k, x)).sum() == k.size
    else:
        with pytest.raises(NotServedError, match="in2: taps that are not finite"):
            signal.convolve2d(k, x, "full", boundary)


def test_integers_wrap_as_machine_integers_do():
    rng = np.random.default_rng(0)
    for dtype in ("i8", "u8", "i4", "u1"):
        limits = np.iinfo(dtype)
        x, k = (rng.integers(limits.min, limits.max, n, dtype, endpoint=True) for n in (3000, 700))
        x[:2] = limits.min, limits.max
        np.testing.assert_array_equal(signal.convolve(x, k), np.convolve(x, k))
        assert_same(
            signal.convolve2d(x.reshape(60, 50), k[:9].reshape(3, 3), "same", "symm", 0),
            *(both("convolve2d", x.reshape(60, 50), k[:9].reshape(3, 3), "same", "symm", 0)[1:]),
        )


def test_long_arrays_go_through_fourier_transforms_and_integers_stay_exact():
    rng = np.random.default_rng(1)
    x, k = rng.integers(0, 1000, 20000), rng.integers(-1000, 1000, 3000)
    np.testing.assert_array_equal(signal.convolve(x, k, "same"), np.convolve(x, k, "same"))
    x, k = rng.normal(size=20000), rng.normal(size=3000)
    check("fftconvolve", x, k, "valid")
    check("correlate", x, k, "same")


EMPTY = [((0,), (2,)), ((2,), (0,)), ((0, 3), (2, 2)), ((2, 2), (0, 3)), ((0, 2), (0, 2))]


@pytest.mark.parametrize(("shape", "size"), EMPTY)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_arrays_without_samples(shape, size, mode):
    x, k = np.ones(shape), np.ones(size)
    for name in ("fftconvolve", "oaconvolve"):
        check(name, x, k, mode)
    if 0 in shape and 0 not in size:
        check("convolve", x, k, mode)
        check("correlate", x, k, mode)
    else:
        assert isinstance(both("convolve", x, k, mode)[0], ValueError)
    if len(shape) == 2 and mode == "full" and shape != size:
        check("convolve2d", x, k, mode)
        check("convolve2d", x, k, mode, "fill", 3.0)


WRONG = [
    ("convolve", ([1.0], [[1.0]])),
    ("convolve", ([1.0], [1.0], "middle")),
    ("convolve", ([1.0], [1.0], "full", "slow")),
    ("convolve", (np.ones((3, 1)), np.ones((1, 3)), "valid")),
    ("correlate", ([1.0], [1.0], 2)),
    ("fftconvolve", ([1.0], [[1.0]])),
    ("fftconvolve", ([1.0, 2.0], [1.0], "middle")),
    ("fftconvolve", (np.ones((3, 4)), np.ones((3, 2)), "full", 0)),
    ("fftconvolve", (np.ones((3, 4)), np.ones((3, 2)), "full", [])),
    ("fftconvolve", (np.ones((3, 4)), np.ones((3, 2)), "full", [0, 0])),
    ("fftconvolve", (np.ones((3, 4)), np.ones((3, 2)), "full", 2)),
    ("oaconvolve", (np.ones((3, 4)), np.ones((3, 2)), "full", "x")),
    ("oaconvolve", (np.ones((3, 4)), np.ones((3, 2)), "full", 1.5)),
    ("convolve2d", ([1.0], [1.0])),
    ("convolve2d", ([[1.0]], [[1.0]], "middle")),
    ("convolve2d", ([[1.0]], [[1.0]], "full", "mirror")),
    ("convolve2d", ([[1.0]], [[1.0]], "full", "fill", [1, 2])),
    ("convolve2d", ([[1.0]], [[1.0]], "full", "fill", "x")),
    ("convolve2d", ([[1]], [[1]], "full", "fill", object())),
    ("convolve2d", (np.ones((1, 1), "u1"), np.ones((1, 1), "u1"), "full", "fill", 300)),
    ("convolve2d", (np.ones((1, 1), "?"), np.ones((1, 1), "?"))),
    ("convolve2d", (np.ones((1, 1), "f2"), np.ones((1, 1), "f2"))),
    ("convolve2d", (np.ones((3, 1)), np.ones((1, 3)), "valid")),
    ("sepfir2d", (np.ones((5, 5)), [1.0, 2.0], [1.0])),
    ("sepfir2d", (np.ones(5), [1.0], [1.0])),
    ("sepfir2d", (np.ones((5, 5), "f4"), np.ones(1), [1.0])),
    ("sepfir2d", (np.ones((5, 5)), [1j], [1.0])),
    ("choose_conv_method", ([1.0], [1.0], "middle")),
]


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_arguments_raise_the_same_class(name, arguments):
    ours, theirs = both(name, *arguments)
    assert isinstance(theirs, Exception)
    assert_same(ours, theirs)


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble, object])
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"])
def test_numbers_that_are_not_served_are_refused_by_name(name, dtype):
    with pytest.raises(NotServedError, match=rf"scipy\.signal\.{name} is not served: in2: numbers of at most double"):
        getattr(signal, name)(np.ones((2, 2)), np.ones((2, 2), dtype))


def test_what_numpy_would_drop_is_refused():
    with pytest.raises(NotServedError, match="in1: its mask would be lost"):
        signal.convolve(np.ma.masked_greater([1.0, 2.0], 1.0), [1.0])
    check("convolve", [1.0, 2.0], (3.0, 4.0))


def test_numbers_without_axes_are_multiplied():
    for name in ("convolve", "correlate", "fftconvolve", "oaconvolve"):
        assert getattr(signal, name)(2.0, 3j) == getattr(scipy.signal, name)(2.0, 3j)


def test_the_arguments_are_not_changed_and_the_result_is_new():
    x, k = np.ones((1, 4)), np.ones((3, 1))
    y = signal.fftconvolve(x, k, "same")
    y += 1
    assert (x == 1).all()
    assert (k == 1).all()


def test_the_choice_of_the_method_is_that_of_the_planner():
    x = np.sin(np.arange(9999.0))
    assert signal.choose_conv_method(x, x) == "fft"
    assert signal.choose_conv_method(x, x[:3]) == "direct"
    assert signal.choose_conv_method(x[:3], x, "valid") == "direct"
    for dtype in (object, np.longdouble, bool):
        assert signal.choose_conv_method(x.astype(dtype), x.astype(dtype)) == "direct"
    large = np.arange(9999) << 40
    assert signal.choose_conv_method(large, large) == "direct"
    method, times = signal.choose_conv_method(x, x[:3], measure=True)
    assert {*times} == {"fft", "direct"}
    assert times[method] == min(times.values())
    x[5] = np.nan
    assert signal.choose_conv_method(x, x) == "fft"
