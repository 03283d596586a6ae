"""Arrays of xarray: the numbers are those of the array of NumPy, whatever the order of the axes; labels survive."""

from __future__ import annotations

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
import faltung.labelled.accessor
from faltung.ground.boundary import MODES
from samples import normal

SIZES = {"time": 4, "lat": 7, "lon": 9}
EDGE = fa.Kernel([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])


def field(dims=("time", "lat", "lon"), dtype="f4"):
    """An array with coordinates of all kinds: of an axis, of two axes, of none, and words."""
    coords = {
        "time": pd.date_range("2020-01-01", periods=4, freq="6h"),
        "lat": np.linspace(60.0, 57.0, 7),
        "lon": np.arange(9) * 0.5,
        "area": (("lat", "lon"), normal((7, 9))),
        "season": ("time", ["a", "b", "c", "d"]),
        "height": 2.0,
    }
    x = xr.DataArray(normal((4, 7, 9), dtype), dims=("time", "lat", "lon"), coords=coords, name="t2m")
    x.attrs = {"units": "K", "long_name": "temperature"}
    x.lon.attrs["units"] = "degrees_east"
    x.encoding = {"grid_mapping": "crs", "zlib": True, "dtype": "int16", "scale_factor": 0.1, "chunksizes": (1, 7, 9)}
    return x.transpose(*dims)


def assert_labelled(y, x, data):
    """Assert that a result has the numbers of an array of NumPy, and the labels of `x`."""
    assert type(y) is xr.DataArray
    np.testing.assert_array_equal(y.values, data)
    assert y.dtype == data.dtype
    xr.testing.assert_identical(y, x.copy(data=data))


@settings(deadline=None, max_examples=60)
@given(
    st.permutations(["time", "lat", "lon"]),
    st.permutations(["time", "lat", "lon"]).map(lambda names: names[:2]),
    st.tuples(st.sampled_from([*MODES]), st.sampled_from([*MODES])),
    st.sampled_from([fa.convolve, fa.correlate]),
)
def test_the_numbers_are_those_of_the_axes_whatever_their_order(order, dims, modes, call):
    x = field(order)
    axes = [order.index(dim) for dim in dims]
    expected = call(x.values, EDGE, modes, 0.5, axes=axes)
    assert_labelled(call(x, EDGE, modes, 0.5, dims=dims), x, expected)
    assert_labelled(call(x, EDGE, dict(zip(dims, modes, strict=True)), 0.5, dims=dims), x, expected)
    assert_labelled(call(x, EDGE, modes, 0.5, axes=axes), x, expected)
    plain = field()
    again = call(plain, EDGE, modes, 0.5, dims=dims).transpose(*order)
    np.testing.assert_allclose(again.values, expected, rtol=1e-5, atol=1e-5)


def test_the_last_axes_are_filtered_if_none_are_named():
    x = field()
    assert_labelled(EDGE(x), x, EDGE(x.values))
    assert_labelled(fa.Kernel([1.0, 2.0])(x), x, fa.Kernel([1.0, 2.0])(x.values))
    assert_labelled(fa.convolve(x, [[1, 2], [3, 4]]), x, fa.convolve(x.values, [[1, 2], [3, 4]]))


def test_a_mode_for_one_axis_leaves_the_default_for_the_others():
    x = field()
    got = fa.convolve(x, fa.box(3), {"lon": "wrap"}, dims=("lat", "lon"))
    assert_labelled(got, x, fa.convolve(x.values, fa.box(3), ("reflect", "wrap")))
    got = fa.convolve(x.drop_vars("area"), fa.box(3), {"lon": "wrap"}, shape="full")
    np.testing.assert_array_equal(got.values, fa.convolve(x.values, fa.box(3), ("constant", "wrap"), shape="full"))


@pytest.mark.parametrize("options", [{"dtype": "f8"}, {"dtype": "i2"}, {"nan": "ignore"}, {"method": "fourier"}])
def test_other_arguments_are_those_of_arrays(options):
    x = field()
    assert_labelled(fa.convolve(x, EDGE, **options), x, fa.convolve(x.values, EDGE, **options))


@pytest.mark.parametrize("dtype", ["u1", "i4", "f2", "f8", "c8", "?"])
def test_dtypes_follow_the_rule_of_arrays(dtype):
    x = field().astype(dtype)
    assert_labelled(EDGE(x), x, EDGE(x.values))


