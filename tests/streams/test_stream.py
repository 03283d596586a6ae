"""A stream gives what the whole signal would, however it is cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
from faltung.streams.partitioning import stage_lengths
from pushed_signals import defined, mixed, pushed, stages

DTYPES = ("float32", "float64", "complex64", "complex128", "int16", "uint8", "int32", "float16")
BLOCKS = ([1], [0, 1, 2, 3], [7], [64], [97, 0, 1], [256], [1000], [5000])


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def noise(rng, dtype, *shape):
    dtype = np.dtype(dtype)
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return (100 * values).clip(*(0, 255) if dtype.kind == "u" else (-300, 300)).astype(dtype)


def tolerance(dtype):
    return 3e-6 if np.finfo(dtype).eps > 1e-10 else 1e-13


def assert_close(y, expected):
    assert y.shape == expected.shape
    scale = max(abs(expected).max(initial=0), 1e-300)
    assert abs(y - expected).max(initial=0) <= tolerance(y.dtype) * scale


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("taps", [1, 2, 5, 300, 1500])
def test_dtypes_and_lengths(rng, dtype, taps, monkeypatch):
    x, kernel = noise(rng, dtype, 900), rng.standard_normal(taps)
    with stages(monkeypatch, 128, 256):
        y = pushed(fa.Stream(kernel), x, [0, 100, 1, 300])
    assert y.dtype == fa.convolve(x, [1.0]).dtype
    assert_close(y, defined(x, kernel))


@pytest.mark.parametrize("lengths", BLOCKS, ids=str)
@pytest.mark.parametrize("taps", [1, 31, 777])
def test_blocks_of_any_length(rng, lengths, taps, monkeypatch):
    x, kernel = noise(rng, "float64", 1200), rng.standard_normal(taps)
    with stages(monkeypatch, 128):
        assert_close(pushed(fa.Stream(kernel), x, lengths), defined(x, kernel))


@given(
    taps=st.integers(1, 1200),
    samples=st.integers(0, 1500),
    lengths=st.lists(st.integers(0, 700), min_size=1, max_size=5).filter(any),
    first=st.sampled_from([128, 256, 512]),
    second=st.sampled_from([None, 256, 512]),
    dtype=st.sampled_from(["float32", "float64", "complex64"]),
    complex_taps=st.booleans(),
    seed=st.integers(0, 1 << 20),
)
@settings(max_examples=60, deadline=None)
def test_any_kernel_in_any_blocks(taps, samples, lengths, first, second, dtype, complex_taps, seed):
    rng = np.random.default_rng(seed)
    x, kernel = (
        noise(rng, dtype, 2, samples),
        rng.standard_normal(taps) + 1j * complex_taps * rng.standard_normal(taps),
    )
    kernel = kernel if complex_taps else kernel.real
    both = (first, second) if second and second > first else (first,)
    with pytest.MonkeyPatch.context() as patch, stages(patch, *both):
        y = pushed(fa.Stream(kernel, channels=2, dtype=dtype), x, lengths)
    assert_close(y, defined(x, kernel))


def test_the_stages_of_a_long_kernel(rng):
    x, kernel = noise(rng, "float32", 2, 60_000), rng.standard_normal(40_001) * np.exp(-np.arange(40_001) / 9000)
    y = pushed(fa.Stream(kernel, channels=2), x, [256, 100, 4000])
    assert_close(y, fa.convolve(x.astype(float), kernel[None], shape="full", axes=(0, 1)))


def test_an_impulse_at_every_tap_comes_back_there(rng, monkeypatch):
    taps = 1300
    bank = np.eye(taps)[:, None]  # a channel out for each tap
    x = noise(rng, "float32", 1, 700)
    with stages(monkeypatch, 128, 256):
        y = pushed(fa.Stream(bank, channels=1), x, [64, 61])
    for tap in range(taps):
        expected = np.zeros(700 + taps - 1)
        expected[tap : tap + 700] = x[0]
        assert_allclose(y[tap], expected, atol=1e-4)


def test_impulses_where_the_parts_of_a_long_kernel_meet(rng):
    """As they are chosen: the last taps of each part and the first of the next, also of partitions."""
    taps, block = 30_000, 256
    lengths = stage_lengths(taps, block)
    assert lengths
    meets = {2 * n for n in lengths} | {3 * n for n in lengths} | {taps - lengths[-1]} | {taps - 1}
    places = sorted({at + k for at in meets for k in (-1, 0, 1) if at + k < taps} | {0})
    bank = np.zeros((len(places), 1, taps))
    bank[np.arange(len(places)), 0, places] = 1
    x = noise(rng, "float64", 1, 5000)
    y = pushed(fa.Stream(bank, channels=1, block=block), x, [256, 1, 255, 1000])
    for tap, row in zip(places, y, strict=True):
        expected = np.zeros(5000 + taps - 1)
        expected[tap : tap + 5000] = x[0]
        assert_allclose(row, expected, atol=1e-11)


def test_an_impulse_at_every_time_gives_the_kernel_there(rng, monkeypatch):
    kernel = rng.standard_normal(900) * np.exp(-np.arange(900) / 100)
    x = np.eye(700)
    with stages(monkeypatch, 128, 256):
        y = pushed(fa.Stream(kernel, channels=700), x, [64, 61])
    for at in range(700):
        expected = np.zeros(700 + 899)
        expected[at : at + 900] = kernel
        assert_allclose(y[at], expected, atol=1e-14)


def test_quiet_outputs_are_exact_beside_loud_samples(rng, monkeypatch):
    x, kernel = noise(rng, "float32", 3000), rng.standard_normal(600)
    x[1000] = 1e7
    with stages(monkeypatch, 128):
        y = pushed(fa.Stream(kernel), x, [64])
    expected = defined(x, kernel)
    near = np.zeros(len(y), bool)
    near[1000:1600] = True
    assert abs(y - expected)[~near].max() < 3e-6 * abs(expected[~near]).max()
    assert abs(y - expected)[near].max() < 3e-6 * abs(expected).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, complex(np.inf, 1), complex(np.nan, np.inf)])
@pytest.mark.parametrize("complex_taps", [False, True])
def test_a_sample_that_is_not_finite_affects_what_reads_it(rng, value, complex_taps, monkeypatch):
    taps = rng.standard_normal(700) * (rng.random(700) < 0.3)
    taps = taps + 1j * complex_taps * rng.standard_normal(700) * (rng.random(700) < 0.3) if complex_taps else taps
    x = noise(rng, "complex64" if isinstance(value, complex) else "float32", 2, 2000)
    x[0, [3, 500, 501, 1999]] = value
    x[0, 700] = np.inf
    with stages(monkeypatch, 128):
        y = pushed(fa.Stream(taps, channels=2), x, [100, 7])
    expected = defined(x, taps)
    for part in (np.real, np.imag):
        got, wanted = part(y), part(expected)
        finite = np.isfinite(wanted)
        assert_array_equal(np.isfinite(got), finite)
        assert_array_equal(got[~finite], wanted[~finite])
        assert_allclose(got[finite], wanted[finite], atol=3e-3)


def test_huge_samples_do_not_overflow(rng, monkeypatch):
    x, kernel = rng.standard_normal(900), rng.standard_normal(600)
    x[300:310] *= 1e300
    with stages(monkeypatch, 128):
        y = pushed(fa.Stream(kernel), x, [50])
    assert_allclose(y, defined(x, kernel), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("taps", [(3, 2, 50), (3, 2, 700), (5, 1, 700)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_a_bank_mixes_channels(rng, taps, dtype, monkeypatch):
    bank, x = rng.standard_normal(taps), noise(rng, dtype, taps[1], 1500)
    bank[0, 0] = 0
    with stages(monkeypatch, 128, 256):
        y = pushed(fa.Stream(fa.Bank(bank), channels=taps[1]), x, [256, 100])
    assert_close(y, mixed(x, bank))


@pytest.mark.parametrize("taps", [20, 700])
def test_every_channel_has_its_kernel(rng, taps, monkeypatch):
    bank, x = rng.standard_normal((6, 1, taps)), noise(rng, "float64", 3, 900)
    with stages(monkeypatch, 128):
        y = pushed(fa.Stream(bank, channels=3, groups=3), x, [100])
    assert_close(y, mixed(x, bank, 3))


def test_time_may_be_any_axis(rng):
    x, kernel = noise(rng, "float32", 800, 2), rng.standard_normal(40)
    stream = fa.Stream(kernel, channels=2, axis=0)
    y = pushed(stream, x, [33], axis=0)
    assert_close(y.T, defined(x.T, kernel))
    assert stream.channels == 2


@pytest.mark.parametrize("origin", [0, 3, 40, 99])
@pytest.mark.parametrize("taps", [100, 700])
def test_centred_streams_are_the_filter_of_the_whole_signal(rng, origin, taps, monkeypatch):
    kernel, x = fa.Kernel(rng.standard_normal(taps), origin=origin), noise(rng, "float64", 500)
    with stages(monkeypatch, 128):
        stream = fa.Stream(kernel, align="centred")
        y = pushed(stream, x, [70, 1])
    assert (stream.latency, stream.delay) == (origin, 0)
    assert_close(y, fa.convolve(x, kernel, "constant"))


def test_a_centred_stream_gives_an_output_as_soon_as_its_samples_came(rng):
    kernel = fa.Kernel(rng.standard_normal(9), origin=4)
    stream = fa.Stream(kernel, align="centred")
    assert [stream.push(np.ones(1)).size for _ in range(7)] == [0, 0, 0, 0, 1, 1, 1]
    assert stream.flush().size == 4
    causal = fa.Stream(kernel)
    assert (causal.latency, causal.delay) == (0, 4)
    assert [causal.push(np.ones(n)).size for n in (1, 0, 5)] == [1, 0, 5]


@pytest.mark.parametrize("taps", [1, 30, 700])
def test_the_end_is_given_or_cut(rng, taps):
    x, kernel = noise(rng, "float64", 100), rng.standard_normal(taps)
    same = pushed(fa.Stream(kernel, shape="same"), x, [30])
    assert_close(same, defined(x, kernel)[:100])
    assert fa.Stream(kernel).flush().size == 0  # a signal without samples has no outputs


def test_a_stream_begins_again(rng, monkeypatch):
    x, kernel = noise(rng, "float64", 900), rng.standard_normal(700)
    with stages(monkeypatch, 128):
        stream = fa.Stream(kernel)
        first = pushed(stream, x, [100])
        with pytest.raises(fa.ArgumentError, match="expected one that has not ended, got one that was flush"):
            stream.push(x)
        stream.reset()
        assert stream.position == 0
        assert_array_equal(pushed(stream, x, [100]), first)


def test_a_closed_stream_is_refused():
    with fa.Stream([1.0]) as stream:
        stream.push([1.0])
    with pytest.raises(fa.ArgumentError, match="closed"):
        stream.push([1.0])
    with pytest.raises(fa.ArgumentError, match="closed"):
        stream.state()


def test_pointwise_uses_no_transforms(rng):
    x, kernel = noise(rng, "float32", 5000), rng.standard_normal(3000)
    x[1000] = 1e20
    y = pushed(fa.Stream(kernel, accuracy="pointwise"), x, [1000])
    expected, scale = defined(x, kernel), defined(abs(x), abs(kernel))
    assert (abs(y - expected) <= 3e-4 * scale).all()


def test_dtypes_stay(rng):
    stream = fa.Stream([1.0, 2.0])
    assert stream.dtype is None
    assert stream.push([]).shape == (0,)
    assert stream.push(np.ones(3, np.int16)).dtype == np.float32
    assert stream.push(np.ones(3, np.float32)).dtype == np.float32
    with pytest.raises(fa.ArgumentError, match=r"make the stream with dtype='float64'"):
        stream.push(np.ones(3))
    named = fa.Stream([1.0, 2.0], dtype="complex64")
    assert named.dtype == np.complex64
    assert named.push(np.ones(3, np.float32)).dtype == np.complex64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": fa.gaussian(2)}, "kernel: expected a kernel with one axis"),
        ({"kernel": "box(3)"}, "fa.parse"),
        ({"kernel": np.ones((2, 2))}, "kernel: expected a kernel with one axis"),
        ({"channels": 0}, "channels: expected a positive integer"),
        ({"block": 0}, "block: expected a positive integer"),
        ({"axis": 1}, "axis: expected an integer from -1 to 0"),
        ({"up": 0}, "up: expected"),
        ({"down": 1.0}, "down: expected"),
        ({"align": "zero-phase"}, "Use align='centred'."),
        ({"align": 3}, "align: expected 'causal' or 'centred', got 3"),
        ({"shape": "valid"}, "shape: expected 'full' or 'same'"),
        ({"shape": "full", "align": "centred"}, "shape: expected 'same' for align='centred'"),
        ({"groups": 2}, "groups: expected 1 for a kernel"),
        ({"longest": 2}, "Make the stream with longest=3"),
        ({"accuracy": "best"}, "accuracy: expected 'norm' or 'pointwise'"),
        ({"dtype": "U3"}, "dtype"),
        ({"kernel": fa.Bank(np.ones((2, 1, 3)))}, "Pass channels=1"),
        ({"kernel": fa.Bank(np.ones((2, 1, 3))), "channels": 2}, "kernel: expected a bank for 2 channels"),
        ({"kernel": fa.Bank(np.ones((2, 1, 3))), "channels": 1, "up": 2}, "not a bank, with up= or down="),
        ({"kernel": fa.Kernel([1.0], origin=-1), "align": "centred"}, "Use align='causal'"),
    ],
)
def test_arguments_are_checked(arguments, message):
    kernel = arguments.pop("kernel", [1.0, 2.0, 1.0])
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError)) as caught:
        fa.Stream(kernel, **arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("channels", "samples", "message"),
    [
        (None, np.ones((2, 3)), "Name the number of channels with channels="),
        (2, np.ones(3), "two axes, 2 channels and time"),
        (2, np.ones((3, 2)), "Name the axis of time as axis="),
        (None, ["a"], "samples"),
    ],
)
def test_samples_are_checked(channels, samples, message):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match="samples") as caught:
        fa.Stream([1.0], channels=channels).push(samples)
    assert message in str(caught.value)


def test_a_wrong_push_changes_nothing(rng):
    x, kernel = noise(rng, "float32", 100), rng.standard_normal(10)
    stream = fa.Stream(kernel)
    first = stream.push(x[:50])
    with pytest.raises(fa.ArgumentError):
        stream.push(np.ones((2, 3), np.float32))
    with pytest.raises(fa.ArgumentError):
        stream.push(np.ones(3))
    assert_close(np.concatenate([first, stream.push(x[50:]), stream.flush()]), defined(x, kernel))
