"""Damaged files, run folders and checkpoints: each is read, or refused in one sentence, in bounded time and memory.

    python tests/fuzzed_files.py 2000 --seed 7 [--only "predict"]

damages small files of every kind and gives them to the commands that read them, in processes of some hundred tries
each. A try fails if it ends in a traceback or in more than one sentence, computes for more than 2 seconds, takes more
than 500 MB beyond its input, changes an input, or leaves a file behind. The test suite runs some of them.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import typer

import faltung.cli.main as command_line
from damage import damaged
from faltung.cli.console import errors
from faltung.errors import FaltungError
from hostile_cases import cases

SECONDS = 2.0  # of computing, of all threads
WAITING = 60.0  # seconds after which a try hangs; this machine may be busy
BYTES = 500 * 2**20
LONGEST = 1200  # characters of a sentence
BLOCK = 200  # tries of a process


class _LateError(BaseException):
    pass


def _late(*_):
    raise _LateError


@contextlib.contextmanager
def _made_once():
    """Keep the command line, which takes longer to be made than to be used."""
    before, command_line.app = command_line.app, _made()
    try:
        yield
    finally:
        command_line.app = before


@functools.cache
def _made():
    return typer.main.get_command(command_line.app)


def tried(case, folder):
    """Run a case in a folder that has its files; return whether it was read, or the sentence of the refusal."""
    if callable(case.command):
        try:
            case.command(folder)
        except (FaltungError, OSError, MemoryError) as error:
            return str(error)
        return ""
    words = [word.replace("{}", str(folder)).replace("out/", f"{folder}-out/") for word in shlex.split(case.command)]
    said, before = io.StringIO(), sys.argv
    try:
        sys.argv = ["faltung", *words]
        errors.file = said
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said), _made_once():
            command_line.main()
    except SystemExit as error:
        if error.code not in (0, None):
            return said.getvalue()
    finally:
        sys.argv, errors.file = before, None
    return ""


def _contents(folder):
    return {str(path): hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()}


def _reset_peak():
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak(kind):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return 1024 * int(line.split()[1])
    return 0


def outcome(case, files, folder):
    """Write files, run the case, and return what it said and what is wrong with that."""
    out = Path(f"{folder}-out")
    for place in (folder, out):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    wrong, said, before = [], "", _contents(folder)
    _reset_peak()
    resident, computed = _peak("VmRSS"), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, 3 * SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        said = tried(case, folder)
    except _LateError:
        wrong.append("late: " + traceback.format_exc()[-1500:])
    except BaseException:
        wrong.append("traceback: " + traceback.format_exc()[-2500:])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds, taken = time.process_time() - computed, _peak("VmHWM") - resident - sum(map(len, files.values()))
    if seconds > SECONDS:
        wrong.append(f"{seconds:.1f} s")
    if taken > BYTES:
        wrong.append(f"{taken / 2**20:.0f} MB")
    if len(said) > LONGEST or "Traceback" in said:
        wrong.append(f"a long sentence: {said[:LONGEST]}")
    after = _contents(folder)
    if case.kept and before != after:
        wrong.append("an input changed")
    wrong += [f"left {name}" for name in {*after} - {*before} if case.kept or "partial" in name or ".lock" in name]
    left = {str(path.relative_to(out)) for path in out.rglob("*")}
    if left != (
        {*case.written} if not said else left & {*case.written} if case.name.startswith("predict") else set()
    ):
        wrong.append(f"the outputs are {sorted(left)}")
    return said, wrong


def attack(count, seed, folder, found=None, tell=lambda *told: None):
    """Return how many of `count` damaged files were read and refused, and the failures."""
    rng, found = np.random.default_rng(seed), cases() if found is None else found
    names, read, failures = sorted(found), 0, []
    handlers = [(number, signal.signal(number, _late)) for number in (signal.SIGALRM, signal.SIGPROF)]
    try:
        for index in range(count):
            case = found[names[int(rng.integers(0, len(names)))]]
            name = case.damaged[int(rng.integers(0, len(case.damaged)))]
            files = case.mended(case.files | {name: damaged(name, case.files[name], rng)})
            tell(index, case.name, files)
            said, wrong = outcome(case, files, folder / "in")
            read += not said
            if wrong:
                failures.append((index, case.name, name, wrong))
                kept = folder / f"failure-{seed}-{index}"
                shutil.copytree(folder / "in", kept)
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
    return read, count - read, failures


def _block(count, seed, folder, found):
    """Attack in a process of its own; return what `attack` returns, and what is wrong if it died."""
    own = folder / str(seed)
    own.mkdir()
    log, state = own / "log.json", own / "state"
    process = os.fork()
    if not process:
        code = 1
        try:
            done = attack(count, seed, own, found, lambda *told: state.write_text(f"{told[:2]}"))
            log.write_text(json.dumps(done))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if status:
        return 0, 0, [(seed, "died", state.read_text() if state.exists() else "", [f"status {status}"])]
    read, refused, failures = json.loads(log.read_text())
    if not failures:
        shutil.rmtree(own)
    return read, refused, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of cases")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-"))
    found = {name: case for name, case in cases().items() if arguments.only in name}
    for case in found.values():  # whole files are read, and what is compiled is compiled
        said, wrong = outcome(case, case.files, folder / "whole")
        if said or wrong:
            print("whole:", case.name, said, *wrong)
    read, refused, failures, begun = 0, 0, [], time.monotonic()
    for number in range(-(-arguments.count // BLOCK)):
        done = _block(min(BLOCK, arguments.count - number * BLOCK), arguments.seed * 100_000 + number, folder, found)
        read, refused = read + done[0], refused + done[1]
        for failure in done[2]:
            print(*failure, flush=True)
        failures += done[2]
        if not sys.stdout.isatty():  # a log of hours
            print(f"{read + refused} tries, {len(failures)} failures", flush=True)
    kinds = Counter(failure[1] for failure in failures)
    seconds = time.monotonic() - begun
    print(f"{read} read, {refused} refused, {len(failures)} failures in {folder}, {seconds:.0f} s, {dict(kinds)}")


if __name__ == "__main__":
    main()