# ---- coordinates


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ({"shape": "valid"}, slice(1, 6)),
        ({"stride": 2}, slice(0, 7, 2)),
        ({"shape": "valid", "stride": 3}, slice(1, 6, 3)),
        ({"shape": "same"}, slice(None)),
    ],
)
def test_coordinates_are_those_of_the_samples_with_an_output(options, positions):
    x = field()
    y = fa.convolve(x, fa.box(3, ndim=1), dims="lat", **options)
    expected = x.isel(lat=positions)
    xr.testing.assert_identical(y, expected.copy(data=fa.convolve(x.values, fa.box(3, ndim=1), axes=1, **options)))
    assert y.encoding.get("grid_mapping") == "crs"


def test_full_continues_evenly_spaced_coordinates():
    x = field().drop_vars(["area", "season"])
    x.lat.attrs["axis"] = "Y"
    y = fa.convolve(x, np.ones((2, 3, 2)), shape="full")
    np.testing.assert_array_equal(y.values, fa.convolve(x.values, np.ones((2, 3, 2)), shape="full"))
    assert y.time.values[[0, -1]].tolist() == pd.DatetimeIndex(["2019-12-31T18", "2020-01-01T18"]).values.tolist()
    np.testing.assert_allclose(y.lat.values, np.linspace(60.5, 56.5, 9), rtol=1e-15)
    np.testing.assert_array_equal(y.lat.values[1:-1], x.lat.values)
    assert y.lat.attrs == {"axis": "Y"}
    assert y.lon.values.tolist() == (np.arange(-1, 9) * 0.5).tolist()
    assert y.height == 2.0


def test_full_counts_on_in_integers():
    x = xr.DataArray(np.ones(3), dims="n", coords={"n": np.array([250, 252, 254], "u1")})
    longer = fa.convolve(x, np.ones(3), shape="full")
    assert longer.n.values.tolist() == [248, 250, 252, 254, 256]  # no unsigned bytes, so they do not wrap
    assert longer.n.dtype == np.int64
    x = x.assign_coords(n=np.array([50, 52, 54], "u1"))
    assert fa.convolve(x, np.ones(3), shape="full").n.dtype == np.uint8


@pytest.mark.parametrize(("name", "dim"), [("area", "lat"), ("season", "time"), ("time", "time")])
def test_full_refuses_what_cannot_be_continued_by_name(name, dim):
    x = field()
    if name == "time":
        x = x.drop_vars("season").assign_coords(
            time=pd.to_datetime(["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"])
        )
    with pytest.raises(fa.ArgumentError) as caught:
        fa.convolve(x, np.ones(3), shape="full", dims=dim)
    assert f"x.drop_vars(['{name}'])" in str(caught.value)
    y = fa.convolve(x.drop_vars([name]), np.ones(3), shape="full", dims=dim)
    assert name not in y.coords


def test_a_kernel_longer_than_the_array():
    x = xr.DataArray(normal(3), dims="n", coords={"n": [10, 20, 30]})
    y = fa.convolve(x, np.ones(6), shape="valid")
    np.testing.assert_array_equal(y.values, fa.convolve(x.values, np.ones(6), shape="valid"))
    full = fa.convolve(x, np.ones(6), shape="full")  # its first output is at position -3
    assert full.n.values.tolist() == [-20, -10, 0, 10, 20, 30, 40, 50]
    np.testing.assert_allclose(y.values, full.sel(n=y.n).values)
    assert y.n.values.tolist() == [0, 10, 20, 30]


def test_an_index_of_several_levels_is_kept():
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]], names=["letter", "number"])
    x = xr.DataArray(normal(6), dims="both", coords=xr.Coordinates.from_pandas_multiindex(index, "both"))
    y = fa.convolve(x, np.ones(3), shape="valid")
    xr.testing.assert_identical(y, x[1:5].copy(data=fa.convolve(x.values, np.ones(3), shape="valid")))
    assert y.sel(letter="b").size == 2


def test_an_array_without_coordinates():
    x = xr.DataArray(normal((5, 6)), dims=("a", "b"))
    for options in ({}, {"shape": "full"}, {"shape": "valid"}, {"stride": (2, 3)}):
        y = fa.convolve(x, EDGE, **options)
        xr.testing.assert_identical(y, xr.DataArray(EDGE(x.values, **options), dims=("a", "b")))
        assert not y.coords


@pytest.mark.parametrize("shape", ["same", "valid", "full"])
def test_empty_axes(shape):
    x = xr.DataArray(np.zeros((0, 4)), dims=("a", "b"), coords={"b": range(4)})
    y = fa.convolve(x, np.ones(3), shape=shape)
    assert y.shape == fa.convolve(x.values, np.ones(3), shape=shape).shape
    assert y.sizes["b"] == y.b.size


