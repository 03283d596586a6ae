"""Partitions of the Fourier engine, stages and their schedule, and the history by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
from faltung.engines.fourier.partitions import SHORTEST, Partitions
from faltung.engines.fourier.spectrum import aligned
from faltung.streams.history import History
from faltung.streams.partitioning import LENGTHS, LONGEST, stage_lengths
from faltung.streams.running_filter import RunningFilter
from pushed_signals import stages

rng = np.random.default_rng(4)


@pytest.mark.parametrize("number", ["float32", "float64"])
@pytest.mark.parametrize("length", [SHORTEST, 256, 1024, 4096])
def test_products_add_up_to_the_convolution(number, length, vector_bits):
    partitions = Partitions(length, np.dtype(number))
    taps = rng.standard_normal((3, length)) + 1j * rng.standard_normal((3, length))
    x = rng.standard_normal((3, 2 * length)) + 1j * rng.standard_normal((3, 2 * length))
    windows = aligned(np.zeros((3, partitions.size), number))
    total = aligned(np.zeros(partitions.size, number))
    spectra = [partitions.spectrum(one) for one in taps]
    for one, window in zip(windows, x.astype(np.result_type(number, np.complex64)), strict=True):
        partitions.transform(window.real, window.imag, one.ctypes.data)
    factors = np.array([[a.ctypes.data, b.ctypes.data] for a, b in zip(windows, spectra, strict=True)])
    partitions.add_products(total.ctypes.data, factors.ctypes.data, 3)
    real, imaginary = partitions.restore(total.ctypes.data)
    expected = sum(np.convolve(window, one)[length : 2 * length] for window, one in zip(x, taps, strict=True))
    error = abs(real + 1j * imaginary - expected).max() / abs(expected).max()
    assert error < (2e-6 if number == "float32" else 5e-15)


def test_a_real_window_and_real_taps():
    partitions = Partitions(SHORTEST, np.dtype("float64"))
    taps, x = rng.standard_normal(SHORTEST), rng.standard_normal(2 * SHORTEST)
    window, total = aligned(np.zeros(partitions.size)), aligned(np.zeros(partitions.size))
    partitions.transform(x, None, window.ctypes.data)
    factors = np.array([[window.ctypes.data, partitions.spectrum(taps).ctypes.data]])
    spectrum = partitions.spectrum(taps)
    factors[0, 1] = spectrum.ctypes.data
    partitions.add_products(total.ctypes.data, factors.ctypes.data, 1)
    real, imaginary = partitions.restore(total.ctypes.data)
    assert_allclose(real, np.convolve(x, taps)[SHORTEST : 2 * SHORTEST], atol=1e-12)
    assert_allclose(imaginary, 0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 5, 64])
def test_the_history_holds_the_last_samples(size):
    history, signal = History(2, size, np.dtype("float64")), rng.standard_normal((2, 300))
    seen = np.zeros((2, size))
    at = 0
    for count in (1, size, 0, size // 2, size, 1, size - 1):
        part = signal[:, at : at + count]
        history.write(part)
        seen = np.concatenate([seen, part], 1)
        at += count
        assert history.position == at
        assert_array_equal(history.last(size), seen[:, -size:])
        for before in range(size):
            assert_array_equal(history.last(size - before, before), seen[:, -size : seen.shape[1] - before])


@pytest.mark.parametrize("block", [1, 64, 256, 480, 1024, 100_000])
@pytest.mark.parametrize("taps", [1, 100, 1000, 10_000, 100_001, 3_000_000])
def test_a_schedule_can_be_kept(taps, block):
    lengths = stage_lengths(taps, block)
    assert list(lengths) == sorted({*lengths})
    assert {*lengths} <= {*LENGTHS}
    assert all(2 * length < taps for length in lengths)
    if taps > 1_000_000:
        assert lengths[-1] > 1000  # or the number of products for each sample grows without bound
    assert all(length % lengths[0] == 0 and length <= LONGEST for length in lengths)


def test_the_work_of_a_stage_is_spread_evenly(monkeypatch):
    """Count the work between pushes: no push does more than a fixed part of the work of a block."""
    kernel = fa.Kernel(rng.standard_normal(30_000))
    with stages(monkeypatch, 256, 2048):
        running = RunningFilter(kernel, 2, 1, 64, np.dtype("float32"), "norm")
    stage = running._stages[-1]
    history = History(2, 80_000, np.dtype("float32"))
    done, total = [], stage._total
    target = np.empty((2, 64), np.float32)
    for _ in range(6 * stage.length // 64):
        before = stage._done
        history.write(rng.standard_normal((2, 64)).astype(np.float32))
        running.give(history, 64, target, 0)
        done.append((stage._done - before) % total)
    settled = done[2 * stage.length // 64 :]
    assert max(settled) <= total * 64 / stage.length + max(6.0, stage._at_once)
    assert sum(settled) == pytest.approx(total * len(settled) * 64 / stage.length, rel=0.1)
