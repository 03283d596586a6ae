"""Patterns: patches against gradients, boxes against boxes, ascent against the kernel, probes and superposition."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import faltung as fa
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.inspect import field_boxes
from faltung.inspect.capture import capture
from faltung.inspect.examples import as_example
from faltung.inspect.layer_rows import layer_rows
from faltung.inspect.probe import linear_probe, probe_features
from faltung.inspect.supports import needs_values

pytestmark = pytest.mark.usefixtures("alone")


def patterns_of(network, *examples, **arguments):
    card = fa.inspect.card(network, *examples, sections=["patterns"], **arguments)
    json.loads(card.json())
    assert "<ul" in card.html() or not card.sections["patterns"].drawings()
    return card.sections["patterns"]


def convolutional(axes, channels=2, inner=3):
    conv, pool = ((nn.Conv1d, nn.AvgPool1d), (nn.Conv2d, nn.AvgPool2d), (nn.Conv3d, nn.AvgPool3d))[axes - 1]
    return nn.Sequential(conv(channels, inner, 3, padding=1), pool(2), conv(inner, 4, 3, dilation=2), conv(4, 2, 1))


def box_of(gradient):
    seen = gradient.abs().sum(0) > 0
    return tuple(
        (int(where.min()), int(where.max()) + 1) for axis in range(seen.ndim) for where in [seen.nonzero()[:, axis]]
    )


@pytest.mark.parametrize(("axes", "shape"), [(1, (2, 31)), (2, (2, 15, 18)), (3, (1, 11, 12, 12))])
def test_patches_are_what_the_strongest_outputs_see(axes, shape):
    network = convolutional(axes, shape[0]).double()
    data = torch.randn(9, *shape, dtype=torch.float64)
    result = patterns_of(network, data[:1], data=data)
    assert [layer.name for layer in result.layers] == ["0", "2", "3"]
    for layer in result.layers:
        before = network[: int(layer.name) + 1]
        answers = before(data).detach()
        spread = answers.transpose(0, 1).flatten(1).var(1, correction=0)
        assert [each.channel for each in layer.channels] == spread.argsort(descending=True)[:3].tolist()
        for each in layer.channels:
            largest = answers[:, each.channel].flatten(1).max(1)
            best = largest.values.argsort(descending=True)[:4].tolist()
            assert [patch.sample for patch in each.patches] == best
            for patch in each.patches:
                assert patch.response == pytest.approx(float(largest.values[patch.sample]))
                x = data[[patch.sample]].requires_grad_()
                output = before(x)[(0, each.channel, *patch.position)]
                assert float(output.detach()) == pytest.approx(patch.response)
                box = box_of(torch.autograd.grad(output, x)[0][0])
                assert patch.bounds == box
                part = data[(patch.sample, slice(None), *(slice(*pair) for pair in box))]
                np.testing.assert_allclose(patch.values, part, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 60), (2, 40, 48)])
def test_boxes_of_large_networks_are_moved_to_where_they_are(shape, monkeypatch):
    axes = len(shape) - 1
    conv = (nn.Conv1d, nn.Conv2d)[axes - 1]
    pool = (nn.MaxPool1d, nn.MaxPool2d)[axes - 1]
    network = nn.Sequential(conv(shape[0], 2, 3, stride=2, padding=1), pool(2), conv(2, 2, 3, padding=1))
    captured = capture(network, as_example(torch.randn(1, *shape)), needs_values)
    row = layer_rows(captured)[-1]
    exact = field_boxes.FieldBoxes(captured, row)
    monkeypatch.setattr(field_boxes, "_MOST_RESULTS", 0)
    moved = field_boxes.FieldBoxes(captured, row)
    assert exact.exact
    assert not moved.exact
    for position in np.ndindex(*row.result.shape[2:]):
        assert moved.of(position, 1) == exact.of(position, 1)


def test_boxes_that_are_cut_off_in_the_middle_are_the_whole_input(monkeypatch):
    monkeypatch.setattr(field_boxes, "_MOST_RESULTS", 0)
    captured = capture(nn.Conv1d(1, 1, 9, padding=4), as_example(torch.randn(1, 1, 7)), needs_values)
    boxes = field_boxes.FieldBoxes(captured, layer_rows(captured)[0])
    assert {boxes.of((place,), 0) for place in range(7)} == {((0, 7),)}


def test_ascent_of_a_linear_channel_is_its_kernel():
    network = nn.Conv2d(2, 3, 5)
    data = 4 * torch.randn(40, 2, 11, 12)
    result = patterns_of(network, data[:1], data=data, channels={"(itself)": [2, 0]})
    (layer,) = result.layers
    assert [each.channel for each in layer.channels] == [2, 0]
    for each in layer.channels:
        kernel = network.weight[each.channel].detach().numpy()
        found = each.found.values - data.mean((0, 2, 3)).numpy()[:, None, None]
        assert found.shape == kernel.shape
        cosine = (found * kernel).sum() / np.linalg.norm(found) / np.linalg.norm(kernel)
        assert cosine > 0.95
        assert each.found.response > each.patches[0].response
        assert float(each.found.values.min()) >= float(data.min())
        assert float(each.found.values.max()) <= float(data.max())
        answer = network(torch.as_tensor(each.found.values)[None])[0, each.channel]
        assert each.found.response == pytest.approx(float(answer.detach()), rel=1e-4)


def test_large_inputs_are_climbed_in_a_smaller_size_or_as_they_are():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 98 * 18, 3))
    result = patterns_of(network, torch.randn(1, 1, 100, 20))
    shapes = {layer.name: layer.channels[0].found.values.shape for layer in result.layers}
    assert shapes == {"0": (1, 3, 3), "2": (1, 100, 20)}


def test_the_network_and_the_random_numbers_stay_as_they_are():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Conv2d(2, 3, 3)).train()
    before = copy.deepcopy(network.state_dict())
    data = torch.randn(12, 1, 9, 9)
    kept = data.clone()
    state = torch.get_rng_state()
    first = patterns_of(network, data[:1], data=data, labels=[0, 1] * 6)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(data, kept)
    assert network.training
    assert all(each.grad is None and each.requires_grad for each in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    card = fa.inspect.card(network, data[:1], data=data, sections=["patterns", "attribution"])
    answer = copy.deepcopy(network).eval()(data[:1]).mean()
    assert card.sections["attribution"].output == pytest.approx(float(answer.detach()), rel=1e-5)
    second = card.sections["patterns"]
    for one, other in zip(first.layers, second.layers, strict=True):
        np.testing.assert_array_equal(one.channels[0].found.values, other.channels[0].found.values)


def test_layers_are_spread_over_the_depth():
    network = nn.Sequential(*(nn.Conv1d(1, 1, 1) for _ in range(11)))
    result = patterns_of(network, torch.randn(3, 1, 5))
    assert [layer.name for layer in result.layers] == ["0", "2", "4", "6", "8", "10"]
    assert len(result.depth) == 11
    assert "pictures of 6 of 11 layers" in result.facts()["Looked at"]


def test_superposition_is_one_up_to_the_first_rectifier():
    network = nn.Sequential(nn.Conv1d(2, 4, 3), nn.Conv1d(4, 4, 3), nn.ReLU(), nn.Conv1d(4, 4, 3), nn.Flatten())
    result = patterns_of(network, torch.randn(1, 2, 20), data=torch.randn(60, 2, 20))
    shares = [row.superposition for row in result.depth]
    assert shares[:2] == pytest.approx([1, 1], abs=1e-6)
    assert 0 < shares[2] < 0.95
    assert result.figures()["superposition"] == shares[2]
    assert len(result.drawings()) == 1 + 3
    few = patterns_of(network, torch.randn(7, 2, 20))
    assert all(math.isnan(row.superposition) for row in few.depth)
    assert len(few.drawings()) == 3


def test_probes_are_those_of_half_of_the_samples():
    network = nn.Sequential(nn.Conv1d(1, 3, 3), nn.ReLU(), nn.Conv1d(3, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    with torch.no_grad():
        network[4].weight.zero_()
    data = torch.randn(200, 1, 8)
    labels = (data[:, 0].abs().sum(1) > 6).long()
    result = patterns_of(network, data[:1], data=data, labels=labels.numpy().astype(np.uint8))
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    fitted, tested = order[:100], order[100:]
    for row, activation in zip(
        [None, *result.depth], [data, network[0](data), network[:3](data), network(data)], strict=True
    ):
        features = probe_features(activation.detach().double())
        wanted = linear_probe(features[fitted], labels[fitted], features[tested], labels[tested])
        assert (result.input_probe if row is None else row.probe) == pytest.approx(wanted, abs=0.01)
    assert result.figures()["probe_accuracy"] == max(row.probe for row in result.depth)
    assert "Linear probe" in result.facts()
    assert math.isnan(patterns_of(network, data[:1], data=data[:30], labels=labels[:30]).input_probe)
    assert math.isnan(patterns_of(network, data[:1], data=data, labels=[3] * 200).input_probe)


def test_many_samples_are_drawn_at_random():
    data = torch.randn(700, 1, 6)
    result = patterns_of(nn.Conv1d(1, 1, 3), data[:1], data=data, labels=torch.arange(700) % 2)
    assert result.facts()["Looked at"].startswith("500 samples of the data of 700, drawn at random")


class Several(nn.Module):
    """Takes several arguments, and returns tokens."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(2, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x, scale, *, time):
        y = self.first(input=x) * scale[:, None, None] + time
        return {"tokens": self.second(y.transpose(1, 2))}


