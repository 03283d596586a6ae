"""Samples of very different magnitudes: a large one is not felt where no tap connects it with an output."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from faltung.engines.fourier.fourier_engine import Fourier
from faltung.engines.fourier.survey import RANGE, box_of_taps, cell

#: The longest arrays and kernels of random problems, by their number of axes.
LONGEST = {1: (6000, 200), 2: (130, 20), 3: (24, 7)}


def windows(x, taps, term):
    """Yield `term` of each non-zero tap and the samples that it is multiplied with."""
    shape = [n - k + 1 for n, k in zip(x.shape, taps.shape, strict=True)]
    for m in np.argwhere(taps != 0):
        yield term(taps[tuple(m)], x[tuple(slice(k, k + n) for k, n in zip(m, shape, strict=True))])


def correlated(x, taps):
    """Correlate in extended precision."""
    wide = np.clongdouble if np.iscomplexobj(x) or np.iscomplexobj(taps) else np.longdouble
    shape = [n - k + 1 for n, k in zip(x.shape, taps.shape, strict=True)]
    return sum(windows(x.astype(wide), taps.astype(wide), lambda tap, part: tap * part), np.zeros(shape, wide))


def largest(x, taps):
    """Return the magnitude of the largest sample under the non-zero taps of each output."""
    shape = [n - k + 1 for n, k in zip(x.shape, taps.shape, strict=True)]
    result = np.zeros(shape)
    for part in windows(np.abs(x).astype(np.float64), taps, lambda _, part: part):
        np.maximum(result, part, out=result)
    return result


def assert_near(got, x, taps, error):
    """Compare with the definition, by the scales that a plan promises."""
    wanted, near = correlated(x, taps), largest(x, taps)
    scale = np.minimum(RANGE * near, float(np.abs(x).max()))
    assert_array_equal(got[near == 0], 0)
    excess = np.abs(got - wanted) / np.where(near > 0, error * np.abs(taps).sum(dtype=np.float64) * scale, 1)
    assert excess.max(initial=0) <= 1, (excess.max(), x.shape, taps.shape)


def decades(rng, shape, dtype, most=15):
    """Return numbers over `most` decades around one: everywhere, by regions, along ramps, or a few."""
    x = rng.standard_normal(shape)
    kind = rng.integers(5)
    if kind == 0:
        x *= 10 ** rng.uniform(-most, most, shape)
    elif kind == 1:
        for _ in range(4):
            region = tuple(slice(start, start + rng.integers(1, n + 1)) for n in shape for start in [rng.integers(n)])
            x[region] = 0 if rng.random() < 0.3 else x[region] * 10 ** rng.uniform(-most, most)
    elif kind == 2:
        x *= 10 ** np.linspace(-most, most, shape[-1])
    else:
        x = x if kind == 3 else np.full(shape, float(rng.integers(3)))
        x.reshape(-1)[rng.integers(0, x.size, rng.integers(1, 4))] = rng.choice([1e20, -3.4e38, 9.97e36, 1e6])
    return (np.abs(x) if rng.random() < 0.3 else x).astype(dtype)


def random_taps(rng, shape):
    """Return dense, sparse or one-sided taps, or taps of many magnitudes; the sum of magnitudes is below one."""
    taps = rng.standard_normal(shape)
    kind = rng.integers(4)
    if kind == 0:
        taps[rng.random(shape) < 0.7] = 0
    elif kind == 1:
        taps = np.abs(taps)
    elif kind == 2:
        taps *= 10 ** rng.uniform(-6, 0, shape)
    taps.flat[[0, -1]] = 1
    return taps / (1 + np.abs(taps).sum())


def random_problem(rng, dtype):
    ndim = int(rng.choice([1, 2, 2, 3]))
    longest, side = LONGEST[ndim]
    sizes = tuple(int(n) for n in rng.integers(2, side + 1, ndim))
    shape = tuple(int(rng.integers(k, longest + 1)) for k in sizes)
    return decades(rng, shape, dtype), random_taps(rng, sizes)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("part", range(4))
def test_random_problems_over_thirty_decades(part, dtype):
    rng = np.random.default_rng([part, np.dtype(dtype).itemsize])
    for _ in range(100):
        x, taps = random_problem(rng, dtype)
        kernel = fa.Kernel(taps.astype(dtype))
        run = fa.plan(x, kernel, shape="valid", method="fourier")
        got = run(x)
        assert_near(got, x, np.flip(kernel.taps.astype(dtype)), run.error)
        if (taps >= 0).all() and (x >= 0).all():
            assert got.min() >= 0


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_complex_taps_and_samples(dtype):
    rng = np.random.default_rng(1)
    for _ in range(30):
        x, taps = random_problem(rng, dtype[0].replace("c", "f") + str(int(dtype[1:]) // (1 + (dtype[0] == "c"))))
        if dtype[0] == "c":
            x = x + 1j * decades(rng, x.shape, x.dtype)
        taps = taps + 1j * random_taps(rng, taps.shape)
        taps = np.flip(taps.astype("c8" if dtype in ("f4", "c8") else "c16"))
        run = fa.plan(x, fa.Kernel(np.flip(taps)), shape="valid", method="fourier")
        # The real and the imaginary parts of taps and samples have four products, each with the error that is stated.
        assert_near(run(x), x, taps, 4 * run.error)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_banks_that_share_transforms(dtype):
    rng = np.random.default_rng(2)
    for _ in range(30):
        x, taps = random_problem(rng, dtype)
        kernels = [np.flip(random_taps(rng, taps.shape).astype(dtype)) for _ in range(3)]
        bank = fa.Bank.stack([fa.Kernel(np.flip(kernel)) for kernel in kernels])
        run = fa.plan(x, bank, shape="valid", method="fourier")
        for got, kernel in zip(run(x), kernels, strict=True):
            assert_near(got, x, kernel, run.error)


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8"])
def test_wide_integers(dtype):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 5, (200, 200)).astype(dtype)
    x[:90] = 0
    x[150, 150] = np.iinfo(dtype).max
    taps = rng.standard_normal((9, 11))
    run = fa.plan(x, fa.Kernel(np.flip(taps)), shape="valid", method="fourier")
    assert_near(run(x), x, taps, run.error)


@pytest.mark.parametrize("fill", [1e20, -3.4e38, 9.97e36])
@pytest.mark.parametrize("kernel", [fa.gaussian(8), fa.box(33), fa.gaussian(8) * fa.disk(3), fa.log(4)], ids=repr)
def test_a_fill_value_is_felt_under_the_kernel_only(fill, kernel):
    for shape in ((600, 600), (200, 600)):
        calm = np.full(shape, 1000, "f4")
        x = calm.copy()
        x[150, 300] = fill
        reach = [slice(150 - n // 2, 151 + n // 2) for n in kernel.shape[:1]]
        reach.append(slice(300 - kernel.shape[1] // 2, 301 + kernel.shape[1] // 2))
        got = fa.convolve(x, kernel, method="fourier")
        got[tuple(reach)] = 0
        wanted = fa.convolve(calm, kernel, method="direct")
        wanted[tuple(reach)] = 0
        assert np.abs(got - wanted).max() <= 1000 * 4e-6 * np.abs(kernel.taps).sum()


def test_ordinary_images_are_never_computed_again(monkeypatch):
    def again(*arguments):
        raise AssertionError("computed again")

    monkeypatch.setattr("faltung.engines.fourier.spoiled.Spoiled.mend", again)
    rng = np.random.default_rng(4)
    photograph = rng.integers(0, 256, (300, 300)).astype("u1")
    photograph[:200, :250] = 0
    sky = rng.normal(100, 10, (300, 300))
    sky[rng.random(sky.shape) < 0.01] = 65535
    noise = rng.standard_normal((300, 300))
    for x in (
        photograph,
        photograph.astype("u2") * 257,
        sky.astype("u2"),
        sky.astype("f4"),
        noise.astype("f4"),
        noise,
    ):
        for kernel in (fa.gaussian(8), fa.gabor(0.1, 0.4).real, fa.log(4)):
            fa.convolve(x, kernel, method="fourier")
            if kernel.taps.all():  # or else cells are smaller, and may be outside the array
                fa.convolve(x, kernel, "constant", method="fourier")
    for size in (60, 90, 200, 2000):
        fa.convolve(rng.standard_normal(100_000).astype("f4"), fa.box(size, ndim=1), method="fourier")


def test_a_cell_is_under_every_kernel():
    assert box_of_taps(np.ones((3, 5, 7))) == (3, 5, 7)
    assert box_of_taps(np.zeros((3, 5))) == (1, 1)
    assert box_of_taps(np.kron(np.eye(2), np.ones((3, 4)))) == (3, 4)
    for columns in [*range(2, 60), 200, 399]:
        slabs, rows, width = cell(4, 5, columns)
        assert (2 * slabs - 1, 2 * rows - 1) == (3, 5)
        assert 2 * width - 1 <= columns
        for line in (16, 48, 64):
            _, tall, width = cell(1, 1, columns, line)
            # Positions of the first and behind the last sample of every whole cell: in a row, or whole rows.
            in_row = range(0, line - width + 1, width)
            blocks = range(0, 3 * columns // line + 3 * tall, tall)
            spans = [(row * line + k, (row + tall - 1) * line + k + width) for row in blocks for k in in_row]
            for start in range(2 * columns):
                assert any(start <= first and last <= start + columns for first, last in spans), (columns, line)


def test_many_magnitudes_take_a_bounded_time():
    # Every sample has a magnitude of its own: as many parts as a double has room for, and no more.
    x = np.ldexp(1.0, np.random.default_rng(5).integers(-1000, 1000, (60, 60)))
    taps = np.abs(np.random.default_rng(6).standard_normal((9, 9))) / 100
    job_error = fa.plan(x, fa.Kernel(np.flip(taps)), shape="valid", method="fourier").error
    assert_near(fa.convolve(x, fa.Kernel(np.flip(taps)), shape="valid", method="fourier"), x, taps, job_error)
    assert Fourier.name == "fourier"
