"""A bank over one input: the same as its kernels one by one, whatever they share."""

from __future__ import annotations

import math
import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
import shifted
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.kernels.basis import shared_basis

RNG = np.random.default_rng(6)
ANGLES = np.linspace(0.0, np.pi, 7, endpoint=False)
STEERED = [
    np.cos(a) * fa.gaussian_derivative(1.5, axis=0) + np.sin(a) * fa.gaussian_derivative(1.5, axis=1) for a in ANGLES
]
BANKS = {
    "gabor": [fa.gabor(0.2, float(a), sigma_x=2, sigma_y=3).real for a in ANGLES],
    "steered": STEERED,
    "mixed": [fa.gaussian(1.0), fa.box(9), fa.disk(3), fa.Kernel(RNG.random((5, 4)), origin=(0, 3)), fa.delta()],
    "complex": [fa.gabor(0.2, float(a)) for a in ANGLES[:3]],
    "one": [fa.gaussian(1.0)],
}


def one_by_one(x, kernels, **named):
    return np.stack([fa.convolve(x, kernel, method="direct", **named) for kernel in kernels])


def in_every_way(x, kernels, **named):
    bank = fa.Bank.stack(kernels)
    ways = [c.method for c in fa.plan(x, bank, **named).candidates if math.isfinite(c.seconds)]
    assert "apart" in ways
    for method in ("auto", *ways):
        yield fa.convolve(x, bank, method=method, **named)


@pytest.mark.parametrize("name", BANKS)
@pytest.mark.parametrize(
    ("shape", "mode"), [((90, 110), "reflect"), ((5, 7), "reflect"), ((5, 7), "constant"), ((2, 64, 50), "constant")]
)
def test_a_bank_is_its_kernels(name, shape, mode):
    x = RNG.standard_normal(shape).astype(np.float32)
    want = one_by_one(x, BANKS[name], mode=mode)
    scale = max(np.abs(kernel.taps).sum() for kernel in BANKS[name]) * np.abs(x).max()
    for got in in_every_way(x, BANKS[name], mode=mode):
        assert got.shape == (len(BANKS[name]), *shape)
        assert np.abs(got - want).max() <= 2e-6 * scale


@pytest.mark.parametrize("name", BANKS)
def test_samples_that_are_not_finite_affect_the_same_outputs(name):
    x = RNG.standard_normal((80, 90)).astype(np.float32)
    x[10, 20], x[60, 70], x[61, 75] = np.nan, np.inf, -np.inf
    want = one_by_one(x, BANKS[name])
    for got in in_every_way(x, BANKS[name]):
        assert_array_equal(np.isfinite(got), np.isfinite(want))
        if want.dtype.kind != "c":
            assert_array_equal(got[np.isinf(want)], want[np.isinf(want)])


@pytest.mark.parametrize("shape", ["full", "valid", "same"])
@pytest.mark.parametrize("call", [fa.convolve, fa.correlate])
def test_every_kernel_covers_the_same_outputs(shape, call):
    x = RNG.standard_normal((40, 50))
    bank = fa.Bank.stack(BANKS["mixed"])
    whole = [fa.Kernel(bank.taps[i, 0], bank.origin) for i in range(len(bank))]
    want = np.stack([call(x, kernel, shape=shape) for kernel in whole])
    for method in ("apart", "fourier"):
        assert_allclose(call(x, bank, shape=shape, method=method), want, atol=1e-12)


def test_other_dtypes_and_missing_samples():
    x = RNG.integers(0, 255, (60, 70)).astype(np.uint8)
    bank = fa.Bank.stack(BANKS["steered"])
    got = bank(x, dtype="i2")
    assert got.dtype == np.int16
    assert np.abs(got - one_by_one(x, BANKS["steered"])).max() <= 0.5 + 1e-4
    holes = x.astype(float)
    holes[4, 5] = np.nan
    want = np.stack([fa.convolve(holes, kernel, nan="ignore") for kernel in BANKS["steered"]])
    assert_allclose(fa.convolve(holes, bank, nan="ignore"), want, atol=1e-12)


def test_out_of_any_memory_layout():
    x = RNG.standard_normal((60, 70)).astype(np.float32)
    bank = fa.Bank.stack(BANKS["steered"])
    want = bank(x)
    for out in (np.empty(want.shape, "f4"), np.empty((70, 60, 7), "f4").T):
        assert bank(x, out=out) is out
        assert_allclose(out, want, atol=1e-6)
    stack = np.empty((7, 60, 70), "f4")
    stack[3] = x
    assert_array_equal(bank(stack[3], out=stack), want)


