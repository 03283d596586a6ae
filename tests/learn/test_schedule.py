"""A run keeps to its time: what fits is done, what does not is said, and what was decided is kept."""

from __future__ import annotations

import collections
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faltung.datasets.embedded import load_embedded
from faltung.errors import FaltungError
from faltung.learn.augmentation import Augmentation
from faltung.learn.choices import chosen_recipe, time_limit
from faltung.learn.durations import duration, seconds_of
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.experiment import _jobs
from faltung.learn.hardware import Hardware
from faltung.learn.memory import Memory, check_memory, largest_size, training_memory
from faltung.learn.pace import Pace, fastest, measured
from faltung.learn.recipe import Recipe
from faltung.learn.report.announcement import change_of_plan
from faltung.learn.runs import RunFolder
from faltung.learn.schedule import CURVE, NETWORKS, SPLITS, PlannedTraining, Schedule, fitted
from faltung.learn.task import Setup
from faltung.learn.tasks import TASKS
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.timekeeper import SCHEDULE, Timekeeper


def _works(epochs: int = 100, seconds: float = 1.0, **changes: object) -> list[PlannedTraining]:
    """Two networks, on two further splits and with fewer samples, too: 100, 10; 200, 20; 50, 5 seconds."""
    works = [
        PlannedTraining("conv", "conv", NETWORKS, epochs, seconds, **changes),
        PlannedTraining("dense", "dense", NETWORKS, epochs, seconds / 10, **changes),
    ]
    for group in (2, 3):
        works += [
            PlannedTraining(f"conv-split{group}", "conv", SPLITS, epochs, seconds, group=group, **changes),
            PlannedTraining(f"dense-split{group}", "dense", SPLITS, epochs, seconds / 10, group=group, **changes),
        ]
    return [
        *works,
        PlannedTraining("conv-20", "conv", CURVE, epochs, seconds / 2),
        PlannedTraining("dense-20", "dense", CURVE, epochs, seconds / 20),
    ]


def test_without_a_limit_everything_is_done():
    schedule = fitted(_works(), spent=3.0, other=2.0)
    assert schedule.works == tuple(_works())
    assert schedule.seconds == pytest.approx(3 + 2 + 110 + 220 + 55)
    assert schedule.cuts == ()


@pytest.mark.parametrize(
    ("limit", "names", "epochs", "cuts"),
    [
        (400, "conv dense conv-split2 dense-split2 conv-split3 dense-split3 conv-20 dense-20", 100, ()),
        (
            335,
            "conv dense conv-split2 dense-split2 conv-split3 dense-split3",
            100,
            ("no learning curve (55 s more)",),
        ),
        (
            170,
            "conv dense conv-split2 dense-split2 conv-split3 dense-split3",
            50,
            ("50 epochs instead of 100", "no learning curve (55 s more)"),
        ),
        (
            120,
            "conv dense conv-split2 dense-split2",
            52,
            (
                "52 epochs instead of 100",
                "1 of 2 further splits (1 min 50 s more)",
                "no learning curve (55 s more)",
            ),
        ),
        (80, "conv dense", 68, ("68 epochs instead of 100", "no further splits (3 min 40 s more)", None)),
        (35, "conv dense", 27, ("27 epochs instead of 100", None, None)),
        (26, "conv", 21, ("21 epochs instead of 100", "no dense (10 s more)", None, None)),
        (10, "conv", 5, ("5 epochs instead of 100", "no dense (10 s more)", None, None)),
        (1, "conv", 1, ("1 epochs instead of 100", None, None, None)),
    ],
)
def test_what_matters_least_is_cut_first(limit, names, epochs, cuts):
    schedule = fitted(_works(), spent=3.0, other=2.0, limit=limit)
    assert [work.name for work in schedule.works] == names.split()
    assert {work.epochs for work in schedule.works} == {epochs}
    assert len(schedule.cuts) == len(cuts)
    assert all(said == cut or cut is None for said, cut in zip(schedule.cuts, cuts, strict=True))
    if limit > 6:
        assert schedule.seconds <= limit


@given(limit=st.floats(1, 1000), epochs=st.integers(1, 300), seconds=st.floats(0.01, 10), after=st.floats(0, 5))
def test_a_schedule_keeps_to_its_limit_if_one_epoch_does(limit, epochs, seconds, after):
    works = _works(epochs, seconds, after=after)
    schedule = fitted(works, spent=1.0, limit=limit)
    assert schedule.works[0].name == "conv"
    assert all(1 <= work.epochs <= epochs for work in schedule.works)
    least = 1.0 + sum(work.seconds + work.after for work in works if work.stage == NETWORKS)
    assert schedule.seconds <= limit + 1e-6 or limit < least
    assert schedule.works == tuple(works) or schedule.cuts


def test_epochs_that_were_asked_for_are_not_cut():
    schedule = fitted(_works(asked=True), limit=150.0)
    assert [(work.name, work.epochs) for work in schedule.works] == [("conv", 100), ("dense", 100)]
    assert schedule.cuts == ("no further splits (3 min 40 s more)", "no learning curve (55 s more)")
    assert fitted(_works(asked=True), limit=20.0).seconds > 20.0


