"""Training: the same numbers from the same seed, augmentation that keeps its promises, errors that say what to do."""

from __future__ import annotations

import collections
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.learn.augmentation import mirror_at_random, shift_at_random
from faltung.learn.datasets import Dataset, Split
from faltung.learn.determinism import reproducible
from faltung.learn.risk import accuracy, empirical_risk, translate
from faltung.learn.tensors import tensors
from faltung.learn.training import Recipe, _relative_rate, train


def _dataset(samples: int, seed: int) -> Dataset:
    """Bright rows are class 0, bright columns class 1."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 40, (samples, 8, 8), dtype=np.uint8)
    labels = np.arange(samples) % 2
    for image, label, place in zip(images, labels, generator.integers(1, 7, samples), strict=True):
        if label:
            image[:, place] += 180
        else:
            image[place, :] += 180
    return Dataset(images, labels, ("row", "column"))


SPLIT = Split(_dataset(300, 1), _dataset(60, 2), _dataset(60, 3), "rows and columns")


def _network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def _train(seed: int, recipe: Recipe) -> tuple[nn.Module, list]:
    with reproducible(seed, threads=1):
        network = _network()
        return network, train(network, SPLIT, recipe, seed=seed)


RECIPE = Recipe(epochs=6, batch_size=32, learning_rate=0.1, label_smoothing=0.0)


def test_training_learns_and_reports_what_it_did():
    seen = []
    with reproducible(0, threads=1):
        network = _network()
        history = train(network, SPLIT, RECIPE, seed=0, on_epoch=seen.append)
    assert seen == history
    assert [record.epoch for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].training_risk < 0.5 * history[0].training_risk
    images, labels = tensors(SPLIT.validation)
    assert accuracy(network, images, labels) > 0.95
    assert history[-1].validation_accuracy == accuracy(network, images, labels)
    assert history[-1].validation_risk == empirical_risk(network, images, labels, nn.CrossEntropyLoss())
    assert all(record.seconds > 0 for record in history)


def test_same_seed_same_numbers_other_seed_other_numbers():
    first, history = _train(3, RECIPE)
    torch.rand(5)  # whatever else uses torch's generator does not matter
    second, again = _train(3, RECIPE)
    assert [record.training_risk for record in history] == [record.training_risk for record in again]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    _, other = _train(4, RECIPE)
    assert history[0].training_risk != other[0].training_risk


def test_first_step_is_one_step_of_gradient_descent():
    # One batch of all images, no momentum, decay or augmentation: the weights move by the rate times the gradient.
    recipe = Recipe(
        1, 300, learning_rate=0.5, momentum=0.0, weight_decay=0.0, label_smoothing=0.0, mirror=False, shift=0
    )
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    before = network[1].weight.detach().clone()
    images, labels = tensors(SPLIT.training)
    nn.functional.cross_entropy(network(images), labels).backward()
    gradient = network[1].weight.grad.clone()
    network.zero_grad()
    train(network, SPLIT, recipe)
    # Halfway through training, which is three eighths of the way down the cosine.
    first_step = 0.5 * (0.5 + 0.5 * math.cos(math.pi * 3 / 8))
    assert torch.allclose(network[1].weight, before - first_step * gradient, atol=1e-7)


@pytest.mark.parametrize("epochs", range(1, 7))
def test_fewer_images_than_a_batch_are_one_batch(epochs):
    steps = []
    network = _network()
    network.register_forward_hook(lambda module, inputs, output: steps.append((module.training, len(output))))
    train(network, SPLIT, Recipe(epochs=epochs, batch_size=1000))
    assert [size for training, size in steps if training] == [300] * epochs


def test_learning_rate_rises_for_a_fifth_and_falls_to_nothing():
    rates = [_relative_rate((step + 0.5) / 100) for step in range(100)]
    assert rates[:20] == pytest.approx([(step + 0.5) / 20 for step in range(20)])
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[20:]))
    assert rates[20] > 0.999
    assert rates[60] == pytest.approx(0.5, abs=0.01)
    assert 0 < rates[99] < 0.001


def test_weight_decay_spares_biases_and_batch_norms():
    frozen = Recipe(
        epochs=4, batch_size=300, learning_rate=0.1, momentum=0.0, weight_decay=1.0, shift=0, mirror=False
    )

    class Silent(nn.Module):
        """Has parameters that get a zero gradient, so that only decay could move them."""

        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.ones(2, 2))
            self.vector = nn.Parameter(torch.ones(2))

        def forward(self, images):
            return 0.0 * (images.flatten(1)[:, :2] @ self.matrix + self.vector)

    network = Silent()
    train(network, SPLIT, frozen)
    assert (network.matrix < 0.99).all()
    assert (network.vector == 1.0).all()


def test_divergence_is_an_error_that_names_a_smaller_step():
    text = r"learning_rate: expected steps small enough .* got 1e\+30, .* in epoch 1\. Use .* such as 1e\+29\."
    with pytest.raises(ArgumentError, match=text):
        train(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 2)),
            SPLIT,
            Recipe(epochs=2, learning_rate=1e30, batch_size=32),
        )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"batch_size": 1}, "batch_size: expected at least 2, got 1"),
        ({"shift": -1}, "shift: expected at least 0, got -1"),
        ({"weight_decay": -0.1}, "weight_decay: expected at least 0, got -0.1"),
        ({"weight_decay": float("nan")}, "weight_decay: .* got nan"),
        ({"learning_rate": 0.0}, "learning_rate: expected a positive number, got 0.0"),
        ({"learning_rate": float("inf")}, "learning_rate: .* got inf"),
        ({"momentum": 1.0}, "momentum: expected a number from 0 to below 1, got 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing: .* got -0.1"),
    ],
)
def test_recipes_out_of_range_are_refused(changes, text):
    with pytest.raises(ArgumentError, match=text):
        Recipe(**changes)


def test_reproducible_puts_everything_back():
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    def fail_inside() -> None:
        with reproducible(1, threads=1):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            torch.rand(3)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_inside()
    assert torch.rand(1) == expected
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, deterministic)


@pytest.mark.parametrize(
    ("seed", "threads", "text"), [(-1, 1, "seed: .* got -1"), (2**63, 1, "seed"), (0, 0, "threads: .* got 0")]
)
def test_reproducible_refuses(seed, threads, text):
    with pytest.raises(ArgumentError, match=text), reproducible(seed, threads):
        pass


def test_shift_at_random_makes_every_move_and_no_other():
    image = torch.arange(1.0, 31.0).reshape(1, 2, 3, 5)
    moves = {
        (down, right): translate(image, down, right)[0] for down in (-2, -1, 0, 1, 2) for right in (-2, -1, 0, 1, 2)
    }
    shifted = shift_at_random(image.expand(5000, -1, -1, -1), 2, torch.Generator().manual_seed(0))
    found = collections.Counter(
        next(move for move, moved in moves.items() if torch.equal(moved, one)) for one in shifted
    )
    assert set(found) == set(moves)
    assert min(found.values()) > 140  # 200 expected, standard deviation 14


def test_mirror_at_random_mirrors_half():
    image = torch.arange(1.0, 13.0).reshape(1, 2, 2, 3)
    mirrored = mirror_at_random(image.expand(2000, -1, -1, -1), torch.Generator().manual_seed(0))
    flipped = (mirrored == image.flip(3)).flatten(1).all(1)
    same = (mirrored == image).flatten(1).all(1)
    assert (flipped ^ same).all()
    assert 900 < flipped.sum() < 1100
