"""The machine: figures that are kept on disk, for whom they are valid, and when they are trusted."""

from __future__ import annotations

import stat
import sys
from dataclasses import asdict, astuple, replace

import pytest

import faltung as fa
from faltung.jit import object_cache
from faltung.jit.target import Target, host
from faltung.planning import machine as store
from faltung.planning.cost import TYPICAL, Machine

ANOTHER = Machine(1e-11, 2e-11, 3e-11, 4e-10, 5e-11, 6e-10, 7e-12, 8e-6)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Give each test a cache folder of its own, and restore the current machine afterwards."""
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_current", None)
    return tmp_path / "cache"


def in_a_new_process(monkeypatch):
    """Return the machine of a process that starts now."""
    monkeypatch.setattr(store, "_current", None)
    return store.current()


def test_without_a_file_the_machine_is_typical(folder):
    assert store.current() == TYPICAL
    assert not folder.exists()


def test_the_disk_is_read_once(monkeypatch):
    reads = []
    monkeypatch.setattr(object_cache, "read", lambda name: reads.append(name))
    for _ in range(3):
        assert store.current() == TYPICAL
    assert reads == ["machine.json"]


def test_figures_are_read_as_they_were_saved(monkeypatch):
    machine = Machine(*(unit / 3 for unit in astuple(TYPICAL)))
    assert store.keep(machine)
    assert store.current() == machine == in_a_new_process(monkeypatch)


def another_processor(patch):
    patch.setattr(store, "host", lambda: Target("another processor", 64, 32))


def another_vector_width(patch):
    bits = 8 * host().vector_bytes
    patch.setenv("FALTUNG_VECTOR_BITS", "128" if bits > 128 else "256")


def another_version(patch):
    patch.setattr(fa, "__version__", "0.0.0")


@pytest.mark.parametrize("change", [another_processor, another_vector_width, another_version])
def test_figures_measured_elsewhere_are_not_used_and_not_lost(change, monkeypatch):
    assert store.keep(ANOTHER)
    with monkeypatch.context() as patch:
        change(patch)
        assert in_a_new_process(patch) == TYPICAL
        other = replace(ANOTHER, call=1.0)
        assert store.keep(other)
        assert in_a_new_process(patch) == other
    assert in_a_new_process(monkeypatch) == ANOTHER
    assert len(store.known("machine.json")) == 2


def stored(folder):
    """Return the one file in which the figures are."""
    (path,) = [path for path in folder.iterdir() if path.name.startswith("machine.json")]
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-5],
        lambda content: content.replace(b"e-", b"e+", 1),
        lambda content: b"\0" * 300,
    ],
    ids=["empty", "cut short", "changed", "zeros"],
)
def test_damaged_files_are_ignored_and_replaced(damage, folder, monkeypatch):
    assert store.keep(ANOTHER)
    path = stored(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert in_a_new_process(monkeypatch) == TYPICAL
    assert store.keep(ANOTHER)
    assert in_a_new_process(monkeypatch) == ANOTHER


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "fast",
        {},
        asdict(ANOTHER) | {"more": 1e-9},
        asdict(ANOTHER) | {"call": "1e-6"},
        asdict(ANOTHER) | {"call": -1e-6},
        asdict(ANOTHER) | {"call": float("nan")},
        asdict(ANOTHER) | {"call": float("inf")},
        {unit: value for unit, value in asdict(ANOTHER).items() if unit != "call"},
    ],
)
def test_entries_that_are_not_a_machine_are_ignored(entry):
    store.note("machine.json", store.identity(), entry, 10)
    assert store.current() == TYPICAL


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", "null"])
def test_files_that_hold_something_else_have_no_entries(content):
    object_cache.write("machine.json", content.encode())
    assert store.known("machine.json") == {}
    assert store.current() == TYPICAL


@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder is private there")
@pytest.mark.parametrize("who", [stat.S_IWGRP, stat.S_IWOTH])
def test_a_folder_that_others_can_write_is_not_trusted(who, folder, monkeypatch):
    assert store.keep(ANOTHER)
    folder.chmod(0o700 | who)
    assert in_a_new_process(monkeypatch) == TYPICAL
    before = stored(folder).read_bytes()
    assert not store.keep(TYPICAL)
    assert stored(folder).read_bytes() == before


def test_a_file_keeps_the_most_recent_entries():
    for key in ("a", "b", "c", "a", "d"):
        store.note("some.json", key, key.upper(), 3)
    assert [*store.known("some.json").items()] == [("c", "C"), ("a", "A"), ("d", "D")]
