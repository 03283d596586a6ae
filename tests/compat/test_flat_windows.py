"""Derivatives are exactly zero where SciPy's are, since all lines under the window are constant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage as scipy_ndimage

from faltung.compat import ndimage
from faltung.compat.ndimage import flat_windows as module

MODES = ["reflect", "constant", "nearest", "mirror", "wrap"]
DTYPES = ["f4", "f8", "u1", "i4", "bool", "c16"]
few = settings(max_examples=80, deadline=None)
shapes = st.lists(st.integers(1, 14), min_size=1, max_size=3).map(tuple)


def pieces(shape, dtype, seed):
    """An image of few constant pieces: every axis is cut in up to three, and some samples are changed."""
    rng = np.random.default_rng(seed)
    x = rng.choice([0.1, 1 / 3, 7.3, -2.7], tuple(3 if rng.random() < 0.6 else 1 for _ in shape))
    for axis, length in enumerate(shape):
        x = x.take(np.sort(rng.integers(0, x.shape[axis], length)), axis)
    x[rng.random(shape) < rng.choice([0.0, 0.02])] = 0.7
    if np.dtype(dtype).kind in "iu":
        return np.abs(x * 30).astype(dtype)
    return (x * (1 + 2j)).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


def same_zeros(name, x, *arguments, **keywords):
    """Assert that our result is zero wherever SciPy's is, and return how often that is; both results agree."""
    expected = getattr(scipy_ndimage, name)(x, *arguments, **keywords)
    found = getattr(ndimage, name)(x, *arguments, **keywords)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 if found.dtype == np.float32 else 1e-11)
    return found, expected


