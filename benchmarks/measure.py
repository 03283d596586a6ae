"""How is time measured? All contenders run in turn in one process, so that a slow machine slows all of them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_WARM = 0.02
_REST = 0.03

MANNERS = ("in a row", "in turn", "after rest")
"""How is a contender called? Several times in a row, of which the last one counts; once, after the other contenders;
or once, after the process slept for 30 ms."""

#: Packages whose versions are part of a result.
_PACKAGES = (
    *("faltung", "numpy", "llvmlite", "opencv-python-headless", "scipy", "torch", "diplib", "jax"),
    *("pyvips-binary", "halide", "ducc0", "itk-filtering", "pillow"),
)

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Seconds of the best run of a contender, and the median over rounds of its time over that of the first one."""

    best: float
    ratio: float
    runs: int


def time_in_turn(
    contenders: dict[str, Callable[[], object]],
    seconds: float = 2.0,
    rounds: int = 31,
    clock: Callable[[], float] = time.perf_counter,
    manner: str = "in a row",
) -> dict[str, Timing]:
    """Run all contenders in turn, round after round; a slow one stops when it has used its share of the time.

    `manner` is one of `MANNERS`: what a timed run finds in the caches, and which threads sleep. With
    ``clock=time.process_time``, other programs on the machine count less; contenders should then use one thread.
    """
    share = seconds / len(contenders)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    first = next(iter(contenders))
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()  # makes caches, plans and threads
    order, shuffle = list(contenders), random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)  # so that no contender always follows the same other one
        done: dict[str, float] = {}
        for name in order:
            run = contenders[name]
            if sum(times[name]) > share and len(times[name]) >= 3 and name != first:
                continue
            _prepare(run, manner)
            start = clock()
            run()
            done[name] = clock() - start
            times[name].append(done[name])
        for name, seconds_ in done.items():
            ratios[name].append(seconds_ / done[first])
    return {name: Timing(min(own), statistics.median(ratios[name]), len(own)) for name, own in times.items()}


def _prepare(run: Callable[[], object], manner: str) -> None:
    if manner == "in a row":
        # At first, threads of the previous contender may still spin, and cores that slept are slow. Untimed runs take
        # until both is over.
        ready = time.perf_counter() + _WARM
        run()
        while time.perf_counter() < ready:
            run()
    elif manner == "after rest":
        time.sleep(_REST)


def machine() -> dict[str, str]:
    """Return processor, system, date and versions."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        processor = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor
        )
        flags = next((line for line in lines if line.startswith("flags")), "")
        processor += ", AVX-512" if "avx512f" in flags else ", AVX2" if "avx2" in flags else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        "processor": processor,
        "cores": str(cores),
        "system": platform.system(),
        "date": time.strftime("%Y-%m-%d"),
    }
    facts["python"] = platform.python_version()
    for name in _PACKAGES:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write(name: str, title: str, body: str, data: object) -> None:
    """Write a result as Markdown and as JSON, with the machine it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    where = machine()
    facts = "; ".join(
        f"{key} {value}" if key not in ("processor", "system") else value for key, value in where.items()
    )
    texts = {
        ".md": f"# {title}\n\n{facts}\n\n{body}",
        ".json": json.dumps({"machine": where, "data": data}, indent=1) + "\n",
    }
    for suffix, text in texts.items():
        path = RESULTS / (name + suffix)
        new = path.with_suffix(suffix + ".new")
        new.write_text(text)
        os.replace(new, path)
