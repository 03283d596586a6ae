"""Calibration and confusion against counting one sample after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung.learn.measures.confusion import Confusion, confusion_matrix, most_confused
from faltung.learn.measures.reliability import CalibrationBin, calibration, calibration_error


def _judged(classes: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = np.exp(2 * generator.normal(size=(samples, classes)))
    return (scores / scores.sum(1, keepdims=True)).astype(np.float32), generator.integers(0, classes, samples)


@given(classes=st.integers(2, 12), samples=st.integers(1, 60), seed=st.integers(0, 99))
def test_calibration_is_its_definition(classes, samples, seed):
    probabilities, labels = _judged(classes, samples, seed)
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(probabilities, labels, strict=True):
        confidence = max(row.tolist())
        bins.setdefault(math.ceil(round(10 * confidence, 5)), []).append(
            (confidence, row.tolist().index(confidence) == label)
        )
    found = calibration(probabilities, labels)
    assert [each.count for each in found] == [len(bins[place]) for place in sorted(bins)]
    error = 0.0
    for each, place in zip(found, sorted(bins), strict=True):
        confidences, right = zip(*bins[place], strict=True)
        assert (each.low, each.high) == ((place - 1) / 10, place / 10)
        assert each.confidence == pytest.approx(np.mean(confidences))
        assert each.accuracy == pytest.approx(np.mean(right))
        error += len(right) / samples * abs(np.mean(confidences) - np.mean(right))
    assert calibration_error(found) == pytest.approx(error)


def test_calibration_written_out():
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0], [0.95, 0.05]], np.float32)
    found = calibration(probabilities, np.array([1, 0, 0, 1]))
    assert [(each.low, each.high, each.count, each.accuracy) for each in found] == [
        (0.4, 0.5, 1, 0.0),
        (0.8, 0.9, 1, 1.0),  # up to and with 0.9, although 0.9 in float32 is a little less
        (0.9, 1.0, 2, 0.5),
    ]
    assert calibration_error(found) == pytest.approx((0.5 + 0.1 + 2 * 0.475) / 4, abs=1e-6)


def test_a_network_that_knows_what_it_does_not_know_has_no_error():
    perfect = CalibrationBin(0.7, 0.8, 40, 0.75, 0.75), CalibrationBin(0.9, 1.0, 10, 1.0, 1.0)
    assert calibration_error(perfect) == 0.0


@given(classes=st.integers(1, 9), samples=st.integers(0, 50), seed=st.integers(0, 99))
def test_confusion_matrix_counts(classes, samples, seed):
    labels, predicted = np.random.default_rng(seed).integers(0, classes, (2, samples), dtype=np.uint8)
    expected = np.zeros((classes, classes), int)
    for actual, said in zip(labels, predicted, strict=True):
        expected[actual, said] += 1
    assert np.array_equal(confusion_matrix(labels, predicted, classes), expected)


def test_many_classes_do_not_overflow_small_integers():
    labels = np.array([254], np.uint8)
    assert confusion_matrix(labels, labels, 255)[254, 254] == 1


def test_most_confused_are_the_most_frequent_mistakes():
    matrix = np.array([[8, 2, 0], [0, 5, 5], [3, 0, 0]])
    assert most_confused(matrix, 2) == [Confusion(1, 2, 5, 0.5), Confusion(2, 0, 3, 1.0)]
    assert [each.count for each in most_confused(matrix, 99)] == [5, 3, 2]
    assert most_confused(np.diag([4, 0, 1]), 5) == []
