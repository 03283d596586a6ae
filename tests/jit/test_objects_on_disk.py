"""The folder of compiled objects: what is removed, when, and what never is."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from conftest import forget
from faltung.jit import compile as compiler
from faltung.jit import object_cache, objects_on_disk
from faltung.jit.objects_on_disk import clear, list_files, prune
from faltung.planning import machine

DAY = 86400.0

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names on this system")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of objects of its own, at which no process has looked yet."""
    place = tmp_path / "objects"
    place.mkdir(mode=0o700)
    monkeypatch.setenv("FALTUNG_CACHE", str(place))
    return place


def put(folder, name, days=0.0, size=10):
    """Put a file there that was last used so many days ago."""
    path = folder / name
    path.write_bytes(bytes(size))
    used = time.time() - days * DAY
    os.utime(path, (used, used))
    return path


def name_of(number):
    return f"{number:064x}.o"


def names(folder):
    return {path.name for path in folder.iterdir()} - {".pruned"}


def test_objects_that_were_not_used_for_long_are_removed(folder):
    for number, days in enumerate((0, 1, 89, 91, 400)):
        put(folder, name_of(number), days)
    prune()
    assert names(folder) == {name_of(number) for number in range(3)}


def test_the_oldest_of_too_many_objects_are_removed(folder, monkeypatch):
    monkeypatch.setattr(objects_on_disk, "MOST_BYTES", 1000)
    for number in range(20):
        put(folder, name_of(number), days=number, size=90)
    prune()
    assert names(folder) == {name_of(number) for number in range(11)}


def test_unfinished_files_are_removed_after_an_hour(folder):
    put(folder, ".new-123-0123456789abcdef", days=0.5 / 24)
    put(folder, ".new-124-0123456789abcdef", days=1.5 / 24)
    prune()
    assert names(folder) == {".new-123-0123456789abcdef"}


FOREIGN = ("machine.json", "wisdom.json", "notes.txt", "0123.o", name_of(5).upper(), name_of(6) + ".bak", ".new-x")


def test_nothing_else_is_ever_removed(folder):
    for name in FOREIGN:
        put(folder, name, days=1000)
    (folder / name_of(7)).mkdir()
    elsewhere = put(folder.parent, "precious", days=1000)
    (folder / name_of(8)).symlink_to(elsewhere)
    kept = {*FOREIGN, name_of(7), name_of(8)}
    prune()
    assert names(folder) == kept
    assert clear() == (0, 0)
    assert names(folder) == kept
    assert elsewhere.exists()


def test_a_file_of_another_user_stays(folder):
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(put(folder, name_of(1), days=1000), 12345, -1)
    prune()
    assert clear() == (0, 0)
    assert names(folder) == {name_of(1)}


def test_the_folder_is_looked_at_once_a_day(folder):
    put(folder, name_of(1), days=100)
    prune()
    put(folder, name_of(2), days=100)
    prune()
    assert names(folder) == {name_of(2)}
    for days in (1.5, -1.5):  # a day later, and after a clock that was wrong
        put(folder, name_of(2), days=100)
        put(folder, ".pruned", days=days)
        prune()
        assert names(folder) == set()


def test_a_process_that_writes_much_looks_more_often(folder, monkeypatch):
    monkeypatch.setattr(objects_on_disk, "MOST_BYTES", 16000)
    prune(100)
    for number in range(30):
        put(folder, name_of(number), size=900)
        prune(900)
        assert sum(file.bytes for file in list_files()) <= 17000
    assert len(names(folder)) == 17


