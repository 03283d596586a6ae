"""The functions of `faltung.compat.astropy` beside those of astropy, on random calls."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung.compat.astropy as ours
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError

theirs = pytest.importorskip("astropy.convolution")
units = pytest.importorskip("astropy.units")
from astropy.convolution.utils import KernelSizeError  # noqa: E402
from astropy.nddata import NDData  # noqa: E402
from astropy.utils.exceptions import AstropyUserWarning  # noqa: E402

often = settings(max_examples=70, deadline=None)


@st.composite
def arrays(draw, dtypes=("f8", "f4", "f2", "i4", "u1"), infinities=False):
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind in "iu":
        return random.integers(0, 100, shape).astype(dtype)
    array = random.normal(2, 1, shape).astype(dtype)
    array[random.random(shape) < draw(st.sampled_from([0, 0.2, 0.8, 1]))] = np.nan
    if infinities and draw(st.booleans()):
        array[random.random(shape) < 0.1] = np.inf
    return array


@st.composite
def taps_for(draw, ndim, odd=True, signs=True):
    sizes = st.sampled_from([1, 3, 5, 7]) if odd else st.integers(1, 6)
    shape = tuple(draw(sizes) for _ in range(ndim))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    taps = random.random(shape) + 0.05
    if signs and taps.size > 4 and draw(st.booleans()):
        taps.flat[:: taps.size // 2] *= -0.1  # a few negative taps, whose sums stay away from zero
    if draw(st.booleans()):
        taps[random.random(shape) < 0.3] = 0.0
        taps.flat[random.integers(taps.size)] = 1.0
    return taps


def quietly(call, *arguments, **keywords):
    """Return the result, and whether there was a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(*arguments, **keywords)
    return result, sorted({warning.category.__name__ for warning in caught})


def agree(got, expected, tolerance=1e-9):
    (got, warned), (expected, theirs_warned) = got, expected
    assert warned == theirs_warned
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if got.dtype.itemsize < 8:
        tolerance = float(np.finfo(got.dtype).eps)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * 100)


