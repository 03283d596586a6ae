"""Layers of 3 x 3 kernels in Winograd's tiles, against sums in double precision."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from faltung.engines.winograd.minimal_filter import minimal_filter
from faltung.engines.winograd.tile_blocks import TileBlocks
from faltung.ground import scratch
from faltung.planning.layer import Axis, Layer
from faltung.run import kept_taps, layer_run, winograd_run
from faltung.run.winograd_run import correlate_winograd, nbytes, refusal
from guarded import guarded
from samples import MODES, assert_same_bits, misplaced, normal

TILES = (2, 4)


def square(length, start=-1, **named):
    """An axis with as many outputs as samples."""
    return Axis(length, 3, start, length, **named)


def layer_of(height, width, ins=3, outs=5, images=2, groups=1, mode="constant", cval=0.0):
    return Layer(images, groups, ins, outs, (square(height, mode=mode), square(width, mode=mode)), cval)


def extended(layer, mode):
    return replace(layer, axes=tuple(replace(axis, mode=mode) for axis in layer.axes))


LAYERS = {
    "image": layer_of(9, 21),
    "valid": Layer(1, 1, 4, 3, (Axis(9, 3, 0, 7), Axis(11, 3, 0, 9))),
    "a part of the outputs": Layer(2, 1, 3, 4, (Axis(20, 3, 2, 5), Axis(30, 3, 4, 7))),
    "groups": layer_of(6, 9, ins=2, outs=4, groups=3),
    "depthwise": layer_of(7, 18, ins=1, outs=1, groups=5),
    "one sample": layer_of(1, 1, ins=1, outs=1, images=1),
    "far outside": Layer(1, 1, 2, 2, (Axis(3, 3, -9, 5), Axis(4, 3, 7, 6))),
    "wide border": Layer(1, 1, 2, 3, (Axis(2, 3, -7, 14), Axis(3, 3, -6, 13)), -2.5),
    "many channels": layer_of(5, 6, ins=70, outs=37, images=1),
    "whole vectors": layer_of(8, 12, ins=32, outs=64),
}


def last(array):
    """Return a copy whose channels are contiguous."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


ORDERS = {"first": np.array, "last": last}


def operands(layer, number="f4"):
    """Samples, taps and a bias, not all of one size."""
    return (
        normal(layer.source_shape, number),
        normal(layer.taps_shape, number),
        3 * normal(layer.groups * layer.outs, number),
    )


def spoil():
    """Leave what is not a number where the code works: nothing may be read there before it is written."""
    buffer, _ = scratch.take("channels", 1 << 22)
    buffer[...] = 0xFF  # NaN, in single and in double precision


def correlate(layer, x, taps, bias=None, out=None, tile=4, workers=1):
    spoil()
    out = np.full(layer.target_shape, np.nan, taps.dtype) if out is None else out
    got = correlate_winograd(layer, x, taps, bias, out, tile=tile, workers=workers)
    assert got.out is out
    assert got.finite
    return out


def assert_right(got, layer, x, taps, bias, tile):
    """Each tile may be off by some rounding errors of its largest products at the points."""
    axes = [(axis.size, axis.start, axis.outputs, 1, 1) for axis in layer.axes]
    want = reference.correlate_layer(x, taps, layer.groups, axes, layer.modes, layer.cval, bias)
    a, b, g = (np.abs(np.array(m, np.float64)) for m in (getattr(minimal_filter(tile), name) for name in "abg"))
    largest = np.maximum(np.abs(x.astype("f8")).max((0, 2, 3)), abs(layer.cval)).reshape(
        layer.groups, 1, layer.ins, 1, 1
    )
    values = np.outer(b.sum(1), b.sum(1))
    grouped = np.abs(taps.astype("f8")).reshape(layer.groups, layer.outs, layer.ins, 3, 3)
    sums = (np.einsum("pi,goqij,rj->goqpr", g, grouped, g) * largest).sum(2) * values
    size = np.einsum("yp,gopr,xr->goyx", a, sums, a).max((2, 3)).reshape(1, -1, 1, 1)
    if bias is not None:
        size = size + np.abs(bias).reshape(1, -1, 1, 1)
    assert got.shape == want.shape
    assert np.all(np.abs(got - want) <= np.finfo(taps.dtype).eps * (layer.ins + 16) * size)


