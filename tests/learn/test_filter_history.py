"""The filters of each epoch: those of the network, the same after a stop, bounded, and never half written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.errors import ArgumentError
from faltung.learn import filter_history
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.filter_history import FilterHistory, load_filters
from faltung.learn.recipe import Recipe
from faltung.learn.runs import RunFolder
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.trainer import Trainer
from faltung.learn.training import train
from faltung.tensors.determinism import reproducible


def _part(count: int, seed: int) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 255, (count, 1, 6, 6), dtype=np.uint8)
    return Dataset(images, np.arange(count) % 2, ("even", "odd"))


OBJECTIVE = Classification(Split(_part(64, 1), _part(16, 2), _part(16, 3), "noise"), label_smoothing=0.0)
DAMAGED = r"filters: expected a file as faltung wrote it, got '.*' \(.*\)\. Delete it: then the filters are kept"


class Killed(Exception):
    """Stands for a process that ends at once."""


def _network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 6), nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(8, 2))


def _train(folder, epochs: int = 5, seen=lambda epoch, network: None, **arguments):
    """Train with a history of filters; `seen` gets the averaged network after each epoch."""
    run, watched = RunFolder(folder), []

    class Watched(FilterHistory):
        def keep(self, epoch, network):
            watched.append((epoch, network[1].weight.detach().clone().numpy()))
            super().keep(epoch, network)
            seen(epoch, network)

    with reproducible(0, threads=1):
        network = _network()
        filters, checkpoint = Watched(run, "network"), Checkpoint(run, "network")
        recipe = Recipe(epochs=epochs, batch_size=32, learning_rate=0.1)
        train(network, OBJECTIVE, recipe, filters=filters, checkpoint=checkpoint, **arguments)
    return network, watched, folder / "network.filters.safetensors"


@pytest.fixture
def eager(monkeypatch):
    """Write after each epoch, however short it is."""
    monkeypatch.setattr("faltung.learn.training._INTERVAL", 0.0)
    monkeypatch.setattr("faltung.learn.training._SHARE", 0)


def test_the_filters_of_the_first_convolution_are_kept_from_before_training_to_its_end(tmp_path):
    network, watched, path = _train(tmp_path)
    kept = load_filters(path)
    assert (kept.layer, kept.total, kept.every) == ("1", 4, 1)
    assert kept.epochs.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(kept.taps, [taps for _, taps in watched])
    with reproducible(0, threads=1):
        np.testing.assert_array_equal(kept.taps[0], _network()[1].weight.detach().numpy())
    np.testing.assert_array_equal(kept.taps[-1], network[1].weight.detach().numpy())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["network.checkpoint.safetensors", path.name]


@pytest.mark.parametrize("moment", ["before the filters", "between the two files", "after both"])
@pytest.mark.parametrize("most", [256, 3])
def test_a_killed_run_goes_on_to_the_same_file(tmp_path, monkeypatch, eager, moment, most):
    monkeypatch.setattr(filter_history, "_MOST_EPOCHS", most)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    *_, whole = _train(tmp_path / "whole", 7)
    write, save = FilterHistory.write, Checkpoint.save
    with monkeypatch.context() as patch:
        written = []

        def write_or_die(self):
            if len(written) == 5 and moment == "before the filters":
                raise Killed
            write(self)

        def save_or_die(self, tensors, facts):
            if len(written) == 5 and moment == "between the two files":
                raise Killed
            save(self, tensors, facts)
            written.append(facts)
            if len(written) == 5 and moment == "after both":
                raise Killed

        patch.setattr(FilterHistory, "write", write_or_die)
        patch.setattr(Checkpoint, "save", save_or_die)
        with pytest.raises(Killed):
            _train(tmp_path / "killed", 7)
    assert load_filters(tmp_path / "killed" / whole.name).epochs[-1] == (6 if moment.startswith("between") else 5)
    *_, path = _train(tmp_path / "killed", 7)
    expected, kept = load_filters(whole), load_filters(path)
    assert (kept.layer, kept.total, kept.every) == (expected.layer, expected.total, expected.every)
    np.testing.assert_array_equal(kept.epochs, expected.epochs)
    np.testing.assert_array_equal(kept.taps, expected.taps)


def test_a_run_that_began_without_the_file_keeps_what_follows(tmp_path, eager):
    def stop(epoch, network):
        if epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        _train(tmp_path, seen=stop)
    (tmp_path / "network.filters.safetensors").unlink()
    _, watched, path = _train(tmp_path)
    kept = load_filters(path)
    assert kept.epochs.tolist() == [2, 3, 4, 5]
    np.testing.assert_array_equal(kept.taps, [taps for _, taps in watched])


def test_a_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(filter_history, "_MOST_EPOCHS", 6)
    monkeypatch.setattr(filter_history, "_MOST_TAPS", 30)
    history = FilterHistory(RunFolder(tmp_path), "network")
    layer = nn.Conv2d(1, 8, 3, bias=False)
    expected = {0: [0], 5: [0, 1, 2, 3, 4, 5], 6: [0, 2, 4, 6], 7: [0, 2, 4, 6, 7], 12: [0, 4, 8, 12], 30: None}
    for epoch in range(31):
        with torch.no_grad():
            layer.weight.fill_(epoch)
        history.keep(epoch, layer)
        if epoch in expected:
            history.write()
            kept = load_filters(tmp_path / "network.filters.safetensors")
            assert kept.epochs.tolist() == (expected[epoch] or [0, 8, 16, 24, 30])
            assert kept.taps.shape[1:] == (3, 1, 3, 3)
            assert kept.total == 8
            np.testing.assert_array_equal(kept.taps[:, 0, 0, 0, 0], kept.epochs)


def test_a_layer_of_one_large_filter_is_kept(tmp_path):
    history = FilterHistory(RunFolder(tmp_path), "network")
    history.begin(0, nn.Conv3d(5, 2, 11))
    history.write()
    assert load_filters(tmp_path / "network.filters.safetensors").taps.shape == (1, 1, 5, 11, 11, 11)


def test_a_network_without_a_convolution_has_no_file(tmp_path):
    history = FilterHistory(RunFolder(tmp_path), "dense")
    history.begin(0, nn.Linear(3, 2))
    history.write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped bit", "other facts"])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, damage):
    *_, path = _train(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[-5] ^= damage == "flipped bit"
    changed = {
        "empty": b"",
        "text": b"x" * 60,
        "cut": content[:-4],
        "other facts": content.replace(b"total", b"tital"),
    }
    path.write_bytes(changed.get(damage, content))
    with pytest.raises(ArgumentError, match=DAMAGED):
        load_filters(path)
    with pytest.raises(ArgumentError, match=DAMAGED):
        _train(tmp_path, 2)


def test_a_run_that_goes_on_writes_a_history_with_all_epochs_that_it_had(tmp_path, monkeypatch, eager):
    monkeypatch.setattr("faltung.learn.trainer._INTERVAL", 0.0)

    def trained(on_epoch):
        trainer = Trainer(RunFolder(tmp_path), on_epoch=on_epoch)
        recipe = Recipe(epochs=5, batch_size=32, learning_rate=0.1)
        trainer.train("network", _network, lambda network: OBJECTIVE, recipe, keep_filters=True)

    def stop(name, record):
        if record.epoch == 3:
            raise Killed

    def look(name, record):
        seen.append((record.epoch, len((tmp_path / "history.csv").read_text().splitlines()) - 1))

    with pytest.raises(Killed):
        trained(stop)
    seen = []
    trained(look)
    assert seen == [(1, 3), (2, 3), (3, 3), (4, 4), (5, 5)]
    assert load_filters(tmp_path / "network.filters.safetensors").epochs.tolist() == [0, 1, 2, 3, 4, 5]
