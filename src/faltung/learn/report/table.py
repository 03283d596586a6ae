"""What does each network cost, and how accurate is it? One table for terminal and page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.wording import between, nouns, percent

__all__ = ["samples_behind", "table"]

_SHOWN = (1, 2, 4)  # indices of the distances that are shown


def table(outcomes: Sequence[Outcome], *, exact: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison: the costs and the accuracies of each network.

    Parameters
    ----------
    outcomes : sequence of Outcome
        At least one; all for the same data.
    exact : bool, optional
        Whether multiply-adds are exact; by default they are so short that the table fits into 80 columns.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.datasets.dataset import Split
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.measures.outcome import measure
    >>> from faltung.networks import DenseClassifier
    >>> few = load_embedded().validation.subset(np.arange(100))
    >>> network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    >>> dense = measure("dense", network, Split(few, few, few, "few"), nn.CrossEntropyLoss(), ())
    >>> header, [row] = table([dense])
    >>> header[:5]
    ['Network', 'Parameters', 'Multiply-adds', 'Training time', 'Test accuracy']
    >>> header[6:]
    ['Moved 1 px', 'Moved 2 px', 'Moved 4 px']
    >>> row[:4]
    ['dense', '536,586', '535 k', '0.0 s']
    """
    distances = sorted(outcomes[0].recognised)
    shown = [distances[index] for index in _SHOWN]
    unit = nouns(outcomes[0].sample_shape).unit
    rows = []
    for outcome in outcomes:
        low, high = outcome.test_interval
        multiply_adds = outcome.cost.multiply_adds
        cells = [
            outcome.name,
            f"{outcome.cost.parameters:,}",
            f"{multiply_adds:,}" if exact else _short(multiply_adds),
            f"{outcome.training_seconds:.1f} s",
            percent(outcome.test_accuracy),
            f"{_tenths(low)}–{_tenths(high)}",
            *(_tenths(outcome.shifted_accuracy[places]) for places in shown),
        ]
        rows.append(cells)
    header = ["Network", "Parameters", "Multiply-adds", "Training time", "Test accuracy", "95\u00a0% interval"]
    return header + [f"Moved {places} {unit}".rstrip() for places in shown], rows


def _tenths(share: float) -> str:
    """Return a share in per cent; all are 100 and not 100.0, for which there is no room in 80 columns."""
    text = f"{100 * share:.1f}"
    return "100" if text == "100.0" else text


def _short(number: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            digits = 1 if number < 100 * size else 0
            return f"{number / size:.{digits}f} {unit}"
    return str(number)


def samples_behind(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how many samples stand behind the accuracies of a table, in sentences.

    Examples
    --------
    >>> samples_behind([])
    []
    """
    if not outcomes:
        return []
    model, called = outcomes[0], nouns(outcomes[0].sample_shape)
    counts = np.bincount(model.test_labels, minlength=model.test_probabilities.shape[1])
    number = f"{len(model.test_labels):,} test {called.samples}, {between(counts)} of each class"
    if model.splits == 1:
        return [f"All accuracies are in % of {number}."]
    return [
        f"All accuracies are in % of {number}; no {called.sample} was tested twice in {model.splits} splits.",
        "The saved networks are those of the first split.",
    ]