def check(layer, number="f4", tiles=TILES, workers=1):
    """Check a layer in both orders of axes, which agree in every bit."""
    x, taps, bias = operands(layer, number)
    for tile in tiles:
        found = []
        for before, after in itertools.product(ORDERS.values(), repeat=2):
            out = after(np.full(layer.target_shape, np.nan, number))
            found.append(correlate(layer, before(x), taps, bias, out, tile, workers))
        assert_right(found[0], layer, x, taps, bias, tile)
        for other in found[1:]:
            assert_same_bits(found[0], np.ascontiguousarray(other))


# ---- every layer


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_every_mode(name, mode):
    check(extended(LAYERS[name], mode))


@pytest.mark.parametrize("number", ["f4", "f8"])
@pytest.mark.parametrize("name", ["image", "groups", "many channels", "wide border"])
def test_layers_at_every_vector_width(name, number, vector_bits):
    for mode in ("constant", "mirror"):
        check(extended(LAYERS[name], mode), number, tiles=(4,))


def test_a_mode_for_each_axis():
    for modes in itertools.permutations(MODES, 2):
        axes = tuple(replace(axis, mode=mode) for axis, mode in zip(LAYERS["image"].axes, modes, strict=True))
        check(replace(LAYERS["image"], axes=axes, cval=1.5), tiles=(4,))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 5), (4, 4), (5, 1), (6, 17), (13, 33), (18, 66)])
def test_any_size(size, vector_bits):
    for mode in ("constant", "reflect"):
        check(layer_of(*size, mode=mode), tiles=(4,))


@pytest.mark.parametrize(
    ("ins", "outs"),
    [*itertools.product((1, 4, 16, 63, 130), (1, 16, 70)), *itertools.product((2, 15, 17, 65), (3, 33))],
)
def test_any_number_of_channels(ins, outs):
    check(layer_of(5, 9, ins, outs, images=1, mode="nearest"), tiles=(4,))


@pytest.mark.parametrize("shape", [(0, 1, 3, 5), (2, 1, 0, 5), (2, 1, 3, 0)])
def test_nothing_to_do(shape):
    layer = Layer(*shape, (square(4), square(5)))
    x, taps, bias = operands(layer)
    want = np.broadcast_to(bias.reshape(1, -1, 1, 1), layer.target_shape)
    assert_same_bits(correlate(layer, x, taps, bias), np.ascontiguousarray(want))


# ---- blocks and workers


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("size", [(9, 21, 20, 33, 3, 2), (14, 14, 64, 128, 1, 1), (5, 3, 17, 16, 9, 1)])
def test_workers_change_no_bit(size, workers):
    height, width, ins, outs, images, groups = size
    layer = layer_of(height, width, ins, outs, images, groups, mode="wrap")
    x, taps, bias = operands(layer)
    for order in ORDERS.values():
        assert_same_bits(
            correlate(layer, order(x), taps, bias, workers=workers), correlate(layer, order(x), taps, bias, workers=1)
        )


@pytest.mark.parametrize(
    "blocks",
    [
        TileBlocks((1, 1), 1, 1, 5, 1),
        TileBlocks((3, 2), 3, 3, 1, 1),
        TileBlocks((2, 4), 8, 1, 2, 2),
        TileBlocks((5, 1), 25, 2, 3, 2),
        TileBlocks((14, 2), 98, 1, 3, 3),
    ],
    ids=str,
)
def test_blocks_change_no_bit(blocks, monkeypatch):
    layer = layer_of(13, 19, ins=35, outs=70, images=3, mode="reflect")
    x, taps, bias = operands(layer)
    want = correlate(layer, x, taps, bias)
    winograd_run._codes.clear()
    monkeypatch.setattr(winograd_run, "tile_blocks", lambda *_: blocks)
    for order in ORDERS.values():
        for workers in (1, 2):
            assert_same_bits(correlate(layer, order(x), taps, bias, workers=workers), want)
    winograd_run._codes.clear()


