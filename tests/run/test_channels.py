"""Machine code of layers, and of the gradient with respect to their taps, against slow loops."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import reference
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.planning import layer_tiles
from faltung.planning.layer import Axis, Layer
from faltung.run import layer_run as channels
from faltung.run import tap_gradient
from faltung.run.tables import Tables, memory_layout
from guarded import guarded
from samples import MODES, assert_same_bits, misplaced, noise, normal

NUMBERS = ("f4", "f8")


def square(length, size, start=0, **named):
    """An axis with as many outputs as samples."""
    return Axis(length, size, start, length, **named)


def extended(layer, *modes):
    """A layer with that mode for all axes, or with one for each."""
    modes = modes * len(layer.axes) if len(modes) == 1 else modes
    return replace(layer, axes=tuple(replace(axis, mode=mode) for axis, mode in zip(layer.axes, modes, strict=True)))


LAYERS = {
    "image": Layer(2, 1, 3, 5, (square(9, 3, -1), square(21, 5, -2))),
    "valid": Layer(1, 1, 2, 3, (Axis(9, 3, 0, 7), Axis(11, 4, 0, 8))),
    "depthwise": Layer(2, 5, 1, 1, (square(7, 3, -1), square(18, 3, -1))),
    "groups": Layer(1, 3, 2, 4, (square(6, 2, 0), square(9, 3, -2))),
    "one tap": Layer(2, 1, 4, 7, (square(5, 1), square(17, 1))),
    "series": Layer(2, 2, 2, 3, (square(40, 9, -4),)),
    "volume": Layer(1, 1, 2, 3, (square(4, 3, -1), square(5, 2, -1), square(6, 3, -1))),
    "stride": Layer(2, 1, 2, 3, (Axis(11, 3, -1, 6, 2), Axis(20, 4, -2, 7, 3))),
    "dilation": Layer(1, 2, 2, 3, (square(11, 3, -2, dilation=2), square(14, 3, -3, dilation=3))),
    "stride and dilation": Layer(1, 1, 2, 2, (Axis(13, 4, -3, 5, 3, 2), Axis(19, 3, -2, 9, 2, 3))),
    "stride as long as the kernel": Layer(1, 1, 3, 8, (Axis(12, 4, 0, 3, 4), Axis(12, 4, 0, 3, 4))),
    "array smaller than the kernel": Layer(2, 1, 2, 3, (square(2, 7, -3), square(3, 8, -4))),
    "far outside": Layer(1, 1, 1, 2, (Axis(3, 2, -9, 5), Axis(4, 3, 7, 6))),
    "one sample": Layer(1, 1, 1, 1, (Axis(1, 1), Axis(1, 1))),
    "many channels": Layer(1, 1, 17, 19, (square(4, 3, -1), square(5, 3, -1))),
    "constant beyond the border": Layer(1, 2, 2, 2, (square(6, 3, -2), square(7, 5, -4)), -2.5),
}


@pytest.fixture
def small_room(request, monkeypatch):
    """Cut layers into small tiles: numbers gathered at once, columns (whole vectors), items that there should be."""
    room, widest, items = request.param
    for module in (layer_tiles, tap_gradient):
        for name, value in {"ROOM": room, "WIDEST": widest, "ITEMS": items}.items():
            monkeypatch.setattr(module, name, value)
    for module in (channels, tap_gradient):
        module._codes.clear()
    yield request.param
    for module in (channels, tap_gradient):
        module._codes.clear()


def axes_of(layer):
    return [(axis.size, axis.start, axis.outputs, axis.stride, axis.dilation) for axis in layer.axes]


def place(array):
    return array.__array_interface__["data"][0]


def operands(layer, number):
    """Samples, taps and a bias, not all of one size."""
    x, taps = normal(layer.source_shape, number), normal(layer.taps_shape, number)
    return x, taps, 3 * normal(layer.groups * layer.outs, number)


def spoil():
    """Leave what is not a number where the code works: nothing may be read there before it is written."""
    buffer, _ = scratch.take("channels", 1 << 22)
    buffer[...] = 0xFF  # NaN, in single and in double precision


def correlate(layer, x, taps, bias=None, out=None, workers=1):
    spoil()
    out = np.full(layer.target_shape, np.nan, taps.dtype) if out is None else out
    channels.correlate_channels(
        layer, place(x), memory_layout(x), place(out), memory_layout(out), taps, bias, workers=workers
    )
    return out


def reduce(layer, x, g, workers=1):
    spoil()
    return tap_gradient.tap_gradient(
        layer, place(x), memory_layout(x), place(g), memory_layout(g), x.dtype, workers=workers
    )


def assert_correlated(got, layer, x, taps, bias=None):
    """Each output may be off by a rounding error for every product."""
    common = (layer.groups, axes_of(layer), layer.modes)
    want = reference.correlate_layer(x, taps, *common, layer.cval, bias)
    size = reference.correlate_layer(
        np.abs(x.astype("f8")), np.abs(taps), *common, abs(layer.cval), None if bias is None else np.abs(bias)
    )
    bound = np.finfo(taps.dtype).eps * (layer.ins * layer.taps + 2) * size
    assert got.shape == want.shape
    if got.dtype.kind in "iu":
        low, high = (reference.stored(each, got.dtype) for each in (want - bound, want + bound))
        assert np.all((low <= got) & (got <= high))
    else:
        assert np.all(np.abs(got - want) <= bound + np.finfo(got.dtype).eps * np.abs(want))


def assert_reduced(got, layer, x, g):
    common = (layer.groups, axes_of(layer), layer.modes)
    want = reference.gradient_of_taps(x, g, *common, layer.cval)
    size = reference.gradient_of_taps(np.abs(x), np.abs(g), *common, abs(layer.cval))
    assert (got.shape, got.dtype) == (layer.taps_shape, x.dtype)
    assert np.all(np.abs(got - want) <= np.finfo(x.dtype).eps * (layer.images * layer.outputs + 2) * size)


def assert_right(layer, number, workers=1):
    x, taps, bias = operands(layer, number)
    assert_correlated(correlate(layer, x, taps, bias, workers=workers), layer, x, taps, bias)
    g = normal(layer.target_shape, number)
    assert_reduced(reduce(layer, x, g, workers), layer, x, g)


# ---- the oracle


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["valid", "series", "volume", "array smaller than the kernel", "far outside"])
def test_the_oracle_is_the_sum_over_channels_of_the_definition(name, mode):
    layer = replace(extended(LAYERS[name], mode), images=1, cval=1.5)
    x, taps, _ = operands(layer, "f8")
    got = reference.correlate_layer(x, taps, layer.groups, axes_of(layer), mode, 1.5)
    region = [(axis.start, axis.start + axis.outputs) for axis in layer.axes]
    for o in range(layer.groups * layer.outs):
        first = o // layer.outs * layer.ins
        want = sum(
            reference.correlate(x[0, first + i], taps[o, i], [0] * len(region), mode, 1.5, region)
            for i in range(layer.ins)
        )
        assert np.abs(got[0, o] - want).max() < 1e-12


@pytest.mark.parametrize("name", LAYERS)
def test_the_oracle_of_the_gradient_is_the_transpose_of_the_other(name):
    layer = replace(LAYERS[name], cval=0.0)
    x, taps, _ = operands(layer, "f8")
    g = normal(layer.target_shape, "f8")
    common = (layer.groups, axes_of(layer), layer.modes)
    forward = (reference.correlate_layer(x, taps, *common) * g).sum()
    assert abs((reference.gradient_of_taps(x, g, *common) * taps).sum() - forward) < 1e-10


# ---- every layer


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_every_mode_at_every_vector_width(name, vector_bits):
    # Random layers meet every width with both numbers, too.
    for mode, number in itertools.product(MODES, NUMBERS if vector_bits == 256 else NUMBERS[:1]):
        assert_right(extended(LAYERS[name], mode), number)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items() if len(layer.axes) > 1])
def test_layers_with_a_mode_for_each_axis(name, number):
    layer = replace(LAYERS[name], cval=1.5)
    for modes in itertools.product(MODES, repeat=len(layer.axes)):
        if len({*modes}) > 1:
            assert_right(extended(layer, *modes), number)


@pytest.mark.parametrize(
    ("groups", "ins", "outs"),
    [(g, i, o) for g, i in ((1, 1), (1, 7), (3, 2)) for o in (1, 2, 3, 4, 5, 7, 8, 9, 11, 16, 17)],
)
def test_any_number_of_channels(groups, ins, outs):
    assert_right(extended(Layer(2, groups, ins, outs, (square(5, 3, -1), square(19, 3, -1))), "nearest"), "f4")


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8, 9, 15, 16, 17, 33, 48, 65])
def test_any_width(width, vector_bits):
    for height in (1, 5):
        assert_right(extended(Layer(1, 1, 2, 3, (square(height, 3, -1), square(width, 3, -1))), "mirror"), "f4")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 9, 11, 16, 31])
def test_any_size_of_kernel(size):
    for number in NUMBERS:
        assert_right(Layer(1, 2, 1, 1, (square(12, size, -(size // 2)), square(20, size, -(size // 2)))), number)
        assert_right(extended(Layer(1, 1, 2, 3, (square(40, size, -1),)), "wrap"), number)


@pytest.mark.parametrize(
    "small_room", [(1, 16, 1), (200, 16, 40), (500, 48, 100), (96 * 1024, 2048, 1000)], indirect=True, ids=str
)
@pytest.mark.parametrize("name", LAYERS)
def test_small_tiles_change_nothing(name, small_room):
    for mode in ("constant", "reflect"):
        assert_right(extended(LAYERS[name], mode), "f4", workers=2)


@pytest.mark.parametrize("small_room", [(300, 32, 50)], indirect=True, ids=["tiles"])
def test_planes_of_many_tiles(small_room):
    for mode in MODES:
        assert_right(extended(Layer(1, 1, 2, 3, (square(61, 3, -1), square(130, 5, -2))), mode), "f4", workers=3)
        assert_right(
            extended(Layer(2, 3, 1, 2, (Axis(61, 5, -3, 20, 3, 2), Axis(130, 3, 2, 50, 2))), mode), "f8", workers=3
        )


@pytest.mark.parametrize("number", NUMBERS)
def test_workers_change_no_bit(number):
    layers = [
        extended(Layer(2, 1, 3, 5, (square(70, 3, -1), square(90, 5, -2))), "reflect"),
        Layer(1, 8, 1, 1, (square(64, 7, -3), square(65, 7, -3))),
        extended(Layer(3, 1, 2, 2, (Axis(999, 31, -15, 333, 3),)), "wrap"),
    ]
    for layer in layers:
        x, taps, bias = operands(layer, number)
        g = normal(layer.target_shape, number)
        first, gradient = correlate(layer, x, taps, bias), reduce(layer, x, g)
        for workers in (2, 3, 7):
            assert_same_bits(correlate(layer, x, taps, bias, workers=workers), first)
            assert_same_bits(reduce(layer, x, g, workers), gradient)


def test_threads_may_run_the_same_code_at_once():
    layers = [extended(Layer(1, 1, 2, 3, (square(30 + k, 3, -1), square(41, 5, -2))), "wrap") for k in range(4)]
    given = [operands(layer, "f4") for layer in layers]
    want = [correlate(layer, *each) for layer, each in zip(layers, given, strict=True)]
    wrong = []

    def work(k):
        for _ in range(20):
            if not np.array_equal(correlate(layers[k], *given[k], workers=2), want[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_empty_batch_has_an_empty_result():
    layer = replace(LAYERS["image"], images=0)
    x, taps, bias = operands(layer, "f4")
    assert correlate(layer, x, taps, bias).shape == (0, 5, 9, 21)
    assert_array_equal(reduce(layer, x, np.zeros(layer.target_shape, "f4")), np.zeros(layer.taps_shape))


def test_samples_that_are_not_finite_affect_the_outputs_whose_taps_read_them():
    for name in ("image", "depthwise", "stride and dilation", "groups"):
        for mode in MODES:
            layer = extended(LAYERS[name], mode)
            x, taps, bias = operands(layer, "f4")
            x[0, 1, 2, 3], x[0, 0, 5, 8], x[-1, -1, 0, 0] = np.nan, np.inf, -np.inf
            with np.errstate(invalid="ignore"):
                want = reference.correlate_layer(x, taps, layer.groups, axes_of(layer), mode, 0.0, bias)
            got = correlate(layer, x, taps, bias)
            assert_array_equal(np.isfinite(got), np.isfinite(want))
            assert_array_equal(np.isnan(got), np.isnan(want))
            assert_array_equal(got[np.isinf(want)], want[np.isinf(want)])


# ---- where samples lie, and what they are

LAYOUTS = {
    "channels last": lambda x: np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(0, 3, 1, 2),
    "images last": lambda x: np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(3, 0, 1, 2),
    "columns before rows": lambda x: np.ascontiguousarray(x.swapaxes(2, 3)).swapaxes(2, 3),
    "turned round": lambda x: np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1],
    "upside down": lambda x: np.ascontiguousarray(x[..., ::-1, :])[..., ::-1, :],
    "channels in reverse": lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    "every third sample": lambda x: np.repeat(x, 3, -1)[..., ::3],
    "every other row": lambda x: np.repeat(x, 2, -2)[..., ::2, :],
    "part of a larger array": lambda x: np.pad(x, ((1, 1), (2, 0), (3, 1), (5, 3)))[1:-1, 2:, 3:-1, 5:-3],
    "unaligned": misplaced,
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("number", NUMBERS)
def test_inputs_of_any_memory_layout(number, name):
    layer = extended(Layer(2, 2, 2, 3, (square(9, 3, -1), Axis(22, 3, -2, 22))), "reflect")
    x, taps, bias = operands(layer, number)
    moved = LAYOUTS[name](x)
    assert_array_equal(moved, x)
    assert_same_bits(correlate(layer, moved, taps, bias), correlate(layer, x, taps, bias))
    g = normal(layer.target_shape, number)
    assert_same_bits(reduce(layer, moved, g), reduce(layer, x, g))
    assert_same_bits(reduce(layer, x, LAYOUTS[name](g)), reduce(layer, x, g))


def test_an_input_may_be_one_image_repeated_by_a_stride_of_zero():
    layer = LAYERS["image"]
    x, taps, bias = operands(layer, "f4")
    for again in (x[:1], x[:, :1], x[..., :1, :], x[..., :1]):
        wide = np.broadcast_to(again, x.shape)
        assert_same_bits(correlate(layer, wide, taps, bias), correlate(layer, wide.copy(), taps, bias))
        g = np.broadcast_to(again[..., :1, :1, :1, :1], layer.target_shape)
        assert_same_bits(reduce(layer, wide, g), reduce(layer, wide.copy(), g.copy()))


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_outputs_of_any_memory_layout_and_nothing_else_is_written(dtype, name):
    layer = extended(Layer(2, 2, 2, 3, (square(9, 3, -1), square(22, 3, -1))), "wrap")
    x, taps, bias = operands(layer, "f4")
    x, bias = 4000 * x, 10_000 + 4000 * bias
    plain = correlate(layer, x, taps, bias, np.zeros(layer.target_shape, dtype))
    out = LAYOUTS[name](np.zeros(layer.target_shape, dtype))
    whole = out
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    whole.view(np.uint8)[...] = 77
    before = out.copy()
    correlate(layer, x, taps, bias, out)
    assert_array_equal(out, plain)
    out[...] = before
    assert np.all(whole.view(np.uint8) == 77)


SOURCES = ["u1", "i1", "u2", "i2", "i4", "f2", "f4", "f8", ">i2", ">u4", ">f2", ">f4", ">f8", "?"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("dtype", SOURCES)
def test_samples_of_any_dtype(dtype, number, vector_bits):
    # The first layer has whole vectors of every width, and a rest: at other widths it is enough.
    for name in ("image", "constant beyond the border", "stride and dilation")[: 3 if vector_bits == 256 else 1]:
        layer = LAYERS[name]
        x = noise(layer.source_shape).integers(-99, 100, layer.source_shape)
        x = (np.abs(x) if np.dtype(dtype).kind == "u" else x).astype(dtype)
        _, taps, bias = operands(layer, number)
        assert_correlated(correlate(layer, x, taps, bias), layer, x, taps, bias)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "f4", "f8"])
def test_results_of_any_dtype_saturate(dtype, number, vector_bits):
    layer = extended(LAYERS["image"], "mirror")
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    for size in (1, 40, 1 if limits is None else limits.max):
        x, taps, bias = operands(layer, number)
        taps = taps * np.dtype(number).type(size)
        got = correlate(layer, x, taps, bias, np.zeros(layer.target_shape, dtype))
        assert_correlated(got, layer, x, taps, bias)
    if limits is not None:
        assert {int(got.min()), int(got.max())} == {limits.min, limits.max}
        x[0, 0] = np.nan
        whole = correlate(layer, x, np.abs(taps), None, np.ones(layer.target_shape, dtype))
        assert np.all(whole[0] == 0)  # as casts of NaN are not defined


def test_whole_numbers_are_rounded_half_to_even():
    layer = Layer(1, 1, 1, 1, (square(4, 1), square(9, 1)))
    x = np.arange(-18, 18, dtype="f4").reshape(1, 1, 4, 9)
    taps = np.full((1, 1, 1, 1), 0.5, "f4")
    got = correlate(layer, x, taps, None, np.zeros(layer.target_shape, "i2"))
    assert_array_equal(got, np.rint(x / 2))


@pytest.mark.parametrize("number", NUMBERS)
def test_results_that_no_cache_keeps(number, vector_bits, monkeypatch):
    monkeypatch.setattr(channels, "STREAMED_BYTES", 0)
    for width in (64, 96, 100):
        layer = extended(Layer(2, 1, 2, 3, (square(9, 3, -1), square(width, 3, -1))), "reflect")
        x, taps, bias = operands(layer, number)
        room = np.zeros(layer.images * 3 * 9 * width * np.dtype(number).itemsize + 128, np.uint8)
        for shift in (0, 16, 4):  # aligned to whole vectors, to some of them, to none
            start = -place(room) % 64 + shift
            out = room[start : room.size - 128 + start].view(number).reshape(layer.target_shape)
            out[...] = np.nan
            correlate(layer, x, taps, bias, out, workers=2)
            assert_correlated(out, layer, x, taps, bias)


# ---- between pages that may not be touched


def layout(rng, shape, dtype, fill):
    """Return all that an array lies in, and the array: in any order, with gaps, turned round, beside a bad page."""
    order = rng.permutation(len(shape)) if rng.random() < 0.5 else np.arange(len(shape))
    steps = [int(rng.integers(1, 3)) if rng.random() < 0.3 else 1 for _ in shape]
    base = guarded(tuple(shape[axis] * steps[axis] for axis in order), np.dtype(dtype), bool(rng.random() < 0.5))
    base[...] = fill
    view = base[tuple(slice(0, None, steps[axis]) for axis in order)].transpose(np.argsort(order))
    return base, view[tuple(slice(None, None, -1 if rng.random() < 0.25 else 1) for _ in shape)]


def random_layer(rng):
    def between(low, high):
        return int(rng.integers(low, high))

    axes = [
        Axis(between(1, 12), between(1, 6), between(-7, 8), between(1, 12), between(1, 4), between(1, 4))
        for _ in range(between(1, 4))
    ]
    if rng.random() < 0.3:
        axes[-1] = replace(axes[-1], length=between(1, 90), outputs=between(1, 80))
    axes = [replace(axis, mode=MODES[between(0, len(MODES))]) for axis in axes]
    cval = float(between(-3, 4)) if rng.random() < 0.5 else 0.0
    return Layer(between(1, 4), between(1, 4), between(1, 5), between(1, 11), tuple(axes), cval)


def attempt(seed, number):
    """Draw a layer and arrays, and compute everything with them."""
    rng = np.random.default_rng([seed, number])
    layer, kind = random_layer(rng), np.dtype(NUMBERS[number % 2])
    workers = int(rng.integers(1, 4))
    _, x = layout(
        rng, layer.source_shape, rng.choice([kind.str, kind.str, "f4", "f8", "u1", "i2", ">i2", ">f4", "f2"]), 0
    )
    x[...] = np.abs(5 * rng.standard_normal(layer.source_shape))
    taps = rng.standard_normal(layer.taps_shape).astype(kind)
    bias = rng.standard_normal(layer.groups * layer.outs).astype(kind) if rng.random() < 0.5 else None
    whole, out = layout(rng, layer.target_shape, rng.choice([kind.str, kind.str, "f4", "f8", "u1", "i2"]), 77)
    correlate(layer, x, taps, bias, out, workers)
    assert_correlated(out, layer, x, taps, bias)
    out[...] = 77
    assert np.all(whole == 77)
    _, x = layout(rng, layer.source_shape, kind, 0)
    _, g = layout(rng, layer.target_shape, kind, 0)
    x[...], g[...] = rng.standard_normal(x.shape), rng.standard_normal(g.shape)
    assert_reduced(reduce(layer, x, g, workers), layer, x, g)


@pytest.mark.parametrize("seed", range(2))
def test_random_layers(seed):
    for number in range(15):
        attempt(seed, number)


def test_random_layers_at_every_vector_width(vector_bits):
    for number in range(15):
        attempt(100, number)


@pytest.mark.parametrize("small_room", [(1, 16, 1), (700, 32, 40)], indirect=True, ids=str)
def test_random_layers_in_many_tiles(small_room):
    for number in range(15):
        attempt(200, number)


def arrays_in(value):
    """Return all arrays that an object keeps, but for views of others."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple | list):
        return [array for item in value for array in arrays_in(item)]
    if isinstance(value, channels.LayerCode | tap_gradient.TapGradientCode | Tables):
        return arrays_in([*vars(value).values()])
    return []


