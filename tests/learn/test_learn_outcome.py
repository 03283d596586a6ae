"""What is measured of a trained network agrees with what it says about every sample."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.inspect.superposition import superposition
from faltung.learn.augmentation import Augmentation
from faltung.learn.measures.answers import SHIFTS, shift_unit
from faltung.learn.measures.counting import network_cost
from faltung.learn.measures.outcome import measure
from faltung.learn.recipe import Recipe
from faltung.learn.risk import accuracy, accuracy_interval, accuracy_under_shift, empirical_risk
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.training import train
from faltung.networks import ConvClassifier
from faltung.networks.batches import tensors
from faltung.tensors.determinism import reproducible


def _dataset(samples: int, shape: tuple[int, ...], kind: type, seed: int) -> Dataset:
    """Class 1 has a lit place somewhere in the middle."""
    generator = np.random.default_rng(seed)
    labels = np.arange(samples) % 2
    values = generator.integers(0, 60, (samples, *shape)).astype(kind)
    for sample, label in zip(values, labels, strict=True):
        if label:
            sample[(0, *(generator.integers(size // 3, 2 * size // 3) for size in shape[1:]))] = 200
    return Dataset(values if kind is np.uint8 else (values - 300).astype(np.float32), labels, ("dark", "lit"))


def _split(shape: tuple[int, ...], kind: type) -> Split:
    parts = (_dataset(size, shape, kind, seed) for seed, size in enumerate((90, 20, 60)))
    return Split(*parts, "lit places")


def _trained(split: Split, size: int = 3) -> tuple[nn.Module, Classification, tuple]:
    torch.manual_seed(0)
    mean, deviation = (0.0, 1.0) if split.training.samples.dtype == np.uint8 else (-270.0, 20.0)
    network = ConvClassifier(
        sample_shape=split.training.sample_shape,
        classes=2,
        channels=(4, 6),
        size=size,
        mean=mean,
        deviation=deviation,
    )
    objective = Classification(split, augmentation=Augmentation(mirror=False, shift=0))
    return network, objective, tuple(train(network, objective, Recipe(epochs=4, batch_size=16, learning_rate=0.1)))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Layers this small wait for threads longer than they compute."""
    with reproducible(0, threads=1):
        yield