def test_portions_between_which_an_interrupt_is_noticed_change_no_bit(monkeypatch):
    layer = layer_of(20, 30, ins=60, outs=40)
    x, taps, bias = operands(layer)
    want = correlate(layer, x, taps, bias)
    monkeypatch.setattr(layer_run, "LONGEST", 1e-9)  # an item for each thread
    winograd_run._codes.clear()
    for workers in (1, 2):
        assert_same_bits(correlate(layer, x, taps, bias, workers=workers), want)
    taps[-1, -1, -1, -1] += 1
    assert np.abs(correlate(layer, x, taps, bias, workers=2) - want).max() > 0.1
    winograd_run._codes.clear()


def test_calls_from_several_threads():
    layer = layer_of(15, 17, ins=20, outs=24)
    x, taps, bias = operands(layer)
    banks = [taps, -taps, 2 * taps, 4 * taps]
    plain = [correlate(layer, x, each, bias) for each in banks]

    def one(number):
        return correlate_winograd(layer, x, banks[number % 4], bias, workers=2).out

    with ThreadPoolExecutor(4) as pool:
        for number, got in enumerate(pool.map(one, range(40))):
            assert_same_bits(got, plain[number % 4])


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 20),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(MODES),
)
def test_images_and_channels_out_do_not_know_of_each_other(images, height, width, ins, outs, mode):
    layer = layer_of(height, width, ins, outs, images, mode=mode)
    x, taps, bias = operands(layer)
    whole = correlate(layer, x, taps, bias)
    alone = replace(layer, images=1, outs=1)
    for b, o in {(0, 0), (images - 1, outs - 1)}:
        assert_same_bits(
            correlate(alone, x[b : b + 1], taps[o : o + 1], bias[o : o + 1]), whole[b : b + 1, o : o + 1].copy()
        )


# ---- memory


def test_without_a_bias_and_without_an_output():
    layer = LAYERS["image"]
    x, taps, _ = operands(layer)
    got = correlate_winograd(layer, x, taps)
    assert_right(got.out, layer, x, taps, None, 4)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("channels", [3, 16])
def test_nothing_outside_the_arrays_is_touched(channels, order, behind):
    for width in (5, 16, 35):
        layer = layer_of(6, width, channels, channels, images=1, mode="mirror")
        x, taps, bias = operands(layer)
        arrays = []
        for array, copied in ((x, True), (np.empty(layer.target_shape, "f4"), False)):
            shape = array.shape if order == "first" else (array.shape[0], *array.shape[2:], array.shape[1])
            place = guarded(shape, array.dtype, behind)
            place = place if order == "first" else place.transpose(0, 3, 1, 2)
            if copied:
                place[...] = array
            arrays.append(place)
        numbers = [guarded(each.shape, each.dtype, behind) for each in (taps, bias)]
        for place, array in zip(numbers, (taps, bias), strict=True):
            place[...] = array
        correlate(layer, arrays[0], *numbers, arrays[1])
        assert_same_bits(np.ascontiguousarray(arrays[1]), correlate(layer, x, taps, bias))


VIEWS = {
    "every second channel": lambda a: np.repeat(a, 2, 1)[:, ::2],
    "every second column": lambda a: np.repeat(a, 2, 3)[..., ::2],
    "every second row": lambda a: np.repeat(a, 2, 2)[:, :, ::2],
    "from the last row up": lambda a: np.array(a[:, :, ::-1])[:, :, ::-1],
    "a part of a larger array": lambda a: np.pad(a, ((1, 1), (2, 2), (3, 3), (4, 4)))[1:-1, 2:-2, 3:-3, 4:-4],
    "channels between": lambda a: last(np.pad(a, ((0, 0), (0, 3), (0, 0), (0, 0))))[:, :-3],
    "columns and rows change places": lambda a: np.array(a.swapaxes(2, 3)).swapaxes(2, 3),
    "not aligned": misplaced,
}


@pytest.mark.parametrize("view", VIEWS)
def test_views(view):
    layer = layer_of(7, 10, 4, 6)
    x, taps, bias = operands(layer)
    want = correlate(layer, x, taps, bias)
    out = VIEWS[view](np.full(layer.target_shape, np.nan, "f4"))
    assert_same_bits(np.array(correlate(layer, VIEWS[view](x), taps, bias, out), order="C"), want)
    assert_same_bits(np.array(correlate(layer, x, VIEWS[view](taps), bias)), want)


