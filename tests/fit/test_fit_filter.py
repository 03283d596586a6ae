"""Least-squares filters with every option, against a matrix of windows that slow loops make."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
from faltung.fit.held_out import confidence_interval
from faltung.learn import FitReport, fit_filter
from reference import extended
from zoo import MODES


def windows(x, size, mode, cval=0.0):
    """The window of each output, tap by tap: x (channels, *lengths); mode None for positions inside only."""
    origin = [side // 2 for side in size]
    rows = []
    for n in positions(x.shape[1:], size, mode):
        window = [
            [p - (j - o) for p, j, o in zip(n, i, origin, strict=True)]
            for i in itertools.product(*(range(side) for side in size))
        ]
        rows.append([extended(channel, position, mode or "constant", cval) for channel in x for position in window])
    return np.array(rows, np.float64)


def positions(lengths, size, mode):
    if mode is not None:
        return [*np.ndindex(*lengths)]
    axes = [range(side - 1 - side // 2, length - side // 2) for side, length in zip(size, lengths, strict=True)]
    return [*itertools.product(*axes)]


def solved(rows, targets, weights=None):
    """The solution of smallest norm beside an offset: taps (channels out, unknowns)."""
    weights = np.ones(len(rows)) if weights is None else weights
    rows, targets = (each - np.average(each, axis=0, weights=weights) for each in (rows, targets))
    root = np.sqrt(weights).reshape(-1, *[1] * (targets.ndim - 1))
    return np.linalg.lstsq(rows * root.reshape(-1, 1), targets * root, rcond=1e-11)[0].T


def offset_and_risk(rows, targets, taps, weights=None):
    """What is left of the targets: its mean for each channel, and its variance."""
    left = targets - rows @ taps.T
    mean = np.average(left, axis=0, weights=weights)
    return mean, np.average((left - mean) ** 2, axis=0, weights=weights).mean()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


SHAPES = [
    ((40,), (5,)),
    ((29,), (4,)),
    ((13, 19), (3, 4)),
    ((21, 11), (1, 5)),
    ((6, 7, 9), (2, 3, 2)),
    ((4,), (7,)),
    ((3, 2), (4, 5)),
]


@pytest.mark.parametrize(
    ("shape", "size", "mode"),
    [
        (shape, size, mode)
        for shape, size in SHAPES
        for mode in (*MODES, None)
        if mode is not None or all(side <= length for side, length in zip(size, shape, strict=True))
    ],
)
def test_taps_are_those_of_a_matrix_of_windows(rng, shape, size, mode):
    x, y = rng.normal(size=(2, *shape))
    rows = windows(x[np.newaxis], size, mode, 0.7)
    targets = np.array([y[n] for n in positions(shape, size, mode)])
    expected = solved(rows, targets)
    kernel, report = fit_filter(x, y, size, mode=mode, cval=0.7, held_out=0)
    assert kernel.shape == size
    assert np.allclose(kernel.taps.ravel(), expected, rtol=1e-8, atol=1e-9)
    assert report.rank == np.linalg.matrix_rank(rows - rows.mean(axis=0), tol=1e-8)
    assert report.unknowns == math.prod(size)
    offset, risk = offset_and_risk(rows, targets, expected)
    assert report.offset == (pytest.approx(offset),)
    assert report.training_risk == pytest.approx(risk, rel=1e-9, abs=1e-12)
    assert report.explained == pytest.approx(1 - risk / targets.var())
    assert report.positions == len(targets)
    assert (report.held_out_risk, report.held_out_interval, report.held_out_tiles) == (None, None, 0)


@pytest.mark.parametrize("mode", [*MODES, None])
def test_a_known_filter_is_recovered(rng, mode):
    x = rng.normal(size=(40, 50)).astype(np.float32)
    kernel = fa.Kernel(rng.normal(size=(4, 5)))
    fitted, report = fit_filter(x, fa.convolve(x, kernel, mode, 0.3), (4, 5), mode=mode, cval=0.3)
    assert np.abs(fitted.taps - kernel.taps).max() < 1e-6
    assert fitted.origin == kernel.origin
    assert report.held_out_risk < 1e-12
    assert report.degrees_of_freedom == pytest.approx(20)


def test_channels_make_a_bank(rng):
    x, y = rng.normal(size=(9, 2, 14)), rng.normal(size=(9, 3, 14))
    bank, report = fit_filter(x, y, (2, 3), channel_axis=1, mode="mirror", held_out=0)
    rows = windows(np.moveaxis(x, 1, 0), (2, 3), "mirror")
    targets = np.moveaxis(y, 1, -1).reshape(-1, 3)
    expected = solved(rows, targets)
    assert isinstance(bank, fa.Bank)
    assert bank.taps.shape == (3, 2, 2, 3)
    assert np.allclose(bank.taps.reshape(3, -1), expected)
    offset, risk = offset_and_risk(rows, targets, expected)
    assert report.offset == pytest.approx(offset)
    assert report.training_risk == pytest.approx(risk)
    assert (report.unknowns, report.degrees_of_freedom) == (12, pytest.approx(36))


def test_images_of_a_batch_share_the_filter(rng):
    x, y = rng.normal(size=(2, 12, 10, 3))
    kernel, _ = fit_filter(x, y, 3, axes=(1, 0), mode="wrap", held_out=0)
    rows = np.vstack([windows(x[..., colour].T[np.newaxis], (3, 3), "wrap") for colour in range(3)])
    targets = np.concatenate([y[..., colour].T.ravel() for colour in range(3)])
    assert np.allclose(kernel.taps.ravel(), solved(rows, targets))
    again, _ = fit_filter(np.moveaxis(x, -1, 0), np.moveaxis(y, -1, 0), (3, 3), mode="wrap", held_out=0)
    assert np.allclose(again.taps, kernel.taps.T)


def test_lists_are_fitted_together(rng, tmp_path):
    shapes = [(9, 12), (14, 7), (8, 8)]
    xs, ys = ([rng.normal(size=shape) for shape in shapes] for _ in "xy")
    rows = np.vstack([windows(x[np.newaxis], (3, 2), "nearest") for x in xs])
    expected = solved(rows, np.concatenate([y.ravel() for y in ys]))
    kernel, report = fit_filter(xs, ys, (3, 2), mode="nearest", held_out=0)
    assert np.allclose(kernel.taps.ravel(), expected)
    names = [tmp_path / f"{index}.npy" for index in range(6)]
    for name, array in zip(names, xs + ys, strict=True):
        np.save(name, array)
    from_files, same = fit_filter(names[:3], names[3:], (3, 2), mode="nearest", held_out=0, read=np.load)
    assert np.array_equal(from_files.taps, kernel.taps)
    assert same == report
    single, _ = fit_filter(str(names[0]), str(names[3]), (3, 2), mode="nearest", held_out=0, read=np.load)
    assert np.allclose(single.taps.ravel(), solved(rows[: 9 * 12], ys[0].ravel()))


class Chunked:
    """An array that is read a part at a time, and records the size of the largest part."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype
        self.largest = 0

    def __getitem__(self, index):
        part = self.array[index]
        self.largest = max(self.largest, part.size)
        return part


