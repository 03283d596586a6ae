"""Machine code is released: in memory with the last reference to it, and nobody runs code that is gone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import faltung as fa
from conftest import forget
from faltung.errors import ArgumentError
from faltung.ground.bounded import Bounded
from faltung.jit import compile as compiler
from faltung.jit import loader
from faltung.jit.compile import address, compile_function, compiled_once
from faltung.jit.target import host

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is listed in /proc")


def executable_bytes():
    """Bytes of executable memory that belongs to no file."""
    total = 0
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            fields = line.split()
            if "x" in fields[1] and len(fields) == 5:
                first, last = (int(edge, 16) for edge in fields[0].split("-"))
                total += last - first
    return total


def settle():
    """Forget all code that this process has loaded; return the executable bytes that are left."""
    constant(0)  # ctypes has executable memory of its own, which it keeps
    forget()
    compiler.forget_code()
    gc.collect()
    return executable_bytes()


def constant(value):
    """Return a function that returns a number."""
    return compile_function(f"define i32 @answer() {{\n  ret i32 {value}\n}}\n", "answer", [], host())


@linux_only
def test_a_function_owns_its_memory():
    before = settle()
    functions = [constant(value) for value in range(50)]
    assert [function() for function in functions] == [*range(50)]
    assert executable_bytes() >= before + 50 * 4096
    kept = functions.pop(7)
    functions.clear()
    gc.collect()
    assert executable_bytes() == before + 4096
    assert kept() == 7


@linux_only
def test_no_reference_cycle_keeps_a_function():
    before = settle()
    gc.disable()
    try:
        for value in range(20):
            assert constant(value)() == value
        assert executable_bytes() == before
    finally:
        gc.enable()


def test_what_llvm_loads_is_owned_too(monkeypatch):
    monkeypatch.setattr(loader, "_link", lambda *_: (_ for _ in ()).throw(loader._NotUnderstood))
    functions = [constant(value) for value in range(10)]
    assert [function() for function in functions] == [*range(10)]
    engine = weakref.ref(functions[3].code.owner)
    assert engine() is not None
    functions.clear()
    gc.collect()
    assert engine() is None


@linux_only
def test_hundreds_of_filters_do_not_pile_up(monkeypatch):
    before = settle()
    monkeypatch.setattr(compiler, "_functions", Bounded(1000, 40 * 4096))
    rng, highest = np.random.default_rng(3), 0
    x = rng.random((7, 40), dtype=np.float32)
    for number in range(200):
        pattern = [(number + 1) >> bit & 1 for bit in range(8)]
        assert fa.convolve(x, [pattern], "wrap").shape == x.shape
        if number % 20 == 19:
            forget()  # the programs that run them; what stays is the table of functions
            highest = max(highest, executable_bytes() - before)
    assert 0 < highest <= 60 * 4096
    compiler.forget_code()
    forget()
    gc.collect()
    assert executable_bytes() == before


# ---- whoever uses an address holds the function ------------------------------------------------------------

HELD = """
import gc
import numpy as np
import faltung as fa
from faltung.jit import compile as compiler
from faltung.run import kernel_run

rng = np.random.default_rng(0)
small, image = rng.random((40, 50), dtype="f4"), rng.random((500, 600), dtype="f4")
hole = np.where(image < 0.1, np.nan, image)
kernels = {
    "direct": fa.Kernel(rng.random((3, 3))),
    "separable": fa.gaussian(2.0),
    "running": fa.box(31),
    "fourier": fa.Kernel(rng.random((31, 33))),
}
runs = []
for method, kernel in kernels.items():
    for x in (small, image, image[::2, ::2], hole):
        runs.append((fa.plan(x, kernel, method=method, nan="ignore" if x is hole else "propagate"), x))
bank = fa.Bank.stack([fa.Kernel(rng.random((21, 23))) for _ in range(3)])
runs.append((fa.plan(image, bank, method="fourier"), image))
channels = rng.random((3, 40, 50), dtype="f4")
layer = fa.Bank(rng.random((4, 3, 3, 3)))
runs.append((fa.plan(channels, layer, channel_axis=0, method="direct"), channels))
masked = image > 0.2
runs.append((lambda x: fa.convolve(x, fa.sobel(), mask=masked), image))
runs.append((fa.plan(image[:300, :200], fa.gaussian(1.0)), image[:300, :200]))
wanted = [run(x) for run, x in runs]
for _ in range(3):
    compiler.forget_code()
    gc.collect()
    texts = [f"define i32 @f() {{\\n  ret i32 {k}\\n}}\\n" for k in range(30)]
    # Addresses are used again, by code that does something else.
    others = [compiler.compile_function(text, "f", [], compiler.Target("t", 16, 16)) for text in texts]
    for (run, x), expected in zip(runs, wanted):
        np.testing.assert_array_equal(run(x), expected)
