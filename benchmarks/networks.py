"""Whole networks: converted, beside torch, and beside torch.compile; inference, a step of training, memory.

python benchmarks/networks.py                     # writes benchmarks/results/networks.{md,json}; about an hour
python benchmarks/networks.py --only ResNet,FCN   # networks whose name contains a word; writes nothing
python benchmarks/networks.py --quick             # batch 1, few rounds; writes nothing
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from shutil import which
from statistics import geometric_mean
from time import perf_counter

import torch
from torch import Tensor, nn

from architectures import Network, networks
from faltung.inspect import simplify
from faltung.layers import convert
from measure import Timing, table, time_in_turn, write

#: Largest difference of outputs, relative to the largest output.
_TOLERANCE = 1e-3
#: Rounds of small networks, whose single calls vary most.
_MOST_ROUNDS = 100
#: Examples of a batch: alone, and as many as keep two cores busy.
BATCHES = (1, 16)
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}

Run = Callable[[], Tensor]


@dataclass(frozen=True)
class Job:
    """A network, a number of examples, and whether it learns from them."""

    network: Network
    batch: int
    training: bool

    def __str__(self) -> str:
        """Return the job in a few words."""
        return f"{self.network.name}, {'training step' if self.training else 'inference'}, batch {self.batch}"


Made = Callable[[nn.Module, Tensor], nn.Module]


def variants(job: Job) -> Iterator[tuple[str, Made, torch.memory_format]]:
    """Yield each contender: its name, what is made of the network, and the memory format of network and input."""
    formats = FORMATS if len(job.network.example) == 3 else {"contiguous": torch.contiguous_format}
    for layout, memory_format in formats.items():
        yield f"faltung, {layout}", lambda model, x: _converted(job, model, x), memory_format
        if not job.training and job.network.normalised:
            yield f"simplified, {layout}", lambda model, x: _simplified(job, model, x), memory_format
        yield f"torch, {layout}", lambda model, x: model, memory_format
        if which("c++") or which("g++"):  # torch.compile calls a compiler
            yield f"torch.compile, {layout}", lambda model, x: torch.compile(model), memory_format


def _converted(job: Job, model: nn.Module, x: Tensor) -> nn.Module:
    """Convert a network with an example, so that the ways of its layers are measured."""
    with torch.set_grad_enabled(job.training):
        return convert(model, example=x)


def _simplified(job: Job, model: nn.Module, x: Tensor) -> nn.Module:
    """Fold batch norms into layers first, as one does with a network that learns no more."""
    model = simplify(model, x[:1]).model
    return _converted(job, model.to(memory_format=_format_of(x)), x)


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.ndim == 4 and x.stride(1) == 1 and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format


def contenders(job: Job) -> dict[str, Run]:
    """Return a call for each contender; all have the same weights and the same input."""
    torch.manual_seed(0)
    model = job.network.make().train(job.training)
    x = torch.randn(job.batch, *job.network.example)
    runs: dict[str, Run] = {}
    for name, made, memory_format in variants(job):
        given = x.contiguous(memory_format=memory_format)
        own = made(deepcopy(model).to(memory_format=memory_format), given)
        runs[name] = _step(own, given) if job.training else _inference(own, given)
    return runs


def _inference(model: nn.Module, x: Tensor) -> Run:
    def run() -> Tensor:
        with torch.inference_mode():
            return model(x)

    return run


def _step(model: nn.Module, x: Tensor) -> Run:
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def run() -> Tensor:
        optimiser.zero_grad()
        y = model(x)
        y.square().mean().backward()
        optimiser.step()
        return y.detach()

    return run


def check(job: Job, runs: dict[str, Run]) -> None:
    """Stop if a contender computes something else."""
    wanted = runs["torch, contiguous"]()
    for name, run in runs.items():
        error = float((run() - wanted).abs().max() / wanted.abs().max()) if name != "torch, contiguous" else 0.0
        if not error <= _TOLERANCE:
            raise SystemExit(f"{name} is off by {error:.2g} of the largest output: {job}")


def peak_megabytes(job: Job, name: str) -> float:
    """Return the peak of a process that runs one contender, above what the imports and the network take."""
    code = f"""
