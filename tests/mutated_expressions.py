"""Mutated expressions: each is a kernel that is planned and applied, or is refused in one sentence; soon, in bounds.

`python tests/mutated_expressions.py 30000 --seed 7` reads, plans and applies as many texts in one process, under a
limit of memory, and names those that end in a traceback or take too long; the test suite runs some of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from faltung.cli.main import app
from faltung.errors import FaltungError
from faltung.kernels import parse

SECONDS, MEGABYTES = 2.0, 500  # for one text; the time of the processor, so that a busy machine does not count
LONGEST = 1000  # characters of a message

SEEDS = (
    "gaussian(2)",
    "2 * delta() - gaussian(2)",
    "gaussian(1.5, ndim=1) * box(9, ndim=1)",
    "(disk(4) - box(9)) ** 8",
    "gabor(0.2, 0.8).real * sobel(axis=1)",
    "gabor(frequency=0.1, angle=1).imag ** 3",
    "disk(20) * disk(20)",
    "[[0, 1, 0], [1, -4, 1], [0, 1, 0]] / 4",
    "kernel([1, 2, 1], origin=0).flip()",
    "unsharp(1.5) + log(2) - dog(1, 2)",
    "binomial(6) * motion(9, 0.5)",
    "savgol(11, 2, deriv=1)",
    "lowpass(0.1, 31, window='hann') * hilbert(7)",
    "least_squares_fir(((0, 0.1), (0.2, 0.5)), (1, 0), 19)",
    "(prewitt(0) + 1j * scharr(1)).squared()",
    "gaussian_derivative(3, 1, axis=0).conj()",
    "bandpass(0.1, 0.2, 21) - bandstop(0.1, 0.2, 21)",
    "laplacian(ndim=3)",
)
NUMBERS = (
    *("0", "1", "-1", "2", "0.5", "3", "7", "40", "64", "65", "99", "500", "700", "1025", "5000", "1000000"),
    *("10**9", "2147483648", "9" * 30, "1e-300", "1e300", "1e999", "1e-9", "0.1j", "1j", "pi", "True", "nan", "inf"),
    *("2**53", "4194304", "1e6", "32", "33", "(1, 2)", "(3, 700)", "[1, 2]", "'hann'", "'" + "x" * 99 + "'"),
)
PAIRS = (("(", ")"), ("-", ""), ("1j * (delta() + ", ")"), ("(", ").real"), ("[", "]"), ("(2 * ", ").squared()"))
JUNK = (
    "\u00b2",
    "\u0663",
    "\U0001f600",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "**",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "=",
    "__import__",
    "lambda",
)
TOKENS = re.compile(r"[A-Za-z_]+|[\d.]+(?:e[+-]?\d+)?|\*\*|'\w*'|\s+|.", re.DOTALL)


def mutated(rng: np.random.Generator) -> str:
    """Return a text that is made of a few expressions, by some mistakes or exaggerations."""
    text = SEEDS[rng.integers(len(SEEDS))]
    for _ in range(int(rng.choice([1, 1, 2, 3, 6]))):
        text = CHANGES[rng.integers(len(CHANGES))](rng, text)[:9000]
    return text[: int(rng.choice([4096, 4200]))]


def _number(rng, text):
    places = [*re.finditer(r"\d+\.?\d*", text)]
    if not places:
        return text
    place = places[rng.integers(len(places))]
    return text[: place.start()] + NUMBERS[rng.integers(len(NUMBERS))] + text[place.end() :]


def _token(rng, text):
    tokens = TOKENS.findall(text)
    if not tokens:
        return text
    at, other = rng.integers(len(tokens), size=2)
    match rng.integers(4):
        case 0:
            del tokens[at]
        case 1:
            tokens[at] *= 2
        case 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case 3:
            tokens.insert(at, JUNK[rng.integers(len(JUNK))])
    return "".join(tokens)


def _joined(rng, text):
    return f"({text}) {rng.choice(['+', '-', '*', '*', '/', '**'])} ({SEEDS[rng.integers(len(SEEDS))]})"


def _power(rng, text):
    return f"({text}) ** {rng.choice(['2', '5', '16', '64', '10**9', '-1', '0.5', '2 ** 64', '0'])}"


def _repeated(rng, text):
    return str(rng.choice([" * ", " + ", " - ", "*", "+"])).join([text] * int(rng.choice([2, 5, 30, 300])))


def _nested(rng, text):
    before, after = PAIRS[rng.integers(len(PAIRS))]
    count = int(rng.choice([1, 3, 12, 38, 60]))
    return before * count + text + after * count


def _argument(rng, text):
    name = rng.choice(["ndim", "axis", "truncate", "sigma", "order", "origin", "window", "size", "x"])
    return text.replace(")", f", {name}={NUMBERS[rng.integers(len(NUMBERS))]})", 1)


CHANGES = (_number, _number, _number, _token, _token, _joined, _power, _repeated, _nested, _argument)


class Watch:
    """Reads, plans and applies texts, and says what went wrong with one."""

    def __init__(self, folder: Path, most_seconds: float = SECONDS) -> None:
        self.most_seconds = most_seconds
        self.arrays = {}
        for ndim, shape in ((1, (40,)), (2, (24, 20)), (3, (5, 8, 7))):
            self.arrays[ndim] = folder / f"{ndim}.npy"
            np.save(self.arrays[ndim], np.random.default_rng(ndim).random(shape, dtype=np.float32))
        self.target = folder / "out.npy"

    def __call__(self, text: str) -> str:
        """Return what is wrong, or an empty string."""
        error, self.seconds = "", 0.0
        try:
            self._do(text)
        except (FaltungError, OSError) as refusal:
            if len(str(refusal)) > LONGEST:
                error = f"a message of {len(str(refusal))} characters"
        except BaseException:  # whatever else it is, a user would see a traceback
            error = traceback.format_exc()[-1500:]
        return error or (f"{self.seconds:.1f} s" if self.seconds > self.most_seconds else "")

    def _do(self, text: str) -> None:
        began = time.process_time()
        kernel = parse(text)
        array = self.arrays.get(kernel.ndim)
        shape = "24x20" if array is None else "x".join(map(str, np.load(array).shape))
        commands = [["plan", "--shape", shape, "-k", text]]
        if array is not None:
            whole = ["--dtype", "complex64"] if kernel.dtype.kind == "c" else []
            commands.append(["apply", str(array), "-k", text, "-o", str(self.target), "--overwrite", *whole])
        self.seconds = time.process_time() - began
        for command in commands:
            began, printed = time.process_time(), io.StringIO()
            try:
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    app(command, standalone_mode=False)
            finally:
                self.seconds = max(self.seconds, time.process_time() - began)


def attack(count: int, seed: int) -> int:
    """Watch as many texts; print and count those with which something is wrong."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(Path(folder))
        watch(SEEDS[0])
        _limit_memory(4 * MEGABYTES)
        for number in range(count):
            text = mutated(np.random.default_rng([seed, number]))
            signal.alarm(60)
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            before = _kilobytes("VmRSS")
            wrong = watch(text)
            signal.alarm(0)
            grown = (_kilobytes("VmHWM") - before) >> 10
            if grown > MEGABYTES:
                wrong = wrong or f"{grown} MB"
            if wrong:
                failed += 1
                print(f"seed {seed} text {number}: {text!r:.600}\n  {wrong}\n", flush=True)
    return failed


def _kilobytes(name: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def _limit_memory(megabytes: int) -> None:
    """Let allocations fail that are beyond what the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _too_long(*_: object) -> None:
    raise TimeoutError("60 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_long)
    failed = attack(arguments.count, arguments.seed)
    print(f"{arguments.count} texts, {failed} of them with something wrong")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
