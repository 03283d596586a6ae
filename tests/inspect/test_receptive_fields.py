"""Receptive fields against gradients by brute force, layer by layer, and against TorchLens."""

from __future__ import annotations

import itertools
import os
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import faltung as fa
from faltung.errors import ArgumentError
from inspected import NETWORKS, made, support_by_gradients


def structure(network, *examples):
    return fa.inspect.card(network, *examples, sections=["counts"])


def places(shape):
    """The middle, both corners, and a position beside the border."""
    if len(shape) <= 2:
        return [()]
    lengths = shape[2:]
    return [
        *{
            tuple(length // 2 for length in lengths),
            tuple(0 for _ in lengths),
            tuple(length - 1 for length in lengths),
            tuple(min(1, length - 1) for length in lengths),
        }
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_see_what_gradients_say(name):
    network, x = made(name)
    card = structure(network, x)
    for place in places(network(x.clone()).shape):
        field = card.sees(position=place or None)
        expected = support_by_gradients(network, x, (0, slice(None), *place)).numpy()
        np.testing.assert_array_equal(field.whole_mask, expected)
        assert field.status == ("whole input" if expected.all() else "exact")
        assert field.count == expected.any(axis=0).sum() if expected.ndim > 1 else expected.sum()


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("classifier", "recurrent", "volume")])
def test_what_an_input_reaches_is_what_sees_it(name):
    network, x = made(name)
    card = structure(network, x)
    shape = network(x.clone()).shape
    for place in places(x.shape)[:2]:
        reached = card.reaches(place)
        for output in itertools.islice(itertools.product(*map(range, shape[2:])), 0, None, 5):
            assert reached.mask[output] == card.sees(position=output).mask[place], (place, output)


@pytest.mark.parametrize("name", ["residual", "U-Net", "inverted residual", "holes", "plain"])
def test_inner_layers_see_what_gradients_say(name):
    network, x = made(name)
    card = structure(network, x)
    modules = dict(network.named_modules())
    assert modules.keys() & {*card.layers}
    for layer in modules.keys() & {*card.layers}:
        kept = []
        handle = modules[layer].register_forward_hook(lambda module, args, output, kept=kept: kept.append(output * 1))

        def inner(given, kept=kept):
            kept.clear()
            network(given)
            return kept[0]

        place = tuple(length // 2 for length in inner(x.clone()).shape[2:])
        expected = support_by_gradients(inner, x, (0, slice(None), *place)).numpy()
        handle.remove()
        np.testing.assert_array_equal(card.sees(layer, place).whole_mask, expected, err_msg=layer)


def test_holes_are_left_out():
    field = structure(nn.Conv2d(1, 1, 3, dilation=2), torch.zeros(1, 1, 9, 9)).sees(position=(2, 2))
    assert (field.size, field.count, field.has_holes, field.at_border) == ((5, 5), 9, True, False)
    assert field.bounds == ((2, 7), (2, 7))
    assert "9 of them, with holes" in str(field)


def test_zero_taps_count_as_others():
    layer = nn.Conv1d(1, 1, 3)
    nn.init.zeros_(layer.weight)
    assert structure(layer, torch.zeros(1, 1, 8)).sees(position=(2,)).count == 3


def test_groups_keep_channels_apart():
    card = structure(nn.Conv1d(4, 4, 1, groups=2), torch.zeros(1, 4, 5))
    assert card.sees(position=(2,), channel=3).whole_mask[:, 2].tolist() == [False, False, True, True]
    assert card.reaches((2,), channel=0).whole_mask[:, 2].tolist() == [True, True, False, False]


def test_the_first_sample_of_a_batch_sees_itself_alone():
    card = structure(nn.Conv1d(1, 1, 3), torch.zeros(3, 1, 8))
    assert card.sees(position=(0,)).mask.tolist() == [True] * 3 + [False] * 5


class Chosen(nn.Module):
    """Reads at positions that are computed from the input."""

    def forward(self, x):
        index = (x > 0).long().cumsum(-1).clamp(max=x.shape[-1] - 1)
        return x.gather(-1, index)


def test_positions_that_depend_on_data_are_an_upper_bound():
    field = structure(Chosen(), torch.randn(1, 2, 6)).sees(position=(1,))
    assert field.mask.all()
    assert (field.status, field.reasons) == ("upper bound", ("gather",))


class Probed(nn.Module):
    def forward(self, x):
        return torch.linalg.solve_triangular(torch.eye(x.shape[-1]).triu(), x, upper=True)


def test_operations_without_a_rule_are_probed_by_gradients():
    x = torch.randn(1, 1, 4, 5).transpose(2, 3).contiguous()
    card = structure(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Upsample(size=(5, 5)), Probed()), x[:, :, :, :4])
    field = card.sees(position=(2, 2))
    assert field.status == "by gradients, a lower bound"
    assert field.reasons == ("linalg_solve_triangular",)
    assert field.count >= 1


class Rounded(nn.Module):
    def forward(self, x):
        return torch.bucketize(x, torch.tensor([0.0, 1.0])).float()


def test_what_has_neither_rule_nor_gradient_is_unknown():
    field = structure(Rounded(), torch.randn(1, 1, 6)).sees(position=(3,))
    assert (field.status, field.reasons) == ("unknown", ("bucketize",))
    assert field.mask.all()


