"""Training: the same numbers from the same seed, augmentation that keeps its promises, errors that say what to do."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.errors import ArgumentError
from faltung.learn.augmentation import Augmentation, mirror_at_random, shift_at_random
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe
from faltung.learn.risk import accuracy, empirical_risk, translate
from faltung.learn.runs import RunFolder
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.training import train
from faltung.networks.batches import tensors
from faltung.tensors.determinism import reproducible


def _dataset(samples: int, seed: int) -> Dataset:
    """Bright rows are class 0, bright columns class 1."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 40, (samples, 8, 8), dtype=np.uint8)
    labels = np.arange(samples) % 2
    for image, label, place in zip(images, labels, generator.integers(1, 7, samples), strict=True):
        if label:
            image[:, place] += 180
        else:
            image[place, :] += 180
    return Dataset(images[:, None], labels, ("row", "column"))


SPLIT = Split(_dataset(300, 1), _dataset(60, 2), _dataset(60, 3), "rows and columns")


def _network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def _objective(**arguments: object) -> Classification:
    return Classification(SPLIT, **{"label_smoothing": 0.0, **arguments})


STILL = Augmentation(mirror=False, shift=0)
RECIPE = Recipe(epochs=6, batch_size=32, learning_rate=0.1)


def _train(seed: int, recipe: Recipe = RECIPE, **arguments: object) -> tuple[nn.Module, list[EpochRecord]]:
    with reproducible(seed, threads=1):
        network = _network()
        return network, train(network, _objective(), recipe, seed=seed, **arguments)


def _same(first: nn.Module, second: nn.Module) -> bool:
    states = (first.state_dict(), second.state_dict())
    return all(torch.equal(*pair) for pair in zip(*(state.values() for state in states), strict=True))


def _measures(history: list[EpochRecord]) -> list[dict[str, float]]:
    return [dict(record.measures) for record in history]


def test_training_learns_and_reports_what_it_did():
    seen = []
    network, history = _train(0, on_epoch=seen.append)
    assert seen == history
    assert [(record.epoch, record.epochs) for record in history] == [(epoch, 6) for epoch in range(1, 7)]
    assert history[-1].measures["training_risk"] < 0.5 * history[0].measures["training_risk"]
    images, labels = tensors(SPLIT.validation)
    assert accuracy(network, images, labels) > 0.95
    assert history[-1].measures["validation_accuracy"] == accuracy(network, images, labels)
    risk = empirical_risk(network, images, labels, nn.CrossEntropyLoss())
    assert history[-1].measures["validation_risk"] == risk
    assert all(record.seconds > 0 for record in history)


def test_same_seed_same_numbers_other_seed_other_numbers():
    first, history = _train(3)
    torch.rand(5)  # whatever else uses torch's generator does not matter
    second, again = _train(3)
    assert _measures(history) == _measures(again)
    assert _same(first, second)
    _, other = _train(4)
    assert history[0].measures["training_risk"] != other[0].measures["training_risk"]


def test_first_step_is_one_step_of_gradient_descent():
    # One batch of all images, no momentum, decay, average or augmentation: one step down the gradient.
    recipe = Recipe(1, 300, learning_rate=0.5, momentum=0.0, weight_decay=0.0, averaging=0.0)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    before = network[1].weight.detach().clone()
    images, labels = tensors(SPLIT.training)
    nn.functional.cross_entropy(network(images), labels).backward()
    gradient = network[1].weight.grad.clone()
    network.zero_grad()
    train(network, _objective(augmentation=STILL), recipe)
    # Halfway through training, which is three eighths of the way down the cosine.
    first_step = 0.5 * (0.5 + 0.5 * math.cos(math.pi * 3 / 8))
    assert torch.allclose(network[1].weight, before - first_step * gradient, atol=1e-7)


@pytest.mark.parametrize("epochs", range(1, 7))
def test_fewer_images_than_a_batch_are_one_batch(epochs):
    steps = []
    network = _network()
    network.register_forward_hook(lambda module, inputs, output: steps.append((module.training, len(output))))
    train(network, _objective(), Recipe(epochs=epochs, batch_size=1000))
    assert [size for training, size in steps if training] == [300] * epochs


