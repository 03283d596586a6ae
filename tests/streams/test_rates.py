"""A stream that changes the rate gives what scipy.signal.upfirdn gives for the whole signal."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
from pushed_signals import defined, pushed

FACTORS = [(1, 1), (2, 1), (1, 2), (3, 2), (2, 3), (4, 6), (160, 147), (1, 100), (7, 7)]


@pytest.fixture
def rng():
    return np.random.default_rng(6)


@pytest.mark.parametrize(("up", "down"), FACTORS, ids=str)
@pytest.mark.parametrize("taps", [1, 2, 64, 401])
def test_all_rates_are_those_of_scipy(rng, up, down, taps):
    x, kernel = rng.standard_normal((2, 1000)), rng.standard_normal(taps)
    y = pushed(fa.Stream(kernel, channels=2, up=up, down=down), x, [1, 0, 99, 400])
    expected = scipy.signal.upfirdn(kernel, x, up, down)
    assert y.shape == expected.shape
    assert_allclose(y, expected, atol=1e-12)
    assert_allclose(y, defined(x, kernel, up, down), atol=1e-12)


@given(
    up=st.integers(1, 12),
    down=st.integers(1, 12),
    taps=st.integers(1, 60),
    samples=st.integers(0, 150),
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=4).filter(any),
    dtype=st.sampled_from(["float32", "float64", "complex64", "int16"]),
    complex_taps=st.booleans(),
    seed=st.integers(0, 1 << 20),
)
@settings(max_examples=60, deadline=None)
def test_any_rates_in_any_blocks(up, down, taps, samples, lengths, dtype, complex_taps, seed):
    rng = np.random.default_rng(seed)
    x = (100 * rng.standard_normal(samples)).astype(dtype)
    kernel = rng.standard_normal(taps) + (1j * rng.standard_normal(taps) if complex_taps else 0)
    y = pushed(fa.Stream(kernel, up=up, down=down, dtype=dtype), x, lengths)
    expected = defined(x, kernel, up, down)
    assert y.shape == expected.shape
    scale = abs(expected).max(initial=1)
    assert_allclose(y, expected, atol=2e-6 * scale if np.finfo(y.dtype).eps > 1e-10 else 1e-13 * scale)


@pytest.mark.parametrize(("up", "down"), [(1, 3), (3, 1), (3, 2), (2, 5)], ids=str)
def test_a_centred_change_of_rate_keeps_time(rng, up, down):
    x, kernel = rng.standard_normal(200), fa.Kernel(rng.standard_normal(21))
    stream = fa.Stream(kernel, up=up, down=down, align="centred")
    y = pushed(stream, x, [17, 0, 3])
    assert y.size == -(-200 * up // down)
    whole = defined(x, kernel.taps, up)
    whole = np.append(whole, np.zeros(up))
    assert_allclose(y, whole[10 : 10 + 200 * up : down], atol=1e-12)
    assert stream.latency == -(-10 // up)
    assert stream.delay == 0


@pytest.mark.parametrize(("up", "down"), [(1, 1), (1, 3), (3, 1), (3, 2), (2, 5), (5, 7)], ids=str)
@pytest.mark.parametrize("origin", [0, 1, 7, 10])
def test_no_output_waits_longer_than_the_latency(up, down, origin):
    stream = fa.Stream(fa.Kernel(np.ones(21), origin=origin), up=up, down=down, align="centred")
    waits, output = [], 0
    for sample in range(100):
        for _ in range(stream.push(np.ones(1)).size):
            waits.append(sample - output * down // up)
            output += 1
    assert max(waits) == stream.latency


def test_the_delay_is_in_samples_of_the_input():
    kernel = fa.Kernel(np.ones(21))
    assert fa.Stream(kernel, up=2).delay == 5
    assert fa.Stream(kernel, up=4).delay == 2.5
    assert fa.Stream(kernel, down=4).delay == 10


def test_44100_becomes_48000(rng):
    kernel = fa.Kernel(scipy.signal.firwin(2 * 160 * 16 + 1, 1 / 160) * 160)
    t = np.arange(44100) / 44100
    x = np.sin(2 * np.pi * 1000 * t)
    y = pushed(fa.Stream(kernel, up=160, down=147, align="centred"), x, [441])
    assert y.size == 48000
    inner = slice(2000, 46000)
    assert_allclose(y[inner], np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)[inner], atol=3e-3)


def test_infinities_affect_what_reads_them(rng):
    x, kernel = rng.standard_normal(300), rng.standard_normal(40) * (rng.random(40) < 0.5)
    x[[7, 100]] = np.inf, np.nan
    y = pushed(fa.Stream(kernel, up=3, down=2), x, [11])
    expected = defined(x, kernel, 3, 2)
    # Here the zeros between samples are no samples, and the oracle multiplies them by taps: that is no infinity.
    assert_array_equal(np.isfinite(y), np.isfinite(expected))
    assert_allclose(y, expected, atol=1e-12)


def test_the_kernel_is_exchanged_at_another_rate(rng):
    x, one, two = rng.standard_normal(200), rng.standard_normal(30), rng.standard_normal(30)
    stream = fa.Stream(one, up=3, down=2)
    first = stream.push(x[:101])
    stream.exchange(two)
    y = np.concatenate([first, stream.push(x[101:]), stream.flush()])
    cut = first.size
    assert_allclose(y[:cut], scipy.signal.upfirdn(one, x, 3, 2)[:cut], atol=1e-12)
    assert_allclose(y[cut:], scipy.signal.upfirdn(two, x, 3, 2)[cut:], atol=1e-12)
