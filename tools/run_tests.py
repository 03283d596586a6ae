"""All tests, folder by folder, in as many processes as there are cores: half of the time of one process on two cores.

    python tools/run_tests.py              # what `make test` does
    python tools/run_tests.py tests/run    # some folders or files

Each folder of tests, each file beside them, and the doctests of the package are a part of their own, the largest
first. What a part prints is shown when it ends. The exit code is 1 if a part fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parts() -> list[Path]:
    """Return all that holds tests, the largest first."""
    inside = [path for path in (ROOT / "tests").iterdir() if path.is_dir() or path.name.startswith("test_")]
    found = [path for path in inside if path.is_file() or [*path.rglob("test_*.py")]]
    return sorted([*found, ROOT / "src"], key=_bytes, reverse=True)


def _bytes(part: Path) -> int:
    names = "*.py" if part.name == "src" else "test_*.py"
    return part.stat().st_size if part.is_file() else sum(file.stat().st_size for file in part.rglob(names))


def run(part: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a part in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(part)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def main() -> None:
    """Run all parts, or those that are named."""
    wanted = [Path(name).resolve() for name in sys.argv[1:]] or parts()
    failed = []
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as pool:
        jobs = {pool.submit(run, part): part for part in wanted}
        for job in as_completed(jobs):
            done, name = job.result(), jobs[job].relative_to(ROOT)
            print(f"---- {name}\n{done.stdout}", flush=True)
            if done.returncode:
                failed.append(str(name))
    print(f"failed: {', '.join(sorted(failed))}" if failed else "all tests passed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
