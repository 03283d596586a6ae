"""Arrays of xarray that hold dask arrays stay lazy, and become what arrays of NumPy become."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import faltung as fa
from samples import noise, normal

dask = pytest.importorskip("dask")
KERNEL = fa.gaussian({"lat": 1.0, "lon": 1.0})


def refuse(*arguments, **options):
    raise AssertionError("nothing should be computed yet")


@pytest.fixture
def lazily():
    """Compute nothing inside of this."""
    return dask.config.set(scheduler=refuse)


def field(nodata):
    numbers = noise(3).integers(0, 90, (3, 24, 30)).astype("i2")
    coords = {"lat": 50 - 0.5 * np.arange(24), "lon": 0.5 * np.arange(30)}
    x = xr.DataArray(numbers, dims=("time", "lat", "lon"), coords=coords, name="t", attrs={"units": "K"})
    return x.assign_attrs(_FillValue=7) if nodata else x


@pytest.mark.parametrize("nodata", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": {"lon": "wrap", "lat": "nearest"}},
        {"shape": "valid"},
        {"shape": "full"},
        {"stride": 2},
        {"dtype": "i2"},
        {"mask": True},
        {"weights": True},
    ],
    ids=str,
)
def test_the_result_is_lazy_and_that_of_arrays(lazily, options, nodata):
    x = field(nodata)
    chunked = x.chunk(time=1, lat=7, lon=11)
    beside = xr.DataArray(normal((24, 30)) ** 2, dims=("lat", "lon"), coords={"lat": x.lat, "lon": x.lon})
    beside = beside / beside.max()
    if "mask" in options:
        beside = beside > 0.01
    more = {name: beside for name in options if name in ("mask", "weights")}
    lazy_more = {name: beside.chunk(lat=7) for name in more}
    with lazily:
        y = fa.convolve(chunked, KERNEL, **(options | lazy_more))
        data = fa.convolve(xr.Dataset({"t": chunked, "n": 1}), KERNEL, **(options | lazy_more))
    assert dask.is_dask_collection(y.data)
    expected = fa.convolve(x, KERNEL, **(options | more))
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.values, expected.values, rtol=1e-5, atol=1 if y.dtype.kind == "i" else 1e-5)
    xr.testing.assert_identical(y.copy(data=expected.values), expected)
    np.testing.assert_array_equal(data.t.values, y.values)


def test_plans_of_lazy_arrays(lazily):
    chunked = field(True).chunk(lat=10)
    with lazily:
        plan = fa.plan(chunked, KERNEL)
        y = plan(chunked)
        assert "axes      time, lat, lon" in str(plan)
    np.testing.assert_allclose(y.values, KERNEL(field(True)).values, rtol=1e-5)
