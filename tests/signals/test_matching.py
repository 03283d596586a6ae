"""Scores of templates equal the coefficient of correlation of each window by itself, for every kind of array."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import cv2
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from skimage.feature import match_template

import faltung as fa
from covering import covering

PADDING = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((19, 23)) + 5
TEMPLATE = RANDOM.standard_normal((4, 5))
MASK = RANDOM.random(TEMPLATE.shape) > 0.3
VALID = RANDOM.random(X.shape) > 0.3


def extended(x, shape, kind, mode, constant):
    """Samples of an array under all positions of a template of a shape."""
    before = {"valid": [0] * x.ndim, "same": [n // 2 for n in shape], "full": [n - 1 for n in shape]}[kind]
    after = [0 if kind == "valid" else n - 1 if kind == "full" else n - 1 - n // 2 for n in shape]
    more = {"constant_values": constant} if mode == "constant" else {}
    return np.pad(x, [*zip(before, after, strict=True)], PADDING[mode], **more)


def coefficients(x, template, mask=None, valid=None, normalised=True):
    """Scores of all windows inside an array, in two passes."""
    axes = tuple(range(-template.ndim, 0))
    windows = np.lib.stride_tricks.sliding_window_view(x, template.shape)
    weights = np.ones(template.shape) if mask is None else mask.astype(float)
    if valid is not None:
        weights = weights * np.lib.stride_tricks.sliding_window_view(valid.astype(float), template.shape)
    with np.errstate(all="ignore"):
        count = np.sum(np.broadcast_to(weights, windows.shape), axes, keepdims=True)
        a, b = np.where(weights > 0, windows, 0.0), np.where(weights > 0, template, 0.0)
        a = a - np.sum(a, axes, keepdims=True) / count
        b = b - np.sum(b, axes, keepdims=True) / count
        covariance = np.sum(weights * a * b, axes)
        if not normalised:
            return covariance
        return covariance / np.sqrt(np.sum(weights * a * a, axes) * np.sum(weights * b * b, axes))


ARRAYS = {
    "numpy": (lambda x: x, lambda y: y),
    "torch": (torch.from_numpy, lambda y: y.numpy()),
    "dask": (lambda x: da.from_array(x, chunks=(7, 9)), lambda y: y.compute()),
    "xarray": (lambda x: xr.DataArray(x, dims=("y", "x")), lambda y: y.to_numpy()),
}


PLACES = [*((mode, shape) for mode in PADDING for shape in ("valid", "same")), ("constant", "full")]


@pytest.mark.parametrize(
    ("kind", "place", "given"), covering(ARRAYS, PLACES, ["nothing", "mask", "valid", "both", "nan"]), ids=str
)
def test_scores(kind, place, given):
    mode, shape = place
    make, read = ARRAYS[kind]
    mask = MASK if given in ("mask", "both") else None
    valid = VALID if given in ("valid", "both", "nan") else None
    there = None if valid is None else extended(VALID, TEMPLATE.shape, shape, mode, True)
    wanted = coefficients(extended(X, TEMPLATE.shape, shape, mode, 2.0), TEMPLATE, mask, there)
    x, how = (np.where(VALID, X, np.nan), {"nan": "ignore"}) if given == "nan" else (X, {})
    if valid is not None and given != "nan":
        how = {"valid": valid}
    found = fa.match(make(x), TEMPLATE, mode, 2.0, mask=mask, shape=shape, **how)
    assert type(found) is type(make(x))
    assert tuple(found.shape) == wanted.shape
    with np.errstate(invalid="ignore"):
        wanted = np.where(np.isnan(wanted), 0.0, wanted)  # one sample under a template has no spread
    np.testing.assert_allclose(read(found), wanted, atol=1e-12)
    sums = fa.match(make(x), TEMPLATE, mode, 2.0, mask=mask, shape=shape, normalised=False, **how)
    plain = coefficients(extended(X, TEMPLATE.shape, shape, mode, 2.0), TEMPLATE, mask, there, normalised=False)
    np.testing.assert_allclose(read(sums), plain, atol=1e-11)


@pytest.mark.parametrize("kind", ARRAYS)
def test_several_templates_have_a_first_axis_and_may_have_masks_of_their_own(kind):
    make, read = ARRAYS[kind]
    stack, masks = RANDOM.standard_normal((3, 4, 5)), RANDOM.random((3, 4, 5)) > 0.3
    for templates in (stack, list(stack)):
        wanted = [fa.match(X, one) for one in stack]
        np.testing.assert_allclose(read(fa.match(make(X), templates)), wanted, atol=1e-13)
        wanted = [fa.match(X, one, mask=mask) for one, mask in zip(stack, masks, strict=True)]
        np.testing.assert_allclose(read(fa.match(make(X), templates, mask=masks)), wanted, atol=1e-13)
        wanted = [fa.match(X, one, mask=mask, valid=VALID) for one, mask in zip(stack, masks, strict=True)]
        np.testing.assert_allclose(read(fa.match(make(X), templates, mask=masks, valid=VALID)), wanted, atol=1e-13)
    assert read(fa.match(make(X), stack[:1])).shape == (1, 16, 19)


@pytest.mark.parametrize("kind", [kind for kind in ARRAYS if kind != "xarray"])
@pytest.mark.parametrize("axes", [(0, 2), (2, 0), (1, -1)])
def test_axes_that_are_not_named_are_a_batch(kind, axes):
    make, read = ARRAYS[kind]
    x = RANDOM.standard_normal((8, 9, 10))
    (batch,) = {0, 1, 2} - {axis % 3 for axis in axes}
    found = read(fa.match(make(x) if kind != "dask" else da.from_array(x, chunks=4), TEMPLATE[:3, :4], axes=axes))
    moved = np.moveaxis(x, [batch, *(axis % 3 for axis in axes)], [0, 1, 2])
    wanted = np.stack([coefficients(item, TEMPLATE[:3, :4]) for item in moved])
    np.testing.assert_allclose(
        np.moveaxis(found, [batch, *(axis % 3 for axis in axes)], [0, 1, 2]), wanted, atol=1e-12
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_peers_agree(ndim):
    x = RANDOM.random((30, 20, 15)[:ndim])
    template = RANDOM.random((5, 4, 3)[:ndim])
    np.testing.assert_allclose(fa.match(x, template), coefficients(x, template), atol=1e-12)
    if ndim > 1:
        np.testing.assert_allclose(fa.match(x, template), match_template(x, template), atol=1e-10)
    if ndim == 2:
        x, template = x.astype("f4"), template.astype("f4")
        theirs = cv2.matchTemplate(x, template, cv2.TM_CCOEFF_NORMED)
        np.testing.assert_allclose(fa.match(x, template), theirs, atol=1e-5)
        assert fa.match(x, template).dtype == np.float32


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "f2", "f4", "f8", "?"])
def test_kinds_of_numbers_and_views(dtype):
    x = (RANDOM.random((21, 30)) * 200).astype(dtype)
    view, template = x[::-2, ::3], (RANDOM.random((3, 4)) * 200).astype("u1")
    result = np.float64 if dtype in ("i8", "f8") else np.float32
    found = fa.match(view, template)
    assert found.dtype == result
    wanted = coefficients(np.ascontiguousarray(view).astype("f8"), template.astype("f8"))
    np.testing.assert_allclose(
        found, np.where(np.isnan(wanted), 0, wanted), atol=1e-6 if result == np.float32 else 1e-12
    )


@pytest.mark.parametrize("kind", ["numpy", "torch", "dask"])
def test_a_mean_that_is_large_beside_the_spread_costs_no_digits(kind):
    make, read = ARRAYS[kind]
    x = np.round(RANDOM.standard_normal((60, 50)) * 2**16) / 2**16
    wanted = coefficients(x, TEMPLATE)
    np.testing.assert_allclose(read(fa.match(make(x + 2.0**30), TEMPLATE + 2.0**20)), wanted, atol=1e-6)
    theirs = match_template(x + 2.0**30, TEMPLATE)  # the difference of sums of squares has no digit left
    assert np.abs(theirs - wanted).max() > 0.1


def test_quiet_windows_beside_loud_ones_keep_their_scores():
    x = RANDOM.standard_normal(5000)
    x[3000:3300] *= 1e6
    template = x[1000:1064].copy()
    found, wanted = fa.match(x, template), coefficients(x, template)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert found.argmax() == 1000


def test_windows_without_spread_are_zero_and_those_without_samples_are_nan():
    x = RANDOM.standard_normal((12, 14)) + 7
    x[2:8, 3:9] = 1 / 3
    for kind in ("numpy", "torch", "dask"):
        make, read = ARRAYS[kind]
        found = read(fa.match(make(x), TEMPLATE))
        assert (found[2:5, 3:5] == 0).all()
        assert (found != 0).sum() == found.size - 6
        valid = np.ones(x.shape, bool)
        valid[2:8, 3:9] = False
        found = read(fa.match(make(x), TEMPLATE, valid=valid))
        np.testing.assert_array_equal(np.argwhere(np.isnan(found)), np.argwhere(np.ones((3, 2))) + np.array([2, 3]))


def test_few_samples_present():
    few = fa.match(X, TEMPLATE, valid=VALID, min_weight=0.7)
    share = np.lib.stride_tricks.sliding_window_view(VALID, TEMPLATE.shape).mean((-1, -2))
    np.testing.assert_array_equal(np.isnan(few), share < 0.7)
    tensor = fa.match(torch.from_numpy(X), TEMPLATE, valid=VALID, min_weight=0.7)
    np.testing.assert_allclose(tensor.numpy(), few, atol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_reach_the_windows_that_have_them(value):
    x = X.copy()
    x[8, 9] = value
    clean, found = fa.match(X, TEMPLATE), fa.match(x, TEMPLATE)
    reached = np.zeros(found.shape, bool)
    reached[5:9, 5:10] = True
    np.testing.assert_array_equal(np.isnan(found), reached)
    np.testing.assert_allclose(found[~reached], clean[~reached], atol=1e-12)
    mask = np.ones(TEMPLATE.shape, bool)
    mask[1, 2] = False
    assert np.isfinite(fa.match(x, TEMPLATE, mask=mask)[7, 7])


def test_a_hole_in_a_template_may_hold_anything():
    template = TEMPLATE.copy()
    template[~MASK] = np.nan
    np.testing.assert_array_equal(fa.match(X, template, mask=MASK), fa.match(X, TEMPLATE, mask=MASK))


@pytest.mark.parametrize("options", [{}, {"mask": MASK}, {"valid": VALID[:6, :7], "shape": "same"}])
def test_gradients(options):
    x = torch.from_numpy(X[:6, :7].copy()).requires_grad_()
    template = torch.from_numpy(TEMPLATE.copy()).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: fa.match(a, b, **options), (x, template))
    single = fa.match(x.detach().float(), template)
    assert single.dtype == torch.float32
    flat = torch.ones(9, dtype=torch.float64, requires_grad=True)
    fa.match(flat, [1.0, 2.0]).sum().backward()
    assert (flat.grad == 0).all()


def test_labels():
    x = xr.DataArray(X, dims=("y", "x"), coords={"y": np.arange(19) * 2.0}, attrs={"units": "m"}, name="height")
    found = fa.match(x, [TEMPLATE, -TEMPLATE])
    assert found.dims == ("template", "y", "x")
    assert found.name == "height"
    assert "units" not in found.attrs
    np.testing.assert_array_equal(found.y, x.y[2:18])  # of the template's centre, its sample 4 // 2
    rows = fa.match(x, TEMPLATE[0], {"x": "wrap"}, dims="x", shape="same")
    np.testing.assert_allclose(rows, fa.match(X, TEMPLATE[0], "wrap", axes=1, shape="same"), atol=1e-13)
    holes = x.where(x > 4, -999.0).assign_attrs(_FillValue=-999.0)
    np.testing.assert_allclose(fa.match(holes, TEMPLATE), fa.match(X, TEMPLATE, valid=X > 4), atol=1e-12)
    lazy = fa.match(x.chunk(5), TEMPLATE)
    assert isinstance(lazy.data, da.Array)
    np.testing.assert_allclose(lazy, fa.match(X, TEMPLATE), atol=1e-13)


def test_any_number_of_workers_and_small_tiles(monkeypatch):
    x = RANDOM.standard_normal((200, 90))
    template = x[20:31, 7:20].copy()
    one = fa.match(x, template, workers=1)
    np.testing.assert_array_equal(one, fa.match(x, template, workers=3))
    whole = fa.match(x, template, valid=x > -1, shape="same")
    monkeypatch.setattr("faltung.signals.match_tiles._TOGETHER", 300)
    np.testing.assert_allclose(fa.match(x, template), one, atol=1e-12)
    np.testing.assert_allclose(fa.match(x, template, valid=x > -1, shape="same"), whole, atol=1e-12)


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 2**31), st.floats(-50, 50), st.floats(0.01, 100))
def test_scores_are_of_shape_only(rows, columns, seed, offset, scale):
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows + 6, columns + 5))
    template = random.standard_normal((rows, columns))
    y = fa.match(x, template)
    assert np.abs(y).max() <= 1
    np.testing.assert_allclose(fa.match(scale * x + offset, template), y, atol=1e-9)
    np.testing.assert_allclose(fa.match(x, offset - scale * template), -y, atol=1e-9)
    inside = x[3 : 3 + rows, 2 : 2 + columns]
    assert fa.match(x, inside)[3, 2] == pytest.approx(1, abs=1e-12)
    swapped = fa.match(x[::-1, ::-1], template[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_allclose(swapped, y, atol=1e-10)


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("size", range(1, 9))
def test_lags(n, size):
    for shape in ("full", "same", "valid"):
        if shape == "valid" and size > n:
            continue
        found = fa.lags(n, size, shape)
        x, template = RANDOM.standard_normal(n), RANDOM.standard_normal(size)
        padded = np.pad(x, size)
        sums = [padded[lag + size : lag + 2 * size] @ template for lag in found]
        np.testing.assert_allclose(fa.correlate(x, template, "constant", shape=shape), sums, atol=1e-12)
        theirs = signal.correlation_lags(n, size, shape)
        np.testing.assert_array_equal(found, theirs - (shape == "same" and n % 2 and size % 2 == 0))


WRONG = {
    "complex": ((X + 0j, TEMPLATE), {}, "x: .*real"),
    "too many axes": ((X, np.ones((2, 2, 2, 2))), {}, "templates: .*2 axes.*axes="),
    "larger": ((X[:3], TEMPLATE), {}, "templates: .*at most.*shape='same'"),
    "flat": ((X, np.full((3, 3), 0.1)), {}, "templates: .*vary"),
    "flat one of several": ((X, [TEMPLATE, np.zeros((4, 5))]), {}, "templates: .*template 1 in which all are equal"),
    "nan": ((X, np.where(MASK, TEMPLATE, np.nan)), {}, "templates: .*finite.*mask="),
    "shapes": ((X, [TEMPLATE, TEMPLATE[1:]]), {}, "templates: .*one shape"),
    "empty": ((X, np.ones((0, 2))), {}, "templates: .*at least one sample"),
    "mask of x": ((X, TEMPLATE), {"mask": VALID}, r"mask: .*\(4, 5\).*valid="),
    "mask of numbers": ((X, TEMPLATE), {"mask": MASK * 1.0}, "mask: .*booleans"),
    "empty mask": ((X, TEMPLATE), {"mask": MASK & False}, "mask: .*counts"),
    "valid": ((X, TEMPLATE), {"valid": VALID[1:]}, "shape"),
    "normalised": ((X, TEMPLATE), {"normalised": 1.5}, "normalised: "),
    "shape": ((X, TEMPLATE), {"shape": "some"}, "shape: "),
    "mode": ((X, TEMPLATE, "mirrored"), {}, "mode: "),
    "min_weight": ((X, TEMPLATE), {"valid": VALID, "min_weight": 2}, "min_weight: "),
    "dims": ((X, TEMPLATE), {"dims": ("y", "x")}, "dims: .*axes="),
    "masked array": ((np.ma.array(X, mask=~VALID), TEMPLATE), {}, "x: .*masked"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(name):
    arguments, keywords, text = WRONG[name]
    with pytest.raises(fa.FaltungError, match=f"(?s){text}"):
        fa.match(*arguments, **keywords)


# ---- where peers fail


def test_a_large_template_needs_little_memory():
    """A peer took 4 GB for this image and this template (scikit-image/scikit-image#6623)."""
    code = """
        import numpy as np, faltung as fa
        x = np.random.default_rng(0).random((1080, 2400), dtype=np.float32)
        t = x[300:800, 900:1400].copy()
        fa.match(x[:64, :64], t[:32, :32])
        status = lambda name: [int(l.split()[1]) << 10 for l in open("/proc/self/status") if l.startswith(name)][0]
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        y = fa.match(x, t)
        assert np.unravel_index(y.argmax(), y.shape) == (300, 900)
        print(status("VmHWM") - before - y.nbytes)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200e6


def test_a_long_signal_is_matched_in_tiles():
    """A peer held the transforms of 8.6 million samples at once, 967 MiB (obspy/obspy#2042)."""
    x = RANDOM.standard_normal(2_500_000)
    template = x[1_200_000:1_201_000].copy()
    y = fa.match(x, template)
    assert y.argmax() == 1_200_000
    some = np.linspace(0, len(y) - 1, 50).astype(int)
    wanted = [np.corrcoef(x[at : at + 1000], template)[0, 1] for at in some]
    np.testing.assert_allclose(y[some], wanted, atol=1e-12)