def test_trainings_with_few_samples_have_names_of_their_own():
    """A sixteenth and a fourth of 8 samples of a class are both 2; a schedule with one name twice is refused."""
    split, task = load_embedded(), TASKS["classify"]
    labels = split.training.labels
    few = split.training.subset(np.concatenate([np.flatnonzero(labels == label)[:8] for label in range(10)]))
    setup = Setup(split=replace(split, training=few), augmentation=Augmentation())
    assert [job.name for job in _jobs(task, {"a": nn.Identity}, setup, task.recipe(80), 1)] == ["a", "a-20"]


def test_a_schedule_is_read_as_it_was_written():
    schedule = fitted(_works(), spent=3.0, other=2.0, limit=100.0)
    assert Schedule.from_json(json.loads(json.dumps(schedule.as_json()))) == schedule


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _keeper(folder: Path, clock: _Clock, **arguments: object) -> Timekeeper:
    return Timekeeper(RunFolder(folder), **{"limit": 200.0, "clock": clock, **arguments})


def _train(keeper: Timekeeper, clock: _Clock, name: str, seconds: float, stop: int = 10**9) -> int:
    """Train a network as `train` does, with epochs of so many seconds; return how many it had."""
    epochs = keeper.recipe(name, Recipe(epochs=100)).epochs
    for epoch in itertools.count(1):
        clock.now += seconds
        epochs = keeper.revise(name, EpochRecord(epoch, epochs, seconds, {}))
        if epoch >= min(epochs, stop):
            break
    keeper.end(name)
    return epoch


def _run(keeper: Timekeeper, clock: _Clock, pace: float, stop: int = 10**9) -> dict[str, int]:
    works = _works()
    keeper.begin(works, 2.0)
    done = {}
    for work in works:
        if keeper.planned(work.name):
            done[work.name] = _train(keeper, clock, work.name, pace * work.seconds, stop)
    return done


@pytest.mark.parametrize("pace", [0.5, 0.9, 1.0, 1.1, 1.3, 2.0, 3.0])
@pytest.mark.parametrize("limit", [60.0, 110.0, 200.0, 390.0])
def test_a_run_ends_when_it_said_whatever_the_pace(tmp_path, limit, pace):
    clock = _Clock()
    keeper = _keeper(tmp_path, clock, limit=limit, spent=4.0)
    done = _run(keeper, clock, pace)
    assert keeper.announced <= limit
    taken = keeper.elapsed + 2.0
    # A run from which nothing was cut ends earlier if all is faster.
    assert 0.8 * keeper.announced <= taken <= 1.2 * keeper.announced or (pace < 1 and len(done) == 8)
    assert done["dense"] <= done["conv"] + 1


def test_networks_of_further_splits_get_the_epochs_of_the_first(tmp_path):
    clock = _Clock()
    keeper = _keeper(tmp_path, clock)
    done = _run(keeper, clock, 1.4)
    assert {epochs for name, epochs in done.items() if name.startswith("conv-split")} <= {done["conv"]}


def test_without_a_limit_a_slow_run_is_not_cut(tmp_path):
    clock = _Clock()
    assert {*_run(_keeper(tmp_path, clock, limit=None), clock, 3.0).values()} == {100}


def test_epochs_that_were_asked_for_stay_in_a_slow_run(tmp_path):
    clock = _Clock()
    done = _run(_keeper(tmp_path, clock, fixed=True, limit=390.0), clock, 2.5)
    assert done["conv"] == done["dense"] == 100
    assert "conv-20" not in done


def test_a_run_that_goes_on_keeps_what_was_decided(tmp_path):
    clock = _Clock()
    keeper = _keeper(tmp_path, clock)
    keeper.begin(_works(), 2.0)
    _train(keeper, clock, "conv", 2.0, stop=30)
    decided = keeper.schedule
    before = json.loads((tmp_path / SCHEDULE).read_text())
    assert before["revised"]["conv"]
    clock.now += 5000.0
    again = _keeper(tmp_path, clock, resumed=True)
    told = []
    again.on_schedule = lambda schedule, left: told.append(schedule)
    assert again.begin(_works(7), 9.0).works == decided.works
    assert told == [again.schedule]
    assert again.announced == keeper.announced
    assert again.recipe("conv", Recipe(epochs=1)).epochs == before["started"]["conv"]
    for epoch, epochs in before["revised"]["conv"].items():
        assert again.revise("conv", EpochRecord(int(epoch), 1, 1.0, {})) == epochs
    clock.now += 10_000.0
    assert again.revise("conv", EpochRecord(35, 77, 1.0, {})) == 77
    assert again.planned("conv-20") == keeper.planned("conv-20")


def test_a_run_that_was_stopped_before_its_plan_makes_one(tmp_path):
    assert _keeper(tmp_path, _Clock(), resumed=True).begin(_works(), 2.0).works
    (tmp_path / SCHEDULE).write_text("{}")
    with pytest.raises(FaltungError, match=r"resume: expected schedule\.json as faltung wrote it, got '.*KeyError"):
        _keeper(tmp_path, _Clock(), resumed=True).begin(_works(), 2.0)