def test_names_of_axes_need_not_be_words():
    x = xr.DataArray(normal((5, 6)), dims=(0, ("u", "v")))
    np.testing.assert_array_equal(
        fa.convolve(x, [1.0, 2.0], dims=[0]).values, fa.convolve(x.values, [1.0, 2.0], axes=0)
    )


# ---- attributes and encoding


def test_attributes_and_encoding_are_kept_but_for_the_range_of_values():
    x = field()
    before = x.encoding.copy(), x.attrs.copy()
    y = fa.convolve(x, fa.box(3))
    assert y.attrs == x.attrs
    assert y.encoding == {"grid_mapping": "crs", "zlib": True, "chunksizes": (1, 7, 9)}
    assert fa.convolve(x, fa.box(3), shape="valid").encoding == {"grid_mapping": "crs", "zlib": True}
    y.attrs["units"] = "changed"
    assert (x.encoding, x.attrs) == before


def test_the_transform_of_a_raster_follows_its_outputs():
    raster = xr.DataArray(
        normal((6, 8)), dims=("y", "x"), coords={"y": 495.0 - 10 * np.arange(6), "x": 105.0 + 10 * np.arange(8)}
    )
    transform = {"GeoTransform": "100.0 10.0 0.0 500.0 0.0 -10.0", "crs_wkt": "..."}
    raster = raster.assign_coords(spatial_ref=xr.Variable((), 0, transform))
    for options in ({"shape": "valid"}, {"stride": 2}, {"shape": "full"}, {"stride": (1, 3), "shape": "valid"}):
        y = fa.convolve(raster, fa.box(3), **options)
        c, a, _, f, _, e = map(float, y.spatial_ref.attrs["GeoTransform"].split())
        np.testing.assert_allclose(y.x.values, c + a * (np.arange(y.sizes["x"]) + 0.5))
        np.testing.assert_allclose(y.y.values, f + e * (np.arange(y.sizes["y"]) + 0.5))
        assert y.spatial_ref.attrs["crs_wkt"] == "..."
    assert fa.convolve(raster, fa.box(3)).spatial_ref.identical(raster.spatial_ref)


# ---- banks and channels


def test_a_bank_adds_an_axis_with_a_name():
    x, bank = field(), fa.Bank.stack([fa.box(3), fa.sobel()])
    y = bank(x)
    assert y.dims == ("channel_out", "time", "lat", "lon")
    np.testing.assert_array_equal(y.values, bank(x.values))
    xr.testing.assert_identical(y[1].drop_attrs(), x.copy(data=y.values[1]).drop_attrs())
    with pytest.raises(fa.ArgumentError, match="Rename it"):
        bank(x.rename(time="channel_out"))


def test_channels_have_a_name():
    x = field().assign_coords(band=("time", list("rgbn"))).rename(time="channel").drop_vars("channel")
    bank = fa.Bank(normal((2, 4, 3, 3)))
    y = bank(x, channel_axis="channel", dims=("lat", "lon"))
    assert y.dims == x.dims
    np.testing.assert_array_equal(y.values, bank(x.values, channel_axis=0))
    assert {*y.coords} == {"lat", "lon", "area", "height"}
    assert bank(x, channel_axis=0).identical(y)
    assert_labelled(fa.box(3)(x, channel_axis="channel"), x, fa.box(3)(x.values))
    with pytest.raises(fa.ArgumentError, match=r"^channel_axis: expected names of axes of x"):
        bank(x, channel_axis="colour")
    with pytest.raises(fa.ArgumentError, match=r"^axes: expected axes other than that of the channels"):
        bank(x, channel_axis="channel", dims=("channel", "lon"))


# ---- masks and weights


@settings(deadline=None, max_examples=30)
@given(
    st.permutations(["time", "lat", "lon"]),
    st.sampled_from([["lat", "lon"], ["lon", "lat"], ["time"], ["lon", "time", "lat"]]),
)
def test_masks_and_weights_are_matched_by_name(order, dims):
    x = field(order)
    share = (
        (abs(field()) / abs(field()).max())
        .isel({dim: 0 for dim in SIZES if dim not in dims}, drop=True)
        .transpose(*dims)
    )
    whole = share.broadcast_like(x).transpose(*order).values
    kernel = fa.gaussian(1.0)
    for name, given_here, plain in (("mask", share > 0.2, whole > 0.2), ("weights", share, whole)):
        got = fa.convolve(x, kernel, dims=("lat", "lon"), **{name: given_here})
        axes = [order.index("lat"), order.index("lon")]
        assert_labelled(got, x, fa.convolve(x.values, kernel, axes=axes, **{name: plain}))