@pytest.mark.parametrize("number", ["f4", "f8"])
@pytest.mark.parametrize("channels", [5, 32])
def test_results_that_no_cache_keeps(channels, number, monkeypatch):
    for width in (5, 16, 32, 64, 128):
        layer = layer_of(8, width, channels, channels, mode="nearest")
        x, taps, bias = operands(layer, number)
        want = correlate(layer, x, taps, bias)
        winograd_run._codes.clear()
        monkeypatch.setattr(winograd_run, "STREAMED_BYTES", 0)
        for order in ORDERS.values():
            for place in (np.array, misplaced):
                out = place(np.full(layer.target_shape, np.nan, number))
                got = correlate(layer, order(x), taps, bias, order(out) if place is np.array else out)
                assert_same_bits(np.array(got, order="C"), want)
        monkeypatch.undo()
        winograd_run._codes.clear()


# ---- taps are remembered


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("place", [0, -1])
def test_a_change_of_taps_in_place_is_seen(place, workers):
    layer = layer_of(6, 6, 40, 64)
    x, taps, bias = operands(layer)
    before = correlate(layer, x, taps, bias, workers=workers)
    taps.ravel()[place] += 1
    after = correlate(layer, x, taps, bias, workers=workers)
    assert_same_bits(after, correlate(layer, x, taps.copy(), bias))
    assert np.abs(after - before).max() > 0.1


@pytest.mark.parametrize(
    "change",
    [
        lambda taps: np.negative(taps, out=taps),
        lambda taps: taps.__setitem__([3, 17], taps[[17, 3]]),
        lambda taps: taps.__setitem__(slice(None), np.roll(taps.ravel(), 16).reshape(taps.shape)),
        lambda taps: taps.__setitem__((Ellipsis, 1, 1), 0),
    ],
    ids=["signs", "two kernels", "shifted by a line", "zeros"],
)
def test_many_changes_of_taps_are_seen(change):
    layer = layer_of(5, 5, 33, 65, images=1)
    x, taps, bias = operands(layer)
    correlate(layer, x, taps, bias)
    change(taps)
    after = correlate(layer, x, taps, bias, workers=2)
    assert_same_bits(after, correlate(layer, x, taps.copy(), bias))


@pytest.mark.parametrize("number", ["f4", "f8"])
@pytest.mark.parametrize("name", LAYERS)
def test_it_finds_how_far_apart_samples_are(name, number, monkeypatch):
    monkeypatch.setattr(winograd_run, "SURVEYED", 200)  # several stretches of rows
    winograd_run._codes.clear()
    layer = LAYERS[name]
    x, taps, _ = operands(layer, number)
    for samples in (x, np.abs(x), np.where(x > 1, x, 0)):
        grouped = np.abs(samples).reshape(layer.images, layer.groups, layer.ins, *x.shape[2:]).max(2)
        for order in ORDERS.values():
            found = correlate_winograd(layer, order(samples), taps, workers=2).sizes
            assert found == (grouped.max(), grouped.min(), samples.min() < 0)
    winograd_run._codes.clear()


def test_taps_in_another_order_are_found_where_they_are():
    layer = layer_of(6, 6, 32, 40)
    x, taps, bias = operands(layer)
    kept = np.ascontiguousarray(taps.swapaxes(0, 1)[..., ::-1, ::-1])
    kept_taps._taps.clear()
    for _ in range(2):
        view = kept.swapaxes(0, 1)[..., ::-1, ::-1]
        assert_same_bits(correlate(layer, x, view, bias), correlate(layer, x, taps, bias))
    assert len(kept_taps._taps) == 2
    kept[3, 5, 0, 2] += 1
    assert_same_bits(correlate(layer, x, view, bias), correlate(layer, x, view.copy(), bias))
    gaps = np.repeat(taps, 2, axis=1)[:, ::2]
    assert_same_bits(correlate(layer, x, gaps, bias), correlate(layer, x, taps, bias))


def test_taps_are_transformed_once():
    layer = layer_of(6, 6, 32, 32)
    x, taps, bias = operands(layer)
    kept_taps._taps.clear()
    for order in ORDERS.values():
        correlate(layer, order(x), taps, bias)
    assert len(kept_taps._taps) == 1
    assert kept_taps._taps.bytes == nbytes(layer, np.dtype("f4"), 4)


