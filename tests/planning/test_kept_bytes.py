"""What a plan keeps in memory from call to call is at most what it says, so that caches can be bounded by it."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import faltung as fa
from faltung.planning import kept

rng = np.random.default_rng(8)

#: Shape, dtype, taps and other arguments.
CASES = {
    "small": ((64, 64), "f4", rng.random((3, 3)), {}),
    "few taps": ((500, 400), "f4", rng.random((7, 7)), {}),
    "bytes": ((200, 300), "u1", rng.random((9, 9)), {"dtype": "u1"}),
    "Fourier": ((300, 400), "f4", rng.random((101, 101)), {}),
    "Fourier, double": ((300, 400), "f8", rng.random((61, 61)), {"method": "fourier"}),
    "large": ((128, 128), "f8", rng.random((301, 301)), {}),
    "direct": ((64, 64), "f4", rng.random((101, 101)), {"method": "direct"}),
    "outer products": ((300, 300), "f4", fa.gaussian(9.0), {}),
    "passes": ((300, 300), "f8", fa.gaussian(3.0) * fa.box(9), {}),
    "complex": ((200, 200), "c8", rng.random((15, 15)) + 1j, {}),
    "missing": ((200, 200), "f4", rng.random((15, 15)), {"nan": "ignore"}),
    "signal": ((20_000,), "f8", rng.random(301), {}),
    "volume": ((20, 30, 40), "f4", rng.random((5, 5, 5)), {}),
    "bank": ((200, 200), "f4", fa.Bank(rng.random((5, 1, 31, 31))), {}),
    "bank, apart": ((64, 64), "f4", fa.Bank(rng.random((9, 1, 3, 3))), {"method": "apart"}),
    "channels": ((6, 80, 90), "f4", fa.Bank(rng.random((8, 6, 5, 5))), {"channel_axis": 0}),
    "channels, Fourier": ((3, 80, 90), "f4", fa.Bank(rng.random((4, 3, 41, 41))), {"channel_axis": 0}),
    "dilated": ((200, 200), "f4", rng.random((9, 9)), {"dilation": 3, "stride": 2}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_plan_keeps_no_more_than_it_says(case):
    shape, dtype, taps, named = case
    x = (100 * rng.random(shape)).astype(dtype)
    views = [x, np.repeat(x, 2, -1)[..., ::2]]

    def used(kernel):
        plan = fa.plan(shape, kernel, **{"dtype": dtype, **named} if "dtype" not in named else named)
        for view in views * 2:
            plan(view.astype(plan.problem.dtype, copy=False))
        return plan

    used(2 * taps)  # what belongs to no plan alone: code, and tables for all kernels of a size
    kept.forget()
    gc.collect()
    tracemalloc.start()
    try:
        plan = used(3 * taps)
        stated = plan.kept_bytes
        gc.collect()  # what planning and running left behind is kept by nobody
        before = tracemalloc.get_traced_memory()[0]
        del plan
        kept.forget()
        gc.collect()
        held = before - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0 < held <= stated + 20_000  # the question, and the keys
