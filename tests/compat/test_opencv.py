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

often = settings(max_examples=40, deadline=None)


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
@given(
    images(), kernels(row=True), kernels(row=True), st.sampled_from(BORDERS), st.sampled_from([0, 7.25]), st.data()
)
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
    agree(
        ours.GaussianBlur(*arguments),
        theirs.GaussianBlur(*arguments),
        scale_of(image),
        4 if image.dtype == np.uint16 else 2,
    )


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
    signed = image.dtype.kind == "i" and depth in (ours.CV_8U, ours.CV_16U)
    if not signed:  # negative sums become the largest number there in OpenCV 5, in places
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


# ---- where OpenCV is not the definition


def sums(image, taps, anchor, border):
    """The sums of a correlation in double precision, over a copy of the image that is extended."""
    (rows, columns), (x, y) = taps.shape, anchor
    extended = theirs.copyMakeBorder(image, y, rows - 1 - y, x, columns - 1 - x, border, value=(0,) * 4)
    windows = np.lib.stride_tricks.sliding_window_view(extended.astype(float), taps.shape, axis=(0, 1))
    return np.einsum("ij...kl,kl->ij...", windows, taps)


def stored(values, dtype):
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)


@often
@given(images(["u1", "u2", "i2"]), st.sampled_from(BORDERS), st.integers(1, 6), st.integers(1, 6), st.data())
def test_means_of_integers_are_exact(image, border, width, height, data):
    image = image[..., 0] if image.ndim == 3 else image
    anchor = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    total = sums(image, np.ones((height, width)), anchor, border)
    expected = stored(total / (width * height), image.dtype)
    assert np.array_equal(ours.blur(image, (width, height), anchor=anchor, borderType=border), expected)
    got = ours.boxFilter(image, ours.CV_16S, (width, height), None, anchor, False, border)
    assert np.array_equal(got, stored(total, np.int16))


@often
@given(images(["u1"]), st.sampled_from(BORDERS), kernels(), st.sampled_from([0, 0.5, 100]), st.data())
def test_integers_are_rounded_once(image, border, kernel, delta, data):
    image, taps = image[..., 0] if image.ndim == 3 else image, np.rint(kernel).astype(float)
    anchor = tuple(data.draw(st.integers(0, size - 1)) for size in taps.shape[::-1])
    for depth, dtype in ((-1, np.uint8), (ours.CV_16S, np.int16)):
        got = ours.filter2D(image, depth, taps / 2, None, anchor, delta, border)
        assert np.array_equal(got, stored(sums(image, taps, anchor, border) / 2 + delta, dtype))


def test_a_mean_that_opencv_rounds_up():
    image = np.array([[160, 164, 164]], np.uint8)
    assert ours.blur(image, (2, 1)).tolist() == [[162, 162, 164]]


def test_negative_sums_saturate_at_zero():
    image = np.full((1, 16), -1000, np.int16)
    assert not ours.boxFilter(image, ours.CV_8U, (3, 1)).any()


# ---- arguments


TAPS = np.ones((3, 3), np.float32)
IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)
FLOATS = IMAGE.astype(np.float32)

