"""How are few samples tested well? They are split again and again, until each of them was a test sample once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faltung.datasets.dataset import Dataset, Split
from faltung.datasets.splitting import ENOUGH, hold_out
from faltung.errors import ArgumentError

__all__ = ["further_splits"]


def further_splits(split: Split, splits: int | None = None, seed: int = 0) -> Sequence[Split]:
    """Split the same samples anew, so that in the end each of them was a test sample once: cross-validation.

    Parameters
    ----------
    split : Split
        The first split. If its parts were not all drawn at random, or it has 200 test samples, no other is needed.
    splits : int, optional
        Number of splits, with the first one. By default so many that each sample is tested.
    seed : int, optional
        Seed of the random choice.

    Returns
    -------
    sequence of Split
        The others, made when they are asked for. Their test sets have no sample in common.

    Raises
    ------
    ArgumentError
        `splits` is more than one and cannot be made.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.datasets.splitting import RawPart, split_parts
    >>> parts = {"training": RawPart(np.arange(320, dtype=np.float32).reshape(40, 1, 8), np.arange(40) % 2)}
    >>> first = split_parts(parts, "forty series")
    >>> [len(other.test) for other in further_splits(first)]
    [8, 8, 8, 8]
    >>> tested = np.concatenate([each.test.samples for each in (first, *further_splits(first))])
    >>> len(np.unique(tested, axis=0))
    40
    """
    most = round(sum(len(part) for part in (split.training, split.validation, split.test)) / len(split.test))
    possible = most if split.drawn else 1
    if splits is None:
        splits = possible if len(split.test) < ENOUGH else 1
    if splits > possible:
        expected = f"from 1 to {possible} splits of these data"
        remedy = "" if split.drawn else "Its parts were given, so there is one split."
        raise ArgumentError("splits", expected, str(splits), remedy)
    return _Anew(split, splits - 1, max(1, most - 1), seed)


class _Anew(Sequence[Split]):
    """Further splits of a data set, each made when it is asked for."""

    def __init__(self, first: Split, count: int, groups: int, seed: int) -> None:
        self._first, self._count, self._seed = first, count, seed
        labels = np.concatenate([first.training.labels, first.validation.labels])
        generator = np.random.default_rng([seed, 1])
        order = np.concatenate([generator.permutation(np.flatnonzero(labels == each)) for each in np.unique(labels)])
        # Dealt out class after class, so that all groups have as many of each class, and of all.
        self._group = np.empty(len(labels), np.int64)
        self._group[order] = np.arange(len(order)) % groups

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Split:  # type: ignore[override]  # no slices are needed
        if not 0 <= index < self._count:
            raise IndexError(index)
        first = self._first
        others = [first.training, first.validation]
        samples, labels = (np.concatenate([getattr(part, of) for part in others]) for of in ("samples", "labels"))
        tested = self._group == index
        rest = np.concatenate([labels[~tested], first.test.labels])
        pool = Dataset(np.concatenate([samples[~tested], first.test.samples]), rest, first.class_names)
        sizes = np.bincount(rest, minlength=len(first.class_names))
        share = len(first.validation) / (len(first.validation) + len(first.training))
        # The first test set has a sample of each class, so that none of them is without a training sample.
        counts = np.minimum(np.maximum(np.rint(share * sizes), 1), sizes - 1).astype(np.int64)
        held = hold_out(rest, counts, np.random.default_rng([self._seed, 2, index]))
        return Split(
            pool.subset(np.flatnonzero(~held)),
            pool.subset(np.flatnonzero(held)),
            Dataset(samples[tested], labels[tested], first.class_names),
            first.name,
            f"split {index + 2} of the same samples",
        )
