"""Masked arrays of NumPy: their mask is the mask of the call, and the result is masked where it is not defined."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from samples import normal

KERNELS = {
    "box": fa.box(3),
    "gaussian": fa.gaussian(2.0),
    "one sign": fa.Kernel([[0.0, 1.0], [2.0, 3.0]]),
    "both signs": fa.sobel(),
    "bank": fa.Bank.stack([fa.box(3), fa.gaussian(1.0)]),
}
HOLE = np.s_[5:14, 3:13]


def masked(dtype="f8", shape=(24, 30)):
    """An array with a hole that is wider than a box, with values that would be seen under it."""
    x = np.ma.array((10 * normal(shape)).astype(dtype))
    x[HOLE] = np.ma.masked
    x.data[HOLE] = 111
    return x


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "c8"])
@pytest.mark.parametrize("mode", ["reflect", "constant", ("wrap", "nearest")])
def test_a_masked_array_is_an_array_and_a_mask(name, dtype, mode):
    x, kernel = masked(dtype), KERNELS[name]
    want = fa.convolve(x.data, kernel, mode, mask=~x.mask)
    for got in (fa.convolve(x, kernel, mode), kernel(x, mode), fa.plan(x, kernel, mode)(x)):
        assert type(got) is np.ma.MaskedArray
        assert_array_equal(got.data, want)
        assert_array_equal(got.mask, np.isnan(want))
    assert got.mask.any() == (name in ("box", "bank", "one sign", "both signs"))


@pytest.mark.parametrize("name", ["box", "one sign", "bank"])
@pytest.mark.parametrize("dtype", ["u1", "i4"])
def test_integer_results_are_masked_where_floats_are(name, dtype):
    x, kernel = masked(), KERNELS[name]
    floats = fa.convolve(x, kernel)
    for got in (fa.convolve(x, kernel, dtype=dtype), fa.plan(x, kernel, dtype=dtype)(x)):
        assert got.dtype == dtype
        assert_array_equal(got.mask, floats.mask)
        assert_array_equal(got.data, fa.convolve(x.data, kernel, dtype=dtype, mask=~x.mask))
    assert got.mask.any()


def test_steps_and_channels():
    x = masked(shape=(24, 31))
    got = fa.convolve(x, fa.box(3), stride=2, dtype="i2")
    assert_array_equal(got.mask, fa.convolve(x, fa.box(3)).mask[::2, ::2])
    many = np.ma.stack([x, x + 1])
    got = fa.convolve(many, fa.box(3), channel_axis=0)
    assert_array_equal(got.mask, [fa.convolve(x, fa.box(3)).mask] * 2)


def test_nothing_masked_is_a_plain_pass():
    values = normal((24, 30))
    want = fa.convolve(values, fa.sobel())
    for x in (np.ma.array(values), np.ma.array(values, mask=False)):
        for got in (fa.convolve(x, fa.sobel()), fa.plan(x, fa.sobel())(x), fa.plan(values, fa.sobel())(x)):
            assert type(got) is np.ma.MaskedArray
            assert not np.ma.is_masked(got)
            assert got.mask.shape == x.mask.shape
            assert got.data.tobytes() == want.tobytes()
    bank = fa.Bank(np.ones((1, 2, 3, 3)))  # which takes no mask
    pair = np.ma.array([values, values])
    assert_array_equal(bank(pair, channel_axis=0).data, bank(pair.data, channel_axis=0))


def test_a_mask_beside_the_mask():
    x = masked()
    other = normal((24, 30)) > -1
    got = fa.convolve(x, fa.box(3), mask=other)
    want = fa.convolve(x.data, fa.box(3), mask=other & ~x.mask)
    assert_array_equal(got.data, want)
    assert_array_equal(got.mask, np.isnan(want))
    row = np.arange(30) > 9
    assert_array_equal(fa.convolve(x, fa.box(3), mask=row).data, fa.convolve(x.data, fa.box(3), mask=row & ~x.mask))
    bare = np.ma.array(x.data)
    assert_array_equal(fa.convolve(bare, fa.box(3), mask=row).data, fa.convolve(x.data, fa.box(3), mask=row))


def test_plans_for_masked_arrays():
    x = masked()
    run = fa.plan(x.shape, fa.box(3), dtype="f8", mask=True)
    assert_array_equal(run(x).data, fa.convolve(x, fa.box(3)).data)
    assert not np.ma.is_masked(run(np.ma.array(x.data)))
    assert_array_equal(run(x, mask=np.arange(30) > 9).data, fa.convolve(x, fa.box(3), mask=np.arange(30) > 9).data)
    with pytest.raises(fa.ArgumentError) as caught:
        fa.plan(x.data, fa.box(3))(x)
    assert str(caught.value) == (
        "x: expected an array without masked samples, because this plan was made without a mask, got a masked array. "
        "Make a plan with mask=True, or use convolve."
    )


def test_nan_is_missing_too():
    x = masked()
    x.data[0, 0] = x.data[14, 4] = np.nan
    want = fa.convolve(x.data, fa.box(3), mask=~x.mask, nan="ignore")
    got = fa.convolve(x, fa.box(3), nan="ignore")
    assert_array_equal(got.data, want)
    assert_array_equal(got.mask, np.isnan(want))


def test_the_result_in_an_array_of_the_caller():
    x, out = masked(), np.zeros((24, 30))
    got = fa.convolve(x, fa.box(3), out=out)
    assert np.shares_memory(got.data, out)
    assert_array_equal(out, fa.convolve(x, fa.box(3)).data)
    narrow = np.zeros((24, 30), "i2")
    assert fa.convolve(x, fa.box(3), out=narrow).dtype == "i2"
    for wrong in (np.ma.zeros((24, 30)), x):
        with pytest.raises(fa.ArgumentTypeError, match=r"^out: .* got a MaskedArray\. Omit out="):
            fa.convolve(x, fa.box(3), out=wrong)


def test_wrong_masks_and_samples_are_refused_as_ever():
    x = masked()
    with pytest.raises(fa.ArgumentTypeError, match=r"^mask: expected an array of booleans"):
        fa.convolve(x, fa.box(3), mask=np.ones((24, 30)))
    with pytest.raises(fa.ArgumentError, match=r"^mask: .*shape \(7,\)"):
        fa.convolve(x, fa.box(3), mask=np.ones(7, bool))
    with pytest.raises(fa.ArgumentTypeError, match=r"^weights: .* dtype <U1"):
        fa.convolve(x, fa.box(3), weights=np.ones((24, 30), "U1"))
    with pytest.raises(fa.ArgumentTypeError, match=r"^x: .* dtype object"):
        fa.convolve(np.ma.array([1, None]), [1.0])
    with pytest.raises(fa.ArgumentError, match=r"^x: .* for which this plan was made"):
        fa.plan((4, 4), fa.box(3), dtype="f8")(np.ma.zeros((4, 5)))


def test_all_masked_and_nothing_there():
    x = np.ma.masked_all((5, 6))
    x.data[...] = 3.0
    got = fa.convolve(x, fa.box(3))
    assert got.mask.all()
    assert fa.convolve(np.ma.zeros((0, 6)), fa.box(3)).shape == (0, 6)


def test_the_measured_method_of_a_masked_array():
    x = masked()
    run = fa.plan(x, fa.box(3), effort="measure")
    assert_array_equal(run(x).data, fa.convolve(x, fa.box(3)).data)
