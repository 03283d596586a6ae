"""All tests in as many processes as there are cores: half of the time of one process on two cores.

    python tools/run_tests.py              # what `make test` does
    python tools/run_tests.py tests/run    # some folders or files
    python tools/run_tests.py --write      # all, and keep how long each file took in tools/test_seconds.json

A folder is a part with a process of its own, and so are the doctests of the package; long folders are several parts,
and short ones share a part. Those that took longest when they were measured come first, so that all cores end
together. A part that passes is a line; what another prints is shown in full. The exit code is 1 if a part fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
DOCTESTS = ROOT / "src"
MEASURED = Path(__file__).with_name("test_seconds.json")
#: A folder of more seconds is several parts, and one of fewer shares a part: each takes seconds to import packages.
LONG, SHORT = 90.0, 25.0
#: What a file is assumed to take that was never measured, for each of its bytes.
SECONDS_PER_BYTE = 4e-4


@dataclass
class Part:
    """Files that are tested in one process."""

    names: list[str]
    files: list[Path] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Outcome:
    """What a part printed, how long it took, and how long each of its files did."""

    failed: bool
    text: str
    seconds: float
    of_files: dict[str, float]


def measured() -> dict[str, float]:
    """Return the seconds of each file, as they were kept."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


def everything() -> list[Path]:
    """Return all folders and files that hold tests."""
    inside = sorted((ROOT / "tests").iterdir())
    return [*(path for path in inside if path.name.startswith("test_") or any(path.rglob("test_*.py"))), DOCTESTS]


def parts(wanted: list[Path]) -> list[Part]:
    """Return the parts of folders and files, those that take longest first."""
    known = measured()
    found = [part for path in wanted for part in _of(path, known)]
    together: list[Part] = []
    for part in sorted(found, key=lambda part: part.seconds, reverse=True):
        last = together[-1] if together else None
        if last is None or DOCTESTS in part.files + last.files or last.seconds + part.seconds > LONG:
            together.append(part)
        elif part.seconds < SHORT:
            last.names += part.names
            last.files += part.files
            last.seconds += part.seconds
        else:
            together.append(part)
    return sorted(together, key=lambda part: part.seconds, reverse=True)


def _of(path: Path, known: dict[str, float]) -> list[Part]:
    """Return the parts of a folder or file, each about as long as the others."""
    files = sorted(path.rglob("test_*.py")) if path.is_dir() and path != DOCTESTS else [path]
    seconds = {file: known.get(_name(file), SECONDS_PER_BYTE * file.stat().st_size) for file in files}
    count = min(len(files), 1 + int(sum(seconds.values()) / LONG))
    many = [Part([_name(path) + (f" ({number + 1} of {count})" if count > 1 else "")]) for number in range(count)]
    for file in sorted(files, key=seconds.__getitem__, reverse=True):
        part = min(many, key=lambda part: part.seconds)
        part.files.append(file)
        part.seconds += seconds[file]
    return many


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run(part: Part) -> Outcome:
    """Run the tests of a part in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.xml"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={times}"]
        start = time.monotonic()
        done = subprocess.run(
            [*command, *map(str, sorted(part.files))],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # the other cores have parts of their own
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        return Outcome(done.returncode != 0, done.stdout, seconds, _of_files(part, times))


def _of_files(part: Part, times: Path) -> dict[str, float]:
    """Return the seconds of each file, from what pytest wrote; of the doctests, those of all."""
    found = dict.fromkeys(map(_name, part.files), 0.0)
    for case in ElementTree.parse(times).iter("testcase") if times.exists() else ():
        module = case.get("classname", "").replace(".", "/")
        name = _name(DOCTESTS) if DOCTESTS in part.files else f"{module}.py"
        if name in found:
            found[name] += float(case.get("time", 0))
    return {name: round(seconds, 1) for name, seconds in found.items()}


def carry_out(given: list[Part]) -> tuple[list[str], dict[str, float]]:
    """Run parts, print what came of them, and return the names of those that failed and the seconds of all files."""
    failed: list[str] = []
    took: dict[str, float] = {}
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as pool:
        jobs = {pool.submit(run, part): ", ".join(part.names) for part in given}
        for job in as_completed(jobs):
            name, outcome = jobs[job], job.result()
            took |= outcome.of_files
            if outcome.failed:
                failed.append(name)
                print(f"---- {name}\n{outcome.text}")
            print(f"{outcome.seconds:6.1f} s  {name}: {outcome.text.rstrip().rpartition(chr(10))[2]}", flush=True)
    return failed, took


def main() -> None:
    """Run all parts, or those that are named."""
    parser = argparse.ArgumentParser(description="Run the tests.")
    parser.add_argument("paths", nargs="*", type=Path, help="folders or files; all tests if there is none")
    parser.add_argument("--write", action="store_true", help="keep how long each file took")
    given = parser.parse_args()
    wanted = [path.resolve() for path in given.paths] or everything()
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        parser.error(f"expected folders or files that exist, got {', '.join(missing)}")
    start = time.monotonic()
    failed, took = carry_out(parts(wanted))
    if given.write:
        kept = {**(measured() if given.paths else {}), **took}
        MEASURED.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - start:6.1f} s  in all")
    print(f"failed: {'; '.join(sorted(failed))}" if failed else "all tests passed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
