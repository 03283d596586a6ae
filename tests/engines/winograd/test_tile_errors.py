"""The bound of Winograd's tiles: what random and adversarial data reach of it, and never more."""

from __future__ import annotations

import numpy as np
import pytest

from faltung.engines.winograd.minimal_filter import minimal_filter
from faltung.engines.winograd.tap_facts import facts_of
from faltung.engines.winograd.tile_errors import tile_error
from faltung.planning.layer import Axis, Layer
from faltung.planning.tile_choice import MOST_WORSE, TILES, direct_error, tile_for
from faltung.run.winograd_run import correlate_winograd

SINGLE, DOUBLE = np.dtype("f4"), np.dtype("f8")


def layer_of(ins, outs, side, images=1):
    return Layer(images, 1, ins, outs, (Axis(side, 3, 0, side - 2),) * 2)


def sums(x, taps):
    """Sums over taps and channels in, in extended precision."""
    side = x.shape[-1] - 2
    windows = np.stack([x[:, :, k : k + side, m : m + side] for k in range(3) for m in range(3)], axis=2).astype(
        np.longdouble
    )
    return np.einsum("nckij,ock->noij", windows, taps.reshape(*taps.shape[:2], 9).astype(np.longdouble))


def share(tile, x, taps):
    """The largest error over the bound of its kernel; and that over the bound for any taps."""
    layer = layer_of(x.shape[1], len(taps), x.shape[-1], len(x))
    got = correlate_winograd(layer, x, taps, tile=tile).out
    error = np.abs(got - sums(x, taps)).max(axis=(0, 2, 3))
    scale = np.abs(taps).sum(axis=(1, 2, 3), dtype=np.float64) * np.abs(x).max()
    own = [tile_error(tile, taps.dtype, x.shape[1], kernel[np.newaxis]) for kernel in taps]
    known, free = tile_error(tile, taps.dtype, x.shape[1], taps), tile_error(tile, taps.dtype, x.shape[1])
    assert max(own) == pytest.approx(known)
    assert known <= free * (1 + 1e-12)
    return float((error / (own * scale)).max())


def aligned(tile, rng, number, ins):
    """Samples of one size whose signs make the value at a point large, and taps that are large there as well."""
    filter_ = minimal_filter(tile)
    b, g = (np.array(matrix, np.float64) for matrix in (filter_.b, filter_.g))
    n = filter_.points
    p, q = rng.integers(n, size=2)
    signs = np.sign(np.multiply.outer(b[p], b[q])) + (np.multiply.outer(b[p], b[q]) == 0)
    x = np.broadcast_to(signs * (1 - rng.random((ins, n, n)) * 2.0**-20), (ins, n, n))[np.newaxis]
    taps = np.sign(np.multiply.outer(g[p], g[q])) * (1 - rng.random((3, ins, 3, 3)) * rng.choice([0.0, 0.1, 1.0]))
    return x.astype(number), taps.astype(number)


@pytest.mark.parametrize("number", [SINGLE, DOUBLE])
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("ins", [1, 2, 7, 64, 300])
def test_no_data_break_the_bound(tile, number, ins):
    rng = np.random.default_rng(ins)
    shares = []
    for trial in range(60):
        x, taps = rng.standard_normal((2, ins, 8, 8)), rng.standard_normal((3, ins, 3, 3))
        kind = trial % 6
        if kind == 1:  # all samples as large as they may be
            x = np.sign(x) * (1 - 2.0**-24)
        elif kind == 2:  # many decades
            x, taps = (10.0 ** rng.uniform(-9, 0, part.shape) * np.sign(part) for part in (x, taps))
        elif kind == 3:  # a single tap in each channel
            taps = taps * (np.arange(9).reshape(3, 3) == rng.integers(9))
        elif kind == 4:  # sums whose roundings are all of one sign
            x, taps = np.abs(x), np.abs(taps)
        elif kind == 5:
            x, taps = aligned(tile, rng, number, ins)
        shares.append(share(tile, x.astype(number), taps.astype(number)))
    assert max(shares) <= 1
    assert max(shares) > 1e-3  # the data are not far from the worst


def test_the_bound_is_that_of_the_worst_kernel():
    taps = np.zeros((3, 4, 3, 3))
    taps[0, :, 1, 1], taps[1] = 1.0, 1.0  # the third one has no error
    bounds = [tile_error(4, SINGLE, 4, kernel[np.newaxis]) for kernel in taps]
    assert bounds[2] < min(bounds[:2])
    assert tile_error(4, SINGLE, 4, taps) == max(bounds)


@pytest.mark.parametrize("number", [SINGLE, DOUBLE])
def test_the_smaller_tiles_are_within_the_limit_for_any_taps(number):
    for ins in (2, 3, 8, 64, 4096):
        layer = layer_of(ins, 8, 30)
        assert tile_error(2, number, ins) <= MOST_WORSE * direct_error(layer, number)
        assert tile_error(tile_for(layer, number), number, ins) <= MOST_WORSE * direct_error(layer, number)


def test_more_channels_may_take_the_larger_tiles():
    assert [tile_for(layer_of(ins, 64, 58), SINGLE) for ins in (4, 128)] == [2, 4]


def test_facts_of_taps():
    taps = np.ones((4, 2, 3, 3), "f4")
    taps[0, 0, 0, 0] = 0
    taps[1] = 0  # counts for nothing
    taps[2, 1, 2, 2] = -1
    facts = facts_of(taps)
    assert facts.usual
    assert facts.rising == (0, 1, 3)
    assert (0, 0) not in facts.common
    assert len(facts.common) == 8
    rising = np.ones((3, 40, 3, 3), "f4")
    rising[1, 0], rising[2, -1] = -1, -1
    for order in (rising, rising.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2), rising[..., ::-1, ::-1]):
        assert facts_of(order).rising == (0,)
    for size in (1e-38, 1e35, np.nan, np.inf):
        assert not facts_of(np.full((1, 1, 3, 3), size, "f4")).usual
