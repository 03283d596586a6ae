"""Samples that an array declares missing: they are missing, and what comes back says so in the same way."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
from faltung.planning.nodata import declared
from samples import noise, normal

HOLES = np.zeros((12, 15), bool)
HOLES[3:5, 4:9] = HOLES[0, 0] = True
FAR = np.zeros((12, 15), bool)
FAR[:, :8] = True  # wider than any kernel here
KERNEL = fa.gaussian(1.0)


def raster(dtype, nodata, holes=HOLES, name="_FillValue"):
    values = 100 * normal(holes.shape)
    if np.dtype(dtype).kind in "iu":
        values = noise(holes.shape).integers(1, 90, holes.shape)
    values = values.astype(dtype)
    values[holes] = nodata
    return xr.DataArray(values, dims=("y", "x"), attrs={name: nodata, "units": "m"})


KINDS = [
    ("f4", -9999.0),
    ("f8", 1e20),
    ("f4", np.finfo("f4").min.item()),
    ("i2", -32768),
    ("u1", 0),
    ("u1", 255),
    ("i4", -9999.0),
    ("i8", -(2**63)),
]


@given(
    st.sampled_from(KINDS),
    st.sampled_from(["_FillValue", "missing_value", "nodata"]),
    st.sampled_from([HOLES, FAR]),
    st.sampled_from([{}, {"min_weight": 0.5}, {"keep_nan": True}, {"shape": "valid"}, {"mode": "constant"}]),
    st.sampled_from([fa.gaussian(1.0), fa.sobel(), fa.box((2, 3))]),
)
@settings(deadline=None, max_examples=60)
def test_declared_values_are_missing(kind, name, holes, options, kernel):
    x = raster(*kind, holes, name)
    expected = fa.convolve(x.values, kernel, mask=~holes, **options)
    y = fa.convolve(x, kernel, **options)
    np.testing.assert_array_equal(y.values, expected)
    assert y.dtype == expected.dtype
    assert np.isnan(y.attrs[name])  # floats say that what is missing is NaN
    assert y.attrs["units"] == "m"
    assert x.attrs[name] == kind[1]
    if holes is FAR and not {"shape", "mode"} & {*options}:
        assert np.isnan(y.values).any()


def test_a_second_filter_knows_what_is_missing():
    x = raster("i2", -9999, FAR)
    once = fa.box(3)(x)
    twice = fa.box(3)(once)
    np.testing.assert_array_equal(twice.values, fa.convolve(once.values, fa.box(3), nan="ignore"))
    assert np.isfinite(twice.values).sum() > np.isfinite(once.values).sum() > (~FAR).sum()


def test_nan_can_be_declared():
    x = raster("f4", np.nan)
    assert fa.box(3)(x).identical(x.copy(data=fa.convolve(x.values, fa.box(3), nan="ignore")))
    y = fa.convolve(x, fa.box(3), dtype="f8")
    assert np.isfinite(y.values).all()
    x.attrs["missing_value"] = x.values[7, 7].item()
    both = fa.box(3)(x).values
    valid = ~(HOLES | (x.values == x.values[7, 7]))
    np.testing.assert_array_equal(both, fa.convolve(x.values, fa.box(3), mask=valid, nan="ignore"))


def test_several_values_can_be_missing():
    x = raster("i2", -1)
    x.values[10, 10] = -2
    x.attrs = {"missing_value": np.array([-1, -2], "i2"), "_FillValue": -3}
    y = fa.box(3)(x)
    np.testing.assert_array_equal(y.values, fa.convolve(x.values, fa.box(3), mask=x.values >= 0))
    assert all(np.isnan(value) for value in y.attrs.values())


def test_integer_results_hold_the_declared_value():
    x = raster("i2", -9999, FAR)
    y = fa.convolve(x, fa.box(3), dtype="i2")
    floats = fa.box(3)(x).values
    np.testing.assert_array_equal(y.values == -9999, np.isnan(floats))
    np.testing.assert_array_equal(y.values[~np.isnan(floats)], np.rint(floats[~np.isnan(floats)]))
    assert y.attrs == x.attrs
    assert y.dtype == np.int16
    assert fa.plan(x, fa.box(3), dtype="i2")(x).identical(y)
    weighted = fa.convolve(x, fa.box(3), dtype="i2", weights=np.full(FAR.shape, 0.5))
    np.testing.assert_array_equal(weighted.values, y.values)
    again = fa.convolve(y, fa.box(3), dtype="i2")
    assert (again.values == -9999).sum() < (y.values == -9999).sum()
    with pytest.raises(fa.ArgumentError, match=r"^dtype: expected a dtype that holds missing outputs, got uint8"):
        fa.convolve(x, fa.box(3), dtype="u1")
    with pytest.raises(fa.ArgumentError, match=r"^dtype: expected a dtype that holds missing outputs"):
        fa.convolve(raster("f4", np.nan), fa.box(3), dtype="u1")


def test_a_result_can_be_equal_to_the_value():
    """Flat ground has no slope: a result of zero is no missing one, though zero is the missing value of the input."""
    x = raster("u1", 0).where(HOLES, 7).astype("u1").where(~HOLES, 0).astype("u1").assign_attrs(_FillValue=0)
    y = fa.sobel()(x)
    np.testing.assert_array_equal(y.values, 0)
    np.testing.assert_array_equal(fa.sobel()(y).values, 0)


def test_nothing_is_missing_if_no_sample_has_the_value():
    x = raster("f4", -9999.0, np.zeros((12, 15), bool))
    np.testing.assert_array_equal(KERNEL(x).values, KERNEL(x.values))
    x = x.assign_attrs(_FillValue=1e300)  # no float32 has it
    np.testing.assert_array_equal(KERNEL(x).values, KERNEL(x.values))
    odd = raster("u1", 0).assign_attrs(_FillValue=-9999)
    np.testing.assert_array_equal(KERNEL(odd).values, KERNEL(odd.values))
    half = raster("i2", 0).assign_attrs(_FillValue=0.5)
    np.testing.assert_array_equal(KERNEL(half).values, KERNEL(half.values))


def test_masks_and_weights_come_on_top():
    x = raster("i2", -9999)
    more = noise(3).random(HOLES.shape) > 0.3
    np.testing.assert_array_equal(
        fa.convolve(x, KERNEL, mask=more).values, fa.convolve(x.values, KERNEL, mask=more & ~HOLES)
    )
    weights = noise(4).random(HOLES.shape)
    got = fa.convolve(x, KERNEL, weights=xr.DataArray(weights, dims=("y", "x")))
    np.testing.assert_array_equal(got.values, fa.convolve(x.values, KERNEL, weights=np.where(HOLES, 0, weights)))


# ---- the encoding


def test_decoded_floats_follow_the_argument():
    """Where a file was decoded, NaN stands for what was missing, and `nan` says what is to be done."""
    x = raster("f4", np.nan)
    x.attrs, x.encoding = {}, {"_FillValue": -9999.0, "dtype": "int16"}
    assert np.isnan(fa.box(3)(x).values).sum() > HOLES.sum()
    y = fa.convolve(x, fa.box(3), nan="ignore")
    assert np.isfinite(y.values).all()
    assert y.encoding == {"_FillValue": -9999.0}  # NaN is written as this value


def test_integers_that_were_never_decoded():
    x = raster("i2", -9999)
    x.attrs, x.encoding = {}, {"_FillValue": -9999, "zlib": True}
    y = fa.box(3)(x)
    np.testing.assert_array_equal(y.values, fa.convolve(x.values, fa.box(3), mask=~HOLES))
    assert np.isnan(y.encoding.pop("_FillValue"))
    assert y.encoding == {"zlib": True}
    x.encoding = {"_FillValue": -9999, "scale_factor": 2}
    np.testing.assert_array_equal(fa.box(3)(x).values, fa.box(3)(x.values))


def test_a_file_that_was_written_and_read(tmp_path):
    pytest.importorskip("scipy")
    x = raster("i2", -9999, FAR).rename("dem")
    x.to_netcdf(tmp_path / "dem.nc", engine="scipy")
    with xr.open_dataarray(tmp_path / "dem.nc", engine="scipy", mask_and_scale=False) as raw:
        got = KERNEL(raw)
    with xr.open_dataarray(tmp_path / "dem.nc", engine="scipy") as decoded:
        same = fa.convolve(decoded, KERNEL, nan="ignore")
    np.testing.assert_array_equal(got.values, same.values)
    got.to_netcdf(tmp_path / "smooth.nc", engine="scipy")
    with xr.open_dataarray(tmp_path / "smooth.nc", engine="scipy") as back:
        np.testing.assert_array_equal(back.values, got.values)
    same.to_netcdf(tmp_path / "same.nc", engine="scipy")
    with xr.open_dataarray(tmp_path / "same.nc", engine="scipy") as back:
        np.testing.assert_array_equal(back.values, got.values)


def test_plans_know_missing_values():
    x = raster("i2", -9999)
    plan = fa.plan(x, KERNEL)
    assert plan(x).identical(KERNEL(x))
    whole = x.where(~HOLES, 5).astype("i2").assign_attrs(x.attrs)
    for made in (plan, fa.plan(whole, KERNEL)):
        assert made(x).identical(KERNEL(x))
        xr.testing.assert_allclose(made(whole), KERNEL(whole), rtol=1e-6)
    mask = noise(5).random(HOLES.shape) > 0.5
    np.testing.assert_array_equal(fa.plan(x, KERNEL, mask=True)(x, mask=mask), fa.convolve(x, KERNEL, mask=mask))
    weights = noise(6).random(HOLES.shape)
    got = fa.plan(x, KERNEL, weights=True)(x, weights=weights)
    np.testing.assert_array_equal(got, fa.convolve(x, KERNEL, weights=weights))


@pytest.mark.parametrize("value", ["none", [1, "x"], object()])
def test_a_value_that_is_no_number(value):
    x = raster("i2", -9999).assign_attrs(_FillValue=value)
    with pytest.raises(fa.ArgumentTypeError, match=r"^x: expected a number as its attribute '_FillValue'"):
        KERNEL(x)


def test_what_is_declared():
    assert declared({}, {}, np.dtype("f4")) == ((), False, (), ())
    assert declared({"_FillValue": None}, {"_FillValue": 3}, np.dtype("f4")).values == ()
    assert declared({"nodata": True}, {}, np.dtype("?")).values == ()
    assert declared({"nodata": 1 + 0j}, {}, np.dtype("c8")).values == (1,)
