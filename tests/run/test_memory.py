"""Memory: beyond the output a call takes a fixed amount for each worker, whatever the size of the array."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
import sys
import numpy as np
import faltung as fa

def peak():
    # Not resource.getrusage: its peak starts at that of the process that started this one.
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

shape, dtype, result, kind = eval(sys.argv[1])
dense = fa.Kernel(np.random.default_rng(0).standard_normal((5, 5)))
kernel = {"dense": dense, "imaginary": 1j * dense, "gaussian": fa.gaussian(3.0)}[kind]
x, out = np.ones(shape, dtype), np.ones(shape, result)
before = peak()
assert before > (x.nbytes + out.nbytes) / 2**20
fa.convolve(x, kernel, out=out, workers=2)
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak where Linux keeps it")
@pytest.mark.parametrize(
    ("shape", "dtype", "result", "kind"),
    [
        ((4000, 5000), "f4", "f4", "dense"),
        ((4000, 5000), "f4", "f4", "gaussian"),
        ((6000, 7000), "u1", "u1", "dense"),
        ((5000, 6000), "f2", "f2", "dense"),
        ((3000, 4000), "f4", "c8", "imaginary"),
        ((9_000_000, 2), "f4", "f4", "dense"),
    ],
)
def test_memory_beyond_the_output(shape, dtype, result, kind):
    arguments = [sys.executable, "-c", MEASURE, repr((shape, dtype, result, kind))]
    for _ in range(2):  # the second process need not load the compiler, which takes more memory than any of this
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 32