@pytest.mark.parametrize("mode", [*MODES, None])
@pytest.mark.parametrize("chunks", [(5, 6), ((10, 10, 3), (4,) * 6 + (1,))], ids=["one length", "lengths"])
def test_chunked_arrays_are_read_a_part_at_a_time(rng, monkeypatch, mode, chunks):
    monkeypatch.setattr("faltung.fit.sections._HELD", 60)
    x, y = rng.normal(size=(2, 23, 25)).astype(np.float32)
    parts = [Chunked(array, chunks) for array in (x, y)]
    expected, _ = fit_filter(x, y, (3, 4), mode=mode, cval=0.5, held_out=0)
    kernel, report = fit_filter(*parts, (3, 4), mode=mode, cval=0.5, held_out=0)
    assert np.allclose(kernel.taps, expected.taps, rtol=1e-6, atol=1e-7)
    assert report.positions == len(positions((23, 25), (3, 4), mode))
    assert all(part.largest <= 120 for part in parts)
    mixed, _ = fit_filter(x, parts[1], (3, 4), mode=mode, cval=0.5, mask=Chunked(np.ones(x.shape, bool), chunks))
    assert mixed.shape == (3, 4)


@pytest.mark.parametrize("held_out", [0, 0.3])
@pytest.mark.parametrize("mode", [None, "wrap"])
def test_dask_arrays_are_fitted_as_in_memory(rng, monkeypatch, held_out, mode):
    dask = pytest.importorskip("dask.array")
    monkeypatch.setattr("faltung.fit.sections._HELD", 400)
    x, y = rng.normal(size=(2, 61, 50)) + 7
    x[5, 6] = np.nan
    mask = rng.random(x.shape) < 0.9
    chunked = [dask.from_array(array, chunks=((11, 13, 30, 7), 20)) for array in (x, y, mask)]
    options = {"mode": mode, "held_out": held_out}
    expected, report = fit_filter(x, y, (3, 4), mask=mask, **options)
    kernel, chunked_report = fit_filter(*chunked[:2], (3, 4), mask=chunked[2], **options)
    np.testing.assert_allclose(kernel.taps, expected.taps, rtol=1e-9, atol=1e-12)
    assert chunked_report.positions == report.positions
    assert chunked_report.held_out_tiles == report.held_out_tiles
    assert chunked_report.held_out_risk == pytest.approx(report.held_out_risk)


