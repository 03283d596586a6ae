"""`faltung apply` with several inputs: which files are read, where results go, and what a failure stops."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from PIL import Image

from faltung.cli import apply as command_apply
from faltung.cli.console import printable


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures in subfolders, among other files."""
    rng = np.random.default_rng(2)
    for name in ("a.png", "b.jpg", "deep/a.png", "deep/er/c.tif", ".hidden/d.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 13), dtype=np.uint8)).save(path)
    for name in ("notes.txt", ".DS_Store"):
        (tmp_path / "photos" / name).write_text("no picture")
    return tmp_path / "photos"


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_keeps_its_names(command, pictures, tmp_path):
    code, out, said = command("apply", "photos", "-k", "box(3)", "-o", "out/")
    assert code == 0
    assert written(tmp_path / "out") == ["a.png", "b.jpg", "deep/a.png", "deep/er/c.tif"]
    assert len(out.splitlines()) == 4
    assert "4 written, 0 failed, 1 skipped" in said
    assert "skipped, no pictures by their names: photos/notes.txt" in said
    assert "DS_Store" not in said


def test_names_get_another_suffix(command, pictures, tmp_path):
    for suffix in (".png", "png"):
        assert command("apply", "photos", "-k", "box(3)", "-o", "out", "--suffix", suffix, "--overwrite")[0] == 0
        assert written(tmp_path / "out") == ["a.png", "b.png", "deep/a.png", "deep/er/c.png"]
    code, _, said = command("apply", "photos", "-k", "box(3)", "-o", "out", "--suffix", ".docx")
    assert (code, "--suffix: expected" in said) == (1, True)
    code, _, said = command("apply", "photos/a.png", "-k", "box(3)", "-o", "a.tif", "--suffix", ".png")
    assert (code, "--suffix: expected a folder as --output" in said) == (1, True)


def test_files_and_one_file_into_a_folder(command, pictures, tmp_path):
    assert command("apply", "photos/a.png", "photos/b.jpg", "-k", "box(3)", "-o", "two")[0] == 0
    assert written(tmp_path / "two") == ["a.png", "b.jpg"]
    assert command("apply", "photos/a.png", "-k", "box(3)", "-o", "one/")[0] == 0
    assert command("apply", "photos/b.jpg", "-k", "box(3)", "-o", "one")[0] == 0
    assert written(tmp_path / "one") == ["a.png", "b.jpg"]


def test_one_failure_does_not_stop_the_rest(command, pictures, tmp_path):
    (pictures / "broken.png").write_bytes((pictures / "a.png").read_bytes()[:50])
    os.mkfifo(pictures / "pipe.png")  # reading it would wait for ever
    code, _, said = command("apply", "photos", "-k", "box(3)", "-o", "out")
    assert code == 1
    assert "photos/broken.png" in said
    assert "4 written, 1 failed, 2 skipped" in said
    assert "Traceback" not in said
    assert written(tmp_path / "out") == ["a.png", "b.jpg", "deep/a.png", "deep/er/c.tif"]
    code, _, said = command("apply", "photos", "-k", "box(3)", "-o", "out")
    assert (code, "0 written, 5 failed, 2 skipped" in said, "Add --overwrite" in said) == (1, True, True)


def test_links_are_told_apart_from_files_of_other_kinds(command, pictures, tmp_path):
    (tmp_path / "more").mkdir()
    (pictures / "more").symlink_to(tmp_path / "more")
    (pictures / "gone.jpg").symlink_to("nowhere.jpg")
    code, _, said = command("apply", "photos", "-k", "box(3)", "-o", "out")
    assert (code, "4 written, 0 failed, 3 skipped" in said) == (0, True), said
    assert "no pictures by their names: photos/notes.txt skipped" in said
    assert "no files (links that are broken or to folders): photos/gone.jpg, photos/more 4 written" in said


def test_notes_are_only_of_files_that_are_written(command, pictures):
    picture = np.full((9, 9, 4), 255, np.uint8)
    picture[4, 4, 3] = 0
    Image.fromarray(picture).save(pictures / "seen.png")
    code, _, said = command("apply", "photos/seen.png", "photos/a.png", "-k", "box(3)", "-o", "o", "--suffix", "bmp")
    assert (code, "Use .png or .tif" in said, "All pixels are opaque" in said) == (1, True, False), said


def test_a_name_without_a_format_needs_one(command, pictures, tmp_path):
    (pictures / "a.png").rename(tmp_path / "a")
    code, _, said = command("apply", "a", "photos/b.jpg", "-k", "box(3)", "-o", "out")
    assert (code, said) == (
        1,
        "Error: --suffix: expected a format for 'a', got none. Add --suffix .png, for example.",
    )
    assert command("apply", "a", "photos/b.jpg", "-k", "box(3)", "-o", "out", "--suffix", ".png")[0] == 0
    assert written(tmp_path / "out") == ["a.png", "b.png"]


def test_options_that_no_picture_can_have_stop_at_once(command, pictures, tmp_path):
    for arguments, message in (
        (("--mode", "symmetric"), "Use --mode reflect."),
        (("--dtype", "uint99"), "--dtype: expected a NumPy dtype of numbers"),
        (("--scale", "x"), "--scale: expected"),
        (("--cval", "3"), "--cval: expected a border of constants, got --mode reflect. Add --mode constant."),
    ):
        code, out, said = command("apply", "photos", "-k", "box(3)", "-o", "out", *arguments)
        assert (code, out, said.count("Error:"), message in said) == (1, "", 1, True)
    assert not (tmp_path / "out").exists()


def test_notes_are_told_once_for_all_files(command, pictures):
    code, _, said = command("apply", "photos", "-k", "sobel(0)", "-o", "out")
    assert code == 0
    assert said.count("results below 0 become 0") == 1
    assert "4 files, such as photos/a.png" in said


def test_earlier_results_are_no_inputs(command, pictures, tmp_path):
    for _ in range(2):
        code, _, said = command("apply", "photos", "-k", "box(3)", "-o", "photos/out", "--overwrite")
        assert (code, "4 written" in said) == (0, True)
    assert written(pictures / "out") == ["a.png", "b.jpg", "deep/a.png", "deep/er/c.tif"]


def test_outputs_that_cannot_be_right(command, pictures, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (
            ("photos", "-o", "out.png"),
            "--output: expected the name of a folder for 'photos', got 'out.png'.",
        ),
        (("photos", "-o", "file"), "--output: expected a folder, such as results/, for 'photos'"),
        (("photos", "-o", "photos"), "--output: expected a folder other than that of the inputs, got 'photos'."),
        (("photos/a.png", "photos/deep/a.png", "-o", "out"), "IMAGE: expected files with different names"),
        (("photos", "-o", ""), "--output: expected the name of a file or a folder, got ''."),
        (("nowhere", "photos", "-o", "out"), "IMAGE: expected a file or folder that exists, got 'nowhere'."),
        (("empty", "-o", "out"), "IMAGE: expected pictures, which are named"),
    ):
        code, _, said = command("apply", *arguments, "-k", "box(3)")
        assert (code, message in said) == (2 if "other than" in message else 1, True), said
    assert not (tmp_path / "out").exists()


def test_what_a_name_holds_does_not_command_the_terminal(command, tmp_path):
    for name in ("a\x1b[31m.png", os.fsdecode(b"b\xff.png")):
        Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / name)
    code, out, said = command("apply", "a\x1b[31m.png", os.fsdecode(b"b\xff.png"), "-k", "box(3)", "-o", "out")
    assert code == 0
    assert "\x1b" not in out + said
    assert "\\x1b[31m.png" in out
    assert printable("a\nb") == "a\nb"


def test_too_little_memory_is_one_sentence(command, monkeypatch):
    np.save("a.npy", np.zeros((5, 5)))

    def no_memory(path):
        raise MemoryError("Unable to allocate 74 GiB")

    monkeypatch.setattr(command_apply.files, "read", no_memory)
    code, _, said = command("apply", "a.npy", "-k", "box(3)", "-o", "b.npy")
    assert (code, said) == (1, "Error: the memory of this machine does not suffice. Unable to allocate 74 GiB")


def test_progress_leaves_standard_output_alone(pictures, tmp_path):
    """With a terminal for errors only, results still go where standard output goes."""
    pty = pytest.importorskip("pty")
    import subprocess

    leader, follower = pty.openpty()
    call = [sys.executable, "-m", "faltung", "apply", str(pictures), "-k", "box(3)", "-o", str(tmp_path / "out")]
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=follower, text=True, check=True)
    os.close(follower)
    assert len(done.stdout.splitlines()) == 4
    os.close(leader)
