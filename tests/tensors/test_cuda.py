"""Layers and filters on a GPU give what they give on the CPU; what needs no GPU of it runs on the CPU, too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import faltung as fa
from faltung.layers import Conv, ConvTransposed
from faltung.tensors.device import measure
from faltung.tensors.layer_plan import METHODS
from faltung.tensors.ways.way import PARTS
from zoo import MODES

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch sees no GPU: these tests want CUDA and a build of torch for it"
)
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]
HALVES = ["float16", "bfloat16"]
#: Relative to the largest result.
TOLERANCE = {"float64": 1e-11, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}

# channels in and out, size of the kernel, other arguments, shape of the input
LAYERS = {
    "depthwise 7x7": (6, 6, 7, {"padding": 3, "groups": 6}, (2, 6, 19, 22)),
    "depthwise 3x3, stride 2": (8, 8, 3, {"stride": 2, "padding": 1, "groups": 8}, (3, 8, 16, 17)),
    "depthwise 3x5, dilation 2": (4, 4, (3, 5), {"dilation": 2, "padding": "same", "groups": 4}, (1, 4, 12, 13)),
    "depthwise 13x13": (4, 4, 13, {"padding": 6, "groups": 4}, (2, 4, 24, 24)),
    "one channel, series": (1, 1, 70, {"ndim": 1}, (2, 1, 300)),
    "depthwise series": (3, 3, 5, {"ndim": 1, "padding": 4, "groups": 3}, (2, 3, 50)),
    "dense 3x3": (8, 16, 3, {"padding": 1}, (2, 8, 14, 15)),
    "few channels, 9x9": (3, 4, 9, {"stride": 2, "padding": 4}, (2, 3, 32, 30)),
    "symmetric": (3, 3, 5, {"padding": 2, "padding_mode": "symmetric", "groups": 3}, (2, 3, 11, 12)),
    "circular": (2, 3, 3, {"padding": 1, "padding_mode": "circular"}, (2, 2, 9, 8)),
    "volume": (2, 4, 3, {"padding": 1, "ndim": 3}, (1, 2, 7, 8, 9)),
}


@pytest.fixture(autouse=True)
def _in_full_precision():
    """Torch's own layers round single precision to ten bits on tensor cores, unless they are told not to."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def results(name, device, dtype, method, last=False, kind=Conv):
    """Outputs, and gradients to input, kernel and bias, of a layer; all made from the same numbers."""
    ins, outs, size, arguments, shape = LAYERS[name]
    torch.manual_seed(0)
    layer = kind(ins, outs, size, **arguments, method=method).to(getattr(torch, dtype))
    x = torch.randn(shape).to(getattr(torch, dtype))
    if device == "exact":
        layer, x, device = layer.double(), x.double(), "cpu"
    layer, x = layer.to(device), x.to(device)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    y = layer(x)
    g = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))
    y.backward(g.to(y))
    return [y.detach(), x.grad, layer.weight.grad, layer.bias.grad]


