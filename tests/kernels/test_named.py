"""Named kernels against SciPy and scikit-image: on images, in every mode, with their signs and scales."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import skimage.data
import skimage.filters
import skimage.morphology
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.kernels import (
    Box,
    Kernel,
    Outer,
    Sum,
    binomial,
    box,
    delta,
    disk,
    dog,
    gabor,
    gaussian,
    gaussian_derivative,
    laplacian,
    log,
    motion,
    prewitt,
    scharr,
    sobel,
    unsharp,
)
from faltung.kernels.named import DESIGNED, NAMED
from samples import MODES

laws = settings(deadline=None, max_examples=30)
CAMERA = skimage.data.camera()[200:237, 200:241] / 255.0
RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(size=50)
VOLUME = RNG.normal(size=(9, 10, 11))


def convolved(image, kernel, mode="reflect"):
    shifts = tuple(at - size // 2 for at, size in zip(kernel.origin, kernel.shape, strict=True))
    return ndimage.convolve(image, kernel.taps, mode=mode, origin=shifts)


CASES = [
    (CAMERA, gaussian(1.3), lambda x, **m: ndimage.gaussian_filter(x, 1.3, **m)),
    (CAMERA, gaussian((0.4, 2)), lambda x, **m: ndimage.gaussian_filter(x, (0.4, 2), **m)),
    (CAMERA, gaussian((0, 1)), lambda x, **m: ndimage.gaussian_filter(x, (0, 1), **m)),
    (CAMERA, gaussian(1.5, truncate=2.5), lambda x, **m: ndimage.gaussian_filter(x, 1.5, truncate=2.5, **m)),
    (CAMERA, gaussian(0.1), lambda x, **m: ndimage.gaussian_filter(x, 0.1, **m)),
    (SIGNAL, gaussian(2, ndim=1), lambda x, **m: ndimage.gaussian_filter(x, 2, **m)),
    (VOLUME, gaussian(0.8, ndim=3), lambda x, **m: ndimage.gaussian_filter(x, 0.8, **m)),
    (CAMERA, gaussian_derivative(1), lambda x, **m: ndimage.gaussian_filter(x, 1, order=(0, 1), **m)),
    (CAMERA, gaussian_derivative(2, 3, 0), lambda x, **m: ndimage.gaussian_filter(x, 2, order=(3, 0), **m)),
    (CAMERA, gaussian_derivative(1, (1, 2)), lambda x, **m: ndimage.gaussian_filter(x, 1, order=(1, 2), **m)),
    (CAMERA, gaussian_derivative(1, 0), lambda x, **m: ndimage.gaussian_filter(x, 1, **m)),
    (SIGNAL, gaussian_derivative(3, 5, ndim=1), lambda x, **m: ndimage.gaussian_filter(x, 3, order=5, **m)),
    (VOLUME, gaussian_derivative(1, (0, 1, 0)), lambda x, **m: ndimage.gaussian_filter(x, 1, (0, 1, 0), **m)),
    (CAMERA, log(1.2), lambda x, **m: ndimage.gaussian_laplace(x, 1.2, **m)),
    (CAMERA, log((1, 2)), lambda x, **m: ndimage.gaussian_laplace(x, (1, 2), **m)),
    (VOLUME, log(0.7, ndim=3), lambda x, **m: ndimage.gaussian_laplace(x, 0.7, **m)),
    (SIGNAL, laplacian(ndim=1), ndimage.laplace),
    (CAMERA, laplacian(), ndimage.laplace),
    (VOLUME, laplacian(ndim=3), ndimage.laplace),
    (CAMERA, sobel(), ndimage.sobel),
    (CAMERA, sobel(0), lambda x, **m: ndimage.sobel(x, 0, **m)),
    (SIGNAL, sobel(ndim=1), ndimage.sobel),
    (VOLUME, sobel(axis=-2, ndim=3), lambda x, **m: ndimage.sobel(x, 1, **m)),
    (CAMERA, prewitt(axis=1), ndimage.prewitt),
    (VOLUME, prewitt(axis=0, ndim=3), lambda x, **m: ndimage.prewitt(x, 0, **m)),
    (CAMERA, scharr(axis=0), lambda x, **m: skimage.filters.scharr(x, axis=0, **m)),
    (CAMERA, scharr(axis=-1), lambda x, **m: skimage.filters.scharr(x, axis=1, **m)),
    (VOLUME, scharr(axis=1, ndim=3), lambda x, **m: skimage.filters.scharr(x, axis=1, **m)),
    *[(CAMERA, box(n), lambda x, n=n, **m: ndimage.uniform_filter(x, n, **m)) for n in range(1, 7)],
    (CAMERA, box((2, 5)), lambda x, **m: ndimage.uniform_filter(x, (2, 5), **m)),
    (VOLUME, box((4, 1, 2)), lambda x, **m: ndimage.uniform_filter(x, (4, 1, 2), **m)),
    (CAMERA, dog(0.5, 2), lambda x, **m: skimage.filters.difference_of_gaussians(x, 0.5, 2, **m)),
    (CAMERA, dog(1), lambda x, **m: skimage.filters.difference_of_gaussians(x, 1, **m)),
    (
        CAMERA,
        dog((1, 2), (1, 3)),
        lambda x, **m: skimage.filters.difference_of_gaussians(x, (1, 2), (1, 3), **m),
    ),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("image", "kernel", "peer"), CASES, ids=[repr(case[1]) for case in CASES])
def test_agrees_with_the_peer_of_that_name(image, kernel, peer, mode):
    np.testing.assert_allclose(convolved(image, kernel, mode), peer(image, mode=mode), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("sigma", "amount"), [(1, 1), (2.5, 0.4), (1, -0.5), (0, 3)])
def test_unsharp_is_scikit_images_without_clipping(sigma, amount):
    signed = CAMERA * 4 - 1
    expected = skimage.filters.unsharp_mask(signed, sigma, amount, preserve_range=True)
    np.testing.assert_allclose(convolved(signed, unsharp(sigma, amount)), expected, atol=1e-13)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"frequency": 0.2}),
        ({"frequency": 0.1, "angle": 0.7}, {"frequency": 0.1, "theta": 0.7}),
        ({"angle": math.pi / 2}, {"frequency": 0.2, "theta": math.pi / 2}),
        ({"bandwidth": 0.5, "phase": 1.0}, {"frequency": 0.2, "bandwidth": 0.5, "offset": 1.0}),
        (
            {"frequency": 0.3, "angle": -2.0, "sigma_x": 2.0, "sigma_y": 4.5, "truncate": 2.0},
            {"frequency": 0.3, "theta": -2.0, "sigma_x": 2.0, "sigma_y": 4.5, "n_stds": 2.0},
        ),
        ({"sigma_x": 3.0, "angle": 0.2}, {"frequency": 0.2, "sigma_x": 3.0, "theta": 0.2}),
    ],
)
def test_gabor_is_scikit_images(ours, theirs):
    expected = skimage.filters.gabor_kernel(**theirs)
    kernel = gabor(**ours)
    np.testing.assert_allclose(kernel.taps, expected, atol=1e-16)
    assert kernel.origin == tuple(size // 2 for size in expected.shape)
    np.testing.assert_allclose(kernel.real.taps, expected.real, atol=1e-16)


def test_gabor_in_one_dimension_is_a_row_of_the_plane_wave():
    line = gabor(0.2, sigma_x=2.0, ndim=1)
    plane = gabor(0.2, sigma_x=2.0, sigma_y=2.0)
    np.testing.assert_allclose(line.taps, plane.taps[6] * math.sqrt(2 * math.pi) * 2.0, atol=1e-16)


@pytest.mark.parametrize("radius", range(7))
def test_disk_is_the_mean_over_scikit_images_footprint(radius):
    for kernel, footprint in [
        (disk(radius), skimage.morphology.disk(radius)),
        (disk(radius, ndim=3), skimage.morphology.ball(radius)),
    ]:
        np.testing.assert_allclose(kernel.taps, footprint / footprint.sum(), rtol=1e-14)
    assert disk(radius, ndim=1) == box(2 * radius + 1, ndim=1)


def test_disk_of_a_fractional_radius():
    np.testing.assert_array_equal(disk(1.5).taps * 9, np.ones((3, 3)))


@pytest.mark.parametrize("order", range(6))
def test_binomial_is_the_mean_of_two_taken_often(order):
    for ndim in (1, 2, 3):
        often = box(2, ndim=ndim) ** order
        assert binomial(order, ndim=ndim) == Kernel(often.taps, (order // 2,) * ndim)
    assert binomial(1) == box(2)


def test_binomial_of_a_high_order_is_a_gaussian():
    taps = binomial(1024, ndim=1).taps
    np.testing.assert_allclose(taps[480:545], gaussian(16, ndim=1).taps[32:97], rtol=1e-2)


@pytest.mark.parametrize(
    ("length", "angle", "expected"),
    [
        (1, 0.0, [[1.0]]),
        (0.3, 1.0, [[1.0]]),
        (3, 0.0, [[1 / 3, 1 / 3, 1 / 3]]),
        (2, 0.0, [[0.25, 0.5, 0.25]]),
        (3, math.pi / 2, [[1 / 3], [1 / 3], [1 / 3]]),
        (3 * math.sqrt(2), math.pi / 4, np.eye(3) / 3),
        (3 * math.sqrt(2), -math.pi / 4, np.fliplr(np.eye(3)) / 3),
    ],
)
def test_motion_written_out(length, angle, expected):
    np.testing.assert_allclose(motion(length, angle).taps, expected, atol=1e-14)


@laws
@given(st.floats(0.1, 30), st.floats(-7, 7))
def test_motion_is_the_length_of_the_line_in_each_pixel(length, angle):
    kernel = motion(length, angle)
    times = (np.arange(20_000) + 0.5) / 20_000 * length - length / 2
    pixels = np.rint(np.outer(times, [math.sin(angle), math.cos(angle)])).astype(int)
    sampled = np.zeros(kernel.shape)
    np.add.at(sampled, tuple((pixels + kernel.origin).T), 1 / len(times))
    np.testing.assert_allclose(kernel.taps, sampled, atol=2e-4)
    assert math.isclose(kernel.taps.sum(), 1.0)
    np.testing.assert_allclose(kernel.taps, kernel.flip().taps, atol=1e-12)


@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [delta, lambda ndim: gaussian(1, ndim=ndim), lambda ndim: binomial(3, ndim=ndim)])
def test_means_sum_to_one_in_any_dimension(kernel, ndim):
    assert kernel(ndim=ndim).ndim == ndim
    assert math.isclose(kernel(ndim=ndim).taps.sum(), 1.0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.13, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 1, 1.5, 2, 3, 5])
def test_derivatives_do_not_answer_to_constants(sigma, ndim):
    kernels = [log(sigma, ndim=ndim), dog(sigma, ndim=ndim)]
    kernels += [gaussian_derivative(sigma, order, ndim=ndim) for order in (1, 2, 3, 4)]
    for kernel in kernels:
        answer = abs(math.fsum(kernel.taps.ravel()))
        assert answer <= (0.005 * ndim if sigma > 0.6 else 1e-13) * np.abs(kernel.taps).sum() + 1e-15
        assert kernel == kernel.flip() or kernel == -kernel.flip()


@pytest.mark.parametrize("sigma", [0.3, 0.45, 0.6])
def test_narrow_derivatives_are_scipys_less_a_multiple_of_the_gaussian(sigma):
    x = np.eye(1, 41, 20)[0]
    theirs, smooth = ndimage.gaussian_filter(x, sigma, order=2), ndimage.gaussian_filter(x, sigma)
    expected = theirs - theirs.sum() * smooth
    np.testing.assert_allclose(convolved(x, log(sigma, ndim=1)), expected, atol=1e-13)


@laws
@given(st.integers(0, 6), st.floats(1.5, 4))
def test_gaussian_derivatives_differentiate_polynomials(order, sigma):
    # The n-th derivative of x^n / n! is one; sampling and cutting the Gaussian leave a small error.
    kernel = gaussian_derivative(sigma, order, truncate=9.0, ndim=1)
    lags = np.array(kernel.lags[0], dtype=float)
    moment = np.sum(kernel.taps * (-lags) ** order) / math.factorial(order)
    assert math.isclose(moment, 1.0, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "structure"),
    [
        (gaussian(2), Outer),
        (gaussian((1, 2, 3)), Outer),
        (gaussian_derivative(1), Outer),
        (binomial(2), Outer),
        (sobel(), Outer),
        (prewitt(), Outer),
        (scharr(), Outer),
        (gabor(angle=1), Outer),
        (box(3), Box),
        (box(3, ndim=1), Box),
        (laplacian(), Sum),
        (log(2), Sum),
        (dog(1), Sum),
        (unsharp(), Sum),
    ],
)
def test_structure_is_kept(kernel, structure):
    assert type(kernel) is structure


def test_zero_sigma_is_the_identity():
    assert gaussian(0) == delta()
    assert gaussian(1e-200, truncate=1e200) == delta()


@pytest.mark.parametrize(
    "call",
    [
        lambda: gaussian(1e300, truncate=1e-300),
        lambda: gaussian(1e-14, truncate=1e15),
        lambda: gaussian_derivative(1e300, truncate=1e-300),
        lambda: gaussian_derivative(1e-3, 16, truncate=2e4),
        lambda: motion(5e-324),
        lambda: motion(9, angle=1e300),
        lambda: gabor(0.5, bandwidth=1e300, phase=1e300),
        lambda: gabor(1e-5, bandwidth=1e300, truncate=0),
    ],
)
def test_extreme_arguments_give_finite_taps(call):
    kernel = call()
    assert np.isfinite(kernel.taps).all()
    assert kernel.size < 10**4


def test_every_named_kernel_is_in_the_table():
    here = {name for name, function in globals().items() if callable(function) and name in NAMED}
    assert here | {*DESIGNED} == {*NAMED}


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (gaussian(2.0), "gaussian(2)"),
        (gaussian(np.float32(0.5), ndim=3), "gaussian(0.5, ndim=3)"),
        (gaussian([1, 2.5]), "gaussian((1, 2.5))"),
        (gaussian(2, truncate=4.0), "gaussian(2)"),
        (sobel(0), "sobel(axis=0)"),
        (sobel(), "sobel()"),
        (box(np.array([3, 4])), "box((3, 4))"),
        (box((3,)), "box((3,))"),
        (gabor(angle=0.5), "gabor(angle=0.5)"),
        (dog(1, 2), "dog(1, high=2)"),
    ],
)
def test_named_kernels_print_as_their_call(kernel, text):
    assert repr(kernel) == text


TYPE, VALUE = ArgumentTypeError, ArgumentError


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian(-1), VALUE, "sigma: expected a number of at least 0, got -1."),
        (lambda: gaussian(np.nan), VALUE, "sigma: expected a finite number, got nan"),
        (lambda: gaussian(math.inf), VALUE, "sigma: expected a finite number, got inf"),
        (lambda: gaussian(True), TYPE, "sigma: expected a real number, got True"),
        (lambda: gaussian("2"), TYPE, "sigma: expected a real number, got '2'"),
        (lambda: gaussian(2j), TYPE, "sigma: expected a real number, got 2j"),
        (lambda: gaussian(None), TYPE, "sigma: expected a real number, got None"),
        (lambda: gaussian((1, "2")), TYPE, "sigma: expected a real number, got '2'"),
        (lambda: gaussian((1, 2), ndim=3), VALUE, "sigma: expected a number, or 3 for ndim=3, got 2 numbers"),
        (lambda: gaussian(()), VALUE, "len(sigma): expected an integer from 1 to 32, got 0"),
        (lambda: gaussian(1, ndim=0), VALUE, "ndim: expected an integer from 1 to 32, got 0"),
        (lambda: gaussian(1, ndim=2.0), TYPE, "ndim: expected an integer from 1 to 32, got 2.0"),
        (lambda: gaussian(1, truncate=-1), VALUE, "truncate: expected a number of at least 0, got -1"),
        (
            lambda: gaussian(1e12),
            VALUE,
            "sigma: expected a kernel of at most 4194304 taps, got about 8e+12 taps",
        ),
        (
            lambda: gaussian(1e308),
            VALUE,
            "sigma: expected a kernel of at most 4194304 taps, got about inf taps",
        ),
        (lambda: box(0), VALUE, "size: expected an integer from 1 to 2147483648, got 0"),
        (lambda: box(3.0), TYPE, "size: expected an integer from 1"),
        (lambda: box(True), TYPE, "size: expected an integer from 1"),
        (lambda: binomial(-1), VALUE, "order: expected an integer from 0 to 1024, got -1"),
        (lambda: binomial(10**6), VALUE, "order: expected an integer from 0 to 1024, got 1000000"),
        (lambda: disk(-0.5), VALUE, "radius: expected a number of at least 0, got -0.5"),
        (lambda: disk(1e200, ndim=9), VALUE, "radius: expected a kernel of at most 4194304 taps"),
        (lambda: motion(0), VALUE, "length: expected a number above 0, got 0"),
        (lambda: motion(1e9), VALUE, "length: expected a kernel of at most 4194304 taps"),
        (lambda: motion(3, "up"), TYPE, "angle: expected a real number, got 'up'"),
        (lambda: sobel(2), VALUE, "axis: expected an integer from -2 to 1, got 2"),
        (lambda: sobel(-2, ndim=1), VALUE, "axis: expected an integer from -1 to 0, got -2"),
        (lambda: prewitt(1.0), TYPE, "axis: expected an integer from -2 to 1, got 1.0"),
        (lambda: scharr(False), TYPE, "axis: expected an integer from -2 to 1, got False"),
        (lambda: gaussian_derivative(1, -1), VALUE, "order: expected an integer from 0 to 16, got -1"),
        (
            lambda: gaussian_derivative(1, (1, 1), 0),
            VALUE,
            "axis: expected None with one order for each axis, got 0",
        ),
        (
            lambda: gaussian_derivative(1, (1, 1, 1), ndim=2),
            VALUE,
            "order: expected a number, or 2 for ndim=2",
        ),
        (
            lambda: gaussian_derivative(0),
            VALUE,
            "expected a Gaussian of more than one tap to differentiate, got sigma=0",
        ),
        (
            lambda: log((1, 0.1)),
            VALUE,
            "got sigma=0.1 with truncate=4. Use a larger sigma, or sobel or laplacian",
        ),
        (lambda: laplacian(ndim=40), VALUE, "ndim: expected an integer from 1 to 32, got 40"),
        (
            lambda: dog(2, 1),
            VALUE,
            "high: expected at least low along every axis, got low=2, high=1. Swap low and high",
        ),
        (lambda: unsharp(1, math.nan), VALUE, "amount: expected a finite number, got nan"),
        (lambda: gabor(0), VALUE, "frequency: expected a number above 0 and at most 0.5, got 0"),
        (lambda: gabor(0.6), VALUE, "frequency: expected a number above 0 and at most 0.5, got 0.6"),
        (lambda: gabor(1e-9), VALUE, "frequency: expected a kernel of at most 4194304 taps"),
        (
            lambda: gabor(0.001, sigma_x=9.0, angle=1),
            VALUE,
            "frequency: expected a kernel of at most 4194304 taps",
        ),
        (lambda: gabor(bandwidth=0), VALUE, "bandwidth: expected a number of at least 0.01, got 0"),
        (lambda: gabor(sigma_y=-1), VALUE, "sigma_y: expected a number of at least 0.01, got -1"),
        (lambda: gabor(ndim=3), VALUE, "ndim: expected an integer from 1 to 2, got 3"),
        (lambda: gabor(angle=1, ndim=1), VALUE, "ndim: expected 2 for a wave with angle or sigma_y, got 1"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call()
    assert isinstance(caught.value, FaltungError)


def test_named_kernels_are_kernels():
    assert isinstance(delta(), Kernel)
