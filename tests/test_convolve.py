"""The front door against the definition, NumPy and SciPy: values, dtypes, layouts, errors, memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, signal

import faltung as fa
import problems
from faltung import ArgumentError

MODES = problems.MODES
rng = np.random.default_rng(20)


def same_bits(first, second):
    assert first.dtype == second.dtype
    assert first.shape == second.shape
    assert first.tobytes() == second.tobytes()


# ---- random problems, between pages that may not be touched ------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_random_problems(seed):
    for number in range(30):
        problems.attempt(seed, number)


@pytest.mark.parametrize("seed", range(100, 104))
def test_random_problems_at_every_vector_width(seed, vector_bits):
    for number in range(20):
        problems.attempt(seed, number)


@pytest.mark.parametrize("seed", range(200, 203))
def test_random_problems_in_many_tiles(seed, tiny_tiles):
    with fa.workers(3):
        for number in range(20):
            problems.attempt(seed, number)


# ---- arrays shorter than the kernel, written out -----------------------------------------------------------

# With powers of ten as taps, the digits of y[n] are the samples around n, read from left to right.
DIGITS = {
    5: [1, 10, 100, 1000, 10_000],
    9: [10**power for power in range(9)],
}


@pytest.mark.parametrize(
    ("samples", "size", "mode", "cval", "expected"),
    [
        ([3], 5, "reflect", 0, [33333]),
        ([3], 5, "constant", 0, [300]),
        ([3], 5, "constant", 7, [77377]),
        ([3], 5, "nearest", 0, [33333]),
        ([3], 5, "mirror", 0, [33333]),
        ([3], 5, "wrap", 0, [33333]),
        ([1, 2], 5, "reflect", 0, [21122, 11221]),
        ([1, 2], 5, "constant", 0, [120, 1200]),
        ([1, 2], 5, "constant", 7, [77127, 71277]),
        ([1, 2], 5, "nearest", 0, [11122, 11222]),
        ([1, 2], 5, "mirror", 0, [12121, 21212]),
        ([1, 2], 5, "wrap", 0, [12121, 21212]),
        ([1, 2, 3], 9, "reflect", 0, [332112332, 321123321, 211233211]),
        ([1, 2, 3], 9, "constant", 0, [12300, 123000, 1230000]),
        ([1, 2, 3], 9, "constant", 7, [777712377, 777123777, 771237777]),
        ([1, 2, 3], 9, "nearest", 0, [111112333, 111123333, 111233333]),
        ([1, 2, 3], 9, "mirror", 0, [123212321, 232123212, 321232123]),
        ([1, 2, 3], 9, "wrap", 0, [312312312, 123123123, 231231231]),
    ],
)
def test_shorter_than_the_kernel(samples, size, mode, cval, expected):
    assert fa.convolve(samples, DIGITS[size], mode, cval).tolist() == expected
    assert fa.correlate(samples, DIGITS[size][::-1], mode, cval).tolist() == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("reflect", [[112112334, 122122344], [112334334, 122344344]]),
        ("constant", [[12034, 120340], [12034000, 120340000]]),
        ("nearest", [[112112334, 122122344], [112334334, 122344344]]),
        ("mirror", [[434212434, 343121343], [212434212, 121343121]]),
        ("wrap", [[434212434, 343121343], [212434212, 121343121]]),
    ],
)
def test_shorter_than_the_kernel_in_two_dimensions(mode, expected):
    digits = np.reshape(DIGITS[9], (3, 3))
    assert fa.convolve([[1, 2], [3, 4]], digits, mode).tolist() == expected


# ---- full and valid ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("size", range(1, 8))
def test_full_and_valid_mean_what_numpy_means(length, size):
    x, taps = rng.integers(-9, 9, length).astype(float), rng.integers(-9, 9, size).astype(float)
    for shape in ("full", "valid"):
        assert_array_equal(fa.convolve(x, taps, shape=shape), np.convolve(x, taps, shape))
        assert_array_equal(fa.correlate(x, taps, shape=shape), np.convolve(x, taps[::-1], shape))
        shifted = fa.Kernel(taps, origin=size + 3)
        assert_array_equal(fa.convolve(x, shifted, shape=shape), np.convolve(x, taps, shape))


@pytest.mark.parametrize(
    ("shape", "sizes"), [((5, 7), (3, 4)), ((3, 4), (5, 7)), ((4, 4), (4, 4)), ((1, 1), (3, 3)), ((6, 2), (6, 2))]
)
def test_full_and_valid_mean_what_scipy_means(shape, sizes):
    x, taps = rng.integers(-9, 9, shape).astype(float), rng.integers(-9, 9, sizes).astype(float)
    for wanted in ("full", "valid"):
        assert_allclose(fa.convolve(x, taps, shape=wanted), signal.convolve(x, taps, wanted, "direct"), atol=1e-12)


def test_valid_of_neither_larger_nor_smaller():
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(np.zeros((5, 2)), np.ones((3, 4)), shape="valid")
    assert str(caught.value) == (
        "shape: expected 'same' or 'full' where the kernel is longer than the array on one axis and shorter on "
        "another, got 'valid' for a kernel of shape (3, 4) on axes of lengths (5, 2). "
        "Crop the kernel, or choose another shape."
    )


@pytest.mark.parametrize(
    ("mode", "pad"),
    [
        ("reflect", "symmetric"),
        ("mirror", "reflect"),
        ("nearest", "edge"),
        ("wrap", "wrap"),
        ("constant", "constant"),
    ],
)
def test_full_with_a_mode_goes_on_beyond_the_border(mode, pad):
    x, taps = rng.integers(0, 9, (5, 6)).astype(float), rng.integers(-9, 9, (3, 4)).astype(float)
    padded = np.pad(x, [(2, 2), (3, 3)], pad)
    assert_array_equal(
        fa.convolve(x, taps, mode, shape="full"), signal.convolve(padded, taps, "valid", "direct").round()
    )


def test_zero_lies_outside_for_full():
    assert fa.convolve([1.0, 1.0], [1.0, 1.0], shape="full").tolist() == [1, 2, 1]


# ---- origins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("call", ["convolve", "correlate"])
def test_origins_agree_with_scipy(mode, size, call):
    x, taps = rng.standard_normal((6, 7)), rng.standard_normal((size, size))
    for origin in range(size):
        expected = getattr(ndimage, call)(x, taps, mode=mode, origin=origin - size // 2)
        got = getattr(fa, call)(x, fa.Kernel(taps, (origin, origin)), mode)
        assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("origin", "before", "after"), [(-3, 3, 0), (6, 0, 5), (50, 0, 49), (-41, 41, 0)])
def test_an_origin_outside_the_kernel_shifts(mode, origin, before, after):
    x, taps = rng.standard_normal(9), np.array([1.0, 2.0])
    with_zeros = fa.Kernel(np.pad(taps, (before, after)), origin=max(origin, 0))
    assert_allclose(fa.convolve(x, fa.Kernel(taps, origin), mode), fa.convolve(x, with_zeros, mode))


def test_an_origin_far_outside():
    x, taps, far = np.arange(5.0), [1.0, 2.0, 3.0], 2**40
    for mode, period in (("reflect", 10), ("mirror", 8), ("wrap", 5)):
        assert_array_equal(
            fa.convolve(x, fa.Kernel(taps, far), mode), fa.convolve(x, fa.Kernel(taps, far % period), mode)
        )
    assert fa.convolve(x, fa.Kernel(taps, -far), "nearest").tolist() == [0] * 5
    with pytest.raises(ArgumentError, match=r"kernel: expected an origin of at most \d+, got \(\d+,\)"):
        fa.convolve(x, fa.Kernel(taps, 10**30))


# ---- large arrays in every layout --------------------------------------------------------------------------


def unaligned(shape, dtype):
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(rng.bytes(1) + np.ones(shape, dtype).tobytes(), np.uint8)[1 : 1 + size].view(dtype)


def normal(shape, dtype="f4"):
    return rng.standard_normal(shape).astype(dtype)


def complex_normal(shape, dtype="c8"):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def misplaced(x):
    """The same array, one byte off every boundary of its dtype."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


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
    "every other row": (normal((800, 500))[::2], normal((3, 5)), (0, 1)),
    "one channel": (normal((400, 500, 3))[..., 1], normal((3, 5)), (0, 1)),
    "broadcast": (np.broadcast_to(normal(500), (400, 500)), normal((3, 5)), (0, 1)),
    "unaligned": (misplaced(normal((400, 500))), normal((3, 5)), (0, 1)),
    "unaligned doubles": (misplaced(normal((400, 500), "f8")), normal((3, 5)), (0, 1)),
    "big-endian": (normal((400, 500), ">f4"), normal((3, 5)), (0, 1)),
    "big-endian integers": (rng.integers(-999, 999, (400, 500)).astype(">i2"), normal((3, 5)), (0, 1)),
    "half floats": (normal((400, 500), "f2"), normal((3, 5)), (0, 1)),
    "bytes": (rng.integers(0, 256, (700, 500)).astype("u1"), normal((7, 7)), (0, 1)),
    "words": (rng.integers(0, 65536, (700, 500)).astype("u2"), normal((3, 3)), (0, 1)),
    "wide integers": (rng.integers(-(2**40), 2**40, (400, 500)), normal((3, 5)), (0, 1)),
    "booleans": (rng.random((400, 500)) < 0.5, normal((3, 5)), (0, 1)),
    "complex": (complex_normal((300, 400)), normal((3, 5)), (0, 1)),
    "complex doubles": (complex_normal((300, 400), "c16"), normal((3, 5)), (0, 1)),
    "complex taps": (normal((300, 400)), complex_normal((3, 5)), (0, 1)),
    "all complex": (complex_normal((300, 400), "c16"), complex_normal((3, 5)), (0, 1)),
    "complex columns": (complex_normal((3000, 5)), complex_normal(9), (0,)),
    "big-endian complex": (complex_normal((300, 400), ">c8"), complex_normal((3, 5)), (0, 1)),
    "large kernel": (normal((300, 400)), normal((31, 33)), (0, 1)),
    "sparse kernel": (normal((300, 400)), normal((31, 33)) * (rng.random((31, 33)) < 0.05), (0, 1)),
    "kernel longer than the array": (normal((20, 3000)), normal((45, 3)), (0, 1)),
    "narrow": (normal((90_000, 2)), normal((5, 5)), (0, 1)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_arrays_agree_with_scipy(name):
    x, taps, axes = LARGE[name]
    wide = x.astype("c16" if x.dtype.kind == "c" else "f8")
    order = np.argsort(axes)
    sizes = np.ones(x.ndim, int)
    sizes[list(axes)] = taps.shape
    full = np.asarray(taps, "c16" if taps.dtype.kind == "c" else "f8").transpose(order).reshape(sizes)
    double = x.dtype.itemsize > 4 and x.dtype.newbyteorder("=") != np.complex64
    tolerance = (np.finfo("f8" if double else "f4").eps) * (taps.size + 4)
    tolerance *= ndimage.convolve(np.abs(wide), np.abs(full))
    mode = MODES[len(name) % 5]
    expected = ndimage.convolve(wide, full, mode=mode)
    got = fa.convolve(x, taps, mode, axes=axes)
    assert got.shape == x.shape
    # SciPy extends abs(x) elsewhere than x in no mode, but the tolerance above is for "reflect" only.
    assert np.all(np.abs(got - expected) <= tolerance + np.abs(expected) * 1e-6 + tolerance.max())
    for shape in ("full", "valid"):
        if shape == "full" or all(x.shape[a] >= n for a, n in zip(axes, taps.shape, strict=True)):
            crop = fa.convolve(x, taps, "constant", axes=axes, shape=shape)
            wanted = signal.convolve(wide, full, shape, "direct" if full.size < 50 else "fft")
            assert_allclose(crop, wanted, rtol=1e-5, atol=1e-4 * max(1.0, np.abs(wanted).max() / 100))
