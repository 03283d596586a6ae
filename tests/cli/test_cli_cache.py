"""``faltung cache``: what it says of the folder, and what it removes."""

from __future__ import annotations

import os
import time

import pytest

from faltung.jit import object_cache
from faltung.planning import machine


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "objects"
    monkeypatch.setenv("FALTUNG_CACHE", str(place))
    return place


def fill(folder):
    """Put three objects there, and two files that are none."""
    for number, age in enumerate((30.0, 7300.0, 5 * 86400.0)):
        object_cache.write(f"{number:064x}.o", bytes(1000))
        used = time.time() - age
        os.utime(folder / f"{number:064x}.o", (used, used))
    (folder / "machine.json").write_bytes(bytes(1234))
    (folder / "precious.txt").write_text("mine")


def test_an_empty_cache(command, folder):
    assert command("cache") == (0, f"{folder}\n  0 compiled filters, 0.0 kB\n", "")
    assert not folder.exists()


def test_what_is_in_the_cache(command, folder):
    fill(folder)
    code, out, errors = command("cache")
    assert (code, errors) == (0, "")
    assert out.splitlines() == [
        str(folder),
        "  3 compiled filters, 3.1 kB, last used 5 days to moments ago",
        "  machine.json, 1.2 kB: how fast this machine is, measured by faltung calibrate",
        "  precious.txt, 0.0 kB: not written by faltung",
    ]


def test_clearing_removes_the_objects_and_nothing_else(command, folder):
    fill(folder)
    assert command("cache", "--clear") == (0, f"{folder}: removed 3 compiled filters, 3.1 kB\n", "")
    assert sorted(os.listdir(folder)) == ["machine.json", "precious.txt"]
    assert command("cache", "--clear") == (0, f"{folder}: removed 0 compiled filters, 0.0 kB\n", "")


def test_a_folder_that_others_can_write_is_not_cleared(command, folder):
    fill(folder)
    folder.chmod(0o777)
    code, out, errors = command("cache", "--clear")
    assert (code, out) == (1, "")
    assert errors.startswith("Error:")
    assert "belongs to others or can be written by them" in errors
    assert len(os.listdir(folder)) == 5


def test_one_filter_has_one_age(command, folder):
    object_cache.write(f"{0:064x}.o", bytes(10))
    assert "  1 compiled filter, 0.1 kB, last used moments ago" in command("cache")[1]


def test_times_of_layers_are_listed_and_can_be_forgotten(command, monkeypatch, tmp_path):
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    machine.note(machine.LAYER_TIMES, "a layer", {"ways": {}, "calls": {}}, 10)
    assert "layers.json" in command("cache")[1]
    assert "times of layers" in command("cache")[1]
    code, said, _ = command("calibrate", "--undo")
    assert (code, said) == (0, "The times of layers that faltung.layers.convert measured are forgotten.\n")
    assert machine.known(machine.LAYER_TIMES) == {}
    assert "no measurement to undo" in command("calibrate", "--undo")[2]
