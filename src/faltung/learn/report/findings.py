"""What did the comparison show, in sentences? Each is true whichever way the numbers went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from faltung.learn.calibration import calibration_error
from faltung.learn.datasets import Split
from faltung.learn.outcome import Outcome
from faltung.learn.report.wording import interval, nouns, percent, quoted, times
from faltung.learn.risk import accuracy_interval, paired_interval

__all__ = ["findings", "warnings"]

_TOLD_SHIFT = 4  # of the distances that were measured, counted from no move at all
_NO_CURVE: Mapping[str, Mapping[int, float]] = MappingProxyType({})


def findings(outcomes: Sequence[Outcome], curve: Mapping[str, Mapping[int, float]] = _NO_CURVE) -> list[str]:
    """Say in sentences what the first network does and how its yardsticks compare.

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
    return [
        *(_accuracy(model, yardstick) for yardstick in yardsticks),
        *([_moves(model, yardsticks)] if yardsticks else []),
        *_sharing(model),
        *(_arithmetic(model, yardstick) for yardstick in yardsticks[:1]),
        *(sentence for yardstick in yardsticks for sentence in _few_samples(model, yardstick, curve)),
        *_depth(model),
        _certainty(model),
    ]


def warnings(split: Split) -> list[str]:
    """Say what about the data makes the numbers mean less than they seem to.

    Examples
    --------
    >>> from faltung.learn.embedded import load_embedded
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


def _accuracy(model: Outcome, yardstick: Outcome) -> str:
    differences = model.recognised[0] - yardstick.recognised[0]
    called = nouns(model.sample_shape)
    return (
        f"{quoted(model.name)} recognises {percent(model.test_accuracy)} of the {len(differences):,} test "
        f"{called.samples} with {model.cost.parameters:,} parameters, {quoted(yardstick.name)} "
        f"{percent(yardstick.test_accuracy)} with {yardstick.cost.parameters:,}: {_verdict(differences)}."
    )


def _verdict(differences: NDArray[np.float64]) -> str:
    """Say how large a mean difference is, or that the samples do not settle its sign."""
    mean, (low, high) = float(differences.mean()), paired_interval(differences)
    if low <= 0 <= high:
        return f"the difference is within chance ({interval(low, high)} points)"
    if mean < 0:
        return f"{-100 * mean:.1f} points less ({interval(-high, -low)})"
    return f"{100 * mean:.1f} points more ({interval(low, high)})"


def _moves(model: Outcome, yardsticks: Sequence[Outcome]) -> str:
    distances = sorted(model.recognised)
    far = distances[min(_TOLD_SHIFT, len(distances) - 1)]
    called = nouns(model.sample_shape)
    losses = {each.name: each.recognised[0] - each.recognised[far] for each in (model, *yardsticks)}
    own = losses[model.name]
    others = "; ".join(
        f"{quoted(each.name)} loses {_points(losses[each.name].mean())}, {_verdict(losses[each.name] - own)}"
        for each in yardsticks
    )
    return (
        f"When the test {called.samples} move by {far} {called.places}, {quoted(model.name)} loses "
        f"{_points(own.mean())} points of accuracy; {others}. What left the frame is lost for all of them."
    )


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}".replace("-", "−")


def _sharing(model: Outcome) -> list[str]:
    layers = [measured.layer for measured in model.layers if measured.layer.convolutional]
    if not layers:
        return []
    weights, dense = sum(layer.weights for layer in layers), sum(layer.dense_weights for layer in layers)
    return [
        f"Every weight of a kernel is used at every place: {_counted(len(layers), 'convolutional layer')} of "
        f"{quoted(model.name)} together have {weights:,} weights. Dense layers in their place would have {dense:,}: "
        f"{times(dense, weights)}."
    ]


def _counted(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count} {noun}s"


def _arithmetic(model: Outcome, yardstick: Outcome) -> str:
    ours, theirs = model.cost.multiply_adds, yardstick.cost.multiply_adds
    shared = " Using weights many times saves memory and not arithmetic." if ours > theirs else ""
    called = nouns(model.sample_shape)
    return (
        f"For one {called.sample} {quoted(model.name)} needs {ours:,} multiply-adds and {quoted(yardstick.name)} "
        f"{theirs:,}: {times(ours, theirs)}.{shared}"
    )


def _few_samples(model: Outcome, yardstick: Outcome, curve: Mapping[str, Mapping[int, float]]) -> list[str]:
    ours, theirs = curve.get(model.name, {}), curve.get(yardstick.name, {})
    sizes = sorted(ours.keys() & theirs.keys())
    if len(sizes) < 2:
        return []
    called = nouns(model.sample_shape)
    ahead = sum(ours[size] > theirs[size] for size in sizes)
    most = sizes[-1]
    low, high = accuracy_interval(theirs[most], len(model.test_labels))
    enough = [size for size in sizes if ours[size] >= theirs[most]]
    if not enough:
        reached = f"It does not reach the {percent(theirs[most])} that {quoted(yardstick.name)} reaches with {most:,}"
    else:
        reached = (
            f"The {percent(theirs[most])} that {quoted(yardstick.name)} reaches with {most:,} it reaches with "
            f"{'all of them' if enough[0] == most else f'{enough[0]:,}'}"
        )
    return [
        f"Trained on {sizes[0]:,} to {most:,} {called.samples}, {quoted(model.name)} is ahead of "
        f"{quoted(yardstick.name)} at {ahead} of {len(sizes)} sizes. {reached} (one run each; chance moves such an "
        f"accuracy by {100 * (high - low) / 2:.1f} points)."
    ]


def _depth(model: Outcome) -> list[str]:
    if len(model.layers) < 2:
        return []
    first, last = model.layers[0], model.layers[-1]
    probes = [measured.probe_accuracy for measured in model.layers]
    best = int(np.argmax(probes))
    called = nouns(model.sample_shape)
    direction = "The deeper layers are the less linear ones." if last.linear_share < first.linear_share else ""
    return [
        f"A linear classifier recognises {percent(model.input_probe_accuracy)} of the test {called.samples} as they "
        f"are, {percent(first.probe_accuracy)} from what the first layer of {quoted(model.name)} answers, and at most "
        f"{percent(probes[best])}, from layer {best + 1} of {len(probes)}. Superposition, which holds exactly for a "
        f"linear map, explains {_share(first.linear_share)} of what the first layer answers and "
        f"{_share(last.linear_share)} of what the last one does. {direction}".rstrip()
    ]


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


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
        f"{quoted(model.name)} gives its answers a probability of {percent(confidence.mean())} on average and is right "
        f"in {percent(model.test_accuracy)}: {verdict}. Its expected calibration error is "
        f"{100 * calibration_error(model.calibration):.1f} points."
    )
