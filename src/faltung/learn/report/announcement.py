"""What is going to be done? Said before training, so that nobody waits for something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from faltung.datasets.dataset import Split
from faltung.learn.augmentation import Augmentation
from faltung.learn.durations import duration
from faltung.learn.report.wording import between, nouns
from faltung.learn.schedule import CURVE, NETWORKS, SPLITS, PlannedTraining, Schedule

__all__ = ["announcement", "change_of_plan", "class_counts", "threads_chosen", "unfinished_page"]

_NAMED = 8  # classes; of more only the smallest and the largest are named


def class_counts(counts: Mapping[str, int]) -> str:
    """Return how many samples each class has.

    Examples
    --------
    >>> class_counts({"cat": 40, "dog": 38})
    '2 classes: cat 40, dog 38'
    >>> class_counts({f"class {index}": 10 + index for index in range(20)})
    '20 classes: from 10 (class 0) to 29 (class 19)'
    """
    if len(counts) <= _NAMED:
        each = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    else:
        few, many = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        each = f"from {counts[few]:,} ({few}) to {counts[many]:,} ({many})"
    return f"{len(counts)} classes: {each}"


def announcement(
    split: Split, augmentation: Augmentation, parameters: Mapping[str, int], schedule: Schedule
) -> list[str]:
    """Return what a run will do, in sentences.

    Parameters
    ----------
    split : Split
        The data.
    augmentation : Augmentation
        The random changes of training samples.
    parameters : mapping of str to int
        The number of parameters of each network.
    schedule : Schedule
        What is planned.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.schedule import PlannedTraining
    >>> schedule = Schedule((PlannedTraining("conv", "conv", NETWORKS, 20, 2.0),), spent=1.0)
    >>> for line in announcement(load_embedded(), Augmentation(), {"conv": 84154}, schedule)[-3:]:
    ...     print(line)
    Networks: conv (84,154 parameters).
    Plan: 20 epochs. conv: 40 s.
    Time: about 41 s.
    """
    called = nouns(split.training.sample_shape)
    sizes = "x".join(map(str, split.training.sample_shape[1:]))
    channels = split.training.sample_shape[0]
    colours = {1: "grey", 3: "in colour"}.get(channels, f"of {channels} channels") if split.training.ndim == 2 else ""
    labels = np.concatenate([part.labels for part in (split.training, split.validation, split.test)])
    numbers = np.bincount(labels, minlength=len(split.class_names)).tolist()
    counts = class_counts(dict(zip(split.class_names, numbers, strict=True)))
    tests = np.bincount(split.test.labels, minlength=len(split.class_names))
    lines = [
        f"Data: {len(labels):,} {called.samples} of {sizes} {called.places}{f', {colours}' if colours else ''}; "
        f"{counts}.",
        f"Split: {len(split.training):,} for training, {len(split.validation):,} for validation, {len(split.test):,} "
        f"for the test ({between(tests)} of each class). {_sentence(split.source)}".rstrip(),
    ]
    if split.duplicates:
        lines.append(
            f"Beware: of the test {called.samples}, {split.duplicates:,} "
            f"{'is' if split.duplicates == 1 else 'are'} also used for training, so the test accuracy says less."
        )
    lines += [
        f"Changes at random: {_changes(augmentation, called.places)}.",
        f"Networks: {', '.join(f'{name} ({count:,} parameters)' for name, count in parameters.items())}.",
        *_plan(split, schedule),
    ]
    return lines


def _plan(split: Split, schedule: Schedule) -> list[str]:
    called = nouns(split.training.sample_shape)
    lines = [_of_networks(schedule.stage(NETWORKS))]
    if splits := schedule.groups(SPLITS):
        seconds = sum(work.total for work in schedule.stage(SPLITS))
        lines.append(
            f"The test set is small, so the networks are trained on {splits} further "
            f"{'split' if splits == 1 else 'splits'}, too; no {called.sample} is tested twice: {duration(seconds)}."
        )
    if curve := schedule.stage(CURVE):
        seconds = sum(work.total for work in curve)
        lines.append(f"Learning curve: the networks are trained on fewer {called.samples}, too: {duration(seconds)}.")
    if schedule.cuts and schedule.limit is not None:
        lines.append(f"Cut to keep to {duration(schedule.limit)}: {'; '.join(schedule.cuts)}.")
    late = schedule.limit is not None and schedule.seconds > 1.1 * schedule.limit
    longer = f", longer than {duration(schedule.limit or 0)}, since less cannot be done" if late else ""
    return [*lines, f"Time: about {duration(schedule.seconds)}{longer}."]


def _of_networks(planned: Sequence[PlannedTraining]) -> str:
    each = ", ".join(f"{work.name}: {duration(work.total)}" for work in planned)
    epochs = {work.epochs for work in planned}
    number = "1 epoch" if epochs == {1} else f"{'up to ' if len(epochs) > 1 else ''}{max(epochs)} epochs"
    return f"Plan: {number}{' for each network' if len(planned) > 1 else ''}. {each}."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _changes(augmentation: Augmentation, places: str) -> str:
    changes = ["mirrored left to right"] if augmentation.mirror else []
    if augmentation.shift:
        changes.append(
            f"moved by up to {augmentation.shift} {places if augmentation.shift > 1 else places.rstrip('s')}"
        )
    return ", ".join(changes) or "none"


def threads_chosen(threads: int, seconds: Mapping[int, float]) -> str:
    """Return which number of threads was chosen, and why.

    Examples
    --------
    >>> threads_chosen(1, {1: 0.093, 2: 0.16})
    'Threads: 1, the fastest here (a step takes 93 ms with 1, 160 ms with 2).'
    """
    each = ", ".join(f"{1000 * time:.0f} ms with {count}" for count, time in seconds.items())
    return f"Threads: {threads}, the fastest here (a step takes {each})."


def change_of_plan(before: Schedule, after: Schedule, left: float) -> str:
    """Return how a plan was changed because training is not as fast as it was.

    Examples
    --------
    >>> from faltung.learn.schedule import PlannedTraining
    >>> before = Schedule((PlannedTraining("conv", "conv", NETWORKS, 20, 2.0),))
    >>> change_of_plan(before, before.changed("conv", epochs=15, seconds=3.0), left=30.0)
    'New plan, as training became slower: 15 epochs instead of 20. Time left: 30 s.'
    """
    known = {work.name: work for work in before.works}
    now = {work.name: work for work in after.works}
    both = [(known[name], now[name]) for name in known if name in now]
    texts = _changed_epochs([(then, work) for then, work in both if work.stage == NETWORKS])
    texts += [f"no {work.name}" for work in before.stage(NETWORKS) if work.name not in now]
    splits = after.groups(SPLITS)
    if before.groups(SPLITS) != splits:
        texts.append(f"{splits or 'no'} further split{'' if splits == 1 else 's'} instead of {before.groups(SPLITS)}")
    if before.groups(CURVE) != after.groups(CURVE):
        texts.append("a learning curve" if after.groups(CURVE) else "no learning curve")
    pace = "slower" if sum(work.seconds - then.seconds for then, work in both) > 0 else "faster"
    return f"New plan, as training became {pace}: {'; '.join(texts)}. Time left: {duration(left)}." if texts else ""


def _changed_epochs(both: Sequence[tuple[PlannedTraining, PlannedTraining]]) -> list[str]:
    changes = {
        f"{work.epochs} epochs instead of {then.epochs}": work.name
        for then, work in both
        if then.epochs != work.epochs
    }
    return [*changes] if len(changes) < 2 else [f"{name} {change}" for change, name in changes.items()]


def unfinished_page(name: str, folder: str, doing: Sequence[str]) -> str:
    """Return the page of a run that has not ended yet, or was stopped.

    Examples
    --------
    >>> "not finished" in unfinished_page("photos", "runs/photos", [])
    True
    """
    lines = "".join(f"<li>{escape(line)}</li>" for line in doing)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>faltung learn: not finished</title>'
        "</head><body>\n"
        f"<h1>{escape(name)}: not finished</h1>\n<p>This run is not finished: it goes on, or it was stopped. There "
        "are no results yet. This page is replaced when it ends. If it was stopped, continue it with:</p>\n"
        f"<pre>faltung learn --resume {escape(folder)}</pre>\n<ul>{lines}</ul>\n</body></html>\n"
    )