def test_dask_arrays_that_cannot_be_read_in_parts_are_refused():
    dask = pytest.importorskip("dask.array")
    x = dask.zeros((20, 20), chunks=10)
    with pytest.raises(fa.ArgumentError, match=r"y: .*unknown lengths"):
        fit_filter(x[:, 0], x[x > 0], 3)
    with pytest.raises(fa.ArgumentTypeError, match=r"x: .*masked arrays. Pass dask.array.ma.getdata"):
        fit_filter(dask.ma.masked_equal(x, 0), x, 3)


def test_a_dask_array_is_never_computed_as_a_whole(monkeypatch):
    dask = pytest.importorskip("dask.array")
    monkeypatch.setattr("faltung.fit.sections._HELD", 4000)
    parts = []
    whole = dask.Array.__array__
    monkeypatch.setattr(
        dask.Array, "__array__", lambda self, *a, **k: parts.append(self.size) or whole(self, *a, **k)
    )
    x = dask.random.default_rng(0).random((300, 200), chunks=(50, 40))
    kernel, _ = fit_filter(x, fa.convolve(x, fa.sobel(axis=1)), 3)
    assert kernel.isclose(fa.sobel(axis=1))
    assert len(parts) > 10
    assert max(parts) < 8000


def test_mask_and_weights(rng):
    x, y, weights = rng.normal(size=(3, 30, 31))
    weights = np.abs(weights) * (weights > -1)
    rows, targets = windows(x[np.newaxis], (3, 3), "reflect"), y.ravel()
    for share in (0.9, 0.5, 0.1):  # dropped ones are taken away, or kept ones added up
        mask = rng.random(x.shape) < share
        kernel, report = fit_filter(x, y, 3, mode="reflect", mask=mask, held_out=0)
        assert np.allclose(kernel.taps.ravel(), solved(rows[mask.ravel()], targets[mask.ravel()]))
        assert report.positions == mask.sum()
    weighed, report = fit_filter(x, y, 3, mode="reflect", weights=weights, held_out=0)
    expected = solved(rows, targets, weights.ravel())
    assert np.allclose(weighed.taps.ravel(), expected)
    offset, risk = offset_and_risk(rows, targets, expected, weights.ravel())
    assert report.offset == (pytest.approx(offset),)
    assert report.training_risk == pytest.approx(risk)
    both, _ = fit_filter(x, y, 3, mode="reflect", weights=weights, mask=mask, held_out=0)
    masked, _ = fit_filter(x, y, 3, mode="reflect", weights=np.where(mask, weights, 0), held_out=0)
    assert np.allclose(both.taps, masked.taps)
    row = np.arange(31) % 3 > 0  # broadcasts
    kernel, _ = fit_filter(x, y, 3, mode="reflect", mask=row, held_out=0)
    kept = np.broadcast_to(row, x.shape).ravel()
    assert np.allclose(kernel.taps.ravel(), solved(rows[kept], targets[kept]))


def test_outputs_over_samples_that_are_not_finite_are_left_out(rng):
    x, y = rng.normal(size=(2, 40, 30))
    x[5, 6], x[20, 20], y[11, 7], y[0, 0] = np.nan, np.inf, np.nan, -np.inf
    rows, targets = windows(x[np.newaxis], (3, 4), "wrap"), y.ravel()
    kept = np.isfinite(rows).all(axis=1) & np.isfinite(targets)
    kernel, report = fit_filter(x, y, (3, 4), mode="wrap", held_out=0)
    assert np.allclose(kernel.taps.ravel(), solved(rows[kept], targets[kept]))
    assert report.missing == (~kept).sum() == 2 * 12 + 2
    assert "left out             26 outputs with samples missing" in str(report)
    _, judged = fit_filter(x, y, (3, 4), mode="wrap", held_out=0.3)
    assert (judged.missing, judged.positions + judged.held_out_positions) == (26, 1200 - 26)
    weighed, same = fit_filter(x, y, (3, 4), mode="wrap", held_out=0, weights=np.full(x.shape, 2.0))
    assert np.allclose(weighed.taps, kernel.taps)
    assert same.training_risk == pytest.approx(report.training_risk)