def test_taps_are_transformed_for_the_groups_of_their_layer():
    layers = [layer_of(6, 6, ins=8, outs=256 // groups, groups=groups) for groups in (1, 2, 4)]
    bank = normal(layers[0].taps_shape, "f4")
    kept_taps._taps.clear()
    for layer in layers:
        x, _, bias = operands(layer)
        assert_right(correlate(layer, x, bank, bias), layer, x, bank, bias, 4)
    assert len(kept_taps._taps) == 3


def test_a_version_says_that_taps_have_changed_and_no_version_hides_it(monkeypatch):
    layer = layer_of(6, 6, 16, 16)
    x, bank, bias = operands(layer)
    out = np.empty(layer.target_shape, "f4")
    layouts = winograd_run.memory_layout(x), winograd_run.memory_layout(out)
    code = winograd_run.winograd_code(layer, *layouts, 4, 1)
    at = [winograd_run.address_of(array) for array in (x, out, bias)]
    made, words = [], code._board.words
    transformed = kept_taps.TapsAtPoints.transformed
    monkeypatch.setattr(kept_taps.TapsAtPoints, "transformed", lambda *a: made.append(1) or transformed(*a))
    monkeypatch.setattr(code._board, "words", lambda *a: made.append(0) or words(*a))
    # version, whether taps change, and what is done: 0 for tiles, 1 for taps
    for version, change, done in ((5, 0, [1, 0]), (5, 0, [0]), (6, 1, [1, 0]), (6, 1, [0, 1, 0]), (6, 0, [0])):
        bank += change
        made.clear()
        taps = kept_taps.taps_of(bank, version)
        code(at[0], at[1], taps, at[2], layer_run.in_threads)
        assert made == done
        assert_right(out, layer, x, bank, bias, 4)


# ---- what is not finite


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_spoils_its_tiles_only(bad, order):
    layer = layer_of(16, 40, 3, 5, images=1)
    x, taps, bias = operands(layer)
    want = correlate(layer, x, taps, bias)
    spoilt = ORDERS[order](x)
    spoilt[0, 1, 6, 21] = bad
    got = correlate_winograd(layer, spoilt, taps, bias, tile=4)
    assert not got.finite
    assert not np.isfinite(got.out[0, :, 5:8, 20:23]).any()
    got.out[0, :, 4:8, 20:24] = want[0, :, 4:8, 20:24]
    assert_same_bits(got.out, want)


@pytest.mark.parametrize("mode", MODES)
def test_samples_that_no_output_reads_spoil_nothing(mode):
    layer = extended(LAYERS["a part of the outputs"], mode)
    x, taps, bias = operands(layer)
    bad = np.full_like(x, np.nan)
    inside = (slice(None), slice(None), *(slice(axis.start, axis.stop) for axis in layer.axes))
    bad[inside] = x[inside]
    for order in ORDERS.values():
        assert_same_bits(correlate(layer, order(bad), taps, bias), correlate(layer, x, taps, bias))


@pytest.mark.parametrize("cval", [np.nan, np.inf])
def test_a_constant_that_is_not_finite(cval):
    layer = layer_of(14, 18, 2, 3, cval=cval)
    x, taps, _ = operands(layer)
    for order in ORDERS.values():
        got = correlate_winograd(layer, order(x), taps)
        assert not got.finite
        assert np.isfinite(got.out[..., 4:12, 4:16]).all()
        assert not np.isfinite(got.out[..., 0, :]).any()
    valid = replace(layer, axes=(Axis(14, 3, 0, 12), Axis(18, 3, 0, 16)))
    assert correlate_winograd(valid, x, taps).finite


# ---- what cannot be computed


@pytest.mark.parametrize(
    ("change", "number", "reason"),
    [
        ({}, "f4", ""),
        ({}, "f8", ""),
        ({}, "f2", "single nor double"),
        ({}, "c8", "single nor double"),
        ({"size": 5}, "f4", "3 x 3"),
        ({"stride": 2}, "f4", "stride"),
        ({"dilation": 2}, "f4", "dilation"),
    ],
)
def test_refusals(change, number, reason):
    layer = Layer(1, 1, 2, 2, (square(9), replace(square(9), **change)))
    text = refusal(layer, np.dtype(number))
    assert reason in text
    assert bool(text) == bool(reason)
    assert refusal(replace(layer, axes=layer.axes[:1]), np.dtype("f4"))
