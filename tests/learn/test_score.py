"""The scoring protocol: distances against their definitions, and scores of samples whose scores are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from faltung.datasets.dataset import Dataset, Split
from faltung.errors import ArgumentError
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.tasks.generation import judges, score
from faltung.learn.tasks.generation.score import Protocol, features, frechet_distance, nearest
from faltung.networks import ConvClassifier, DenseClassifier
from faltung.tensors.determinism import reproducible

SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    with reproducible(0, threads=1):
        yield


def _data(count: int, seed: int) -> Dataset:
    generator = np.random.default_rng(seed)
    return Dataset(generator.integers(0, 256, (count, *SHAPE), dtype=np.uint8), np.arange(count) % 3, ("a", "b", "c"))


def _judge(classes: int = 3) -> torch.nn.Module:
    return ConvClassifier(sample_shape=SHAPE, classes=classes, channels=(6,)).eval()


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_frechet_distance_is_that_of_normal_distributions(dimensions, seed):
    generator = np.random.default_rng(seed)
    first, second = (
        generator.normal(size=(50, dimensions)) @ generator.normal(size=(dimensions, dimensions))
        + generator.normal(size=dimensions)
        for _ in range(2)
    )
    means = [each.mean(axis=0) for each in (first, second)]
    one, other = (np.atleast_2d(np.cov(each.T)) for each in (first, second))
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    # Square roots of singular values near zero have half of the digits.
    tolerance = dimensions * np.sqrt(np.finfo(float).eps) * np.trace(one + other)
    assert frechet_distance(second, first) == pytest.approx(frechet_distance(first, second), rel=1e-6, abs=tolerance)
    assert frechet_distance(first, first) == pytest.approx(0, abs=tolerance)
    assert frechet_distance(first, first + 2) == pytest.approx(4 * dimensions)


def test_frechet_distance_of_features_that_do_not_vary():
    same = np.ones((5, 3), np.float32)
    assert frechet_distance(same, 3 * same) == pytest.approx(12)


@pytest.mark.parametrize("count", [0, 1])
def test_frechet_distance_needs_two_samples(count):
    with pytest.raises(ArgumentError, match=f"samples: expected at least two on each side, got {count} and 4"):
        frechet_distance(np.ones((count, 2)), np.ones((4, 2)))


def test_nearest_training_samples_are_those_of_every_pair(monkeypatch):
    monkeypatch.setattr(score, "_BLOCK", 7)
    generator = np.random.default_rng(0)
    samples, training = generator.random((20, 30), np.float32), generator.random((50, 30), np.float32)
    samples[4], samples[11] = training[33], training[2]
    found = nearest(samples, training)
    pairs = np.sqrt(((samples[:, None].astype(float) - training[None]) ** 2).sum(axis=2))
    assert found.indices.tolist() == pairs.argmin(axis=1).tolist()
    assert found.distances == pytest.approx(pairs.min(axis=1), rel=1e-6)
    assert found.distances[[4, 11]].tolist() == [0, 0]


def test_a_copy_is_found_far_from_zero():
    training = (np.random.default_rng(0).random((100, 4)) + 1e4).astype(np.float32)
    found = nearest(training[::3], training)
    assert found.distances.max() < 0.1
    assert nearest(training[50:51], training[50:51]).distances.tolist() == [0]


def test_features_are_what_the_last_layer_reads():
    data, judge = _data(40, 1), _judge()
    found, said = features(judge, data)
    with torch.no_grad():
        logits = judge.classify(torch.from_numpy(found))
        expected = judge(torch.from_numpy(data.samples / 255.0).float())
    assert torch.allclose(logits, expected, atol=1e-5)
    assert said.tolist() == expected.argmax(dim=1).tolist()
    assert not judge.classify._forward_pre_hooks


@pytest.mark.parametrize(
    ("judge", "text"),
    [
        (torch.nn.Flatten(), "got Flatten"),
        (_judge(classes=4), "got ConvClassifier of 4"),
    ],
)
def test_a_judge_that_does_not_fit_is_refused(judge, text):
    expected = f"judge: expected a classifier of 3 classes whose last layer is `classify`, {text}. Name another"
    with pytest.raises(ArgumentError, match=expected):
        Protocol(judge, Split(_data(9, 1), _data(9, 2), _data(9, 3), "made here"))


def test_scores_of_samples_that_are_no_generators_work():
    training, test = _data(90, 1), _data(60, 2)
    judge = _judge()
    protocol = Protocol(judge, Split(training, test, test, "made here"))
    assert protocol.labels.tolist() == test.labels.tolist()

    real = protocol(test.samples)
    assert real.samples == 60
    assert real.frechet == pytest.approx(0, abs=1e-6)
    assert real.label_accuracy == real.test_label_accuracy
    assert (real.nearest, real.nearest_features) == (real.test_nearest, real.test_nearest_features)
    _, said = features(judge, test)
    assert real.test_label_accuracy == pytest.approx(np.mean(said == test.labels))
    distances = np.sqrt(((test.samples[:, None] / 255 - training.samples[None] / 255) ** 2).sum(axis=(2, 3, 4)))
    assert real.test_nearest == pytest.approx(np.median(distances.min(axis=1)), rel=1e-5)

    # The first 60 would do as well; these are as many of each class, at equal distances.
    alike = np.concatenate([np.flatnonzero(training.labels == label) for label in range(3)])
    chosen = np.concatenate([alike[30 * label + np.linspace(0, 29, 20).astype(int)] for label in range(3)])
    floor = frechet_distance(features(judge, training)[0][chosen], features(judge, test)[0])
    assert real.frechet_floor == pytest.approx(floor, rel=1e-6)

    copied = protocol(training.samples[:60])
    assert (copied.nearest, copied.nearest_features) == (0, 0)
    assert copied.frechet > 0
    assert protocol.nearest(training.samples[7:9]).indices.tolist() == [7, 8]


def test_a_large_test_part_is_looked_at_at_equal_distances(monkeypatch):
    monkeypatch.setattr(score, "MOST", 4)
    test = _data(30, 2)
    ordered = Dataset(test.samples, np.sort(test.labels), test.class_names)
    protocol = Protocol(_judge(), Split(_data(30, 1), ordered, ordered, "made here"))
    assert protocol.labels.tolist() == [0, 0, 1, 2]


def test_one_sample_for_each_label_is_expected():
    data = _data(9, 1)
    protocol = Protocol(_judge(), Split(data, data, data, "made here"))
    with pytest.raises(ArgumentError, match=r"samples: expected shape \(9, 1, 8, 8\), got shape \(8, 1, 8, 8\)"):
        protocol(data.samples[:8])


def test_floats_are_scored_as_they_are():
    generator = np.random.default_rng(0)
    series = Dataset(generator.normal(size=(20, 1, 30)).astype(np.float32), np.arange(20) % 2, ("a", "b"))
    judge = DenseClassifier(sample_shape=(1, 30), classes=2, widths=(5,)).eval()
    found = Protocol(judge, Split(series, series, series, "made here"))(series.samples + 1)
    assert found.nearest <= np.sqrt(30) * 1.0001
    assert found.nearest > 2
    assert found.test_nearest == 0


def test_published_judges_know_their_data_by_classes_shape_and_dtype(tmp_path, monkeypatch):
    monkeypatch.setattr(judges, "_DATA", tmp_path)
    data, judge = _data(6, 0), _judge()
    assert judges.published_judge(data) is None
    save_network(RunFolder(tmp_path), "abc_judge", judge, data)
    found = judges.published_judge(data)
    assert torch.equal(found.classify.weight, judge.classify.weight)
    assert not found.training
    assert judges.published_judge(Dataset(data.samples, data.labels, ("a", "b", "other"))) is None
    assert judges.published_judge(Dataset(data.samples.astype(np.float32), data.labels, data.class_names)) is None
    assert judges.published_judge(Dataset(data.samples[..., :5], data.labels, data.class_names)) is None
