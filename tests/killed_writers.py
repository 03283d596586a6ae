"""Processes that write, killed at random moments: the results have the same bits, and nothing is left behind.

    python tests/killed_writers.py --kills 200

Half of the kills hit `faltung learn`, which is then resumed until it ends. The others hit `faltung apply`, which
writes a Zarr array that is resumed, or a `.npy` file that is written again. The processes are forked from one that
has loaded everything, so that they are killed at work. The streams of `tests/killed_streams.py` are larger.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import zarr
from safetensors.numpy import load_file

from faltung.cli.main import main as faltung
from faltung.ground.new_files import is_temporary

LEARN = ["--epochs", "3", "--threads", "1", "--batch-size", "16", "--no-curve", "--splits", "1"]
LEFT = {".run.lock"}  # which a killed process leaves in a run folder, and the next one takes away


def started(arguments: Sequence[object]) -> int:
    """Start a command in a forked process, which says nothing unless it fails."""
    child = os.fork()
    if child:
        return child
    try:
        for descriptor in (1, 2):
            os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv = ["faltung", *map(str, arguments)]
        faltung()
        os._exit(0)
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(70)


def ended(child: int, limit: float | None = None) -> int | None:
    """Wait for a process, and kill it after so many seconds; return its code, or None if it was killed."""
    until = None if limit is None else time.monotonic() + limit
    while True:
        pid, status = os.waitpid(child, 0 if until is None else os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if until is not None and time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.002)


def killed_until_it_ends(
    first: Sequence[object], again: Callable[[], Sequence[object]], seconds: float, kills: int, rng: random.Random
) -> int:
    """Start a command, and kill it again and again, at most so often; return how often it was killed."""
    killed, arguments = 0, first
    while True:
        code = ended(started(arguments), rng.random() * seconds if killed < kills else None)
        if code is not None:
            assert code == 0, Path("said").read_text()
            return killed
        killed += 1
        arguments = again()


def facts(run: Path) -> dict:
    """What was measured, without times."""
    found = json.loads((run / "metrics.json").read_text())
    del found["finished"], found["time"]
    for network in found["networks"].values():
        del network["training_seconds"]
    return found


def same_run(one: Path, other: Path) -> None:
    """Compare two run folders: names, networks, measurements."""
    told, others = facts(one), facts(other)
    assert told == others, [(name, told[name], others.get(name)) for name in told if told[name] != others.get(name)]
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()} - LEFT
    for path in one.glob("*.safetensors"):  # safetensors puts what is said in a head in any order
        tensors, others = load_file(path), load_file(other / path.name)
        assert {*tensors} == {*others}
        assert all(tensors[name].tobytes() == others[name].tobytes() for name in tensors), path.name


def runs(kills: int, rng: random.Random) -> tuple[int, int]:
    """Kill and resume `faltung learn`; return the kills, and the runs that they hit."""
    images = np.random.default_rng(0).integers(0, 256, (96, 8, 8), dtype=np.uint8)
    np.savez("data.npz", images=images, labels=np.arange(96) % 3)
    begun = time.monotonic()
    assert ended(started(["learn", "data.npz", *LEARN, "--out", "whole"])) == 0, Path("said").read_text()
    seconds, killed, count = time.monotonic() - begun, 0, 0
    while killed < kills:
        run = Path(f"run{count}")

        def again(run: Path = run) -> list[object]:
            if (run / "split.json").exists():
                return ["learn", "--resume", run]
            for path in run.glob("*"):  # it was killed before it had noted what to do
                path.unlink()
            return ["learn", "data.npz", *LEARN, "--out", run]

        killed += killed_until_it_ends(again(), again, seconds, min(8, kills - killed), rng)
        same_run(Path("whole"), run)
        count += 1
    return killed, count


def filters(kills: int, rng: random.Random) -> int:
    """Kill `faltung apply` while it writes Zarr and `.npy`; return the kills."""
    x = np.random.default_rng(1).random((1500, 1000), dtype=np.float32)
    np.save("x.npy", x)
    zarr.create_array("x.zarr", data=x, chunks=(100, 100))
    killed = 0
    ways = (("x.zarr", "y.zarr", "--resume"), ("x.npy", "y.npy", "--overwrite"))
    for source, target, option in ways:
        line = ["apply", source, "-k", "gaussian(3)", "--memory", "1GB", "-o"]
        begun = time.monotonic()
        assert ended(started([*line, f"whole-{target}"])) == 0, Path("said").read_text()
        seconds, most, before = time.monotonic() - begun, killed + kills // len(ways), killed
        while killed < most:
            arguments = [*line, f"{killed}-{target}", option]
            killed += killed_until_it_ends(arguments, lambda: arguments, seconds, min(8, most - killed), rng)  # noqa: B023
            name = Path(f"{before}-{target}")
            before = killed
            if target.endswith(".npy"):
                assert name.read_bytes() == Path("whole-y.npy").read_bytes()
            else:
                one, other = (zarr.open_array(path, mode="r") for path in (name, f"whole-{target}"))
                assert np.array_equal(one[...], other[...])
                assert dict(one.attrs) == dict(other.attrs) == {}
    return killed


def check(kills: int, seed: int) -> tuple[int, int, int]:
    """Kill so many processes in this folder; return the kills of runs, their number, and the kills of filters."""
    import torch._dynamo  # noqa: F401  # torch loads it at the first step, which takes seconds

    rng = random.Random(seed)
    killed, count = runs(kills - kills // 2, rng)
    filtered = filters(kills // 2, rng)
    assert not [path for path in Path().rglob("*") if is_temporary(path.name)]
    assert not [*Path().rglob("*.partial")]
    return killed, count, filtered


def main() -> None:
    """Read the arguments, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        begun = time.monotonic()
        killed, count, filtered = check(options.kills, options.seed)
        os.chdir("/")
    print(
        f"{killed} kills in {count} trainings, {filtered} in filters of files: the same bits, nothing left behind; "
        f"{time.monotonic() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
