"""How is a network trained? All settings of training apart from network, data and seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.ground.checks import integer, non_negative, real
from faltung.learn.arguments import share

__all__ = ["Recipe"]

_WARM_UP = 0.2  # fraction of training during which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """The settings with which the empirical risk is made small, step by step.

    Parameters
    ----------
    epochs : int
        Passes over the training set.
    batch_size : int
        Samples of one step.
    learning_rate : float
        The largest learning rate. The rate rises to it in the first fifth of training, and then falls to zero along
        half a cosine.
    momentum : float
        Nesterov momentum.
    weight_decay : float
        Factor of the squared norm of the weights, which is added to the risk. Biases and batch norms are exempt.
    optimiser : {"sgd", "adam"}
        Stochastic gradient descent with momentum, or AdamW.
    averaging : float
        The final weights are a mean over about this fraction of all steps, in which later steps count more.
    patience : int, optional
        Training ends after this many epochs without a smaller validation risk, with the weights of the smallest.
        Without it the validation set has no influence.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If a value is no number, or out of its range.

    Examples
    --------
    >>> Recipe(epochs=2).batch_size
    128
    >>> Recipe(epochs=0)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: epochs: expected a positive integer, got 0.
    """

    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.3
    momentum: float = 0.9
    weight_decay: float = 2e-4
    optimiser: str = "sgd"
    averaging: float = 0.02
    patience: int | None = None

    def __post_init__(self) -> None:
        checked = {
            "epochs": integer("epochs", self.epochs, 1),
            "batch_size": integer("batch_size", self.batch_size, 2),  # batch norm needs two samples
            "learning_rate": real("learning_rate", self.learning_rate, 0.0, open_end=True),
            "momentum": share("momentum", self.momentum),
            "weight_decay": non_negative("weight_decay", self.weight_decay),
            "averaging": share("averaging", self.averaging),
            "patience": None if self.patience is None else integer("patience", self.patience, 1),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # plain numbers, which JSON can hold
        if self.optimiser not in ("sgd", "adam"):
            raise ArgumentError("optimiser", "'sgd' or 'adam'", repr(self.optimiser))

    def optimiser_of(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters."""
        # Decay makes weights smaller; shifts and scales of batch norms must keep their size.
        parameters = list(network.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        if self.optimiser == "adam":
            return torch.optim.AdamW(groups, lr=self.learning_rate, betas=(self.momentum, 0.99))
        nesterov = self.momentum > 0
        return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum, nesterov=nesterov)

    def rate(self, progress: float) -> float:
        """Return the learning rate after a fraction of training: it rises linearly and falls along a cosine.

        Examples
        --------
        >>> Recipe(learning_rate=0.5).rate(0.1)
        0.25
        """
        if progress < _WARM_UP:
            return self.learning_rate * progress / _WARM_UP
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))

    def average_decay(self, steps: int) -> float:
        """Return the factor that the mean of the weights keeps in one of so many steps.

        Examples
        --------
        >>> Recipe(averaging=0.02).average_decay(steps=1000)
        0.95
        """
        return 1 - 1 / max(1.0, self.averaging * steps)
