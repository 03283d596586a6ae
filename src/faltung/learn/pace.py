"""How fast is training here? Some steps of each network, timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe
from faltung.learn.trainer import MakeNetwork, MakeObjective
from faltung.learn.training import Descent, Objective
from faltung.tensors.determinism import reproducible

__all__ = ["Pace", "fastest", "measured", "thread_counts"]

Clock = Callable[[], float]
"""Returns seconds since any moment."""

_UNTIMED = 2  # steps: the first ones choose how to compute, and fill caches
_TIMED = 3
_MOST = 40  # further steps
_HOPELESS = 2  # times the time of fewer threads
_GAIN = 0.95  # of the time of fewer threads: more threads that save less are not worth it


@dataclass(frozen=True)
class Pace:
    """The seconds of a step of training, and of a validation.

    Parameters
    ----------
    step : float
        Seconds of one step.
    batch : int
        Samples of such a step.
    validation : float
        Seconds of measuring the validation risk.

    Examples
    --------
    >>> Pace(step=0.1, batch=32, validation=0.5).epoch(samples=320, recipe=Recipe(batch_size=32))
    1.5
    """

    step: float
    batch: int
    validation: float

    def epoch(self, samples: int, recipe: Recipe) -> float:
        """Return the seconds of an epoch over a number of samples."""
        steps = max(1, samples // recipe.batch_size)
        return steps * self.step * min(samples, recipe.batch_size) / self.batch + self.validation

    def answer(self, samples: int) -> float:
        """Return the seconds of one answer, given the number of validation samples: a step takes longer for each."""
        return min(self.validation / samples, self.step / self.batch)


def measured(
    make_network: MakeNetwork,
    make_objective: MakeObjective,
    recipe: Recipe,
    hardware: Hardware,
    *,
    seed: int = 0,
    seconds: float = 0.5,
    clock: Clock = time.perf_counter,
) -> Pace:
    """Train a network that is not kept for some steps, and return how long they take.

    Parameters
    ----------
    make_network, make_objective : callable
        As in `Trainer.train`.
    recipe : Recipe
        Its batch size and optimiser are used.
    hardware : Hardware
        What to run on. All of several processes must measure together; the pace of the first one counts.
    seed : int, optional
        Seed of the weights.
    seconds : float, optional
        About how long to measure; one process alone ends earlier after many steps.
    clock : callable, optional
        Returns seconds.

    Examples
    --------
    >>> import itertools
    >>> from torch import nn
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.tasks.classification.cross_entropy import Classification
    >>> objective = Classification(load_embedded())
    >>> network = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> ticks = itertools.count(0.0)
    >>> measured(network, lambda network: objective, Recipe(), Hardware(), clock=lambda: next(ticks))
    Pace(step=1.0, batch=128, validation=1.0)
    """
    with reproducible(seed, hardware.threads):
        network = make_network().to(hardware.device)
        objective = make_objective(network)
        step = _timed(Descent(network, objective, recipe, hardware, 1000), objective, recipe, clock)
        network.train()
        times = [step() for _ in range(_UNTIMED + _TIMED)][_UNTIMED:]
        if hardware.processes == 1:  # several must make the same steps
            times += [step() for _ in range(min(_MOST, int(seconds / max(times)) if max(times) > 0 else 0))]
        objective.validate(network)
        began = clock()
        objective.validate(network)
        validation = clock() - began
    seconds_of_step, validation = hardware.first([statistics.median(times), validation])
    return Pace(seconds_of_step, min(len(objective), recipe.batch_size), validation)


def _timed(descent: Descent, objective: Objective, recipe: Recipe, clock: Clock) -> Callable[[], float]:
    chosen = torch.arange(min(len(objective), recipe.batch_size))
    choices = torch.Generator().manual_seed(0)

    def step() -> float:
        began = clock()
        # The rate is so small that the risk stays finite; asking for the risk waits for a device.
        descent.step(chosen, choices, 1e-6)["training_risk"].item()
        return clock() - began

    return step


def thread_counts(most: int) -> list[int]:
    """Return the numbers of threads that are tried: powers of two, and all.

    Examples
    --------
    >>> thread_counts(1), thread_counts(2), thread_counts(12)
    ([1], [1, 2], [1, 2, 4, 8, 12])
    """
    counts = [2**power for power in range(most.bit_length()) if 2**power < most]
    return [*counts, most]


def fastest(
    make_network: MakeNetwork,
    make_objective: MakeObjective,
    recipe: Recipe,
    hardware: Hardware,
    *,
    clock: Clock = time.perf_counter,
) -> tuple[int, Mapping[int, float]]:
    """Return the number of threads with which a network trains fastest, and the seconds of a step with each.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.tasks.classification.cross_entropy import Classification
    >>> objective = Classification(load_embedded())
    >>> network = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> threads, seconds = fastest(network, lambda network: objective, Recipe(), Hardware(threads=2))
    >>> threads in (1, 2), sorted(seconds)
    (True, [1, 2])
    """
    seconds: dict[int, float] = {}
    for threads in thread_counts(hardware.threads):
        with reproducible(0, threads):
            network = make_network().to(hardware.device)
            objective = make_objective(network)
            one = replace(hardware, threads=threads)
            step = _timed(Descent(network.train(), objective, recipe, one, 1000), objective, recipe, clock)
            times = [step() for _ in range(_UNTIMED)]
            # Beside other programs, a step with many threads can take seconds; one of them is enough to know that.
            if not seconds or times[-1] < _HOPELESS * min(seconds.values()):
                times += [step() for _ in range(_TIMED)]
            seconds[threads] = min(times)
    best = 1
    for threads in sorted(seconds):
        if seconds[threads] < _GAIN * seconds[best]:
            best = threads
    return best, seconds
