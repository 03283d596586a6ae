"""`convolve` and `correlate` of tensors: what they do to arrays, with gradients."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.ground.bounded import Bounded
from faltung.planning import kept, wisdom
from faltung.planning.planned import Planned
from faltung.run import race
from faltung.tensors.device_plan import filter_plan
from zoo import MODES

KERNELS = {
    "smooth": fa.gaussian(1.2),
    "edge": fa.sobel(axis=0) * fa.box(3),
    "even": fa.Kernel(np.random.default_rng(0).random((4, 3)), origin=(0, 2)),
    "array": np.random.default_rng(1).random((3, 2)),
}
rng = np.random.default_rng(7)


def both(x, *arguments, filter_=fa.convolve, **named):
    """What comes out for a tensor and for the array that it shares its memory with."""
    return filter_(x, *arguments, **named).detach().numpy(), filter_(x.detach().numpy(), *arguments, **named)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", ["same", "valid", "full"])
@pytest.mark.parametrize("filter_", [fa.convolve, fa.correlate])
def test_a_tensor_is_filtered_as_an_array_is(name, mode, shape, filter_):
    x = torch.from_numpy(rng.standard_normal((2, 13, 17)))
    got, expected = both(x, KERNELS[name], mode, 0.5, shape=shape, filter_=filter_)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("named", [{"axes": (0, 2)}, {"stride": 2}, {"dilation": (2, 1)}, {"channel_axis": 0}])
def test_axes_and_steps(named):
    x = torch.from_numpy(rng.standard_normal((9, 10, 11)))
    got, expected = both(x, KERNELS["even"], **named)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["smooth", "even"])
def test_gradients_to_the_samples(name, mode):
    x = torch.from_numpy(rng.standard_normal((5, 6))).requires_grad_()

    def filtered(x):
        return fa.convolve(x, KERNELS[name], mode, shape="same")

    assert torch.autograd.gradcheck(filtered, (x,))
    assert torch.autograd.gradgradcheck(filtered, (x,))


@pytest.mark.parametrize("shape", ["valid", "full"])
def test_gradients_for_other_shapes(shape):
    x = torch.from_numpy(rng.standard_normal((8, 9))).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: fa.correlate(x, KERNELS["even"], "constant", shape=shape), (x,))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reflected", [True, False])
def test_gradients_to_taps_that_are_a_tensor(mode, reflected):
    x = torch.from_numpy(rng.standard_normal((6, 7))).requires_grad_()
    taps = torch.from_numpy(rng.standard_normal((3, 2))).requires_grad_()
    filter_ = fa.convolve if reflected else fa.correlate
    got = filter_(x, taps, mode, 0.3)
    expected = filter_(x.detach().numpy(), taps.detach().numpy(), mode, 0.3)
    np.testing.assert_allclose(got.detach().numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x, taps: filter_(x, taps, mode), (x, taps))
    assert torch.autograd.gradgradcheck(lambda x, taps: filter_(x, taps, mode), (x, taps))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("named", [{}, {"stride": 2}, {"dilation": 2}, {"shape": "full"}, {"shape": "valid"}])
def test_banks_over_channels(mode, named):
    x = torch.from_numpy(rng.standard_normal((2, 9, 10, 3)))
    bank = fa.Bank(rng.standard_normal((4, 3, 3, 2)))
    got, expected = both(x, bank, mode, 0.4, channel_axis=3, **named)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_taps_of_a_layer_as_a_tensor():
    x, w = torch.randn(2, 4, 9, 10, dtype=torch.float64), torch.randn(6, 2, 3, 3, dtype=torch.float64)
    got = fa.correlate(x, w, "constant", channel_axis=1, groups=2, stride=2, method="direct")
    expected = torch.nn.functional.conv2d(x, w, padding=1, stride=2, groups=2)
    torch.testing.assert_close(got, expected)


def test_a_bank_without_channels():
    x = torch.randn(9, 10, dtype=torch.float64, requires_grad=True)
    bank = fa.Bank.stack([fa.sobel(axis=0), fa.sobel(axis=1)])
    got, expected = both(x, bank)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: bank(x), (x,))


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int16, torch.int32, torch.float16, torch.bfloat16, torch.float32]
)
def test_dtypes(dtype):
    x = (torch.rand(9, 10) * 100).to(dtype)
    y = fa.convolve(x, fa.gaussian(1))
    kept = {torch.uint8: torch.float32, torch.int16: torch.float32, torch.int32: torch.float64}
    assert y.dtype == kept.get(dtype, dtype)
    exact = fa.convolve(x.double().numpy(), fa.gaussian(1))
    eps = torch.finfo(y.dtype).eps
    assert np.abs(y.double().numpy() - exact).max() <= 2 * eps * np.abs(exact).max() + 1e-4


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64"])
def test_integers_are_rounded_and_saturated(dtype):
    x = torch.from_numpy(rng.uniform(-400, 70_000, (8, 9)) * (1e16 if dtype == "int64" else 1))
    x[2, 3] = np.nan
    got, expected = both(x, fa.Kernel([[1.0]]), dtype=dtype)
    np.testing.assert_array_equal(got, expected)
    assert fa.convolve(x, fa.Kernel([[1.0]]), dtype=getattr(torch, dtype)).dtype == getattr(torch, dtype)


def test_complex_samples_and_kernels():
    x = torch.randn(9, 8, dtype=torch.complex128)
    for kernel in (fa.gabor(0.2), fa.gaussian(1)):
        got, expected = both(x, kernel)
        np.testing.assert_allclose(got, expected, atol=1e-12)
    got, expected = both(x.real.contiguous(), fa.gabor(0.2))
    np.testing.assert_allclose(got, expected, atol=1e-12)
    z = torch.randn(4, 5, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: torch.view_as_real(fa.convolve(z, fa.gabor(0.2))), (z,))


@pytest.mark.parametrize(("mode", "shape"), [("reflect", "same"), ("constant", "full"), ("wrap", "same")])
def test_missing_samples(mode, shape):
    x = torch.from_numpy(rng.standard_normal((9, 10)))
    x[3, 4:7] = torch.nan
    mask = torch.rand(9, 10) > 0.3
    mask[:6, :6] = False
    for named in ({"nan": "ignore"}, {"nan": "ignore", "mask": mask}):
        got = fa.convolve(x, fa.gaussian(0.6), mode, 2.0, shape=shape, **named)
        asked = {key: value.numpy() if key == "mask" else value for key, value in named.items()}
        expected = fa.convolve(x.numpy(), fa.gaussian(0.6), mode, 2.0, shape=shape, **asked)
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-10)


def test_into_a_tensor_that_is_given():
    x, out = torch.randn(9, 10), torch.empty(9, 10)
    assert fa.convolve(x, fa.gaussian(1), out=out) is out
    np.testing.assert_allclose(out.numpy(), fa.convolve(x.numpy(), fa.gaussian(1)), atol=1e-6)
    with pytest.raises(fa.ArgumentError, match="out: expected a tensor of shape"):
        fa.convolve(x, fa.gaussian(1), out=torch.empty(3))


def test_nothing_is_copied_on_the_cpu(monkeypatch):
    seen = []
    execute = Planned.execute

    def watched(plan, x, *rest):
        seen.append(x.ctypes.data)
        return execute(plan, x, *rest)

    monkeypatch.setattr(Planned, "execute", staticmethod(watched))
    x = torch.randn(64, 64)
    fa.convolve(x, fa.gaussian(1))
    assert seen == [x.data_ptr()]


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute"
)  # torch's own, where it leaves a graph and takes it up again
def test_vmap_and_compile():
    x = torch.randn(3, 8, 9)
    mapped = torch.vmap(lambda image: fa.convolve(image, fa.gaussian(1)))(x)
    torch.testing.assert_close(mapped, fa.convolve(x, fa.gaussian(1)))
    compiled = torch.compile(lambda x: fa.convolve(x, fa.gaussian(1), "wrap").square().sum(), backend="aot_eager")
    x.requires_grad_()
    (expected,) = torch.autograd.grad(fa.convolve(x, fa.gaussian(1), "wrap").square().sum(), x)
    (got,) = torch.autograd.grad(compiled(x), x)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
@pytest.mark.parametrize("mode", MODES)
def test_the_ways_of_a_device(method, mode):
    kernel = fa.gaussian(1.0)
    x = rng.standard_normal((3, 12, 14))
    regions, axes = ((-1, 12), (0, 13)), (0, 2)
    x = x.transpose(1, 0, 2)
    plan = filter_plan(kernel, x.shape, axes, regions, (mode, mode), 0.7, method, dtype=torch.float64)
    expected = fa.correlate(x, kernel, mode, 0.7, axes=axes, shape="same")
    got = plan(torch.from_numpy(x.copy())).numpy()
    np.testing.assert_allclose(got[1:], expected[:, :, :13], atol=1e-12)
    assert "rejected" in str(plan)


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
def test_the_ways_of_a_device_keep_what_is_not_finite_where_it_is(method):
    x = rng.standard_normal((20, 21))
    x[3, 4], x[10, 11], x[15, 2], x[15, 3] = np.nan, np.inf, np.inf, -np.inf
    kernel = fa.gaussian(1.0) - 0.3 * fa.delta()
    plan = filter_plan(
        kernel, x.shape, (0, 1), ((0, 20), (0, 21)), ("reflect",) * 2, 0.0, method, dtype=torch.float64
    )
    got = plan(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, fa.correlate(x, kernel, method="direct"), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: fa.convolve(x.numpy(), torch.ones(3)), "x: expected a tensor, as the kernel is one"),
        (lambda x: fa.convolve(x, fa.gaussian(1, ndim=3)), "x: expected an array with at least as many axes"),
        (lambda x: fa.convolve(x, fa.gaussian(1), "symmetric"), "Use mode='reflect'"),
        (lambda x: fa.convolve(x, "gaussian(1)"), "Read an expression with faltung.parse"),
        (lambda x: fa.convolve(x, fa.gaussian(1), dtype="text"), "dtype: expected"),
        (lambda x: fa.convolve(x, fa.gaussian(1), mask=x), "mask: expected a tensor of booleans"),
        (lambda x: fa.convolve(x, torch.ones(3, 3), channel_axis=0), "kernel: expected taps of shape"),
        (lambda x: fa.convolve(x, fa.gaussian(1), stride=0), "stride: expected a positive integer"),
        (lambda x: fa.convolve(x, fa.gaussian(1), method="magic"), "method: expected one of"),
    ],
)
def test_wrong_arguments_are_named(call, text):
    with pytest.raises(fa.FaltungError, match=text):
        call(torch.randn(6, 7))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_banks_keep_what_is_not_finite_where_their_taps_touch_it(value):
    x, taps = rng.standard_normal((2, 9, 10)), rng.standard_normal((3, 2, 3, 3))
    x[1, 4, 5] = value
    taps[rng.random(taps.shape) < 0.5] = 0
    got, expected = both(torch.from_numpy(x), fa.Bank(taps), channel_axis=0)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_plans_of_tensors_are_printed():
    x = torch.randn(3, 64, 64)
    assert "separable" in str(fa.plan(x, fa.gaussian(2)))
    assert "with respect to the taps" in str(fa.plan(x, torch.randn(8, 3, 3, 3), channel_axis=0))
    assert (
        fa.plan(x, fa.Bank(np.ones((8, 3, 3, 3))), channel_axis=0, method="torch").inner.method_of("taps") == "torch"
    )


# ---- plans


TENSOR_PLANS = {
    "kernel": (fa.gaussian(1.0), {}),
    "complex kernel": (fa.gabor(0.2), {}),
    "stride": (fa.gaussian(1.0), {"stride": 2}),
    "bank": (fa.Bank.stack([fa.sobel(), fa.gaussian(1.0)]), {}),
    "channels": (fa.Bank(np.ones((4, 3, 3, 3))), {"channel_axis": 0}),
    "taps": (torch.ones(4, 3, 3, 3), {"channel_axis": 0}),
    "full": (fa.gaussian(1.0), {"shape": "full"}),
}


@pytest.mark.parametrize("name", TENSOR_PLANS)
def test_plans_of_tensors_have_the_face_of_all_plans(name):
    x = torch.randn(3, 20, 24)
    kernel, named = TENSOR_PLANS[name]
    run = fa.plan(x, kernel, **named)
    y = run(x)
    torch.testing.assert_close(y, fa.convolve(x, kernel, **named), rtol=0, atol=0)
    assert tuple(y.shape) == run.result_shape
    assert run.method == run.candidates[0].method
    assert 0 < run.error < 1e-4
    assert run.pointwise in (True, False)
    assert isinstance(run.memory, int)
    assert "error" in str(run)
    again = pickle.loads(pickle.dumps(run))
    assert str(again) == str(run)
    torch.testing.assert_close(again(x), y, rtol=0, atol=0)
    out = torch.empty_like(y)
    assert run(x, out, workers=1) is out
    for wrong in (x.double(), x[:, 1:], x.to("meta")):
        with pytest.raises(fa.ArgumentError, match="for which this plan was made"):
            run(wrong)
    with pytest.raises(fa.ArgumentTypeError, match="for which this plan was made"):
        run(x.numpy())
    with pytest.raises(fa.ArgumentError, match="mask: expected None"):
        run(x, mask=torch.ones(x.shape, dtype=torch.bool))
    with pytest.raises(fa.ArgumentTypeError, match="workers: expected a positive integer"):
        run(x, workers=True)


def test_a_plan_made_with_a_mask_is_called_with_one():
    x = torch.randn(20, 24)
    mask = torch.rand(20, 24) < 0.9
    run = fa.plan(x, fa.gaussian(1.0), mask=mask)
    torch.testing.assert_close(run(x, mask=mask), fa.convolve(x, fa.gaussian(1.0), mask=mask))
    with pytest.raises(fa.ArgumentError, match="mask: expected a tensor of booleans"):
        run(x)


def test_what_is_measured_for_an_array_holds_for_the_same_tensor(monkeypatch, tmp_path):
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path))
    monkeypatch.setattr(wisdom, "_choices", Bounded(100))
    monkeypatch.setattr(wisdom, "_loaded", False)
    monkeypatch.setattr(race, "REACH", 1e6)
    kernel = fa.Kernel(np.random.default_rng(0).standard_normal((5, 7)))
    for first, second in (
        (np.zeros((60, 70), "f4"), torch.zeros(60, 70)),
        (torch.zeros(70, 60), np.zeros((70, 60), "f4")),
    ):
        measured = []
        monkeypatch.setattr(race, "_race", lambda plans, measured=measured: measured.append(1) or "fourier")
        assert fa.plan(first, kernel, effort="measure").method == "fourier"
        assert measured == [1]
        kept.forget()
        assert fa.plan(second, kernel).method == fa.plan(first, kernel).method == "fourier"
    kept.forget()


def test_effort_is_measured_or_refused():
    x = torch.zeros(3, 20, 20)
    for kernel in (fa.Bank(np.ones((4, 3, 3, 3))), torch.ones(4, 3, 3, 3)):
        with pytest.raises(fa.ArgumentError, match="effort: expected 'estimate' for banks"):
            fa.plan(x, kernel, channel_axis=0, effort="measure")
