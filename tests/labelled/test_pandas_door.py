"""Series and frames of pandas: each column is filtered along the index, which is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
from samples import noise, normal

KERNEL = fa.Kernel([1.0, 2.0, -0.5])
TIMES = pd.date_range("2020-03-28 20:00", periods=9, freq="2h", tz="Europe/Berlin", name="when")


def series(dtype="f8", index=TIMES):
    x = pd.Series((10 * normal(9)).astype(dtype), index, name="level")
    x.attrs = {"unit": "m"}
    return x


def assert_like(y, x, values):
    pd.testing.assert_series_equal(y, pd.Series(values, x.index, name=x.name), check_freq=False)
    assert y.attrs == x.attrs


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i8", "?", "c16"])
@pytest.mark.parametrize("call", [fa.convolve, fa.correlate])
def test_a_series_keeps_index_name_and_attributes(dtype, call):
    x = series(dtype)
    for options in ({}, {"mode": "wrap"}, {"nan": "ignore"}, {"dtype": "f8"} if dtype != "c16" else {}):
        assert_like(call(x, KERNEL, **options), x, call(x.to_numpy(), KERNEL, **options))
    assert_like(KERNEL(x), x, KERNEL(x.to_numpy()))
    assert_like(fa.convolve(x, [1, 2]), x, fa.convolve(x.to_numpy(), [1, 2]))


@pytest.mark.parametrize("options", [{"shape": "valid"}, {"stride": 2}, {"shape": "valid", "stride": 3}])
def test_the_index_is_that_of_the_samples_with_an_output(options):
    x = series()
    kept = {"valid": slice(1, 8), None: slice(0, 9)}[options.get("shape")]
    expected = x[kept][:: options.get("stride", 1)]
    assert_like(fa.convolve(x, KERNEL, **options), expected, fa.convolve(x.to_numpy(), KERNEL, **options))


@pytest.mark.parametrize(
    ("index", "first", "last"),
    [
        (pd.RangeIndex(5, 23, 2), 3, 23),
        (TIMES, TIMES[0] - pd.Timedelta("2h"), TIMES[-1] + pd.Timedelta("2h")),
        (pd.Index(np.linspace(1.0, 0.2, 9)), 1.1, 0.1),
    ],
)
def test_full_continues_an_even_index(index, first, last):
    y = fa.convolve(series(index=index), KERNEL, shape="full")
    np.testing.assert_array_equal(y.to_numpy(), fa.convolve(series().to_numpy(), KERNEL, shape="full"))
    assert len(y) == 11
    assert y.index.dtype == index.dtype
    assert y.index.name == index.name
    ends = (y.index[0], y.index[-1])
    assert ends == (first, last) or np.allclose(ends, (first, last), rtol=1e-12)


@pytest.mark.parametrize(
    "index", [list("abcdefghi"), np.arange(9) ** 2, pd.MultiIndex.from_product([range(3), range(3)])]
)
def test_full_refuses_other_indices(index):
    x = series(index=index)
    with pytest.raises(fa.ArgumentError, match=r"x.reset_index\(drop=True\) first"):
        fa.convolve(x, KERNEL, shape="full")
    assert fa.convolve(x, KERNEL, shape="valid").index.equals(x.index[1:8])


@given(
    st.sampled_from(["Int64", "Float32", "Float64", "UInt8", "boolean", "Int16"]),
    st.lists(st.booleans(), min_size=9, max_size=9),
    st.sampled_from([{}, {"min_weight": 0.6}, {"keep_nan": True}, {"dtype": "i2"}, {"mode": "constant"}]),
)
@settings(deadline=None, max_examples=60)
def test_na_is_a_missing_sample(dtype, missing, options):
    numbers = noise(9).integers(0, 2 if dtype == "boolean" else 100, 9)
    x = pd.Series(numbers, TIMES).astype(dtype)
    x[np.array(missing)] = pd.NA
    kernel, plain = fa.box(3, ndim=1), numbers.astype(str(x.dtype.numpy_dtype))
    valid = None if not any(missing) else ~np.array(missing)
    expected = fa.convolve(plain, kernel, mask=valid, **options)
    floats = fa.convolve(plain, kernel, mask=valid, **(options | {"dtype": None}))
    y = fa.convolve(x, kernel, **options)
    assert y.dtype.numpy_dtype == expected.dtype
    np.testing.assert_array_equal(y.isna().to_numpy(), np.isnan(floats))
    here = ~np.isnan(floats)
    np.testing.assert_array_equal(y[here].to_numpy(expected.dtype), expected[here])


def test_masks_come_on_top_of_na():
    x = pd.Series([1.0, 2.0, pd.NA, 4.0, 5.0], dtype="Float64")
    mask = pd.Series([True, True, True, False, True])
    for given_mask in (mask, mask.to_numpy(), mask.astype("boolean").to_numpy()):
        y = fa.convolve(x, [1, 1, 1], mask=given_mask)
        expected = fa.convolve(np.array([1.0, 2, 0, 4, 5]), [1, 1, 1], mask=[True, True, False, False, True])
        np.testing.assert_array_equal(y.to_numpy("f8", na_value=np.nan), expected)
    weights = pd.Series([0.5, 1, 1, 0.25, 1])
    y = fa.convolve(x, [1, 1, 1], weights=weights)
    expected = fa.convolve(np.array([1.0, 2, 0, 4, 5]), [1, 1, 1], weights=[0.5, 1, 0, 0.25, 1])
    np.testing.assert_array_equal(y.to_numpy("f8"), expected)
    with pytest.raises(fa.ArgumentError, match=r"^mask: expected the index of x, got another"):
        fa.convolve(x, [1, 1, 1], mask=mask[::-1])


def frame():
    x = pd.DataFrame({"a": normal(9, "f4"), "b": np.arange(9), "c": pd.array([1, None, *range(7)], "Int64")}, TIMES)
    x.attrs = {"source": "gauge"}
    return x


@pytest.mark.parametrize(
    "options", [{}, {"shape": "valid"}, {"stride": 2}, {"shape": "full"}, {"mode": {"index": "wrap"}}]
)
def test_each_column_of_a_frame_is_filtered_by_itself(options):
    x = frame()
    y = fa.convolve(x, KERNEL, **options)
    assert y.columns.equals(x.columns)
    assert y.attrs == x.attrs
    for name in x:
        pd.testing.assert_series_equal(y[name], fa.convolve(x[name], KERNEL, **options), check_freq=False)
    assert y.dtypes.astype(str).tolist() == ["float32", "float64", "Float64"]


def test_frames_with_columns_of_one_name_and_with_none():
    x = frame()[["a", "b"]]
    x.columns = pd.MultiIndex.from_tuples([("u", 1), ("u", 2)])
    assert KERNEL(x).columns.equals(x.columns)
    x.columns = ["same", "same"]
    y = KERNEL(x)
    assert [*y.columns] == ["same", "same"]
    np.testing.assert_array_equal(y.iloc[:, 1], KERNEL(np.arange(9)))
    empty = KERNEL(frame()[[]])
    assert empty.shape == (9, 0)
    assert KERNEL(frame()[:0]).shape == (0, 3)


def test_masks_of_frames():
    x = frame()
    mask = x[["a", "b", "c"]].notna() & (normal((9, 3)) > -0.5)
    y = fa.convolve(x, KERNEL, mask=mask)
    for place, name in enumerate(x):
        expected = fa.convolve(x[name], KERNEL, mask=mask.iloc[:, place])
        pd.testing.assert_series_equal(y[name], expected, check_freq=False)
    column = mask["a"]
    y = fa.convolve(x, KERNEL, mask=column)
    pd.testing.assert_series_equal(y["b"], fa.convolve(x["b"], KERNEL, mask=column), check_freq=False)
    with pytest.raises(fa.ArgumentError, match=r"^mask: expected the columns of x, got others"):
        fa.convolve(x, KERNEL, mask=mask.rename(columns={"a": "z"}))
    with pytest.raises(
        fa.ArgumentError, match=r"mask: expected an array that broadcasts to shape \(9, 3\), got shape \(4,\)"
    ):
        fa.convolve(x, KERNEL, mask=np.ones(4, bool))


def test_lengths_in_the_units_of_the_index():
    x = series()
    for name in ("index", "when"):
        y = fa.gaussian({name: pd.Timedelta("4h")})(x)
        assert_like(y, x, fa.gaussian(2.0, ndim=1)(x.to_numpy()))
    slope = fa.gaussian_derivative({"when": pd.Timedelta("2h")})(
        pd.Series(7200.0 * np.arange(9), TIMES), shape="valid"
    )
    np.testing.assert_allclose(slope, 1.0, rtol=1e-3)
    assert_like(
        fa.gaussian({"index": 3.0})(series(index=range(9))),
        series(index=range(9)),
        fa.gaussian(3.0, ndim=1)(x.to_numpy()),
    )
    assert_like(fa.convolve(x, KERNEL, dims="when"), x, KERNEL(x.to_numpy()))
    assert_like(fa.convolve(x, KERNEL, dims=["index"], mode={"when": "wrap"}), x, KERNEL(x.to_numpy(), "wrap"))
    with pytest.raises(
        fa.ArgumentError, match=r"^kernel: expected a length along 'index' or 'when', got one along 'lat'"
    ):
        fa.gaussian({"lat": 1.0})(x)
    with pytest.raises(fa.ArgumentError, match=r"uneven steps"):
        fa.gaussian({"index": 1.0})(series(index=np.arange(9) ** 2))


def test_a_plan_of_a_series_is_that_of_its_numbers():
    x = series()
    np.testing.assert_array_equal(fa.plan(x, KERNEL)(x.to_numpy()), KERNEL(x.to_numpy()))
    with pytest.raises(fa.ArgumentError, match=r"Plan one of them: faltung.plan\(x\[name\], kernel\)"):
        fa.plan(frame(), KERNEL)


@pytest.mark.parametrize(
    "column",
    [
        list("abcdefghi"),
        pd.Categorical(range(9)),
        pd.date_range("2020", periods=9),
        pd.timedelta_range("1D", periods=9),
        pd.arrays.SparseArray(np.arange(9.0)),
        np.array([object()] * 9),
    ],
)
def test_columns_without_numbers_are_named(column):
    x = frame().assign(other=column)
    with pytest.raises(fa.ArgumentTypeError, match=r"^column 'other': x: expected .*numbers"):
        KERNEL(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": fa.box(3)}, "kernel: expected a kernel with one axis, along the index, got one with 2."),
        (
            {"kernel": fa.Bank.stack([KERNEL])},
            "kernel: expected a kernel that filters each column by itself, got a bank.",
        ),
        ({"channel_axis": 1}, "kernel: expected a kernel that filters each column by itself, got channel_axis=1."),
        ({"axes": 1}, "axes: expected axes of an array with 1 axis, got 1."),
        ({"dims": "columns"}, "dims: expected names of axes of x, which are 'index', got 'columns'."),
        ({"mode": {"columns": "wrap"}}, "mode: expected a mode for each of 'index', the axes of the kernel"),
        ({"out": np.zeros(9)}, "out: expected None where x has labels, got a ndarray. Omit out=."),
        ({"kernel": pd.Series([1.0])}, "kernel: expected a NumPy array of numbers, got pandas Series."),
    ],
)
@pytest.mark.parametrize("make", [series, frame])
def test_what_is_wrong_is_named(options, message, make):
    with pytest.raises(fa.FaltungError) as caught:
        fa.convolve(**({"x": make(), "kernel": KERNEL} | options))
    assert message in str(caught.value)


def test_taps_with_an_index_are_refused():
    with pytest.raises(fa.ArgumentTypeError, match=r"^kernel: .*Pass kernel.to_numpy\(\)"):
        fa.convolve(np.ones(3), pd.Series([1.0]))
