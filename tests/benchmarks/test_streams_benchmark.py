"""The benchmark of streams: all contenders filter the same signal, and its figures are those of the times."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import faltung as fa

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import streams


@pytest.mark.parametrize("taps", [1, 50, 3000])
def test_contenders_give_the_same(taps):
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal(taps)
    stream = fa.Stream(kernel, channels=2, dtype="float32")
    others = [streams.lfilter(kernel), streams.oaconvolve(kernel, 64)]
    for _ in range(100):
        x = rng.standard_normal((2, 64)).astype(np.float32)
        y = stream.push(x)
        for other in others:
            assert_allclose(other(x), y, atol=2e-5 * np.sqrt(taps) * 5)


def test_a_push_is_known_by_its_place_in_the_cycle(monkeypatch):
    clock = iter(range(10**9))
    monkeypatch.setattr(streams, "_seconds", lambda push, x: float(next(clock) % 4) + 1)
    figures = streams.timed({"faltung": lambda x: x}, 64, 4)
    assert figures["faltung"] == (2.5, 4.0)
