"""How is the empirical risk made small? Stochastic gradient descent, in one plain loop.

The recipe's defaults were chosen on 10,000 further training images of Fashion-MNIST that are in no part of the
embedded subset; no test image was looked at. On them the default networks reach 90.0 % (convolutional) and 86.8 %
(dense), means over the seeds 0, 1 and 2. On one Zen 4 core, with torch 2.13, an epoch over 4,750 images takes 1.25 s
and 0.2 s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.learn.augmentation import mirror_at_random, shift_at_random
from faltung.learn.datasets import Split
from faltung.learn.risk import accuracy, empirical_risk
from faltung.learn.tensors import tensors

__all__ = ["EpochRecord", "Recipe", "train"]

_WARM_UP = 0.2  # fraction of training during which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained, apart from network, data and seed.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step.
    learning_rate : float
        The largest step; it rises to it during the first fifth of training and falls to zero along a half cosine.
    momentum : float
        Nesterov momentum.
    weight_decay : float
        Factor of the squared norm of the weights that is added to the risk; biases and batch norms are exempt.
    label_smoothing : float
        Probability that is taken from the true class and spread over all classes.
    mirror : bool
        Whether images are mirrored left to right at random.
    shift : int
        By how many pixels images are moved at random.

    Raises
    ------
    ArgumentError
        If a value is out of its range.

    Examples
    --------
    >>> Recipe(epochs=2).batch_size
    128
    >>> Recipe(epochs=0)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: epochs: expected at least 1, got 0.
    """

    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.3
    momentum: float = 0.9
    weight_decay: float = 3e-4
    label_smoothing: float = 0.1
    mirror: bool = True
    shift: int = 1

    def __post_init__(self) -> None:
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 2),  # batch norm needs two images
            ("shift", self.shift, 0),
            ("weight_decay", self.weight_decay, 0),
        ):
            if not value >= least:
                raise ArgumentError(name, f"at least {least}", str(value))
        if not 0 < self.learning_rate < math.inf:
            raise ArgumentError("learning_rate", "a positive number", str(self.learning_rate))
        for name, value in (("momentum", self.momentum), ("label_smoothing", self.label_smoothing)):
            if not 0 <= value < 1:
                raise ArgumentError(name, "a number from 0 to below 1", str(value))

    def loss(self) -> nn.CrossEntropyLoss:
        """Return the loss whose mean is the risk: cross entropy, with the recipe's label smoothing."""
        return nn.CrossEntropyLoss(label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class EpochRecord:
    """What one pass over the training images did.

    Parameters
    ----------
    epoch : int
        Counted from one.
    training_risk, training_accuracy : float
        Means over the epoch's batches, augmented and in training mode, while the weights were changing.
    validation_risk, validation_accuracy : float
        On the held-out images as they are, with the weights at the end of the epoch.
    seconds : float
        Time of the training steps alone.

    Examples
    --------
    >>> EpochRecord(1, 2.3, 0.1, 2.3, 0.1, 0.5).epoch
    1
    """

    epoch: int
    training_risk: float
    training_accuracy: float
    validation_risk: float
    validation_accuracy: float
    seconds: float


def train(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    seed: int = 0,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> list[EpochRecord]:
    """Make a network's empirical risk on the training images small; the last weights are kept.

    The validation images are watched and choose nothing.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images (samples, channels, height, width) to logits; changed in place.
    split : Split
        Its training and validation parts are used.
    recipe : Recipe
        How to train.
    seed : int, optional
        Seed of the order and the augmentation of the images.
    on_epoch : callable, optional
        Called with each epoch's record as soon as it is there.

    Returns
    -------
    list of EpochRecord
        One for each epoch.

    Raises
    ------
    ArgumentError
        If the risk stops being finite.

    Examples
    --------
    >>> from faltung.learn.datasets import load_embedded
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> [record] = train(network, load_embedded(), Recipe(epochs=1, learning_rate=0.1))
    >>> record.validation_accuracy > 0.5
    True
    """
    images, labels = tensors(split.training)
    validation_images, validation_labels = tensors(split.validation)
    generator = torch.Generator().manual_seed(seed)
    loss_function = recipe.loss()

    steps_per_epoch = max(1, len(images) // recipe.batch_size)
    optimiser = _optimiser(network, recipe)
    steps = recipe.epochs * steps_per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _relative_rate((step + 0.5) / steps))

    history = []
    network.train()
    for epoch in range(1, recipe.epochs + 1):
        started = time.perf_counter()
        risks, accuracies = [], []
        order = torch.randperm(len(images), generator=generator)
        # Images that do not fill a batch wait for another epoch's order.
        for chosen in order[: steps_per_epoch * recipe.batch_size].chunk(steps_per_epoch):
            batch = _augment(images[chosen], recipe, generator)
            logits = network(batch)
            loss = loss_function(logits, labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

            risks.append(loss.item())
            accuracies.append((logits.argmax(1) == labels[chosen]).double().mean().item())
            _check_finite(risks[-1], epoch, recipe)
        seconds = time.perf_counter() - started

        record = EpochRecord(
            epoch,
            training_risk=math.fsum(risks) / len(risks),
            training_accuracy=math.fsum(accuracies) / len(accuracies),
            validation_risk=empirical_risk(network, validation_images, validation_labels, loss_function),
            validation_accuracy=accuracy(network, validation_images, validation_labels),
            seconds=seconds,
        )
        history.append(record)
        on_epoch(record)
    return history


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    # Decay pulls weights towards zero; pulling shifts and scales of batch norms there would change what they mean.
    parameters = list(network.parameters())
    return torch.optim.SGD(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
    )


def _relative_rate(progress: float) -> float:
    """Return the learning rate over its largest, after a fraction of training: up a straight line, down a cosine."""
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))


def _augment(batch: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    if recipe.shift:
        batch = shift_at_random(batch, recipe.shift, generator)
    if recipe.mirror:
        batch = mirror_at_random(batch, generator)
    return batch.contiguous(memory_format=torch.channels_last)


def _check_finite(risk: float, epoch: int, recipe: Recipe) -> None:
    if not math.isfinite(risk):
        raise ArgumentError(
            "learning_rate",
            "steps small enough for the risk to stay finite",
            f"{recipe.learning_rate:g}, with which it became {risk} in epoch {epoch}",
            f"Use a smaller one, such as {recipe.learning_rate / 10:g}.",
        )
