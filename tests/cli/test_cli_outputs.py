"""Every command that writes a file: what is replaced, what is written to, what is left behind."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from faltung import learn
from faltung.datasets.dataset import Dataset
from faltung.learn.saved import save_network
from faltung.networks import DenseClassifier
from faltung.networks.generator import DenseGenerator

#: A command for each option that names a file to write, and the suffix of that file.
WRITERS = {
    "apply": ("apply a.png -k taps.npy --mask mask.png -o {}", ".png"),
    "apply arrays": ("apply a.npy -k taps.npy -o {}", ".npy"),
    "fit": ("fit a.npy b.npy --size 3 -o {}", ".npy"),
    "predict --csv": ("predict run a.png --csv {}", ".csv"),
    "predict --json": ("predict run a.png --json {}", ".json"),
    "export": ("export run -o {}", ".pt2"),
    "generate": ("generate made -n 1 --steps 1 -o {}", ".png"),
    "generate --npz": ("generate made -n 1 --steps 1 --npz {}", ".npz"),
}
every_writer = pytest.mark.parametrize("writer", WRITERS)


@pytest.fixture
def files(tmp_path, alone):
    """Inputs for all commands."""
    rng = np.random.default_rng(4)
    Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "mask.png")
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, rng.random((40, 40)))
    np.save(tmp_path / "taps.npy", np.ones((3, 3)) / 9)
    samples = Dataset(np.zeros((1, 1, 8, 8), np.uint8), np.array([0]), ("dark", "bright"))
    networks = {
        "run": DenseClassifier(sample_shape=(1, 8, 8), widths=(), classes=2),
        "made": DenseGenerator(sample_shape=(1, 8, 8), classes=2, width=4, mean=0.2, deviation=0.3),
    }
    for name, network in networks.items():
        (tmp_path / name).mkdir()
        save_network(learn.RunFolder(tmp_path / name), "model", network, samples)
    return tmp_path


def call(command, writer, target):
    line, _ = WRITERS[writer]
    return command(*(part.replace("{}", str(target)) for part in line.split()), "--overwrite")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


@every_writer
def test_a_file_that_is_replaced_keeps_its_permissions_and_its_links(command, files, writer):
    _, suffix = WRITERS[writer]
    target = files / f"old{suffix}"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = files / f"link{suffix}"
    link.symlink_to(target.name)
    code, _, said = call(command, writer, link)
    assert (code, link.is_symlink()) == (0, True), said
    assert target.read_bytes() != b"old"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in files.iterdir() if path.name.endswith(".part")] == []


@every_writer
def test_folders_and_sockets_are_never_replaced(command, files, writer):
    _, suffix = WRITERS[writer]
    (files / f"folder{suffix}").mkdir()
    kinds = {"folder": "a folder", "s": "a socket"}
    if writer.startswith("apply"):
        del kinds["folder"]  # it gets the result
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(files / f"s{suffix}"))
        for name, kind in kinds.items():
            code, _, said = call(command, writer, files / f"{name}{suffix}")
            assert (code, kind in said, "Traceback" in said) == (1, True, False), said
    assert stat.S_ISSOCK((files / f"s{suffix}").lstat().st_mode)


@pytest.mark.parametrize("writer", ["apply", "fit", "predict --csv"])
def test_devices_and_pipes_are_written_to(command, files, writer):
    _, suffix = WRITERS[writer]
    os.mkfifo(pipe := files / f"pipe{suffix}")
    (files / f"link{suffix}").symlink_to(pipe)
    (null := files / f"null{suffix}").symlink_to("/dev/null")
    code, _, said = call(command, writer, null)
    assert (code, null.is_symlink(), stat.S_ISCHR(null.stat().st_mode)) == (0, True, True), said
    code, _, said = call(command, writer, files / f"link{suffix}")
    assert (code, "nobody reads this pipe; start its reader first" in said) == (1, True)
    assert call(command, writer, files / f"file{suffix}")[0] == 0
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    descriptor = os.open(pipe, os.O_WRONLY)  # waits for the reader
    code, _, said = call(command, writer, files / f"link{suffix}")
    os.close(descriptor)
    assert (code, stat.S_ISFIFO(pipe.lstat().st_mode)) == (0, True), said
    assert reader.communicate()[0] == (files / f"file{suffix}").read_bytes()
    assert [path.name for path in files.iterdir() if path.name.endswith(".part")] == []


@every_writer
def test_links_in_a_circle_and_long_names(command, files, writer):
    _, suffix = WRITERS[writer]
    (files / f"one{suffix}").symlink_to(f"two{suffix}")
    (files / f"two{suffix}").symlink_to(f"one{suffix}")
    code, _, said = call(command, writer, files / f"one{suffix}")
    assert (code, "a file that can be written" in said, "Traceback" in said) == (1, True, False), said
    longest = "n" * (255 - len(suffix)) + suffix
    assert call(command, writer, longest)[0] == 0
    assert (files / longest).is_file()
    code, _, said = call(command, writer, f"n{longest}")
    assert (code, "a file that can be written" in said) == (1, True), said


def test_a_new_run_folder_is_no_input_and_no_file(command, files):
    before = contents(files)
    os.mkfifo(files / "pipe")
    for out in ("run", "a.npy", "pipe"):
        code, _, said = command("learn", "--out", out, "--epochs", "1", "--no-curve")
        assert (code, "--out: expected a new or empty folder" in said) == (1, True), said
    assert contents(files) == before


@pytest.mark.parametrize("request_to_end", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_leaves_nothing_half_written(tmp_path, request_to_end):
    np.save(tmp_path / "a.npy", np.zeros((9, 9)))
    program = (
        "import os, signal, sys\n"
        "from faltung.cli.main import main\n"
        "from faltung.files import writing\n"
        f"writing._write_as = lambda name, path, pictures: (open(path, 'w').write('half'), "
        f"os.kill(os.getpid(), signal.{request_to_end}), signal.pause())\n"
        "sys.argv = ['faltung', 'apply', 'a.npy', '-k', 'box(3)', '-o', 'b.npy']\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, timeout=120, text=True)
    assert (ended.returncode, "Traceback" in ended.stderr) == (130, False), ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
