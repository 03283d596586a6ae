"""What is trained in a run, for how many epochs, and how long does it take? What does not fit into the time is cut.

Everything here is arithmetic: the seconds of an epoch are measured elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from faltung.ground.checks import integer, non_negative
from faltung.learn.durations import duration

__all__ = ["CURVE", "NETWORKS", "SPLITS", "PlannedTraining", "Schedule", "fitted", "left_out"]

NETWORKS, SPLITS, CURVE = "networks", "splits", "curve"
"""The stages of a run: the networks themselves; the same on further splits; the same with fewer samples."""

_STAGES = (NETWORKS, SPLITS, CURVE)
_SHARE = 0.4  # of the epochs that a network should get; below it, other work is cut first
_COSTLY = 0.05  # of the time: yardsticks that take less are never left out


@dataclass(frozen=True)
class PlannedTraining:
    """One training of a run.

    Parameters
    ----------
    name : str
        Its name in the run.
    network : str
        Name of the network that is trained.
    stage : str
        `NETWORKS`, `SPLITS` or `CURVE`.
    epochs : int
        Passes over the training set, at most.
    seconds : float
        Time of one epoch, with validation.
    after : float
        Time of measuring the network when it is trained.
    group : int
        Works of a group are left out together: those of one split, or of the whole curve.
    asked : bool
        Whether the number of epochs was asked for, so that time does not change it.
    done : int
        Epochs of these that are over.

    Examples
    --------
    >>> PlannedTraining("dense", "dense", NETWORKS, epochs=10, seconds=2.0, after=1.0).total
    21.0
    """

    name: str
    network: str
    stage: str
    epochs: int
    seconds: float
    after: float = 0.0
    group: int = 0
    asked: bool = False
    done: int = 0

    @property
    def total(self) -> float:
        """Seconds of what is left of training, and of measuring."""
        return (self.epochs - self.done) * self.seconds + self.after


@dataclass(frozen=True)
class Schedule:
    """The trainings of a run in their order, and what time did not allow.

    Parameters
    ----------
    works : tuple of PlannedTraining
        What is done.
    spent : float
        Seconds that had passed before.
    other : float
        Seconds of writing the report.
    limit : float, optional
        The seconds that the run may take.
    cuts : tuple of str
        What was cut to keep to the limit, in words.

    Examples
    --------
    >>> conv = PlannedTraining("conv", "conv", NETWORKS, 10, 2.0)
    >>> dense = PlannedTraining("dense", "dense", NETWORKS, 10, 1.0)
    >>> schedule = Schedule((conv, dense), spent=5.0, other=1.0)
    >>> schedule.seconds, schedule.left("conv", epoch=4), "dense" in schedule
    (36.0, 23.0, True)
    """

    works: tuple[PlannedTraining, ...]
    spent: float = 0.0
    other: float = 0.0
    limit: float | None = None
    cuts: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Predicted seconds of all."""
        return math.fsum([self.spent, *(work.total for work in self.works), self.other])

    def __contains__(self, name: object) -> bool:
        return any(work.name == name for work in self.works)

    def __getitem__(self, name: str) -> PlannedTraining:
        return next(work for work in self.works if work.name == name)

    def stage(self, stage: str) -> tuple[PlannedTraining, ...]:
        """Return the works of a stage."""
        return tuple(work for work in self.works if work.stage == stage)

    def groups(self, stage: str) -> int:
        """Return how many groups of a stage there are."""
        return len({work.group for work in self.stage(stage)})

    def left(self, name: str, epoch: int) -> float:
        """Return the predicted seconds that are left after an epoch of a network."""
        names = [work.name for work in self.works]
        if name not in names:
            return self.seconds
        index = names.index(name)
        now = self.works[index]
        rest = (work.total for work in self.works[index + 1 :])
        return math.fsum([(now.epochs - epoch) * now.seconds, now.after, *rest, self.other])

    def changed(self, name: str, **changes: Any) -> Schedule:
        """Return a schedule in which one work is changed."""
        return replace(
            self, works=tuple(replace(work, **changes) if work.name == name else work for work in self.works)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the schedule as JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Schedule:
        """Return the schedule that `as_json` has described.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are no facts of a schedule.
        """
        works = tuple(map(_work, facts["works"]))
        spent, other = (non_negative(name, facts[name]) for name in ("spent", "other"))
        limit = None if facts["limit"] is None else non_negative("limit", facts["limit"])
        if len({work.name for work in works}) < len(works) or not all(isinstance(cut, str) for cut in facts["cuts"]):
            raise ValueError("two works have one name, or what was cut is no text")
        return cls(works, spent, other, limit, tuple(facts["cuts"]))


def _work(facts: dict[str, Any]) -> PlannedTraining:
    """Return the work that facts describe, or raise TypeError or ValueError."""
    work = PlannedTraining(**facts)
    if not all(isinstance(text, str) for text in (work.name, work.network)) or work.stage not in _STAGES:
        raise ValueError(f"a work is {work.name!r} of {work.network!r}, {work.stage!r}")
    for name, count in (("epochs", work.epochs), ("group", work.group), ("done", work.done)):
        integer(name, count, 0)
    for name, seconds in (("seconds", work.seconds), ("after", work.after)):
        non_negative(name, seconds)
    if not isinstance(work.asked, bool):
        raise TypeError(f"asked is {work.asked!r}")
    return work


def fitted(
    works: Sequence[PlannedTraining], *, spent: float = 0.0, other: float = 0.0, limit: float | None = None
) -> Schedule:
    """Return the schedule that does as much of the works as fits into a time.

    First the curve is left out; then networks get fewer epochs, down to 40 % of them; then further splits are left
    out, the last one first; then epochs are cut down to 20 %; then yardsticks are left out, the costliest first;
    then epochs are cut down to one. Epochs that were asked for are never cut.

    Examples
    --------
    >>> works = [PlannedTraining("conv", "conv", NETWORKS, 40, 10.0)]
    >>> works += [PlannedTraining("dense", "dense", NETWORKS, 40, 2.0)]
    >>> works += [PlannedTraining("conv-20", "conv", CURVE, 100, 2.0)]
    >>> fitted(works).seconds
    680.0
    >>> schedule = fitted(works, spent=10.0, limit=300.0)
    >>> [(work.name, work.epochs) for work in schedule.works], schedule.seconds
    ([('conv', 24), ('dense', 24)], 298.0)
    >>> schedule.cuts
    ('24 epochs instead of 40', 'no learning curve (3 min 20 s more)')
    """
    if limit is None:
        return Schedule(tuple(works), spent, other)
    for share, kept in _choices(works):
        schedule = Schedule(tuple(_scaled(kept, limit - spent - other, share)), spent, other, limit)
        if schedule.seconds <= limit:
            break
    return replace(schedule, cuts=left_out(works, schedule.works))


def _choices(works: Sequence[PlannedTraining]) -> list[tuple[float, list[PlannedTraining]]]:
    """Return what could be done, the best first: the smallest share of the epochs, and the works."""
    plain = [work for work in works if work.stage != CURVE]
    choices = [(1.0, [*works]), (_SHARE, plain)]
    for last in sorted({work.group for work in plain if work.stage == SPLITS}, reverse=True):
        choices.append((_SHARE, [work for work in plain if work.stage == NETWORKS or work.group < last]))
    networks = [work for work in works if work.stage == NETWORKS]
    choices.append((_SHARE / 2, networks))
    costly = _COSTLY * math.fsum(work.total for work in networks)
    for yardstick in sorted(networks[1:], key=lambda work: work.total, reverse=True):
        if yardstick.total > costly:
            networks = [work for work in networks if work.name != yardstick.name]
            choices.append((_SHARE / 2, networks))
    return [*choices, (0.0, networks)]


def _scaled(works: Sequence[PlannedTraining], seconds: float, share: float) -> list[PlannedTraining]:
    """Return works with as large a share of their epochs as fits, from `share` to all."""
    fixed = math.fsum(work.total if work.asked else work.after - work.done * work.seconds for work in works)
    flexible = math.fsum(work.epochs * work.seconds for work in works if not work.asked)
    most = (seconds - fixed) / flexible if flexible > 0 else 1.0
    share = min(1.0, max(share, most))
    if share == 1:
        return [*works]
    return [
        work if work.asked else replace(work, epochs=max(1 + work.done, int(share * work.epochs))) for work in works
    ]


def left_out(wanted: Sequence[PlannedTraining], kept: Sequence[PlannedTraining]) -> tuple[str, ...]:
    """Return in words what is wanted and not kept.

    Examples
    --------
    >>> wanted = [PlannedTraining("conv", "conv", NETWORKS, 40, 2.0)]
    >>> wanted += [PlannedTraining("conv-9", "conv", CURVE, 50, 1.0)]
    >>> left_out(wanted, wanted), left_out(wanted, wanted[:1])
    ((), ('no learning curve (50 s more)',))
    """
    texts = []
    epochs_of = {work.name: work.epochs for work in kept}
    fewer = {
        (epochs_of[work.name], work.epochs)
        for work in wanted
        if work.stage == NETWORKS and epochs_of.get(work.name, work.epochs) < work.epochs
    }
    texts += [f"{few} epochs instead of {many}" for few, many in sorted(fewer)]
    for work in wanted:
        if work.stage == NETWORKS and work.name not in epochs_of:
            texts.append(f"no {work.name} ({duration(work.total)} more)")
    for stage, what in ((SPLITS, "further splits"), (CURVE, "learning curve")):
        groups, left = ({work.group for work in each if work.stage == stage} for each in (wanted, kept))
        if groups > left:
            lost = math.fsum(work.total for work in wanted if work.stage == stage and work.group not in left)
            number = f"{len(left)} of {len(groups)}" if left else "no"
            texts.append(f"{number} {what} ({duration(lost)} more)")
    return tuple(texts)
