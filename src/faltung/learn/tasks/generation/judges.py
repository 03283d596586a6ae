"""Which classifier judges generated samples? A given one, one that ships with faltung, or one that is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from faltung.datasets.dataset import Dataset
from faltung.learn.task import Setup
from faltung.learn.tasks.classify import TASK as CLASSIFY
from faltung.learn.trainer import Trainer
from faltung.networks.stored import CLASSIFIERS, load, load_trained

__all__ = ["JUDGE", "judge_for", "published_judge", "trained_judge"]

JUDGE = "judge"
"""Name of the judge in a run folder."""

_DATA = Path(__file__).parents[3] / "data"


def judge_for(setup: Setup, trainer: Trainer) -> tuple[str, nn.Module]:
    """Return where the judge of a run comes from, and the judge, in evaluation mode on the CPU.

    Parameters
    ----------
    setup : Setup
        Its option "judge" is a network, the run folder of one, or None.
    trainer : Trainer
        Trains a judge if there is no other.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.augmentation import Augmentation
    >>> setup = Setup(load_embedded(), Augmentation(), options={"judge": None})
    >>> judge_for(setup, trainer=None)[0]
    'published with faltung'
    """
    given, data = setup.options["judge"], setup.split.training
    if given is not None:
        judge = given if isinstance(given, nn.Module) else load(given)
        return "given", judge.eval()
    if (published := published_judge(data)) is not None:
        return "published with faltung", published
    return "trained on the training samples of this run", trained_judge(setup, trainer)


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


def trained_judge(setup: Setup, trainer: Trainer) -> nn.Module:
    """Train a judge, the model of the task `classify` with its recipe and augmentation, and save it.

    Parameters
    ----------
    setup : Setup
        Its training set is learned from.
    trainer : Trainer
        Trains the judge in the run folder, which gets `judge.safetensors` and `judge.json`.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU.

    Examples
    --------
    See `faltung.learn.tasks.generate.learn_to_generate`.
    """
    data = setup.split.training

    def make_judge() -> nn.Module:
        # Counting the parameters of candidates draws random numbers: published scores have judges with weights
        # drawn after that.
        make_model, *_ = CLASSIFY.candidates(data).values()
        return make_model()

    objective = CLASSIFY.objective(replace(setup, augmentation=CLASSIFY.augmentation(data)))
    trained = trainer.train(JUDGE, make_judge, objective, CLASSIFY.recipe(len(data)))
    trainer.save(JUDGE, trained.network, data)
    return trained.network.cpu().eval()
