"""What are the results in sentences? Each sentence is true whatever the numbers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Split
from faltung.datasets.splitting import ENOUGH
from faltung.learn.durations import duration
from faltung.learn.measures.outcome import Outcome
from faltung.learn.measures.reliability import calibration_error
from faltung.learn.report.wording import interval, nouns, percent, quoted, times
from faltung.learn.risk import accuracy_interval, paired_interval

__all__ = ["Finding", "findings", "warnings"]

_SHIFT = 4  # index of the distance that is reported, among those that were measured
_NO_CURVE: Mapping[str, Mapping[int, float]] = MappingProxyType({})


@dataclass(frozen=True)
class Finding:
    """One result in sentences.

    Parameters
    ----------
    topic : str
        The topic, in one or two words.
    text : str
        The result, in full sentences.

    Examples
    --------
    >>> Finding("Moves", "They cost little.").topic
    'Moves'
    """

    topic: str
    text: str


def findings(outcomes: Sequence[Outcome], curve: Mapping[str, Mapping[int, float]] = _NO_CURVE) -> list[Finding]:
    """Return how the first network does and how its yardsticks compare.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The model first, then its yardsticks.
    curve : mapping, optional
        Test accuracy by name of the network and number of training samples.

    Examples
    --------
    >>> findings([])
    []
    """
    if not outcomes:
        return []
    model, *yardsticks = outcomes
    texts = {
        "Accuracy": _accuracy(model, yardsticks),
        "Moves": _moves(model, yardsticks),
        "Weights": _sharing(model),
        "Arithmetic": _arithmetic(model, yardsticks),
        "Few samples": _few_samples(model, yardsticks, curve),
        "Depth": _depth(model),
        "Certainty": _certainty(model),
    }
    return [Finding(topic, text) for topic, text in texts.items() if text]


def warnings(split: Split, made: Mapping[str, Any] = MappingProxyType({}), splits: int = 1) -> list[str]:
    """Return reasons why the numbers mean less than they seem to.

    Parameters
    ----------
    split : Split
        The data.
    made : mapping, optional
        How the numbers were made.
    splits : int, optional
        On how many splits of the data the networks were tested.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> warnings(load_embedded())
    []
    """
    called = nouns(split.test.sample_shape)
    texts = []
    if split.duplicates:
        texts.append(
            f"{split.duplicates:,} of the {len(split.test):,} test {called.samples} are also training "
            f"{called.samples}: the test accuracy says less about new {called.samples}."
        )
    if len(split.test) < ENOUGH and splits == 1:
        low, high = accuracy_interval(0.8, len(split.test))
        texts.append(
            f"There are only {len(split.test):,} test {called.samples}: an accuracy of 80 % could as well be "
            f"{100 * low:.0f} % or {100 * high:.0f} %."
        )
    if left_out := made.get("time", {}).get("left_out"):
        limit = made["time"]["limit_seconds"]
        texts.append(f"To keep to {duration(limit)}, something was cut: {'; '.join(left_out)}.")
    return texts


def _accuracy(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    others = "".join(
        f" {quoted(yardstick.name)}: {percent(yardstick.test_accuracy)} with {yardstick.cost.parameters:,}, "
        f"{_verdict(yardstick.recognised[0] - model.recognised[0])}."
        for yardstick in yardsticks
    )
    return (
        f"{quoted(model.name)} recognises {percent(model.test_accuracy)} of the {len(model.test_labels):,} test "
        f"{nouns(model.sample_shape).samples} with {model.cost.parameters:,} parameters "
        f"({interval(*model.test_interval)}).{others}"
    )


def _verdict(differences: NDArray[np.float64]) -> str:
    """Return a mean difference in words, or that its sign is not certain."""
    mean, (low, high) = float(differences.mean()), paired_interval(differences)
    if low <= 0 <= high:
        return f"a difference within chance ({interval(low, high)} points)"
    if mean < 0:
        return f"{_points(-mean)} points less ({interval(-high, -low)})"
    return f"{_points(mean)} points more ({interval(low, high)})"


def _moves(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    distances = sorted(model.recognised)
    far = distances[min(_SHIFT, len(distances) - 1)]
    called = nouns(model.sample_shape)

    def losses(outcome: Outcome) -> NDArray[np.float64]:
        return outcome.recognised[0] - outcome.recognised[far]

    others = "".join(
        f" {quoted(yardstick.name)} {_lost(losses(yardstick).mean())}, {_verdict(losses(yardstick) - losses(model))}."
        for yardstick in yardsticks
    )
    return (
        f"When the test {called.samples} move by {far} {called.places}, {quoted(model.name)} "
        f"{_lost(losses(model).mean())} of accuracy.{others} "
        "Parts that leave the frame are lost for any network."
    )


def _lost(loss: float) -> str:
    points = f"{abs(100 * loss):.1f}"
    if points == "0.0":
        return "loses no points"
    return f"{'loses' if loss > 0 else 'gains'} {points} points"


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}".replace("-", "−")


def _sharing(model: Outcome) -> str:
    layers = [measured.layer for measured in model.layers if measured.layer.convolutional]
    if not layers:
        return ""
    weights, dense = sum(layer.weights for layer in layers), sum(layer.dense_weights for layer in layers)
    return (
        "A kernel uses each of its weights at every position. "
        f"The convolutional layers of {quoted(model.name)} have {weights:,} weights; "
        f"dense layers instead would have {dense:,}, {times(dense, weights)}."
    )


def _arithmetic(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    ours = model.cost.multiply_adds
    others = "".join(
        f" {quoted(yardstick.name)} needs {yardstick.cost.multiply_adds:,}: "
        f"{times(yardstick.cost.multiply_adds, ours)}."
        for yardstick in yardsticks
    )
    shared = " Sharing weights saves weights but no arithmetic." if ours > model.cost.parameters else ""
    sample = nouns(model.sample_shape).sample
    return f"For one {sample} {quoted(model.name)} needs {ours:,} multiply-adds.{others}{shared}"


def _few_samples(model: Outcome, yardsticks: Sequence[Outcome], curve: Mapping[str, Mapping[int, float]]) -> str:
    ours = curve.get(model.name, {})
    sentences = [
        _beside(model, ours, yardstick, curve[yardstick.name])
        for yardstick in yardsticks
        if len(ours.keys() & curve.get(yardstick.name, {})) > 1
    ]
    if not sentences:
        return ""
    most = max(ours)
    tests = len(model.test_labels) // model.splits  # fewer samples are learned from on the first split alone
    low, high = accuracy_interval(ours[most], tests)
    samples = nouns(model.sample_shape).samples
    return (
        f"Trained on {min(ours):,} to {most:,} {samples}: {' '.join(sentences)} Each accuracy is from one "
        f"run, and uncertain by {_points((high - low) / 2)} points with {tests:,} test {samples}."
    )


def _beside(model: Outcome, ours: Mapping[int, float], yardstick: Outcome, theirs: Mapping[int, float]) -> str:
    sizes = sorted(ours.keys() & theirs.keys())
    most = sizes[-1]
    ahead = sum(ours[size] > theirs[size] for size in sizes)
    enough = [size for size in sizes if ours[size] >= theirs[most]]
    target = f"the {percent(theirs[most])} that {quoted(yardstick.name)} reaches with {most:,}"
    if not enough:
        reached = f"it does not reach {target}"
    elif enough[0] == most:
        reached = f"it needs all of them to reach {target}"
    else:
        reached = f"with {enough[0]:,} it reaches {target}"
    return (
        f"{quoted(model.name)} is ahead of {quoted(yardstick.name)} at {ahead} of {len(sizes)} sizes, and {reached}."
    )


def _depth(model: Outcome) -> str:
    if len(model.layers) < 2:
        return ""
    first, last = model.layers[0], model.layers[-1]
    probes = [measured.probe_accuracy for measured in model.layers]
    best = int(np.argmax(probes))
    further = " The last layer is further from a linear map than the first." * (
        last.linear_share < first.linear_share
    )
    return (
        f"A linear classifier recognises {percent(model.input_probe_accuracy)} of the test "
        f"{nouns(model.sample_shape).samples} from their values, {percent(first.probe_accuracy)} from activations of "
        f"the first layer of {quoted(model.name)}, and at most {percent(probes[best])}, from those of layer "
        f"{best + 1} of {len(probes)}. Superposition, which holds exactly for a linear map, explains "
        f"{100 * first.linear_share:.0f} % of the activations of the first layer and {100 * last.linear_share:.0f} % "
        f"of those of the last layer.{further}"
    )


def _certainty(model: Outcome) -> str:
    confidence = model.test_probabilities.max(axis=1).astype(np.float64)
    low, high = paired_interval(confidence - model.recognised[0])
    if low > 0:
        verdict = "its probabilities are too high"
    elif high < 0:
        verdict = "its probabilities are too low"
    else:
        verdict = "the difference is within chance"
    return (
        f"{quoted(model.name)} gives its predictions a probability of {percent(confidence.mean())} on average, and "
        f"{percent(model.test_accuracy)} of them are right: {verdict}. "
        f"Its expected calibration error is {_points(calibration_error(model.calibration))} points."
    )
