"""Restored arrays of xarray keep their labels; lazy arrays are refused by name."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray

import faltung as fa

PSF = fa.gaussian(1.0, ndim=1)
X = xarray.DataArray(
    np.random.default_rng(0).random((3, 20)),
    dims=("y", "x"),
    coords={"x": np.linspace(0, 1, 20)},
    name="flux",
    attrs={"units": "Jy"},
)
CALLS = [
    lambda x, **how: fa.restore.richardson_lucy(x, PSF, 3, **how),
    lambda x, **how: fa.restore.tikhonov(x, PSF, 0.1, **how),
    lambda x, **how: fa.restore.wiener(x, PSF, 0.1, **how),
]


@pytest.mark.parametrize("restore", CALLS)
def test_labels_are_kept(restore):
    y = restore(X)
    assert y.dims == X.dims
    assert y.name == "flux"
    assert y.attrs == X.attrs
    np.testing.assert_array_equal(y.x, X.x)
    np.testing.assert_array_equal(y, restore(X.to_numpy()))
    np.testing.assert_array_equal(restore(X, mode={"x": "wrap"}), restore(X.to_numpy(), mode="wrap"))
    mask = X > 0.1
    np.testing.assert_array_equal(restore(X, mask=mask.T), restore(X.to_numpy(), mask=mask.to_numpy()))


@pytest.mark.parametrize("restore", CALLS)
def test_lazy_arrays_are_refused(restore):
    for lazy in (X.chunk(x=5), dask.array.from_array(X.to_numpy())):
        with pytest.raises(fa.ArgumentTypeError, match=r"x: expected an array of NumPy .*x\.compute"):
            restore(lazy)
    holes = X.copy()
    holes.attrs["_FillValue"] = -1.0
    holes[0, 3] = -1.0
    with pytest.raises(fa.ArgumentError, match="declared missing"):
        restore(holes)
