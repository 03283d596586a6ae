"""Which samples are kept from training? Those that the data set says, or so many of each class, drawn by lot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import PARTS, Dataset, Split
from faltung.datasets.refusal import refusal, shortened
from faltung.errors import ArgumentError

__all__ = ["Part", "hold_out", "split_parts"]


@dataclass(frozen=True, eq=False)
class Part:
    """What was read of one part of a data set, with classes as they were called there.

    Parameters
    ----------
    samples : uint8 or float32 array, shape (samples, channels, *spatial)
    labels : array of integers or strings, shape (samples,)
    files : sequence of str, optional
        The file of each sample, where each has its own.
    """

    samples: NDArray[Any]
    labels: NDArray[Any]
    files: Sequence[str] = ()


def hold_out(
    labels: NDArray[np.integer[Any]], counts: Sequence[int] | NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose at random ``counts[c]`` samples of each class c, and say of every sample whether it was chosen.

    Raises
    ------
    ArgumentError
        If a class has no more samples than are to be chosen, so that nothing of it would remain.

    Examples
    --------
    >>> import numpy as np
    >>> hold_out(np.array([0, 1, 0, 1, 0, 1]), [1, 2], np.random.default_rng(0)).tolist()
    [False, False, False, True, True, True]
    """
    chosen = np.zeros(len(labels), dtype=bool)
    for label, count in enumerate(counts):
        own = np.flatnonzero(labels == label)
        if count >= len(own):
            expected = f"fewer than the {len(own)} samples of class {label}"
            raise ArgumentError("counts", expected, str(count), "Hold out fewer samples.")
        chosen[generator.choice(own, count, replace=False)] = True
    return chosen