class Masked(nn.Module):
    """Attention to earlier positions alone, by a mask that is added, or by a name."""

    def __init__(self, named):
        super().__init__()
        self.named = named

    def forward(self, x):
        tokens = x.transpose(1, 2)[:, None].contiguous()
        mask = torch.full((x.shape[-1], x.shape[-1]), -torch.inf).triu(1)
        kwargs = {"is_causal": True} if self.named else {"attn_mask": mask}
        return functional.scaled_dot_product_attention(tokens, tokens, tokens, **kwargs)[:, 0].transpose(1, 2)


def test_causal_attention_sees_the_past():
    x = torch.randn(1, 3, 7)
    field = structure(Masked(True), x).sees(position=(3,))
    assert (field.mask.tolist(), field.status) == ([True] * 4 + [False] * 3, "exact")
    field = structure(Masked(False), x).sees(position=(3,))
    assert (field.mask.all(), field.status) == (True, "upper bound")


class Fixed(nn.Module):
    """Multiplies by a mask of constants, fills by one, and chooses by one."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0]))

    def forward(self, x):
        y = torch.where(self.mask > 0, x * self.mask, x.flip(2)) + (x * 2).masked_fill(self.mask > 0, 0.0)
        return y.cumsum(2)


def test_constant_masks_are_followed():
    network, x = Fixed(), torch.randn(1, 1, 5)
    card = structure(network, x)
    for place in range(5):
        expected = support_by_gradients(network, x, (0, slice(None), place)).numpy()
        np.testing.assert_array_equal(card.sees(position=(place,)).whole_mask, expected)


def test_tokens_are_followed_from_their_numbers():
    network = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 3))
    card = structure(network, torch.tensor([[1, 2, 3, 4]]))
    assert card.sees("1", (2,)).mask.tolist() == [False, False, True, False]


def test_positions_are_checked():
    card = structure(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 8, 8))
    with pytest.raises(ArgumentError, match="position: expected 2 numbers"):
        card.sees(position=(1,))
    with pytest.raises(ArgumentError, match="position: expected integers from 0 to 5"):
        card.sees(position=(6, 0))
    with pytest.raises(ArgumentError, match="channel: expected integers from 0 to 1"):
        card.sees(position=(0, 0), channel=2)
    with pytest.raises(ArgumentError, match="layer: expected 'output' or one of"):
        card.sees("nothing")
    assert card.sees(position=(-1, -1)).bounds == ((5, 8), (5, 8))
    assert card.sees(position=(None, 0, 0)).count == 9


# ---- networks of transformers


def convnext(t):
    config = t.ConvNextConfig(num_channels=2, hidden_sizes=[4, 6], depths=[1, 1], num_stages=2, patch_size=2)
    return t.ConvNextModel(config), 24


def resnet(t):
    config = t.ResNetConfig(
        num_channels=2, embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="bottleneck"
    )
    return t.ResNetModel(config), 32


def mobilenet(t):
    return t.MobileNetV2Model(t.MobileNetV2Config(num_channels=2, depth_multiplier=0.25, image_size=64)), 40


def efficientnet(t):
    config = t.EfficientNetConfig(
        num_channels=2,
        width_coefficient=0.2,
        depth_coefficient=0.2,
        image_size=40,
        depthwise_padding=[],
        hidden_dim=256,
    )
    return t.EfficientNetModel(config), 40


def segformer(t):
    config = t.SegformerConfig(
        num_channels=2,
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[4, 8],
        patch_sizes=[3, 3],
        strides=[2, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=8,
    )
    return t.SegformerForSemanticSegmentation(config), 16


def regnet(t):
    config = t.RegNetConfig(num_channels=2, embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], groups_width=2)
    return t.RegNetModel(config), 32


def poolformer(t):
    config = t.PoolFormerConfig(
        num_channels=2,
        hidden_sizes=[4, 6],
        depths=[1, 1],
        num_encoder_blocks=2,
        patch_sizes=[3, 3],
        strides=[2, 2],
        padding=[1, 1],
        mlp_ratio=2.0,
    )
    return t.PoolFormerModel(config), 24


@pytest.mark.parametrize("make", [convnext, resnet, mobilenet, efficientnet, segformer, regnet, poolformer])
def test_networks_of_transformers(make):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    network, size = make(transformers)
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.5)
            if make is resnet:  # one channel in the middle of a bottleneck: it must not be dead at its corner
                module.weight.data.abs_()
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, 0.0, 2.0)  # so that few channels are dead
    x = torch.randn(1, 2, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        card = structure(network, x)

        def first(given):
            return network(given)[0]

        shape = first(x).shape
        for place in places(shape)[:2]:
            expected = support_by_gradients(first, x, (0, slice(None), *place), patience=30).numpy()
            field = card.sees(position=place)
            assert field.status in ("exact", "whole input"), field.reasons
            # Squeezing and attention make everything seen; gradients that vanish in single precision do not count.
            np.testing.assert_array_equal(field.mask, expected.any(axis=0))


TORCHLENS_KNOWS = ["plain", "RepVGG", "signal", "volume", "holes", "shared", "normalised"]


@pytest.mark.parametrize("name", TORCHLENS_KNOWS)
def test_sizes_are_those_of_torchlens_where_it_answers(name):
    if not os.environ.get("FALTUNG_TORCHLENS"):
        pytest.skip("torchlens replaces functions of torch: set FALTUNG_TORCHLENS=1, and run this file alone")
    torchlens = pytest.importorskip("torchlens")
    network, x = made(name)
    x = torch.randn(1, x.shape[1], *[40 if x.ndim < 5 else 18] * (x.ndim - 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = list(torchlens.trace(network, x).layers)[-1].receptive_field
    assert told.status.name == "EXACT"
    field = structure(network, x).sees()
    assert (field.size, field.at_border) == (tuple(told.size), False)