def constant_lines(x, axis, sizes, modes, cval=0.0):
    """Where all lines along an axis are constant under a window in the middle; the array is extended first."""
    names = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
    x = x.astype(complex)  # the constant is not rounded to the samples
    for place, (size, mode) in enumerate(zip(sizes, modes, strict=True)):
        pad = [(0, 0)] * x.ndim
        pad[place] = (size // 2, (size - 1) // 2)
        x = np.pad(x, pad, names[mode], **({"constant_values": cval} if mode == "constant" else {}))
    windows = sliding_window_view(x, sizes)
    lines = np.moveaxis(windows, windows.ndim // 2 + axis, 0)
    return (lines == lines[0]).all(axis=(0, *range(-(x.ndim - 1), 0)) if x.ndim > 1 else 0)


@few
@given(data=st.data())
def test_derivatives_along_an_axis_of_smoothed_images(data):
    shape = data.draw(shapes)
    x = pieces(shape, data.draw(st.sampled_from(DTYPES)), data.draw(st.integers(0, 1 << 20)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    modes = [data.draw(st.sampled_from(MODES)) for _ in shape]
    cval = data.draw(st.sampled_from([0.0, 1 / 3]))
    radius = [data.draw(st.integers(1, 3)) for _ in shape]
    sigma, order = [0.4 + 0.5 * reach for reach in radius], [0] * len(shape)
    order[axis] = data.draw(st.sampled_from([1, 3]))
    output = "c16" if x.dtype.kind == "c" else data.draw(st.sampled_from(["f8", "f4"]))
    found, expected = same_zeros("gaussian_filter", x, sigma, order, output, modes, cval, radius=radius)
    flat = constant_lines(x, axis, [2 * reach + 1 for reach in radius], modes, cval)
    assert not found[flat & (expected == 0)].any()
    # A derivative that is smoothed later continues with the constant, which is not its own continuation.
    if not cval or "constant" not in modes:
        assert not expected[flat].any()
        assert not found[flat].any()


@few
@given(data=st.data())
def test_differences_and_odd_weights(data):
    shape = data.draw(shapes)
    x = pieces(shape, data.draw(st.sampled_from(DTYPES)), data.draw(st.integers(0, 1 << 20)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    mode, cval = data.draw(st.sampled_from(MODES)), data.draw(st.sampled_from([0.0, 1 / 3]))
    output = "c16" if x.dtype.kind == "c" else "f8"
    half = np.random.default_rng(len(shape)).random(data.draw(st.integers(1, 3)))
    weights = np.r_[half, [0.0] * data.draw(st.integers(0, 1)), -half[::-1]]
    origin = data.draw(st.integers(-(len(weights) // 2), (len(weights) - 1) // 2))
    found, expected = same_zeros("correlate1d", x, weights, axis, output, mode, cval, origin)
    if len(weights) % 2:  # SciPy folds odd numbers of weights only
        sizes = [len(weights) if place == axis else 1 for place in range(x.ndim)]
        if not origin:
            flat = constant_lines(x, axis, sizes, [mode] * x.ndim, cval)
            assert not found[flat].any()
            assert not expected[flat].any()
    for name in ("sobel", "prewitt"):
        found, expected = same_zeros(name, x, axis, output, mode, cval)
        flat = constant_lines(x, axis, [3] * x.ndim, [mode] * x.ndim, cval)
        assert not found[flat & (expected == 0)].any()


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "constant"])
@pytest.mark.parametrize("origin", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("shape", [(1,), (2,), (9,), (3, 1), (4, 8)])
def test_constant_images_have_no_derivative(mode, origin, shape):
    for value in (0.1, 1 / 3, 1e300, 1e-300):
        x = np.full(shape, value)
        weights = [0.3, 0.1, 0.0, -0.1, -0.3]
        for axis in range(x.ndim):
            assert not ndimage.correlate1d(x, weights, axis, mode=mode, origin=origin).any()
            assert not ndimage.convolve1d(x, weights, axis, mode=mode, origin=origin).any()
        assert not ndimage.gaussian_gradient_magnitude(x, 1.7, mode=mode).any()
        grid = np.multiply.outer([0.2, 0.7, 0.1], weights)[(slice(None),) * 2 if x.ndim == 2 else 0]
        assert not ndimage.correlate(x, grid, mode=mode, origin=origin if x.ndim == 1 else (0, origin)).any()


def test_what_is_not_constant_stays():
    rng = np.random.default_rng(3)
    x = np.full((40, 40), 1 / 3)
    x[20, 20] += 1e-12
    found = ndimage.gaussian_filter(x, 1.5, (0, 1))
    assert np.count_nonzero(found) >= 150  # all that read the sample, but for the column of the sample itself
    assert not found[:14].any()
    assert not found[:, :14].any()
    x[20, 20] = np.nan
    found = ndimage.gaussian_filter(x, 1.5, (0, 1))
    assert np.isnan(found).sum() == 13 * 13 - 13 * (
        scipy_ndimage.gaussian_filter1d([0, 1.0, 0], 1.5, order=1)[1] == 0
    )
    x[20, 20] = np.inf
    found = ndimage.gaussian_filter(x, 1.5, (0, 1))
    assert not np.isfinite(found[14:27, 15]).any()
    small = 1e-17 * rng.random((40, 40)) + 1e-3 * np.eye(40)
    assert np.count_nonzero(ndimage.gaussian_filter(small, 0.5, (0, 1))) > 1200


def test_a_result_may_be_written_over_its_image():
    x = pieces((30, 40), "f8", 5)
    expected = ndimage.gaussian_filter(x, 1.2, (1, 0))
    out = np.empty_like(x)
    assert ndimage.gaussian_filter(x, 1.2, (1, 0), out) is out
    np.testing.assert_array_equal(out, expected)
    ndimage.gaussian_filter(x, 1.2, (1, 0), x)
    np.testing.assert_array_equal(x, expected)


def test_large_images_are_searched_in_parts(monkeypatch):
    x = pieces((14, 12, 13), "f8", 11)
    expected = ndimage.gaussian_gradient_magnitude(x, 0.8)
    monkeypatch.setattr(module, "_PART", 64)
    np.testing.assert_array_equal(ndimage.gaussian_gradient_magnitude(x, 0.8), expected)
