"""Neither the unit nor the offset of a channel changes what is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faltung.datasets.dataset import Dataset, Split
from faltung.datasets.embedded import load_embedded
from faltung.learn.augmentation import shift_at_random
from faltung.learn.recipe import Recipe
from faltung.learn.risk import translate
from faltung.learn.scale import deviation_of, mean_of
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.tasks.classification.suited import augmentation_for, candidates_for
from faltung.learn.tasks.generation.generators import generators_for
from faltung.learn.training import train
from faltung.networks import ConvClassifier, DenseClassifier
from faltung.networks.batches import tensors
from faltung.networks.standardise import Standardise
from faltung.tensors.determinism import reproducible

NAMES = ("none", "even", "first")


def _series(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Series of two channels; the first one tells the class."""
    rng = np.random.default_rng(seed)
    samples, labels = rng.normal(size=(count, 2, 40)), np.arange(count) % 3
    samples[labels == 1, 0, ::2] += 3
    samples[labels == 2, 0, :10] -= 4
    return samples, labels


def _split(change) -> Split:
    parts = (_series(count, seed) for seed, count in enumerate((120, 30, 60)))
    return Split(*(Dataset(change(x).astype(np.float32), y, NAMES) for x, y in parts), "series")


def _histories(split: Split, epochs: int) -> list[list[float]]:
    histories = []
    for make in candidates_for(split.training).values():
        with reproducible(0, 1):
            objective = Classification(split, augmentation=augmentation_for(split.training))
            recipe = Recipe(epochs=epochs, batch_size=32, learning_rate=0.05)
            history = train(make(), objective, recipe)
        histories.append([value for record in history for value in record.measures.values()])
    return histories


SCALES = np.array([1.0, 2.0**13])[:, None]  # a power of two changes no digit
OFFSETS = np.array([1e4, -3e4])[:, None]


@pytest.mark.parametrize(
    ("change", "tolerance"),
    [
        (lambda x: x * SCALES, 1e-5),
        (lambda x: x * 1e4 * SCALES / 2**13, 1e-3),
        (lambda x: x + OFFSETS, 0.05),  # of float32, some digits are left
        (lambda x: (x + 10) * SCALES, 1e-3),
    ],
    ids=["unit", "other units", "offset", "both"],
)
def test_training_takes_the_same_course_in_any_unit(change, tolerance):
    plain = _histories(_split(lambda x: x), 2)
    np.testing.assert_allclose(_histories(_split(change), 2), plain, rtol=tolerance, atol=tolerance)


def test_an_offset_does_not_keep_a_network_from_learning():
    for change in (lambda x: x + 1e4, lambda x: x * np.array([1.0, 1e4])[:, None]):
        for history in _histories(_split(change), 12):
            assert history[-1] > 0.9  # accuracy on the validation set; by chance it is 0.33


def test_a_constant_channel_divides_by_nothing():
    split = _split(lambda x: np.concatenate([x, np.full_like(x, 0.1)], axis=1))
    assert deviation_of(split.training)[2:] == (1.0, 1.0)
    assert np.isfinite(_histories(split, 1)).all()


@pytest.mark.parametrize("shape", [(3, 20), (2, 8, 9), (1, 8, 8, 9)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_mean_and_deviation_are_those_of_each_channel(shape, dtype, monkeypatch):
    monkeypatch.setattr("faltung.learn.scale._BLOCK", 1000)
    rng = np.random.default_rng(0)
    samples = (rng.random((50, *shape)) * 200 + 5 * np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))).astype(
        dtype
    )
    data = Dataset(samples, np.arange(50) % 2, ("a", "b"))
    values = tensors(data)[0].double().transpose(0, 1).flatten(1)
    assert mean_of(data) == pytest.approx(values.mean(1).tolist(), rel=1e-6)
    assert deviation_of(data) == pytest.approx(values.std(1, correction=0).tolist(), rel=1e-6)
    network = next(iter(generators_for(data).values()))()
    restored = network.restore(network.standardise(tensors(data)[0]))
    torch.testing.assert_close(restored, tensors(data)[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "data", [load_embedded().training, _split(lambda x: x + OFFSETS).training], ids=["images", "series"]
)
def test_training_samples_move_in_what_a_network_subtracts(data):
    network = candidates_for(data)["convolutional"]()
    values = tensors(data)[0].double().transpose(0, 1).flatten(1)
    assert augmentation_for(data).background == pytest.approx(values.mean(1).tolist(), rel=1e-6)
    assert network.arguments["mean"] == pytest.approx(augmentation_for(data).background, rel=1e-6)


def test_samples_move_in_the_background_of_their_channel():
    """Whatever is added to all samples and to the background comes back."""
    samples, offset = torch.rand(6, 2, 8, 9), torch.tensor([100.0, -7.0]).reshape(2, 1, 1)
    plain = shift_at_random(samples, 2, torch.Generator().manual_seed(3))
    moved = shift_at_random(samples + offset, 2, torch.Generator().manual_seed(3), (100.0, -7.0))
    torch.testing.assert_close(moved - offset, plain, rtol=0, atol=1e-4)
    still = translate(samples + offset, 1, -2, background=(100.0, -7.0))
    torch.testing.assert_close(still - offset, translate(samples, 1, -2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", [ConvClassifier, DenseClassifier])
def test_a_network_knows_the_scale_of_each_channel(network):
    known = network(sample_shape=(2, 30), classes=2, mean=(1.0, 2.0), deviation=(4.0, 0.5))
    assert known.arguments["mean"] == [1.0, 2.0]
    assert known.arguments["deviation"] == [4.0, 0.5]
    assert not {name for name in known.state_dict() if "standardise" in name}
    scale = Standardise(known.arguments["mean"], known.arguments["deviation"])
    assert torch.equal(scale(torch.ones(1, 2, 3))[0, :, 0], torch.tensor([0.0, -2.0]))
