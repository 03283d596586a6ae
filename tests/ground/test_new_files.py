"""Files are written whole or not at all: permissions, links, streams, leftovers of killed processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from faltung.errors import ArgumentError
from faltung.ground import new_files
from faltung.ground.file_locks import lock
from faltung.ground.new_files import is_temporary, new_file, write_new_file
from faltung.ground.targets import check_new_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def in_child(work):
    """Call a function in a forked process, and return how that ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_while_writing(target):
    """A process that is killed in the middle of a file."""

    def work():
        with new_file(target) as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == -signal.SIGKILL


def test_new_files_have_the_permissions_that_others_have(tmp_path):
    before = os.umask(0o027)
    try:
        write_new_file(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    target = tmp_path / "a"
    target.touch()
    target.chmod(mode)
    write_new_file(target, "text")
    assert (stat.S_IMODE(target.stat().st_mode), target.read_text()) == (mode, "text")


def test_another_name_of_a_file_keeps_the_former_content(tmp_path):
    (tmp_path / "a").write_text("old")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "link").symlink_to("a")
    write_new_file(tmp_path / "link", "new")
    assert [(tmp_path / name).read_text() for name in ("a", "b", "link")] == ["new", "old", "new"]
    assert (tmp_path / "link").is_symlink()


def test_a_link_to_what_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link").symlink_to("new")
    write_new_file(tmp_path / "link", "text")
    assert ((tmp_path / "new").read_text(), names(tmp_path)) == ("text", ["link", "new"])


@pytest.mark.parametrize("length", [237, 245, 255])
def test_long_names(tmp_path, length):
    write_new_file(tmp_path / ("n" * length), "text")
    assert names(tmp_path) == ["n" * length]


def test_what_of_a_name_is_no_text_is_written_as_an_escape(tmp_path):
    write_new_file(tmp_path / "a", os.fsdecode(b"\xff") + "ö")
    assert (tmp_path / "a").read_bytes() == b"\\udcff\xc3\xb6"


# ---- what is no regular file


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    got, content = [], bytes(300_000)  # more than a pipe holds
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    while not got:
        with contextlib.suppress(ArgumentError):  # the reader has not opened it yet
            write_new_file(pipe, content)
            break
    reader.join()
    assert (got, names(tmp_path)) == ([content], ["pipe"])


def test_a_pipe_that_nobody_reads_is_refused_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_new_file("--csv", tmp_path / "pipe", overwrite=False)
    with pytest.raises(ArgumentError, match=r"--csv: .*, got '.*pipe' \(nobody reads this pipe; start its reader"):
        write_new_file(tmp_path / "pipe", "text", "--csv")
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


def test_devices_are_written_to_and_stay(tmp_path):
    (tmp_path / "null").symlink_to(os.devnull)
    check_new_file("--csv", tmp_path / "null", overwrite=False)
    write_new_file(tmp_path / "null", "text")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert (tmp_path / "null").is_symlink()
    if Path("/dev/full").exists():
        with pytest.raises(ArgumentError, match="No space left"):
            write_new_file(Path("/dev/full"), "text")


def test_sockets_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(ArgumentError, match="got 's', a socket"):
            check_new_file("--csv", Path("s"), overwrite=True)


@pytest.mark.parametrize("piped", [False, True])
def test_the_standard_output_is_written_in_order(tmp_path, piped):
    inside, outside = os.pipe() if piped else [os.open(tmp_path / "said", os.O_CREAT | os.O_RDWR)] * 2

    def work():
        os.dup2(outside, 1)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        print("before")
        write_new_file(Path("/dev/stdout"), "file\n")
        print("behind", flush=True)

    assert in_child(work) == 0
    os.close(outside) if piped else os.lseek(inside, 0, os.SEEK_SET)
    with open(inside, "rb") as said:
        assert said.read() == b"before\nfile\nbehind\n"


def test_a_file_that_turns_into_a_pipe_meanwhile_is_kept(tmp_path):
    def write(target):
        with new_file(target) as temporary:
            temporary.write_bytes(b"new")
            os.mkfifo(target)

    with pytest.raises(ArgumentError, match=r"got '.*a', a pipe"):
        write(tmp_path / "a")
    assert names(tmp_path) == ["a"]


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"'.*a\.npy' \(the disk may be full\)"), new_file(tmp_path / "a.npy"):
        raise OSError("160000 requested and 16312 written")  # what NumPy says of it
    assert not names(tmp_path)


# ---- processes that are killed


def test_the_next_process_removes_what_a_killed_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr(new_files, "_cleared", set())
    (tmp_path / "a").write_text("old")
    for _ in range(3):
        killed_while_writing(tmp_path / "a")
        assert (tmp_path / "a").read_text() == "old"
        assert sum(map(is_temporary, names(tmp_path))) == 1  # the leftover of the one before is gone
    write_new_file(tmp_path / "b", "text")
    assert names(tmp_path) == ["a", "b"]


def test_what_another_process_is_writing_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(new_files, "_cleared", set())
    with new_file(tmp_path / "a") as temporary:
        temporary.write_bytes(b"slow")
        new_files._cleared.clear()
        assert in_child(lambda: write_new_file(tmp_path / "b", "text")) == 0
        assert temporary.exists()
    assert ((tmp_path / "a").read_bytes(), names(tmp_path)) == (b"slow", ["a", "b"])


def test_leftovers_of_another_machine_stay_for_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(new_files, "_cleared", set())
    young, old = (tmp_path / f".faltung-{'0' * 8}-{digit * 16}.part" for digit in "12")
    for path in (young, old):
        path.touch()
    os.utime(old, (0, 0))
    write_new_file(tmp_path / "a", "text")
    assert names(tmp_path) == [young.name, "a"]


def test_only_files_of_our_own_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(new_files, "_cleared", set())
    stem = f".faltung-{new_files._MACHINE}-{'0' * 15}"
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f"{stem}1.part").symlink_to("precious")
    os.mkfifo(tmp_path / f"{stem}2.part")
    (tmp_path / f"{stem}3.part").mkdir()
    (tmp_path / f"{stem}4.part.png").touch()
    before = names(tmp_path)
    write_new_file(tmp_path / "a", "text")
    assert names(tmp_path) == sorted([*before, "a"])
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_new_file_that_was_taken_for_a_leftover_is_begun_again(tmp_path, monkeypatch):
    taken = []

    def removed_at_once(descriptor):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return lock(descriptor)

    monkeypatch.setattr(new_files, "lock", removed_at_once)
    write_new_file(tmp_path / "a", "text")
    assert (len(taken), names(tmp_path), (tmp_path / "a").read_text()) == (1, ["a"], "text")


def test_where_there_are_no_locks_files_are_written_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(new_files, "lock", lambda descriptor: None)
    monkeypatch.setattr(new_files, "_cleared", set())
    killed_while_writing(tmp_path / "a")
    write_new_file(tmp_path / "b", "text")
    (leftover,) = (path for path in tmp_path.iterdir() if is_temporary(path.name))  # it may be another process's
    os.utime(leftover, (0, 0))
    new_files._cleared.clear()
    write_new_file(tmp_path / "b", "text")
    assert names(tmp_path) == ["b"]


def test_two_processes_write_one_file(tmp_path):
    def work(letter):
        for _ in range(40):
            write_new_file(tmp_path / "a", letter * 50_000)

    child = os.fork()
    if child == 0:
        try:
            work("x")
            os._exit(0)
        finally:
            os._exit(1)
    work("y")
    assert os.waitpid(child, 0)[1] == 0
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() in ("x" * 50_000, "y" * 50_000)
