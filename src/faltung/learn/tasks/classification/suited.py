"""Which classifiers suit a data set? The networks, the recipe and the augmentation that are used by default.

The defaults were chosen by validation accuracy: on 5,000 training images of Fashion-MNIST that were held out, and on
a fifth of the training series of OSULeaf and ACSF1. No test sample was used.

Samples move in the mean of each channel, so that neither its unit nor its offset matters. The median at the border of
the images was tried in its place, for the convolutional network on five fifths of the 5,000 embedded training images:
89.8 % of the images that were held out were recognised, 89.5 % with the mean (standard error of the difference: 0.3
points), and the risks were equal (0.744). That is no clear gain, so the mean stayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from faltung.datasets.dataset import Dataset
from faltung.learn.augmentation import Augmentation
from faltung.learn.recipe import Recipe
from faltung.learn.scale import deviation_of, mean_of
from faltung.networks import ConvClassifier, DenseClassifier

__all__ = ["augmentation_for", "candidates_for", "recipe_for"]

_EPOCHS = 20
_EPOCHS_OF_MANY = 24
_MANY = 20_000  # samples: so many are not memorised as soon, and training can last longer
_STEPS = 740
_CHANNELS = (16, 32, 48, 64, 96, 128)
_SERIES_CHANNELS = (16, 32, 48, 48, 48, 48)
_SERIES_TAPS = 9
_LARGE = (512, 256)
_LARGER = 8  # times as many parameters as the convolutional network has the larger yardstick at most


def candidates_for(data: Dataset) -> Mapping[str, Callable[[], nn.Module]]:
    """Return functions that make a convolutional network for a training set, and its dense yardsticks.

    One yardstick has as many parameters, the other has more. On the embedded data, tested with other training images
    of Fashion-MNIST, a network with 2.5 times as many parameters as the larger yardstick was 0.3 points better, and
    one with 4.5 times as many was not better.

    Parameters
    ----------
    data : Dataset
        The training samples.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> for name, make in candidates_for(load_embedded().training).items():
    ...     print(name, sum(parameter.numel() for parameter in make().parameters()))
    convolutional 84154
    dense-small 83858
    dense-large 536586
    """
    shape, classes = data.sample_shape, len(data.class_names)
    # What is subtracted continues a sample beyond its border: a convolutional layer extends its input by zeros.
    mean, deviation = mean_of(data), deviation_of(data)
    channels, taps = (_SERIES_CHANNELS, _SERIES_TAPS) if data.ndim == 1 else (_CHANNELS, 3)
    # So many stages that the kernels of the last one cover a large part of the sample.
    enough = 64 if data.ndim == 1 else 8
    stages = min(len(channels), 1 + max(0, math.ceil(math.log2(max(shape[1:]) / enough))))
    convolutional = partial(
        ConvClassifier,
        sample_shape=shape,
        classes=classes,
        channels=channels[:stages],
        size=taps,
        mean=mean,
        deviation=deviation,
    )
    parameters = sum(parameter.numel() for parameter in convolutional().parameters())
    dense = partial(DenseClassifier, sample_shape=shape, classes=classes, mean=mean, deviation=deviation)
    same = DenseClassifier.widths_for(parameters, shape, classes)
    # The first layer of a large image alone would take most of the memory, and of the time of a checkpoint.
    fits = math.prod(shape) * _LARGE[0] <= _LARGER * parameters
    larger = _LARGE if fits else DenseClassifier.widths_for(_LARGER * parameters, shape, classes)
    return {
        "convolutional": convolutional,
        "dense-small": partial(dense, widths=same),
        "dense-large": partial(dense, widths=larger),
    }


def recipe_for(samples: int) -> Recipe:
    """Return the recipe of a classifier for a number of training samples: few need small batches and many epochs.

    Examples
    --------
    >>> recipe_for(60_000).epochs, recipe_for(200).epochs, recipe_for(200).batch_size
    (24, 124, 32)
    """
    batch_size = 128 if samples >= 2000 else max(2, min(32, samples))
    steps = max(1, samples // batch_size)
    epochs = _EPOCHS_OF_MANY if samples >= _MANY else _EPOCHS
    return Recipe(
        epochs=max(epochs, math.ceil(_STEPS / steps)),
        batch_size=batch_size,
        learning_rate=0.3 * batch_size / 128,
    )


def augmentation_for(data: Dataset) -> Augmentation:
    """Return the random changes of the samples of a training set.

    Images are mirrored, unless the names of all classes are single letters or numbers: a mirrored letter is another
    one. Series are not, because their order matters. All are moved by up to a 28th of their length, and the
    mean of each channel fills the gap.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> augmentation_for(load_embedded().training)
    Augmentation(mirror=True, shift=1, background=(0.287538,))
    """
    shift = max(1, round(min(data.sample_shape[1:]) / 28))
    signs = all(len(name) == 1 or name.isdigit() for name in data.class_names)
    return Augmentation(mirror=data.ndim > 1 and not signs, shift=shift, background=mean_of(data))