def test_learning_rate_rises_for_a_fifth_and_falls_to_nothing():
    recipe = Recipe(learning_rate=2.0)
    rates = [recipe.rate((step + 0.5) / 100) for step in range(100)]
    assert rates[:20] == pytest.approx([2 * (step + 0.5) / 20 for step in range(20)])
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[20:]))
    assert rates[20] > 1.998
    assert rates[60] == pytest.approx(1.0, abs=0.02)
    assert 0 < rates[99] < 0.002


class Silent(nn.Module):
    """Has parameters that get a zero gradient, so that only decay could move them."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(2, 2))
        self.vector = nn.Parameter(torch.ones(2))

    def forward(self, images):
        return 0.0 * (images.flatten(1)[:, :2] @ self.matrix + self.vector)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_weight_decay_spares_biases_and_batch_norms(optimiser):
    network = Silent()
    recipe = Recipe(4, 300, learning_rate=0.1, momentum=0.0, weight_decay=1.0, optimiser=optimiser)
    train(network, _objective(), recipe)
    assert (network.matrix < 0.99).all()
    assert (network.vector == 1.0).all()


def test_kept_weights_are_an_exponential_mean_over_the_steps():
    # Only decay moves the weights, by a known factor a step.
    network = Silent()
    recipe = Recipe(8, 300, learning_rate=0.1, momentum=0.0, weight_decay=1.0, averaging=0.5)
    train(network, _objective(), recipe)
    weight, mean = 1.0, None
    for step in range(8):
        weight -= weight * recipe.rate((step + 0.5) / 8)
        mean = weight if mean is None else 0.75 * mean + 0.25 * weight
    assert recipe.average_decay(8) == 0.75
    assert torch.allclose(network.matrix, torch.full((2, 2), mean), rtol=1e-5)


class Stop(Exception):
    pass


def _stop_after(epoch: int):
    def stop(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise Stop

    return stop


@pytest.mark.parametrize("epoch", [1, 4, 6])
@pytest.mark.parametrize("changes", [{}, {"optimiser": "adam", "learning_rate": 0.01}, {"patience": 2}], ids=str)
def test_training_that_was_stopped_ends_as_if_it_had_not_been(tmp_path, epoch, changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    whole, history = _train(0, recipe)
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    if epoch <= len(history):
        with pytest.raises(Stop):
            _train(0, recipe, checkpoint=checkpoint, on_epoch=_stop_after(epoch))
    seen = []
    with reproducible(9, threads=1):
        resumed = _network()  # other weights, which do not matter
    with reproducible(0, threads=1):
        again = train(resumed, _objective(), recipe, checkpoint=checkpoint, on_epoch=seen.append)
    assert _measures(again) == _measures(history) == _measures(seen)
    assert _same(whole, resumed)


def test_dropout_too_goes_on_where_it_was(tmp_path):
    def network() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    recipe = Recipe(4, 32, learning_rate=0.1)
    torch.manual_seed(0)
    whole, resumed = network(), network()
    resumed.load_state_dict(whole.state_dict())
    history = train(whole, _objective(), recipe)
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    with pytest.raises(Stop):
        train(resumed, _objective(), recipe, checkpoint=checkpoint, on_epoch=_stop_after(2))
    torch.rand(3)
    assert _measures(train(resumed, _objective(), recipe, checkpoint=checkpoint)) == _measures(history)
    assert _same(whole, resumed)


def test_patience_keeps_the_best_weights():
    risks = iter([0.5, 0.3, 0.4, 0.45, 0.1])
    kept = []

    class Watched(Classification):
        def validate(self, network):
            kept.append([p.detach().clone() for p in network.parameters()])
            return {"validation_risk": next(risks)}

    network = _network()
    history = train(network, Watched(SPLIT), Recipe(5, 32, learning_rate=0.1, patience=2))
    assert [record.epoch for record in history] == [1, 2, 3, 4]
    assert all(map(torch.equal, network.parameters(), kept[1]))
    assert not all(map(torch.equal, network.parameters(), kept[3]))


DAMAGED = r"resume: expected a checkpoint as faltung wrote it, got a damaged file '.*' \(.*\)\. Delete it, and"


def _fewer_later_more(record: EpochRecord) -> int:
    """Six epochs become four after the second, and five after the third."""
    return {1: 6, 2: 4}.get(record.epoch, 5)


def test_the_course_of_the_learning_rate_follows_the_number_of_epochs():
    rates = []

    class Watched(Classification):
        def batch_risk(self, network, chosen, generator):
            rates.append(optimisers[-1].param_groups[0]["lr"])
            return super().batch_risk(network, chosen, generator)

    optimisers = []

    class Remembering(Recipe):
        def optimiser_of(self, network):
            optimisers.append(super().optimiser_of(network))
            return optimisers[-1]

    history = train(_network(), Watched(SPLIT), Remembering(6, 300, learning_rate=0.5), revise=_fewer_later_more)
    assert [(record.epoch, record.epochs) for record in history] == [(1, 6), (2, 6), (3, 4), (4, 5), (5, 5)]
    # A step is an epoch. After two of six epochs a third is over; of what is left, the third of four is the first
    # half, and then there are two epochs for the other half.
    come = [1 / 12, 3 / 12, 1 / 3 + 2 / 3 / 4, 2 / 3 + 1 / 3 / 4, 2 / 3 + 1 / 4]
    assert rates == pytest.approx([RECIPE.rate(part) / RECIPE.learning_rate * 0.5 for part in come])


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_training_whose_epochs_were_revised_goes_on_to_the_same_bits(tmp_path, epoch):
    whole, history = _train(0, revise=_fewer_later_more)
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    with pytest.raises(Stop):
        _train(0, checkpoint=checkpoint, on_epoch=_stop_after(epoch), revise=_fewer_later_more)
    told = []
    resumed, again = _train(
        0, checkpoint=checkpoint, revise=_fewer_later_more, on_continue=lambda *numbers: told.append(numbers)
    )
    assert told
    assert _measures(again) == _measures(history)
    assert [record.epochs for record in again] == [record.epochs for record in history]
    assert _same(whole, resumed)


@pytest.mark.parametrize("damage", [b"", b"x" * 50, None])
def test_damaged_checkpoints_are_refused(tmp_path, damage):
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    checkpoint.save({"network.weight": torch.ones(3)}, {"history": []})
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-4] if damage is None else damage)
    with pytest.raises(ArgumentError, match=DAMAGED):
        checkpoint.load()


@pytest.mark.parametrize("place", [-1, -1000, 300], ids=["weights", "other weights", "facts"])
def test_a_flipped_bit_is_seen(tmp_path, place):
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    _train(0, checkpoint=checkpoint)
    [path] = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=DAMAGED):
        train(_network(), _objective(), RECIPE, checkpoint=checkpoint)


def _renamed(tensors, old, new):
    return {new if name == old else name: value for name, value in tensors.items()}


CHANGES = {
    "a tensor renamed": lambda tensors: _renamed(tensors, "network.5.bias", "network.5.offset"),
    "another shape": lambda tensors: {**tensors, "network.5.bias": torch.ones(7)},
    "a part that is unknown": lambda tensors: {**tensors, "other.bias": torch.ones(7)},
    "a part that is missing": lambda tensors: {
        name: value for name, value in tensors.items() if not name.startswith("average")
    },
    "index 99": lambda tensors: {**tensors, "optimiser.99.momentum_buffer": torch.ones(7)},
    "index x": lambda tensors: {**tensors, "optimiser.x.momentum_buffer": torch.ones(7)},
    "momentum of another shape": lambda tensors: {**tensors, "optimiser.0.momentum_buffer": torch.ones(7)},
    "best weights of another shape": lambda tensors: {**tensors, "best.5.bias": torch.ones(7)},
    "another dtype": lambda tensors: {**tensors, "network.5.bias": tensors["network.5.bias"].double()},
    "what is not finite": lambda tensors: {**tensors, "average.module.5.bias": tensors["network.5.bias"] * np.nan},
    "another name of momentum": lambda tensors: _renamed(
        tensors, "optimiser.0.momentum_buffer", "optimiser.0.momentum"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("digest", [True, False], ids=["whose digest fits", "whose digest does not"])
def test_a_checkpoint_that_was_changed_is_refused(tmp_path, change, digest):
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    _train(0, checkpoint=checkpoint)
    [path] = tmp_path.iterdir()
    tensors, facts = checkpoint.load()
    if digest:
        checkpoint.save(CHANGES[change](tensors), facts)
    else:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        save_file(CHANGES[change](tensors), path, metadata)
    with pytest.raises(ArgumentError, match=DAMAGED):
        train(_network(), _objective(), RECIPE, checkpoint=checkpoint)


def _told(facts, at=0, **changes):
    history = [dict(record) for record in facts["history"]]
    history[at] |= changes
    return {**facts, "history": history}


FACTS = {
    "no history": lambda facts: {},
    "no epochs": lambda facts: {**facts, "history": []},
    "a number": lambda facts: {**facts, "history": 7},
    "numbers": lambda facts: {**facts, "history": [1, 2]},
    "another epoch": lambda facts: _told(facts, epoch=5),
    "fewer epochs than were": lambda facts: _told(facts, 1, epochs=1),
    "half an epoch": lambda facts: _told(facts, epochs=2.5),
    "no measures": lambda facts: _told(facts, measures={}),
    "measures that are texts": lambda facts: _told(facts, measures={"training_risk": "1", "validation_risk": 1}),
    "seconds that are none": lambda facts: _told(facts, seconds=None),
    "a best epoch without weights": lambda facts: {**facts, "best_epoch": 1, "best_risk": 0.5},
}


@pytest.mark.parametrize("change", FACTS)
def test_a_checkpoint_that_tells_something_else_is_refused(tmp_path, change):
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    _train(0, checkpoint=checkpoint)
    tensors, facts = checkpoint.load()
    checkpoint.save(tensors, FACTS[change](facts))
    with pytest.raises(ArgumentError, match=DAMAGED):
        train(_network(), _objective(), RECIPE, checkpoint=checkpoint)


@pytest.mark.parametrize("rate", [1e3, 1e5, 1e8, 1e30])
def test_a_run_that_diverges_ends_in_one_sentence(tmp_path, rate):
    checkpoint = Checkpoint(RunFolder(tmp_path), "network")
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=rate)
    with pytest.raises(ArgumentError, match=r"learning_rate: expected steps small enough .* Use a smaller one, such"):
        train(_network(), _objective(), recipe, checkpoint=checkpoint)


def test_products_in_bfloat16_learn_too_and_weights_stay_float32():
    network, history = _train(0, hardware=Hardware(precision="bfloat16"))
    exact, _ = _train(0)
    assert history[-1].measures["validation_accuracy"] > 0.95
    assert not _same(network, exact)
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


_CONNECTED = """
import os, torch
from torch import nn
from faltung.learn.hardware import Hardware