def compare(found, wanted, dtype, device):
    for a, b in zip(found, wanted, strict=True):
        assert a.device.type == device
        assert a.shape == b.shape
        assert float((a.cpu().double() - b).abs().max() / b.abs().max()) < TOLERANCE[dtype]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_their_gradients(name, method, device):
    compare(results(name, device, "float32", method), results(name, "exact", "float32", "torch"), "float32", device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_double_precision(method, device):
    name = "depthwise 7x7"
    compare(results(name, device, "float64", method), results(name, "exact", "float64", "torch"), "float64", device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("method", ["auto", "triton", "torch"])
@pytest.mark.parametrize("name", ["depthwise 7x7", "depthwise 3x3, stride 2", "dense 3x3", "depthwise series"])
def test_half_precision(name, method, dtype, device):
    found = results(name, device, dtype, method)
    assert {each.dtype for each in found} == {getattr(torch, dtype)}
    compare(found, results(name, "exact", dtype, "torch"), dtype, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["depthwise 7x7", "depthwise 3x3, stride 2", "dense 3x3"])
def test_channels_last(name, method, dtype, device):
    found = results(name, device, dtype, method, last=True)
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    compare(found, results(name, "exact", dtype, "torch"), dtype, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_transposed_layers(method, device):
    name = "depthwise 3x3, stride 2"
    found = results(name, device, "float32", method, kind=ConvTransposed)
    compare(found, results(name, "exact", "float32", "torch", kind=ConvTransposed), "float32", device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", ["auto", "triton", "torch"])
def test_second_derivatives(method, device):
    layer = Conv(2, 2, 3, stride=2, padding=1, groups=2, method=method, device=device, dtype=torch.float64)
    torch.manual_seed(0)
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, device=device, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", ["auto", "triton", "torch"])
def test_autocast(method, device):
    torch.manual_seed(0)
    layer = Conv(6, 6, 7, padding=3, groups=6, method=method).to(device)
    x = torch.randn(2, 6, 16, 16, device=device, requires_grad=True)
    with torch.autocast(device, dtype=torch.bfloat16):
        y = layer(x)
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16
    assert layer.weight.grad.dtype == x.grad.dtype == torch.float32
    plain = nn.functional.conv2d(x, layer.weight, layer.bias, padding=3, groups=6).detach()
    assert float((y.detach() - plain).abs().max() / plain.abs().max()) < TOLERANCE["bfloat16"]


@pytest.mark.parametrize("device", DEVICES)
def test_plans_say_where_and_why(device):
    text = str(Conv(6, 6, 7, padding=3, groups=6, device=device).plan((2, 6, 16, 16)))
    assert f"float32 on {device}" in text
    assert all(part in text for part in ("outputs", "with respect to the input", "with respect to the taps"))
    assert all(text.count(f"{method}: ") == len(PARTS) for method in METHODS[1:])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_what_is_not_finite_stays_where_it_is_met(dtype, device):
    x = torch.zeros(1, 2, 20, 20, dtype=getattr(torch, dtype), device=device)
    x[0, 0, 5, 6], x[0, 1, 19, 0] = float("nan"), float("inf")
    layer = Conv(2, 2, 3, padding=1, groups=2, method="triton", device=device, dtype=x.dtype)
    found = torch.isfinite(layer(x)).cpu()
    wanted = torch.ones(1, 2, 20, 20, dtype=torch.bool)
    wanted[0, 0, 4:7, 5:8], wanted[0, 1, 18:, :2] = False, False
    assert (found == wanted).all()


# ---- filters


IMAGE = np.random.default_rng(0).standard_normal((2, 61, 70))
KERNELS = {
    "gaussian": fa.gaussian(2),
    "box": fa.box(5),
    "sobel": fa.sobel(axis=1),
    "log": fa.log(1.5),
    "dense": fa.Kernel(np.random.default_rng(1).standard_normal((7, 4)), origin=(2, 1)),
    "large": fa.Kernel(np.random.default_rng(2).standard_normal((31, 31))),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", KERNELS)
def test_filters(name, mode, device):
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        x = torch.from_numpy(IMAGE).to(device, dtype)
        y = fa.convolve(x, KERNELS[name], mode, 0.5)
        wanted = fa.convolve(IMAGE, KERNELS[name], mode, 0.5)
        assert (y.device.type, y.dtype, y.shape) == (device, dtype, x.shape)
        largest = np.abs(KERNELS[name].taps).sum() * np.abs(IMAGE).max()
        assert np.abs(y.cpu().numpy() - wanted).max() < tolerance * largest


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", ["auto", "direct", "separable", "fourier"])
def test_methods_of_filters(method, device):
    x = torch.from_numpy(IMAGE).to(device, torch.float32)
    y = fa.convolve(x, fa.gaussian(3), method=method)
    assert np.abs(y.cpu().numpy() - fa.convolve(IMAGE, fa.gaussian(3))).max() < 1e-5


LAYOUTS = {
    "transposed": lambda x: x.mT.contiguous().mT,
    "channels last": lambda x: x.movedim(0, 2).contiguous().movedim(2, 0),
    "every second": lambda x: x.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, ::2, ::2],
    "imaginary part": lambda x: torch.complex(x, -x).conj().imag,
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", ["direct", "separable"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_filters_of_any_layout(layout, method, device):
    x = LAYOUTS[layout](torch.from_numpy(IMAGE).to(device, torch.float32))
    y = fa.convolve(x, fa.gaussian(1.5), ("constant", "wrap"), 0.5, axes=(1, 2), method=method)
    wanted = fa.convolve(IMAGE, fa.gaussian(1.5), ("constant", "wrap"), 0.5, axes=(1, 2))
    assert np.abs(y.cpu().numpy() - wanted).max() < 1e-5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 300)])
def test_arrays_smaller_than_the_kernel(shape, mode, device):
    image = np.random.default_rng(3).standard_normal(shape)
    kernel = fa.Kernel(np.random.default_rng(4).standard_normal((7, 9)))
    y = fa.convolve(torch.from_numpy(image).to(device), kernel, mode, 0.5)
    assert np.abs(y.cpu().numpy() - fa.convolve(image, kernel, mode, 0.5)).max() < 1e-11


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("method", ["direct", "separable"])
def test_half_precision_of_filters(method, dtype, device):
    x = torch.from_numpy(IMAGE).to(device, getattr(torch, dtype))
    y = fa.convolve(x, fa.gaussian(2), method=method)
    assert y.dtype == x.dtype
    wanted = fa.convolve(x.double().cpu().numpy(), fa.gaussian(2))
    assert np.abs(y.double().cpu().numpy() - wanted).max() < TOLERANCE[dtype]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", ["direct", "separable", "auto"])
def test_what_is_not_finite_spoils_what_taps_touch(method, device):
    x = torch.from_numpy(IMAGE[0]).to(torch.float32)
    x[0, 0], x[30, 20], x[30, 22], x[60, 69] = float("nan"), float("inf"), -float("inf"), float("inf")
    kernel = fa.Kernel(np.multiply.outer([1.0, 0.0, 2.0], [1.0, -2.0, 0.5]))
    y = fa.convolve(x.to(device), kernel, method=method).cpu().numpy()
    np.testing.assert_allclose(y, fa.convolve(x.numpy(), kernel), 1e-5, 1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["reflect", "constant"])
def test_gradients_of_filters(mode, device):
    gradients = []
    for where, dtype in ((device, torch.float32), ("cpu", torch.float64)):
        x = torch.from_numpy(IMAGE).to(where, dtype).requires_grad_()
        y = fa.convolve(x, fa.gaussian(2), mode)
        (y * torch.from_numpy(np.cos(IMAGE)).to(y)).sum().backward()
        gradients.append(x.grad)
    assert gradients[0].device.type == device
    assert float((gradients[0].cpu() - gradients[1]).abs().max()) < 1e-5


@pytest.mark.parametrize("device", DEVICES)
def test_taps_that_are_a_tensor_have_a_gradient(device):
    found = []
    for where, dtype in ((device, torch.float32), ("cpu", torch.float64)):
        x = torch.from_numpy(IMAGE).to(where, dtype)
        taps = torch.from_numpy(np.cos(np.arange(35.0)).reshape(5, 7)).to(where, dtype).requires_grad_()
        y = fa.convolve(x, taps)
        (y * torch.from_numpy(np.sin(IMAGE)).to(y)).sum().backward()
        found.append((y.detach().cpu(), taps.grad.cpu()))
    for a, b in zip(*found, strict=True):
        assert float((a - b).abs().max() / b.abs().max()) < 1e-5


# ---- what there is on a GPU only


@needs_cuda
@pytest.mark.parametrize("method", ["torch", "triton"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ["depthwise 7x7", "depthwise 3x3, stride 2", "dense 3x3", "symmetric"])
def test_nothing_waits_for_the_device(name, last, method):
    ins, outs, size, arguments, shape = LAYERS[name]
    layer = Conv(ins, outs, size, **arguments, method=method).cuda()
    x = torch.randn(shape, device="cuda")
    x = (x.contiguous(memory_format=torch.channels_last) if last else x).requires_grad_()
    g = torch.randn_like(layer(x).detach())
    layer(x).backward(g)  # plans, kernels and index maps are made now
    torch.cuda.set_sync_debug_mode("error")
    try:
        layer(x).backward(g)
    finally:
        torch.cuda.set_sync_debug_mode("default")


FIXED = [("dense", "direct"), ("gaussian", "direct"), ("gaussian", "separable")]


@needs_cuda
@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize(("name", "method"), FIXED)
def test_filters_do_not_wait_for_the_device(name, method, mode):
    x = torch.from_numpy(IMAGE).to("cuda", torch.float32)
    wanted = fa.convolve(x, KERNELS[name], mode, 0.5, method=method)  # plans, kernels and index maps are made now
    torch.cuda.set_sync_debug_mode("error")
    try:
        y = fa.convolve(x, KERNELS[name], mode, 0.5, method=method)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(y, wanted)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = fa.convolve(x, KERNELS[name], mode, 0.5, method=method)
    graph.replay()
    assert torch.equal(y, wanted)


@needs_cuda
def test_filters_do_not_extend_the_array():
    x = torch.randn(4096, 4096, device="cuda")
    fa.convolve(x, KERNELS["dense"])
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    fa.convolve(x, KERNELS["dense"])
    assert torch.cuda.max_memory_allocated() - before < 1.1 * x.nbytes


@needs_cuda
def test_filters_of_more_numbers_than_32_bits_count():
    if torch.cuda.get_device_properties(0).total_memory < 16 * 2**30:
        pytest.skip("takes 10 GB of the memory of a GPU")
    x = torch.ones(17, 8192, 16384, device="cuda", dtype=torch.float16)
    x[-1, -4:, -4:] = torch.arange(16, device="cuda").reshape(4, 4)
    assert x.numel() > 2**31
    corner = fa.convolve(x[-1, -64:, -64:].clone(), fa.box(3), method="direct")
    assert torch.equal(fa.convolve(x, fa.box(3), axes=(1, 2), method="direct")[-1, -8:, -8:], corner[-8:, -8:])


@needs_cuda
@pytest.mark.parametrize("name", ["depthwise 7x7", "depthwise 3x3, stride 2", "depthwise 13x13"])
def test_the_same_bits_each_time(name):
    first, second = (results(name, "cuda", "float32", "triton") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@needs_cuda
def test_kernels_can_be_captured():
    layer = Conv(6, 6, 7, padding=3, groups=6, method="triton").cuda().requires_grad_(False)
    x = torch.randn(2, 6, 16, 16, device="cuda")
    wanted = layer(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = layer(x)
    graph.replay()
    assert torch.equal(y, wanted)


@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_device_is_measured(dtype):
    rates = measure(torch.device("cuda"), dtype)
    assert 0 < rates.multiply_add < rates.depthwise
    assert min(rates.number, rates.reordered, rates.transformed, rates.call, rates.alone) > 0


@needs_cuda
def test_more_numbers_than_32_bits_count():
    if torch.cuda.get_device_properties(0).total_memory < 16 * 2**30:
        pytest.skip("takes 10 GB of the memory of a GPU")
    layer = Conv(2, 2, 3, padding=1, groups=2, method="triton", device="cuda", dtype=torch.float16)
    x = torch.ones(17, 2, 8192, 8192, device="cuda", dtype=torch.float16)
    assert x.numel() > 2**31
    assert layer.plan(x.shape).method_of("correlate") == "triton"
    with torch.no_grad():
        corner = layer(x[-1:, :, -4:, -4:])[0, :, -2:, -2:]
        assert torch.equal(layer(x)[-1, :, -2:, -2:], corner)