@pytest.mark.parametrize("fill", [1e15, np.nan])
def test_fill_values_under_a_mask_do_not_matter(rng, fill):
    x = rng.normal(size=(60, 60))
    kernel = fa.Kernel(rng.normal(size=(3, 3)))
    y = fa.convolve(x, kernel, "wrap")
    x[20:24, 30:33] = fill
    y[19:25, 29:34] = -1e18 if fill == fill else fill
    y[40, 40] = fill
    mask = np.ones(x.shape, bool)
    mask[19:25, 29:34] = mask[40, 40] = False
    fitted, report = fit_filter(x, y, 3, mode="wrap", mask=mask)
    assert np.abs(fitted.taps - kernel.taps).max() < 1e-12
    assert report.held_out_risk < 1e-24
    assert report.positions + report.held_out_positions == mask.sum()


def test_ridge(rng):
    x, y = rng.normal(size=(2, 17, 18))
    rows, targets = windows(x[np.newaxis], (3, 3), "reflect"), y.ravel()
    for ridge in (0.01, 3.0):
        penalised = np.vstack([rows / np.sqrt(len(rows)), np.sqrt(ridge) * np.eye(9)])
        expected = np.linalg.lstsq(penalised, np.append(targets / np.sqrt(len(rows)), np.zeros(9)), rcond=None)[0]
        kernel, report = fit_filter(x, y, 3, mode="reflect", ridge=ridge, held_out=0, offset=False)
        assert np.allclose(kernel.taps.ravel(), expected)
        values = np.linalg.eigvalsh(rows.T @ rows / len(rows))
        assert report.degrees_of_freedom == pytest.approx(np.sum(values / (values + ridge)))
        assert report.condition == pytest.approx((values[-1] + ridge) / (values[0] + ridge))


def test_symmetric_taps_are_tied(rng):
    x, y = rng.normal(size=(2, 15, 16))
    rows, targets = windows(x[np.newaxis], (3, 4), "reflect"), y.ravel()
    index = np.arange(12).reshape(3, 4)
    point = [{a, b} for a, b in zip(index.ravel(), index[::-1, ::-1].ravel(), strict=True)]
    mirror = [
        {index[i, j], index[2 - i, j], index[i, 3 - j], index[2 - i, 3 - j]} for i, j in np.ndindex(index.shape)
    ]
    for symmetric, orbits in (("point", point), ("mirror", mirror)):
        orbits = sorted({tuple(sorted(orbit)) for orbit in orbits})
        spread = np.array([[float(tap in orbit) for orbit in orbits] for tap in range(12)])
        expected = spread @ np.linalg.lstsq(rows @ spread, targets, rcond=None)[0]
        kernel, report = fit_filter(x, y, (3, 4), mode="reflect", symmetric=symmetric, held_out=0, offset=False)
        assert np.allclose(kernel.taps.ravel(), expected)
        assert report.unknowns == len(orbits)
    assert np.array_equal(kernel.taps, kernel.taps[::-1])
    assert np.array_equal(kernel.taps, kernel.taps[:, ::-1])


@pytest.mark.parametrize("symmetric", [None, "point"])
def test_sum_to_one(rng, symmetric):
    x, y = rng.normal(size=(2, 15, 16))
    rows, targets = windows(x[np.newaxis], (3, 3), "reflect"), y.ravel()
    spread = np.eye(9) if symmetric is None else (np.eye(9) + np.eye(9)[::-1])[:, :5] / np.array([1, 1, 1, 1, 2])
    free = scipy.linalg.null_space(spread.sum(axis=0)[np.newaxis])
    first = spread @ np.linalg.pinv(spread.sum(axis=0)[np.newaxis])[:, 0]
    expected = first + spread @ free @ np.linalg.lstsq(rows @ spread @ free, targets - rows @ first, rcond=None)[0]
    kernel, report = fit_filter(
        x, y, 3, mode="reflect", sum_to_one=True, symmetric=symmetric, held_out=0, offset=False
    )
    assert np.allclose(kernel.taps.ravel(), expected)
    assert kernel.taps.sum() == pytest.approx(1)
    assert report.unknowns == spread.shape[1] - 1


