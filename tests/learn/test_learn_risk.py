"""Risk, accuracy and moved images against the definitions, written as loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faltung.errors import ArgumentError
from faltung.learn.risk import (
    accuracy,
    accuracy_interval,
    accuracy_under_shift,
    empirical_risk,
    logits,
    paired_interval,
    recognised_under_shift,
    translate,
)


def _moved_by_loops(sample: np.ndarray, moves: tuple[int, ...], background: float) -> np.ndarray:
    moved = np.full(sample.shape, background, np.float32)
    for place in np.ndindex(sample.shape):
        origin = tuple(index - move for index, move in zip(place, moves, strict=True))
        if all(0 <= index < size for index, size in zip(origin, sample.shape, strict=True)):
            moved[place] = sample[origin]
    return moved


@given(
    axes=st.lists(st.tuples(st.integers(1, 5), st.integers(-7, 7)), min_size=1, max_size=3),
    background=st.sampled_from([0.0, -1.5]),
)
def test_translate_is_its_definition(axes, background):
    sizes, moves = zip(*axes, strict=True)
    samples = torch.arange(1.0, 1 + 2 * math.prod(sizes)).reshape(2, 1, *sizes)
    moved = translate(samples, *moves, background=background)
    for sample in range(2):
        assert np.array_equal(moved[sample, 0], _moved_by_loops(samples[sample, 0].numpy(), moves, background))


def test_translate_written_out():
    image = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert translate(image, 1, -1).tolist() == [[0, 0, 0], [2, 3, 0]]
    assert translate(image, 0, 0).tolist() == image.tolist()
    assert translate(image, -2, 0, background=9.0).tolist() == [[9, 9, 9], [9, 9, 9]]
    assert translate(torch.tensor([1.0, 2.0, 3.0]), 2, background=-1.0).tolist() == [-1, -1, 1]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_empirical_risk_is_the_mean_of_the_loss(smoothing):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1203, 1, 1, 4, generator=generator)  # more than one batch, and a remainder
    labels = torch.randint(0, 4, (1203,), generator=generator)
    losses = []
    for scores, label in zip(images.flatten(1).tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(score) for score in scores)
        log_probabilities = [score - math.log(total) for score in scores]
        targets = [smoothing / 4 + (1 - smoothing) * (index == label) for index in range(4)]
        losses.append(-sum(t * p for t, p in zip(targets, log_probabilities, strict=True)))
    risk = empirical_risk(nn.Flatten(), images, labels, nn.CrossEntropyLoss(label_smoothing=smoothing))
    assert risk == pytest.approx(sum(losses) / len(losses), rel=1e-6)


def test_accuracy_counts():
    scores = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [0.0, 1.0, 2.0], [9.0, 1.0, 1.0]]).reshape(4, 1, 1, 3)
    assert accuracy(nn.Flatten(), scores, torch.tensor([0, 1, 1, 0])) == 0.75


def test_logits_leave_the_mode_alone_and_use_evaluation_mode():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5))
    images = torch.ones(700, 1, 1, 3)
    assert torch.equal(logits(network.train(), images), images.flatten(1))
    assert network.training
    logits(network.eval(), images)
    assert not network.training


def test_mode_comes_back_after_an_error():
    network = nn.Linear(2, 2).train()
    with pytest.raises(RuntimeError):
        logits(network, torch.ones(1, 3))
    assert network.training


class Middle(nn.Module):
    """Says class 1 where the middle place is lit."""

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        lit = samples[(slice(None), 0, *(size // 2 for size in samples.shape[2:]))]
        return torch.stack([1 - lit, lit], dim=1)


def test_accuracy_under_shift_is_the_mean_of_four_directions():
    # The middle of the image is lit after a move down and after a move left.
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 0, 1] = image[0, 0, 1, 2] = 1.0
    label = torch.tensor([1])
    assert accuracy_under_shift(Middle(), image, label, places=0) == 0.0
    assert accuracy_under_shift(Middle(), image, label, places=1) == 0.5
    assert accuracy_under_shift(Middle(), image, label, places=3) == 0.0
    assert accuracy_under_shift(Middle(), image, label, places=3, background=1.0) == 1.0


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_axis_is_moved_along_both_ways(axes):
    # One sample for each way, with the place lit that this way moves to the middle.
    ways = [(axis, side) for axis in range(axes) for side in (0, 2)]
    samples = torch.zeros(len(ways), 1, *[3] * axes)
    for index, (axis, side) in enumerate(ways):
        samples[(index, 0, *(side if other == axis else 1 for other in range(axes)))] = 1.0
    labels = torch.ones(len(ways), dtype=torch.long)
    shares = recognised_under_shift(Middle(), samples, labels, 1)
    assert shares.tolist() == pytest.approx([1 / len(ways)] * len(ways))


@pytest.mark.parametrize("directions", [1, 2, 3])
def test_samples_share_the_directions_evenly(directions):
    # All samples are recognised after a move down, and only then: each direction is the lot of so many of four.
    samples = torch.zeros(100, 1, 3, 3)
    samples[:, 0, 0, 1] = 1.0
    labels = torch.ones(100, dtype=torch.long)
    shares = recognised_under_shift(Middle(), samples, labels, 1, directions=directions)
    assert sorted(set(shares.tolist())) == pytest.approx([0, 1 / directions])
    assert (shares > 0).sum() == 25 * directions
    assert torch.equal(shares, recognised_under_shift(Middle(), samples, labels, 1, directions=directions))


def test_moves_that_cannot_be_made():
    arguments = Middle(), torch.zeros(1, 1, 3, 3), torch.tensor([1])
    with pytest.raises(ArgumentError, match="places: expected a distance of zero or more, got -1"):
        accuracy_under_shift(*arguments, places=-1)
    for directions in (0, 5):
        with pytest.raises(ArgumentError, match=f"directions: expected from 1 to 4, got {directions}"):
            recognised_under_shift(*arguments, 1, directions=directions)


def test_accuracy_interval_against_published_values():
    # 81 of 263: Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17,
    # 1998, table I, method 3.
    assert accuracy_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert accuracy_interval(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert accuracy_interval(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_paired_interval_against_its_formula():
    # Bonett and Price: (a - b) / (n + 2) and the variance of the proportions (a + 1) / (n + 2), (b + 1) / (n + 2).
    first, second, equal = 12, 5, 83
    p, q, n = 13 / 102, 6 / 102, 102
    half = 1.959964 * math.sqrt((p + q - (p - q) ** 2) / n)
    differences = np.repeat([1.0, -1.0, 0.0], [first, second, equal])
    assert paired_interval(differences) == pytest.approx((p - q - half, p - q + half))


@pytest.mark.parametrize("truth", [0.0, 0.1])
def test_paired_interval_holds_the_truth_as_often_as_it_says(truth):
    generator = np.random.default_rng(0)
    shares = [0.15 + truth / 2, 0.15 - truth / 2, 0.7]
    held = 0
    for _ in range(1000):
        low, high = paired_interval(generator.choice([1.0, -1.0, 0.0], size=100, p=shares))
        held += low <= truth <= high
    assert 930 <= held <= 975
