"""Layers of single channels, whose planes are read and written in place, against slow loops and against torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import reference
from faltung.layers import Conv
from faltung.planning.layer import Axis, Layer
from faltung.planning.layer_tiles import read_in_place
from faltung.run import depthwise_run as singles
from faltung.run.tables import memory_layout
from faltung.tensors.ways import machine_code
from guarded import guarded
from samples import MODES, assert_same_bits, normal


def square(length, size, **named):
    """An axis with as many outputs as samples."""
    return Axis(length, size, -(size // 2), length, **named)


LAYERS = {
    "image": Layer(2, 5, 1, 1, (square(9, 3), square(21, 3))),
    "many channels": Layer(1, 37, 1, 1, (square(5, 3), square(7, 3))),
    "wide": Layer(1, 2, 1, 1, (square(11, 3), square(70, 5))),
    "valid": Layer(1, 3, 1, 1, (Axis(9, 3, 0, 7), Axis(21, 4, 0, 18))),
    "stride": Layer(2, 3, 1, 1, (Axis(9, 3, -1, 5, 2), Axis(38, 3, -1, 19, 2))),
    "stride of rows": Layer(1, 3, 1, 1, (Axis(13, 3, -1, 5, 3), square(19, 3))),
    "dilation": Layer(1, 3, 1, 1, (Axis(11, 3, -2, 11, 1, 2), Axis(18, 3, -3, 18, 1, 3))),
    "stride and dilation": Layer(1, 3, 1, 1, (Axis(13, 3, -3, 5, 2, 3), Axis(25, 3, -2, 12, 2, 2))),
    "more taps than registers": Layer(1, 3, 1, 1, (square(10, 7), square(12, 7))),
    "smaller than the kernel": Layer(1, 4, 1, 1, (square(2, 7), square(3, 7))),
    "one sample": Layer(1, 4, 1, 1, (square(1, 3), square(1, 3))),
    "far outside": Layer(1, 2, 1, 1, (Axis(3, 2, -9, 5), Axis(4, 3, 7, 6))),
    "series": Layer(2, 3, 1, 1, (square(90, 5),)),
    "volume": Layer(1, 3, 1, 1, (square(4, 3), square(5, 3), square(6, 3))),
    "volume with strides": Layer(1, 3, 1, 1, (Axis(6, 3, -1, 3, 2), Axis(5, 3, -1, 3, 2), Axis(8, 3, -1, 4, 2))),
}
ORDERS = ("rows", "channels last")


@pytest.fixture(autouse=True)
def _forget():
    singles._codes.clear()
    yield
    singles._codes.clear()


def lying(array, order):
    """A copy of an array, with rows or channels contiguous in memory."""
    if order == "rows":
        return np.ascontiguousarray(array)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def extended(layer, order, mode):
    """The layer with that mode for all axes; where rows are contiguous, planes end with zeros on either side."""
    modes = [mode] * len(layer.axes)
    if order == "rows":
        modes[-1] = "constant"
    return replace(layer, axes=tuple(replace(axis, mode=each) for axis, each in zip(layer.axes, modes, strict=True)))


def place(array):
    return array.__array_interface__["data"][0]


def correlate(layer, x, taps, bias=None, out=None, workers=1):
    out = lying(np.full(layer.target_shape, np.nan, x.dtype), _order(layer, x)) if out is None else out
    layouts = memory_layout(x), memory_layout(out)
    assert singles.in_place(layer, *layouts, x.dtype)
    singles.correlate_singly(layer, place(x), layouts[0], place(out), layouts[1], taps, bias, workers=workers)
    return out


def _order(layer, x):
    return "channels last" if x.strides[1] == x.itemsize and layer.groups > 1 else "rows"


def reduced(layer, x, g, workers=1):
    layouts = memory_layout(x), memory_layout(g)
    assert singles.in_place(layer, *layouts, x.dtype)
    return singles.singly_reduced(layer, place(x), layouts[0], place(g), layouts[1], x.dtype, workers=workers)


def operands(layer, order, number="f4"):
    x, g = (lying(normal(shape, number), order) for shape in (layer.source_shape, layer.target_shape))
    return x, normal(layer.taps_shape, number), 3 * normal(layer.groups, number), g


def common(layer):
    axes = [(axis.size, axis.start, axis.outputs, axis.stride, axis.dilation) for axis in layer.axes]
    return layer.groups, axes, layer.modes


def assert_right(layer, order, number="f4"):
    """Each result may be off by a rounding error for every product."""
    x, taps, bias, g = operands(layer, order, number)
    eps = np.finfo(number).eps
    found = (
        (correlate(layer, x, taps, bias), reference.correlate_layer, (x, taps), (0.0, bias), layer.taps + 2),
        (reduced(layer, x, g), reference.gradient_of_taps, (x, g), (0.0,), layer.images * layer.outputs + 2),
    )
    for got, oracle, arrays, rest, count in found:
        want = oracle(*(array.astype("f8") for array in arrays), *common(layer), *rest)
        size = oracle(*(np.abs(array.astype("f8")) for array in arrays), *common(layer), *map(np.abs, rest))
        assert got.shape == want.shape
        assert np.all(np.abs(got - want) <= eps * count * size)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", LAYERS)
def test_every_mode_at_every_vector_width(name, order, vector_bits):
    for mode in MODES:
        assert_right(extended(LAYERS[name], order, mode), order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["image", "stride and dilation", "more taps than registers", "volume"])
def test_double_precision(name, order):
    assert_right(LAYERS[name], order, "f8")


@pytest.mark.parametrize("order", ORDERS)
def test_workers_and_the_batch_change_no_bit(order):
    layer = Layer(4, 40, 1, 1, (square(30, 3), square(31, 3)))
    x, taps, bias, g = operands(layer, order)
    first, gradient = correlate(layer, x, taps, bias), reduced(layer, x, g)
    for workers in (2, 3, 7):
        assert_same_bits(correlate(layer, x, taps, bias, workers=workers), first)
        assert_same_bits(reduced(layer, x, g, workers), gradient)
    one = replace(layer, images=1)
    assert_same_bits(correlate(one, x[2:3], taps, bias), first[2:3])


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", LAYERS)
def test_nothing_outside_the_arrays_is_touched(name, order, behind):
    layer = LAYERS[name]
    x, taps, bias, g = operands(layer, order)
    want, gradient = correlate(layer, x, taps, bias), reduced(layer, x, g)

    def moved(array):
        axes = range(array.ndim) if order == "rows" else (0, *range(2, array.ndim), 1)
        in_memory = array.transpose(*axes)
        fresh = guarded(in_memory.shape, array.dtype, behind)
        fresh[...] = in_memory
        return fresh.transpose(*np.argsort([*axes]))

    x, g, out = moved(x), moved(g), moved(np.zeros_like(want))
    assert_same_bits(correlate(layer, x, taps, bias, out), want)
    assert_same_bits(reduced(layer, x, g), gradient)


@pytest.mark.parametrize("order", ORDERS)
def test_views_are_read_and_written_in_place(order):
    layer = LAYERS["image"]
    x, taps, bias, g = operands(layer, order)
    want, gradient = correlate(layer, x, taps, bias), reduced(layer, x, g)
    parts = []
    for array in (x, g, np.zeros(layer.target_shape, "f4")):
        larger = lying(np.full([n + 5 for n in array.shape], 77, array.dtype), order)
        part = larger[1:-4, 2:-3, 3:-2, 4:-1]
        part[...] = array
        parts.append((part, larger))
    (x, _), (g, _), (out, larger) = parts
    assert_same_bits(correlate(layer, x, taps, bias, out), want)
    assert_same_bits(reduced(layer, x, g), gradient)
    out[...] = 77
    assert np.all(larger == 77)


@pytest.mark.parametrize("order", ORDERS)
def test_samples_that_are_not_finite_stay_where_taps_read_them(order):
    for name in ("image", "stride and dilation", "more taps than registers"):
        for mode in MODES:
            layer = extended(LAYERS[name], order, mode)
            x, taps, bias, _ = operands(layer, order)
            x[0, 1, 2, 3], x[0, 0, 5, 8], x[-1, -1, 0, 0] = np.nan, np.inf, -np.inf
            with np.errstate(invalid="ignore"):
                want = reference.correlate_layer(x, taps, *common(layer), 0.0, bias)
            got = correlate(layer, x, taps, bias)
            assert_array_equal(np.isnan(got), np.isnan(want))
            assert_array_equal(got[np.isinf(want)], want[np.isinf(want)])


def test_large_outputs_are_written_past_the_cache(monkeypatch):
    monkeypatch.setattr(singles, "STREAMED_BYTES", 0)
    for order in ORDERS:
        assert_right(Layer(2, 32, 1, 1, (square(9, 3), square(32, 3))), order)


def test_what_is_not_read_in_place():
    image = LAYERS["image"]
    assert not read_in_place(extended(image, "channels last", "wrap"), channels_last=False)
    assert not read_in_place(replace(image, cval=1.0), channels_last=True)
    assert not read_in_place(replace(image, axes=(square(9, 3), square(21, 31))), channels_last=True)
    assert not read_in_place(replace(image, axes=(square(9, 3), Axis(21, 3, 0, 7, 3))), channels_last=False)
    assert not read_in_place(Layer(2, 5, 1, 2, image.axes), channels_last=True)
    x = memory_layout(np.zeros(image.source_shape, "f4"))
    last = memory_layout(lying(np.zeros(image.source_shape, "f4"), "channels last"))
    assert singles.in_place(image, x, x, np.dtype("f4"))
    assert not singles.in_place(image, x, last, np.dtype("f4"))
    assert not singles.in_place(image, x, x, np.dtype("f8"))


# ---- as layers of torch


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_layers_and_their_gradients_are_those_of_torch(mode, stride, last, alone):
    format_ = torch.channels_last if last else torch.contiguous_format
    arguments = (19, 19, 3, stride, 1, 1, 19, True, mode)
    ours, theirs = Conv(*arguments, method="direct"), torch.nn.Conv2d(*arguments)
    theirs.load_state_dict(ours.state_dict())
    theirs.double()
    x = torch.randn(2, 19, 14, 17).contiguous(memory_format=format_)
    outcomes = []
    for layer, given in ((ours, x), (theirs, x.double())):
        given = given.clone().requires_grad_()
        y = layer(given)
        assert layer is theirs or y.is_contiguous(memory_format=format_)
        g = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
        outcomes.append((y, *torch.autograd.grad(y, [given, *layer.parameters()], g)))
    for got, want in zip(*outcomes, strict=True):
        assert (got - want).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_are_differences(stride, alone):
    layer = Conv(3, 3, 3, stride, 1, groups=3, method="direct", dtype=torch.float64)
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))
    assert torch.autograd.gradgradcheck(lambda x, *_: layer(x), (x, *layer.parameters()), fast_mode=True)


def test_channels_last_results_are_written_without_a_copy():
    layer = LAYERS["image"]
    x = torch.randn(layer.source_shape).contiguous(memory_format=torch.channels_last)
    y = machine_code.correlate(layer, x, torch.randn(layer.taps_shape), None)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_array_equal(machine_code.taps(layer, x, y.contiguous()).numpy(), machine_code.taps(layer, x, y).numpy())
