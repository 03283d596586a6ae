"""Steps give the bits of `convolve`, also where they add to another array, whose rows may collide in a cache."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.run.rate_step import rate_step
from faltung.run.rate_tiles import tile_for

RANDOM = np.random.default_rng(0)
MODES = ("reflect", "mirror", "nearest", "wrap", "constant")


def step_of(x, kernel, shape, **how):
    step = rate_step(fa.plan(x, kernel, method="polyphase", **how), shape)
    assert step is not None
    return step


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "cut"),
    [
        ((7, 9), (14, 17)),
        ((1, 40), (1, 80)),
        ((5,), (9,)),
        ((3, 4, 5), (3, 8, 9)),
        ((9, 256), (18, 512)),  # rows of outputs are a power of two apart: they are stored row by row
        ((40, 512), (79, 1024)),
        ((9, 130), (18, 259)),
    ],
)
def test_sums_with_another_array(shape, cut, dtype):
    x, base = RANDOM.standard_normal(shape).astype(dtype), RANDOM.standard_normal(cut).astype(dtype)
    for mode in MODES:
        kernel = fa.Kernel(RANDOM.standard_normal((3,) * min(2, len(shape))) ** 0 / 3)
        step = step_of(x, kernel, cut, up=2, mode=mode)
        plain = kernel(x, mode, up=2)[tuple(map(slice, cut))]
        np.testing.assert_array_equal(step(x), plain)
        np.testing.assert_array_equal(step(x, base, 1), base + plain)
        for workers in (1, 3):
            np.testing.assert_array_equal(step(x, base, -1, workers), base - plain)


@pytest.mark.parametrize("width", [1040, 2100, 600])
def test_the_last_tile_is_as_wide_as_the_others(width):
    # A narrow one was gathered, sample by sample, since it began close to the border: 7 times as long.
    x = RANDOM.standard_normal((20, width)).astype("float32")
    kernel = fa.binomial(4)
    passes = fa.plan(x, kernel, "mirror", stride=2).passes
    tile, outputs = tile_for(passes, 16, foldable=True), width // 2
    assert outputs <= -(-outputs // tile.width) * tile.width < outputs + 16 * -(-outputs // tile.width)
    wanted = fa.convolve(x.astype("float64"), kernel, "mirror")[::2, ::2]
    found = fa.convolve(x, kernel, "mirror", stride=2)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_large_result_is_written_past_the_cache():
    x = RANDOM.standard_normal((520, 1024)).astype("float32")
    base = RANDOM.standard_normal((1040, 2048)).astype("float32")
    kernel = 4 * fa.binomial(4)
    step = step_of(x, kernel, base.shape, up=2, mode="mirror")
    found = step(x, base, -1)
    assert found.ctypes.data % 64 == 0
    np.testing.assert_array_equal(found, base - kernel(x, "mirror", up=2))


def test_what_is_not_finite_has_no_step():
    x = np.ones((8, 8))
    x[3, 3] = np.inf
    step = step_of(x, fa.binomial(4), (16, 16), up=2)
    assert step(x) is None
    assert step(np.ones((8, 8)), np.full((16, 16), np.nan)) is not None  # what it is added to may be anything


def test_other_axes_have_no_step():
    x = np.ones((4, 5, 6))
    assert rate_step(fa.plan(x, fa.binomial(2), axes=(0, 2), up=2, method="polyphase")) is None
    assert rate_step(fa.plan(x, fa.binomial(2))) is None
    assert rate_step(fa.plan(x.astype("int16"), fa.binomial(2), up=2)) is None


@pytest.mark.parametrize("shape", [(3, 20, 14), (21, 17)])
def test_a_pyramid_of_any_memory_layout(shape):
    x = RANDOM.standard_normal(shape).astype("float32")
    wanted = fa.pyramid(x, 4, "laplacian")
    for other in (np.asfortranarray(x), np.flip(np.flip(x, 0).copy(), 0), np.frombuffer(b"1" + x.tobytes(), "u1")):
        y = other if other.dtype == x.dtype else other[1:].view("float32").reshape(shape)  # not aligned
        for level, same in zip(wanted, fa.pyramid(y, 4, "laplacian"), strict=True):
            np.testing.assert_allclose(same, level, atol=1e-6)
        np.testing.assert_allclose(fa.collapse(wanted.replaced([np.asfortranarray(v) for v in wanted])), x, atol=1e-6)


def test_what_is_not_finite_in_a_pyramid():
    x = RANDOM.standard_normal((20, 24))
    x[4, 5], x[17, 20] = np.inf, np.nan
    fine, coarse = fa.pyramid(x, 2, "laplacian")
    np.testing.assert_array_equal(np.isfinite(coarse), np.isfinite(fa.convolve(x, fa.binomial(4), stride=2)))
    expanded = fa.convolve(coarse, 4 * fa.binomial(4), up=2)
    np.testing.assert_array_equal(np.isfinite(fine), np.isfinite(x) & np.isfinite(expanded))
    assert np.isfinite(fine).any()
