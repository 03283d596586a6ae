"""scipy.ndimage's functions on this operator: the same results as SciPy's own, for any arguments that SciPy takes."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as scipy_ndimage

import faltung as fa
from faltung.compat import ndimage
from faltung.compat.not_served import NotServedError

MODES = ["reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap"]
REAL = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", ">f4", ">i2"]
WHOLE = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
COMPLEX = ["c8", "c16"]
#: Largest magnitude of samples: sums of them are inside 32 bits, so that C says what becomes of them.
LARGEST = 1 << 20

few = settings(max_examples=60, deadline=None)
shapes = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple)
modes = st.sampled_from(MODES)
constants = st.sampled_from([0.0, 0.0, 1.0, -2.5, 300.25])
taps = st.sampled_from(
    [[1.0], [0.5, 0.25], [-1.0, 0.0, 1.0], [1 / 3] * 3, [0.1, 0.3, 0.1, -0.4], [0.2, -1.7, 2.0, 0.11, 1e-3]]
)


def samples(dtype, shape, seed):
    """Random samples of a dtype; integers have both small and large values."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind.kind == "b":
        return rng.random(shape) < 0.4
    if kind.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if kind.kind == "f":
        return rng.normal(scale=9.0, size=shape).astype(dtype)
    limits = np.iinfo(kind)
    low, high = max(limits.min, -LARGEST), min(limits.max, LARGEST)
    return np.where(rng.random(shape) < 0.5, rng.integers(low, high, shape), rng.integers(0, 9, shape)).astype(dtype)


def agree(found, expected, exact, scale):
    """Assert that a result is SciPy's: up to rounding for floats, and but for ties for integers.

    `exact` is SciPy's result in double precision. Where it is an integer up to rounding, that integer is the result;
    SciPy's may be one nearer to zero.
    """
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if found.dtype.kind in "fc":
        single = found.dtype.itemsize == (4 if found.dtype.kind == "f" else 8)
        np.testing.assert_allclose(found, expected, rtol=0, atol=scale * (3e-7 if single else 1e-13))
        return
    tie = np.abs(exact - np.rint(exact)) <= 1e-12 * max(scale, 1.0)
    truncated = np.where(tie, np.rint(exact), np.trunc(exact)).astype(np.int64)
    stored = truncated.astype(np.uint8 if found.dtype == bool else found.dtype).astype(found.dtype)
    np.testing.assert_array_equal(found, stored)
    np.testing.assert_array_equal(found[~tie], expected[~tie])


def scale_of(x, weights, cval):
    """The largest sum that rounding errors are relative to."""
    largest = np.abs(x.astype(complex)).max(initial=0.0)
    return float(np.abs(np.asarray(weights)).sum() * max(largest, abs(cval), 1e-300))


def numbers(x):
    """Samples as SciPy adds them up."""
    return x.astype(np.float64)