@pytest.mark.parametrize("method", ["fourier", "basis"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_memory_of_the_result_changes_no_bit_and_takes_no_copy(method, dtype):
    x = RNG.standard_normal((400, 500)).astype(dtype)
    run = fa.plan(x, fa.Bank.stack(BANKS["steered"]), method=method)
    want = run(x)
    shape = want.shape
    outs = [
        np.empty(shape[::-1], dtype).T,
        np.empty((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2],
        np.empty(shape, dtype)[::-1, :, ::-1],
        np.moveaxis(np.empty((*shape[1:], shape[0]), dtype), -1, 0),
    ]
    run(x, out=outs[0])
    tracemalloc.start()
    try:
        for out in outs:
            assert run(x, out=out) is out
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    for out in outs:
        assert_array_equal(out, want)
    assert peak < want.nbytes  # of scratch, whatever the size


def test_workers_change_no_bit():
    x = RNG.standard_normal((200, 300)).astype(np.float32)
    for name in ("gabor", "steered"):
        for method in ("fourier", "auto"):
            first = fa.convolve(x, fa.Bank.stack(BANKS[name]), method=method, workers=1)
            assert first.tobytes() == fa.convolve(x, fa.Bank.stack(BANKS[name]), method=method, workers=3).tobytes()


def test_the_plan_of_a_bank_is_a_value_that_prints():
    x = RNG.standard_normal((100, 120)).astype(np.float32)
    run = fa.plan(x, fa.Bank.stack(STEERED), method="basis")
    assert_array_equal(pickle.loads(pickle.dumps(run))(x), run(x))
    text = str(run)
    assert "a bank of 7 kernels" in text
    assert "basis: combinations of 2 separable filters" in text
    assert {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("rejected")} == {
        "apart",
        "fourier",
    }


def test_steered_filters_share_a_basis_and_noise_does_not():
    taps = np.stack([kernel.taps for kernel in STEERED])
    basis = shared_basis(taps, 1e-15, 7)
    assert basis is not None
    assert len(basis.rows) == 2
    assert_allclose(np.einsum("ij,jk,jl->ikl", basis.weights, basis.columns, basis.rows), taps, atol=1e-15)
    assert shared_basis(RNG.standard_normal((7, 9, 9)), 1e-15, 7) is None
    taps[2, 3, 4] += 1e-9  # not quite
    assert shared_basis(taps, 1e-15, 7) is None
    assert shared_basis(np.zeros((2, 3, 3)), 1e-15, 7) is None


def test_pointwise_accuracy_leaves_each_kernel_alone():
    x = RNG.standard_normal((100, 120)) * 10.0 ** RNG.uniform(-6, 6, (100, 120))
    bank = fa.Bank.stack(BANKS["gabor"])
    assert fa.plan(x, bank, accuracy="pointwise").method == "apart"
    with pytest.raises(ArgumentError, match="not bounded point by point"):
        fa.plan(x, bank, accuracy="pointwise", method="fourier")


def test_errors_name_the_argument():
    x = np.zeros((8, 9))
    with pytest.raises(ArgumentError, match="kernel: expected a bank with one channel in, got one with 2"):
        fa.convolve(x, fa.Bank(np.ones((3, 2, 3, 3))))
    with pytest.raises(ArgumentError, match="method: expected one of"):
        fa.convolve(x, fa.Bank.stack([fa.box(3)]), method="fft")
    with pytest.raises(ArgumentTypeError, match="x: expected an array, got a bank"):
        fa.convolve(fa.Bank.stack([fa.box(3)]), x)
    with pytest.raises(ArgumentError, match="out: expected a writable array of shape"):
        fa.Bank.stack([fa.box(3)])(x, out=np.empty((8, 9)))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_kernels_that_share_transforms_leave_no_trace_in_each_other(dtype):
    # Two kernels are the real and imaginary part of one spectrum: of about one size, or each by itself.
    taps = RNG.standard_normal((7, 1, 1, 9))
    taps[1] = 0.0
    taps[2] *= 1e-34 if dtype == "f4" else 1e-290
    taps[4] *= 1e34 if dtype == "f4" else 1e290
    taps[6] = 0.0
    x = RNG.standard_normal((5, 80)).astype(dtype)
    plan = fa.plan(x, fa.Bank(taps), method="fourier")
    maps = plan(x)
    for kernel, got in zip(taps[:, 0], maps, strict=True):
        exact = shifted.convolve(x, kernel.astype(dtype), (0, 4), "reflect", 0.0, [(0, 5), (0, 80)])
        assert np.abs(got - exact).max() <= plan.error * np.abs(kernel).sum() * np.abs(x).max()
    assert not maps[[1, 6]].any()


def test_a_fourier_bank_of_zeros_alone_is_zero():
    x = RNG.standard_normal((40, 50)).astype("f4")
    assert not fa.convolve(x, fa.Bank(np.zeros((3, 1, 5, 5))), method="fourier").any()
