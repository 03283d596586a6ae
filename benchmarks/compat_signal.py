"""How fast are the functions of scipy.signal on this operator? Each cell beside SciPy's own, in turn, in one process.

Run it with ``python benchmarks/compat_signal.py``; it takes about two minutes. With ``--cpu``, both use one thread,
and the times are those of the processor, for a machine that other programs use as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from statistics import geometric_mean
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
from numpy.typing import NDArray

import faltung as fa
from faltung.compat import signal
from measure import table, time_in_turn, write


class Cell(NamedTuple):
    """A call: the name of the function, what it is about, and the arguments; `peer` is another function of SciPy."""

    name: str
    about: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any] = {}  # noqa: RUF012
    peer: str = ""


_RNG = np.random.default_rng(0)
#: Fractions of `resample_poly`, from simple ones to those between the rates of audio.
_RATES = ((2, 1), (1, 2), (3, 2), (2, 3), (4, 1), (1, 4), (64, 63), (160, 147), (147, 160), (441, 320))


def _normal(*shape: int, dtype: str = "f8") -> NDArray[Any]:
    numbers = _RNG.normal(size=shape)
    return (numbers + 1j * _RNG.normal(size=shape) if dtype[0] == "c" else numbers).astype(dtype)


def cells() -> Iterator[Cell]:
    """Return all cells."""
    samples = {dtype: _normal(1_000_000, dtype=dtype) for dtype in ("f4", "f8", "c8")}
    taps, one, state = _normal(257, dtype="f4"), np.float32(1), np.zeros(256, "c8")
    short, few = _normal(100), _normal(5)
    yield Cell("lfilter", "257 taps, 1e6 complex64", (taps, one, samples["c8"]))
    yield Cell("lfilter", "257 taps, 1e6 complex64, beside oaconvolve", (taps, one, samples["c8"]), {}, "oaconvolve")
    yield Cell("lfilter", "257 taps, 1e6 complex64, zi", (taps, one, samples["c8"]), {"zi": state})
    yield Cell("lfilter", "5 taps, 100 float64, zi", (few, 1.0, short), {"zi": np.zeros(4)})
    yield Cell("filtfilt", "101 taps, 1e6 float64", (_normal(101), 1.0, samples["f8"]))
    yield Cell("oaconvolve", "1001 taps, 1e6 float32", (samples["f4"], _normal(1001, dtype="f4")))
    yield Cell("convolve", "5 taps, 100 float64", (short, few))
    for dtype, name in (("f4", "float32"), ("f8", "float64")):
        for up, down in _RATES:
            yield Cell("resample_poly", f"{up}/{down}, 1e6 {name}", (samples[dtype], up, down))
    yield Cell("resample_poly", "3/2, 1e6 complex64", (samples["c8"], 3, 2))
    yield Cell("resample_poly", "3/2, axis 0 of 1000 x 1000 float64", (samples["f8"].reshape(1000, 1000), 3, 2))
    yield Cell("resample_poly", "3/2, 100 float64", (short, 3, 2))
    yield Cell("upfirdn", "257 taps, 4/3, 1e6 float32", (taps, samples["f4"], 4, 3))
    yield Cell("upfirdn", "33 taps, 4/3, line, 1e6 float32", (taps[:33], samples["f4"], 4, 3), {"mode": "line"})
    yield Cell("upfirdn", "5 taps, 2/3, 100 float64", (few, short, 2, 3))
    yield Cell("decimate", "by 8, 1e6 float64", (samples["f8"], 8), {"ftype": "fir"})
    yield Cell("savgol_filter", "31 samples, 1e6 float64", (samples["f8"], 31, 3))
    yield Cell("savgol_filter", "9 samples, 100 float64", (short, 9, 3))
    image, pixels = _normal(1024, 1024), _RNG.integers(0, 256, (1024, 1024))
    yield Cell("convolve2d", "5 x 5, symm, 1024 x 1024 float64", (image, _normal(5, 5), "same", "symm"))
    yield Cell("convolve2d", "5 x 5, 1024 x 1024 uint8", (pixels.astype("u1"), pixels[:5, :5].astype("u1"), "same"))
    yield Cell("convolve2d", "5 x 5, symm, 64 x 64 float64", (image[:64, :64], _normal(5, 5), "same", "symm"))
    yield Cell("convolve", "5 x 5, 1024 x 1024 int64", (pixels, pixels[:5, :5], "same"))
    yield Cell("sepfir2d", "9 taps, 1024 x 1024 float64", (image, _normal(9), _normal(9)))
    yield Cell("fftconvolve", "31 x 31, 1024 x 1024 float64", (image, _normal(31, 31), "same"))
    yield Cell("fftconvolve", "64 rows of 4096, each with 65 taps", (_normal(64, 4096), _normal(64, 65)), {"axes": 1})
    yield Cell("correlate", "template 64 x 64, 1024 x 1024 float64", (image, _normal(64, 64), "same"))
    yield Cell("correlate", "512 x 512 with 512 x 512 float64", (image[:512, :512], image[512:, 512:], "same"))
    yield Cell("fftconvolve", "10,000 with new 10,000 float64", (_normal(10_000), _normal(10_000)))
    yield Cell("fftconvolve", "100 with new 5 float64", (short, few))


def calls(cell: Cell) -> dict[str, Callable[[], Any]]:
    """Return the call of our function, and that of the peer's."""
    peer = getattr(scipy.signal, cell.peer or cell.name)
    theirs = (cell.arguments[2], cell.arguments[0]) if cell.peer else cell.arguments
    ours = getattr(signal, cell.name)
    if "with new" not in cell.about:
        return {
            "faltung": lambda: ours(*cell.arguments, **cell.keywords),
            "SciPy": lambda: peer(*theirs, **cell.keywords),
        }
    x, taps = cell.arguments

    def new() -> NDArray[Any]:
        return taps + _RNG.random()  # no plan is kept for these taps

    return {"faltung": lambda: ours(x, new()), "SciPy": lambda: peer(x, new())}


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cells whose name contains this text")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each cell")
    parser.add_argument("--cpu", action="store_true", help="time of the processor, with one thread")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/compat_signal.md")
    arguments = parser.parse_args()
    rows, data = [], []
    with fa.workers(1) if arguments.cpu else nullcontext():
        for cell in cells():
            label = f"{cell.name}, {cell.about}"
            if arguments.only not in label:
                continue
            clock = time.process_time if arguments.cpu else time.perf_counter
            ours, theirs = time_in_turn(calls(cell), arguments.seconds, clock=clock).values()
            row = [cell.name, cell.about, f"{1e3 * ours.best:.3g}", f"{1e3 * theirs.best:.3g}", f"{theirs.ratio:.2f}"]
            print(*row, flush=True)
            rows.append(row)
            data.append({"cell": label, "seconds": ours.best, "scipy": theirs.best, "ratio": theirs.ratio})
    if arguments.write:
        kind = "Time of the processor, with one thread each" if arguments.cpu else "Time, with all cores"
        mean = geometric_mean(row["ratio"] for row in data)
        slower = ", ".join(f"{row['cell']} ({row['ratio']:.2f})" for row in data if row["ratio"] < 1)
        body = (
            f"{kind}. *ratio*: time of SciPy's own function over ours, the median over rounds in which both ran in"
            f" random order; geometric mean {mean:.2f}. SciPy is faster in: {slower or 'none'}.\n\n"
        )
        body += table(["function", "call", "faltung ms", "SciPy ms", "ratio"], rows)
        write("compat_signal", "scipy.signal on this operator", body, data)


if __name__ == "__main__":
    main()