print("done")
"""


def test_plans_hold_the_code_that_they_run(tmp_path):
    environment = os.environ | {"FALTUNG_CACHE": str(tmp_path / "objects")}
    done = subprocess.run([sys.executable, "-c", HELD], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


MADE_BY_THREADS = """
import gc
import numpy as np
import faltung as fa
from faltung.engines.calls import array_call

array_call._maker = array_call._maker.__wrapped__  # of threads that make it at once, each has one of its own
x = np.random.default_rng(0).random((30, 60), dtype=np.float32)
run = fa.plan(x, fa.gaussian(1.0))
wanted = [run(x) for _ in range(3)][0]
gc.collect()
others = [array_call._Method(b"no", 1, 0, None) for _ in range(10_000)]  # addresses are used again
for _ in range(3):
    np.testing.assert_array_equal(run(x), wanted)
print("done")
"""


def test_calls_hold_what_they_point_to_whichever_thread_made_it(tmp_path):
    environment = os.environ | {"FALTUNG_CACHE": str(tmp_path / "objects")}
    command = [sys.executable, "-c", MADE_BY_THREADS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_code_is_dropped_while_threads_compile_and_run():
    x = np.random.default_rng(0).random((30, 60), dtype=np.float32)
    kernels = [fa.Kernel(np.eye(2, 3 + k)) for k in range(6)] + [fa.gaussian(1.0), fa.box(5)]
    expected = [fa.convolve(x, kernel) for kernel in kernels]
    failures, stop = [], threading.Event()

    def use(first):
        try:
            for number in range(150):
                chosen = (first + number) % len(kernels)
                np.testing.assert_array_equal(fa.convolve(x, kernels[chosen]), expected[chosen])
        except BaseException as error:
            failures.append(error)

    def drop():
        while not stop.is_set():
            forget()
            compiler.forget_code()

    threads = [threading.Thread(target=use, args=(k,)) for k in range(4)]
    dropper = threading.Thread(target=drop)
    for thread in (*threads, dropper):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    dropper.join()
    assert not failures


# ---- compiled once -----------------------------------------------------------------------------------------


def test_functions_are_compiled_once_for_equal_arguments(monkeypatch):
    monkeypatch.setattr(compiler, "_functions", Bounded(1000, 3 * loader.mmap.PAGESIZE))
    made = []

    @compiled_once
    def make(value):
        made.append(value)
        return constant(value)

    assert [make(value)() for value in (1, 2, 1, 3, 1, 4, 1)] == [1, 2, 1, 3, 1, 4, 1]
    assert made == [1, 2, 3, 4]
    assert make(2)() == 2
    assert made == [1, 2, 3, 4, 2]  # it was the least recently used


# ---- what was emitted --------------------------------------------------------------------------------------


def test_emitted_code_is_written_where_that_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "objects"))
    for folder in ("first", "second"):  # compiled, and from the object cache
        monkeypatch.setenv("FALTUNG_DUMP", str(tmp_path / folder))
        settle() if sys.platform == "linux" else forget()
        fa.convolve(np.ones((20, 30), "f4"), [[1.0, 2.0, 3.0]])
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "second").iterdir())
    assert {name.partition("-")[0] for name in names} >= {"correlate", "gather"}
    assert {name.partition(".")[2] for name in names} == {"ll", "s"}
    for name in names:
        text = (tmp_path / "first" / name).read_text()
        assert text == (tmp_path / "second" / name).read_text()
        function = name.partition("-")[0]
        assert f"@{function}(" in text if name.endswith(".ll") else f"{function}:" in text


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv("FALTUNG_DUMP", str(tmp_path / "file"))
    with pytest.raises(ArgumentError, match=r"^FALTUNG_DUMP: expected a folder that can be written, got"):
        constant(123456)
    assert (tmp_path / "file").read_text() == "precious"


def test_an_address_is_where_the_function_begins():
    function = constant(5)
    assert address(function) == function.code.address
    assert function.code.bytes > 0
