"""Regions that reach beyond the border, against the definition, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.ground.extended import FILL, byte_offsets, extended_block
from reference import extended
from zoo import MODES


@settings(max_examples=60, deadline=None)
@given(
    modes=st.tuples(st.sampled_from(MODES), st.sampled_from(MODES)),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=2),
    starts=st.tuples(st.integers(-9, 6), st.integers(-9, 6)),
    counts=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_blocks_are_those_of_the_extended_image(modes, lengths, starts, counts):
    image = np.random.default_rng(0).normal(size=(2, *lengths))
    region = tuple((start, start + count) for start, count, _ in zip(starts, counts, lengths, strict=False))
    modes, read_spans = modes[: len(lengths)], []

    def read(spans):
        read_spans.append(spans)
        return image[(slice(None), *spans)]

    block = extended_block(read, 2, lengths, region, modes, 0.5, np.float64)
    for channel in range(2):
        for index in np.ndindex(block.shape[1:]):
            position = [start + step for (start, _), step in zip(region, index, strict=True)]
            assert block[(channel, *index)] == extended(image[channel], position, modes, 0.5)
    for spans in read_spans:
        assert all(0 <= span.start < span.stop <= length for span, length in zip(spans, lengths, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_byte_offsets_are_those_of_the_extended_axis(mode):
    axis = np.arange(1.0, 6.0)
    positions = np.arange(-12, 18).reshape(2, 15)
    offsets = byte_offsets(mode, 5, positions, 24)
    assert offsets.shape == positions.shape
    for position, offset in zip(positions.flat, offsets.flat, strict=True):
        sample = 0.0 if offset == FILL else axis[offset // 24]
        assert sample == extended(axis, [position], mode, 0.0)
    assert byte_offsets(mode, 0, np.zeros((0, 3), np.int64), 8).shape == (0, 3)