def test_a_new_plan_is_told_in_a_sentence():
    before = fitted(_works(), limit=400.0)
    after = fitted(_works(seconds=2.0), limit=300.0)
    assert change_of_plan(before, after, 250.0) == (
        "New plan, as training became slower: 45 epochs instead of 100; no learning curve. Time left: 4 min 10 s."
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10min", 600),
        ("10 min", 600),
        ("1h", 3600),
        ("1h30min", 5400),
        ("600", 600),
        ("1.5h", 5400),
        (7, 7),
    ],
)
def test_times_as_they_are_typed(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "nan", "inf", "10 weeks", "5 min later", 0, -1.0, True])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(FaltungError, match=r"^time: expected"):
        seconds_of(text)


@given(st.floats(1, 1e6))
def test_times_are_told_within_a_tenth(seconds):
    units = {"s": 1, "min": 60, "h": 3600}
    words = duration(seconds).split()
    told = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert told == pytest.approx(seconds, rel=0.1, abs=0.5)


def test_memory_is_predicted_and_what_fits_is_named():
    plenty, little = Memory(24 * 2**30, 20 * 2**30), Memory(24 * 2**30, 2**30)
    assert check_memory(3000, (3, 64, 64), 128, plenty) == ""
    assert check_memory(3000, (3, 64, 64), 128, None) == ""
    warning = check_memory(3000, (3, 64, 64), 128, little)
    size = largest_size(3000, 3, 128, little.free)
    assert warning.startswith("Beware: samples of 64x64 need about 0.9 GB of 1.0 GB of free memory.")
    assert warning.endswith(f"Use size={size}.")
    assert check_memory(3000, (3, size, size), 128, little) == ""
    assert training_memory(3000, (3, size + 8, size + 8), 128) > little.free / 2
    with pytest.raises(FaltungError, match=r"size: .* 24.0 GB of memory, got 5000x5000, .* Use size=\d+\."):
        check_memory(120, (3, 5000, 5000), 32, plenty)
    with pytest.raises(FaltungError, match=r"Use shorter samples"):
        check_memory(120, (3, 10**9), 32, plenty)


def test_the_memory_of_this_computer_is_known_or_not():
    memory = Memory.find()
    assert memory is None or memory.total > memory.free > 0


def test_the_pace_is_that_of_the_timed_steps():
    clock = itertools.count(0.0)  # every reading is a second after the one before
    objective = Classification(load_embedded())
    pace = measured(_network, lambda network: objective, Recipe(), Hardware(), clock=lambda: next(clock))
    assert pace == Pace(step=1.0, batch=128, validation=1.0)
    assert pace.epoch(1280, Recipe(batch_size=128)) == 11.0
    assert pace.epoch(64, Recipe(batch_size=128)) == 1.5
    assert pace.answer(250) == pytest.approx(1 / 250)


@pytest.mark.parametrize(("slowdown", "chosen"), [({1: 1.0, 2: 0.6, 3: 0.5}, 3), ({1: 1.0, 2: 0.97, 3: 3.0}, 1)])
def test_the_fastest_number_of_threads_is_used(slowdown, chosen):
    now, counts = [0.0], collections.Counter()

    def clock() -> float:
        now[0] += slowdown[torch.get_num_threads()] / 2
        counts[torch.get_num_threads()] += 1
        return now[0]

    objective = Classification(load_embedded())
    threads, seconds = fastest(_network, lambda network: objective, Recipe(), Hardware(threads=3), clock=clock)
    assert threads == chosen
    assert seconds == pytest.approx({count: time / 2 for count, time in slowdown.items()})
    assert (counts[3] == 4) == (slowdown[3] == 3.0)  # what is hopeless is tried twice, not five times


def _network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


@pytest.mark.parametrize(
    ("given", "limit", "epochs", "patience"),
    [
        ({}, 600.0, 60, 30),
        ({}, None, 20, None),
        ({"epochs": 7}, 600.0, 7, 10),
        ({"patience": 3}, 600.0, 60, 3),
        ({"epochs": 50, "patience": 3}, None, 50, 3),
    ],
)
def test_what_is_given_is_not_chosen(given, limit, epochs, patience):
    recipe = chosen_recipe(TASKS["classify"], load_embedded(), given, limit)
    assert (recipe.epochs, recipe.patience) == (epochs, patience)


def test_with_few_validation_samples_the_last_weights_are_kept():
    split = load_embedded()
    few = replace(split, validation=split.validation.subset(np.arange(20)))
    assert chosen_recipe(TASKS["classify"], few, {}, 600.0).patience is None


def test_one_s_own_data_have_ten_minutes():
    own = replace(load_embedded(), origin=None)
    assert time_limit(TASKS["classify"], own, None) == 600.0
    assert time_limit(TASKS["classify"], own, "1h") == 3600.0
    assert time_limit(TASKS["generate"], own, None) is None
    assert time_limit(TASKS["classify"], load_embedded(), None) is None
