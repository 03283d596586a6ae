"""Layers, linear probes and superposition against slow rewrites of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faltung.inspect.layerwise import NetworkLayer, activations, first_convolution, layers_of
from faltung.inspect.probe import linear_probe, probe_features
from faltung.inspect.superposition import superposition


def _seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, (1, 3), groups=4), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(48, 3),
    )  # fmt: skip


def test_layers_in_the_order_in_which_they_run():
    network = _network().train()
    assert layers_of(network, (2, 4, 5)) == (
        NetworkLayer("0", "3×3 convolution, 2 → 4", True, 72, (2, 4, 5), (4, 4, 5)),
        NetworkLayer("3", "1×3 depthwise convolution, 4 channels", True, 12, (4, 4, 5), (4, 4, 3)),
        NetworkLayer("6", "linear, 48 → 3", False, 144, (48,), (3,)),
    )
    assert [layer.dense_weights for layer in layers_of(network, (2, 4, 5))] == [40 * 80, 80 * 48, 144]
    assert network.training
    assert network[1].num_batches_tracked == 0


@pytest.mark.parametrize(
    ("layer", "shape", "title"),
    [
        (nn.Conv1d(1, 8, 9), (1, 20), "9-tap convolution, 1 → 8"),
        (nn.Conv2d(8, 4, 3, groups=2, stride=2), (8, 9, 9), "3×3 convolution, 8 → 4 in 2 groups, stride 2×2"),
        (nn.Conv3d(1, 2, (1, 3, 3)), (1, 4, 4, 4), "1×3×3 convolution, 1 → 2"),
        (nn.Conv2d(1, 1, 1), (1, 4, 4), "1×1 convolution, 1 → 1"),
    ],
)
def test_titles(layer, shape, title):
    [found] = layers_of(layer, shape)
    assert found.title == title


def test_a_dense_layer_in_place_of_a_convolution_has_as_many_weights_as_said():
    convolution = nn.Conv2d(2, 3, 3, stride=2)
    [layer] = layers_of(convolution, (2, 5, 6))
    outputs = convolution(torch.zeros(1, 2, 5, 6)).flatten(1).shape[1]
    assert layer.dense_weights == nn.Linear(2 * 5 * 6, outputs, bias=False).weight.numel()


def test_answers_are_what_the_layers_compute():
    network = _network().eval()
    samples = _seeded(230, 2, 4, 5)  # more than two batches
    logits, kept = activations(network, samples, lambda answer: answer.flatten(1))
    expected = [network[0](samples), network[:4](samples), network(samples)]
    assert torch.allclose(logits, expected[2], atol=1e-5)
    for found, whole in zip(kept, expected, strict=True):
        assert torch.allclose(found, whole.flatten(1), atol=1e-5)


def test_listening_leaves_no_trace():
    network = _network().train()
    activations(network, torch.zeros(3, 2, 4, 5), lambda answer: answer)
    with pytest.raises(RuntimeError):
        activations(network, torch.zeros(3, 2, 9), lambda answer: answer)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_layer_that_runs_twice_stands_there_twice():
    shared = nn.Linear(4, 4)
    network = nn.Sequential(shared, nn.ReLU(), shared)
    assert [layer.name for layer in layers_of(network, (4,))] == ["0", "0"]
    _, kept = activations(network, torch.ones(1, 4), lambda answer: answer)
    assert torch.allclose(kept[1], shared(shared(torch.ones(1, 4)).relu()))


def test_first_convolution():
    network = _network().eval()
    sample = _seeded(2, 4, 5)
    kernels, answer = first_convolution(network, sample)
    assert torch.equal(kernels, network[0].weight)
    assert torch.allclose(answer, network[0](sample[None])[0])
    assert first_convolution(nn.Linear(4, 2), torch.zeros(4)) is None


@given(
    channels=st.integers(1, 600),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3).filter(lambda sizes: np.prod(sizes) < 4000),
)
def test_probe_features_are_few_and_lose_nothing_without_need(channels, sizes):
    features = probe_features(torch.zeros(1, channels, *sizes))
    places = features.shape[1] // channels
    assert features.shape[1] <= max(512, channels)
    if channels * max(sizes) ** len(sizes) <= 512:
        assert places == np.prod(sizes)


def test_probe_features_are_means_over_neighbours():
    answers = _seeded(2, 8, 16, 16)  # 8 of 16 places an axis make 512 features
    expected = answers.reshape(2, 8, 8, 2, 8, 2).mean(dim=(3, 5)).flatten(1)
    assert torch.allclose(probe_features(answers), expected, atol=1e-6)
    assert torch.equal(probe_features(answers[:, 0, 0]), answers[:, 0, 0])


def _probe_by_definition(features, labels, tests, classes):
    """Try every ridge, solve the normal equations, and count degrees of freedom with the hat matrix."""
    mean, deviation = features.mean(0), features.std(0)
    deviation[deviation == 0] = 1
    inputs, tests = (features - mean) / deviation, (tests - mean) / deviation
    targets = np.eye(classes)[labels]
    shares = targets.mean(0)
    gram = inputs.T @ inputs
    best = np.inf
    for ridge in np.trace(gram) / len(gram) * 10.0 ** np.arange(-6, 2.5, 0.5):
        inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)))
        weights = inverse @ inputs.T @ (targets - shares)
        left = np.square(targets - shares - inputs @ weights).sum()
        score = left / (len(inputs) - 1 - np.trace(inputs @ inverse @ inputs.T)) ** 2
        if score < best:
            best, predicted = score, (tests @ weights + shares).argmax(1)
    return predicted


@pytest.mark.parametrize(("features", "samples"), [(6, 80), (40, 50)])
def test_linear_probe_is_ridge_regression_with_the_ridge_of_cross_validation(features, samples):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, samples)
    means = generator.normal(size=(3, features))
    inputs = means[labels] + 1.5 * generator.normal(size=(samples, features))
    inputs[:, 0] = 7.0  # tells nothing, and must not be divided by its deviation
    tests = means[generator.integers(0, 3, 400)] + 1.5 * generator.normal(size=(400, features))
    predicted = _probe_by_definition(inputs, labels, tests, 3)
    # With the labels that the slow probe predicts, the accuracy says whether both predict the same.
    found = linear_probe(*map(torch.tensor, (inputs, labels, tests, predicted)))
    assert found >= 1 - 1 / 400


def test_linear_probe_of_features_that_never_change_says_the_most_frequent_class():
    labels = torch.tensor([0, 1, 1])
    assert linear_probe(torch.ones(3, 5), labels, torch.ones(4, 5), torch.tensor([1, 1, 1, 0])) == 0.75


def test_linear_probe_finds_what_is_linear_and_not_what_is_not():
    inputs = _seeded(600, 2)
    line, cross = (inputs[:, 0] > 0.3).long(), (inputs.prod(dim=1) > 0).long()
    assert linear_probe(inputs[:400], line[:400], inputs[400:], line[400:]) > 0.9
    assert linear_probe(inputs[:400], cross[:400], inputs[400:], cross[400:]) < 0.65


def test_superposition_is_its_definition():
    network = _network().eval()
    samples = _seeded(20, 2, 4, 5)
    ones, others = samples[:10], samples[10:]
    expected = []
    for layer in (network[:1], network[:4], network):
        of_averages, of_both = layer((ones + others) / 2), (layer(ones) + layer(others)) / 2
        departure = (of_averages - of_both).square().sum()
        expected.append(1 - (departure / (of_averages - of_averages.mean(0)).square().sum()).item())
    found = superposition(network, samples)
    assert found[0] == pytest.approx(1, abs=1e-9)
    assert found == pytest.approx(expected, abs=1e-5)
    assert found[2] < found[0]


def test_superposition_of_few_places_of_large_answers():
    network = nn.Sequential(nn.Conv1d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv1d(2, 1, 3, padding=1))
    samples = _seeded(40, 1, 70)
    middle = network[:2]
    both = [network[2](middle(part))[:, :, ::5] for part in (samples[:20], samples[20:])]
    average = network[2](middle((samples[:20] + samples[20:]) / 2))[:, :, ::5]
    departure = (average - (both[0] + both[1]) / 2).square().sum() / (average - average.mean(0)).square().sum()
    assert superposition(network, samples)[1] == pytest.approx(1 - departure.item(), abs=1e-5)


def test_superposition_where_nothing_varies():
    class Square(nn.Module):
        def __init__(self):
            super().__init__()
            self.after = nn.Linear(1, 1, bias=False)

        def forward(self, samples):
            return self.after(samples.square())

    # Alike samples answer alike: their average is what they are.
    assert superposition(nn.Linear(3, 2), torch.ones(4, 3)) == [1.0]
    # The average of 1 and -1 is 0 for every pair, and its square is not the average of their squares.
    assert superposition(Square(), torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])) == [0.0]
