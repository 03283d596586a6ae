"""Which samples are for validation and test? Those that the data set names, or a random fraction of each class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.dataset import PARTS, Dataset, Split
from faltung.errors import ArgumentError

__all__ = ["ENOUGH", "RawPart", "hold_out", "split_parts"]

ENOUGH = 200
"""Test samples with which an accuracy is known within seven points."""

_VALIDATION = 100  # samples by which choices are made
_SHARES = {"validation": (0.05, 0.1), "test": (0.1, 0.2)}  # smallest and largest fraction of each class


@dataclass(frozen=True, eq=False)
class RawPart:
    """One part of a data set as it was read, before its classes are numbered.

    Parameters
    ----------
    samples : uint8 or float32 array, shape (samples, channels, *spatial)
        The samples.
    labels : array of integers or strings, shape (samples,)
        The label of each sample.
    files : sequence of str, optional
        The file of each sample, if each sample has its own file.
    pixels : str, optional
        How image files were read, as in `Dataset`.
    """

    samples: NDArray[Any]
    labels: NDArray[Any]
    files: Sequence[str] = ()
    pixels: str | None = None


def hold_out(
    labels: NDArray[np.integer[Any]], counts: Sequence[int] | NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose ``counts[c]`` samples of each class c at random, and return for every sample whether it was chosen.

    Raises
    ------
    ArgumentError
        A class has no more samples than are to be chosen, so none would remain.

    Examples
    --------
    >>> import numpy as np
    >>> hold_out(np.array([0, 1, 0, 1, 0, 1]), [1, 2], np.random.default_rng(0)).tolist()
    [False, False, False, True, True, True]
    """
    chosen = np.zeros(len(labels), dtype=bool)
    # The samples of each class in their order; there may be as many classes as samples.
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(len(counts) + 1))
    for label, count in enumerate(counts):
        indices = order[ends[label] : ends[label + 1]]
        if count >= len(indices):
            expected = f"fewer than the {len(indices)} samples of class {label}"
            raise ArgumentError("counts", expected, str(count), "Hold out fewer samples.")
        chosen[generator.choice(indices, count, replace=False)] = True
    return chosen