def test_a_single_tap_that_sums_to_one_has_no_unknown(rng):
    x, y = rng.normal(size=(2, 30))
    kernel, report = fit_filter(x, y, 1, sum_to_one=True)
    assert kernel.taps.tolist() == [pytest.approx(1.0)]
    assert (report.unknowns, report.rank, report.condition, report.degrees_of_freedom) == (0, 0, 1.0, 0.0)


def test_non_negative_taps_are_those_of_scipy(rng):
    x = rng.normal(size=(20, 22))
    for sharpness in (0.0, 1.0, 5.0):
        y = fa.convolve(x, fa.unsharp(1.0, sharpness)) + rng.normal(size=x.shape)
        rows = windows(x[np.newaxis], (4, 5), "reflect")
        expected, _ = scipy.optimize.nnls(rows, y.ravel())
        kernel, report = fit_filter(x, y, (4, 5), mode="reflect", non_negative=True, held_out=0, offset=False)
        assert np.allclose(kernel.taps.ravel(), expected, atol=1e-10)
        assert report.degrees_of_freedom == pytest.approx(np.count_nonzero(expected))
        assert report.training_risk == pytest.approx(np.mean((rows @ expected - y.ravel()) ** 2))
    nothing, report = fit_filter(x, -x, 1, non_negative=True, offset=False)
    assert (nothing.taps.tolist(), report.degrees_of_freedom) == ([[0.0]], 0.0)


def test_non_negative_taps_with_sum_one_are_the_best_of_all_faces(rng):
    x, y = rng.normal(size=(2, 60))
    rows = windows(x[np.newaxis], (5,), "reflect")
    best = (np.inf, None)
    for count in range(1, 6):
        for face in map(list, itertools.combinations(range(5), count)):
            free = scipy.linalg.null_space(np.ones((1, count)))
            first = rows[:, face].mean(axis=1)
            moved = np.linalg.lstsq(rows[:, face] @ free, y - first, rcond=None)[0] if count > 1 else np.zeros(0)
            taps = np.zeros(5)
            taps[face] = 1 / count + free @ moved
            if (taps >= 0).all():
                best = min(best, (np.mean((rows @ taps - y) ** 2), taps.tolist()))
    options = {"mode": "reflect", "non_negative": True, "sum_to_one": True, "held_out": 0, "offset": False}
    kernel, report = fit_filter(x, y, 5, **options)
    assert report.training_risk == pytest.approx(best[0])
    assert np.allclose(kernel.taps, best[1])
    # A ridge so strong that only the sum matters makes all taps the same.
    even, _ = fit_filter(x, y, 5, ridge=1e9, **options)
    assert np.allclose(even.taps, 0.2)


def test_taps_that_the_data_do_not_determine_are_the_smallest():
    x = np.ones((20, 20))
    kernel, report = fit_filter(x, 3 * x, 3, offset=False)
    assert np.allclose(kernel.taps, 1 / 3)
    assert (report.rank, report.unknowns, report.condition) == (1, 9, np.inf)
    assert "inf: the data determine 1 of 9 unknowns, the smallest taps were chosen" in str(report)
    mended, report = fit_filter(x, 3 * x, 3, ridge=1e-3, offset=False)
    assert report.rank == 9
    assert np.isfinite(report.condition)
    assert np.allclose(mended.taps, 27 / (9 * (9 + 1e-3)))
    positive, _ = fit_filter(x, 3 * x, 3, non_negative=True, offset=False)
    assert positive.taps.min() >= 0
    assert positive.taps.sum() == pytest.approx(3)
    zero, report = fit_filter(0 * x, x, 3, offset=False)
    assert (zero.taps == 0).all()
    assert report.rank == 0
    flat, report = fit_filter(x, 3 * x, 3)  # a constant explains it all
    assert (flat.taps == 0).all()
    assert (report.offset, report.explained) == ((3.0,), None)


