"""What does each network cost, and how accurate is it? One table for terminal and page."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.wording import nouns, percent

__all__ = ["table"]

_SHOWN = (1, 2, 4)  # indices of the distances that are shown


def table(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison: the costs and the accuracies of each network.

    Parameters
    ----------
    outcomes : sequence of Outcome
        At least one; all for the same data.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.measures.outcome import measure
    >>> from faltung.networks import DenseClassifier
    >>> network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    >>> dense = measure("dense", network, load_embedded(), nn.CrossEntropyLoss(), ())
    >>> header, [row] = table([dense])
    >>> header[:5]
    ['Network', 'Parameters', 'Multiply-adds', 'Training time', 'Test accuracy']
    >>> header[5:]
    ['Moved 1 px', 'Moved 2 px', 'Moved 4 px']
    >>> row[:4]
    ['dense', '536,586', '535,040', '0.0 s']
    """
    distances = sorted(outcomes[0].recognised)
    shown = [distances[index] for index in _SHOWN]
    unit = nouns(outcomes[0].sample_shape).unit
    header = ["Network", "Parameters", "Multiply-adds", "Training time", "Test accuracy"]
    rows = [
        [
            outcome.name,
            f"{outcome.cost.parameters:,}",
            f"{outcome.cost.multiply_adds:,}",
            f"{outcome.training_seconds:.1f} s",
            percent(outcome.test_accuracy),
            *(percent(outcome.shifted_accuracy[places]) for places in shown),
        ]
        for outcome in outcomes
    ]
    return header + [f"Moved {places} {unit}".rstrip() for places in shown], rows