CASES = {
    "images": ((1, 12, 10), np.uint8),
    "colour": ((3, 9, 9), np.uint8),
    "series": ((2, 60), np.float32),
    "volumes": ((1, 6, 6, 6), np.float32),
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def measured(request):
    split = _split(*request.param)
    network, objective, history = _trained(split)
    return split, network, objective, measure("small", network, split, objective.loss, history)


def test_numbers_are_those_of_the_network(measured):
    split, network, objective, outcome = measured
    samples, labels = tensors(split.test)
    assert outcome.test_accuracy == accuracy(network, samples, labels)
    assert outcome.test_interval == accuracy_interval(outcome.test_accuracy, 60)
    assert outcome.test_risk == pytest.approx(empirical_risk(network, samples, labels, objective.loss), rel=1e-5)
    # Fewer training samples than are drawn of many: all of them.
    seen, seen_labels = tensors(split.training)
    assert outcome.training_samples == 90
    assert outcome.training_accuracy == pytest.approx(accuracy(network, seen, seen_labels))
    assert outcome.training_risk == pytest.approx(
        empirical_risk(network, seen, seen_labels, objective.loss), rel=1e-5
    )
    with torch.no_grad():
        expected = torch.softmax(network.eval()(samples), dim=1).numpy()
    assert np.allclose(outcome.test_probabilities, expected, atol=1e-5)
    assert np.array_equal(outcome.test_labels, split.test.labels)
    assert outcome.cost == network_cost(network, split.test.sample_shape)
    assert outcome.training_seconds == pytest.approx(sum(record.seconds for record in outcome.history))


def test_moves_go_all_ways_and_move_in_the_mean(measured):
    split, network, _, outcome = measured
    samples, labels = tensors(split.test)
    intensities = split.training.samples.dtype == np.uint8
    background = split.training.samples.astype(float).mean() / (255 if intensities else 1)
    unit = shift_unit(split.test.sample_shape)
    assert list(outcome.shifted_accuracy) == [unit * steps for steps in SHIFTS]
    for places, found in outcome.shifted_accuracy.items():
        expected = accuracy_under_shift(network, samples, labels, places, background=background)
        assert found == pytest.approx(expected, abs=0.5 / 60)  # a sample may be equally near to both classes


def test_layers_and_first_kernels(measured):
    split, network, _, outcome = measured
    samples, _ = tensors(split.test)
    assert [each.multiply_adds for each in outcome.layers] == [each.multiply_adds for each in outcome.cost.layers]
    assert [each.layer.name for each in outcome.layers] == [each.name for each in outcome.cost.layers]
    assert len(outcome.layers) == 7
    assert outcome.layers[0].linear_share == pytest.approx(1, abs=1e-6)
    order = torch.from_numpy(np.random.default_rng(0).permutation(60))
    assert [each.linear_share for each in outcome.layers] == pytest.approx(superposition(network, samples[order]))
    assert all(0 <= each.probe_accuracy <= 1 for each in outcome.layers)
    first = network.stages[0].change[0]
    assert np.array_equal(outcome.first_kernels, first.weight.detach())
    with torch.no_grad():
        expected = first(network.standardise(samples[:1]))[0]
    assert np.allclose(outcome.first_responses, expected, atol=1e-5)


def test_metrics_are_json(measured):
    *_, outcome = measured
    metrics = json.loads(json.dumps(outcome.metrics(), allow_nan=False))
    assert metrics["test_accuracy"] == outcome.test_accuracy
    assert metrics["shifted_accuracy"]["0"] == outcome.test_accuracy
    assert np.trace(metrics["confusion"]) == round(60 * outcome.test_accuracy)
    assert sum(each["count"] for each in metrics["calibration"]) == 60
    assert metrics["last_epoch"].keys() == outcome.history[-1].measures.keys()
    assert metrics["layers"][0]["weights"] == outcome.first_kernels.size
    assert metrics["epochs"] == 4


def test_a_probe_of_a_layer_that_finds_the_class_beats_one_of_the_samples():
    split = Split(*(_dataset(size, (1, 12, 10), np.uint8, seed) for seed, size in enumerate((300, 20, 200))), "lit")
    network, objective, _ = _trained(split)
    with torch.no_grad():  # a kernel that answers to the lit place, wherever it is, and nothing else
        first = network.stages[0].change[0].weight
        first.zero_()
        first[0, 0, 1, 1] = 1.0
    outcome = measure("lit", network, split, objective.loss, ())
    assert max(each.probe_accuracy for each in outcome.layers) > outcome.input_probe_accuracy + 0.1
    assert outcome.metrics()["last_epoch"] == {}


def test_many_samples_are_moved_in_one_direction_each():
    split = _split((1, 5, 5), np.uint8)
    many = Split(split.training, split.validation, split.test.subset(np.arange(1000) % 60), "many")
    network, objective, history = _trained(split)
    outcome = measure("small", network, many, objective.loss, history)
    assert {*np.unique(outcome.recognised[1])} <= {0.0, 1.0}
    samples, labels = tensors(split.test)
    # The 60 samples, each about 17 times in one of four directions: nearly the mean over all of them.
    assert outcome.shifted_accuracy[1] == pytest.approx(accuracy_under_shift(network, samples, labels, 1), abs=0.05)


@pytest.mark.parametrize(
    ("shape", "unit"),
    [
        ((1, 28, 28), 1),
        ((3, 32, 32), 1),
        ((1, 8, 8), 1),
        ((3, 64, 48), 2),
        ((3, 224, 224), 8),
        ((1, 427), 15),
        ((2, 3), 1),
    ],
)
def test_moves_are_in_units_of_a_28th_of_the_shortest_axis(shape, unit):
    assert shift_unit(shape) == unit
