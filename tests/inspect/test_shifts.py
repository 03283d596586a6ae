"""Shifts: moves against their definitions, alias energy against sums over outputs, which layers break what."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import faltung as fa
from faltung.inspect.alias_energy import alias_share
from faltung.inspect.antialiasing import BlurredSubsampling
from faltung.inspect.moved_inputs import equivariance_error, moved, window_moved

pytestmark = pytest.mark.usefixtures("alone")


def shifts_of(network, *shape):
    card = fa.inspect.card(network, torch.randn(*shape), sections=["shifts"])
    return card.sections["shifts"]


def causes(network, *shape):
    return {layer.name: layer.breaks for layer in shifts_of(network, *shape).layers}


@settings(max_examples=20, deadline=None)
@given(st.integers(-20, 20), st.integers(3, 12))
def test_moves_by_whole_positions(shift, length):
    x = torch.arange(length, dtype=torch.float64)
    assert moved(x, [shift], [0]).tolist() == [float((place - shift) % length) for place in range(length)]
    mirrored = np.pad(np.arange(length), 30 * length, mode="reflect")
    wanted = [float(mirrored[30 * length + place - shift]) for place in range(length)]
    assert window_moved(x, [shift], [0]).tolist() == wanted


def test_moves_by_a_part_of_a_position_are_exact_for_a_wave():
    places = torch.arange(16, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * 3 * places / 16)
    wanted = torch.cos(2 * torch.pi * 3 * (places - 0.25) / 16)
    torch.testing.assert_close(moved(wave, [0.25], [0]), wanted)
    assert equivariance_error(wanted, moved(wave, [0.25], [0]), [0], [0]) < 1e-12


@pytest.mark.parametrize(
    ("taps", "stride", "wanted"),
    [
        ([1.0], (2,), 1 / 2),
        ([1.0], (4,), 3 / 4),
        ([1.0, 1.0], (2,), 1 / 2 - 1 / math.pi),  # the integral of cos^2 over the upper half of the frequencies
        ([[1.0]], (2, 2), 3 / 4),
        ([[1.0]], (1, 2), 1 / 2),
        ([[[1.0]]], (2, 2, 2), 7 / 8),
    ],
)
def test_alias_energy(taps, stride, wanted):
    taps = np.array(taps)[None, None]
    assert alias_share(taps, stride, (1,) * len(stride)) == pytest.approx(wanted, abs=2e-3)


def test_alias_energy_is_less_behind_a_longer_blur_and_counts_all_channels():
    shares = [alias_share(fa.binomial(order, ndim=2).taps[None, None], (2, 2), (1, 1)) for order in (0, 1, 2, 4, 8)]
    assert shares == sorted(shares, reverse=True)
    both = np.stack([np.ones(2), np.array([1.0, -1.0])])[:, None]
    assert alias_share(both, (2,), (1,)) == pytest.approx(0.5, abs=2e-3)
    assert alias_share(np.zeros((1, 1, 3)), (2,), (1,)) == 0
    assert alias_share(np.ones((1, 1, 2)), (2,), (300,)) == pytest.approx(0.5, abs=1e-2)


def test_layers_that_do_not_follow_are_named_with_the_reason():
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 1, stride=2),
        nn.Flatten(),
        nn.Linear(4 * 16, 3),
    )
    assert causes(network, 1, 2, 16, 16) == {"0": "", "1": "padding", "2": "stride", "3": "stride", "5": "dense"}
    result = shifts_of(network, 1, 2, 16, 16)
    alias = {layer.name: layer.alias for layer in result.layers}
    assert alias["3"] == pytest.approx(3 / 4, abs=1e-2)
    assert math.isnan(alias["0"])
    assert "2, 3" in result.facts()["Stride or pooling breaks it in"]


def test_an_output_that_depends_on_its_position():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.where = nn.Conv1d(2, 2, 1), nn.Parameter(torch.randn(2, 24))

        def forward(self, x):
            return self.first(x) + self.where

    assert shifts_of(Positions(), 1, 2, 24).output_error > 0.1


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_network_without_borders_strides_and_positions_follows_exactly(axes):
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    network = nn.Sequential(kind(2, 3, 3, padding=1, padding_mode="circular"), nn.ReLU(), kind(3, 2, 1))
    result = shifts_of(network, 1, 2, *[6] * axes)
    assert result.output_error < 1e-6
    assert {layer.breaks for layer in result.layers} == {""}
    assert math.isnan(result.circular)


def test_the_answer_of_a_global_mean_over_circular_layers_never_changes():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    card = fa.inspect.card(network, torch.randn(4, 1, 12, 12), sections=["shifts"])
    assert card.sections["shifts"].circular == 1
    assert card.require("consistency>0.9")[0].met


def test_blur_makes_the_answer_follow():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16, 10)
    ).eval()
    x = torch.randn(8, 1, 16, 16)
    blurred = fa.inspect.antialias(network)
    assert network[0].stride == (2, 2)
    assert [type(module) for module in blurred] == [nn.Sequential, nn.ReLU, nn.Sequential, nn.Flatten, nn.Linear]
    cards = [fa.inspect.card(each, x, sections=["shifts"]) for each in (network, blurred)]
    assert cards[1].figures["consistency"] > cards[0].figures["consistency"]
    x.requires_grad_()
    blurred(x).sum().backward()
    assert x.grad.abs().sum() > 0


STRIDED = {
    "convolution": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (1, 2, 9, 12)),
    "no padding": (nn.Conv2d(2, 3, 4, stride=3), (1, 2, 11, 13)),
    "one tap": (nn.Conv2d(2, 3, 1, stride=2), (1, 2, 9, 10)),
    "one axis": (nn.Conv1d(2, 2, 5, stride=4, padding=2, groups=2), (1, 2, 30)),
    "one of two axes": (nn.Conv2d(2, 2, 3, stride=(1, 2), padding=1), (1, 2, 5, 9)),
    "three axes": (nn.Conv3d(1, 2, 3, stride=2, padding=1), (1, 1, 5, 6, 7)),
    "maximum": (nn.MaxPool2d(3, 2, padding=1), (1, 2, 9, 10)),
    "mean": (nn.AvgPool1d(2), (1, 2, 11)),
    "ours": (fa.layers.Conv2d(2, 3, 3, stride=2, padding=1), (1, 2, 9, 12)),
}


@pytest.mark.parametrize("kind", STRIDED)
def test_blurred_layers_keep_the_shape_and_do_what_is_said(kind):
    layer, shape = STRIDED[kind]
    blurred = fa.inspect.antialias(layer)
    x = torch.randn(*shape)
    assert isinstance(blurred, nn.Sequential)
    assert blurred(x).shape == layer(x).shape
    inner = next(module for module in blurred if not isinstance(module, BlurredSubsampling))
    blur = next(module for module in blurred if isinstance(module, BlurredSubsampling))
    y = inner(x) if blurred[0] is inner else x
    steps = tuple(slice(None, None, step) for step in blur.stride)
    axes = [axis for axis, step in enumerate(blur.stride, 2) if step > 1]
    taps = fa.binomial(2, ndim=len(axes))
    wanted = fa.convolve(y.detach().numpy(), taps, "mirror", axes=axes)[(slice(None), slice(None), *steps)]
    if blurred[0] is not inner:
        wanted = inner(torch.as_tensor(wanted)).detach().numpy()
    np.testing.assert_allclose(blurred(x).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_a_blur_behind_a_circular_layer_goes_round():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.Conv2d(3, 2, 3, stride=2, padding=1, padding_mode="circular"),
    )
    blurred = fa.inspect.antialias(network)
    assert "mode='wrap'" in str(blurred)
    x = torch.randn(1, 1, 16, 24)
    with torch.no_grad():
        moved = blurred(x.roll((4, 8), (2, 3)))
        torch.testing.assert_close(moved, blurred(x).roll((1, 2), (2, 3)))


def test_what_does_not_subsample_is_left_alone():
    class Own(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) * 2

    layers = [nn.Conv2d(1, 1, 3), Own(1, 1, 3, stride=2), nn.MaxPool2d(3, 1), nn.MaxPool2d(2, ceil_mode=True)]
    network = nn.Sequential(*layers)
    assert [type(module) for module in fa.inspect.antialias(network)] == [type(module) for module in network]
    shared = nn.MaxPool1d(2)
    twice = fa.inspect.antialias(nn.Sequential(shared, shared))
    assert twice[0] is twice[1]
    with pytest.raises(fa.ArgumentTypeError, match=r"model: expected a torch.nn.Module"):
        fa.inspect.antialias(3)
    with pytest.raises(fa.ArgumentError, match="order"):
        fa.inspect.antialias(network, order=0)


def test_inputs_without_positions():
    card = fa.inspect.card(nn.Sequential(nn.Linear(4, 3)), torch.randn(2, 4), sections=["shifts"])
    assert "no positions" in str(card)
    card.json()


def test_layers_on_the_operator_are_counted_as_torchs_are():
    network = nn.Sequential(nn.Conv2d(2, 3, 9, padding=4), nn.ReLU(), nn.Conv2d(3, 2, 3))
    x = torch.randn(1, 2, 20, 20)
    figures = [
        fa.inspect.card(each, x, sections=["counts"]).figures for each in (network, fa.layers.convert(network))
    ]
    assert figures[0]["multiply_adds"] == figures[1]["multiply_adds"]

    class Smoothed(nn.Module):
        def forward(self, x):
            return fa.gaussian(1.0)(x)

    assert fa.inspect.card(Smoothed(), x, sections=["counts"]).figures["multiply_adds"] > 0
