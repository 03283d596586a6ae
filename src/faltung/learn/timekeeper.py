"""How long does each network train? It is decided before it begins, and again if the pace changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from faltung.errors import ArgumentError
from faltung.ground.checks import integer, non_negative
from faltung.ground.given_files import read_object
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe
from faltung.learn.runs import RunFolder
from faltung.learn.schedule import CURVE, PlannedTraining, Schedule, fitted, left_out

__all__ = ["SCHEDULE", "OnSchedule", "Timekeeper"]

SCHEDULE = "schedule.json"
"""The file that says how many epochs each network gets; a run that is continued keeps to it."""

OnSchedule = Callable[[Schedule], None]
"""Called with the schedule of a run, and again when the pace of a network or the plan changes."""

_EARLY, _LATE = 0.9, 1.08  # of the time that was announced: between them nothing is changed
_SETTLED = 3  # epochs after which the pace of a network is known better than from its first steps
_PAUSE = 0.1  # of the time that was announced: plans are not changed more often


class Timekeeper:
    """Plans the trainings of a run, keeps them to the time that was announced, and records what it decides.

    Parameters
    ----------
    run : RunFolder
        Gets `schedule.json`.
    limit : float, optional
        Seconds that the run may take, with what was spent before.
    hardware : Hardware, optional
        The clock of the first of several processes decides, and this process alone writes.
    spent : float, optional
        Seconds that had passed when this object was made.
    fixed : bool, optional
        Whether the epochs of the networks were asked for, so that time does not change them.
    resumed : bool, optional
        Whether the run goes on: then what was decided holds, and nothing is changed.
    clock : callable, optional
        Returns seconds.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from faltung.learn.schedule import NETWORKS
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keeper = Timekeeper(RunFolder(Path(folder)), limit=100.0, clock=lambda: 0.0)
    ...     schedule = keeper.begin([PlannedTraining("conv", "conv", NETWORKS, epochs=50, seconds=4.0)], other=20.0)
    ...     recipe = keeper.recipe("conv", Recipe(epochs=50))
    >>> schedule.seconds, schedule.cuts, recipe.epochs
    (100.0, ('20 epochs instead of 50',), 20)
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        limit: float | None = None,
        hardware: Hardware | None = None,
        spent: float = 0.0,
        fixed: bool = False,
        resumed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._limit = limit
        self._hardware = hardware or Hardware()
        self._clock, self._began = clock, clock() - spent
        self._resumed = resumed
        self._fixed = fixed
        self.on_schedule: Callable[[Schedule, float], None] = lambda schedule, left: None
        self._wanted: dict[str, PlannedTraining] = {}
        self._ended: set[str] = set()
        self._started: dict[str, int] = {}
        self._revised: dict[str, dict[int, int]] = {}
        self._epoch_began = 0.0
        self._timed: list[float] = []
        self._planned = 0.0
        self.schedule = Schedule(())
        self.announced = 0.0

    @property
    def elapsed(self) -> float:
        """The seconds that the run has taken."""
        return self._clock() - self._began

    def _now(self) -> float:
        """Return the time of the first process in all, which must ask together."""
        return self._hardware.first([self.elapsed])[0]

    def begin(self, works: Sequence[PlannedTraining], other: float) -> Schedule:
        """Plan the works of a run, or take up the plan of a run that goes on."""
        if self._resumed and self._load():
            self._tell(self.announced)
            return self.schedule
        self._resumed = False
        works = [replace(work, asked=work.stage != CURVE) for work in works] if self._fixed else [*works]
        self._wanted = {work.name: work for work in works}
        self.schedule = fitted(works, spent=self._now(), other=other, limit=self._limit)
        self.announced = self.schedule.seconds
        self._save()
        self._tell(self.announced)
        return self.schedule

    def planned(self, name: str) -> bool:
        """Whether there is time for a training."""
        return name in self.schedule

    def recipe(self, name: str, recipe: Recipe) -> Recipe:
        """Return the recipe of a training that begins: the number of its epochs is fixed now."""
        self._epoch_began, self._timed = self._now(), []
        if name not in self.schedule:
            return recipe
        if name not in self._started:
            self._keep_to_time(name, 0)
            self._started[name] = self.schedule[name].epochs
            self._save()
        return replace(recipe, epochs=self._started[name])

    def revise(self, name: str, record: EpochRecord) -> int:
        """Return how many epochs a network gets in all, after one of them."""
        decided = self._revised.get(name, {})
        if name not in self.schedule or self._resumed:
            return decided.get(record.epoch, record.epochs)
        now = self._now()
        self._timed.append(now - self._epoch_began)
        self._epoch_began = now
        if len(self._timed) >= _SETTLED:
            self._set_pace(name, sum(self._timed[1:]) / (len(self._timed) - 1))
            if record.epoch < record.epochs and now > self._planned + _PAUSE * self.announced:
                self._keep_to_time(name, record.epoch)
        epochs = self.schedule[name].epochs
        if epochs != record.epochs:
            self._revised.setdefault(name, {})[record.epoch] = epochs
            self._save()
        return epochs

    def end(self, name: str) -> None:
        """Note that a network is trained and measured."""
        self._ended.add(name)

    def _set_pace(self, name: str, seconds: float) -> None:
        """Note how long an epoch takes; the same network is as much slower or faster in all that follows."""
        now = self.schedule[name]
        ratio = seconds / now.seconds if now.seconds > 0 else 1.0

        def paced(work: PlannedTraining) -> PlannedTraining:
            if work.network != now.network or work.name in self._ended:
                return work
            return replace(work, seconds=seconds if work.name == name else work.seconds * ratio)

        self._wanted = {key: paced(work) for key, work in self._wanted.items()}
        self.schedule = replace(self.schedule, works=tuple(map(paced, self.schedule.works)))

    def _keep_to_time(self, name: str, done: int) -> None:
        """Plan anew what is left, if it would end much later or earlier than announced and something was cut."""
        left = self.announced - self._now()
        predicted = self.announced - left + self.schedule.left(name, done)
        late = predicted > _LATE * self.announced
        early = predicted < _EARLY * self.announced and self.schedule.cuts
        if self._resumed or self._limit is None or not (late or early):
            return
        works = [self._still_wanted(work, name, done) for work in self._unfinished(name)]
        # What cannot be shortened may be a little late rather than be left out.
        limit = left if any(not work.asked for work in works) else left + (_LATE - 1) * self.announced
        plan = fitted(works, other=self.schedule.other, limit=limit)
        past = [work for work in self.schedule.works if work.name in self._ended]
        coming = [replace(work, done=0) for work in plan.works]
        kept = (*past, *coming)
        changed = replace(self.schedule, works=kept, cuts=left_out([*self._wanted.values()], kept))
        if changed != self.schedule and name in changed:
            self.schedule, self._planned = changed, self._now()
            self._save()
            self._tell(left)

    def _unfinished(self, name: str) -> list[PlannedTraining]:
        names = list(self._wanted)
        return [self._wanted[each] for each in names[names.index(name) :] if each not in self._ended]

    def _still_wanted(self, work: PlannedTraining, name: str, done: int) -> PlannedTraining:
        """Return what is still to be done of a work: all networks get as many epochs as the model got."""
        model = next(iter(self._wanted))
        if model in self._ended and work.stage != CURVE:
            work = replace(work, epochs=self.schedule[model].epochs, asked=True)
        return replace(work, epochs=max(done + 1, work.epochs), done=done) if work.name == name else work

    def _tell(self, left: float) -> None:
        self.on_schedule(self.schedule, left)

    def _save(self) -> None:
        if not self._hardware.leads:
            return
        facts = {
            "announced": self.announced,
            "spent": self.elapsed,
            "schedule": self.schedule.as_json(),
            "started": self._started,
            "revised": self._revised,
        }
        self._run.write_json(SCHEDULE, facts)

    def _load(self) -> bool:
        path = self._run.path / SCHEDULE
        if not self._hardware.first([float(path.exists())])[0]:
            return False
        try:
            facts = read_object(path)
            self.schedule = Schedule.from_json(facts["schedule"])
            self._wanted = {work.name: work for work in self.schedule.works}
            self.announced = non_negative("announced", facts["announced"])
            self._began -= non_negative("spent", facts["spent"])
            self._started = {name: integer("started", epochs, 1) for name, epochs in facts["started"].items()}
            self._revised = {
                name: {int(epoch): integer("revised", epochs, 1) for epoch, epochs in each.items()}
                for name, each in facts["revised"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            received = f"{str(path)!r} ({type(error).__name__}: {error})"
            raise ArgumentError("resume", f"{SCHEDULE} as faltung wrote it", received) from error
        return True
