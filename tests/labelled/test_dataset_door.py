"""Data sets of xarray: each variable that has the axes is filtered, and the others stay."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import faltung as fa
from samples import normal


def data(**more):
    coords = {"lat": 60 - 0.5 * np.arange(8), "lon": 0.25 * np.arange(10), "area": (("lat", "lon"), normal((8, 10)))}
    variables = {
        "t": (("time", "lat", "lon"), normal((3, 8, 10)), {"units": "K"}),
        "count": (("lon", "lat"), np.arange(80, dtype="u1").reshape(10, 8)),
        "zonal": (("time", "lat"), normal((3, 8))),
        "level": ("time", [1.0, 2.0, 3.0]),
        "crs": ((), 0, {"crs_wkt": "..."}),
    }
    x = xr.Dataset(variables | more, coords, {"title": "weather"})
    x.encoding = {"unlimited_dims": {"time"}}
    x.t.encoding = {"zlib": True}
    return x


@pytest.mark.parametrize(
    ("options", "positions"), [({}, slice(None)), ({"shape": "valid"}, slice(1, 7)), ({"stride": 2}, slice(0, 8, 2))]
)
def test_variables_with_the_axes_are_filtered(options, positions):
    x, kernel = data(), fa.Kernel([1.0, 2.0, 1.0])
    y = fa.convolve(x, kernel, dims="lat", **options)
    assert type(y) is xr.Dataset
    assert [*y.data_vars] == [*x.data_vars]
    for name in ("t", "count", "zonal"):
        xr.testing.assert_identical(y[name], fa.convolve(x[name], kernel, dims="lat", **options))
        axis = x[name].dims.index("lat")
        np.testing.assert_array_equal(y[name].values, fa.convolve(x[name].values, kernel, axes=axis, **options))
    xr.testing.assert_identical(
        y.drop_vars(["t", "count", "zonal"]), x.drop_vars(["t", "count", "zonal"]).isel(lat=positions)
    )
    assert y.attrs == x.attrs
    assert y.encoding == x.encoding
    assert y.t.encoding == {"zlib": True}
    assert x.identical(data())


def test_variables_that_lack_an_axis_stay_as_they_are():
    x, kernel = data(), fa.gaussian({"lat": 1.0, "lon": 0.5})
    y = kernel(x, {"lon": "wrap"})
    for name in ("t", "count"):
        xr.testing.assert_identical(y[name], kernel(x[name], {"lon": "wrap"}))
    xr.testing.assert_identical(y[["zonal", "level", "crs"]], x[["zonal", "level", "crs"]])
    # Along an axis of theirs, they are those at the positions of the outputs.
    y = fa.convolve(x, fa.box(3), dims=("lat", "lon"), shape="valid", stride=(2, 1))
    xr.testing.assert_identical(y.zonal, x.zonal.isel(lat=slice(1, 7, 2)))


def test_full_refuses_what_is_not_filtered():
    with pytest.raises(fa.ArgumentError) as caught:
        fa.convolve(data().drop_vars("area"), fa.box(3), dims=("lat", "lon"), shape="full")
    assert "'zonal': not filtered, and no coordinate" in str(caught.value)
    y = fa.convolve(data().drop_vars(["area", "zonal"]), fa.box(3), dims=("lat", "lon"), shape="full")
    assert y.sizes == {"time": 3, "lat": 10, "lon": 12}
    assert y.lat.values.tolist() == (60.5 - 0.5 * np.arange(10)).tolist()


def test_banks():
    x, bank = data(), fa.Bank.stack([fa.box(3), fa.sobel()])
    y = bank(x, dims=("lat", "lon"))
    assert y.t.dims == ("channel_out", "time", "lat", "lon")
    assert y["count"].dims == ("channel_out", "lon", "lat")
    layer = fa.Bank(normal((2, 3, 3, 3)))
    y = layer(x.drop_vars(["zonal", "level"]), dims=("lat", "lon"), channel_axis="time")
    np.testing.assert_array_equal(y.t.values, layer(x.t.values, channel_axis=0))
    xr.testing.assert_identical(y["count"], x["count"])
    with pytest.raises(fa.ArgumentError, match=r"x.drop_vars\(\['zonal', 'level'\]\)"):
        layer(x, dims=("lat", "lon"), channel_axis="time")


def test_a_mask_with_labels_goes_with_every_variable():
    x = data()
    mask = x["count"] > 30
    y = fa.convolve(x, fa.box(3), dims=("lat", "lon"), mask=mask)
    for name in ("t", "count"):
        xr.testing.assert_identical(y[name], fa.convolve(x[name], fa.box(3), dims=("lat", "lon"), mask=mask))
    weights = (mask * 0.5).isel(lon=0, drop=True)
    y = fa.convolve(x, fa.box(3), dims=("lat", "lon"), weights=weights)
    xr.testing.assert_identical(y.t, fa.convolve(x.t, fa.box(3), dims=("lat", "lon"), weights=weights))
    with pytest.raises(fa.ArgumentError, match=r"^mask: expected an array of xarray, as x is a data set"):
        fa.convolve(x, fa.box(3), dims=("lat", "lon"), mask=mask.values)


WRONG = [
    ({}, "dims: expected names of axes of the data set, which are "),
    ({"axes": (0, 1)}, "axes: expected None for a data set, got (0, 1). Name the axes with dims=."),
    (
        {"dims": ("lat", "depth")},
        "x: expected a data set with a variable that has the axes 'lat', 'depth', got one with the axes ",
    ),
    ({"dims": ("lat", "lon"), "out": 1}, "out: expected None where x has labels, got a int."),
    (
        {"dims": ("lat", "lon"), "mode": {"time": "wrap"}},
        "variable 't': mode: expected a mode for each of 'lat', 'lon'",
    ),
    ({"dims": ("lat", "lon"), "dtype": "bool"}, "variable 't': dtype: expected an integer, float or complex dtype"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(fa.FaltungError) as caught:
        fa.convolve(data(), fa.box(3), **options)
    assert str(caught.value).startswith(message)


def test_a_variable_that_holds_no_numbers_is_named():
    x = data(flag=(("lat", "lon"), np.full((8, 10), "a")))
    with pytest.raises(fa.ArgumentTypeError) as caught:
        fa.convolve(x, fa.box(3), dims=("lat", "lon"))
    said = "variable 'flag': x: expected numbers of at most double precision, got dtype <U1."
    assert str(caught.value) == f"{said} Or leave it out: x.drop_vars('flag')."
    assert caught.value.argument == "x"


def test_a_data_set_has_no_plan():
    with pytest.raises(fa.ArgumentError, match=r"Plan one of them: faltung.plan\(x\[name\], kernel\)"):
        fa.plan(data(), fa.box(3), dims=("lat", "lon"))


def test_uneven_coordinates_name_the_variable():
    x = data().assign_coords(lat=np.arange(8.0) ** 2)
    with pytest.raises(fa.ArgumentError, match=r"^variable 't': kernel: expected lengths along an evenly spaced"):
        fa.gaussian({"lat": 1.0})(x)


@pytest.mark.parametrize("dtype", ["U2", "S2", object, "datetime64[ns]"])
def test_a_variable_without_numbers_can_be_left_out(dtype):
    x = data(name=(("time", "lat"), np.zeros((3, 8), dtype)))
    with pytest.raises(fa.ArgumentTypeError, match=r"variable 'name': .* leave it out: x\.drop_vars\('name'\)\.$"):
        fa.convolve(x, [1.0, 2.0, 1.0], dims="lat")
    assert "t" in fa.convolve(x.drop_vars("name"), [1.0, 2.0, 1.0], dims="lat")
