"""Tensors follow the rules of arrays: weights, sums that overflow, half precision, named methods, copies of plans."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import faltung as fa
from covering import covering
from faltung.tensors.device_plan import filter_plan

rng = np.random.default_rng(3)
KERNELS = {
    "smooth": fa.gaussian(0.8),
    "signed": fa.sobel(),
    "complex": fa.gabor(0.2),
    "bank": fa.Bank.stack([fa.sobel(0), fa.gaussian(1.0)]),
}


# ---- weights of samples


RULES = [{}, {"min_weight": 0.6}, {"keep_nan": True}, {"mode": "constant", "cval": 2.0}]


@pytest.mark.parametrize(
    ("name", "dtype", "named"), covering(KERNELS, ["float32", "float64", "complex128", "uint8"], RULES)
)
def test_weights_have_the_meaning_of_arrays(name, dtype, named):
    x = (rng.random((9, 11)) * 100).astype(dtype)
    weights = rng.random((9, 11)).round(2)
    weights[rng.random((9, 11)) < 0.4] = 0
    for given in ({"weights": weights}, {"mask": weights > 0.3}):
        expected = fa.convolve(x, KERNELS[name], **given, **named)
        tensors = {key: torch.from_numpy(value) for key, value in given.items()}
        tolerance = {"rtol": 1e-3, "atol": 1e-3} if dtype in ("float32", "uint8") else {"rtol": 1e-9, "atol": 1e-9}
        for values in (given, tensors):
            got = fa.convolve(torch.from_numpy(x), KERNELS[name], **values, **named)
            np.testing.assert_allclose(got.numpy(), expected, **tolerance)
        run = fa.plan(torch.from_numpy(x), KERNELS[name], **dict.fromkeys(given, True), **named)
        np.testing.assert_array_equal(run(torch.from_numpy(x), **tensors).numpy(), got.numpy())


def test_gradients_to_samples_weights_and_taps():
    x = torch.from_numpy(rng.random((5, 6))).requires_grad_()
    weights = torch.from_numpy(0.2 + 0.7 * rng.random((5, 6))).requires_grad_()
    taps = torch.from_numpy(rng.standard_normal((2, 1, 3, 2))).requires_grad_()
    for named in ({}, {"min_weight": 0.3}, {"keep_nan": True}):

        def by_value(x, weights, named=named):
            return fa.convolve(x, fa.sobel(), weights=weights, **named).nan_to_num()

        assert torch.autograd.gradcheck(by_value, (x, weights))

    def by_taps(x, weights, taps):
        return fa.convolve(x[None], taps, channel_axis=0, weights=weights)

    assert torch.autograd.gradcheck(by_taps, (x, weights, taps))


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ({"weights": 2.0}, "weights: expected numbers from 0 to 1, got some from 2.0 to 2.0"),
        ({"weights": torch.ones(4)}, "weights: expected a tensor of numbers of shape"),
        ({"weights": torch.ones(5, 6, dtype=torch.complex64)}, "weights: expected a tensor of numbers from 0 to 1"),
        ({"mask": torch.ones(5, 6)}, "mask: expected a tensor of booleans"),
        ({"mask": torch.ones(5, 6).bool().to_sparse()}, r"mask: expected a dense tensor.*mask.to_dense\(\)"),
        ({"mask": torch.ones(5, 6, device="meta").bool()}, "mask: expected a tensor with numbers"),
        ({"weights": 1.0, "keep_nan": True, "stride": 2}, "keep_nan: expected False"),
    ],
)
def test_wrong_masks_and_weights_are_named(named, text):
    with pytest.raises(fa.FaltungError, match=text):
        fa.convolve(torch.ones(5, 6), fa.box(3), **named)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x: (x.to_sparse_csr(), [1.0]), r"x.to_dense\(\)"),
        (lambda x: (torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), [1.0]), r"x.dequantize\(\)"),
        (lambda x: (torch.nested.nested_tensor([x, x]), [1.0]), "a nested tensor"),
        (lambda x: (x, torch.ones(3, 3).to_sparse()), r"kernel.to_dense\(\)"),
        (lambda x: (x, torch.ones(3, 3, device="meta")), "kernel: expected a tensor with numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_not_dense_are_named(make, text):
    with pytest.raises(fa.FaltungError, match=text):
        fa.convolve(*make(torch.rand(5, 6)))


def test_numbers_that_are_negated_or_conjugated_when_they_are_read():
    x = torch.randn(8, 9)
    z = torch.complex(x, x)
    for kernel in KERNELS.values():
        torch.testing.assert_close(fa.convolve(z.conj().imag, kernel), fa.convolve(-x, kernel))
        torch.testing.assert_close(fa.convolve(z.conj(), kernel), fa.convolve(torch.complex(x, -x), kernel))
    torch.testing.assert_close(fa.convolve(x, z.conj()), fa.convolve(x, torch.complex(x, -x)))


# ---- values that are not finite, and sums that overflow


def test_infinities_of_complex_tensors_stay_in_their_part():
    x = torch.from_numpy(rng.standard_normal((8, 9)) + 1j * rng.standard_normal((8, 9)))
    x[3, 4] = complex(np.inf, 1.0)
    mask = torch.from_numpy(rng.random((8, 9)) < 0.8)
    for kernel in (fa.Kernel(rng.standard_normal((3, 3)) + 1j), fa.sobel(), fa.Kernel([[1j, 0, 2]])):
        for named in ({}, {"mask": mask}, {"weights": 0.5 * mask}):
            with np.errstate(invalid="ignore"):
                expected = fa.convolve(x.numpy(), kernel, **{k: v.numpy() for k, v in named.items()})
            got = fa.convolve(x, kernel, **named).numpy()
            for part in ("real", "imag"):
                np.testing.assert_allclose(getattr(got, part), getattr(expected, part), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3.4e38), ("float64", 1.5e308), ("bfloat16", 3.3e38)])
@pytest.mark.parametrize("method", ["auto", "direct", "torch", "fourier"])
def test_a_sum_is_finite_though_its_terms_overflow(dtype, large, method):
    x = torch.tensor([[-large], [large]], dtype=getattr(torch, dtype)).repeat(32, 64)
    bank = fa.Bank.stack([fa.sobel(0), fa.laplacian()])
    edges, curved = fa.convolve(x, bank, method=method)
    assert (edges[2:-2].abs() <= 1e-12 * large).all()
    assert curved[30, 30] == torch.inf
    assert curved[31, 31] == -torch.inf
    taps = torch.tensor(bank.taps, dtype=x.dtype, requires_grad=True)
    x.requires_grad_()
    y = fa.convolve(x[None], taps, channel_axis=0, method=method)
    assert (y[0, 2:-2].abs() <= 1e-12 * large).all()
    (got,) = torch.autograd.grad(y[0].sum(), x)
    (expected,) = torch.autograd.grad(fa.convolve((x / large)[None], taps, channel_axis=0)[0].sum(), x)
    torch.testing.assert_close(got, expected * large, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_filters_of_a_device_are_finite_though_terms_overflow(dtype, method):
    large = 3.4e38 if dtype == torch.float32 else 1.5e308
    x = torch.tensor([[-large], [large]], dtype=dtype).repeat(20, 30)
    kernel = fa.sobel(0)
    plan = filter_plan(kernel, (40, 30), (0, 1), ((0, 40), (0, 30)), ("wrap",) * 2, 0.0, method, dtype=dtype)
    assert (plan(x).abs() <= 1e-12 * large).all()


# ---- half precision: computed in single precision, rounded once


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["auto", "direct", "separable", "torch", "fourier"])
@pytest.mark.parametrize("named", [{}, {"mode": "constant", "cval": 0.1}, {"mask": True}, {"weights": True}])
def test_half_precision_is_rounded_once(dtype, method, named):
    x = torch.from_numpy(rng.random((20, 21)) + 1).to(dtype)
    named = {k: torch.from_numpy(rng.random((20, 21)) < 0.7) if v is True else v for k, v in named.items()}
    for kernel in (fa.gaussian(1.0), fa.Bank(rng.random((2, 1, 3, 5))), torch.from_numpy(rng.random((3, 3)))):
        if method == "separable" and not isinstance(kernel, fa.Kernel):
            continue
        if method == "torch" and isinstance(kernel, fa.Kernel):
            continue
        got = fa.convolve(x, kernel, method=method, **named)
        wide = fa.convolve(x, kernel, dtype=torch.float32, method=method, **named)
        assert got.dtype == dtype
        assert wide.dtype == torch.float32
        torch.testing.assert_close(got, wide.to(dtype), rtol=0, atol=0, equal_nan=True)
        exact = fa.convolve(x.double(), kernel, **named)
        torch.testing.assert_close(wide.double(), exact, rtol=1e-5, atol=1e-5, equal_nan=True)


# ---- methods and plans


def test_the_method_that_is_named_runs_or_is_refused():
    x = torch.rand(1, 20, 20)
    taps = torch.rand(2, 1, 3, 3)
    run = fa.plan(x, taps, channel_axis=0, method="fourier")
    assert run.method == "fourier"
    torch.testing.assert_close(run(x), fa.convolve(x, taps, channel_axis=0), rtol=1e-5, atol=1e-5)
    for call in (fa.plan, fa.convolve):
        with pytest.raises(fa.ArgumentError, match="method: expected a way that supports this, got 'triton'"):
            call(x, taps, channel_axis=0, method="triton")


def test_a_plan_of_a_layer_looks_at_its_samples():
    layer = fa.layers.Conv(1, 1, 65, ndim=1, padding=32, bias=False, method="fourier")
    x = torch.rand(1, 1, 500)
    x[0, 0, 250] = 1e20
    got = layer.plan(x.shape)(x, layer.weight)
    torch.testing.assert_close(got, layer(x).detach(), rtol=0, atol=0)
    expected = torch.nn.functional.conv1d(x.double(), layer.weight.double(), padding=32).detach()
    torch.testing.assert_close(got[..., :200].double(), expected[..., :200], rtol=1e-4, atol=1e-4)


def test_a_plan_equals_its_copies_and_no_other_plan():
    x, volume = rng.random((30, 31)), rng.random((3, 20, 20))
    layer = fa.Bank(rng.random((4, 3, 3, 3)))
    plans = []
    for array, more in ((x, volume), (torch.from_numpy(x), torch.from_numpy(volume))):
        plans += [fa.plan(array, kernel) for kernel in KERNELS.values()]
        plans += [fa.plan(array, fa.box(3), "constant", np.nan), fa.plan(array, fa.sobel(), mask=True)]
        plans += [fa.plan(array, fa.gaussian(1), stride=2), fa.plan(more, layer, channel_axis=0)]
    plans += [fa.plan(torch.from_numpy(volume), torch.tensor(layer.taps), channel_axis=0)]
    plans += [fa.layers.Conv(3, 4, 5).plan((1, 3, 20, 20))]
    for k, plan in enumerate(plans):
        for again in (pickle.loads(pickle.dumps(plan)), copy.copy(plan), copy.deepcopy(plan)):
            assert again == plan
            assert hash(again) == hash(plan)
        assert [other == plan for other in plans] == [k == n for n in range(len(plans))]
