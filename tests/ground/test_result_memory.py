"""Memory of results that are gone is used again; that of a result that anybody still has is not."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from faltung.ground import result_memory
from faltung.ground.result_memory import empty

SINGLE = np.dtype("f4")
rng = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _little(monkeypatch):
    """Make results of 16 kB large, and keep sixteen of them."""
    monkeypatch.setattr(result_memory, "LARGE", 1 << 14)
    monkeypatch.setattr(result_memory, "MOST", 1 << 18)
    monkeypatch.setattr(result_memory, "_kept", {})


def kept_bytes():
    return sum(memory.size - result_memory._PAGE for memory in result_memory._kept.values())


@pytest.mark.parametrize("dtype", ["f4", ">f8", "u1", "c8", "f2"])
@pytest.mark.parametrize("shape", [(), (0, 5), (7,), (100, 200, 3), (1, 1 << 15)])
def test_an_array_is_like_one_of_numpy(shape, dtype):
    made, expected = empty(shape, np.dtype(dtype)), np.empty(shape, dtype)
    assert type(made) is np.ndarray
    assert (made.shape, made.dtype, made.strides) == (expected.shape, expected.dtype, expected.strides)
    assert made.flags.writeable
    assert made.flags.c_contiguous
    assert made.flags.aligned
    made[...] = 1
    assert made.sum() == made.size


def test_memory_is_used_again_when_the_array_is_gone():
    one = empty((100, 200), SINGLE)
    place = one.ctypes.data
    assert place % result_memory._PAGE == 0
    del one
    assert empty((100, 190), SINGLE).ctypes.data == place  # a little less is enough
    assert len(result_memory._kept) == 1
    other = empty((10, 500), SINGLE)
    assert len(result_memory._kept) == 1  # a quarter would waste much
    assert not np.shares_memory(other, np.asarray(*result_memory._kept.values()))


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x[5:, ::3],
        lambda x: x.T,
        memoryview,
        lambda x: x.view("u1"),
        lambda x: np.frombuffer(x, "f4", 10),
    ],
)
def test_whatever_sees_an_array_keeps_its_memory(hold):
    one = empty((100, 200), SINGLE)
    one[...] = 7
    seen = hold(one)
    before = np.array(seen)
    del one
    gc.collect()
    others = [empty((100, 200), SINGLE) for _ in range(5)]
    for other in others:
        other[...] = 9
    assert not result_memory._kept
    assert_array_equal(np.array(seen), before)
    del seen
    gc.collect()
    assert len(result_memory._kept) == 1


def test_arrays_that_live_together_share_nothing():
    alive = []
    for number in range(40):
        alive.append(empty((100, 200), SINGLE))
        alive[-1][...] = number
        if number % 3 == 0:
            alive.pop(int(rng.integers(len(alive))))
    values = [int(array[0, 0]) for array in alive]
    assert len({*values}) == len(alive)
    for value, array in zip(values, alive, strict=True):
        assert (array == value).all()


def test_little_is_kept():
    for size in rng.integers(1 << 12, 1 << 16, 200):
        arrays = [empty((int(size) + k,), SINGLE) for k in range(3)]
        del arrays
        assert kept_bytes() <= result_memory.MOST
    assert result_memory._kept


def test_what_is_larger_than_everything_that_is_kept_is_given_back():
    one = empty((1 << 17,), SINGLE)
    assert one.nbytes > result_memory.MOST
    del one
    assert not result_memory._kept


def test_an_array_in_a_cycle():
    cycle = [empty((100, 200), SINGLE)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert len(result_memory._kept) == 1


def test_many_threads():
    def again_and_again(number):
        for _ in range(300):
            arrays = [empty((100, 200), SINGLE) for _ in range(2)]
            for place, array in enumerate(arrays):
                array[...] = 2 * number + place
            for place, array in enumerate(arrays):
                if not (array == 2 * number + place).all():
                    return False
            del arrays, array
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(again_and_again, range(4)))
    assert kept_bytes() <= result_memory.MOST + 4 * 80_000  # each thread may just have returned one


def test_results_of_calls_do_not_depend_on_what_was_there():
    x = rng.standard_normal((100, 200)).astype("f4")
    kernel = fa.gaussian(1.0)
    expected = fa.convolve(x, kernel, out=np.full_like(x, np.nan))
    kept = []
    for _ in range(5):
        found = fa.convolve(x, kernel)
        assert_array_equal(found, expected)
        kept.append(found[::7])
        found[...] = np.nan if len(kept) % 2 else 3
        del found
    for number, rows in enumerate(kept, 1):
        assert_array_equal(rows, np.full_like(rows, np.nan if number % 2 else 3))
    again = fa.convolve(fa.convolve(x, kernel), kernel)
    assert_array_equal(again, fa.convolve(expected.copy(), kernel))


PROGRAM = """
import os, sys
import numpy as np
import faltung as fa

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024

x, kernel = np.ones((3000, 3000), "f4"), fa.gaussian(1.0)
fa.convolve(x, kernel)
before = status("VmHWM")
for size in (3000, 2950, 3000, 2900, 2600, 3000) * 4:
    fa.convolve(x[:size].copy(), kernel)
print(int(status("VmHWM") - before))
kept = fa.convolve(x, kernel)
kept[...] = 5
child = os.fork()
if not child:
    other = fa.convolve(x, kernel)
    other[...] = 7
    os._exit(0 if (kept == 5).all() else 1)
print(os.waitpid(child, 0)[1], (kept == 5).all())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak where Linux keeps it")
def test_a_process_stays_small_and_may_fork():
    environment = {**os.environ, "FALTUNG_WORKERS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, env=environment, check=True
    )
    more, *rest = done.stdout.split()
    # Beyond what is kept there are an array and its result at a time.
    assert int(more) < (1 << 8) + 2 * 35 + 20
    assert rest == ["0", "True"]