def test_training_and_held_out_risk_share_all_outputs(rng):
    x = rng.normal(size=(90, 110))
    y = fa.convolve(x, fa.gaussian(1.0), "wrap") + 0.1 * rng.normal(size=x.shape)
    kernel, report = fit_filter(x, y, 5, mode="wrap", held_out=0.25, seed=3)
    assert report.positions + report.held_out_positions == x.size
    assert 0.15 < report.held_out_positions / x.size < 0.35
    total = report.training_risk * report.positions + report.held_out_risk * report.held_out_positions
    assert total == pytest.approx(np.sum((fa.convolve(x, kernel, "wrap") + report.offset - y) ** 2))
    low, high = report.held_out_interval
    assert low < report.held_out_risk < high
    assert report.held_out_risk == pytest.approx(0.01, rel=0.1)
    assert fit_filter(x, y, 5, mode="wrap", held_out=0.25, seed=4)[0] != kernel
    weights = np.broadcast_to(np.array([1.0, 3.0] * 55), x.shape)
    kernel, report = fit_filter(x, y, 5, mode="wrap", weights=weights)
    assert report.held_out_risk == pytest.approx(0.01, rel=0.1)


def test_held_out_outputs_do_not_matter_to_the_filter(rng):
    x, y = rng.normal(size=(2, 1, 90))
    kernel, report = fit_filter(x, y, (1, 3), held_out=0.5)
    changed = 0
    for at in range(1, 89):
        y[0, at] += 1.0
        changed += not np.allclose(fit_filter(x, y, (1, 3), held_out=0.5)[0].taps, kernel.taps, rtol=1e-12)
        y[0, at] -= 1.0
    assert changed == report.positions == 88 - report.held_out_positions


def test_small_images_are_held_out_as_a_whole(rng):
    xs = [rng.normal(size=(8, 8)) for _ in range(200)]
    kernel = fa.Kernel(rng.normal(size=(3, 3)))
    fitted, report = fit_filter(xs, [fa.convolve(x, kernel) for x in xs], 3)
    assert fitted.isclose(kernel)
    assert (report.held_out_tiles, report.held_out_positions, report.positions) == (40, 40 * 36, 160 * 36)


def test_the_interval_is_that_of_student(rng):
    losses = rng.random(9)
    low, high = confidence_interval(losses, np.ones(9))
    expected = scipy.stats.t.interval(0.95, 8, losses.mean(), scipy.stats.sem(losses))
    assert (low, high) == pytest.approx(expected, rel=1e-4)
    low, high = confidence_interval(np.array([1.0, 1.2]), np.ones(2))
    assert (low, high) == pytest.approx((0.0, 1.1 + 12.7062 * 0.1))
    # Tiles of different weight: a tile of weight two counts as two outputs, but is one observation.
    doubled = confidence_interval(2 * losses, np.full(9, 2.0))
    assert doubled == pytest.approx(confidence_interval(losses, np.ones(9)))
    assert confidence_interval(losses[:1], np.ones(1)) is None


def test_the_risk_is_the_variance_of_the_noise(rng):
    x = rng.random((600, 700), dtype=np.float32)
    noise = 0.05 * rng.normal(size=x.shape)
    _, report = fit_filter(x, fa.convolve(x, fa.disk(3)) + noise, 9)
    assert report.held_out_risk == pytest.approx(0.05**2, rel=0.02)
    assert report.held_out_interval[0] < 0.05**2 < report.held_out_interval[1]


