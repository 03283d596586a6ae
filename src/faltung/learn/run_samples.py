"""What is a network of a run inspected with? Test samples of the data that it learned from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from faltung.inspect.examples import Example
from faltung.learn.assignment import ASSIGNMENT, Assignment
from faltung.learn.tasks.generation.halfway import halfway
from faltung.networks.batches import tensors
from faltung.networks.generator import VelocityField

__all__ = ["RunSamples", "run_samples"]

_SAMPLES = 1000
_EXAMPLES = 4


class RunSamples(NamedTuple):
    """Samples for a network of a run.

    Parameters
    ----------
    examples : list of Example
        Inputs of the network.
    data : tensor, shape (samples, channels, *spatial)
        Samples in which patterns are looked for.
    labels : int64 tensor, shape (samples,), or None
        Their classes; None for a generator, whose points are not those of a class alone.
    """

    examples: list[Example]
    data: torch.Tensor
    labels: torch.Tensor | None


def run_samples(folder: Path, network: nn.Module) -> RunSamples | None:
    """Read the data of a run again, and return at most 1,000 of its test samples; None if the folder names no data.

    Parameters
    ----------
    folder : path
        The run folder.
    network : torch.nn.Module
        A network of this run.

    Raises
    ------
    ArgumentError
        The data have changed, or are not where they were.

    Examples
    --------
    >>> run_samples(Path("no/such/folder"), nn.Identity()) is None
    True
    """
    if not (folder / ASSIGNMENT).exists():
        return None
    assignment = Assignment.load(folder)
    if assignment.reading is None:  # the data were arrays
        return None
    test = assignment.read_data().test
    if isinstance(network, VelocityField):
        example, points = halfway(network, test, _SAMPLES)
        return RunSamples([example], points, None)
    samples, labels = tensors(test.subset(np.random.default_rng(0).permutation(len(test))[:_SAMPLES]))
    return RunSamples([Example((one,)) for one in torch.split(samples[:_EXAMPLES], 1)], samples, labels)