def test_other_arguments_are_those_of_the_example():
    network, data = Several(), torch.randn(10, 2, 9)
    with torch.no_grad():
        answers = network(data, torch.full((10,), 3.0), time=torch.tensor(2.0))["tokens"]
    card = fa.inspect.card(
        network,
        {"x": data[:1], "scale": torch.tensor([3.0]), "time": torch.tensor(2.0)},
        data=data,
        channels={"second": [1]},
        sections=["patterns"],
    )
    (layer,) = card.sections["patterns"].layers
    patch = layer.channels[0].patches[0]
    assert patch.response == pytest.approx(float(answers[..., 1].max()), rel=1e-5)
    start, end = patch.bounds[0]
    assert (start, end) == (max(patch.position[0] - 1, 0), min(patch.position[0] + 2, 9))


class OneAtATime(nn.Module):
    """Accepts one sample only, as exported networks do."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(1, 2, 3)

    def forward(self, x):
        return self.layer(x.reshape(1, 1, 8))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (OneAtATime(), (1, 8)),
        (nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), (5,)),
        (nn.Sequential(nn.ConvTranspose2d(1, 2, 3, stride=2), nn.ReLU(), nn.Conv2d(2, 1, 1)), (1, 5, 6)),
        (nn.Sequential(fa.layers.Conv2d(1, 3, 3, padding=1), nn.PReLU()), (1, 9, 9)),
        (nn.Conv2d(5, 2, 1), (5, 1, 1)),
        (nn.Conv2d(3, 2, 3), (3, 8, 8)),
        (nn.Sequential(nn.Conv3d(2, 2, 2), nn.AdaptiveAvgPool3d(1)), (2, 5, 5, 5)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_networks_of_every_kind(network, shape):
    data = torch.randn(9, *shape)
    result = patterns_of(network, data[:1], data=data)
    assert result.layers
    for layer in result.layers:
        for each in layer.channels:
            assert math.isfinite(each.found.response)
            assert len(each.patches) == 4
    assert all(drawing.html.count("<li>") >= 5 for drawing in result.pictures())


def test_data_that_are_not_finite_or_constant():
    network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Conv1d(2, 1, 3))
    data = torch.randn(10, 1, 9)
    data[3, 0, 4] = math.nan
    data[5, 0, 2] = math.inf
    patterns_of(network, torch.zeros(1, 1, 9), data=data, labels=torch.arange(10) % 2)
    result = patterns_of(network, torch.zeros(2, 1, 9))
    assert result.layers[0].channels[0].found.response > result.layers[0].channels[0].patches[0].response


def test_what_cannot_be_looked_at_is_said():
    card = fa.inspect.card(nn.Embedding(5, 3), torch.zeros(1, 4, dtype=torch.int64), sections=["patterns"])
    assert "no floating-point tensor" in str(card)

    class Functional(nn.Module):
        def forward(self, x):
            return torch.nn.functional.avg_pool1d(x, 2)

    class Halting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv1d(1, 1, 1)

        def forward(self, x):
            y = self.layer(x)
            return self.layer(y) if x.sum() > 0 else y

    card = fa.inspect.card(Halting(), torch.ones(1, 1, 3), data=torch.randn(400, 1, 3), sections=["patterns"])
    assert "does not run alike" in str(card)
    assert "no layer is a module" in str(fa.inspect.card(Functional(), torch.randn(1, 1, 6), sections=["patterns"]))


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (
            {"data": torch.zeros(3, 1, 9)},
            ArgumentError,
            r"samples like the example, shape \(samples, 1, 8",
        ),
        ({"data": torch.zeros(1, 8)}, ArgumentError, "data: expected samples like the example"),
        ({"data": torch.zeros(0, 1, 8)}, ArgumentError, "data: expected samples like the example"),
        (
            {"data": torch.zeros(2, 1, 8, dtype=torch.uint8)},
            ArgumentTypeError,
            "data: expected floating-point",
        ),
        ({"data": "images"}, ArgumentTypeError, "data: expected a tensor or an array, got str"),
        ({"labels": [0]}, ArgumentError, "labels: expected labels beside data="),
        ({"data": torch.zeros(2, 1, 8), "labels": [0]}, ArgumentError, "labels: expected 2 integers"),
        ({"data": torch.zeros(2, 1, 8), "labels": [0.0, 1.0]}, ArgumentTypeError, "labels: expected integers"),
        (
            {"data": torch.zeros(2, 1, 8), "labels": [0, -1]},
            ArgumentError,
            "labels: expected classes counted from",
        ),
        ({"channels": {"9": [0]}}, ArgumentError, "channels: expected names out of 0, 2, got '9'"),
        ({"channels": {"0": [4]}}, ArgumentError, "channels: expected numbers from 0 to 3 for the layer '0', got 4"),
        (
            {"channels": {"0": [0]}, "sections": ["counts"]},
            ArgumentError,
            "channels: expected none for these",
        ),
        ({"data": torch.zeros(2, 1, 8), "sections": ["counts"]}, ArgumentError, "data: expected none for these"),
    ],
)
def test_wrong_arguments(arguments, kind, text):
    network = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Conv1d(4, 2, 3))
    with pytest.raises(kind, match=text):
        fa.inspect.card(network, torch.zeros(1, 1, 8), **{"sections": ["patterns"], **arguments})


def test_data_for_inputs_without_gradients_are_refused():
    with pytest.raises(ArgumentError, match="data: expected none for a network whose inputs"):
        fa.inspect.card(nn.Embedding(5, 3), torch.zeros(1, 4, dtype=torch.int64), data=torch.zeros(2, 4))


def test_layers_that_do_not_see_the_input_are_left_out():
    class Conditioned(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.condition = nn.Conv1d(1, 2, 3), nn.Linear(1, 2)

        def forward(self, x, time):
            return self.layer(x) + self.condition(time)[..., None]

    result = patterns_of(Conditioned(), (torch.randn(1, 1, 8), torch.ones(1, 1)))
    assert [layer.name for layer in result.layers] == ["layer"]
