"""Kernels in coordinate units on arrays of xarray: the spacing comes from the coordinates, or a reason why not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
from faltung.labelled.spacing import continued, spacing_of, unevenness
from samples import normal

HOUR = np.timedelta64(1, "h")


def field(**coords):
    x = xr.DataArray(normal((12, 20)), dims=("lat", "lon"), attrs={"units": "K"})
    return x.assign_coords({"lat": 60 - 0.5 * np.arange(12), "lon": 0.25 * np.arange(20)} | coords)


@pytest.mark.parametrize("order", [("lat", "lon"), ("lon", "lat")])
def test_the_spacing_comes_from_the_coordinates(order):
    x = field().transpose(*order)
    kernel = fa.gaussian({"lat": 1.0, "lon": 1.0})
    expected = fa.convolve(x.values, fa.gaussian((2.0, 4.0)), axes=[order.index("lat"), order.index("lon")])
    for got in (kernel(x), fa.correlate(x, kernel), fa.convolve(x, kernel, dims=["lon", "lat"])):
        np.testing.assert_allclose(got.values, expected, rtol=1e-5, atol=1e-6)
        xr.testing.assert_identical(got, x.copy(data=got.values))
    got = kernel(x, {"lon": "wrap", "lat": "nearest"})
    axes = [order.index("lat"), order.index("lon")]
    np.testing.assert_allclose(
        got.values, fa.convolve(x.values, fa.gaussian((2.0, 4.0)), ("nearest", "wrap"), axes=axes), rtol=1e-5
    )


@given(st.floats(-3, 3).filter(lambda step: abs(step) > 0.01), st.sampled_from([1, 2]))
@settings(deadline=None, max_examples=30)
def test_derivatives_have_the_sign_and_the_scale_of_the_coordinate(step, order):
    # Far from zero in units of the step, the sum of the sampled taps, which is not quite zero, counts.
    place = step * (5 + np.arange(60))
    x = xr.DataArray(4 * place**order, dims="u", coords={"u": place}, attrs={"units": "m"})
    x.u.attrs["units"] = "s"
    slope = fa.gaussian_derivative({"u": 2 * abs(step)}, order, truncate=6.0)(x, shape="valid")
    np.testing.assert_allclose(slope.values, 4.0 * order, rtol=1e-4)
    assert slope.attrs["units"] == f"m s-{order}"


def test_derivatives_along_times_are_per_second():
    times = pd.date_range("2020-01-01", periods=40, freq="10min")
    x = xr.DataArray(3.0 * 600 * np.arange(40), dims="time", coords={"time": times}, attrs={"units": "m"})
    for sigma in (np.timedelta64(20, "m"), pd.Timedelta("20min")):
        rate = fa.gaussian_derivative({"time": sigma}, axis="time")(x, shape="valid")
        np.testing.assert_allclose(rate.values, 3.0, rtol=1e-3)
        assert rate.attrs["units"] == "m s-1"
    smooth = fa.gaussian({"time": HOUR})(x)
    np.testing.assert_array_equal(smooth.values, fa.gaussian(6.0, ndim=1)(x.values))
    assert smooth.attrs["units"] == "m"
    assert fa.box({"time": HOUR})(x).equals(x.copy(data=fa.box(6, ndim=1)(x.values)))


def test_units_are_dropped_where_they_would_be_wrong():
    x = field()
    assert "units" not in fa.gaussian_derivative({"lat": 1.0})(x).attrs  # the unit of the coordinate is not known
    x.lat.attrs["units"] = x.lon.attrs["units"] = "degrees"
    assert fa.gaussian_derivative({"lat": 1.0})(x).attrs["units"] == "K degrees-1"
    assert fa.log({"lat": 1.0, "lon": 1.0})(x).attrs["units"] == "K degrees-2"
    both = fa.gaussian_derivative({"lat": 1.0, "lon": 1.0}, {"lat": 1, "lon": 1})
    assert both(x).attrs["units"] == "K degrees-2"
    assert fa.gaussian({"lat": 1.0})(x).attrs["units"] == "K"
    mixed = fa.gaussian({"lat": 1.0}) + fa.gaussian_derivative({"lat": 1.0})
    assert "units" not in mixed(x).attrs
    x.lat.attrs["units"] = "m"
    assert "units" not in fa.log({"lat": 1.0, "lon": 1.0})(x).attrs
    assert "units" not in fa.gaussian_derivative({"lat": 1.0})(x.drop_attrs()).attrs


def test_products_with_other_axes():
    x = field()
    once = fa.gaussian({"lat": 1.0}) * fa.box({"lon": 0.75})
    apart = fa.box({"lon": 0.75})(fa.gaussian({"lat": 1.0})(x, "wrap"), "wrap")
    xr.testing.assert_allclose(once(x, "wrap"), apart, rtol=1e-5)


WRONG = [
    (
        {"lat": [*range(11), 12]},
        {"lat": 1.0},
        "uneven steps: their mean is 1.09091, and the largest deviation from it is 0.909091",
    ),
    ({"lat": np.full(12, 3.0)}, {"lat": 1.0}, "steps whose mean is zero"),
    ({"lat": [np.nan, *range(11)]}, {"lat": 1.0}, "values that are not finite"),
    ({"lat": list("abcdefghijkl")}, {"lat": 1.0}, "got values of dtype <U1"),
    (
        {"lat": pd.date_range("2020-01-01", periods=12, freq="MS")},
        {"lat": 30 * 24 * HOUR},
        "uneven steps: their mean is 2.63127e+06 s, and the largest deviation from it is 125673 s",
    ),
]


@pytest.mark.parametrize(("coords", "sigma", "message"), WRONG, ids=[row[2][:20] for row in WRONG])
def test_uneven_coordinates_are_refused_with_the_reason(coords, sigma, message):
    with pytest.raises(fa.ArgumentError) as caught:
        fa.gaussian(sigma)(field(**coords))
    assert str(caught.value).startswith("kernel: expected lengths along an evenly spaced coordinate 'lat', got ")
    assert message in str(caught.value)
    assert "Interpolate x to even spacing first" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.drop_vars("lat"), "got one along 'lat', which has none. Add it with x.assign_coords(lat=...)"),
        (lambda x: x.rename(lat="y"), "dims: expected names of axes of x, which are 'y', 'lon', got 'lat'."),
        (lambda x: x[:1], "got 1 sample."),
        (lambda x: x[:0], "got 0 samples."),
    ],
)
def test_what_has_no_spacing_is_refused(change, message):
    with pytest.raises(fa.ArgumentError) as caught:
        fa.gaussian({"lat": 1.0, "lon": 1.0})(change(field()))
    assert message in str(caught.value)


def test_names_of_the_kernel_are_those_of_the_call():
    kernel = fa.gaussian({"lat": 1.0, "lon": 1.0})
    with pytest.raises(fa.ArgumentError, match=r"^dims: expected 'lat', 'lon', which the kernel names, or None"):
        fa.convolve(field(), kernel, dims="lat")
    with pytest.raises(fa.ArgumentError, match=r"^axes: expected None where axes have names"):
        fa.convolve(field(), kernel, axes=(0, 1))


# ---- spacing


@given(
    st.sampled_from(["f4", "f8"]),
    st.floats(-1e3, 1e3),
    st.floats(0.01, 10),
    st.integers(2, 400),
    st.sampled_from([-1, 1]),
)
@settings(deadline=None)
def test_rounded_coordinates_are_even(dtype, first, step, count, sign):
    values = (first + sign * step * np.arange(count)).astype(dtype)
    assert unevenness(values) == ""
    np.testing.assert_allclose(spacing_of(values, "u"), sign * step, rtol=1e-2 if dtype == "f4" else 1e-9)
    positions = np.arange(-3, count + 3)
    longer = continued(values, positions)
    np.testing.assert_allclose(longer, first + sign * step * positions, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(longer[3:-3], values)
    assert longer.dtype == values.dtype


@given(st.integers(3, 50), st.floats(0.002, 0.4), st.data())
def test_one_step_that_is_off_is_found(count, share, data):
    values = np.arange(count) * 2.0
    values[data.draw(st.integers(1, count - 2))] += 2 * share
    assert "uneven steps: their mean is 2, " in unevenness(values)
    assert unevenness(values).endswith(f"{2 * share:.6g}")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "D"])
def test_times_of_any_unit(unit):
    values = np.datetime64("2020-01-01", unit) + np.arange(5) * np.timedelta64(2, "D").astype(f"m8[{unit}]")
    assert spacing_of(values, "t") == np.timedelta64(2, "D")
    assert spacing_of(values[::-1], "t") == np.timedelta64(-2, "D")
    longer = continued(values, np.arange(-1, 6))
    assert longer[[0, -1]].tolist() == np.array(["2019-12-30", "2020-01-11"], f"M8[{unit}]").tolist()
    assert longer.dtype == values.dtype
    assert spacing_of(values - values[0], "t") == np.timedelta64(2, "D")


def test_times_that_are_missing():
    values = np.array(["2020-01-01", "NaT", "2020-01-03"], "M8[s]")
    assert unevenness(values) == "values that are not finite"
