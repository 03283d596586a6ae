"""The algebra of layers: every merged map equals the maps that it stands for, on random layers, border included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from faltung.inspect.simplification.layer_map import (
    LayerMap,
    NotExactError,
    composed,
    identity_like,
    scaled_after,
    scaled_before,
    summed,
)


def run(layer: LayerMap, x: torch.Tensor) -> torch.Tensor:
    axes = len(layer.sizes)
    weight, bias = torch.as_tensor(layer.weight), torch.as_tensor(layer.bias)
    if not axes:
        return F.linear(x, weight, bias)
    if layer.transposed:
        function = (F.conv_transpose1d, F.conv_transpose2d)[axes - 1]
        return function(x, weight, bias, layer.stride, layer.padding, 0, layer.groups, layer.dilation)
    padding = layer.padding
    if layer.mode != "zeros" and layer.pads:
        x = F.pad(x, [each for size in reversed(padding) for each in (size, size)], mode=layer.mode)
        padding = (0,) * axes
    return (F.conv1d, F.conv2d)[axes - 1](x, weight, bias, layer.stride, padding, layer.dilation, layer.groups)


@st.composite
def layers(draw, axes, count_in, count_out, transposed=False, largest=3):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    groups = draw(st.sampled_from([1, 2, 4])) if axes else 1
    sizes = tuple(draw(st.integers(1, largest)) for _ in range(axes))
    first, second = (count_in, count_out // groups) if transposed else (count_out, count_in // groups)
    each = [tuple(draw(st.integers(low, 2)) for _ in range(axes)) for low in (1, 0, 1)]
    bias = rng.normal(size=count_out) * draw(st.booleans())
    mode = "zeros" if transposed else draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"]))
    return LayerMap(rng.normal(size=(first, second, *sizes)), bias, *each, groups, transposed, mode)


def signal(axes, channels, length=13):
    return torch.as_tensor(np.random.default_rng(0).normal(size=(2, channels, *[length] * axes)))


def per_channel(values, axes):
    return torch.as_tensor(values).reshape(1, -1, *[1] * axes)


SCALE, SHIFT = (np.random.default_rng(seed).normal(size=8) for seed in (1, 2))


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 2), st.booleans())
def test_scale_and_shift_after_a_layer(data, axes, transposed):
    layer = data.draw(layers(axes, 4, 8, transposed and axes > 0))
    x = signal(axes, 4)
    wanted = per_channel(SCALE, axes) * run(layer, x) + per_channel(SHIFT, axes)
    torch.testing.assert_close(run(scaled_after(layer, SCALE, SHIFT), x), wanted)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2))
def test_scale_and_shift_before_a_layer(data, axes):
    layer = data.draw(layers(axes, 8, 4))
    x = signal(axes, 8)
    wanted = run(layer, per_channel(SCALE, axes) * x + per_channel(SHIFT, axes))
    try:
        merged = scaled_before(layer, SCALE, SHIFT)
    except NotExactError:
        assert layer.pads
        assert layer.mode == "zeros"
        return
    torch.testing.assert_close(run(merged, x), wanted)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2))
def test_a_layer_after_a_layer_is_one_layer_or_is_refused(data, axes):
    first, second = data.draw(layers(axes, 4, 8)), data.draw(layers(axes, 8, 4))
    x = signal(axes, 4)
    try:
        merged = composed(first, second)
    except NotExactError:
        assert second.pads, "only a border can differ"
        return
    torch.testing.assert_close(run(merged, x), run(second, run(first, x)))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 2))
def test_a_sum_of_branches_is_one_layer_or_is_refused(data, axes):
    maps = data.draw(st.lists(layers(axes, 4, 4), min_size=2, max_size=3))
    x = signal(axes, 4)
    outputs = [run(each, x) for each in maps]
    if len({output.shape for output in outputs}) > 1:
        with pytest.raises(NotExactError):
            summed(maps)
        return
    try:
        merged = summed(maps)
    except NotExactError:
        ends = [zip(each.sizes, each.dilation, each.padding, strict=True) for each in maps]
        centres = {tuple((size - 1) * gap - 2 * pad for size, gap, pad in end) for end in ends}
        assert len(centres) > 1 or len({(each.stride, each.mode) for each in maps}) > 1
        return
    torch.testing.assert_close(run(merged, x), sum(outputs))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_branches_of_a_block_with_its_identity(groups):
    rng = np.random.default_rng(0)
    wide = LayerMap(rng.normal(size=(4, 4 // groups, 3, 3)), rng.normal(size=4), (1, 1), (1, 1), (1, 1), groups)
    narrow = LayerMap(rng.normal(size=(4, 4 // groups, 1, 1)), rng.normal(size=4), (1, 1), (0, 0), (1, 1), groups)
    x = signal(2, 4)
    same = identity_like(wide, SCALE[:4], SHIFT[:4])
    merged = summed([wide, narrow, same])
    assert merged.weight.shape == wide.weight.shape
    wanted = run(wide, x) + run(narrow, x) + per_channel(SCALE[:4], 2) * x + per_channel(SHIFT[:4], 2)
    torch.testing.assert_close(run(merged, x), wanted)


def test_what_differs_along_the_border_is_refused_with_the_reason():
    layer = LayerMap(np.ones((2, 2, 3)), np.zeros(2), (1,), (1,), (1,))
    with pytest.raises(NotExactError, match="pads with zeros what the first one would have computed"):
        composed(layer, layer)
    with pytest.raises(NotExactError, match="which the shift before it does not change"):
        scaled_before(layer, np.ones(2), np.ones(2))
    other = LayerMap(np.ones((2, 2, 3)), np.zeros(2), (1,), (0,), (1,))
    with pytest.raises(NotExactError, match="different centres"):
        summed([layer, other])
