"""Where samples lie does not matter: layouts, batches, byte orders, threads, and results put into any array."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from faltung.engines.catalogue import ENGINES
from samples import MODES, assert_same_bits, by_scipy, complex_normal, misplaced, noise, normal

# ---- large arrays in every layout --------------------------------------------------------------------------

LARGE = {
    "image": (normal((700, 900)), normal((5, 4)), (0, 1)),
    "doubles": (normal((500, 600), "f8"), normal((3, 3)), (0, 1)),
    "volume": (normal((40, 50, 60)), normal((3, 4, 5)), (0, 1, 2)),
    "signal": (normal(300_000), normal(31), (0,)),
    "batch": (normal((200, 30, 30)), normal((3, 3)), (1, 2)),
    "middle axis": (normal((30, 200, 30)), normal(7), (1,)),
    "axes swapped": (normal((300, 500)), normal((3, 6)), (1, 0)),
    "channels last": (normal((300, 400, 3)), normal((5, 5)), (0, 1)),
    "columns of a table": (normal((5000, 7)), normal(9), (0,)),
    "columns of a wide table": (normal((500, 70)), normal(9), (0,)),
    "Fortran order": (np.asfortranarray(normal((400, 500))), normal((3, 5)), (0, 1)),
    "turned round": (normal((400, 500))[::-1, ::-1], normal((3, 5)), (0, 1)),
    "upside down": (normal((400, 500))[::-1], normal((3, 5)), (0, 1)),
    "every other sample": (normal((800, 1000))[::2, ::2], normal((3, 5)), (0, 1)),
    "one channel": (normal((400, 500, 3))[..., 1], normal((3, 5)), (0, 1)),
    "one row again and again": (np.broadcast_to(normal(500), (400, 500)), normal((3, 5)), (0, 1)),
    "unaligned": (misplaced(normal((400, 500))), normal((3, 5)), (0, 1)),
    "unaligned doubles": (misplaced(normal((400, 500), "f8")), normal((3, 5)), (0, 1)),
    "big-endian": (normal((400, 500), ">f4"), normal((3, 5)), (0, 1)),
    "big-endian integers": (noise(1).integers(-999, 999, (400, 500)).astype(">i2"), normal((3, 5)), (0, 1)),
    "half floats": (normal((400, 500), "f2"), normal((3, 5)), (0, 1)),
    "bytes": (noise(1).integers(0, 256, (700, 500)).astype("u1"), normal((7, 7)), (0, 1)),
    "words": (noise(1).integers(0, 65536, (700, 500)).astype("u2"), normal((3, 3)), (0, 1)),
    "wide integers": (noise(1).integers(-(2**40), 2**40, (400, 500)), normal((3, 5)), (0, 1)),
    "booleans": (normal((400, 500)) < 0, normal((3, 5)), (0, 1)),
    "complex": (complex_normal((300, 400)), normal((3, 5)), (0, 1)),
    "complex taps": (normal((300, 400)), complex_normal((3, 5)), (0, 1)),
    "complex doubles": (complex_normal((300, 400), "c16"), complex_normal((3, 5)), (0, 1)),
    "complex columns": (complex_normal((3000, 5)), complex_normal(9), (0,)),
    "big-endian complex": (complex_normal((300, 400), ">c8"), complex_normal((3, 5)), (0, 1)),
    "large kernel": (normal((300, 400)), normal((31, 33)), (0, 1)),
    "sparse kernel": (normal((300, 400)), normal((31, 33)) * (np.abs(normal((33, 31)).T) > 2), (0, 1)),
    "kernel longer than the array": (normal((20, 3000)), normal((45, 3)), (0, 1)),
    "narrow": (normal((90_000, 2)), normal((5, 5)), (0, 1)),
}


# Real and imaginary part may each be off by the bound.
PARTS = {"f": 1, "c": 2**0.5}


@pytest.mark.parametrize("name", LARGE)
def test_large_arrays_agree_with_scipy(name):
    x, taps, axes = LARGE[name]
    mode = MODES[[*LARGE].index(name) % len(MODES)]
    got = fa.convolve(x, taps, mode, axes=axes)
    scale = by_scipy("convolve", np.abs(x), np.abs(taps), mode, axes)
    plan = fa.plan(x, taps, mode, axes=axes)
    scale = scale if plan.pointwise else np.abs(taps).sum() * np.abs(x.astype("c16")).max()
    eps = 2.0**-52
    bound = plan.error * scale + eps * (taps.size + 4) * scale  # SciPy's own roundings are the second part
    assert np.all(np.abs(got - by_scipy("convolve", x, taps, mode, axes)) <= bound * PARTS[got.dtype.kind])
    assert_same_bits(fa.correlate(x, fa.Kernel(taps).flip(), mode, axes=axes), got)


@pytest.mark.parametrize("name", ["image", "volume", "signal", "Fortran order", "bytes", "all", "large kernel"])
def test_any_number_of_workers_gives_the_same_bits(name):
    x, taps, axes = LARGE.get(name, (complex_normal((400, 500)), complex_normal((5, 5)), (0, 1)))
    first = fa.convolve(x, taps, axes=axes, workers=1)
    for count in (2, 3, 7):
        assert_same_bits(fa.convolve(x, taps, axes=axes, workers=count), first)


# Running sums and transforms begin where a block begins: there the bits may depend on how the array is cut.
SAME_BITS = ("direct", "separable")
TAPS = {
    "outer product": lambda size: np.multiply.outer(*map(normal, size)),
    "window": lambda size: np.ones(size) / math.prod(size),
}


@pytest.mark.parametrize("method", ENGINES)
@pytest.mark.parametrize("shape", [(23, 31), (300, 500)])
@pytest.mark.parametrize("size", [(3, 5), (21, 21)])
@pytest.mark.parametrize("name", TAPS)
def test_neither_layout_nor_batch_nor_region_changes_the_result(shape, size, name, method):
    x, taps = normal(shape, "f2"), TAPS[name](size)
    if method not in [c.method for c in fa.plan(x, taps).candidates if c.seconds < math.inf]:
        assert (name, method) == ("outer product", "running")
        return

    def convolve(x, *mode, **named):
        return fa.convolve(x, taps, *mode, method=method, **named)

    def assert_same(got, expected):
        if method in SAME_BITS:
            assert_same_bits(np.ascontiguousarray(got), np.ascontiguousarray(expected))
        assert np.all(np.abs(got - expected) <= 2 * plan.error * np.abs(taps).sum() * np.abs(x).max())

    plan = fa.plan(x, taps, method=method)
    first = convolve(x)
    wide = np.repeat(np.repeat(x.astype("f4"), 2, 0), 2, 1)
    for other in (
        x.astype("f4"),
        np.asfortranarray(x, "f4"),
        x.astype(">f4"),
        x.astype(">f2"),
        misplaced(x.astype("f4")),
        wide[::2, ::2],
        np.ascontiguousarray(x.astype("f4")[::-1, ::-1])[::-1, ::-1],
    ):
        assert_same(convolve(other), first)
    assert_same(convolve(np.stack([x, -x])), np.stack([first, -first]))
    assert_same(convolve(np.stack([x, -x], -1), axes=(0, 1)), np.stack([first, -first], -1))
    rows, columns = ((n - 1) // 2 for n in size)
    same = convolve(x, "constant", shape="full")[rows:, columns:][: shape[0], : shape[1]]
    assert_same(same, convolve(x, "constant"))


# ---- out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 9), (300, 500)])
@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8", ">f4", "c8"])
def test_out_of_any_layout(shape, dtype):
    x, taps = normal(shape), normal((3, 5))
    expected = fa.convolve(x, taps, dtype=dtype)
    room = np.full((2 * shape[0], 2 * shape[1]), 77, dtype)
    for out in (
        np.empty(shape, dtype),
        np.empty(shape, dtype, order="F"),
        np.empty(shape, dtype)[::-1, ::-1],
        misplaced(np.empty(shape, dtype)) if dtype != "u1" else np.empty(shape, dtype),
        room[::2, ::2],
    ):
        assert fa.convolve(x, taps, out=out) is out
        assert_array_equal(out, expected)
    assert (room[1::2] == 77).all()
    assert (room[:, 1::2] == 77).all()


@pytest.mark.parametrize("shape", [(8, 8), (400, 400)])
def test_out_may_be_the_input(shape):
    taps = normal((3, 5))
    x = normal(shape)
    expected = fa.convolve(x, taps)
    assert fa.convolve(x, taps, out=x) is x
    assert_array_equal(x, expected)
    x = normal(shape)
    expected = fa.convolve(x, taps)
    fa.convolve(x, taps, out=x.T)
    assert_array_equal(x.T, expected)


@pytest.mark.parametrize("shift", [1, 3, 200])
def test_out_may_overlap_the_input(shift):
    memory = normal((900, 300))
    x, out = memory[:-shift], memory[shift:]
    expected = fa.convolve(x, [[1.0], [2.0], [3.0]])
    fa.convolve(x, [[1.0], [2.0], [3.0]], out=out)
    assert_array_equal(out, expected)
    memory = normal((500, 600))
    x, out = memory[:, ::2], memory[:, 1::2]
    expected, kept = fa.convolve(x, [[1.0, 2.0]]), x.copy()
    fa.convolve(x, [[1.0, 2.0]], out=out)
    assert_array_equal(out, expected)
    assert_array_equal(x, kept)


def test_out_may_be_of_a_subclass():
    class Labelled(np.ndarray):
        pass

    out = np.zeros((3, 4)).view(Labelled)
    assert fa.convolve(np.ones((3, 4)), [[1.0, 1.0]], out=out) is out
    assert (np.asarray(out) == 2).all()
    assert type(fa.convolve(out, [[1.0]])) is np.ndarray


def test_out_decides_the_dtype():
    out = np.zeros(3, "i2")
    assert fa.convolve(np.array([1.5, 2.5, 1e9]), [1.0], out=out).tolist() == [2, 2, 32767]
