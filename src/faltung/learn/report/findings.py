"""What did the comparison show, in sentences? Each is true whichever way the numbers went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Split
from faltung.learn.measures.outcome import Outcome
from faltung.learn.measures.reliability import calibration_error
from faltung.learn.report.wording import interval, nouns, percent, quoted, times
from faltung.learn.risk import accuracy_interval, paired_interval

__all__ = ["Finding", "findings", "warnings"]

_TOLD_SHIFT = 4  # of the distances that were measured, counted from no move at all
_NO_CURVE: Mapping[str, Mapping[int, float]] = MappingProxyType({})


@dataclass(frozen=True)
class Finding:
    """What was found about one matter.

    Parameters
    ----------
    topic : str
        The matter, in a word or two.
    text : str
        What was found, in full sentences.

    Examples
    --------
    >>> Finding("Moves", "They cost little.").topic
    'Moves'
    """

    topic: str
    text: str


def findings(outcomes: Sequence[Outcome], curve: Mapping[str, Mapping[int, float]] = _NO_CURVE) -> list[Finding]:
    """Say what the first network does and how its yardsticks compare.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The network first, then its yardsticks.
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


def warnings(split: Split) -> list[str]:
    """Say what about the data makes the numbers mean less than they seem to.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> warnings(load_embedded())
    []
    """
    if not split.duplicates:
        return []
    called = nouns(split.test.sample_shape)
    return [
        f"{split.duplicates:,} of the {len(split.test):,} test {called.samples} are also among the training "
        f"{called.samples}: the test accuracy says less about new ones."
    ]


def _accuracy(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    others = "".join(
        f" {quoted(each.name)}: {percent(each.test_accuracy)} with {each.cost.parameters:,}, "
        f"{_verdict(each.recognised[0] - model.recognised[0])}."
        for each in yardsticks
    )
    return (
        f"{quoted(model.name)} recognises {percent(model.test_accuracy)} of the {len(model.test_labels):,} test "
        f"{nouns(model.sample_shape).samples} with {model.cost.parameters:,} parameters.{others}"
    )


def _verdict(differences: NDArray[np.float64]) -> str:
    """Say how large a mean difference is, or that the samples do not settle its sign."""
    mean, (low, high) = float(differences.mean()), paired_interval(differences)
    if low <= 0 <= high:
        return f"a difference within chance ({interval(low, high)} points)"
    if mean < 0:
        return f"{_points(-mean)} points less ({interval(-high, -low)})"
    return f"{_points(mean)} points more ({interval(low, high)})"


def _moves(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    distances = sorted(model.recognised)
    far = distances[min(_TOLD_SHIFT, len(distances) - 1)]
    called = nouns(model.sample_shape)

    def losses(outcome: Outcome) -> NDArray[np.float64]:
        return outcome.recognised[0] - outcome.recognised[far]

    others = "".join(
        f" {quoted(each.name)} loses {_points(losses(each).mean())}, {_verdict(losses(each) - losses(model))}."
        for each in yardsticks
    )
    return (
        f"When the test {called.samples} move by {far} {called.places}, {quoted(model.name)} loses "
        f"{_points(losses(model).mean())} points of accuracy.{others} "
        "What has left the frame is lost for any network."
    )


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}".replace("-", "−")


def _sharing(model: Outcome) -> str:
    layers = [measured.layer for measured in model.layers if measured.layer.convolutional]
    if not layers:
        return ""
    weights, dense = sum(layer.weights for layer in layers), sum(layer.dense_weights for layer in layers)
    return (
        "A kernel uses each of its weights at every place. "
        f"In the convolutional layers of {quoted(model.name)} there are {weights:,} weights; "
        f"in dense layers in their place there would be {dense:,}, {times(dense, weights)}."
    )


def _arithmetic(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    ours = model.cost.multiply_adds
    others = "".join(
        f" {quoted(each.name)} needs {each.cost.multiply_adds:,}: {times(each.cost.multiply_adds, ours)}."
        for each in yardsticks
    )
    shared = " Using weights many times saves weights and not arithmetic." if ours > model.cost.parameters else ""
    sample = nouns(model.sample_shape).sample
    return f"For one {sample} {quoted(model.name)} needs {ours:,} multiply-adds.{others}{shared}"


def _few_samples(model: Outcome, yardsticks: Sequence[Outcome], curve: Mapping[str, Mapping[int, float]]) -> str:
    ours = curve.get(model.name, {})
    sentences = [
        _beside(model, ours, each, curve[each.name])
        for each in yardsticks
        if len(ours.keys() & curve.get(each.name, {})) > 1
    ]
    if not sentences:
        return ""
    most = max(ours)
    low, high = accuracy_interval(ours[most], len(model.test_labels))
    samples = nouns(model.sample_shape).samples
    return (
        f"Trained on {min(ours):,} to {most:,} {samples}: {' '.join(sentences)} Each accuracy is of one run; "
        f"{len(model.test_labels):,} test {samples} tell it to within {_points((high - low) / 2)} points."
    )


def _beside(model: Outcome, ours: Mapping[int, float], yardstick: Outcome, theirs: Mapping[int, float]) -> str:
    sizes = sorted(ours.keys() & theirs.keys())
    most = sizes[-1]
    ahead = sum(ours[size] > theirs[size] for size in sizes)
    enough = [size for size in sizes if ours[size] >= theirs[most]]
    target = f"the {percent(theirs[most])} that {quoted(yardstick.name)} reaches with {most:,}"
    if not enough:
        reached = f"does not reach {target}"
    elif enough[0] == most:
        reached = f"needs all of them to reach {target}"
    else:
        reached = f"reaches with {enough[0]:,} {target}"
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
        f"{nouns(model.sample_shape).samples} as they are, {percent(first.probe_accuracy)} from what the first layer "
        f"of {quoted(model.name)} answers, and at most {percent(probes[best])}, from layer {best + 1} of "
        f"{len(probes)}. Superposition, which holds exactly for a linear map, explains "
        f"{100 * first.linear_share:.0f} % of what the first layer answers and {100 * last.linear_share:.0f} % of "
        f"what the last one does.{further}"
    )


def _certainty(model: Outcome) -> str:
    confidence = model.test_probabilities.max(axis=1).astype(np.float64)
    low, high = paired_interval(confidence - model.recognised[0])
    if low > 0:
        verdict = "it is surer than it should be"
    elif high < 0:
        verdict = "it could be surer"
    else:
        verdict = "on the whole it is as sure as it should be"
    return (
        f"{quoted(model.name)} gives its answers a probability of {percent(confidence.mean())} on average and is "
        f"right in {percent(model.test_accuracy)}: {verdict}. "
        f"Its expected calibration error is {_points(calibration_error(model.calibration))} points."
    )
