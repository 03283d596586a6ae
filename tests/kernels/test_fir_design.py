"""Filters from frequency responses: those of SciPy, without delay, along any axis."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import signal

import faltung as fa
from faltung import ArgumentError, ArgumentTypeError

laws = settings(deadline=None, max_examples=40)
WINDOWS = ["hamming", "hann", "blackman", "boxcar", ("kaiser", 8.6)]
RANDOM = np.random.default_rng(0)


def response(kernel, frequencies):
    """The response at frequencies in cycles per sample."""
    lags = np.arange(kernel.size) - kernel.origin[0]
    return np.exp(-2j * np.pi * np.multiply.outer(frequencies, lags)) @ kernel.taps


@laws
@given(
    st.floats(0.02, 0.2),
    st.floats(0.22, 0.48),
    st.integers(2, 100),
    st.sampled_from(WINDOWS),
    st.sampled_from([1.0, 0.3, 44100.0]),
)
def test_windowed_responses_are_those_of_scipy(low, high, half, window, rate):
    size, low, high = 2 * half + 1, low * rate, high * rate
    pairs = [
        (fa.lowpass(low, size, window=window, rate=rate), (low, True)),
        (fa.highpass(low, size, window=window, rate=rate), (low, False)),
        (fa.bandpass(low, high, size, window=window, rate=rate), ((low, high), False)),
        (fa.bandstop(low, high, size, window=window, rate=rate), ((low, high), True)),
    ]
    for kernel, (cutoff, pass_zero) in pairs:
        expected = signal.firwin(size, cutoff, window=window, pass_zero=pass_zero, fs=rate)
        np.testing.assert_allclose(kernel.taps, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
        assert kernel.origin == (half,)
        np.testing.assert_allclose(response(kernel, np.linspace(0, 0.5, 50)).imag, 0, atol=1e-9)


NODES, SHARES = np.polynomial.legendre.leggauss(80)


@st.composite
def designs(draw):
    """Bands of an axis of 0 to 0.5, the desired values at their ends, weights, and a number of taps."""
    count = draw(st.integers(1, 4))
    places = sorted(draw(st.lists(st.integers(0, 100), min_size=2 * count, max_size=2 * count, unique=True)))
    ends = draw(st.lists(st.floats(-2, 2), min_size=2 * count, max_size=2 * count))
    weights = draw(st.lists(st.floats(0.1, 10), min_size=count, max_size=count))
    return (*(np.reshape(each, (count, 2)) for each in (places, ends)), weights, 2 * draw(st.integers(0, 15)) + 1)


# Narrow bands leave most of the taps undetermined: solved for in spite of that, they missed by four times the least.
@example((np.array([[1, 2], [6, 8]]), np.array([[1.0, 0], [-1, 1]]), [0.8, 0.2], 13), 1.0)
@example((np.array([[1, 2], [3, 4], [6, 9]]), np.array([[1.0, -2], [2, 0], [-1, 1]]), [1.0, 1, 1], 21), 8000.0)
@laws
@given(designs(), st.sampled_from([1.0, 8000.0]))
def test_no_filter_of_moderate_taps_has_less_squared_error(design, rate):
    bands, ends, weights, size = design
    bands = bands / 200
    half = fa.least_squares_fir(bands * rate, ends, size, weights, rate=rate).taps[size // 2 :]
    # The integrals by Gauss's rule, which is exact here but for rounding.
    widths = np.diff(bands) / 2
    f = (bands.mean(1, keepdims=True) + widths * NODES).ravel()
    root = np.sqrt(np.reshape(weights, (-1, 1)) * widths * SHARES).ravel()
    wanted = root * (ends.mean(1, keepdims=True) + np.diff(ends) / 2 * NODES).ravel()
    columns = root[:, np.newaxis] * np.cos(2 * np.pi * np.multiply.outer(f, np.arange(half.size)))
    # Any taps, but those that are large pay for it.
    price = 1e-5 * np.linalg.norm(columns, 2) * np.eye(half.size)
    rows, goal = np.concatenate([columns, price]), np.concatenate([wanted, np.zeros(half.size)])
    best = np.linalg.lstsq(rows, goal, rcond=None)[0]
    amplitudes = half * np.where(np.arange(half.size) > 0, 2, 1)
    least, found = (np.sum((a @ b - c) ** 2) for a, b, c in ((rows, best, goal), (columns, amplitudes, wanted)))
    assert found <= least + 1e-6 * np.sum(wanted**2)


@pytest.mark.parametrize("weights", [None, [1.0, 20.0]])
@pytest.mark.parametrize("size", [1, 3, 31, 73])
def test_taps_of_least_squares_are_those_of_scipy(size, weights):
    bands, desired = [(0, 0.2), (0.25, 0.5)], [(1, 1), (0.5, 0)]
    expected = signal.firls(size, np.ravel(bands), np.ravel(desired), weight=weights, fs=1.0)
    found = fa.least_squares_fir(bands, desired, size, weights).taps
    np.testing.assert_allclose(found, expected, atol=1e-10)
    np.testing.assert_array_equal(found, fa.least_squares_fir(bands, [1, (0.5, 0)], size, weights).taps)
    flat = fa.least_squares_fir(bands, [1, 0], size, weights)
    expected = signal.firls(size, np.ravel(bands), [1, 1, 0, 0], weight=weights, fs=1.0)
    np.testing.assert_allclose(flat.taps, expected, atol=1e-10)


@pytest.mark.parametrize("window", ["blackman", "hann", ("kaiser", 8.0)])
def test_a_differentiator_gives_slopes(window):
    kernel = fa.differentiator(41, window=window, rate=10.0)
    np.testing.assert_array_equal(kernel.taps, -kernel.taps[::-1])
    line = 3 * np.arange(100.0) / 10.0 + 7
    np.testing.assert_allclose(kernel(line, shape="valid"), 3, rtol=1e-12)
    f = np.linspace(0, 0.4, 30)
    np.testing.assert_allclose(response(kernel, f), 2j * np.pi * f * 10, atol=0.1)
    np.testing.assert_allclose(fa.differentiator(5, window=window)(np.arange(9.0), shape="valid"), 1)


@pytest.mark.parametrize("window", ["hamming", "boxcar", ("kaiser", 3)])
def test_a_differentiator_needs_a_window_that_falls_to_zero(window):
    with pytest.raises(ArgumentError, match="window: expected a window that falls to zero at its ends"):
        fa.differentiator(41, window=window)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_hilbert_filter_turns_cosines_into_sines(window):
    kernel = fa.hilbert(63, window=window)
    np.testing.assert_array_equal(kernel.taps, -kernel.taps[::-1])
    n = np.arange(300)
    inner = slice(40, -40)
    np.testing.assert_allclose(kernel(np.cos(np.pi / 2 * n))[inner], np.sin(np.pi / 2 * n)[inner], atol=1e-6)
    limit = 0.12 if window == "boxcar" else 0.01
    np.testing.assert_allclose(kernel(np.cos(1.1 * n))[inner], np.sin(1.1 * n)[inner], atol=limit)
    expected = signal.hilbert(np.cos(np.pi / 2 * n)).imag
    np.testing.assert_allclose(kernel(np.cos(np.pi / 2 * n))[inner], expected[inner], atol=1e-6)


def test_a_tone_is_not_delayed_and_any_axis_is_filtered():
    n = np.arange(400)
    tone = np.cos(2 * np.pi * 0.02 * n)
    noisy = tone + np.cos(2 * np.pi * 0.3 * n)
    kernel = fa.lowpass(0.1, 101)
    np.testing.assert_allclose(kernel(noisy)[60:-60], tone[60:-60], atol=5e-3)
    rows = RANDOM.standard_normal((60, 5))
    expected = np.stack([fa.convolve(column, kernel) for column in rows.T], axis=1)
    np.testing.assert_allclose(fa.convolve(rows, kernel, axes=0), expected, atol=1e-12)
    labelled = xr.DataArray(rows, dims=("time", "station"))
    np.testing.assert_allclose(fa.convolve(labelled, kernel, dims="time").values, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (fa.lowpass(50, 31, rate=500), "lowpass(50, 31, rate=500)"),
        (fa.highpass(0.1, 5, window="hann"), "highpass(0.1, 5, window='hann')"),
        (fa.bandpass(0.1, 0.2, 5, window=("kaiser", 8)), "bandpass(0.1, 0.2, 5, window=('kaiser', 8))"),
        (fa.bandstop(0.1, 0.2, 5), "bandstop(0.1, 0.2, 5)"),
        (fa.differentiator(7, rate=2.0), "differentiator(7, rate=2)"),
        (fa.hilbert(7), "hilbert(7)"),
        (
            fa.least_squares_fir([(0, 0.1), [0.2, 0.5]], [1, 0], 5, weights=(1, 2)),
            "least_squares_fir(((0, 0.1), (0.2, 0.5)), (1, 0), 5, weights=(1, 2))",
        ),
    ],
)
def test_text_reads_back(kernel, text):
    assert repr(kernel) == text
    np.testing.assert_array_equal(fa.parse(text).taps, kernel.taps)
    again = fa.parse(f"2 * {text} * gaussian(1, ndim=1)")
    np.testing.assert_allclose(again.taps, (2 * kernel * fa.gaussian(1, ndim=1)).taps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fa.lowpass(0.1, 4), "size: expected an odd number, got 4. Use 5."),
        (lambda: fa.lowpass(0.5, 5), "cutoff: expected a frequency below rate / 2 = 0.5, got 0.5"),
        (lambda: fa.lowpass(0, 5), "cutoff: expected a number above 0"),
        (lambda: fa.bandpass(0.2, 0.1, 5), "high: expected a frequency above low=0.2, got 0.1"),
        (lambda: fa.highpass(10, 5, rate=15), "cutoff: expected a frequency below rate / 2 = 7.5"),
        (
            lambda: fa.lowpass(0.1, 5, window="hamm"),
            "window: expected one of 'boxcar', 'hann', 'hamming'",
        ),
        (lambda: fa.lowpass(0.1, 5, window=("kaiser", -1)), "window[1]: expected a number of at least 0"),
        (lambda: fa.lowpass(0.1, 5, rate=0), "rate: expected a number above 0"),
        (lambda: fa.hilbert(1), "size: expected an integer from 3"),
        (lambda: fa.hilbert(3, window="hann"), "size: expected enough taps for these frequencies and this window"),
        (lambda: fa.least_squares_fir([(0.2, 0.1)], [1], 5), "bands: expected pairs of ascending frequencies"),
        (lambda: fa.least_squares_fir([(0, 0.2), (0.1, 0.3)], [1, 0], 5), "bands: expected pairs of ascending"),
        (lambda: fa.least_squares_fir([(0, 0.6)], [1], 5), "from 0 to rate / 2 = 0.5"),
        (lambda: fa.least_squares_fir([0, 0.5], [1], 5), "bands: expected a pair for each band"),
        (
            lambda: fa.least_squares_fir([(0, 0.5)], [1, 2], 5),
            "desired: expected one entry for each of 1 bands",
        ),
        (lambda: fa.least_squares_fir([(0, 0.5)], [1], 5, [0]), "weights: expected positive numbers"),
        (lambda: fa.least_squares_fir([(0, np.nan)], [1], 5), "bands: expected a pair for each band, of finite"),
        (lambda: fa.least_squares_fir([(0, 0.5)], [1], 4097), "size: expected an integer from 1 to 4095, got 4097"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert message in str(error.value)


@pytest.mark.parametrize("call", [lambda: fa.least_squares_fir(3, [1], 5), lambda: fa.lowpass("a", 5)])
def test_wrong_types(call):
    with pytest.raises(ArgumentTypeError):
        call()


@pytest.mark.parametrize(
    "text",
    ["'a'", "2 * 'a'", "'a' * 2", "-'a'", "['a']", "gaussian('a')", "'a'.flip()", "delta() + 'a'", "delta()**'a'"],
)
def test_words_are_arguments_only(text):
    with pytest.raises(fa.ExpressionError):
        fa.parse(text)


def test_the_page_gets_the_taps_of_designed_kernels():
    from faltung.explorer.filter_subject import FilterSubject

    for kernel, source in [(fa.lowpass(0.1, 5), "table"), (fa.gaussian(1, ndim=1), "text")]:
        state = FilterSubject([1.0, 2.0, 4.0], kernel).state()
        assert state["filter.kernels"][0][0]["source"] == source
