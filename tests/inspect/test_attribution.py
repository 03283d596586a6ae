"""Attribution: the contributions add up, and are those of slow sums; every number of axes; answers and means."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import faltung as fa
from faltung.ground.drawings.overlay import overlay
from faltung.inspect.integrated_gradients import integrated_gradients

pytestmark = pytest.mark.usefixtures("alone")


def attribution_of(network, *examples, **arguments):
    card = fa.inspect.card(network, *examples, sections=["attribution"], **arguments)
    json.loads(card.json())
    assert "What speaks for the answer" in card.html()
    return card.sections["attribution"]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_contributions_are_a_slow_sum_along_the_line(seed, batch_size):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    x, base = torch.randn(2, 4, generator=generator, dtype=torch.float64)

    def function(points):
        return (points @ weights.T).tanh().prod(1)

    found = integrated_gradients(function, x, base, 40, batch_size)
    wanted, parts = torch.zeros(4, dtype=torch.float64), 500
    for number in range(parts):
        point = (base + (number + 0.5) / parts * (x - base))[None].requires_grad_()
        wanted += torch.autograd.grad(function(point).sum(), point)[0][0] / parts
    torch.testing.assert_close(found.values, wanted * (x - base), rtol=1e-3, atol=1e-4)
    assert float(found.values.sum()) == pytest.approx(found.output - found.base_output, abs=1e-8)
    assert found.output == pytest.approx(float(function(x[None])))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_contributions_add_up_to_the_difference(axes, channels):
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]
    network = nn.Sequential(conv(channels, 5, 3), nn.GELU(), conv(5, 6, 2), nn.Tanh(), pool(1), nn.Flatten())
    network.append(nn.Linear(6, 4))
    x = torch.randn(2, channels, *[7, 8, 6][:axes])
    result = attribution_of(network.double(), x.double())
    logits = network(x.double())[0].detach()
    top = int(logits.argmax())
    base = x.double().mean([0, *range(2, 2 + axes)], keepdim=True).expand(1, *x.shape[1:])
    assert f"output {top}," in result.answer
    assert result.output == pytest.approx(float(logits[top]))
    assert result.base_output == pytest.approx(float(network(base)[0, top].detach()))
    assert result.total == pytest.approx(result.output - result.base_output, rel=1e-5)
    assert result.error < 1e-4
    assert result.values.shape == tuple(x.shape[1:])
    assert result.steps == 24
    html = result.drawings()[0].html
    assert html.count("<svg") == 2 if axes == 1 else html.count("<img") == 2


def test_contributions_to_a_linear_answer_are_weight_times_difference():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 1)).double()
    x, data = torch.randn(1, 1, 3, 4).double(), torch.randn(50, 1, 3, 4).double()
    result = attribution_of(network, x, data=data)
    wanted = network[1].weight.detach().reshape(1, 3, 4) * (x[0] - data.mean())
    np.testing.assert_allclose(result.values, wanted, rtol=1e-9)
    assert result.answer == "the mean of the output"
    assert result.baseline.endswith("of the data")
    assert result.positive == pytest.approx(float(wanted.clamp_min(0).sum() / wanted.abs().sum()))


def test_rectifiers_need_more_gradients():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv1d(1, 8, 5), nn.ReLU(), nn.Conv1d(8, 8, 5), nn.ReLU(), nn.Flatten())
    network.append(nn.Linear(8 * 12, 3))
    result = attribution_of(network, 3 * torch.randn(1, 1, 20))
    assert result.error < 0.05
    assert result.figures()["attribution_error"] == result.error


def test_a_function_that_jumps_is_not_trusted():
    class Jump(nn.Module):
        def forward(self, x):
            return (x > 0).to(x).sum((1, 2))[:, None] + 1e-3 * x.mean((1, 2))[:, None]

    result = attribution_of(Jump(), torch.arange(8.0)[None, None] - 2)
    assert result.error > 0.1
    assert "not to be trusted" in result.warnings()[0]
    assert result.steps == 192


def test_networks_without_classes_and_with_maps():
    unet = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 1, 3, padding=1))
    result = attribution_of(unet, torch.randn(1, 1, 9, 9))
    assert result.answer == "the mean of the output"
    assert result.error < 1e-3


def test_dense_inputs_and_constants():
    result = attribution_of(nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)), torch.randn(3, 6))
    assert result.values.shape == (6,)
    assert result.drawings()[0].html.count("<svg") == 2
    constant = attribution_of(nn.Conv1d(1, 1, 3), torch.zeros(1, 1, 8))
    assert constant.error == 0
    assert constant.total == 0


class Switched(nn.Module):
    def forward(self, x, weight):
        return (x**2).flatten(1) * weight[:, None]


def test_other_arguments_are_kept_and_the_network_is_left_alone():
    x = torch.randn(1, 1, 5, requires_grad=True)
    result = attribution_of(Switched(), (x, torch.tensor([2.0])))
    assert result.output == pytest.approx(float(2 * x.detach().square().max()), rel=1e-6)
    assert x.grad is None
    assert result.error < 1e-5


def test_what_cannot_be_attributed_is_said():
    embedding = fa.inspect.card(nn.Embedding(5, 3), torch.zeros(1, 4, dtype=torch.int64), sections=["attribution"])
    assert "no floating-point tensor" in str(embedding)

    class Answer(nn.Module):
        def forward(self, x):
            return x.argmax(1)

    assert "has no gradient" in str(fa.inspect.card(Answer(), torch.randn(1, 4), sections=["attribution"]))
    broken = nn.Conv1d(1, 1, 1)
    with torch.no_grad():
        broken.weight.fill_(math.inf)
    assert "not finite" in str(fa.inspect.card(broken, torch.randn(1, 1, 4), sections=["attribution"]))


def test_signed_numbers_are_drawn_over_the_picture():
    signed = np.zeros((4, 6))
    signed[1, 2], signed[3, 5] = 2.0, -2.0
    drawn = overlay(signed, np.linspace(0, 1, 24).reshape(4, 6))
    assert drawn.shape == (224, 336, 3)
    orange, blue, pale = drawn[60, 120], drawn[-1, -1], drawn[0, 0]
    assert orange.tolist() == [204, 88, 3]
    assert blue.tolist() == [33, 102, 172]
    assert len({*pale.tolist()}) == 1
    assert not np.isnan(overlay(np.zeros((2, 2)), np.ones((2, 2)))).any()
