"""Streams that are killed at random moments: nothing is lost, and nothing is computed twice but what was in flight.

    python tests/killed_streams.py --size 16384 --shard 2048 --chunk 256 --taps 101 --memory 1GB --kills 10

An array of random numbers is filtered by the command line in processes that get SIGKILL. After each of them, what the
journal names must be there, and its files must stay as they are until the end. The result is that in memory.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import zarr

import faltung as fa
from faltung.chunked.journal import read_journal

COMMAND = [sys.executable, "-m", "faltung"]


class Outcome(NamedTuple):
    """What a run of several processes showed."""

    killed: int  # processes that were killed before their end
    units: int  # units of the result
    most_bytes: int  # resident memory of the largest process
    seconds: float  # of all processes
    error: float  # largest difference to the result in memory, relative to its largest value


def made(path: Path, size: int, shard: int, chunk: int, seed: int) -> None:
    """Write an array of random numbers."""
    shards = None if shard == chunk else (shard, shard)
    array = zarr.create_array(path, shape=(size, size), dtype="f4", chunks=(chunk, chunk), shards=shards)
    rng = np.random.default_rng(seed)
    for row in range(0, size, shard):
        for column in range(0, size, shard):
            rows, columns = min(shard, size - row), min(shard, size - column)
            array[row : row + rows, column : column + columns] = rng.random((rows, columns), dtype=np.float32)


def state_of(out: Path, array: Any, units: tuple[tuple[int, ...], ...]) -> dict[tuple[int, ...], tuple[int, int]]:
    """Return time and number of the files of units."""
    files = {unit: os.stat(out / array.metadata.encode_chunk_key(unit)) for unit in units}
    return {unit: (found.st_mtime_ns, found.st_ino) for unit, found in files.items()}


def run(command: list[str], out: Path, kill_at: int | None, rng: random.Random) -> tuple[int, int]:
    """Run a process, which is killed when so many units are finished; return its code and its resident memory."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while kill_at is not None and process.poll() is None:
        state = read_journal(out)
        if kill_at < 0 or (state is not None and len(state.units) >= kill_at):
            time.sleep(rng.random() * (2.0 if kill_at < 0 else 0.3))
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0) if process.returncode is None else (0, 0, None)
    process.stderr.close()
    code = os.waitstatus_to_exitcode(status) if process.returncode is None else process.returncode
    process.returncode = code
    if code not in (0, -signal.SIGKILL):
        raise AssertionError(said)
    return code, 0 if usage is None else usage.ru_maxrss * 1024


def check(folder: Path, size: int, shard: int, chunk: int, taps: int, memory: str, kills: int, seed: int) -> Outcome:
    """Kill a stream so often, let it end, and compare."""
    rng = random.Random(seed)
    source, out, kernel = folder / "in.zarr", folder / "out.zarr", folder / "kernel.npy"
    made(source, size, shard, chunk, seed)
    np.save(kernel, np.random.default_rng(seed + 1).standard_normal((taps, taps)).astype(np.float32))
    arguments = ["apply", str(source), "-k", str(kernel), "-o", str(out), "--memory", memory, "--resume"]
    array, count = zarr.open_array(source, mode="r"), (-(-size // shard)) ** 2
    # A negative number is a moment before the first unit is finished.
    moments = [-1, *sorted(rng.sample(range(count), min(count, kills - 1))), *[None] * max(0, kills - 1 - count)]
    known: dict[tuple[int, ...], tuple[int, int]] = {}
    killed, most, begin = 0, 0, time.perf_counter()
    for moment in [*moments[:kills], None]:
        code, resident = run([*COMMAND, *arguments], out, moment, rng)
        killed, most = killed + (code != 0), max(most, resident)
        state = read_journal(out)
        if state is None:
            continue
        now = state_of(out, array, state.units)
        assert len({*state.units}) == len(state.units), "a unit was computed twice"
        assert {*known} <= {*now}, "the journal lost a unit"
        assert all(now[unit] == known[unit] for unit in known), "a finished unit was written again"
        known = now
        if not state.finished:
            assert "faltung_unfinished" in zarr.open_array(out, mode="r").attrs
    seconds = time.perf_counter() - begin
    result = zarr.open_array(out, mode="r")
    assert len(known) == count
    assert dict(result.attrs) == {}
    assert not [*out.rglob("*.partial")]
    expected = fa.convolve(array[...], fa.Kernel(np.load(kernel)))
    error = 0.0
    for row in range(0, size, shard):
        difference = result[row : row + shard] - expected[row : row + shard]
        error = max(error, float(np.abs(difference).max()))
    return Outcome(killed, count, most, seconds, error / float(np.abs(expected).max()))


def main() -> None:
    """Read the arguments, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("size", 2048), ("shard", 512), ("chunk", 128), ("taps", 31), ("kills", 4), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--memory", default="400MB")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        outcome = check(Path(folder), **vars(options))
    print(
        f"{outcome.killed} processes killed, {outcome.units} units, none computed twice; at most "
        f"{outcome.most_bytes / 1e6:.0f} MB resident; {outcome.seconds:.1f} s; largest difference {outcome.error:.1e}"
    )


if __name__ == "__main__":
    main()