# ---- one pass


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_weights_along_one_axis(data):
    shape, dtype, weights = data.draw(shapes), data.draw(st.sampled_from(REAL)), data.draw(taps)
    x = samples(dtype, shape, data.draw(st.integers(0, 99)))
    size = len(weights)
    name = data.draw(st.sampled_from(["correlate1d", "convolve1d"]))
    low, high = -(size // 2), (size - 1) // 2
    origin = data.draw(
        st.integers(low, high) if name == "correlate1d" else st.integers(-high, -low - (size % 2 == 0))
    )
    output = data.draw(st.sampled_from([None, None, np.float32, "float64", np.dtype("i4"), np.uint8, bool]))
    rest = {
        "axis": data.draw(st.integers(-len(shape), len(shape) - 1)),
        "mode": data.draw(modes),
        "cval": data.draw(constants),
        "origin": origin,
    }
    expected = getattr(scipy_ndimage, name)(x, weights, output=output, **rest)
    exact = getattr(scipy_ndimage, name)(numbers(x), weights, output=float, **rest)
    found = getattr(ndimage, name)(x, weights, output=output, **rest)
    agree(found, expected, exact, scale_of(x, weights, rest["cval"]))


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_weights_over_several_axes(data):
    shape, dtype = data.draw(shapes), data.draw(st.sampled_from(REAL))
    x = samples(dtype, shape, data.draw(st.integers(0, 99)))
    ndim = len(shape)
    axes = data.draw(st.one_of(st.none(), st.sets(st.integers(0, ndim - 1), min_size=1).map(tuple)))
    sizes = data.draw(st.tuples(*[st.sampled_from([1, 2, 3])] * (ndim if axes is None else len(axes))))
    weights = np.random.default_rng(data.draw(st.integers(0, 5))).integers(-3, 4, sizes) / 4
    weights[np.abs(weights) == 0.25] = 0.7
    name = data.draw(st.sampled_from(["correlate", "convolve"]))
    origin = [0 if size % 2 == 0 else data.draw(st.integers(-(size // 2), size // 2)) for size in sizes]
    rest = {"mode": data.draw(modes), "cval": data.draw(constants), "origin": origin, "axes": axes}
    expected = getattr(scipy_ndimage, name)(x, weights, **rest)
    exact = getattr(scipy_ndimage, name)(numbers(x), weights, output=float, **rest)
    agree(getattr(ndimage, name)(x, weights, **rest), expected, exact, scale_of(x, weights, rest["cval"]))


@given(st.data())
@few
def test_complex_samples_and_weights(data):
    shape = data.draw(shapes)
    x = samples(data.draw(st.sampled_from([*COMPLEX, "f4", "i2"])), shape, data.draw(st.integers(0, 99)))
    weights = np.array([0.5, -1.0, 0.25]) + (1j * np.array([1.0, 0.0, -2.0]) if data.draw(st.booleans()) else 0)
    cval = data.draw(st.sampled_from([0.0, 1.5, 1.0 - 2.0j])) if x.dtype.kind == "c" else 1.5
    name = data.draw(st.sampled_from(["correlate", "convolve", "correlate1d", "convolve1d"]))
    if not name.endswith("1d"):
        weights = np.multiply.outer(np.ones([1] * (len(shape) - 1)), weights)
    rest = {"mode": data.draw(modes), "cval": cval}
    expected = getattr(scipy_ndimage, name)(x, weights, **rest)
    agree(getattr(ndimage, name)(x, weights, **rest), expected, expected, scale_of(x, weights, cval))


@given(st.data())
@few
def test_means_along_one_axis(data):
    shape, dtype = data.draw(shapes), data.draw(st.sampled_from([*REAL, *COMPLEX]))
    x = samples(dtype, shape, data.draw(st.integers(0, 99)))
    size = data.draw(st.integers(1, 9))
    rest = {
        "axis": data.draw(st.integers(-len(shape), len(shape) - 1)),
        "mode": data.draw(modes),
        "cval": data.draw(constants),
        "origin": data.draw(st.integers(-(size // 2), size - 1 - size // 2)),
    }
    expected = scipy_ndimage.uniform_filter1d(x, size, **rest)
    exact = scipy_ndimage.uniform_filter1d(x if x.dtype.kind == "c" else numbers(x), size, **rest)
    agree(ndimage.uniform_filter1d(x, size, **rest), expected, exact, scale_of(x, [1.0], rest["cval"]))


# ---- several passes


def draw_call(data, names):
    """Return the name of a function of several passes, positional arguments and keywords."""
    shape = data.draw(shapes)
    ndim, name = len(shape), data.draw(st.sampled_from(names))
    slopes = name in ("sobel", "prewitt")
    axes = None if slopes else data.draw(st.one_of(st.none(), st.sets(st.integers(-ndim, -1)).map(tuple)))
    count = ndim if axes is None else len(axes)
    several = st.lists(modes, min_size=count, max_size=count) if count else modes
    rest = {"mode": data.draw(st.one_of(modes, several)), "cval": data.draw(constants)}
    if slopes:
        return name, shape, (data.draw(st.integers(-ndim, ndim - 1)),), rest
    rest["axes"] = axes
    positional = ()
    if name == "uniform_filter":
        positional = (data.draw(st.integers(0, 4)),)
    elif name == "gaussian_filter":
        positional = (data.draw(st.sampled_from([0.0, 0.4, 1.0, 1e-16])),)
        rest["order"] = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
        rest["truncate"] = data.draw(st.sampled_from([4.0, 2.0]))
    elif name.startswith("gaussian"):
        positional = (data.draw(st.sampled_from([0.4, 1.0])),)
        rest |= {"radius": data.draw(st.sampled_from([None, 2]))}
    return name, shape, positional, rest


FLOATING = [
    "gaussian_filter",
    "gaussian_laplace",
    "gaussian_gradient_magnitude",
    "uniform_filter",
    "sobel",
    "prewitt",
    "laplace",
]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_floats_through_several_passes(data):
    name, shape, positional, rest = draw_call(data, FLOATING)
    dtype = data.draw(st.sampled_from(["f4", "f8", ">f8", *COMPLEX]))
    x = samples(dtype, shape, data.draw(st.integers(0, 99)))
    expected = getattr(scipy_ndimage, name)(x, *positional, **rest)
    found = getattr(ndimage, name)(x, *positional, **rest)
    scale = 30.0 * scale_of(x, [1.0], rest["cval"])  # taps of derivatives sum up to more than one
    if name == "gaussian_gradient_magnitude":  # the root of a sum of squares that cancel has fewer digits
        found, expected, scale = found**2, expected**2, scale**2
    agree(found, expected, expected, scale)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_integers_through_passes_of_whole_taps_are_the_same_bits(data):
    name, shape, positional, rest = draw_call(data, ["sobel", "prewitt", "laplace"])
    rest["cval"] = float(round(rest["cval"]))
    x = samples(data.draw(st.sampled_from(WHOLE)), shape, data.draw(st.integers(0, 99)))
    expected = getattr(scipy_ndimage, name)(x, *positional, **rest)
    found = getattr(ndimage, name)(x, *positional, **rest)
    assert found.dtype == expected.dtype
    if x.dtype == np.uint64:  # negative sums wrap to numbers that no double holds, so the next pass rounds
        np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=1e-15)
        return
    np.testing.assert_array_equal(found, expected.view(np.uint8) != 0 if x.dtype == bool else expected)


@given(st.data())
@few
def test_integers_are_truncated_after_every_pass(data):
    name, shape, positional, rest = draw_call(data, ["gaussian_filter", "uniform_filter"])
    x = samples(data.draw(st.sampled_from(WHOLE[1:])), shape, data.draw(st.integers(0, 99)))
    axes = tuple(range(-len(shape), 0)) if rest["axes"] is None else rest["axes"]
    mode = rest["mode"] if isinstance(rest["mode"], list) else [rest["mode"]] * len(axes)
    expected = x.copy()
    for place, axis in enumerate(axes):
        single = {"axis": axis, "mode": mode[place], "cval": rest["cval"]}
        if name == "gaussian_filter" and positional[0] > 1e-15:
            order, truncate = rest["order"][place], rest["truncate"]
            expected = ndimage.gaussian_filter1d(expected, *positional, order=order, truncate=truncate, **single)
        elif name == "uniform_filter" and positional[0] > 1:
            expected = ndimage.uniform_filter1d(expected, *positional, **single)
    found = getattr(ndimage, name)(x, *positional, **rest)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, expected)


@given(st.data())
@few
def test_integers_through_a_gaussian_along_one_axis(data):
    shape, x_dtype = data.draw(shapes), data.draw(st.sampled_from(WHOLE))
    x = samples(x_dtype, shape, data.draw(st.integers(0, 99)))
    rest = {"order": data.draw(st.integers(0, 2)), "mode": data.draw(modes), "cval": data.draw(constants)}
    sigma = data.draw(st.sampled_from([0.5, 1.3]))
    expected = scipy_ndimage.gaussian_filter1d(x, sigma, **rest)
    exact = scipy_ndimage.gaussian_filter1d(numbers(x), sigma, **rest)
    agree(ndimage.gaussian_filter1d(x, sigma, **rest), expected, exact, 10 * scale_of(x, [1.0], rest["cval"]))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8", "i8"])
def test_constants_stay_constants_where_scipy_keeps_them(dtype):
    # Whole numbers: a sum of tenths may be off by its last digit in both.
    for value in (1, 5, 77, 127):
        x = np.full((6, 9), value, dtype)
        for size in (3, 7, 49):  # 49 * (1 / 49) is less than one
            np.testing.assert_array_equal(ndimage.uniform_filter(x, size), x)
            np.testing.assert_array_equal(ndimage.convolve(x, np.full((size, 1), 1 / size)), x)
        for sigma in (0.7, 1.0, 3.0):
            found, theirs = (module.gaussian_filter(x, sigma) for module in (ndimage, scipy_ndimage))
            if dtype == "f8":
                np.testing.assert_allclose(found, x, rtol=4e-16 * 8)
            else:
                np.testing.assert_array_equal(found[theirs == x], x[theirs == x])
                np.testing.assert_array_equal(found, x)


# ---- what is not finite


@given(st.data())
@few
def test_what_is_not_finite_reaches_what_a_tap_connects_it_with(data):
    shape = data.draw(shapes)
    x = samples(data.draw(st.sampled_from(["f4", "f8"])), shape, data.draw(st.integers(0, 99)))
    x[np.random.default_rng(data.draw(st.integers(0, 99))).random(shape) < 0.2] = data.draw(
        st.sampled_from([np.nan, np.inf, -np.inf])
    )
    weights, mode = data.draw(taps), data.draw(modes)
    with np.errstate(invalid="ignore"):
        expected = scipy_ndimage.correlate1d(x, weights, mode=mode)
        found = ndimage.correlate1d(x, weights, mode=mode)
        reached = scipy_ndimage.correlate1d((~np.isfinite(x)).astype(float), np.not_equal(weights, 0.0), mode=mode)
    np.testing.assert_array_equal(~np.isfinite(found), reached > 0.5)
    both = np.isfinite(found) & np.isfinite(expected)
    assert (both == np.isfinite(expected)).all()
    np.testing.assert_allclose(found[both], expected[both], rtol=1e-5, atol=1e-4)


# ---- outputs


@given(st.data())
@few
def test_an_output_may_share_memory_with_the_input(data):
    name, shape, positional, rest = draw_call(data, [*FLOATING, "correlate", "uniform_filter1d"])
    dtype = data.draw(st.sampled_from(["u1", "i4", "f4", "f8"]))
    if name == "correlate":
        positional, rest = (np.ones([2] * len(shape)),), {"mode": data.draw(modes), "cval": rest["cval"]}
    elif name == "uniform_filter1d":
        positional, rest = (3,), {"mode": data.draw(modes), "cval": rest["cval"]}
    long = samples(dtype, (shape[0] + 2, *shape[1:]), data.draw(st.integers(0, 99)))
    start = data.draw(st.sampled_from([0, 1, 2]))
    x, out = long[: shape[0]], long[start : start + shape[0]]
    with np.errstate(invalid="ignore"):  # squares of integers wrap, and SciPy takes roots of negative ones, too
        expected = getattr(ndimage, name)(x.copy(), *positional, **rest)
        returned = getattr(ndimage, name)(x, *positional, output=out, **rest)
    np.testing.assert_array_equal(out, expected)
    assert returned is out


@pytest.mark.parametrize("name", ndimage.__all__)
@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "u1", "bool"])
def test_outputs_of_another_dtype_and_layout(name, dtype):
    x = samples("f8", (5, 7), 3)
    arguments = {"correlate": (np.ones((2, 3)),), "convolve": (np.ones((2, 3)),), "correlate1d": ([1, 2],)}
    arguments |= {"convolve1d": ([1, 2],), "gaussian_filter": (1.0,), "gaussian_filter1d": (1.0,)}
    arguments |= {"gaussian_laplace": (1.0,), "gaussian_gradient_magnitude": (1.0,), "uniform_filter1d": (3,)}
    arguments |= {"generic_laplace": (scipy_ndimage.sobel,), "generic_gradient_magnitude": (scipy_ndimage.sobel,)}
    given_ = arguments.get(name, ())
    theirs, ours = np.zeros((7, 10), dtype).T[::2], np.zeros((7, 10), dtype).T[::2]
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        getattr(scipy_ndimage, name)(x, *given_, output=theirs)
        found = getattr(ndimage, name)(x, *given_, output=ours)
    assert found is ours
    if dtype == "bool":
        theirs = theirs.view(np.uint8) != 0
    np.testing.assert_allclose(found, theirs, rtol=1e-5, atol=2e-5)


def test_the_dtype_of_a_result():
    x = np.ones((3, 4), ">i2")
    assert ndimage.sobel(x).dtype == np.dtype("i2")  # in the order of the processor
    assert ndimage.sobel(x, output=np.float32).dtype == np.float32
    assert ndimage.sobel(x, output="f4").dtype == np.float32
    assert ndimage.sobel(x, output=float).dtype == np.float64
    assert ndimage.correlate1d(x, [1j]).dtype == np.complex64
    assert ndimage.correlate1d(x.astype("i8"), [1j]).dtype == np.complex128
    with pytest.warns(UserWarning, match="promoting"):
        assert ndimage.correlate1d(x, [1j], output=np.float32).dtype == np.complex64


def test_what_becomes_an_array():
    rows = [[1, 2, 9], [4, 4, 4]]
    np.testing.assert_array_equal(ndimage.sobel(rows), scipy_ndimage.sobel(rows))
    masked = np.ma.masked_equal(rows, 9)
    found = ndimage.uniform_filter(masked, 3)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, scipy_ndimage.uniform_filter(masked, 3))
    np.testing.assert_array_equal(ndimage.correlate(5.0, 2.0), 10.0)
    assert ndimage.gaussian_filter(np.float32(3.0), 1.0).shape == ()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_arrays_without_samples(shape):
    x = np.zeros(shape, np.float32)
    weights = np.ones([3] * len(shape))
    assert ndimage.correlate(x, weights).shape == shape
    assert ndimage.gaussian_filter(x, 1.0).shape == shape
    assert ndimage.uniform_filter(x.astype("u1"), 3).shape == shape
    assert ndimage.laplace(x).shape == ndimage.gaussian_gradient_magnitude(x, 1.0).shape == shape


def test_integers_wrap_as_in_c():
    x = np.array([[0, 200, 10, 255]], np.uint8)
    for function in ("sobel", "laplace", "prewitt"):
        np.testing.assert_array_equal(getattr(ndimage, function)(x), getattr(scipy_ndimage, function)(x))
    far = np.array([2**40, -(2**40) - 3, 5], np.int64)
    for dtype in (np.int32, np.uint16, np.int8):
        np.testing.assert_array_equal(ndimage.correlate1d(far, [1.0], output=dtype), far.astype(dtype))
    large = np.array([2**63 - 2**20, -(2**62), 2**55 + 2], np.int64)
    np.testing.assert_array_equal(ndimage.correlate1d(large, [1.0]), scipy_ndimage.correlate1d(large, [1.0]))
    top = np.array([2**64 - 2**20, 2**63, 3], np.uint64)
    np.testing.assert_array_equal(ndimage.correlate1d(top, [1.0]), scipy_ndimage.correlate1d(top, [1.0]))
    np.testing.assert_array_equal(ndimage.correlate1d([np.nan, 1.0], [1.0], output=np.int16), [0, 1])


# ---- functions of a caller


def test_derivatives_of_a_caller():
    x = samples("f8", (5, 6), 1)
    seen = []

    def second(input, axis, output, mode, cval, factor, shift=0):
        seen.append((axis, mode, cval, factor, shift))
        return scipy_ndimage.correlate1d(input, [factor, -2 * factor, factor], axis, output, mode, cval)

    rest = {"mode": ["wrap", "nearest"], "cval": 2.0, "extra_arguments": (3.0,), "extra_keywords": {"shift": 1}}
    for name in ("generic_laplace", "generic_gradient_magnitude"):
        expected = getattr(scipy_ndimage, name)(x, second, **rest)
        calls = [*seen]
        seen.clear()
        np.testing.assert_allclose(getattr(ndimage, name)(x, second, **rest), expected, rtol=1e-14)
        assert seen == calls
        seen.clear()
    np.testing.assert_array_equal(ndimage.generic_laplace(x, second, axes=()), x)


# ---- what is refused

WRONG = [
    (RuntimeError, "correlate", ([[1, 1]],), {}),
    (RuntimeError, "correlate", ([1, 1],), {"mode": ["wrap"]}),
    (RuntimeError, "correlate", ([1, 1],), {"mode": "symmetric"}),
    (RuntimeError, "correlate", ([],), {}),
    (RuntimeError, "correlate1d", ([],), {}),
    (RuntimeError, "correlate1d", ([[1]],), {}),
    (RuntimeError, "correlate1d", ([1],), {"output": np.zeros(3)}),
    (RuntimeError, "correlate1d", ([1],), {"output": "bool"}),
    (RuntimeError, "correlate1d", ([1j],), {"output": "float32"}),
    (RuntimeError, "correlate1d", ([1j],), {"output": np.zeros(4)}),
    (RuntimeError, "correlate1d", ([1],), {"output": np.complex64}),
    (RuntimeError, "correlate1d", ([1],), {"output": np.float16}),
    (RuntimeError, "uniform_filter1d", (0,), {}),
    (RuntimeError, "uniform_filter", ([3, 3],), {}),
    (RuntimeError, "gaussian_filter", (1.0,), {"mode": ["wrap", "wrap"]}),
    (ValueError, "uniform_filter1d", (3,), {"origin": 2}),
    (ValueError, "correlate", ([1, 1],), {"origin": 1}),
    (ValueError, "correlate1d", ([1, 1],), {"origin": -2}),
    (ValueError, "correlate1d", ([1, 1],), {"axis": 1}),
    (ValueError, "correlate1d", (["a"],), {}),
    (ValueError, "correlate1d", ([1j],), {"cval": 1j}),
    (ValueError, "correlate1d", ([1],), {"output": np.broadcast_to(0.0, 4)}),
    (ValueError, "gaussian_filter", (1.0,), {"axes": 1}),
    (ValueError, "gaussian_filter", (1.0,), {"axes": (0, -1)}),
    (ValueError, "gaussian_filter", (1.0,), {"radius": -1}),
    (ValueError, "gaussian_filter", (1.0,), {"radius": 2.0}),
    (ValueError, "gaussian_filter1d", (1.0,), {"order": -1}),
    (ValueError, "gaussian_filter1d", (-1.0,), {}),
    (ValueError, "sobel", (), {"axis": 2}),
    (TypeError, "correlate1d", ([1],), {"cval": 1j}),
    (TypeError, "correlate1d", ([1],), {"cval": "0"}),
    (TypeError, "correlate1d", ([1],), {"origin": 0.0}),
    (TypeError, "correlate1d", ([1],), {"output": "no dtype"}),
    (TypeError, "uniform_filter1d", (2.5,), {}),
    (TypeError, "gaussian_filter", (1.0,), {"axes": 0.5}),
    (TypeError, "gaussian_laplace", (1.0,), {"width": 3}),
    (ZeroDivisionError, "gaussian_filter1d", (0.0,), {}),
]


@pytest.mark.parametrize(("error", "name", "positional", "keywords"), WRONG)
def test_errors_have_the_classes_of_scipy(error, name, positional, keywords):
    x = np.arange(4.0)
    for module in (ndimage, scipy_ndimage):
        with pytest.raises(error):
            getattr(module, name)(x, *positional, **keywords)


@pytest.mark.parametrize("dtype", ["f2", "g", "G", "O", "M8[s]"])
def test_dtypes_that_scipy_refuses(dtype):
    x = np.ones(3).astype(dtype) if dtype != "M8[s]" else np.ones(3, "i8").astype(dtype)
    for module in (ndimage, scipy_ndimage):
        with pytest.raises(RuntimeError):
            module.gaussian_filter(x, 1.0)
        np.testing.assert_array_equal(module.gaussian_filter(x, 0.0), x)


def test_taps_that_are_not_finite_are_left_to_scipy():
    with pytest.raises(NotServedError, match=r"scipy\.ndimage\.correlate is not served: .*nan"):
        ndimage.correlate(np.ones(3), [np.nan, 1.0])


# ---- the face


@pytest.mark.parametrize("name", ndimage.__all__)
def test_signatures_are_those_of_scipy(name):
    ours = inspect.signature(getattr(ndimage, name)).parameters
    theirs = inspect.signature(getattr(scipy_ndimage, name)).parameters
    positional = [own for own, what in theirs.items() if what.kind is what.POSITIONAL_OR_KEYWORD]
    assert [own for own, what in ours.items() if what.kind is what.POSITIONAL_OR_KEYWORD] == positional
    named = {own for own, what in theirs.items() if what.kind is what.KEYWORD_ONLY}
    more = {"truncate", "radius"} if any(what.kind is what.VAR_KEYWORD for what in theirs.values()) else set()
    assert {own for own, what in ours.items() if what.kind is what.KEYWORD_ONLY} == named | more
    for own in {*positional, *named}:
        default = theirs[own].default
        assert ours[own].default == default or (default == {} and ours[own].default is None)


def test_the_module_is_loaded_when_it_is_used():
    assert fa.compat.ndimage is ndimage
    assert "ndimage" in dir(fa.compat)


def test_arguments_that_are_equal_and_not_the_same_are_told_apart():
    x = np.arange(12.0).reshape(3, 4)
    ndimage.gaussian_filter(x, 1.0, radius=1)
    with pytest.raises(ValueError, match="Radius"):
        ndimage.gaussian_filter(x, 1.0, radius=1.0)
    width = np.array([1.0, 1.0])
    first = ndimage.gaussian_filter(x, width)
    width[0] = 1.0 + 1e-9
    assert (ndimage.gaussian_filter(x, width) != first).any()
    ndimage.correlate1d(x, [1, 2, 1])
    np.testing.assert_array_equal(ndimage.correlate1d(x, [1, 2, 2]), scipy_ndimage.correlate1d(x, [1, 2, 2]))