def test_bits_do_not_depend_on_workers(rng):
    x, y = rng.normal(size=(2, 300, 310)).astype(np.float32)
    x[7, 7] = np.nan
    first = fit_filter(x, y, (5, 6), workers=1)
    for count in (2, 5):
        kernel, report = fit_filter(x, y, (5, 6), workers=count)
        assert np.array_equal(kernel.taps, first[0].taps)
        assert report == first[1]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_filter_is_recovered(data):
    ndim = data.draw(st.integers(1, 3))
    size = data.draw(st.tuples(*[st.integers(1, (9, 4, 3)[ndim - 1])] * ndim))
    shape = tuple(side + data.draw(st.integers((60, 14, 8)[ndim - 1], (90, 20, 11)[ndim - 1])) for side in size)
    mode = data.draw(st.sampled_from([*MODES, None]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, kernel = rng.normal(size=shape), fa.Kernel(rng.normal(size=size))
    fitted, report = fit_filter(x, fa.convolve(x, kernel, mode), size, mode=mode, seed=data.draw(st.integers(0, 9)))
    assert np.abs(fitted.taps - kernel.taps).max() < 1e-9
    assert report.training_risk < 1e-12


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), scale=st.floats(0.1, 10))
def test_filters_follow_scale_and_shift_of_the_target(seed, scale):
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(3, 30, 25))
    options = {"mode": "wrap", "held_out": 0}
    one, other, both = (fit_filter(x, target, (3, 4), **options)[0].taps for target in (y, z, scale * y - z))
    assert np.allclose(both, scale * one - other)
    shifted, _ = fit_filter(np.roll(x, (2, 5), (0, 1)), np.roll(y, (2, 5), (0, 1)), (3, 4), **options)
    assert np.allclose(shifted.taps, one)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("x", "x", 0), {}, "size: expected an integer from 1 to"),
        (("x", "x", (3, 3, 3)), {}, "x: expected an array with at least 3 axes, got one with 2."),
        (("x", "small", 3), {}, "y: expected an array of the shape of x, (20, 30), got (5, 6)."),
        (("small", "small", 7), {}, "x: expected an array at least as long as the filter, (7, 7), along its axes"),
        (("x", "x", 100), {"mode": "wrap"}, "size: expected at most 8192 taps for each channel out, got 10000."),
        (("complex", "x", 3), {}, "x: expected an array of real numbers, got dtype complex128."),
        (("text", "x", 3), {}, "x: expected numbers of at most double precision"),
        (("x", "x", 3), {"mode": "symmetric"}, "mode='reflect'"),
        (("x", "x", 3), {"cval": "a"}, "cval: expected a real number"),
        (("x", "x", 3), {"ridge": -1}, "ridge: expected a number of at least 0, got -1."),
        (("x", "x", 3), {"symmetric": True}, "symmetric: expected 'point', 'mirror' or None, got True."),
        (("x", "x", 3), {"held_out": 0.9}, "held_out: expected a number of at least 0 and at most 0.5, got 0.9."),
        (("x", "x", 3), {"seed": -1}, "seed: expected an integer from 0"),
        (("x", "x", 3), {"workers": 0}, "workers: expected a positive integer, got 0."),
        (
            ("x", "x", 3),
            {"axes": (0, 0)},
            "axes: expected at least one axis, each of them once, and not the axis of channels",
        ),
        (("x", "x", 3), {"axes": 2}, "axes: expected an integer from -2 to 1, got 2."),
        (("x", "x", 3), {"channel_axis": "c"}, "channel_axis: expected an integer from -2 to 1, got 'c'."),
        (("x", "x", 3), {"axes": 0, "channel_axis": 0}, "and not the axis of channels, got 0 with channel_axis=0."),
        (("x", "x", 3), {"mask": "none"}, "y: expected at least one output to fit to, got none."),
        (
            ("x", "x", 3),
            {"mask": "x"},
            "mask: expected an array of booleans, False at outputs that are left out, got dtype float64.",
        ),
        (("x", "x", 3), {"mask": "short"}, "mask: expected shape (20, 30), that of x without channels"),
        (("x", "x", 3), {"weights": "negative"}, "weights: expected finite numbers of at least zero, got -1.0."),
        (("x", "x", 3), {"weights": "nan"}, "weights: expected finite numbers of at least zero, got nan."),
        (("x", "x", 3), {"weights": "complex"}, "weights: expected an array of real numbers"),
        (
            ("nan", "x", 3),
            {"held_out": 0},
            "at least one output to fit to, got none, 504 were left out with samples missing.",
        ),
        (
            ("huge", "x", 3),
            {},
            "x: expected samples whose squares can be summed in double precision, got larger ones.",
        ),
        (("x", ["x"], 3), {}, "y: expected one array, like x, got a list of 1."),
        ((["x"], ["x", "x"], 3), {}, "y: expected a list as long as x, which has 1, got 2."),
        ((["x"], ["x"], 3), {"mask": "none"}, "mask: expected a list as long as x, which has 1, got ndarray."),
        ((["a.npy"], ["b.npy"], 3), {}, "read: expected a function that makes an array of the files of x, got None."),
        (([], [], 3), {"read": np.load}, "x: expected at least one array or file, got none."),
        (("x", "x", 3), {"read": 1}, "read: expected a function that makes an array of an item of x or y, got 1."),
        (("empty", "empty", 3), {}, "x: expected an array with samples, got shape (0, 4) and y of shape (0, 4)."),
    ],
)
def test_errors_name_the_argument_and_what_was_expected(arguments, options, message):
    x = np.random.default_rng(0).normal(size=(20, 30))
    arrays = {
        "x": x,
        "small": x[:5, :6],
        "complex": x + 0j,
        "text": np.full((20, 30), "a"),
        "none": np.zeros(x.shape, bool),
        "short": np.ones(7, bool),
        "negative": np.full(x.shape, -1.0),
        "nan": np.full(x.shape, np.nan),
        "huge": 1e200 * x,
        "empty": np.zeros((0, 4)),
    }

    def named(value):
        if isinstance(value, list):
            return [named(item) for item in value]
        return arrays.get(value, value) if isinstance(value, str) else value

    options = {name: named(value) if name in ("mask", "weights") else value for name, value in options.items()}
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError)) as caught:
        fit_filter(*map(named, arguments), **options)
    assert message in str(caught.value)


