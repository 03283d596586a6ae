"""Means of integers that are tensors: the same numbers as of arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import faltung as fa

RNG = np.random.default_rng(3)
KERNELS = {
    "box": fa.box((2, 3)),
    "wide box": fa.box(15),
    "ones": fa.Kernel(np.ones((3, 2)) / 10),
    "single precision": fa.Kernel(np.ones((3, 2), "f4") / np.float32(6)),
    "gaussian": fa.gaussian(1),
    "product": fa.box((3, 4)) * fa.box((4, 3)),
}


def integers(shape, dtype):
    limits = np.iinfo(dtype)
    x = RNG.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    x[..., : shape[-1] // 2] = RNG.integers(0, 5, (*shape[:-1], shape[-1] // 2))
    return x


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name, dtype):
    x, kernel = integers((40, 50), dtype), KERNELS[name]
    for named in ({}, {"mode": "constant", "cval": 0.5}, {"stride": 2}, {"dilation": 2}, {"method": "fourier"}):
        if name == "gaussian" and "method" in named:
            continue  # nothing is exact there
        got = fa.correlate(torch.from_numpy(x), kernel, dtype=getattr(torch, dtype), **named).numpy()
        expected = fa.correlate(x, kernel, dtype=dtype, **named)
        if name == "gaussian" and dtype == "uint8":  # arrays of bytes have taps of 16 bits, see `Plan.levels`
            apart = np.abs(got.astype(int) - expected)
            assert apart.max() <= 1
            assert np.count_nonzero(apart) <= 0.01 * apart.size
        else:
            assert_array_equal(got, expected, str(named))


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_banks(dtype):
    x = integers((3, 30, 41), dtype)
    taps = np.stack([np.ones((3, 2, 3)) / 18, np.ones((3, 2, 3)) / 10, np.full((3, 2, 3), 0.25)])
    for step in (1, 2):
        named = {"channel_axis": 0, "stride": step}
        got = fa.correlate(torch.from_numpy(x), fa.Bank(taps), dtype=getattr(torch, dtype), **named)
        assert_array_equal(got.numpy(), fa.correlate(x, fa.Bank(taps), dtype=dtype, **named))
    bank = fa.Bank.stack([fa.box((2, 3)), fa.box(3)])
    got = fa.correlate(torch.from_numpy(x[0]), bank, dtype=getattr(torch, dtype))
    assert_array_equal(got.numpy(), fa.correlate(x[0], bank, dtype=dtype))


def test_out():
    x = integers((40, 50), "uint8")
    out = torch.empty(40, 50, dtype=torch.uint8)
    assert fa.correlate(torch.from_numpy(x), fa.box((2, 3)), out=out) is out
    assert_array_equal(out.numpy(), fa.correlate(x, fa.box((2, 3)), dtype="u1"))
