"""Banks over the channels of arrays: against slow loops, in every mode, with strides, dilations and groups."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
import reference
from faltung.planning.channel_plan import ChannelPlan
from zoo import MODES

rng = np.random.default_rng(5)


def slowly(x, bank, mode="reflect", cval=0.0, *, stride=1, dilation=1, groups=1, shape="same", reflected=True):
    """What is asked, from the definition: channels first, each kernel by itself, then every `stride`-th output."""
    ndim = bank.ndim
    stride, dilation = (np.broadcast_to(each, ndim) for each in (stride, dilation))
    sizes = [d * (size - 1) + 1 for d, size in zip(dilation, bank.shape, strict=True)]
    origin = [d * at for d, at in zip(dilation, bank.origin, strict=True)]
    region = []
    for length, size, at in zip(x.shape[1:], sizes, origin, strict=True):
        lag = size - 1 - at if reflected else at
        reach = (lag - size + 1, length + lag)
        overlap = min(length, size) - 1
        region.append({"same": (0, length), "full": reach, "valid": (reach[0] + overlap, reach[1] - overlap)}[shape])
    outs = bank.out_channels // groups
    results = []
    for o in range(bank.out_channels):
        total = 0
        for i in range(bank.in_channels):
            taps = np.zeros(sizes, bank.dtype)
            taps[tuple(slice(None, None, d) for d in dilation)] = bank.taps[o, i]
            filter_ = reference.convolve if reflected else reference.correlate
            total = total + filter_(x[o // outs * bank.in_channels + i], taps, origin, mode, cval, region)
        results.append(total[tuple(slice(None, None, s) for s in stride)])
    return np.stack(results)


def random_bank(outs, ins, *sizes, origin=None):
    return fa.Bank(rng.standard_normal((outs, ins, *sizes)), origin)


@pytest.mark.parametrize("method", ["direct", "apart", "auto"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("bank", "lengths", "steps"),
    [
        (random_bank(4, 3, 3), (11,), {}),
        (random_bank(2, 3, 4, origin=0), (3,), {}),
        (random_bank(4, 2, 5), (23,), {"stride": 3, "dilation": 2, "groups": 2}),
        (random_bank(2, 2, 3, 3), (6, 7), {}),
        (random_bank(3, 1, 4, 2), (5, 18), {"stride": 2, "groups": 3}),
        (random_bank(2, 2, 3, 2, origin=(2, 0)), (4, 5), {"dilation": (1, 2), "stride": (2, 1)}),
        (random_bank(1, 2, 5, 3), (2, 2), {}),
        (random_bank(2, 1, 2, 3, 2), (4, 3, 5), {"stride": (1, 2, 1)}),
    ],
)
def test_every_method_agrees_with_the_definition(bank, lengths, steps, mode, method):
    channels = bank.in_channels * steps.get("groups", 1)
    x = rng.standard_normal((channels, *lengths))
    got = fa.convolve(x, bank, mode, 0.5, channel_axis=0, method=method, **steps)
    np.testing.assert_allclose(got, slowly(x, bank, mode, 0.5, **steps), atol=1e-12)


@pytest.mark.parametrize("method", ["direct", "apart"])
@pytest.mark.parametrize("shape", ["same", "valid", "full"])
@pytest.mark.parametrize("reflected", [True, False])
def test_shapes_and_both_orders_of_taps(shape, reflected, method):
    x, bank = rng.standard_normal((2, 8, 9)), random_bank(3, 2, 3, 4, origin=(0, 1))
    filter_ = fa.convolve if reflected else fa.correlate
    got = filter_(x, bank, "constant", channel_axis=0, shape=shape, stride=2, dilation=(2, 1), method=method)
    expected = slowly(x, bank, "constant", stride=2, dilation=(2, 1), shape=shape, reflected=reflected)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("channel_axis", [0, 1, 2, -1])
@pytest.mark.parametrize("method", ["direct", "apart"])
def test_channels_may_be_on_any_axis(channel_axis, method):
    x, bank = rng.standard_normal((3, 10, 12)), random_bank(5, 3, 3, 3)
    expected = np.moveaxis(slowly(x, bank), 0, channel_axis)
    got = fa.convolve(np.moveaxis(x, 0, channel_axis), bank, channel_axis=channel_axis, method=method)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("order", ["C", "F", "reversed", "swapped", "half"])
def test_batches_and_any_layout(order):
    x, bank = rng.standard_normal((2, 3, 4, 9, 10)), random_bank(2, 4, 3, 3)
    expected = np.stack([[slowly(image, bank) for image in row] for row in x])
    if order == "F":
        x = np.asfortranarray(x)
    elif order == "reversed":
        x = x[..., ::-1].copy()[..., ::-1]
    elif order == "swapped":
        x = x.astype(x.dtype.newbyteorder())
    elif order == "half":
        x = x.astype(np.float16)
        expected = np.stack([[slowly(image.astype(float), bank) for image in row] for row in x])
    got = fa.convolve(x, bank, channel_axis=2, method="direct")
    np.testing.assert_allclose(got, expected, atol=1e-4 if order == "half" else 1e-12)
    out = np.empty((3, 2, *expected.shape[2:])).transpose(1, 0, 2, 3, 4)
    if order == "C":
        assert fa.convolve(x, bank, channel_axis=2, out=out, method="direct") is out
        np.testing.assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("method", ["direct", "apart"])
def test_integers_are_rounded_and_saturated(method):
    x = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    bank = fa.Bank(rng.uniform(-0.3, 0.31, (4, 3, 3, 3)))
    exact = np.moveaxis(slowly(np.moveaxis(x, 2, 0).astype(float), bank), 0, 2)
    got = fa.convolve(x, bank, channel_axis=2, dtype="uint8", method=method)
    assert got.dtype == np.uint8
    assert (exact < 0).any()
    assert (exact > 255).any()
    np.testing.assert_array_equal(got, reference.stored(exact, np.uint8))
    assert fa.convolve(x, bank, channel_axis=2, method=method).dtype == np.float32


def test_an_image_may_be_filtered_in_place():
    x, bank = rng.standard_normal((3, 12, 12)), random_bank(3, 3, 3, 3)
    expected = slowly(x, bank)
    assert fa.convolve(x, bank, channel_axis=0, out=x) is x
    np.testing.assert_allclose(x, expected, atol=1e-12)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("method", ["direct", "apart", "auto"])
def test_samples_that_are_not_finite_affect_only_outputs_whose_taps_read_them(value, method):
    x = rng.standard_normal((2, 9, 10))
    x[1, 4, 5] = value
    taps = rng.standard_normal((3, 2, 3, 3))
    taps[rng.random(taps.shape) < 0.5] = 0
    bank = fa.Bank(taps)
    got = fa.convolve(x, bank, channel_axis=0, method=method)
    np.testing.assert_allclose(got, slowly(x, bank), atol=1e-12)


def test_complex_samples_and_taps():
    x = rng.standard_normal((2, 7, 8)) + 1j * rng.standard_normal((2, 7, 8))
    bank = fa.Bank(rng.standard_normal((3, 2, 3, 3)) + 1j * rng.standard_normal((3, 2, 3, 3)))
    got = fa.convolve(x, bank, channel_axis=0, stride=2)
    assert got.dtype == np.complex128
    np.testing.assert_allclose(got, slowly(x, bank, stride=2), atol=1e-12)


@pytest.mark.parametrize("result", ["c8", "c16", ">c8", "f2", ">f4", "i1", ">u2"])
@pytest.mark.parametrize("source", ["u1", "f2", "f4", ">f8"])
@pytest.mark.parametrize(("ins", "groups"), [(1, 2), (2, 1)])
def test_results_of_another_kind_than_the_channels(source, result, ins, groups):
    x = rng.integers(0, 9, (2, 6, 20)).astype(source)
    bank = fa.Bank(rng.integers(0, 3, (2, ins, 3, 2)) / 2)
    got = fa.convolve(x, bank, channel_axis=0, dtype=result, groups=groups)
    expected = slowly(x.astype("f8"), bank, groups=groups)
    assert got.dtype == np.dtype(result)
    np.testing.assert_array_equal(got, reference.stored(expected, np.dtype(result)))


@pytest.mark.parametrize("method", ["direct", "apart"])
@pytest.mark.parametrize("result", ["f4", ">f4", "f8"])
def test_the_bound_of_a_plan_covers_the_rounding_to_the_dtype_of_the_result(result, method):
    x, bank = rng.standard_normal((2, 9, 30)), random_bank(2, 2, 3, 3)
    if method == "direct" and not np.dtype(result).isnative:
        method = "auto"
    run = fa.plan(x, bank, channel_axis=0, dtype=result, method=method)
    scale = slowly(np.abs(x), fa.Bank(np.abs(bank.taps)))
    assert (np.abs(run(x) - slowly(x, bank)) <= (run.error + 1e-15) * scale.max()).all()
    assert run.error >= float(np.finfo(result).eps) / 2


def test_a_kernel_filters_every_channel_by_itself():
    x = rng.standard_normal((8, 9, 3))
    got = fa.convolve(x, fa.gaussian(1), channel_axis=2)
    np.testing.assert_array_equal(got, fa.convolve(x, fa.gaussian(1), axes=(0, 1)))


@pytest.mark.parametrize("kernel", [fa.gaussian(1.5), fa.Kernel(np.arange(6.0).reshape(2, 3)), np.ones((3, 3))])
@pytest.mark.parametrize("method", ["auto", "direct", "apart"])
def test_strides_and_dilations_of_a_single_kernel(kernel, method):
    x = rng.standard_normal((4, 13, 17))
    value = kernel if isinstance(kernel, fa.Kernel) else fa.Kernel(kernel)
    bank = fa.Bank.stack([value])
    expected = np.stack([slowly(image[np.newaxis], bank, stride=(2, 3), dilation=(1, 2))[0] for image in x])
    got = fa.convolve(x, kernel, stride=(2, 3), dilation=(1, 2), method=method)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_bank_without_channels_makes_a_new_first_axis():
    x, bank = rng.standard_normal((2, 9, 8)), random_bank(3, 1, 3, 3)
    expected = np.stack([slowly(image[np.newaxis], bank, stride=2) for image in x], axis=1)
    np.testing.assert_allclose(fa.convolve(x, bank, stride=2), expected, atol=1e-12)
    np.testing.assert_allclose(bank(x, stride=2, method="apart"), expected, atol=1e-12)


def test_missing_samples_with_a_stride():
    x = rng.standard_normal((9, 10))
    x[3, 4] = np.nan
    whole = fa.convolve(x, fa.gaussian(1), nan="ignore")
    np.testing.assert_allclose(fa.convolve(x, fa.gaussian(1), nan="ignore", stride=2), whole[::2, ::2], atol=1e-12)


@pytest.mark.parametrize("method", ["auto", "apart", "direct"])
@pytest.mark.parametrize("missing", [{"nan": "ignore"}, {"mask": True}])
def test_sums_over_channels_that_may_miss_samples_are_refused(missing, method):
    x, bank = rng.standard_normal((2, 9, 10)), random_bank(2, 2, 3, 3)
    missing = {name: np.ones(x.shape, bool) if value is True else value for name, value in missing.items()}
    text = "kernel: expected a bank with one channel in where samples may be missing, got one that adds up 2 channels"
    with pytest.raises(fa.ArgumentError, match=text):
        fa.convolve(x, bank, channel_axis=0, method=method, **missing)


def test_layers_compose_as_banks_do():
    x, first, second = rng.standard_normal((2, 12, 13)), random_bank(3, 2, 3, 3), random_bank(4, 3, 2, 3)
    step = fa.convolve(x, first, "constant", channel_axis=0, shape="full")
    twice = fa.convolve(step, second, "constant", channel_axis=0, shape="full")
    once = fa.convolve(x, second * first, "constant", channel_axis=0, shape="full")
    np.testing.assert_allclose(once, twice, atol=1e-11)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_bank_is_a_constrained_dense_layer(data):
    draw = data.draw
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=2))
    sizes = [draw(st.integers(1, 4)) for _ in lengths]
    steps = {
        "stride": draw(st.integers(1, 3)),
        "dilation": draw(st.integers(1, 2)),
        "groups": draw(st.integers(1, 2)),
    }
    bank = random_bank(2 * steps["groups"], 2, *sizes)
    x, mode = rng.standard_normal((2 * steps["groups"], *lengths)), draw(st.sampled_from(MODES))
    got = fa.convolve(x, bank, mode, channel_axis=0, method="direct", **steps)
    matrix = bank.matrix(tuple(lengths), mode, **steps)
    np.testing.assert_allclose(got.ravel(), matrix @ x.ravel(), atol=1e-11)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_same_bits_for_any_number_of_workers(count):
    x, bank = rng.standard_normal((6, 40, 70)).astype(np.float32), random_bank(8, 6, 3, 3)
    got = fa.convolve(x, bank, channel_axis=0, method="direct", workers=count)
    np.testing.assert_array_equal(got, fa.convolve(x, bank, channel_axis=0, method="direct", workers=1))


def test_a_plan_is_printed_pickled_and_called():
    x, bank = rng.standard_normal((3, 20, 21)), random_bank(4, 3, 5, 5)
    run = fa.plan(x, bank, channel_axis=0, stride=2)
    assert isinstance(run, ChannelPlan)
    text = str(run)
    assert "4 x 3 x 5 x 5 taps" in text
    assert "stride (2, 2)" in text
    assert "rejected" in text
    assert run.result_shape == (4, 10, 11)
    expected = slowly(x, bank, stride=2)
    for plan in (
        run,
        pickle.loads(pickle.dumps(run)),
        fa.plan(x.shape, bank, channel_axis=0, stride=2, dtype="float64"),
    ):
        np.testing.assert_allclose(plan(x), expected, atol=1e-12)
    exact = np.abs(slowly(np.abs(x), fa.Bank(np.abs(bank.taps), bank.origin), stride=2))
    assert run.pointwise
    assert (np.abs(run(x) - expected) <= run.error * exact + 1e-13).all()
    with pytest.raises(fa.ArgumentError, match="for which this plan was made"):
        run(x[:, :10])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"stride": 0}, "stride: expected a positive integer, or 2 of them"),
        ({"stride": 1.5}, "stride: expected a positive integer"),
        ({"dilation": (1, 2, 3)}, "dilation: expected a positive integer, or 2 of them"),
        ({"groups": 0}, "groups: expected a positive integer, got 0"),
        ({"groups": 2}, "kernel: expected channels out in 2 equal groups"),
        ({"channel_axis": 7}, "channel_axis: expected an axis of an array with 3 axes, got 7"),
        ({"channel_axis": 0.0}, "channel_axis: expected an integer or None"),
        ({"channel_axis": 0}, "9 channels in, as many as x has on axis 0"),
        ({"axes": (1, 2)}, "axes: expected axes other than that of the channels, 2"),
        ({"method": "nothing"}, "method: expected one of"),
        ({"dilation": 10**9}, "dilation: expected a dilation with which the kernel covers at most"),
        ({"nan": "ignore"}, "kernel: expected a bank with one channel in where samples may be missing"),
        ({"channel_axis": None}, "Pass the axis of the channels as channel_axis="),
    ],
)
def test_wrong_arguments_are_named(arguments, text):
    x, bank = rng.standard_normal((9, 8, 3)), random_bank(4, 3, 3, 3)
    with pytest.raises(fa.FaltungError, match=text):
        fa.convolve(x, bank, **{"channel_axis": 2, **arguments})


def test_an_array_of_taps_is_a_bank_if_there_are_channels():
    x, taps = rng.standard_normal((3, 9, 8)), rng.standard_normal((4, 3, 3, 3))
    np.testing.assert_allclose(fa.convolve(x, taps, channel_axis=0), slowly(x, fa.Bank(taps)), atol=1e-12)
    with pytest.raises(fa.ArgumentError, match="channels out, channels in of a group"):
        fa.convolve(x, np.ones((3, 3)), channel_axis=0)


def test_empty_arrays_and_results():
    bank = random_bank(4, 3, 3, 3)
    assert fa.convolve(np.empty((3, 0, 5)), bank, channel_axis=0).shape == (4, 0, 5)
    assert fa.convolve(np.empty((0, 3, 5, 5)), bank, channel_axis=1).shape == (0, 4, 5, 5)


def test_all_widths_of_vectors_give_the_same(vector_bits):
    for lengths, steps in itertools.product([(3, 5), (17, 33)], [{}, {"stride": 2}]):
        x, bank = rng.standard_normal((3, *lengths)), random_bank(5, 3, 3, 3)
        got = fa.convolve(x, bank, "mirror", channel_axis=0, method="direct", **steps)
        np.testing.assert_allclose(got, slowly(x, bank, "mirror", **steps), atol=1e-12)


def test_kernels_by_themselves_are_planned_once():
    run = fa.plan((20, 21), fa.gaussian(1), stride=2, method="apart")
    assert run.alone(0, 0) is run.alone(0, 0)
