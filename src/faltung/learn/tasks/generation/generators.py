"""Which generators suit a data set? The networks, the recipe and the augmentation that are used by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from faltung.datasets.dataset import Dataset
from faltung.learn.augmentation import Augmentation
from faltung.learn.recipe import Recipe
from faltung.learn.scale import deviation_of, mean_of
from faltung.learn.tasks.generation.flow import UNCHANGED
from faltung.networks.generator import ConvGenerator, DenseGenerator, VelocityField

__all__ = ["generator_augmentation", "generator_recipe", "generators_for"]

_CHANNELS = (16, 32, 64)
_DEEP = 64  # channels of all further levels
_COARSE = 8  # largest length of an axis at the coarsest level
_BATCH = 64
_STEPS = 15_000  # for so many samples:
_SAMPLES = 60_000


def generators_for(data: Dataset) -> Mapping[str, Callable[[], VelocityField]]:
    """Return functions that make a convolutional generator for a training set, and a dense one of the same size.

    Parameters
    ----------
    data : Dataset
        The training samples.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> for name, make in generators_for(load_embedded().training).items():
    ...     print(name, sum(parameter.numel() for parameter in make().parameters()))
    convolutional 303937
    dense 300847
    """
    shape, classes = data.sample_shape, len(data.class_names)
    mean, deviation = mean_of(data), deviation_of(data)
    levels = 1 + max(1, math.ceil(math.log2(max(shape[1:]) / _COARSE)))
    convolutional = partial(
        ConvGenerator,
        sample_shape=shape,
        classes=classes,
        channels=(*_CHANNELS[:levels], *[_DEEP] * (levels - len(_CHANNELS))),
        blocks=(*[1] * (levels - 1), 2),
        mean=mean,
        deviation=deviation,
    )
    parameters = sum(parameter.numel() for parameter in convolutional().parameters())
    dense = partial(
        DenseGenerator,
        sample_shape=shape,
        classes=classes,
        width=DenseGenerator.width_for(parameters, shape, classes),
        mean=mean,
        deviation=deviation,
    )
    return {"convolutional": convolutional, "dense": dense}


def generator_recipe(samples: int) -> Recipe:
    """Return the recipe of a generator for a number of training samples: for four times as many, twice the steps.

    Examples
    --------
    >>> generator_recipe(60_000).epochs, generator_recipe(15_000).epochs
    (17, 33)
    """
    batch_size = max(2, min(_BATCH, samples))
    steps = _STEPS * math.sqrt(samples / _SAMPLES)
    return Recipe(
        epochs=math.ceil(steps / max(1, samples // batch_size)),
        batch_size=batch_size,
        learning_rate=2e-3,
        weight_decay=0.01,
        optimiser="adam",
        averaging=0.1,
    )


def generator_augmentation(data: Dataset) -> Augmentation:
    """Return the random changes of training samples: none, because a generator would learn them.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> generator_augmentation(load_embedded().training)
    Augmentation(mirror=False, shift=0, background=())
    """
    return UNCHANGED