def test_masks_without_labels_are_those_of_arrays():
    x = field()
    mask = normal((7, 9)) > 0
    assert_labelled(fa.convolve(x, EDGE, mask=mask), x, fa.convolve(x.values, EDGE, mask=mask))
    with pytest.raises(fa.ArgumentError, match=r"^mask: expected an array of booleans of shape"):
        fa.convolve(x, EDGE, mask=mask[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.isel(lat=slice(3)), "as many samples along 'lat' as x, 7, got 3. Use mask.reindex_like(x)."),
        (
            lambda m: m.assign_coords(lat=m.lat + 0.25),
            "the coordinates of x along 'lat', got others: 60.25 in place of 60.0",
        ),
        (lambda m: m.isel(lat=slice(None, None, -1)), "the coordinates of x along 'lat'"),
        (lambda m: m.rename(time="day"), "axes of x, which are 'time', 'lat', 'lon', got an array with 'day'."),
    ],
)
def test_masks_of_other_samples_are_refused(change, message):
    x = field()
    for name in ("mask", "weights"):
        with pytest.raises(fa.ArgumentError) as caught:
            fa.convolve(x, EDGE, **{name: change(x > 0)})
        assert message.replace("mask", name) in str(caught.value)
        assert caught.value.argument == name


# ---- what is refused