def split_parts(
    parts: Mapping[str, Part],
    name: str,
    *,
    class_names: Sequence[str] = (),
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Split:
    """Give classes their numbers, and hold out of training what was not given.

    Parameters
    ----------
    parts : mapping of str to Part
        The training part, and the others if they were given. The samples of a training part that others are taken
        from are put into another order, in place, so that they need no memory twice.
    name : str
        Name of the whole.
    class_names : sequence of str, optional
        What the labels are indices of; otherwise each is the name of its class.
    validation, test : float, optional
        Fraction of each class that is held out; used only for a part that was not given.
    seed : int, optional
        Seed of the lot.

    Raises
    ------
    ArgumentError
        If there are fewer than two classes, too few samples of one, or classes that cannot be learned.

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.arange(80, dtype=np.uint8).reshape(10, 1, 8)
    >>> split = split_parts({"training": Part(samples, np.array(["no", "yes"] * 5))}, "ten series")
    >>> split.source
    'made: validation 10 % and test 10 % of each class, seed 0'
    >>> split.parts()
    {'training': [0, 1, 2, 5, 6, 9], 'validation': [3, 4], 'test': [7, 8]}
    """
    asked = {"validation": validation, "test": test}
    fractions = {part: fraction for part, fraction in asked.items() if part not in parts}
    _check_fractions(fractions)
    labels, names = _numbered(parts, class_names)
    _check_classes(labels, names, least=1 + len(fractions))

    places = _drawn(labels["training"], fractions, np.random.default_rng(seed))
    order = np.concatenate([*places.values()])
    _rearrange(parts["training"].samples, order)
    data, members = {}, {}
    first = 0
    for part, own in places.items():
        samples = parts["training"].samples[first : first + len(own)]
        data[part] = Dataset(samples, labels["training"][own], names)
        members[part] = _members(parts["training"], own, 0)
        first += len(own)
    for part in (part for part in PARTS if part not in places):
        data[part] = Dataset(parts[part].samples, labels[part], names)
        members[part] = _members(parts[part], np.arange(len(labels[part])), first)
        first += len(labels[part])
    return Split(data["training"], data["validation"], data["test"], name, _source(fractions, seed), members)


def _check_fractions(fractions: Mapping[str, float]) -> None:
    for part, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise ArgumentError(part, "a fraction between 0 and 1", str(fraction), "Hold out something like 0.1.")
    if sum(fractions.values()) >= 1:
        received = " and ".join(f"{part}={fraction}" for part, fraction in fractions.items())
        raise ArgumentError("test", "fractions that leave something for training", received, "Hold out less.")


def _numbered(
    parts: Mapping[str, Part], class_names: Sequence[str]
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    every = np.concatenate([part.labels for part in parts.values()])
    if class_names:
        if every.dtype.kind not in "iu" or every.min() < 0 or every.max() >= len(class_names):
            expected = f"labels from 0 to {len(class_names) - 1}, as there are {len(class_names)} class names"
            received = f"{every.min()} to {every.max()}" if every.dtype.kind in "iu" else f"'{every[0]}'"
            raise refusal(expected, received, "Correct the labels, or leave the class names out.")
        indices, names = every.astype(np.int64), [*class_names]
    else:
        values, inverse = np.unique(every, return_inverse=True)
        texts = [str(value) for value in values]
        numbers = all(re.fullmatch(r"[+-]?\d+", text) for text in texts)
        order = sorted(range(len(texts)), key=lambda index: (int(texts[index]) if numbers else 0, texts[index]))
        indices, names = np.argsort(order)[inverse], [texts[index] for index in order]
    ends = np.cumsum([len(part.labels) for part in parts.values()])
    return dict(zip(parts, np.split(indices, ends[:-1]), strict=True)), tuple(names)


def _check_classes(labels: Mapping[str, NDArray[np.int64]], names: tuple[str, ...], least: int) -> None:
    counts = np.bincount(labels["training"], minlength=len(names))
    for part, own in labels.items():
        if unknown := [f"'{names[label]}'" for label in np.unique(own) if not counts[label]]:
            remedy = "Add samples of them to the training part, or take them out."
            raise refusal("classes that the training part has", f"in the {part} part {shortened(unknown)}", remedy)
    if len(names) < 2:
        raise refusal("at least two classes", f"one, '{names[0]}'", "Add samples of what it is to be told from.")
    if few := [f"'{name}' with {count}" for name, count in zip(names, counts, strict=True) if count < least]:
        expected = f"at least {least} training samples of each class"
        if least > 1:
            expected += ", one of them for each part that is held out"
        raise refusal(expected, shortened(few), "Add samples of these classes, or leave them out.")


def _drawn(
    labels: NDArray[np.int64], fractions: Mapping[str, float], generator: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    sizes = np.bincount(labels)
    remaining = np.arange(len(labels))
    drawn = {}
    for still, (part, fraction) in reversed([*enumerate(fractions.items())]):
        # Whatever the fraction, one sample of each class is left for training and for each part yet to be drawn.
        most = np.bincount(labels[remaining]) - 1 - still
        counts = np.clip(np.rint(fraction * sizes), 1, most).astype(np.int64)
        chosen = hold_out(labels[remaining], counts, generator)
        drawn[part], remaining = remaining[chosen], remaining[~chosen]
    return {"training": remaining} | {part: drawn[part] for part in fractions}


def _rearrange(samples: NDArray[Any], order: NDArray[np.int64]) -> None:
    """Do ``samples[:] = samples[order]`` along the cycles of the permutation, with one sample kept aside."""
    waiting = np.ones(len(order), dtype=bool)
    for start in np.flatnonzero(order != np.arange(len(order))):
        if not waiting[start]:
            continue
        aside, place = samples[start].copy(), start
        while order[place] != start:
            samples[place] = samples[order[place]]
            waiting[place] = False
            place = order[place]
        samples[place] = aside
        waiting[place] = False


def _members(part: Part, places: NDArray[np.int64], first: int) -> Sequence[str] | NDArray[np.int64]:
    return [part.files[place] for place in places] if part.files else first + places


def _source(fractions: Mapping[str, float], seed: int) -> str:
    if not fractions:
        return "as given"
    given = "".join(f"{part} as given; " for part in PARTS[1:] if part not in fractions)
    made = " and ".join(f"{part} {100 * fraction:g} %" for part, fraction in fractions.items())
    return f"{given}made: {made} of each class, seed {seed}"