def threads():
    return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]

hardware = Hardware(processes=1 + int(os.environ["WORLD_SIZE"]))  # more than one, whatever the number of processes is
with hardware.joined():
    hardware.replica(nn.Linear(3, 2))(torch.ones(1, 3)).sum().backward()
    assert any("gloo" in name for name in threads()), threads()
assert not any("gloo" in name for name in threads()), threads()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed by Linux")
def test_threads_of_the_connection_end_with_it():
    """A thread that outlives the interpreter can abort the process."""
    alone = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "RANK": "0", "WORLD_SIZE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", _CONNECTED]
    done = subprocess.run(command, env=os.environ | alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def as_one_of(processes: int, folder: Path) -> None:
    """Learn in one of some processes; keep what was learned in a file for each."""
    hardware = Hardware.find("cpu", 1, "float32")
    assert hardware.processes == processes
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    with hardware.joined():
        objective = Classification(SPLIT, augmentation=STILL)
        history = train(network, objective, Recipe(3, 32, learning_rate=0.1), hardware=hardware)
    facts = {"risk": torch.tensor([record.measures["training_risk"] for record in history])}
    save_file({**network.state_dict(), **facts}, folder / f"{hardware.processes}-{hardware.rank}.safetensors")


def test_two_processes_learn_what_one_does(tmp_path):
    """Without batch norm the mean of two halves' gradients is that of the whole batch."""
    program = tmp_path / "program.py"
    program.write_text(
        """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
from test_learn_training import as_one_of
as_one_of(int(sys.argv[3]), Path(sys.argv[2]))
""",
        encoding="utf-8",
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = [str(program), str(Path(__file__).parent), str(tmp_path), "2"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *torchrun, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with reproducible(0, threads=1):
        as_one_of(1, tmp_path)
    one, first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("1-0", "2-0", "2-1"))
    for name in one:
        assert torch.equal(first[name], second[name])
        assert torch.allclose(one[name], first[name], atol=1e-5)


def test_divergence_is_an_error_that_names_a_smaller_step():
    text = r"learning_rate: expected steps small enough .* got 1e\+30, .* in epoch 1\. Use .* such as 0\.1\."
    with pytest.raises(ArgumentError, match=text):
        train(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 2)),
            _objective(),
            Recipe(epochs=2, learning_rate=1e30, batch_size=32),
        )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epochs": 0}, "epochs: expected a positive integer, got 0"),
        ({"batch_size": 1}, "batch_size: expected an integer from 2, got 1"),
        ({"weight_decay": -0.1}, "weight_decay: expected a number of at least 0, got -0.1"),
        ({"weight_decay": float("nan")}, "weight_decay: .* got nan"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number above 0, got 0.0"),
        ({"learning_rate": float("inf")}, "learning_rate: .* got inf"),
        ({"momentum": 1.0}, "momentum: expected a number from 0 to below 1, got 1.0"),
        ({"averaging": -0.1}, "averaging: .* got -0.1"),
        ({"patience": 0}, "patience: expected a positive integer, got 0"),
        ({"optimiser": "lion"}, "optimiser: expected 'sgd' or 'adam', got 'lion'"),
    ],
)
def test_recipes_out_of_range_are_refused(changes, text):
    with pytest.raises(ArgumentError, match=text):
        Recipe(**changes)


