"""Risk, accuracy and moved images against the definitions, written as loops."""

from __future__ import annotations

import math

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
    translate,
)


def _moved_by_loops(image: torch.Tensor, down: int, right: int, background: float) -> torch.Tensor:
    height, width = image.shape
    moved = torch.full((height, width), background)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                moved[row, column] = image[row - down, column - right]
    return moved


@given(
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    down=st.integers(-7, 7),
    right=st.integers(-7, 7),
    background=st.sampled_from([0.0, -1.5]),
)
def test_translate_is_its_definition(height, width, down, right, background):
    images = torch.arange(1.0, 1 + 2 * height * width).reshape(2, 1, height, width)
    moved = translate(images, down, right, background)
    for sample in range(2):
        assert torch.equal(moved[sample, 0], _moved_by_loops(images[sample, 0], down, right, background))


def test_translate_written_out():
    image = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert translate(image, down=1, right=-1).tolist() == [[0, 0, 0], [2, 3, 0]]
    assert translate(image, down=0, right=0).tolist() == image.tolist()
    assert translate(image, down=-2, right=0, background=9.0).tolist() == [[9, 9, 9], [9, 9, 9]]


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


def test_accuracy_under_shift_is_the_mean_of_four_directions():
    # The network says class 1 where the middle pixel is lit. It is lit after a move down and after a move left.
    class Middle(nn.Module):
        def forward(self, images):
            lit = images[:, 0, 1, 1]
            return torch.stack([1 - lit, lit], dim=1)

    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 0, 1] = image[0, 0, 1, 2] = 1.0
    label = torch.tensor([1])
    assert accuracy_under_shift(Middle(), image, label, pixels=0) == 0.0
    assert accuracy_under_shift(Middle(), image, label, pixels=1) == 0.5
    assert accuracy_under_shift(Middle(), image, label, pixels=3) == 0.0
    with pytest.raises(ArgumentError, match="pixels: expected a number of pixels, zero or more, got -1"):
        accuracy_under_shift(Middle(), image, label, pixels=-1)


def test_accuracy_interval_against_published_values():
    # 81 of 263: Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17,
    # 1998, table I, method 3.
    assert accuracy_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert accuracy_interval(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert accuracy_interval(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
