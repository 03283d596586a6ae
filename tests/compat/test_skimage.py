"""The functions of `faltung.compat.skimage.filters` beside those of scikit-image, on random calls."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.compat.not_served import NotServedError
from faltung.compat.skimage import filters as ours
from faltung.errors import ArgumentError

theirs = pytest.importorskip("skimage.filters")

MODES = ["reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap"]
DTYPES = ["u1", "i1", "u2", "i2", "i4", "u4", "u8", "i8", "?", "f2", "f4", "f8"]
EDGES = ["sobel", "scharr", "prewitt"]

often = settings(max_examples=40, deadline=None)


@st.composite
def images(draw, dtypes=DTYPES, most=3, least=1, shortest=1):
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = tuple(draw(st.lists(st.integers(shortest, 12), min_size=least, max_size=most)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "f":
        return random.normal(0, 1, shape).astype(dtype)
    if dtype.kind == "b":
        return random.random(shape) < 0.5
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def agree(got, expected, scale=1.0):
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    eps = np.finfo(got.dtype).eps
    np.testing.assert_allclose(got, expected, rtol=32 * eps, atol=32 * eps * scale)


sigmas = st.one_of(st.just(0), st.floats(0.2, 4))


@often
@given(images(), st.sampled_from(MODES), st.sampled_from([0, 0.5, -3]), st.booleans(), st.data())
def test_gaussian(image, mode, cval, preserve_range, data):
    channel_axis = data.draw(st.sampled_from([None, *range(-image.ndim, image.ndim)]))
    spatial = image.ndim - (channel_axis is not None)
    sigma = data.draw(st.one_of(sigmas, st.lists(sigmas, min_size=spatial, max_size=spatial)))
    keywords = {"mode": mode, "cval": cval, "preserve_range": preserve_range, "channel_axis": channel_axis}
    keywords["truncate"] = data.draw(st.sampled_from([4.0, 2.5, 1, 0]))
    scale = max(3.0, float(np.abs(image.astype(float)).max())) if preserve_range else 3.0
    agree(ours.gaussian(image, sigma, **keywords), theirs.gaussian(image, sigma, **keywords), scale)


@often
@given(images(), st.sampled_from(MODES), st.sampled_from([0, 0.5]), st.data())
def test_difference_of_gaussians(image, mode, cval, data):
    channel_axis = data.draw(st.sampled_from([None, *range(-image.ndim, image.ndim)]))
    low = data.draw(st.floats(0.2, 2))
    high = data.draw(st.one_of(st.none(), st.just(low), st.floats(2, 4)))
    keywords = {
        "mode": mode,
        "cval": cval,
        "channel_axis": channel_axis,
        "truncate": data.draw(st.sampled_from([4, 2])),
    }
    got = ours.difference_of_gaussians(image, low, high, **keywords)
    agree(got, theirs.difference_of_gaussians(image, low, high, **keywords), 3.0)


@often
@given(images(), sigmas, st.sampled_from([0, 1, -0.5, 7]), st.booleans(), st.data())
def test_unsharp_mask(image, radius, amount, preserve_range, data):
    channel_axis = data.draw(st.sampled_from([None, *range(image.ndim)] if image.ndim > 1 else [None]))
    keywords = {"preserve_range": preserve_range, "channel_axis": channel_axis}
    scale = 15 * (max(3.0, float(np.abs(image.astype(float)).max())) if preserve_range else 3.0)
    expected = theirs.unsharp_mask(image, radius, amount, **keywords)
    agree(ours.unsharp_mask(image, radius, amount, **keywords), expected, scale)


def test_the_channels_of_unsharp_mask_are_counted_from_the_end():
    image = np.random.default_rng(2).random((6, 7, 3))
    assert np.array_equal(ours.unsharp_mask(image, channel_axis=-1), ours.unsharp_mask(image, channel_axis=2))


@often
@given(images(), st.sampled_from(EDGES), st.sampled_from(MODES), st.sampled_from([0, 0.5]), st.data())
def test_edges(image, name, mode, cval, data):
    axes = st.integers(-image.ndim, image.ndim - 1)
    axis = data.draw(st.one_of(st.none(), axes, st.lists(axes, min_size=1, max_size=3)))
    mask = data.draw(st.sampled_from([None, "bool", "float"]))
    if mask is not None:
        mask = (np.random.default_rng(image.size).random(image.shape) < 0.9).astype(mask)
    keywords = {"mask": mask, "axis": axis, "mode": mode, "cval": cval}
    agree(getattr(ours, name)(image, **keywords), getattr(theirs, name)(image, **keywords), 3.0)


@pytest.mark.parametrize("shape", [(5, 6, 7, 4), (3, 4, 2, 5, 3)])
def test_more_than_three_axes(shape):
    image = np.random.default_rng(5).random(shape)
    agree(ours.gaussian(image, 1.2, channel_axis=-1), theirs.gaussian(image, 1.2, channel_axis=-1))
    for name in ("sobel", "laplace", "unsharp_mask"):
        agree(getattr(ours, name)(image), getattr(theirs, name)(image), 8.0)


@often
@given(images(), st.sampled_from([3, 5, 10]), st.booleans())
def test_laplace(image, size, masked):
    mask = np.random.default_rng(image.size).random(image.shape) < 0.9 if masked else None
    agree(ours.laplace(image, size, mask), theirs.laplace(image, size, mask), 12.0)


@often
@given(images(least=2, most=2), st.sampled_from(EDGES), st.sampled_from(["h", "v"]), st.booleans())
def test_edges_in_a_plane(image, name, direction, masked):
    mask = np.random.default_rng(image.size).random(image.shape) < 0.9 if masked else None
    call = f"{name}_{direction}"
    agree(getattr(ours, call)(image, mask), getattr(theirs, call)(image, mask), 3.0)


@often
@given(
    images(["u1", "i1", "u2", "i2", "i4", "u4", "f2", "f4", "f8"], least=2, most=2, shortest=9),
    st.sampled_from(MODES),
    st.data(),
)
def test_gabor(image, mode, data):
    keywords = {"mode": mode, "cval": data.draw(st.sampled_from([0, 0.5]))}
    for name, values in {
        "theta": st.floats(-4, 4),
        "bandwidth": st.floats(0.7, 2),
        "sigma_x": st.one_of(st.none(), st.floats(0.5, 3)),
        "sigma_y": st.one_of(st.none(), st.floats(0.5, 3)),
        "n_stds": st.floats(0.5, 3),
        "offset": st.floats(-3, 3),
    }.items():
        keywords[name] = data.draw(values)
    frequency = data.draw(st.floats(0.1, 0.6))
    for got, expected in zip(
        ours.gabor(image, frequency, **keywords), theirs.gabor(image, frequency, **keywords), strict=True
    ):
        if image.dtype.kind == "f":
            agree(got, expected, 8.0)
        else:  # where the sum is a whole number up to rounding, it may be cut off to the one before
            apart = (got.astype(np.int64) - expected.astype(np.int64)) % 256**image.dtype.itemsize
            assert got.dtype == expected.dtype
            assert np.isin(apart, [0, 1, 256**image.dtype.itemsize - 1]).all()
            assert np.mean(apart != 0) < 0.05 or image.size < 40


def test_a_kernel_that_is_many_times_as_long_as_the_image():
    # SciPy reads outside of the array for mode="reflect", from a reach of four lengths on.
    image = np.array([[33375.0, 55746.0], [1000.0, 7.0]])
    kernels = [part(theirs.gabor_kernel(0.1, bandwidth=0.75, offset=0.25)) for part in (np.real, np.imag)]
    reach = kernels[0].shape[0] // 2
    extended = np.pad(image, reach, "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(extended, kernels[0].shape)
    assert reach >= 4 * max(image.shape)
    for got, kernel in zip(ours.gabor(image, 0.1, bandwidth=0.75, offset=0.25), kernels, strict=True):
        np.testing.assert_allclose(got, np.einsum("ijkl,kl->ij", windows, kernel[::-1, ::-1]), atol=1e-8)


# ---- arguments

PLANE = np.random.default_rng(1).random((9, 11))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda f: f.gaussian(PLANE, -1), ValueError),
        (lambda f: f.gaussian(PLANE, (1, 2, 3)), RuntimeError),
        (lambda f: f.gaussian(PLANE, None), TypeError),
        (lambda f: f.gaussian(PLANE, 1, mode="symmetric"), RuntimeError),
        (lambda f: f.gaussian(PLANE, 1, mode=["wrap"]), RuntimeError),
        (lambda f: f.gaussian(PLANE.astype(complex), 1), ValueError),
        (lambda f: f.gaussian(PLANE, 1, out=np.zeros(PLANE.shape, int)), ValueError),
        (lambda f: f.gaussian(PLANE, 1, out=np.zeros((3, 3))), RuntimeError),
        (lambda f: f.difference_of_gaussians(PLANE, (1, 2, 3)), ValueError),
        (lambda f: f.difference_of_gaussians(PLANE, 1, (1, 2, 3)), ValueError),
        (lambda f: f.difference_of_gaussians(PLANE, 2, 1), ValueError),
        (lambda f: f.difference_of_gaussians(PLANE, 1, channel_axis=0, mode="symmetric"), RuntimeError),
        (lambda f: f.unsharp_mask(PLANE, -1), ValueError),
        (lambda f: f.unsharp_mask(PLANE.astype(complex)), ValueError),
        (lambda f: f.unsharp_mask(PLANE, (1, 2, 3)), RuntimeError),
        (lambda f: f.sobel(PLANE, axis=2), IndexError),
        (lambda f: f.sobel(PLANE, axis=-3), IndexError),
        (lambda f: f.sobel(PLANE, axis=1.0), TypeError),
        (lambda f: f.sobel(PLANE, mode="edge"), RuntimeError),
        (lambda f: f.sobel(PLANE, mask=np.ones((2, 3))), ValueError),
        (lambda f: f.sobel(PLANE.astype(complex)), ValueError),
        (lambda f: f.scharr_h(PLANE[0]), ValueError),
        (lambda f: f.prewitt_v(PLANE[:0]), ValueError),
        (lambda f: f.laplace(PLANE, 2), ValueError),
        (lambda f: f.laplace(PLANE, 3.0), TypeError),
        (lambda f: f.gabor(PLANE[0], 0.1), ValueError),
        (lambda f: f.gabor(PLANE, 0.1, mode="edge"), RuntimeError),
    ],
)
def test_what_the_peer_refuses_is_refused(call, error):
    with pytest.raises(error):
        call(theirs)
    with pytest.raises(error):
        call(ours)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f.gaussian(np.ma.masked_less(PLANE, 0.1), 1),
        lambda f: f.gabor(PLANE > 0.5, 0.1),
        lambda f: f.gaussian(np.array(3.0)),
        lambda f: f.sobel(np.array(3.0)),
        lambda f: f.gaussian(PLANE, np.nan),
        lambda f: f.gaussian(PLANE, truncate=-1),
        lambda f: f.sobel(np.ma.masked_less(PLANE, 0.1)),
    ],
)
def test_what_cannot_be_done_is_said(call):
    call(theirs)
    with pytest.raises(NotServedError, match="Call the original"):
        call(ours)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_result_is_written_into_out(dtype):
    for image in (PLANE, PLANE.astype("f4"), (PLANE * 255).astype("u1"), (PLANE * 255 - 128).astype("i1")):
        got, expected = np.empty(PLANE.shape, dtype), np.empty(PLANE.shape, dtype)
        assert ours.gaussian(image, 1, out=got) is got
        theirs.gaussian(image, 1, out=expected)
        np.testing.assert_allclose(got, expected, atol=1e-6)
    inplace = PLANE.copy()
    ours.gaussian(inplace, 1, out=inplace)
    np.testing.assert_allclose(inplace, theirs.gaussian(PLANE, 1), atol=1e-12)


def test_sigmas_that_differ_in_their_last_digits_are_told_apart():
    first, second = np.array([1.0, 1.0]), np.array([1.0, 1.000000001])
    assert repr(first) == repr(second)
    assert not np.array_equal(ours.gaussian(PLANE, first), ours.gaussian(PLANE, second))


def test_a_mode_for_each_axis():
    got = ours.gaussian(PLANE, 2, mode=["wrap", "nearest"])
    np.testing.assert_allclose(got, theirs.gaussian(PLANE, 2, mode=["wrap", "nearest"]), atol=1e-12)
    edges = ours.sobel(PLANE, axis=0, mode=["wrap", "nearest"])  # documented by scikit-image, and refused by SciPy
    np.testing.assert_allclose(edges[1:-1], theirs.sobel(PLANE, axis=0, mode="nearest")[1:-1], atol=1e-12)
    np.testing.assert_allclose(
        edges[[0, -1], 1:-1], theirs.sobel(PLANE, axis=0, mode="wrap")[[0, -1], 1:-1], atol=1e-12
    )


@pytest.mark.parametrize("name", EDGES)
def test_a_nan_reaches_the_outputs_whose_taps_touch_it(name):
    image = PLANE.copy()
    image[4, 5] = np.nan
    got = np.isnan(getattr(ours, name)(image, axis=0))
    assert np.argwhere(got).tolist() == [[y, x] for y in (3, 5) for x in (4, 5, 6)]
    assert np.array_equal(got, np.isnan(getattr(theirs, name)(image, axis=0)))
    assert np.array_equal(np.isnan(ours.gaussian(image, 1)), np.isnan(theirs.gaussian(image, 1)))


def test_arguments_are_positional_and_named_as_in_the_peer():
    import inspect

    for name in ours.__all__:
        mine, peer = (inspect.signature(getattr(module, name)).parameters.values() for module in (ours, theirs))
        assert [(p.name, p.kind, p.default) for p in mine] == [(p.name, p.kind, p.default) for p in peer], name


def test_errors_are_those_of_the_package_too():
    for call in (lambda: ours.sobel(PLANE, axis=2), lambda: ours.gaussian(PLANE, (1, 2, 3))):
        with pytest.raises(ArgumentError):
            call()


def test_the_peer_is_not_needed():
    text = """
import sys, numpy as np
from faltung.compat.skimage import filters
filters.sobel(np.ones((4, 4), np.uint8), mask=np.ones((4, 4)))
filters.gaussian(np.ones((4, 4), np.int8), channel_axis=0)
print({"scipy", "skimage"} & {*sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
