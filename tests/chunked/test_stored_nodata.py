"""Missing samples of arrays in files: the door of xarray is the oracle, on the same array in memory."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.chunked import apply, pyramid

xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

pytestmark = [
    pytest.mark.usefixtures("no_waiting"),
    pytest.mark.filterwarnings("ignore:.*Zarr format 3 specification.*", "ignore:.*onsolidated.*"),
]


def grid(dtype, fill=-999):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 100, (41, 37)).astype(dtype)
    x[rng.random(x.shape) < 0.1] = fill
    x[5:20, 10:30] = fill
    return x


def stored(tmp_path, x, version, encoding):
    data = xarray.Dataset({"v": (("y", "x"), x)})
    chunks = {"chunks": (16, 16)}
    data.to_zarr(
        tmp_path / "in.zarr", zarr_format=version, encoding={"v": {**chunks, **encoding}}, consolidated=False
    )
    return tmp_path / "in.zarr" / "v"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("min_weight", [0.0, 0.5])
def test_fill_values_of_xarray(tmp_path, version, dtype, min_weight):
    x = grid(dtype)
    source = stored(
        tmp_path, np.where(x == -999, np.nan, x.astype(float)), version, {"dtype": dtype, "_FillValue": -999}
    )
    assert np.array_equal(zarr.open_array(source)[...], x)
    array = xarray.DataArray(x, dims=("y", "x"), attrs={"_FillValue": -999})
    expected = fa.convolve(array, fa.gaussian(1.5), dims=("y", "x"), dtype=dtype, min_weight=min_weight).values
    done = apply(source, fa.gaussian(1.5), tmp_path / "out.zarr", dtype=dtype, min_weight=min_weight, memory="1GB")
    result = zarr.open_array(tmp_path / "out.zarr")[...]
    assert np.allclose(result, expected, equal_nan=True, rtol=1e-4, atol=1e-3)
    assert ((result == -999) if dtype == "int16" else np.isnan(result)).any()
    assert "Samples equal to -999 are missing" in done.notes[0]


@pytest.mark.parametrize("version", [2, 3])
def test_results_are_read_by_xarray(tmp_path, version):
    x = grid("int16")
    encoding = {"dtype": "int16", "_FillValue": -999, "scale_factor": 0.5}
    source = stored(tmp_path, np.where(x == -999, np.nan, x * 0.5), version, encoding)
    for dtype in ("int16", "float32"):
        apply(source, fa.box(3), tmp_path / f"{dtype}.zarr", dtype=dtype, memory="1GB")
        with warnings_off():
            opened = xarray.Dataset({"v": open_variable(tmp_path / f"{dtype}.zarr")})
        read = xarray.decode_cf(opened)["v"].values
        floats = np.where(x == -999, np.nan, x * 0.5)
        expected = fa.convolve(floats, fa.box(3), nan="ignore")
        assert np.allclose(read, expected, equal_nan=True, atol=0.26 if dtype == "int16" else 1e-3)


def warnings_off():
    import warnings

    return warnings.catch_warnings(action="ignore")


def open_variable(path):
    array = zarr.open_array(path)
    attrs = dict(array.attrs)
    if array.metadata.zarr_format == 2:
        attrs["_FillValue"] = array.fill_value
    elif isinstance(attrs.get("_FillValue"), str):
        from xarray.backends.zarr import FillValueCoder

        attrs["_FillValue"] = FillValueCoder.decode(attrs["_FillValue"], array.dtype)
    return xarray.Variable(("y", "x"), array[...], attrs)


def test_what_is_declared_can_be_overruled(tmp_path):
    x = grid("int16")
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16), attributes={"missing_value": -999})
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "a.zarr", nodata="none", memory="1GB")
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr")[...], fa.convolve(x, fa.box(3)))
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "b.npy", nodata=7, memory="1GB")
    assert np.allclose(np.load(tmp_path / "b.npy"), fa.convolve(x, fa.box(3), mask=x != 7), equal_nan=True)
    floats = np.where(x == -999, np.nan, x.astype(float))
    zarr.create_array(tmp_path / "floats.zarr", data=floats, chunks=(16, 16))
    apply(tmp_path / "floats.zarr", fa.box(3), tmp_path / "c.npy", nodata=np.nan, memory="1GB")
    assert np.allclose(np.load(tmp_path / "c.npy"), fa.convolve(floats, fa.box(3), nan="ignore"), equal_nan=True)
    for wrong in ("7", True, None):
        with pytest.raises(TypeError, match="nodata: expected a number"):
            apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "c.zarr", nodata=wrong)


@pytest.mark.parametrize("attributes", [{"add_offset": 3.0}, {"_Unsigned": "true"}])
def test_packed_samples_are_refused(tmp_path, attributes):
    zarr.create_array(tmp_path / "in.zarr", data=grid("int16"), chunks=(16, 16), attributes=attributes)
    with pytest.raises(ValueError, match="source: expected samples that are decoded"):
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_levels_leave_missing_samples_out(tmp_path, dtype):
    x = grid(dtype)
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16), attributes={"nodata": -999})
    done = pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", 3, memory="1GB")
    assert "are missing" in done.notes[-1]
    finer = np.where(x == -999, np.nan, x.astype(float))
    for level in ("1", "2"):
        padded = np.pad(finer, [(0, size % 2) for size in finer.shape], mode="symmetric")
        cells = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
        count = np.isfinite(cells).sum((1, 3))
        mean = np.where(count, np.nansum(cells, (1, 3)) / np.maximum(count, 1), np.nan)
        found = zarr.open_array(tmp_path / "out.zarr" / level)[...]
        finer = np.where(found == -999, np.nan, found.astype(float))
        assert np.allclose(finer, np.rint(mean) if dtype == "int16" else mean, equal_nan=True, atol=1e-3)
        assert np.isnan(finer).any()
