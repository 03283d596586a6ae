"""Filters in functions that torch traces, exports or maps: right values, also for other samples and lengths."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import faltung as fa
from zoo import MODES

BANK = fa.Bank.stack([fa.sobel(0), fa.gaussian(1.0)])
CASES = {
    "separable": (fa.gaussian(2.0), {}),
    "even": (fa.Kernel(np.random.default_rng(0).random((4, 3))), {"mode": "wrap"}),
    "full": (fa.sobel(), {"shape": "full", "cval": 2.0}),
    "valid": (fa.gaussian(1.0), {"shape": "valid"}),
    "modes": (fa.gaussian(1.0), {"mode": ("wrap", "constant"), "cval": 3.0}),
    "steps": (fa.laplacian(), {"stride": 2, "dilation": (2, 1)}),
    "complex": (fa.gabor(0.2), {}),
    "bank": (BANK, {}),
    "layer": (fa.Bank(np.random.default_rng(1).random((2, 3, 3, 4))), {"channel_axis": 0, "stride": 2}),
    "taps": (torch.randn(3, 4), {"mode": "nearest"}),
    "missing": (fa.sobel(), {"nan": "ignore", "min_weight": 0.3}),
    "integers": (fa.gaussian(1.0), {"dtype": torch.uint8}),
}


class Filter(torch.nn.Module):
    """Calls `convolve` with a kernel; taps that are a tensor are a parameter."""

    def __init__(self, kernel, named):
        super().__init__()
        self.kernel, self.named = kernel, named
        self.taps = torch.nn.Parameter(kernel.clone()) if isinstance(kernel, torch.Tensor) else None

    def forward(self, x):
        return fa.convolve(x, self.kernel if self.taps is None else self.taps, **self.named)


def samples(name, *shape):
    x = 10 * torch.rand(3, *shape)
    if name == "missing":
        x[0, 4, 5:9] = torch.nan
    return x


def traced(module, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("error", torch.jit.TracerWarning)
        return torch.jit.trace(module, x)


def exported(module, x):
    lengths = {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    return torch.export.export(module, (x,), dynamic_shapes=(lengths,)).module()


#: An export takes half a second; what differs from a trace is how lengths, masks and parameters come in.
RECORDS = [*((name, traced) for name in CASES), *((name, exported) for name in ("modes", "layer", "taps", "missing"))]


@pytest.mark.parametrize(("name", "record"), RECORDS)
def test_a_recorded_filter_is_right_for_other_samples(name, record):
    module = Filter(*CASES[name])
    graph = record(module, samples(name, 30, 31))
    for shape in ((30, 31), (44, 37)):
        x = samples(name, *shape)
        torch.testing.assert_close(graph(x), module(x), rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", ["same", "full"])
def test_recorded_borders_in_every_mode(mode, shape):
    module = Filter(fa.Kernel(np.random.default_rng(2).standard_normal((4, 5))), {"mode": mode, "shape": shape})
    graph = traced(module, torch.rand(9, 8))
    for x in (torch.rand(9, 8), torch.rand(17, 6)):
        torch.testing.assert_close(graph(x), module(x), rtol=1e-4, atol=1e-5)
    short = torch.rand(2, 3)  # shorter than the border
    torch.testing.assert_close(traced(module, short)(short), module(short), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["separable", "taps", "bank"])
def test_gradients_go_through_a_recorded_filter(name):
    module = Filter(*CASES[name])
    x = samples(name, 12, 13).requires_grad_()
    (got,) = torch.autograd.grad(traced(module, x.detach())(x).square().sum(), x)
    (expected,) = torch.autograd.grad(module(x).square().sum(), x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["separable", "taps", "missing", "modes"])
def test_a_filter_in_a_model_for_onnx(name):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    module, x, file = Filter(*CASES[name]), samples(name, 30, 31), io.BytesIO()
    torch.onnx.export(module, (x,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {1: "a", 2: "b"}})
    session = runtime.InferenceSession(file.getvalue())
    for shape in ((30, 31), (44, 37)):
        x = samples(name, *shape)
        got = torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
        torch.testing.assert_close(got, module(x).detach(), rtol=1e-4, atol=1e-4, equal_nan=True)


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(fa.ArgumentError, match="kernel: expected at most three axes where torch records a graph"):
        traced(Filter(fa.Kernel(np.ones((2, 2, 2, 2))), {}), torch.rand(3, 4, 5, 6))


WEIGHTS = torch.rand(12, 13, dtype=torch.float64)
CALLS = {
    "kernel": lambda x: fa.convolve(x, fa.gaussian(1.0)),
    "bank": lambda x: fa.convolve(x, BANK),
    "weights": lambda x: fa.convolve(x, fa.sobel(), weights=WEIGHTS.to(x.device), min_weight=0.2).nan_to_num(),
    "complex": lambda x: torch.view_as_real(fa.convolve(x, fa.gabor(0.2))),
    "taps": lambda x: fa.convolve(x, torch.ones(3, 3, dtype=x.dtype, device=x.device), nan="ignore"),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own use of it
@pytest.mark.parametrize("name", CALLS)
def test_transforms_of_torch(name):
    call, x = CALLS[name], torch.randn(4, 12, 13, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(call)(x), torch.stack([call(image) for image in x]))
    mapped = torch.func.vmap(call, in_dims=1)(x.movedim(0, 1))
    torch.testing.assert_close(mapped, torch.stack([call(image) for image in x]))
    leaf = x[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(call(leaf).square().sum(), leaf)
    torch.testing.assert_close(torch.func.grad(lambda x: call(x).square().sum())(x[0]), expected)
    _, tangent = torch.func.jvp(call, (x[0],), (x[1],))
    difference = (call(x[0] + 1e-6 * x[1]) - call(x[0] - 1e-6 * x[1])) / 2e-6
    torch.testing.assert_close(tangent, difference, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(make_fx(call)(x)(2 * x), call(2 * x))
    assert call(x.to("meta")).shape == call(x).shape
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = call(mode.from_tensor(x))
    assert fake.shape == call(x).shape