CALLS = {
    "anchor": lambda cv: cv.filter2D(IMAGE, -1, TAPS, anchor=(3, 0)),
    "negative anchor": lambda cv: cv.filter2D(IMAGE, -1, TAPS, anchor=(-2, 0)),
    "anchor of a pair of lines": lambda cv: cv.sepFilter2D(IMAGE, -1, TAPS[0], TAPS[0], anchor=(0, 3)),
    "anchor of a box": lambda cv: cv.blur(IMAGE, (3, 3), anchor=(3, 0)),
    "wrap": lambda cv: cv.filter2D(IMAGE, -1, TAPS, borderType=3),
    "wrap and isolated": lambda cv: cv.Sobel(IMAGE, -1, 1, 0, borderType=19),
    "wrap of a Gaussian of floats": lambda cv: cv.GaussianBlur(FLOATS, (3, 3), 1, borderType=3),
    "transparent": lambda cv: cv.blur(IMAGE, (3, 3), borderType=5),
    "no border": lambda cv: cv.blur(IMAGE, (3, 3), borderType=9),
    "depth": lambda cv: cv.filter2D(IMAGE.astype(np.int16), cv.CV_8U, TAPS),
    "depth of a box": lambda cv: cv.boxFilter(FLOATS, cv.CV_32S, (3, 3)),
    "depth of a derivative": lambda cv: cv.Sobel(FLOATS.astype(float), cv.CV_32F, 1, 0),
    "depth of an image": lambda cv: cv.GaussianBlur(IMAGE.astype(np.int32), (3, 3), 1),
    "depth as a float": lambda cv: cv.filter2D(IMAGE, 5.0, TAPS),
    "depth as a truth": lambda cv: cv.filter2D(IMAGE, True, TAPS),
    "delta": lambda cv: cv.filter2D(IMAGE, -1, TAPS, delta="1"),
    "kernel as a list": lambda cv: cv.filter2D(IMAGE, -1, [[1, 2]]),
    "kernel without taps": lambda cv: cv.filter2D(IMAGE, -1, np.ones((0, 3))),
    "kernel with channels": lambda cv: cv.filter2D(IMAGE, -1, np.ones((3, 3, 3))),
    "kernel that is no line": lambda cv: cv.sepFilter2D(IMAGE, -1, np.ones((2, 3)), np.ones((1, 3))),
    "kernels of two dtypes": lambda cv: cv.sepFilter2D(IMAGE, -1, np.ones(3), np.ones(3, np.float32)),
    "even Gaussian": lambda cv: cv.GaussianBlur(IMAGE, (4, 3), 1),
    "Gaussian without a size": lambda cv: cv.GaussianBlur(IMAGE, (0, 0), 0),
    "Gaussian of endless size": lambda cv: cv.GaussianBlur(IMAGE, (0, 0), float("inf")),
    "size as a number": lambda cv: cv.blur(IMAGE, 3),
    "size of three": lambda cv: cv.blur(IMAGE, (3, 3, 3)),
    "size zero": lambda cv: cv.blur(IMAGE, (0, 3)),
    "no derivative": lambda cv: cv.Sobel(IMAGE, -1, 0, 0),
    "derivative of a high order": lambda cv: cv.Sobel(IMAGE, -1, 3, 0),
    "derivative of an order below zero": lambda cv: cv.Sobel(IMAGE, -1, -1, 1),
    "order as a float": lambda cv: cv.Sobel(IMAGE, -1, 1.0, 0),
    "even derivative": lambda cv: cv.Sobel(IMAGE, -1, 1, 0, ksize=2),
    "large derivative": lambda cv: cv.Sobel(IMAGE, -1, 1, 0, ksize=33),
    "Scharr along both axes": lambda cv: cv.Scharr(IMAGE, -1, 1, 1),
    "Scharr of order two": lambda cv: cv.Sobel(IMAGE, -1, 2, 0, ksize=-1),
    "Laplacian of size zero": lambda cv: cv.Laplacian(IMAGE, -1, ksize=0),
    "Laplacian with Scharr": lambda cv: cv.Laplacian(IMAGE, -1, ksize=-1),
    "image as a list": lambda cv: cv.blur([[1, 2], [3, 4]], (3, 3)),
    "no image": lambda cv: cv.blur(None, (3, 3)),
    "image without samples": lambda cv: cv.blur(IMAGE[:0], (3, 3)),
    "image of complex numbers": lambda cv: cv.blur(IMAGE.astype(complex), (3, 3)),
    "image of four axes": lambda cv: cv.blur(np.ones((2, 3, 4, 5), np.uint8), (3, 3)),
    "image of many channels": lambda cv: cv.blur(np.ones((3, 4, 129), np.uint8), (3, 3)),
    "dst that is read-only": lambda cv: cv.blur(IMAGE, (3, 3), dst=np.broadcast_to(np.uint8(0), (3, 4))),
    "dst as a list": lambda cv: cv.blur(IMAGE, (3, 3), dst=[]),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_opencv_refuses_is_refused(name):
    with pytest.raises(theirs.error):
        CALLS[name](theirs)
    for error in (theirs.error, ours.error, ArgumentError):
        with pytest.raises(error):
            CALLS[name](ours)


@pytest.mark.parametrize(
    "call",
    [
        lambda cv: cv.blur(np.ma.masked_equal(IMAGE, 3), (3, 3)),
        lambda cv: cv.blur(IMAGE.astype(np.int64), (3, 3)),
        lambda cv: cv.filter2D(IMAGE.astype(np.float16), -1, np.ones((13, 13))),
        lambda cv: cv.filter2D(IMAGE.astype(np.int16), 12, np.ones((13, 13))),
        lambda cv: cv.filter2D(IMAGE, -1, np.full((3, 3), np.nan)),
        lambda cv: cv.filter2D(IMAGE, -1, 3.0),
        lambda cv: cv.Sobel(FLOATS, -1, 1, 0, scale=np.inf),
    ],
)
def test_what_cannot_be_done_is_said(call):
    call(theirs)
    with pytest.raises(NotServedError, match="Call the original"):
        call(ours)


@pytest.mark.parametrize(
    "call",
    [
        lambda cv: cv.filter2D(IMAGE, None, TAPS, None, None, None, None),
        lambda cv: cv.filter2D(src=IMAGE, ddepth=-5, kernel=TAPS[0]),
        lambda cv: cv.filter2D(IMAGE, np.int64(5), np.ones((2, 3), bool), anchor=[0, 1]),
        lambda cv: cv.filter2D(IMAGE[0], -1, TAPS),
        lambda cv: cv.filter2D(IMAGE[:, ::-2], -1, TAPS),
        lambda cv: cv.filter2D(IMAGE, -1, np.ones((13, 13)), borderType=3),
        lambda cv: cv.filter2D(IMAGE.astype(np.int16), cv.CV_8S, np.ones((7, 8)) / 80, borderType=3),
        lambda cv: cv.filter2D(np.ones((9, 9), np.int8), -1, np.ones((7, 8))),
        lambda cv: cv.GaussianBlur(IMAGE, (3, 3), 1, borderType=3),
        lambda cv: cv.GaussianBlur(FLOATS, (1, 1), 1, borderType=3),
        lambda cv: cv.GaussianBlur(IMAGE, (3, 3), -1, hint=cv.ALGO_HINT_ACCURATE),
        lambda cv: cv.GaussianBlur(FLOATS, None, 1.0),
        lambda cv: cv.GaussianBlur(FLOATS, (5, 5), sigmaX=1, sigmaY=2),
        lambda cv: cv.blur(FLOATS, np.array([3, 3]), anchor=(-2, 0)),
        lambda cv: cv.sepFilter2D(IMAGE, -1, TAPS[0], TAPS[0], anchor=(-2, 0)),
        lambda cv: cv.boxFilter(IMAGE, -1, (3, 3), normalize=2),
        lambda cv: cv.Sobel(FLOATS, cv.CV_32F, 1, 0, ksize=cv.FILTER_SCHARR),
        lambda cv: cv.Sobel(FLOATS, cv.CV_32F, 0, 1, ksize=0),
        lambda cv: cv.Sobel(FLOATS, -1, 1, 0, None, 31, 1e-16),
        lambda cv: cv.Laplacian(FLOATS, cv.CV_32F, None, 31, 1e-16),
    ],
)
def test_arguments_mean_the_same(call):
    agree(call(ours), call(theirs), 100.0)


@pytest.mark.parametrize("delta", [0, 2.5])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_the_result_is_written_into_dst(channels, delta):
    image = np.random.default_rng(3).random((20, 30, *channels))
    expected = theirs.filter2D(image, -1, TAPS, delta=delta)
    dst = np.zeros_like(image)
    assert ours.filter2D(image, -1, TAPS, dst, delta=delta) is dst
    np.testing.assert_allclose(dst.reshape(expected.shape), expected, atol=1e-12)
    rows = np.zeros((20, 40, *channels))[:, :30]
    assert ours.filter2D(image, -1, TAPS, dst=rows, delta=delta) is rows
    assert np.array_equal(rows, dst)
    inplace = image.copy()
    assert ours.filter2D(inplace, -1, TAPS, inplace, delta=delta) is inplace
    assert np.array_equal(inplace, dst)


@pytest.mark.parametrize("dst", [np.zeros((10, 20)), np.zeros((20, 30), np.float32)])
def test_a_dst_that_does_not_fit_is_left(dst):
    image = np.ones((20, 30))
    result = ours.blur(image, (3, 3), dst=dst)
    assert result is not dst
    assert result.shape == (20, 30)
    assert not dst.any()
    assert theirs.blur(image, (3, 3), dst=dst).shape == (20, 30)


def test_equal_arguments_of_other_types_are_told_apart():
    ours.Sobel(FLOATS, -1, 1, 0)
    for order in (True, 1.0):
        with pytest.raises(ours.error, match="dx: expected an integer"):
            ours.Sobel(FLOATS, -1, order, 0)


def test_constants_have_the_numbers_of_opencv():
    names = [name for name in vars(ours) if name.partition("_")[0] in ("BORDER", "CV", "FILTER", "ALGO")]
    assert len(names) == 20
    assert {name: getattr(ours, name) for name in names} == {name: getattr(theirs, name) for name in names}


def test_opencv_is_not_needed():
    text = """
import sys, numpy as np
from faltung.compat import cv2
cv2.GaussianBlur(np.ones((4, 4)), (3, 3), 0)
try:
    cv2.blur(np.ones((4, 4)), 3)
except cv2.error as error:
    print(type(error).__mro__[1].__name__, "cv2" in sys.modules, cv2.error is type(error))
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "ArgumentError False True\n"
