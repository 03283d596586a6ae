"""The functions of `faltung.compat.cv2` beside those of OpenCV, on random calls."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import faltung.compat.cv2 as ours
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError

theirs = pytest.importorskip("cv2")

BORDERS = [ours.BORDER_CONSTANT, ours.BORDER_REPLICATE, ours.BORDER_REFLECT, ours.BORDER_REFLECT_101]
DEPTHS = ["u1", "u2", "i2", "f4", "f8"]
NUMBERS = {"u1": 0, "i1": 1, "u2": 2, "i2": 3, "i4": 4, "f4": 5, "f8": 6}
SEPARABLE = {**dict.fromkeys(["u1", "u2", "i2", "f4"], DEPTHS), "f8": ["u1", "u2", "i2", "f8"]}
DENSE = {"u1": DEPTHS, "u2": ["u2", "f4", "f8"], "i2": ["i2", "f4", "f8"], "f4": ["f4"], "f8": ["f8"]}

often = settings(max_examples=60, deadline=None)


@st.composite
def images(draw, dtypes=DEPTHS):
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = (draw(st.integers(1, 18)), draw(st.integers(1, 40)))
    channels = draw(st.sampled_from([None, None, 1, 2, 3, 4]))
    if channels is not None:
        shape += (channels,)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "f":
        return random.normal(0, 50, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)


@st.composite
def kernels(draw, most=7, row=False):
    shape = (draw(st.integers(1, most)),) if row else (draw(st.integers(1, most)), draw(st.integers(1, most)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return random.integers(-4, 9, shape).astype(draw(st.sampled_from(["f4", "f8", "i4"])))
    return random.normal(0, 1, shape).astype(draw(st.sampled_from(["f4", "f8"])))


def anchor_in(draw, shape):
    height, width = shape if len(shape) == 2 else (1, *shape)
    return draw(st.sampled_from([-1, *range(width)])), draw(st.sampled_from([-1, *range(height)]))


def agree(got, expected, scale=1.0, levels=1, share=1.0):
    """Compare results; integers may be some levels apart, since OpenCV rounds single sums or taps, too."""
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if got.dtype.kind in "iu":
        apart = np.abs(got.astype(np.int64) - expected.astype(np.int64))
        assert apart.max() <= levels
        assert np.mean(apart > 0) <= share
    else:
        eps = np.finfo(np.float32).eps if expected.dtype == np.float32 else 2.0**-22
        np.testing.assert_allclose(got, expected, rtol=64 * eps, atol=64 * eps * scale)


def scale_of(image, *taps):
    return float(np.abs(image.astype(float)).max() * np.prod([np.abs(k.astype(float)).sum() for k in taps]) + 1)


def rounded_sums(image, scale):
    """Levels that single precision is wrong by: sums of OpenCV are in it, whatever the depth of the result."""
    return 1 + int(scale * 2.0**-22)


@often
@given(images(), kernels(), st.sampled_from(BORDERS), st.sampled_from([0, 0, 3.5, -40]), st.data())
def test_filter2d(image, kernel, border, delta, data):
    allowed = DENSE[image.dtype.str[1:]]
    depth = data.draw(st.sampled_from([-1, *(NUMBERS[name] for name in allowed)]))
    anchor = anchor_in(data.draw, kernel.shape)
    isolated = data.draw(st.sampled_from([0, ours.BORDER_ISOLATED]))
    arguments = (image, depth, kernel, None, anchor, delta, border | isolated)
    scale = scale_of(image, kernel) + abs(delta)
    levels = rounded_sums(image, scale)
    agree(ours.filter2D(*arguments), theirs.filter2D(*arguments), scale, levels)


@often
@given(images(), kernels(row=True), kernels(row=True), st.sampled_from(BORDERS), st.sampled_from([0, 7.25]), st.data())
def test_sep_filter2d(image, row, column, border, delta, data):
    column = column.astype(row.dtype)
    depth = data.draw(st.sampled_from([-1, *(NUMBERS[name] for name in SEPARABLE[image.dtype.str[1:]])]))
    x, y = anchor_in(data.draw, row.shape)[0], anchor_in(data.draw, column.shape)[0]
    arguments = (image, depth, row, column, None, (x, y), delta, border)
    scale = scale_of(image, row, column) + abs(delta)
    agree(ours.sepFilter2D(*arguments), theirs.sepFilter2D(*arguments), scale, rounded_sums(image, scale))


@often
@given(images(), st.sampled_from(BORDERS), st.booleans(), st.data())
def test_gaussian_blur(image, border, by_size, data):
    sizes = st.sampled_from([1, 3, 5, 7, 9, 13, 31])
    sigmas = st.floats(0.3, 6)
    if by_size:
        width, height, x, y = data.draw(sizes), data.draw(sizes), 0, 0
    else:
        width, height = data.draw(st.sampled_from([(0, 0), (0, 0), (3, 0), (5, 7)]))
        x, y = data.draw(sigmas), data.draw(st.one_of(st.just(0), sigmas))
    arguments = (image, (width, height), x, None, y, border)
    agree(ours.GaussianBlur(*arguments), theirs.GaussianBlur(*arguments), scale_of(image))


@often
@given(images(["u1", "u2", "i2", "i4", "f4", "f8"]), st.sampled_from(BORDERS), st.booleans(), st.data())
def test_box_filter(image, border, normalize, data):
    whole = image.dtype.kind in "iu"
    if image.dtype == np.int32:
        image = image >> 12  # sums of OpenCV overflow
    depth = data.draw(st.sampled_from([-1, *(NUMBERS[k] for k in [*DEPTHS, *(["i4"] if whole else [])])]))
    width, height = data.draw(st.integers(1, 21)), data.draw(st.integers(1, 21))
    anchor = anchor_in(data.draw, (height, width))
    arguments = (image, depth, (width, height), None, anchor, normalize, border)
    scale = scale_of(image) * (1 if normalize else width * height)
    agree(ours.boxFilter(*arguments), theirs.boxFilter(*arguments), scale)
    if normalize and depth == -1:
        agree(ours.blur(image, (width, height), None, anchor, border), theirs.boxFilter(*arguments), scale)


@often
@given(images(), st.sampled_from(BORDERS), st.sampled_from([1, 0.25, -3]), st.sampled_from([0, 12.5]), st.data())
def test_derivatives(image, border, scale, delta, data):
    depths = st.sampled_from([-1, *(NUMBERS[name] for name in SEPARABLE[image.dtype.str[1:]])])
    size = data.draw(st.sampled_from([1, 3, 5, 7, 9]))
    most = max(2, size - 1)
    x, y = data.draw(st.integers(0, min(most, 3))), data.draw(st.integers(0, min(most, 3)))
    assume(x + y > 0)
    arguments = (image, data.draw(depths), x, y, None, size, scale, delta, border)
    sums = scale_of(image) * abs(scale) * 4.0 ** max(size, 3)
    agree(ours.Sobel(*arguments), theirs.Sobel(*arguments), sums, rounded_sums(image, sums))
    x = data.draw(st.integers(0, 1))
    arguments = (image, data.draw(depths), x, 1 - x, None, scale, delta, border)
    sums = scale_of(image) * abs(scale) * 32
    agree(ours.Scharr(*arguments), theirs.Scharr(*arguments), sums, rounded_sums(image, sums))


@often
@given(images(), st.sampled_from(BORDERS), st.sampled_from([1, 0.25, -3]), st.sampled_from([0, 12.5]), st.data())
def test_laplacian(image, border, scale, delta, data):
    size = data.draw(st.sampled_from([1, 3, 5, 7]))
    names = DENSE[image.dtype.str[1:]] if size <= 3 else DEPTHS
    depth = data.draw(st.sampled_from([-1, *(NUMBERS[name] for name in names)]))
    arguments = (image, depth, None, size, scale, delta, border)
    sums = scale_of(image) * abs(scale) * 2 * 4.0 ** max(size, 3)
    agree(ours.Laplacian(*arguments), theirs.Laplacian(*arguments), sums, rounded_sums(image, sums))
