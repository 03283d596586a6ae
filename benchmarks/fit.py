"""The exact filter between two images of 12 megapixels: time, memory, error, and what noise does to the risk.

python benchmarks/fit.py            # writes benchmarks/results/fit.{md,json}
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from faltung.learn import fit_filter
from measure import table, write

#: Images of 3000 x 4000 float32 in a fresh process; a spectrum that falls like 1/f, as that of photographs does, ends in
#: the noise of a sensor, since what is not there cannot be told from the images by anybody.
_ONE = """
import json, resource, sys, time
import numpy as np
from faltung.learn import fit_filter

kind, size, noise = {kind!r}, {size}, {noise}
rng = np.random.default_rng(0)
x = rng.standard_normal((3000, 4000), dtype=np.float32)
if kind == "photograph":
    frequency = np.hypot(np.fft.fftfreq(3000)[:, None], np.fft.rfftfreq(4000)).astype(np.float32)
    frequency[0, 0] = 1
    smooth = np.fft.irfft2(np.fft.rfft2(x) / frequency, s=x.shape).astype(np.float32)
    x = 128 + 40 * smooth / smooth.std() + x
    del smooth, frequency
taps = rng.normal(size=(size, size))
taps /= np.abs(taps).sum()
y = fa.convolve(x, taps)
if noise:
    y += noise * rng.standard_normal(x.shape, dtype=np.float32)
# Peak memory counts from here; the arrays that made the images are gone, and the peak is written back by the system.
open("/proc/self/clear_refs", "w").write("5")
seconds = []
for _ in range(3):
    start = time.perf_counter()
    kernel, report = fit_filter(x, y, size)
    seconds.append(time.perf_counter() - start)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
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
Time is that of the first call in a fresh process, which loads and compiles what it needs, and the median of three; memory is
the peak of the whole process, of which the two images are 92 MB. Error is the norm of the difference of the taps in units of
the norm of the true ones. The noise floor is the variance of what was added to the filtered image.
"""


def one(kind: str, size: int, noise: float) -> dict[str, float]:
    code = _ONE.format(kind=kind, size=size, noise=noise)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def oracle() -> float:
    """Largest difference from `numpy.linalg.lstsq` on the matrix of windows of a crop, in units of the largest tap."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 120, 130)).cumsum(axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(x, (15, 15)).reshape(-1, 225)[:, ::-1]
    expected = np.linalg.lstsq(windows, y[7:-7, 7:-7].ravel(), rcond=None)[0]
    found = fit_filter(x, y, 15, held_out=0)[0].taps.ravel()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main() -> None:
    rows, data = [], {"oracle": oracle()}
    print(f"largest difference from lstsq on a crop: {data['oracle']:.1g}", flush=True)
    for kind, size, noise in (
        ("white", 15, 0.0),
        ("photograph", 15, 0.0),
        ("photograph", 15, 2.0),
        ("photograph", 5, 0.0),
        ("photograph", 31, 0.0),
    ):
        found = one(kind, size, noise)
        data[f"{kind} {size} {noise}"] = found
        floor = "" if not noise else f"{found['risk'] / noise**2:.4f}"
        rows.append(
            [
                kind,
                f"{size} x {size}",
                f"{noise:g}",
                f"{found['first']:.2f} s",
                f"{found['seconds']:.2f} s",
                f"{found['peak']:.0f} MB",
                f"{found['error']:.1e}",
                floor,
                f"{found['condition']:.1e}",
            ]
        )
        print(" | ".join(rows[-1]), flush=True)
    header = ["image", "filter", "noise", "first call", "median", "peak", "error", "risk / noise floor", "condition"]
    crop = f"\nLargest difference from `numpy.linalg.lstsq` on a crop of 120 x 130: {data['oracle']:.1g} of the largest tap.\n"
    write("fit", "The filter between two images of 12 megapixels", table(header, rows) + crop + _NOTE, data)


if __name__ == "__main__":
    main()