def split_parts(
    parts: Mapping[str, RawPart],
    name: str,
    *,
    class_names: Sequence[str] = (),
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Split:
    """Make a data set of its parts: number the classes, and take missing parts from the training part.

    Parameters
    ----------
    parts : mapping of str to RawPart
        The training part, and the others if they were given. To save memory, the samples of the training part are
        reordered in place if other parts are taken from it.
    name : str
        Name of the whole data set.
    class_names : sequence of str, optional
        Names of the classes, which labels are indices of. By default a label is itself the name of its class.
    validation, test : float, optional
        Fraction of each class that is held out; used only for a part that was not given. By default 20 % for the test
        if there are up to 1,000 samples, 10 % if there are 2,000 or more, and half of that for validation.
    seed : int, optional
        Seed of the random choice.

    Raises
    ------
    ArgumentError
        There are fewer than two classes, too few samples of a class, or classes without training samples.

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.arange(80, dtype=np.uint8).reshape(10, 1, 8)
    >>> split = split_parts({"training": RawPart(samples, np.array(["no", "yes"] * 5))}, "ten series")
    >>> split.source
    'held out: validation 10 % and test 20 % of each class, seed 0'
    >>> split.parts()
    {'training': [0, 1, 2, 5, 6, 9], 'validation': [3, 4], 'test': [7, 8]}
    """
    asked = {"validation": validation, "test": test}
    fractions = {
        part: _fraction(part, len(parts["training"].labels)) if fraction is None else fraction
        for part, fraction in asked.items()
        if part not in parts
    }
    _check_fractions(fractions)
    labels, names = _numbered(parts, class_names)
    _check_classes(labels, names, least=1 + len(fractions))

    indices_of = _drawn(labels["training"], fractions, np.random.default_rng(seed))
    order = np.concatenate([*indices_of.values()])
    _reorder(parts["training"].samples, order)
    data, members = {}, {}
    first = 0
    for part, indices in indices_of.items():
        samples = parts["training"].samples[first : first + len(indices)]
        data[part] = Dataset(samples, labels["training"][indices], names, parts["training"].pixels)
        members[part] = _members(parts["training"], indices, 0)
        first += len(indices)
    for part in (part for part in PARTS if part not in indices_of):
        data[part] = Dataset(parts[part].samples, labels[part], names, parts[part].pixels)
        members[part] = _members(parts[part], np.arange(len(labels[part])), first)
        first += len(labels[part])
    source = _source(fractions, seed)
    drawn = len(fractions) == len(asked)
    return Split(data["training"], data["validation"], data["test"], name, source, members, drawn=drawn)


def _fraction(part: str, samples: int) -> float:
    least, most = _SHARES[part]
    enough = ENOUGH if part == "test" else _VALIDATION
    return round(min(most, max(least, enough / samples)), 2)


def _check_fractions(fractions: Mapping[str, float]) -> None:
    for part, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise ArgumentError(part, "a fraction between 0 and 1", str(fraction), "Use 0.1, for instance.")
    if sum(fractions.values()) >= 1:
        received = " and ".join(f"{part}={fraction}" for part, fraction in fractions.items())
        raise ArgumentError("test", "fractions with a sum below 1", received, "Hold out less.")


def _numbered(
    parts: Mapping[str, RawPart], class_names: Sequence[str]
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Return the labels of each part as indices, and the names of the classes."""
    labels = np.concatenate([part.labels for part in parts.values()])
    if class_names:
        if equal := [name for name, count in Counter(class_names).items() if count > 1]:
            remedy = "Rename them, or give their samples one label."
            raise data_error("class names that differ", f"{shortened([repr(name) for name in equal])} twice", remedy)
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(class_names):
            expected = f"labels from 0 to {len(class_names) - 1} for {len(class_names)} class names"
            received = f"{labels.min()} to {labels.max()}" if labels.dtype.kind in "iu" else f"'{labels[0]}'"
            raise data_error(expected, received, "Correct the labels, or leave the class names out.")
        indices, names = labels.astype(np.int64), [*class_names]
    else:
        values, inverse = np.unique(labels, return_inverse=True)
        texts = [str(value) for value in values]
        numbers = all(re.fullmatch(r"[+-]?\d{1,300}", text) for text in texts)
        order = sorted(range(len(texts)), key=lambda index: (int(texts[index]) if numbers else 0, texts[index]))
        indices, names = np.argsort(order)[inverse], [texts[index] for index in order]
    ends = np.cumsum([len(part.labels) for part in parts.values()])
    return dict(zip(parts, np.split(indices, ends[:-1]), strict=True)), tuple(names)


def _check_classes(labels: Mapping[str, NDArray[np.int64]], names: tuple[str, ...], least: int) -> None:
    counts = np.bincount(labels["training"], minlength=len(names))
    for part, labels_of_part in labels.items():
        if unknown := [f"'{names[label]}'" for label in np.unique(labels_of_part) if not counts[label]]:
            received = f"{shortened(unknown)} in the {part} part only"
            remedy = "Add training samples of them, or remove them."
            raise data_error("classes with training samples", received, remedy)
    if len(names) < 2:
        raise data_error("at least two classes", f"one, '{names[0]}'", "Add samples of another class.")
    if few := [f"'{name}' with {count}" for name, count in zip(names, counts, strict=True) if count < least]:
        expected = f"at least {least} training samples of each class"
        if least > 1:
            expected += ", one for each part that is held out"
        raise data_error(expected, shortened(few), "Add samples of these classes, or remove the classes.")


def _drawn(
    labels: NDArray[np.int64], fractions: Mapping[str, float], generator: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Return the indices of the samples of each part; those of held-out parts are drawn at random."""
    sizes = np.bincount(labels)
    remaining = np.arange(len(labels))
    drawn = {}
    for parts_left, (part, fraction) in reversed([*enumerate(fractions.items())]):
        # For any fraction, one sample of each class is left for training and for each part that is drawn later.
        most = np.bincount(labels[remaining]) - 1 - parts_left
        counts = np.clip(np.rint(fraction * sizes), 1, most).astype(np.int64)
        chosen = hold_out(labels[remaining], counts, generator)
        drawn[part], remaining = remaining[chosen], remaining[~chosen]
    return {"training": remaining} | {part: drawn[part] for part in fractions}


def _reorder(samples: NDArray[Any], order: NDArray[np.int64]) -> None:
    """Do ``samples[:] = samples[order]`` in place: one cycle of the permutation after the other."""
    done = np.zeros(len(order), dtype=bool)
    for start in np.flatnonzero(order != np.arange(len(order))):
        if done[start]:
            continue
        first_sample, index = samples[start].copy(), start
        while order[index] != start:
            samples[index] = samples[order[index]]
            done[index] = True
            index = order[index]
        samples[index] = first_sample
        done[index] = True


def _members(part: RawPart, indices: NDArray[np.int64], first: int) -> Sequence[str] | NDArray[np.int64]:
    return [part.files[index] for index in indices] if part.files else first + indices


def _source(fractions: Mapping[str, float], seed: int) -> str:
    if not fractions:
        return "as given"
    given = "".join(f"{part} as given; " for part in PARTS[1:] if part not in fractions)
    held_out = " and ".join(f"{part} {100 * fraction:.3g} %" for part, fraction in fractions.items())
    return f"{given}held out: {held_out} of each class, seed {seed}"
