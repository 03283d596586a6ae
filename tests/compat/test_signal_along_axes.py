"""lfilter, filtfilt, upfirdn, resample_poly, decimate and savgol_filter are those of SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.compat import signal
from faltung.compat.not_served import NotServedError
from faltung.compat.signal.lowpass import lowpass
from faltung.compat.signal.odd_borders import ODD_MODES, extend_first_axis
from faltung.compat.signal.polyphase import BORDERS
from faltung.kernels.local_polynomials import fit_weights
from signal_calls import assert_same, both, check, dtypes, samples, seeds, shapes

few = settings(max_examples=30, deadline=None)
taps_dtypes = st.sampled_from(("i2", "f4", "f8", "c8", "c16"))


# ---- filters without recursion


@few
@given(seeds, shapes(1, 3, 1, 12), st.data(), st.integers(1, 9), dtypes, taps_dtypes, st.sampled_from(("f4", "f8")))
def test_lfilter_with_and_without_state(seed, shape, data, size, first, second, third):
    ndim = len(shape)
    axis = data.draw(st.integers(-ndim, ndim - 1))
    x, b, a = (
        samples(seed, shape, first, small=True),
        samples(seed + 1, size, second, small=True),
        np.full(1, 0.5, third),
    )
    check("lfilter", b, a, x, axis)
    state = [data.draw(st.sampled_from((1, length))) for length in shape]
    state[axis] = size - 1
    check("lfilter", b, a, x, axis, samples(seed + 2, state, data.draw(taps_dtypes), small=True))


@few
@given(seeds, st.integers(1, 60), st.integers(1, 20), st.lists(st.integers(0, 60), max_size=5), st.integers(0, 1))
def test_blocks_with_state_are_the_whole(seed, length, size, cuts, axis):
    x, b = samples(seed, (3, length) if axis else (length, 3), "f8"), samples(seed + 1, size, "f8")
    state = np.zeros((3, size - 1) if axis else (size - 1, 3))
    parts = []
    for block in np.split(
        x, sorted(min(cut, length) for cut in cuts), axis
    ):  # some are empty, or shorter than the taps
        y, state = signal.lfilter(b, 2.0, block, axis, state)
        parts.append(y)
    whole, after = scipy.signal.lfilter(b, 2.0, x, axis, np.zeros_like(state))
    np.testing.assert_allclose(np.concatenate(parts, axis), whole, atol=1e-12)
    np.testing.assert_allclose(state, after, atol=1e-12)


@few
@given(
    seeds,
    shapes(1, 3),
    st.data(),
    st.integers(2, 9),
    st.sampled_from(("i4", "f4", "f8", "c16")),
    st.sampled_from(("f4", "f8", "c16")),
    st.sampled_from(("odd", "even", "constant", None)),
    st.sampled_from((None, 0, 5)),
)
def test_filtfilt(seed, shape, data, size, first, second, padtype, padlen):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = [*shape]
    lengths[axis] = data.draw(st.integers(1, 40))
    x, b = samples(seed, lengths, first, small=True), samples(seed + 1, size, second)
    for a in (1.0, np.full(1, 3.0, "f4")):
        ours, theirs = both("filtfilt", b, a, x, axis, padtype, padlen)
        assert_same(ours, theirs, x, b, np.ones(1, "f4"))


def test_filtfilt_computes_the_extension_in_the_dtype_of_the_result():
    x = np.arange(10, dtype="u1")  # 2 * x[0] - x[3] wraps in SciPy
    assert_same(signal.filtfilt([0.5, 0.5], 1.0, x), scipy.signal.filtfilt([0.5, 0.5], 1.0, x.astype(float)))
    assert_same(signal.filtfilt([2.0], 1.0, x), 4.0 * x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_reach_what_their_taps_touch(value):
    x, b = np.arange(1.0, 31.0), np.array([1.0, 2.0, 3.0])
    x[12] = value
    check("lfilter", b, 1.0, x)
    check("lfilter", b, 1.0, x, -1, np.ones(2))
    check("filtfilt", b, 1.0, x)
    check("upfirdn", b, x)
    assert np.isfinite(signal.upfirdn([1.0, 2.0, 3.0, 4.0], x, 3, 2)).sum() == 46 - 2
    for function in (signal.lfilter, signal.filtfilt):
        with pytest.raises(NotServedError, match="b, a: taps that are not finite"):
            function([1.0, value], 1.0, x)
    with pytest.raises(NotServedError, match="h: taps that are not finite"):
        signal.upfirdn([1.0, value], x)


# ---- changes of the sampling rate


@few
@given(
    seeds,
    shapes(1, 3, 2, 12),
    st.data(),
    st.integers(1, 30),
    st.integers(1, 9) | st.integers(150, 350),
    st.integers(1, 9),
    dtypes,
    dtypes,
    st.sampled_from([*BORDERS]),
    st.sampled_from((0, 2.5)),
)
def test_upfirdn_with_every_mode(seed, shape, data, size, up, down, first, second, mode, value):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x, h = samples(seed, shape, first, small=True), samples(seed + 1, size, second, small=True)
    check("upfirdn", h, x, up, down, axis, mode, value)


@pytest.mark.parametrize("mode", ODD_MODES)
@pytest.mark.parametrize("length", [2, 3, 5])
def test_odd_modes_far_beyond_the_ends(mode, length):
    x = samples(0, length, "f8")
    impulse = np.zeros(41)
    impulse[20] = 1.0
    extended = scipy.signal.upfirdn(impulse, x, mode=mode)  # from position -20 on
    np.testing.assert_allclose(extend_first_axis(x, mode, 20, 20), extended, atol=1e-12)
    assert extend_first_axis(x, mode, 0, 0).shape == x.shape


@pytest.mark.parametrize(
    ("mode", "value"), [(mode, 3.0) for mode in BORDERS if mode not in ("constant", "antisymmetric")]
)
def test_a_single_sample_goes_on_as_it_is(mode, value):
    # SciPy reads other memory for `smooth`, returns NaN for `line`, and ends the process for `reflect`.
    assert signal.upfirdn(np.ones(5), [3.0], mode=mode).tolist() == [5 * value] * 5


def test_a_constant_of_a_complex_signal():
    x, h = samples(0, 9, "c8"), samples(1, 4, "f4")
    check("upfirdn", h, x, 2, 3, -1, "constant", 2.0)
    y = signal.upfirdn(h, x, mode="constant", cval=1j)
    np.testing.assert_allclose(y, scipy.signal.upfirdn(h, x - 1j) + 1j * h.sum(), rtol=1e-5)


@few
@given(
    seeds,
    shapes(1, 2, 2, 20),
    st.data(),
    st.integers(1, 9) | st.integers(150, 200),
    st.integers(1, 9) | st.integers(150, 200),
    st.sampled_from(("u1", "i4", "f4", "f8", "c8", "c16")),
    st.sampled_from(("taps", "hamming", "boxcar", ("hann",), "blackman", ("kaiser", 5.0), 3.5)),
    st.sampled_from([*BORDERS, "mean", "median", "minimum", "maximum"]),
)
def test_resample_poly(seed, shape, data, up, down, dtype, window, padtype):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = samples(seed, shape, dtype, small=True)
    chosen = samples(seed + 1, data.draw(st.integers(1, 40)), "f8") if window == "taps" else window
    value = data.draw(st.sampled_from((None, 2.0))) if padtype == "constant" else None
    check("resample_poly", x, up, down, axis, chosen, padtype, value)


@few
@given(
    seeds, shapes(1, 3, 1, 30), st.data(), st.integers(2, 7), dtypes, st.booleans(), st.sampled_from((None, 0, 5, 8))
)
def test_decimate(seed, shape, data, factor, dtype, zero_phase, order):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check("decimate", samples(seed, shape, dtype, small=True), factor, order, "fir", axis, zero_phase)


@pytest.mark.parametrize("count", [1, 3, 41, 60])
@pytest.mark.parametrize("window", ["boxcar", "hann", "hamming", "blackman", ("kaiser", 0.0), ("kaiser", 14.0), 5])
def test_low_pass_filters(count, window):
    for cutoff in (0.01, 0.3, 0.99):
        expected = scipy.signal.firwin(count, cutoff, window=window)
        np.testing.assert_allclose(lowpass("f", count, cutoff, window), expected, rtol=1e-9, atol=1e-12)


# ---- polynomials


@few
@given(
    seeds,
    shapes(1, 3, 1, 14),
    st.data(),
    st.integers(1, 9),
    st.integers(0, 6),
    st.integers(0, 3),
    st.sampled_from(("?", "u1", "i8", "f8")),
    st.sampled_from(("mirror", "constant", "nearest", "interp", "wrap")),
)
def test_savgol_filter(seed, shape, data, window, order, derivative, dtype, mode):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = samples(seed, shape, dtype, small=True)
    check("savgol_filter", x, window, order, derivative, 2.0, axis, mode, 1.5)


def test_savgol_filter_in_single_precision():
    x = samples(0, (3, 50), "f4")
    y = signal.savgol_filter(x, 7, 3)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, scipy.signal.savgol_filter(x.astype(float), 7, 3), atol=1e-5)


@pytest.mark.parametrize(("size", "order"), [(1, 0), (2, 1), (5, 4), (51, 20), (101, 2)])
def test_polynomials_are_kept(size, order):
    # The fit to a polynomial of that order is the polynomial; its derivatives are known.
    t = np.arange(size) / size
    for derivative in range(min(order, 3) + 1):
        values = math.perm(order, derivative) * t ** (order - derivative) / size**derivative
        fitted = fit_weights(size, order, derivative, tuple(range(size))) @ t**order
        np.testing.assert_allclose(fitted, values, atol=1e-8)


def test_missing_values_stay_in_the_windows_that_have_them():
    x = np.arange(30.0)
    x[2] = np.nan  # SciPy raises an error
    y = signal.savgol_filter(x, 5, 2)
    assert np.isnan(y[:5]).all()
    np.testing.assert_allclose(y[5:], x[5:])


# ---- what is refused

NOT_SERVED = [
    ("lfilter", ([1.0], [1.0, 0.5], [1.0]), "a: the filter is recursive"),
    ("lfilter", ([1, 2], 1, [1, 2]), "a result of dtype int64"),
    ("lfilter", (np.ones(1, "f2"), np.ones(1, "f2"), np.ones(1, "f2")), "a result of dtype float16"),
    ("lfilter", ([1.0], [0.0], [1.0]), "b, a: taps that are not finite"),
    ("lfilter", (np.ones(2, np.longdouble), 1.0, [1.0]), "b: numbers of at most double precision"),
    ("filtfilt", ([1.0], [1.0, 0.5], np.ones(9)), "a: the filter is recursive"),
    ("filtfilt", ([1.0, 1.0], 1.0, np.ones(9), -1, "odd", None, "gust"), "method: 'gust'"),
    ("upfirdn", (np.ones(2, np.longdouble), [1.0]), "h: numbers of at most double precision"),
    ("resample_poly", (np.ones(5), 3, 2, 0, ("tukey", 0.5)), "window: .'tukey', 0.5."),
    ("resample_poly", (np.ones(5), 3, 2, 0, ()), "window: .."),
    ("decimate", (np.ones(50), 2), "ftype: 'iir'"),
    ("decimate", (np.ones(50), 2, None, scipy.signal.dlti([1.0], [1.0])), "ftype: "),
    ("savgol_filter", (np.ones(9, complex), 3, 1), "x: complex numbers"),
]


@pytest.mark.parametrize(("name", "arguments", "reason"), NOT_SERVED)
def test_what_is_not_served_is_refused_by_name(name, arguments, reason):
    with pytest.raises(NotServedError, match=rf"^scipy\.signal\.{name} is not served: {reason}"):
        getattr(signal, name)(*arguments)


WRONG = [
    ("lfilter", ([], 1.0, [1.0])),
    ("lfilter", ([[1.0]], 1.0, [1.0])),
    ("lfilter", ([1.0], [], [1.0])),
    ("lfilter", ([1.0], 1.0, 2.0)),
    ("lfilter", ([1.0], 1.0, [1.0], 1)),
    ("lfilter", ([1.0, 2.0], 1.0, np.ones((2, 3)), -1, [1.0])),
    ("lfilter", ([1.0, 2.0], 1.0, np.ones((2, 3)), -1, np.ones((1, 2)))),
    ("lfilter", ([1.0, 2.0], 1.0, np.ones((2, 3)), -1, np.ones((3, 1)))),
    ("filtfilt", ([1.0, 1.0], 1.0, np.ones(6))),
    ("filtfilt", ([1.0, 1.0], 1.0, np.ones(9), -1, "mirror")),
    ("filtfilt", ([1.0, 1.0], 1.0, np.ones(9), -1, "odd", 9)),
    ("filtfilt", ([1.0, 1.0], 1.0, np.ones(9), -1, "odd", 3, "other")),
    ("filtfilt", ([1.0, 1.0], 1.0, np.ones((3, 0)), -1, None)),
    ("upfirdn", ([], [1.0])),
    ("upfirdn", ([[1.0]], [1.0])),
    ("upfirdn", ([1.0], [1.0], 0)),
    ("upfirdn", ([1.0], [1.0], 1, 0)),
    ("upfirdn", ([1.0], [1.0], 1, 1, -1, "middle")),
    ("upfirdn", ([1.0], [1.0], 1, 1, -1, "constant", 1j)),
    ("upfirdn", ([1.0], [1.0], 1, 1, -1, "constant", "x")),
    ("resample_poly", (np.ones(5), 3.5, 2)),
    ("resample_poly", (np.ones(5), 0, 2)),
    ("resample_poly", (np.ones(5), 3, 2, 0, ("kaiser", 5.0), "middle")),
    ("resample_poly", (np.ones(5), 3, 2, 0, ("kaiser", 5.0), "edge", 1.0)),
    ("resample_poly", (np.ones(5), 3, 2, 0, np.ones((2, 2)))),
    ("decimate", (np.ones(50), 2.5, None, "fir")),
    ("decimate", (np.ones(50), 1, None, "fir")),
    ("decimate", (np.ones(50), 2, None, "other")),
    ("savgol_filter", (np.ones(3), 5, 2)),
    ("savgol_filter", (np.ones(9), 5, 5)),
    ("savgol_filter", (np.ones(9), 5, 2, 0, 1.0, -1, "reflect")),
    ("savgol_filter", (np.ones(9), 5, 2, 0, 1.0, 1)),
    ("savgol_filter", (np.ones(9), 5.0, 2)),
    ("savgol_filter", (np.ones(9), 5, -1)),
    ("savgol_filter", (np.ones(9), 0, -1)),
    ("savgol_filter", (np.ones(9), 5, 2, -1)),
    ("savgol_filter", (np.ones(9), 5, 2, 0, 1.0, -1, "constant", 1j)),
    ("savgol_filter", (3.0, 1, 0)),
]


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_arguments_raise_the_same_class(name, arguments):
    ours, theirs = both(name, *arguments)
    assert isinstance(theirs, Exception)
    if isinstance(theirs, IndexError) and not isinstance(theirs, ValueError):  # of an internal subscript
        assert isinstance(ours, (ValueError, IndexError))
    else:
        assert_same(ours, theirs)


# ---- without samples


def test_axes_without_samples():
    y, state = signal.lfilter([1.0, 2.0], 1.0, np.ones((2, 0)), -1, np.ones((2, 1)))
    assert y.shape == (2, 0)
    assert (state == 1).all()
    assert signal.lfilter([1.0, 2.0], 1.0, np.ones((0, 4))).shape == (0, 4)
    check("upfirdn", np.ones(3), np.ones((0, 4)), 2)
    check("upfirdn", np.ones(8), np.ones(0))
    check("resample_poly", np.ones((0, 3)), 1, 2, 1)
    check("savgol_filter", np.ones(0), 5, 2, 0, 1.0, -1, "nearest")
    with pytest.raises(ValueError, match="x: expected an array with samples"):  # SciPy returns what was in the memory
        signal.upfirdn(np.ones(3), np.ones(0), mode="edge")


def test_the_same_rate_is_a_copy():
    x = np.ones(5)
    assert signal.resample_poly(x, 3, 3, window="no window") is not x
    check("resample_poly", x, 3, 3)


def test_the_arguments_are_not_changed():
    x, h = np.ones(9), np.ones(5)
    signal.resample_poly(x, 3, 2, window=h, padtype="mean")
    signal.lfilter(h, 2.0, x, zi=np.ones(4))
    signal.filtfilt(h, 2.0, x, padlen=3)
    assert (x == 1).all()
    assert (h == 1).all()
    y = signal.decimate(x, 2, ftype="fir")
    y[...] = 0  # the taps of recent calls are kept, and must not be those of a result
    check("decimate", x, 2, None, "fir")
