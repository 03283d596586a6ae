"""What is measured in one pass over the training set? Its risk, and what the objective measures besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EpochRecord"]


@dataclass(frozen=True)
class EpochRecord:
    """What was measured in one pass over the training set.

    Parameters
    ----------
    epoch, epochs : int
        Number of the epoch, counted from one, and number of all epochs.
    seconds : float
        Time of the training steps alone.
    measures : mapping of str to float
        "training_risk" and further measures of the objective: means over the batches of the epoch, with augmented
        samples, while the weights changed. Then its measures on the validation set, with the averaged weights.

    Examples
    --------
    >>> EpochRecord(1, 20, 0.5, {"training_risk": 2.3}).measures["training_risk"]
    2.3
    """

    epoch: int
    epochs: int
    seconds: float
    measures: Mapping[str, float]
