"""How is the empirical risk made small? Stochastic gradient descent, in one plain loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from faltung.errors import ArgumentError
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.filter_history import FilterHistory
from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe
from faltung.learn.restored import best_of, check_state, history_of, optimiser_states, parts_of

__all__ = ["Descent", "Objective", "train"]

_DIVERGED = 1e9  # so many times the risk of the first epoch
_INTERVAL = 1.0  # seconds between two checkpoints: fewer seconds of work are not worth a file
_SHARE = 20  # times as long as writing a checkpoint takes are between two of them


class Objective(Protocol):
    """The risk of a network that training makes small, and the samples on which it is computed.

    Examples
    --------
    See `faltung.learn.tasks.classification.cross_entropy.Classification`.
    """

    def __len__(self) -> int:
        """Return the number of training samples."""

    def batch_risk(
        self, network: nn.Module, chosen: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the mean loss of chosen training samples, and further measures of the batch by name."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return measures on the validation samples, "validation_risk" among them."""


def train(
    network: nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int = 0,
    hardware: Hardware | None = None,
    checkpoint: Checkpoint | None = None,
    filters: FilterHistory | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
    on_continue: Callable[[int, int], None] = lambda done, epochs: None,
    revise: Callable[[EpochRecord], int] = lambda record: record.epochs,
) -> list[EpochRecord]:
    """Make the empirical risk of a network on the training set small.

    The weights that the network ends with are a mean over the last steps.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    objective : Objective
        The risk.
    recipe : Recipe
        Epochs, batch size, optimiser and learning rate.
    seed : int, optional
        Seed of the order of the samples and of all other random numbers. Those of an epoch depend on seed and epoch
        alone, so that a training that was stopped and continued has the same result.
    hardware : Hardware, optional
        What to run on; one thread of the CPU by default.
    checkpoint : Checkpoint, optional
        Written after an epoch, at most once a second, and after the last one. If it holds a state, training continues
        from it.
    filters : FilterHistory, optional
        Keeps the filters of the first convolution; written just before each checkpoint.
    on_epoch : callable, optional
        Called with the record of each epoch at its end; first with the records that the checkpoint holds.
    on_continue : callable, optional
        Called with the number of epochs that the checkpoint holds, and that of all epochs, if it holds any.
    revise : callable, optional
        Called with the record of each epoch that was trained, and with the last one that the checkpoint holds;
        returns the number of all epochs from then on. What is left of the course of the learning rate is spread over
        the epochs that are left.

    Returns
    -------
    list of EpochRecord
        One for each epoch.

    Raises
    ------
    ArgumentError
        If the risk stops being finite. The checkpoint keeps the state of the epoch before.

    Examples
    --------
    >>> from faltung.learn.tasks.classification.cross_entropy import Classification
    >>> from faltung.datasets.embedded import load_embedded
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> [record] = train(network, Classification(load_embedded()), Recipe(epochs=1, learning_rate=0.1))
    >>> record.measures["validation_accuracy"] > 0.5
    True
    """
    hardware = hardware or Hardware()
    network.to(hardware.device)
    steps_per_epoch = max(1, len(objective) // recipe.batch_size)
    descent = Descent(network, objective, recipe, hardware, recipe.epochs * steps_per_epoch)
    history = descent.state.load(checkpoint) if checkpoint else []
    course = _Course(recipe.epochs, steps_per_epoch)
    if history:
        on_continue(len(history), history[-1].epochs)
    for record in history:
        course.revise(record.epoch - 1, record.epochs)
        on_epoch(record)
    if history:
        course.revise(len(history), revise(history[-1]))
    leads = hardware.leads
    saving = _Saving(checkpoint if leads else None, filters if leads else None, descent.state, len(history))

    network.train()
    epoch = len(history)
    while epoch < course.epochs and not descent.state.out_of_patience(history):
        epoch += 1
        started = time.perf_counter()
        order_of_samples, choices = _generators(seed, epoch, hardware.rank)
        sums: dict[str, torch.Tensor] = {}
        # Samples that do not fill a batch are left out of this epoch.
        order = torch.randperm(len(objective), generator=order_of_samples)[: steps_per_epoch * recipe.batch_size]
        for index, chosen in enumerate(order.chunk(steps_per_epoch)):
            rate = recipe.rate(course.progress(epoch - 1, index + 0.5))
            for name, value in descent.step(chosen, choices, rate).items():
                sums[name] = sums.get(name, 0.0) + value
        means = {name: hardware.mean(value).item() / steps_per_epoch for name, value in sums.items()}
        _check_finite(means["training_risk"], epoch, recipe)
        hardware.agree(descent.state.average)
        seconds = time.perf_counter() - started

        measures = {**means, **objective.validate(descent.state.average.module)}
        record = EpochRecord(epoch, course.epochs, seconds, measures)
        history.append(record)
        descent.state.keep(record)
        saving.save(history, last=epoch == course.epochs or descent.state.out_of_patience(history))
        on_epoch(record)
        course.revise(epoch, revise(record))
    descent.state.finish()
    return history


class _Saving:
    """Writes checkpoints, not too often: a file of a large network must not take longer than what it saves."""

    def __init__(
        self, checkpoint: Checkpoint | None, filters: FilterHistory | None, state: _State, epoch: int
    ) -> None:
        self._checkpoint, self._filters, self._state = checkpoint, filters, state
        if filters is not None:
            filters.begin(epoch, state.average.module)
        self._next = -math.inf

    def save(self, history: list[EpochRecord], *, last: bool) -> None:
        """Keep the filters of an epoch; write all if it is the last one, or the last time is long past."""
        began = time.monotonic()
        if self._filters is not None:
            self._filters.keep(len(history), self._state.average.module)
        if not last and began <= self._next:
            return
        if self._filters is not None:  # first, so that a checkpoint never has an epoch without its filters
            self._filters.write()
        if self._checkpoint is not None:
            self._state.save(self._checkpoint, history)
        ended = time.monotonic()
        self._next = ended + max(_INTERVAL, _SHARE * (ended - began))


class _Course:
    """How far training has come, from 0 to 1, if the number of all epochs changes on the way."""

    def __init__(self, epochs: int, steps_per_epoch: int) -> None:
        self.epochs = epochs
        self._steps = steps_per_epoch
        self._since, self._come = 0, 0.0  # the epochs before the last change, and how far training had come then

    def progress(self, done: int, steps: float = 0.0) -> float:
        """Return how far training has come after so many epochs and steps of the next."""
        part = ((done - self._since) * self._steps + steps) / ((self.epochs - self._since) * self._steps)
        return self._come + (1 - self._come) * part

    def revise(self, done: int, epochs: int) -> None:
        """Spread what is left after so many epochs over another number of them."""
        if epochs != self.epochs:
            self._since, self._come, self.epochs = done, self.progress(done), max(done, epochs)


class Descent:
    """The steps of gradient descent of one network.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place by each step.
    objective : Objective
        The risk.
    recipe : Recipe
        The optimiser.
    hardware : Hardware
        What to run on.
    steps : int
        Number of all steps.

    Examples
    --------
    See `train`.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, recipe: Recipe, hardware: Hardware, steps: int
    ) -> None:
        self._network, self._objective, self._hardware = network, objective, hardware
        self.state = _State(network, recipe, steps)
        self._replica = hardware.replica(network)

    def step(self, chosen: torch.Tensor, choices: torch.Generator, rate: float) -> dict[str, torch.Tensor]:
        """Make one step down the gradient of the risk of chosen samples; return measures of the batch."""
        for group in self.state.optimiser.param_groups:
            group["lr"] = rate
        with self._hardware.autocast():
            risk, watched = self._objective.batch_risk(self._replica, self._hardware.part(chosen), choices)
        self.state.optimiser.zero_grad()
        risk.backward()  # type: ignore[no-untyped-call]
        self.state.optimiser.step()
        self.state.average.update_parameters(self._network)
        return {name: value.detach().double() for name, value in {"training_risk": risk, **watched}.items()}


class _State:
    """Everything that changes from step to step, with its way to and from a checkpoint."""

    def __init__(self, network: nn.Module, recipe: Recipe, steps: int) -> None:
        self._network = network
        self._recipe = recipe
        self._patience = recipe.patience
        self.optimiser = recipe.optimiser_of(network)
        mean = get_ema_multi_avg_fn(recipe.average_decay(steps))  # type: ignore[no-untyped-call]
        self.average = AveragedModel(network, multi_avg_fn=mean, use_buffers=True)
        self._best: dict[str, torch.Tensor] = {}
        self._best_risk = math.inf
        self._best_epoch = 0
        self._first_risk = math.inf

    def keep(self, record: EpochRecord) -> None:
        """Keep the averaged weights if their validation risk is the smallest yet and the recipe has patience."""
        risk = record.measures["validation_risk"]
        if record.epoch == 1:
            self._first_risk = record.measures["training_risk"]
        if risk > _DIVERGED * self._first_risk:
            risk = math.inf  # numbers so large say nothing, and overflow before long
        _check_finite(risk, record.epoch, self._recipe)
        if self._patience is not None and risk < self._best_risk:
            self._best_risk, self._best_epoch = risk, record.epoch
            self._best = {name: value.clone() for name, value in self.average.module.state_dict().items()}

    def out_of_patience(self, history: list[EpochRecord]) -> bool:
        """Return whether the validation risk has not fallen for as many epochs as the recipe's patience."""
        return self._patience is not None and len(history) - self._best_epoch >= self._patience

    def finish(self) -> None:
        """Load the kept weights into the network."""
        self._network.load_state_dict(self._best or self.average.module.state_dict())

    def _tensors(self) -> dict[str, torch.Tensor]:
        parts = {
            "network": self._network.state_dict(),
            "average": self.average.state_dict(),
            "best": self._best,
            **{f"optimiser.{index}": values for index, values in self.optimiser.state_dict()["state"].items()},
        }
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    def save(self, checkpoint: Checkpoint, history: list[EpochRecord]) -> None:
        best = {"best_risk": self._best_risk, "best_epoch": self._best_epoch} if self._best else {}
        checkpoint.save(self._tensors(), {"history": [asdict(record) for record in history], **best})

    def load(self, checkpoint: Checkpoint) -> list[EpochRecord]:
        """Restore the state of a checkpoint; return the history until then.

        Raises
        ------
        ArgumentError
            If the file is damaged, or of another network.
        """
        saved = checkpoint.load()
        if saved is None:
            return []
        try:
            return self._restore(*saved)
        except ValueError as error:
            raise checkpoint.damaged(error) from error

    def _restore(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> list[EpochRecord]:
        parts, history = parts_of(tensors), history_of(facts)
        check_state("network", parts["network"], self._network.state_dict())
        check_state("average", parts["average"], self.average.state_dict())
        if parts["best"]:
            check_state("best", parts["best"], self._network.state_dict())
        best = best_of(facts, len(history), kept=bool(parts["best"]))
        states = optimiser_states(self.optimiser, parts["optimiser"])
        self._network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})
        self._best, (self._best_risk, self._best_epoch) = parts["best"], best
        self._first_risk = history[0].measures["training_risk"]
        return history


def _generators(seed: int, epoch: int, rank: int) -> tuple[torch.Generator, torch.Generator]:
    """Return generators for the order of an epoch, the same in all processes, and for what differs between them."""

    def seeded(*key: int) -> int:
        return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)

    torch.manual_seed(seeded(seed, epoch, rank, 2))  # for layers that draw random numbers, such as dropout
    return (
        torch.Generator().manual_seed(seeded(seed, epoch)),
        torch.Generator().manual_seed(seeded(seed, epoch, rank, 1)),
    )


def _check_finite(risk: float, epoch: int, recipe: Recipe) -> None:
    if not math.isfinite(risk):
        raise ArgumentError(
            "learning_rate",
            "steps small enough for the risk to stay finite",
            f"{recipe.learning_rate:g}, with which the risk became {risk} in epoch {epoch}",
            f"Use a smaller one, such as {min(recipe.learning_rate, 1.0) / 10:g}.",
        )
