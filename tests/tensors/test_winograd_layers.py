"""Layers by Winograd's tiles: the same as torch's within the bound, with gradients, in every format and dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import faltung as fa
from faltung.errors import ArgumentError
from faltung.layers import Conv, convert

MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(3)


def tiled(ins=8, outs=6, **named):
    return Conv(ins, outs, 3, method="winograd", **({"padding": 1} | named))


def in_double(layer, x):
    """The same layer by torch, in double precision."""
    other = Conv(
        layer.in_channels,
        layer.out_channels,
        3,
        padding=layer.padding,
        groups=layer.groups,
        padding_mode=layer.padding_mode,
        bias=layer.bias is not None,
        method="torch",
    ).double()
    other.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    return other(x.double())


def scale(layer, x):
    taps = layer.weight.detach().abs().flatten(1).sum(1).amax()
    return float(taps * x.detach().abs().amax())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_outputs_are_those_of_torch_within_the_bound(mode, last, groups):
    layer = tiled(groups=groups, padding_mode=mode)
    for height, width in ((20, 23), (5, 4), (8, 64)):
        x = torch.randn(2, 8, height, width)
        x = x.to(memory_format=torch.channels_last) if last else x
        plan = layer.plan(tuple(x.shape))
        assert plan.method == "winograd"
        assert not plan.pointwise
        y = layer(x)
        assert y.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
        assert float((y - in_double(layer, x)).detach().abs().max()) <= plan.error * scale(layer, x) + 1e-6


@pytest.mark.parametrize("last", [False, True])
def test_gradients_are_those_of_torch(last):
    x = torch.randn(2, 8, 13, 18)
    x = (x.to(memory_format=torch.channels_last) if last else x).requires_grad_()
    layer = tiled()
    layer(x).square().sum().backward()
    double = x.detach().double().requires_grad_()
    weight, bias = (part.detach().double().requires_grad_() for part in (layer.weight, layer.bias))
    torch.nn.functional.conv2d(double, weight, bias, padding=1).square().sum().backward()
    for got, wanted in ((x.grad, double.grad), (layer.weight.grad, weight.grad), (layer.bias.grad, bias.grad)):
        torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_gradients_of_higher_order_and_transforms():
    layer = tiled(2, 3).double()
    x = torch.randn(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,))
    mapped = torch.func.vmap(layer)(torch.randn(3, 1, 2, 6, 5, dtype=torch.float64))
    assert mapped.shape == (3, 1, 3, 6, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    layer = tiled().to(dtype)
    x = torch.randn(1, 8, 12, 12).to(dtype)
    y = layer(x)
    assert y.dtype == dtype
    bound = layer.plan(tuple(x.shape)).error * scale(layer, x.double()) + 2 * torch.finfo(dtype).eps
    assert float((y.double() - in_double(layer, x)).detach().abs().max()) <= bound


def test_autocast():
    layer, x = tiled(), torch.randn(1, 8, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


def test_compiled_and_exported():
    layer, x = tiled().eval(), torch.randn(1, 8, 12, 12)
    wanted = layer(x)
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), wanted, rtol=1e-4, atol=1e-5)
    assert_array_equal(torch.compile(layer, backend="aot_eager")(x).detach(), wanted.detach())


def test_weights_that_change_in_place_are_seen():
    layer, x = tiled(bias=False), torch.randn(1, 8, 12, 12)
    first = layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    assert_array_equal(layer(x).detach(), 2 * first.detach())
    layer.weight.detach().numpy()[...] /= 4
    assert_array_equal(layer(x).detach(), first.detach() / 2)


def test_workers_change_no_bit():
    layer, x = tiled(32, 32), torch.randn(2, 32, 41, 37)
    with fa.workers(1):
        one = layer(x).detach()
    for count in (2, 3):
        with fa.workers(count):
            assert_array_equal(layer(x).detach(), one)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_what_taps_connect(value):
    x = torch.randn(1, 8, 20, 20)
    x[0, 3, 9, 11] = value
    bank = torch.randn(4, 8, 3, 3)
    bank[:, :, 0] = 0
    got, direct = (fa.correlate(x, bank, channel_axis=1, method=method) for method in ("winograd", "direct"))
    assert_array_equal(torch.isfinite(got), torch.isfinite(direct))
    layer = tiled()
    assert_array_equal(torch.isfinite(layer(x)), torch.isfinite(in_double(layer, x)))


def test_a_bright_sample_leaves_no_trace_where_no_tap_touches_it():
    layer, x = tiled(bias=False), torch.randn(1, 8, 16, 16)
    without = in_double(layer, x)
    x[0, 2, 5, 5] = 1e10
    far = torch.ones(16, 16, dtype=torch.bool)
    far[4:7, 4:7] = False
    error = (layer(x) - without).detach().abs()[..., far].max()
    assert float(error) < 1e-4


def test_black_margins_stay_black():
    layer, x = tiled(bias=True), torch.zeros(2, 8, 21, 22)
    x[:, :, 7:9, 6:9] = torch.randn(2, 8, 2, 3)
    y = layer(x).detach()
    assert_array_equal(y[:, :, 12:, :], layer.bias.detach()[None, :, None, None].expand(2, 6, 9, 22))


def test_what_cannot_be_tiled_is_refused_or_left_to_others():
    x = torch.randn(1, 8, 12, 12)
    bank = fa.Bank(np.ones((4, 8, 3, 3)))
    with pytest.raises(ArgumentError, match="point by point"):
        fa.convolve(x, bank, channel_axis=1, method="winograd", accuracy="pointwise")
    with pytest.raises(ArgumentError, match="3 x 3"):
        fa.convolve(x, fa.Bank(np.ones((4, 8, 5, 5))), channel_axis=1, method="winograd")
    plan = tiled(stride=2).plan((1, 8, 12, 12))
    assert plan.method == "torch"
    assert any(one.method == "winograd" and "stride" in one.reason for one in plan.candidates)
    assert tiled().plan((1, 8, 12, 12)).method_of("taps") == "torch"


def test_conversion_takes_tiles_where_they_are_predicted_to_be_faster():
    model = convert(torch.nn.Sequential(torch.nn.Conv2d(64, 64, 3, padding=1)))
    assert model[0].plan((8, 64, 56, 56)).method == "winograd"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("method", "groups"), [("winograd", 1), ("direct", 1), ("direct", 16)])
def test_outputs_may_be_overwritten_where_gradients_are_recorded(method, groups, layout):
    x = torch.randn(2, 16, 9, 11).contiguous(memory_format=layout).requires_grad_()
    layer = Conv(16, 16, 3, padding=1, groups=groups, method=method).to(memory_format=layout)
    torch.relu_(layer(x)).sum().backward()
    wanted = torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1, groups=groups).relu().sum()
    torch.testing.assert_close(x.grad, torch.autograd.grad(wanted, x)[0], rtol=1e-3, atol=1e-3)
