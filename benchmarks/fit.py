"""The exact filter between two images of 12 megapixels: time, memory, error, and risk with noise.

python benchmarks/fit.py            # writes benchmarks/results/fit.{md,json}
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import faltung as fa
from faltung.learn import fit_filter
from measure import table, write

_SHAPE = (3000, 4000)

_ONE = """
import json, time
import numpy as np
from faltung.learn import fit_filter
x, y, taps = (np.load({folder!r} + name) for name in ("/x.npy", "/y.npy", "/taps.npy"))
seconds = []
for _ in range(3):
    start = time.perf_counter()
    kernel, report = fit_filter(x, y, len(taps))
    seconds.append(time.perf_counter() - start)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # the peak of this process alone
print(json.dumps({{
    "first": seconds[0],
    "seconds": sorted(seconds)[1],
    "peak": int(status["VmHWM"].split()[0]) / 1024,
    "error": float(np.linalg.norm(kernel.taps - taps) / np.linalg.norm(taps)),
    "risk": report.held_out_risk,
    "interval": report.held_out_interval,
    "condition": report.condition,
}}))
"""

_NOTE = """
Time is that of the first call in a new process, which loads and compiles, and the median of three. Memory is the peak
of the whole process, of which the two images of float32 are 92 MB. Error is the norm of the difference of the taps
over the norm of the true taps. The noise floor is the variance of the noise that was added to the filtered image. A
spectrum that falls like 1/f, with a little white noise, is that of photographs.
"""


def image(kind: str, rng: np.random.Generator) -> NDArray[np.float32]:
    white = rng.standard_normal(_SHAPE, dtype=np.float32)
    if kind == "white":
        return white
    frequency = np.hypot(np.fft.fftfreq(_SHAPE[0])[:, np.newaxis], np.fft.rfftfreq(_SHAPE[1]))
    frequency[0, 0] = 1.0
    smooth = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(_SHAPE)) / frequency, s=_SHAPE)
    return (128 + 40 * smooth / smooth.std() + white).astype(np.float32)


def one(kind: str, size: int, noise: float) -> dict[str, float]:
    """Fit a random filter between two images in a separate process."""
    rng = np.random.default_rng(0)
    x, taps = image(kind, rng), rng.normal(size=(size, size))
    y = fa.convolve(x, taps / np.abs(taps).sum())
    y += noise * rng.standard_normal(_SHAPE, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("x", x), ("y", y), ("taps", taps / np.abs(taps).sum())):
            np.save(Path(folder, name), array)
        code = _ONE.format(folder=folder)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def oracle() -> float:
    """Return the largest difference from `numpy.linalg.lstsq` on a matrix of windows, over the largest tap."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 120, 130)).cumsum(axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(x, (15, 15)).reshape(-1, 225)[:, ::-1]
    expected = np.linalg.lstsq(windows, y[7:-7, 7:-7].ravel(), rcond=None)[0]
    taps = fit_filter(x, y, 15, held_out=0)[0].taps.ravel()
    return float(np.abs(taps - expected).max() / np.abs(expected).max())


def main() -> None:
    rows, data = [], {"difference from lstsq": oracle()}
    crop = (
        f"\nDifference from `numpy.linalg.lstsq` on a crop: {data['difference from lstsq']:.1g} of the largest tap.\n"
    )
    print(crop, flush=True)
    for kind, size, noise in (
        ("white", 15, 0.0),
        ("1/f", 15, 0.0),
        ("1/f", 15, 2.0),
        ("1/f", 5, 0.0),
        ("1/f", 31, 0.0),
    ):
        figures = one(kind, size, noise)
        data[f"{kind}, {size} x {size}, noise {noise:g}"] = figures
        row = [
            kind,
            f"{size} x {size}",
            f"{noise:g}",
            f"{figures['first']:.2f} s",
            f"{figures['seconds']:.2f} s",
            f"{figures['peak']:.0f} MB",
            f"{figures['error']:.1e}",
            f"{figures['risk'] / noise**2:.4f}" if noise else "",
            f"{figures['condition']:.1e}",
        ]
        rows.append(row)
        print(" | ".join(row), flush=True)
    header = [
        "spectrum",
        "filter",
        "noise",
        "first call",
        "median",
        "peak",
        "error",
        "risk / noise floor",
        "condition",
    ]
    write("fit", "The filter between two images of 12 megapixels", table(header, rows) + crop + _NOTE, data)


if __name__ == "__main__":
    main()