def test_objectives_out_of_range_are_refused():
    with pytest.raises(ArgumentError, match=r"label_smoothing: .* got -0\.1"):
        Classification(SPLIT, label_smoothing=-0.1)
    with pytest.raises(ArgumentError, match="shift: expected an integer from 0, got -1"):
        Augmentation(shift=-1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"device": "cuda:99"}, "device: expected a device that torch can use here, .* got 'cuda:99'"),
        ({"device": "abacus"}, "device: .* got 'abacus'"),
        ({"precision": "float8"}, "precision: expected 'float32' or 'bfloat16', got 'float8'"),
    ],
)
def test_hardware_that_is_not_there_is_refused(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        Hardware.find(**arguments)


def test_reproducible_puts_everything_back():
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    def fail_inside() -> None:
        with reproducible(1, threads=1):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            torch.rand(3)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_inside()
    assert torch.rand(1) == expected
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, deterministic)


@pytest.mark.parametrize(
    ("seed", "threads", "text"), [(-1, 1, "seed: .* got -1"), (2**63, 1, "seed"), (0, 0, "threads: .* got 0")]
)
def test_reproducible_refuses(seed, threads, text):
    with pytest.raises(ArgumentError, match=text), reproducible(seed, threads):
        pass


def test_shift_at_random_makes_every_move_and_no_other():
    image = torch.arange(1.0, 31.0).reshape(1, 2, 3, 5)
    moves = {
        (down, right): translate(image, down, right)[0] for down in (-2, -1, 0, 1, 2) for right in (-2, -1, 0, 1, 2)
    }
    shifted = shift_at_random(image.expand(5000, -1, -1, -1), 2, torch.Generator().manual_seed(0))
    found = collections.Counter(
        next(move for move, moved in moves.items() if torch.equal(moved, one)) for one in shifted
    )
    assert set(found) == set(moves)
    assert min(found.values()) > 140  # 200 expected, standard deviation 14


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4)])
def test_series_and_volumes_are_shifted_too(shape):
    sample = torch.arange(1.0, 2 * math.prod(shape) + 1).reshape(1, 2, *shape)
    extended = nn.functional.pad(sample, (1,) * (2 * len(shape)))
    moves = set(itertools.product(range(3), repeat=len(shape)))
    shifted = shift_at_random(sample.expand(600, *sample.shape[1:]), 1, torch.Generator().manual_seed(0))
    for one in shifted:
        windows = {
            move: extended[0][(slice(None), *(slice(a, a + n) for a, n in zip(move, shape, strict=True)))]
            for move in moves
        }
        assert any(torch.equal(one, window) for window in windows.values())
    assert len({tuple(one.flatten().tolist()) for one in shifted}) == len(moves)


def test_mirror_at_random_mirrors_half():
    image = torch.arange(1.0, 13.0).reshape(1, 2, 2, 3)
    mirrored = mirror_at_random(image.expand(2000, -1, -1, -1), torch.Generator().manual_seed(0))
    flipped = (mirrored == image.flip(3)).flatten(1).all(1)
    same = (mirrored == image).flatten(1).all(1)
    assert (flipped ^ same).all()
    assert 900 < flipped.sum() < 1100