def test_a_report_prints_every_figure(rng):
    x = rng.normal(size=(50, 50))
    _, report = fit_filter(x, x, 3)
    assert isinstance(report, FitReport)
    lines = str(report).splitlines()
    assert [line[:20].rstrip() for line in lines] == [
        "training risk",
        "held-out risk",
        "95 % interval",
        "explained",
        "offset",
        "shift",
        "condition number",
        "degrees of freedom",
    ]


@pytest.mark.parametrize("brightness", [0.0, 30.0, -1e6])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16"])
def test_a_difference_of_brightness_is_an_offset(rng, brightness, dtype):
    x = (200 * fa.gaussian(1.5)(rng.normal(size=(120, 140))) + 1000).astype(dtype)
    y = fa.convolve(x, fa.gaussian(1.0), dtype="float64") + brightness
    kernel, report = fit_filter(x, y, 9)
    assert np.abs(kernel.taps - fa.gaussian(1.0).taps).max() < 1e-5
    assert report.offset[0] == pytest.approx(brightness, abs=0.1)
    assert report.held_out_explained > 0.999999
    bent, report = fit_filter(x, y, 9, offset=False)
    assert report.offset is None
    if brightness:
        assert np.abs(bent.taps - fa.gaussian(1.0).taps).max() > 0.01


def test_offsets_and_scales_of_channels_do_not_matter(rng):
    x, y = rng.normal(size=(2, 30, 31, 2))
    units, levels = np.array([1.0, 1e3]), np.array([1e5, -1e7])
    plain, report = fit_filter(x, y, 3, channel_axis=-1)
    moved, same = fit_filter(x * units + levels, y, 3, channel_axis=-1)
    assert np.allclose(moved.taps * units[:, np.newaxis, np.newaxis], plain.taps, atol=1e-7)
    assert same.training_risk == pytest.approx(report.training_risk)
    assert same.offset == pytest.approx(report.offset - (plain.taps.sum(axis=(2, 3)) / units) @ levels, rel=1e-5)


@pytest.mark.parametrize("moved", [(4, 0), (0, -5), (9, 9)])
def test_images_that_are_moved_further_than_the_taps_reach_are_named(rng, moved):
    x = fa.gaussian(1.0)(rng.normal(size=(150, 160)))
    y = np.roll(fa.gaussian(1.0)(x), moved, (0, 1)) + 5
    _, report = fit_filter(x, y, 7)
    assert report.displacement == moved
    assert f"y is moved by {moved[0]}, {moved[1]} samples against x" in str(report)
    _, report = fit_filter(x, y, 25)
    assert report.displacement is None
    assert np.allclose(report.shift, moved, atol=0.05)


def test_unrelated_images_are_not_moved(rng):
    for shape in ((400,), (60, 70), (12, 13, 14)):
        x, y = rng.normal(size=(2, *shape))
        _, report = fit_filter(x, y, 3)
        assert report.displacement is None
        assert report.explained < 0.2


def test_every_item_of_a_list_has_the_axes_of_the_first(rng):
    flat, image = rng.normal(size=81), rng.normal(size=(9, 9))
    with pytest.raises(fa.ArgumentError, match="x: expected items with as many axes of the filter as the first, 2, "):
        fit_filter([image, flat], [image, flat], 3)
    colour = rng.normal(size=(9, 9, 3))
    with pytest.raises(fa.ArgumentError, match="as many channels in x as the first, 3, got 9 in item 1"):
        fit_filter([colour, image], [colour, image], 3, channel_axis=-1, axes=0)


def test_the_offset_is_found_and_not_given():
    x = np.ones((9, 9))
    with pytest.raises(fa.ArgumentTypeError, match=r"offset: expected True or False, got 30\.0\. .*report\.offset"):
        fit_filter(x, x, 3, offset=30.0)