@often
@given(
    arrays(),
    st.sampled_from(["fill", "wrap", "extend", None]),
    st.sampled_from([0.0, 3.0, np.nan]),
    st.sampled_from(["interpolate", "fill"]),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_convolve(array, boundary, fill_value, treatment, normalize, preserve_nan, data):
    taps = data.draw(taps_for(array.ndim))
    if boundary is None:
        taps = taps[tuple(slice(0, size - 1 + size % 2) for size in array.shape)]
    mask = None
    if data.draw(st.booleans()):
        mask = np.random.default_rng(array.size).random(array.shape) < 0.2
    keywords = {
        "boundary": boundary,
        "fill_value": fill_value,
        "nan_treatment": treatment,
        "normalize_kernel": normalize,
        "mask": mask,
        "preserve_nan": preserve_nan,
    }
    if fill_value != fill_value and treatment == "fill":
        taps = np.abs(taps) + 0.01  # a zero tap of astropy's makes NaN of NaN
    try:
        expected = quietly(theirs.convolve, array, taps, **keywords)
    except ValueError:
        with pytest.raises(ValueError, match="kernel"):
            ours.convolve(array, taps, **keywords)
        return
    agree(quietly(ours.convolve, array, taps, **keywords), expected)


@often
@given(
    arrays(infinities=True),
    st.sampled_from(["fill", "wrap", None]),
    st.sampled_from([0.0, 3.0, np.nan]),
    st.sampled_from(["interpolate", "fill"]),
    st.sampled_from([True, False, np.sum, np.max]),
    st.booleans(),
    st.sampled_from([0.0, 0.31, 0.77]),
    st.data(),
)
def test_convolve_fft(array, boundary, fill_value, treatment, normalize, preserve_nan, min_wt, data):
    taps = data.draw(taps_for(array.ndim, odd=False, signs=normalize is not np.max))
    keywords = {
        "boundary": boundary,
        "fill_value": fill_value,
        "nan_treatment": treatment,
        "normalize_kernel": normalize,
        "preserve_nan": preserve_nan,
        "min_wt": min_wt,
    }
    if boundary != "wrap":
        keywords["psf_pad"] = data.draw(st.sampled_from([None, None, True, False]))
        keywords["fft_pad"] = data.draw(st.sampled_from([None, True, False]))
        keywords["dealias"] = data.draw(st.booleans())
    if data.draw(st.booleans()):
        keywords["mask"] = np.random.default_rng(array.size).random(array.shape) < 0.2
    try:
        expected = quietly(theirs.convolve_fft, array, taps, **keywords)
    except (ValueError, Exception) as error:  # astropy raises the base class of all
        if not isinstance(error, ValueError) and type(error) is not Exception:
            raise
        with pytest.raises(ArgumentError):
            quietly(ours.convolve_fft, array, taps, **keywords)
        return
    got = quietly(ours.convolve_fft, array, taps, **keywords)
    # Weights that are zero, or just the least ones, are rounding errors of a transform in astropy.
    valid = np.isfinite(array.astype(float)) & ~keywords.get("mask", np.zeros(array.shape, bool))
    if taps.min() >= 0 or valid.all():
        agree(got, expected, 1e-7)


@often
@given(arrays(("f8",)), st.sampled_from(["fill", "wrap", None]), st.sampled_from([0.0, 2.0]), st.data())
def test_convolve_fft_without_cropping(array, boundary, fill_value, data):
    array = np.nan_to_num(array)
    taps = np.abs(data.draw(taps_for(array.ndim, odd=False)))
    keywords = {"boundary": boundary, "fill_value": fill_value, "crop": False}
    if boundary != "wrap":
        keywords["psf_pad"] = data.draw(st.sampled_from([None, True, False]))
        keywords["fft_pad"] = data.draw(st.sampled_from([None, True, False]))
        keywords["dealias"] = data.draw(st.booleans())
    expected = quietly(theirs.convolve_fft, array, taps, **keywords)
    agree(quietly(ours.convolve_fft, array, taps, **keywords), expected, 1e-8)


# ---- arguments


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda f: f.convolve([1, 2, 3], [1, 1]), KernelSizeError),
        (lambda f: f.convolve([1, 2], [1, 1, 1], boundary=None), KernelSizeError),
        (lambda f: f.convolve([1, 2, 3], [1, 1, 1], boundary="reflect"), ValueError),
        (lambda f: f.convolve([1, 2, 3], [1, 1, 1], nan_treatment="skip"), ValueError),
        (lambda f: f.convolve([1, 2, 3], [1, 0, -1]), ValueError),
        (lambda f: f.convolve([1, np.nan, 3], [1, 0, -1], normalize_kernel=False), ValueError),
        (lambda f: f.convolve([1, 2, 3], [[1, 1, 1]]), ValueError),
        (lambda f: f.convolve([], [1, 1, 1]), ValueError),
        (lambda f: f.convolve(1.0, [1, 1, 1]), ValueError),
        (lambda f: f.convolve(np.ones((2, 2, 2, 2)), np.ones((1, 1, 1, 1))), NotImplementedError),
        (lambda f: f.convolve("text", [1, 1, 1]), TypeError),
        (lambda f: f.convolve([1, 2, 3], np.ma.masked_equal([1, 2, 1], 2)), ValueError),
        (lambda f: f.convolve([1.0, 2, 3], [1, 1, 1], mask=np.ones(2)), IndexError),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 0, -1]), Exception),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 0, -1], normalize_kernel=False), ValueError),
        (lambda f: f.convolve_fft([1, 2, 3], [[1, 1, 1]]), ValueError),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], boundary="extend"), NotImplementedError),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], boundary="wrap", psf_pad=True), ValueError),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], boundary="wrap", fft_pad=True), ValueError),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], boundary="wrap", dealias=True), ValueError),
        (lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], nan_treatment="skip"), ValueError),
        (lambda f: f.convolve_fft(np.ones((8000, 1)), np.ones((1, 8000))), ValueError),
        (lambda f: f.convolve_fft(*[theirs.Box1DKernel(3)] * 2), TypeError),
        (lambda f: f.convolve_fft([1, 2, 3], np.ma.masked_equal([1, 2, 1], 2)), ValueError),
        (lambda f: f.convolve_fft([1, np.nan], [1], fill_value=np.inf, nan_treatment="fill"), ValueError),
    ],
)
def test_what_astropy_refuses_is_refused(call, error):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error):
            call(theirs)
        with pytest.raises(error) as caught:
            call(ours)
    assert isinstance(caught.value, ArgumentError | TypeError)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f.convolve(NDData([1.0, 2, 3]), [1, 1, 1]),
        lambda f: f.convolve(theirs.Box1DKernel(3), theirs.Box1DKernel(3)),
        lambda f: f.convolve([1, 2, 3], np.array([1, np.nan, 1]), normalize_kernel=False),
        lambda f: f.convolve([1, 2, 3], [1, 1, 1] * units.m),
        lambda f: f.convolve(np.array([1j, 2, 3]), [1, 1, 1]),
        lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], return_fft=True),
        lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], fftn=lambda x: np.fft.fftn(x)),
        lambda f: f.convolve_fft([1, 2, 3], [1, 1, 1], complex_dtype=np.complex64),
        lambda f: f.convolve_fft([1, np.nan, 3], [1, 1, 1], crop=False),
        lambda f: f.convolve_fft([1, 2, 3], [1, 1j, 1]),
    ],
)
def test_what_cannot_be_done_is_said(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(theirs)
    with pytest.raises(NotServedError, match="Call the original"):
        call(ours)


@pytest.mark.parametrize("name", ["convolve", "convolve_fft"])
def test_arguments_are_positional_and_named_as_in_the_peer(name):
    mine, peer = (inspect.signature(getattr(module, name)).parameters.values() for module in (ours, theirs))
    assert [(p.name, p.kind, p.default) for p in mine] == [(p.name, p.kind, p.default) for p in peer]


@pytest.mark.parametrize("name", ["convolve", "convolve_fft"])
def test_arrays_of_many_kinds(name):
    mine, peer = getattr(ours, name), getattr(theirs, name)
    random = np.random.default_rng(0)
    image = random.random((20, 21))
    kernel = theirs.Gaussian2DKernel(1.5)
    masked = np.ma.masked_less(image, 0.1)
    for x in (image, image[::2, ::-1], image.tolist(), masked, masked.astype("f4"), np.ma.array(image), image > 0.5):
        np.testing.assert_allclose(mine(x, kernel), peer(x, kernel), atol=1e-7)
        assert type(mine(x, kernel)) is np.ndarray
    both = np.ma.masked_less(image, 0.1), image > 0.95
    np.testing.assert_allclose(mine(both[0], kernel, mask=both[1]), peer(both[0], kernel, mask=both[1]), atol=1e-9)
    got, expected = mine(image * units.Jy, kernel), peer(image * units.Jy, kernel)
    assert got.unit == expected.unit == units.Jy
    np.testing.assert_allclose(got.value, expected.value, atol=1e-12)
    line = theirs.Box1DKernel(3)
    np.testing.assert_allclose(mine(image[0], line), peer(image[0], line), atol=1e-12)


def test_the_arguments_are_not_changed():
    image = np.array([[1.0, np.nan, 3.0], [np.inf, 5.0, 6.0]])
    before, mask, taps = image.copy(), np.array([[0, 0, 1], [0, 0, 0]]), np.ones((3, 3))
    for call in (ours.convolve, ours.convolve_fft):
        call(image, taps, mask=mask, nan_treatment="fill", fill_value=2.0, preserve_nan=True)
        assert np.array_equal(image, before, equal_nan=True)
        assert (taps == 1).all()


def test_a_nan_reaches_the_outputs_whose_taps_are_not_zero():
    x, taps = np.array([1.0, np.nan, 3.0, 4.0]), [1.0, 0.0, 0.0]
    got = ours.convolve(x, taps, nan_treatment="fill", fill_value=np.nan, boundary="extend")
    assert np.array_equal(got, [np.nan, 3.0, 4.0, 4.0], equal_nan=True)


def test_holes_wider_than_the_kernel():
    x = np.array([1.0, np.nan, np.nan, np.nan, 5.0])
    with pytest.warns(AstropyUserWarning, match="larger kernel"):
        assert np.isnan(ours.convolve(x, [1, 1, 1])).tolist() == [False, False, True, False, False]
    assert ours.convolve_fft(x, [1, 1, 1])[2] == 0.0
    assert np.isnan(ours.convolve_fft(x, [1, 1, 1], min_wt=1e-8)[2])
    with pytest.warns(AstropyUserWarning, match="larger kernel"):
        assert np.isnan(ours.convolve(np.full(3, np.nan), [1, 1, 1], boundary="wrap")).all()


def test_astropy_is_not_needed():
    text = """
import sys, numpy as np
from faltung.compat.astropy import convolve, convolve_fft
convolve([1.0, np.nan, 3.0], [1, 1, 1])
convolve_fft(np.ma.masked_equal([1.0, 2.0, 3.0], 2), [1, 1, 1], crop=True)
try:
    convolve([1, 2, 3], [1, 1])
except ValueError as error:
    print(type(error).__name__, {"scipy", "astropy"} & {*sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "AstropySizeError set()\n"