import sys; sys.path.insert(0, {str(sys.path[0])!r})
import networks
job = next(job for job in networks.jobs() if str(job) == {str(job)!r})
print(networks.grown(job, {name!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def grown(job: Job, name: str) -> float:
    """Return by how many megabytes the peak of this process grows with two calls of a contender."""
    keep = {made[0]: made for made in variants(job)}[name]
    torch.manual_seed(0)
    x = torch.randn(job.batch, *job.network.example).contiguous(memory_format=keep[2])
    model = keep[1](job.network.make().train(job.training).to(memory_format=keep[2]), x)
    run = _step(model, x) if job.training else _inference(model, x)
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # what was measured may have taken more than what is measured now
    before = _peak_kilobytes()
    run()
    run()
    return (_peak_kilobytes() - before) / 1024


def _peak_kilobytes() -> int:
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def jobs() -> Iterator[Job]:
    """Yield everything that is measured."""
    for network in networks():
        for batch in BATCHES:
            yield Job(network, batch, training=False)
        yield Job(network, 4, training=True)


HEADER = [
    "network",
    "faltung ms",
    "simplified ms",
    "torch ms",
    "torch.compile ms",
    "over torch",
    "over torch.compile",
    "simplified over torch.compile",
    "peak MB",
    "peak MB, torch",
]
#: Whose times are compared: layers converted, batch norms folded before, and torch without and with compiler.
LIBRARIES = ("faltung", "simplified", "torch", "torch.compile")


def best(timings: dict[str, Timing], library: str) -> tuple[float, str] | None:
    """Return the least seconds of a library, over memory formats, and which contender took them."""
    own = [(timing.best, name) for name, timing in timings.items() if name.split(",")[0] == library]
    return min(own, default=None)


def measure(job: Job, seconds: float, rounds: int, memory: bool) -> dict[str, object]:
    """Measure all contenders of a job in turn, and the memory of the fastest ones."""
    runs = contenders(job)
    if not job.training:
        check(job, runs)
    rounds = max(rounds, min(_MOST_ROUNDS, int(seconds / len(runs) / _once(runs["torch, contiguous"]))))
    timings = time_in_turn(runs, seconds, rounds, manner="in turn")
    fastest = {name: best(timings, name) for name in LIBRARIES}
    peaks = {
        name: peak_megabytes(job, found[1])
        for name, found in fastest.items()
        if memory and found and name in ("faltung", "torch")
    }
    return {
        "job": str(job),
        "seconds": {name: timing.best for name, timing in timings.items()},
        "fastest": {name: found and found[0] for name, found in fastest.items()},
        "peak_megabytes": peaks,
    }


def _once(run: Run) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def row(measured: dict[str, object]) -> list[str]:
    """Return the line of the table below `HEADER`."""
    fastest: dict[str, float | None] = measured["fastest"]  # type: ignore[assignment]
    peaks: dict[str, float] = measured["peak_megabytes"]  # type: ignore[assignment]
    pairs = [("torch", "faltung"), ("torch.compile", "faltung"), ("torch.compile", "simplified")]
    times = [(fastest.get(theirs), fastest.get(ours)) for theirs, ours in pairs]
    return [
        str(measured["job"]),
        *("" if fastest.get(name) is None else f"{fastest[name] * 1e3:.1f}" for name in LIBRARIES),  # type: ignore[operator]
        *("" if theirs is None or ours is None else f"{theirs / ours:.2f}" for theirs, ours in times),
        *(f"{peaks[name]:.0f}" if name in peaks else "" for name in ("faltung", "torch")),
    ]


_NOTE = """
Milliseconds, the best of several calls in turn in one process, float32, each library in its better memory format.
*over torch*: torch's time over ours. Weights are random; outputs of all contenders agree to 1e-3 of the largest.
Ours are converted with the input as example, so the ways of its layers are measured before; that is not timed.
*simplified*: `fa.inspect.simplify` folds batch norms into layers first, where a network has some and learns no more.
*peak MB*: what two calls add to the peak of a process of their own. Without a C++ compiler there is no torch.compile.
"""


def report(found: list[dict[str, object]]) -> str:
    """Return the table and the geometric means."""
    ratios = [float(line[HEADER.index("over torch")]) for line in map(row, found)]
    mean = f"\nOver torch: {geometric_mean(ratios):.2f} in geometric mean, least {min(ratios):.2f}.\n"
    return table(HEADER, map(row, found)) + mean + _NOTE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="words of names of networks, separated by commas")
    parser.add_argument("--quick", action="store_true", help="batch 1, few rounds; nothing is written")
    arguments = parser.parse_args()
    words = arguments.only.split(",")
    chosen = [
        job
        for job in jobs()
        if any(word in job.network.name for word in words) and not (arguments.quick and job.batch > 1)
    ]
    if not chosen:
        parser.error("no network has such a name")
    print(" | ".join(HEADER))
    found = []
    for job in chosen:
        found.append(measure(job, *((1.0, 3) if arguments.quick else (20.0, 9)), memory=not arguments.quick))
        print(" | ".join(row(found[-1])), flush=True)
    if not (arguments.quick or arguments.only):
        write("networks", "Whole networks", report(found), found)


if __name__ == "__main__":
    main()