WRONG = [
    ({"dims": ("lat", "depth")}, "dims: expected names of axes of x, which are 'time', 'lat', 'lon', got 'depth'."),
    ({"dims": ("lat", "lat")}, "dims: expected names that are all different, got ('lat', 'lat')."),
    ({"dims": "lat"}, "dims: expected 2 names, one for each axis of the kernel, got 'lat'."),
    ({"dims": ("lat", "lon"), "axes": (1, 2)}, "axes: expected None where axes have names, got (1, 2)."),
    (
        {"mode": {"time": "wrap"}},
        "mode: expected a mode for each of 'lat', 'lon', the axes of the kernel, got one for 'time'.",
    ),
    ({"mode": {"lon": "circular"}}, "got 'circular'. Use mode='wrap'."),
    ({"out": np.zeros((4, 7, 9), "f4")}, "out: expected None where x has labels, got a ndarray."),
    ({"axes": (0, 3)}, "axes: expected axes of an array with 3 axes, got (0, 3)."),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(fa.FaltungError) as caught:
        fa.convolve(field(), EDGE, **options)
    assert message in str(caught.value)


def test_names_are_for_axes_with_names():
    for x in (np.ones((4, 4)), [[1.0, 2.0]], np.ma.ones((4, 4))):
        with pytest.raises(fa.ArgumentTypeError, match="Axes of this array have no names"):
            fa.convolve(x, EDGE, mode={"lat": "wrap"})
        with pytest.raises(fa.ArgumentError, match=r"^dims: expected None, as the axes of the array have no names"):
            fa.convolve(x, EDGE, dims=("lat", "lon"))
        with pytest.raises(fa.ArgumentTypeError, match=r"^channel_axis: "):
            fa.convolve(x, EDGE, channel_axis="lat")


def test_taps_with_labels_are_refused():
    taps = xr.DataArray(np.ones((3, 3)), dims=("lat", "lon"))
    for x in (field(), np.ones((4, 4))):
        with pytest.raises(fa.ArgumentTypeError, match=r"^kernel: .*Pass kernel.to_numpy\(\)"):
            fa.convolve(x, taps)


def test_packed_samples_have_to_be_decoded():
    x = field().assign_attrs(add_offset=273.15, scale_factor=0.1)
    with pytest.raises(fa.ArgumentError, match=r"Decode them with xarray.decode_cf"):
        fa.convolve(x, EDGE)
    for trivial in ({"add_offset": 0.0, "scale_factor": 1.0}, {"scale_factor": 0.1}):
        y = fa.convolve(field().assign_attrs(trivial), EDGE)
        assert {**field().attrs, **trivial} == y.attrs


# ---- axes that are probably not meant


def test_a_kernel_over_colours_gets_a_warning():
    x = xr.DataArray(np.ones((20, 30, 5)), dims=("y", "x", "band"))
    with pytest.warns(fa.AxesWarning, match=r"the axis 'band'.*dims=\('y', 'x'\)") as caught:
        fa.convolve(x, fa.box(3))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("dims", "sizes", "options"),
    [
        (("y", "x", "z"), (20, 30, 4), {}),  # names say that these are no colours
        (("band", "y", "x"), (4, 20, 30), {}),
        (("y", "x", "band"), (20, 30, 3), {"dims": ("y", "x")}),
        (("y", "x", "band"), (20, 30, 3), {"channel_axis": "band"}),
        (("y", "band"), (20, 3), {}),  # all axes that there are
    ],
)
def test_no_false_alarms_for_names(dims, sizes, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fa.convolve(xr.DataArray(np.ones(sizes), dims=dims), fa.box(3), **options)


# ---- plans


def test_a_plan_is_called_with_arrays_of_the_same_axes():
    x = field()
    plan = fa.plan(x, EDGE, {"lon": "wrap"}, dims=("lat", "lon"), shape="valid")
    assert "time, lat, lon" in str(plan)
    assert plan.result_shape == (4, 6, 7)
    expected = fa.convolve(x, EDGE, {"lon": "wrap"}, dims=("lat", "lon"), shape="valid")
    for same in (plan, pickle.loads(pickle.dumps(plan))):
        xr.testing.assert_identical(same(x), expected)
    xr.testing.assert_identical(
        plan(x + 1).drop_attrs(), fa.convolve(x + 1, EDGE, {"lon": "wrap"}, shape="valid").drop_attrs()
    )
    for wrong, named in ((x.values, "x"), (x.transpose("lat", "time", "lon"), "x"), (x[:2], "x")):
        with pytest.raises(fa.FaltungError) as caught:
            plan(wrong)
        assert caught.value.argument == named
    with pytest.raises(fa.ArgumentError, match=r"^out: expected None"):
        plan(x, out=np.zeros(1))


def test_a_plan_with_a_mask():
    x = field()
    plan = fa.plan(x, EDGE, mask=True)
    xr.testing.assert_identical(
        plan(x, mask=(x > 0).transpose("lon", "time", "lat")), fa.convolve(x, EDGE, mask=x > 0)
    )
    with pytest.raises(
        fa.ArgumentError, match=r"^mask: expected an array of booleans, because this plan was made with"
    ):
        plan(x)
    with pytest.raises(
        fa.ArgumentError, match=r"^weights: expected None, because this plan was made without weights"
    ):
        plan(x, mask=x > 0, weights=x)


def test_a_plan_in_coordinate_units_is_for_one_spacing():
    x = field()
    plan = fa.plan(x, fa.gaussian({"lat": 0.5, "lon": 1.0}), effort="measure")
    xr.testing.assert_allclose(plan(x), fa.gaussian({"lat": 0.5, "lon": 1.0})(x), rtol=1e-5)
    with pytest.raises(fa.ArgumentError, match="coordinates of the spacing"):
        plan(x.assign_coords(lon=x.lon * 2))


# ---- the accessor


def test_the_accessor_calls_the_front_door():
    x = field()
    assert x.faltung.convolve(EDGE, dims=("lat", "lon")).identical(fa.convolve(x, EDGE))
    assert x.faltung.correlate(EDGE).identical(fa.correlate(x, EDGE))
    assert x.faltung.plan(EDGE).method == fa.plan(x, EDGE).method
    assert [*inspect.signature(x.faltung.convolve).parameters][:2] == ["kernel", "mode"]
    lengths = {"lat": 0.5, "lon": 1.0}
    assert x.faltung.gaussian(lengths).identical(fa.gaussian(lengths)(x))
    assert x.faltung.gaussian(1.0, dims="lat").identical(fa.convolve(x, fa.gaussian(1.0, ndim=1), dims="lat"))
    got = x.faltung.gaussian_derivative(lengths, "lat")
    assert got.identical(fa.gaussian_derivative(lengths, axis="lat")(x))
    got = x.faltung.gaussian_derivative(1.0, "lat", dims=("lon", "lat"))
    assert got.identical(fa.convolve(x, fa.gaussian_derivative(1.0, axis=1), dims=("lon", "lat")))
    with pytest.raises(fa.ArgumentError, match=r"^dims: expected names of axes for a length in samples"):
        x.faltung.gaussian(1.0)
    with pytest.raises(fa.ArgumentError, match=r"^axis: expected one of 'lat', got 'lon'"):
        x.faltung.gaussian_derivative(1.0, "lon", dims="lat")
    data = x.to_dataset()
    assert data.faltung.gaussian(lengths).identical(fa.gaussian(lengths)(data))
    assert faltung.labelled.accessor.Accessor(x).gaussian(lengths).identical(x.faltung.gaussian(lengths))
