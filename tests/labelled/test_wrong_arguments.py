"""Whatever is passed with labels, it works or is answered by name: no other exception leaves the package."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import faltung as fa
from samples import normal

FIELD = xr.DataArray(normal((6, 7)), dims=("lat", "lon"), coords={"lat": np.arange(6.0), "lon": np.arange(7.0)})
ARRAYS = {
    "array": FIELD,
    "data set": xr.Dataset({"a": FIELD, "b": 3}),
    "series": pd.Series(normal(6)),
    "frame": pd.DataFrame(normal((6, 3))),
    "booleans": FIELD > 0.5,
    "objects": FIELD.astype(object),
    "words": FIELD.astype(str),
    "times": FIELD.astype("M8[ns]"),
    "number": xr.DataArray(3.0),
    "empty data set": xr.Dataset(),
    "empty series": pd.Series([], dtype=float),
    "empty frame": pd.DataFrame(),
    "index": pd.Index([1, 2, 3]),
    "variable": FIELD.variable,
}
KERNELS = [
    fa.box(3),
    [1.0, 2.0],
    fa.Bank.stack([fa.box(3)]),
    fa.gaussian({"lat": 1.0, "lon": 1.0}),
    fa.gaussian({"lat": np.timedelta64(1, "s")}),
    fa.gaussian({"index": 1.0}),
    "gaussian(1)",
    None,
    FIELD,
    pd.Series([1.0]),
]
OPTIONS = [
    {},
    *({"dims": value} for value in ({"lat"}, 5, [["lat"]], (), "", "lat", ("lat", "lon"), ("lon", "lat"))),
    *({"mode": value} for value in ({"lon": None}, {}, {("a",): "wrap"}, {"lat": "wrap"}, ["wrap", 3])),
    *({"channel_axis": value} for value in (["a"], "lat", 1.0, {})),
    *({"mask": value} for value in ("x", 3, FIELD > 0.5, FIELD, pd.Series([True] * 6), pd.DataFrame([[True]]))),
    *({"weights": value} for value in (FIELD, "a", pd.Series([0.5] * 6))),
    *({"shape": value} for value in ("full", "no", None)),
    *({"axes": value} for value in ("lat", {0}, 0, (1, 0))),
    {"stride": "a"},
    {"stride": 2, "shape": "valid"},
    {"dilation": 2, "shape": "full"},
    {"dtype": "q!"},
    {"dtype": "i2"},
    {"groups": 2},
]


@pytest.mark.parametrize("x", ARRAYS.values(), ids=[*ARRAYS])
def test_it_works_or_is_answered_by_name(x):
    done = refused = 0
    for kernel, options, call in itertools.product(KERNELS, OPTIONS, (fa.convolve, fa.plan)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fa.AxesWarning)
            try:
                call(x, kernel, **options)
                done += 1
            except fa.FaltungError as error:
                refused += bool(error.argument)
    numbers = isinstance(x, xr.DataArray | pd.Series) and x.dtype.kind in "fb" and x.ndim > 0
    assert done + refused == 2 * len(KERNELS) * len(OPTIONS)
    assert min(done, refused) > 15 or not numbers


@pytest.mark.parametrize("width", [3, 5, 7])
def test_means_are_those_of_rolling_windows(width):
    """Where the window of xarray has all samples: longitude wraps, latitude ends."""
    kernel, half = fa.box({"lat": float(width), "lon": float(width)}), width // 2
    wrapped = FIELD.pad(lon=half, mode="wrap").pad(lat=half, mode="edge")
    expected = wrapped.rolling(lat=width, lon=width, center=True).mean()[half:-half, half:-half]
    got = kernel(FIELD, {"lon": "wrap", "lat": "nearest"})
    np.testing.assert_allclose(got.values, expected.values, rtol=1e-4, atol=1e-5)


def test_slopes_are_those_of_differentiate():
    x = FIELD.assign_coords(lon=10.0 - 0.25 * np.arange(7)).cumsum("lon").cumsum("lon")
    difference = fa.Kernel([1.0, 0.0, -1.0]) / 2  # per sample; a CoordinateKernel is per degree
    per_degree = fa.convolve(x, difference, "nearest", dims="lon") / -0.25
    np.testing.assert_allclose(per_degree[:, 1:-1], x.differentiate("lon")[:, 1:-1], rtol=1e-4)
    smooth = fa.gaussian_derivative({"lon": 0.25})(x)
    assert np.corrcoef(smooth[:, 2:-2].values.ravel(), per_degree[:, 2:-2].values.ravel())[0, 1] > 0.9
