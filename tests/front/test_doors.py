"""Doors: a row of the table and a module are all that another kind of array needs."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest

import faltung as fa
from faltung import doors
from faltung.doors import DOORS, Door
from faltung.planning.question import Options

KERNEL = fa.Kernel([1.0, 2.0, 1.0])


class Lazy:
    """An array of a library that this package does not know."""


class Sorted(Lazy):
    """A subclass of it."""


@pytest.fixture
def calls(monkeypatch):
    """Add a row for the arrays of `lazylib`, and a module that notes how it is called."""
    noted = []
    library, module = types.ModuleType("lazylib"), types.ModuleType("lazy_front")
    library.Lazy = Lazy
    module.filter = lambda *arguments: noted.append(("filter", *arguments)) or "filtered"
    module.plan = lambda *arguments: noted.append(("plan", *arguments)) or "planned"
    monkeypatch.setitem(sys.modules, "lazylib", library)
    monkeypatch.setitem(sys.modules, "lazy_front", module)
    monkeypatch.setattr(doors, "DOORS", (*DOORS, Door("lazylib", "Lazy", "lazy_front")))
    return noted


@pytest.mark.parametrize("kind", [Lazy, Sorted])
def test_a_row_and_a_module_are_enough(calls, kind):
    x, mask, out = kind(), object(), object()
    assert fa.convolve(x, KERNEL, "wrap", stride=2, mask=mask, out=out, workers=3) == "filtered"
    assert fa.correlate(x, KERNEL) == "filtered"
    assert fa.plan(x, KERNEL, dtype="f8", effort="measure") == "planned"
    assert calls == [
        ("filter", x, KERNEL, Options(True, "wrap", stride=2, masked=True), out, mask, 3),
        ("filter", x, KERNEL, Options(False), None, None, None),
        ("plan", x, KERNEL, Options(True, dtype="f8"), "measure"),
    ]


def test_kernels_and_banks_go_through_the_same_doors(calls):
    x = Lazy()
    assert KERNEL(x) == fa.Bank.stack([KERNEL])(x) == "filtered"
    assert len(calls) == 2


@pytest.mark.parametrize(
    "x", [np.ones(4), [1.0, 2.0, 3.0], np.ones(4).view(np.ndarray)], ids=["array", "list", "view"]
)
def test_taps_of_a_kind_decide_if_the_array_is_of_none(calls, x):
    taps = Sorted()
    assert fa.convolve(x, taps) == "filtered"
    assert calls[0][1] is x
    assert calls[0][2] is taps


def test_the_kind_of_the_array_decides_before_that_of_the_kernel(calls, monkeypatch):
    other = types.ModuleType("otherlib")
    other.Array = type("Array", (), {})
    monkeypatch.setitem(sys.modules, "otherlib", other)
    monkeypatch.setitem(sys.modules, "other_front", types.SimpleNamespace(filter=lambda *_: "other"))
    rows = Door("otherlib", "Array", "other_front"), Door("lazylib", "Lazy", "lazy_front")
    for rows_in_order in (rows, rows[::-1]):
        monkeypatch.setattr(doors, "DOORS", rows_in_order)
        assert fa.convolve(other.Array(), Lazy()) == "other"
        assert fa.convolve(Lazy(), other.Array()) == "filtered"


def test_arrays_of_numpy_pass_no_other_door(calls):
    for x in (np.ones(5), np.ones(5).view(type("Subclass", (np.ndarray,), {})), [1.0, 2.0], 2.0 * np.arange(3)):
        np.testing.assert_array_equal(fa.convolve(x, KERNEL), fa.convolve(np.asarray(x).copy(), KERNEL))
    assert not calls


@pytest.mark.parametrize("library", [None, types.ModuleType("lazylib")], ids=["blocked", "half imported"])
def test_a_library_that_is_not_there_yet_has_no_arrays(calls, monkeypatch, library):
    monkeypatch.setitem(sys.modules, "lazylib", library)
    assert fa.convolve([1.0, 2.0], KERNEL).shape == (2,)
    assert not calls


def test_no_library_is_imported_for_its_door():
    libraries = sorted({door.library for door in DOORS})
    program = (
        "import sys, faltung as fa\n"
        "fa.convolve([1.0, 2.0], [1.0]); fa.plan((3, 4), fa.box(3)); fa.box(3)([[1, 2]])\n"
        f"print([name for name in {libraries} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.library)
def test_every_door_has_its_two_functions(door):
    pytest.importorskip(door.library)
    module = __import__(door.module, fromlist=["filter"])
    assert callable(module.filter)
    assert callable(module.plan)
    assert isinstance(getattr(sys.modules[door.library], door.type_name), type)