def test_many_processes_that_write_little_look_more_often_together(folder, monkeypatch):
    """Each writes far less than a sixteenth of the bound; what all have written is in the length of a file."""
    prune(0)
    small, large = 10, objects_on_disk.MOST_BYTES // 16
    put(folder, name_of(1), days=100)
    for _ in range(7):
        prune(large // 8)
    assert names(folder) == {name_of(1)}
    for _ in range(3):
        prune(large // 8 + small)
    assert names(folder) == set()
    put(folder, name_of(1), days=100)
    prune(large // 8)  # they begin to count anew
    assert names(folder) == {name_of(1)}


@needs_pipes
@pytest.mark.parametrize("kind", ["pipe", "link", "link to a pipe", "folder"])
def test_what_is_no_file_stops_nobody(folder, kind):
    x, taps = np.ones((5, 40), "f4"), [[1.0, 7.0]]
    precious = put(folder.parent, "precious")
    content = precious.read_bytes()
    pipe = folder.parent / "pipe"
    os.mkfifo(pipe)
    forget()
    compiler.forget_code()
    expected = fa.convolve(x, taps)
    replaced = [*names(folder), ".pruned", "machine.json", "wisdom.json"]
    for name in replaced:
        place = folder / name
        place.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "folder":
            place.mkdir()
        else:
            place.symlink_to(pipe if "pipe" in kind else precious)
    assert object_cache.read(replaced[0]) is None
    assert machine.known("wisdom.json") == {}
    for _ in range(2):
        forget()
        compiler.forget_code()
        assert_array_equal(fa.convolve(x, taps), expected)
    assert machine.known("machine.json") == {}
    assert precious.read_bytes() == content
    machine.note("wisdom.json", "a", "direct", 9)
    assert machine.known("wisdom.json") == ({} if kind == "folder" else {"a": "direct"})
    assert not [name for name in names(folder) if name.startswith(".new")]


def test_it_is_not_looked_at_where_nothing_is_compiled(folder, monkeypatch):
    x = np.ones((5, 40), "f4")
    looks = []
    monkeypatch.setattr(compiler, "prune", looks.append)
    for expected in (True, False):
        looks.clear()
        forget()
        compiler.forget_code()
        fa.convolve(x, [[1.0, 3.0]])
        assert bool(looks) == expected


def test_a_folder_that_others_can_write_is_left_alone(folder):
    put(folder, name_of(1), days=100)
    folder.chmod(0o777)
    prune()
    assert names(folder) == {name_of(1)}
    with pytest.raises(PermissionError):
        clear()
    assert [file.name for file in list_files()] == [name_of(1)]


def test_a_folder_that_does_not_exist(folder):
    folder.rmdir()
    prune()
    assert list_files() == []
    assert clear() == (0, 0)
    assert not folder.exists()


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), FileNotFoundError(2, "gone")])
def test_what_cannot_be_removed_stops_nothing(folder, monkeypatch, error):
    for number in range(3):
        put(folder, name_of(number), days=100)
    really = os.unlink

    def unlink(path, *rest):
        if path.endswith(name_of(1)):
            raise error
        really(path, *rest)

    monkeypatch.setattr(os, "unlink", unlink)
    prune()
    assert names(folder) == {name_of(1)}


def test_a_use_is_noted_once_a_day(folder):
    object_cache.write(name_of(1), b"code")
    for days, noted in ((0.5, False), (2.0, True)):
        used = time.time() - days * DAY
        os.utime(folder / name_of(1), (used, used))
        assert object_cache.read(name_of(1)) == b"code"
        age = time.time() - (folder / name_of(1)).stat().st_mtime
        assert (age < DAY / 4) == noted


def test_damaged_objects_are_listed_and_cleared_like_others(folder):
    object_cache.write(name_of(1), b"code")
    put(folder, name_of(2), size=0)
    put(folder, ".new-5-0123456789abcdef", size=3)
    put(folder, "machine.json", size=4)
    kinds = {file.name: file.kind for file in list_files()}
    assert kinds == {
        name_of(1): "object",
        name_of(2): "object",
        ".new-5-0123456789abcdef": "unfinished",
        "machine.json": "other",
    }
    count, size = clear()
    assert count == 2
    assert size > 4
    assert names(folder) == {"machine.json"}


CLEAR = "from faltung.jit.objects_on_disk import clear, prune\nfor _ in range(300): clear(); prune()"
COMPILE = """
import numpy as np
import faltung as fa
for size in range(1, 9):
    assert fa.convolve(np.ones(50, "f4"), np.ones(size), "wrap", method="direct").tolist() == [size] * 50
"""


def test_processes_compile_while_others_clear(folder):
    crowd = [subprocess.Popen([sys.executable, "-c", text]) for text in (COMPILE, CLEAR, COMPILE, CLEAR)]
    assert [process.wait(timeout=120) for process in crowd] == [0] * 4
