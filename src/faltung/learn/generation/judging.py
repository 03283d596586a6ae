"""Who judges generated samples? A published classifier if there is one for the data, or one trained for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.classification import Classification
from faltung.learn.hardware import Hardware
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.suited import augmentation_for, candidates_for, recipe_for
from faltung.learn.training import EpochRecord, train
from faltung.networks.stored import CLASSIFIERS, load_trained
from faltung.tensors.determinism import reproducible

__all__ = ["JUDGE", "published_judge", "trained_judge"]

JUDGE = "judge"
"""Name of the judge in a run folder."""

_DATA = Path(__file__).parents[2] / "data"


def published_judge(data: Dataset) -> nn.Module | None:
    """Return the classifier that ships with faltung for samples and classes like these, if there is one.

    Examples
    --------
    >>> import numpy as np
    >>> unknown = Dataset(np.zeros((2, 1, 5, 5), np.uint8), np.array([0, 1]), ("left", "right"))
    >>> published_judge(unknown) is None
    True
    """
    for description in sorted(_DATA.glob(f"*_{JUDGE}.json")):
        judge = load_trained(_DATA, description.stem, CLASSIFIERS)
        known = (judge.class_names, judge.sample_shape, judge.dtype)
        if known == (data.class_names, data.sample_shape, data.samples.dtype.name):
            return judge.network
    return None


def trained_judge(
    split: Split,
    run: RunFolder,
    *,
    seed: int,
    hardware: Hardware,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> nn.Module:
    """Train a judge as `faltung learn` would train a convolutional classifier, and keep it in the run folder.

    Called again with a folder in which it was stopped, it goes on there. The checkpoint stays until somebody removes
    it.

    Parameters
    ----------
    split : Split
        Its training part is learned from.
    run : RunFolder
        Gets `judge.safetensors` and `judge.json`.
    seed : int
        Seed of weights, order and augmentation.
    hardware : Hardware
        What to run on.
    on_epoch : callable, optional
        Called with the record of each epoch.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU.

    Examples
    --------
    See `faltung.learn.generation.learning.learn_to_generate`.
    """
    objective = Classification(split, augmentation=augmentation_for(split.training), device=hardware.device)
    with reproducible(seed, hardware.threads):
        judge = candidates_for(split.training)["convolutional"]()
        train(
            judge,
            objective,
            recipe_for(len(split.training)),
            seed=seed,
            hardware=hardware,
            checkpoint=Checkpoint(run, JUDGE),
            on_epoch=on_epoch,
        )
    if hardware.leads:
        save_network(run, JUDGE, judge, split.training)
    return judge.cpu().eval()