@pytest.mark.parametrize("name", LAYERS)
def test_code_is_kept_up_to_a_number_of_bytes(name, monkeypatch):
    for module in (channels, tap_gradient):
        monkeypatch.setattr(module, "_codes", Bounded(512))
    layers = [replace(LAYERS[name], cval=float(number)) for number in range(5)]
    x, taps, bias = operands(layers[0], "f4")
    g = normal(layers[0].target_shape, "f4")
    for layer in layers:
        correlate(layer, x, taps, bias)
        reduce(layer, x, g)
    limits = {}
    for module in (channels, tap_gradient):
        codes = module._codes
        assert len(codes) == len(layers)
        size = codes.bytes // len(layers)
        entry = next(iter(codes._entries.values()))
        kept = sum(array.nbytes for array in arrays_in(entry.value))
        assert kept <= size <= kept + (1 << 16)  # the rest is machine code, and objects
        limits[module] = 3 * size
        monkeypatch.setattr(module, "_codes", Bounded(512, 3 * size))
    expected = [(correlate(layer, x, taps, bias), reduce(layer, x, g)) for layer in layers]
    for module in (channels, tap_gradient):
        assert 0 < len(module._codes) <= 3
        assert module._codes.bytes <= limits[module]
    for layer, (result, gradient) in zip(layers, expected, strict=True):
        assert_same_bits(correlate(layer, x, taps, bias), result)
        assert_same_bits(reduce(layer, x, g), gradient)
