"""Pictures with opacity: colours are filtered by their opacity, and what is opaque is filtered as ever."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.files import Picture
from faltung.files.opacity import colour_samples, filtered_with_opacity, opaque_value, stored


def noise(*shape, dtype="u1", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def filtered(picture, kernel, dtype=None, mode="reflect", cval=0.0):
    """Filter a picture along rows and columns, as the command does."""
    axes = tuple(picture.axes.index(letter) for letter in "YX")
    total = float(kernel.taps.sum())

    def colours(samples, dtype):
        return fa.convolve(samples, kernel, mode, cval, axes=axes, dtype=dtype)

    def opacity(samples, dtype):
        return fa.convolve(samples, kernel / total, mode, 1.0, axes=axes, dtype=dtype)

    dtype = picture.samples.dtype if dtype is None else np.dtype(dtype)
    return filtered_with_opacity(picture, dtype, colours, opacity if abs(total) > 1e-9 else None).samples


def expected(colours, opacity, kernel):
    """Return colours and opacity by the definition, in double precision."""
    share = opacity[..., None] / 255
    sums = np.dstack([fa.convolve(colours[..., band] * share[..., 0], kernel) for band in range(colours.shape[-1])])
    whole = fa.convolve(share[..., 0], kernel)[..., None]
    return sums / np.where(whole == 0, 1, whole), whole[..., 0] * 255


def test_hidden_colours_stay_hidden():
    samples = np.zeros((40, 40, 4), np.uint8)
    samples[...] = 0, 255, 0, 0
    samples[10:30, 10:30] = 255, 0, 0, 255
    result = filtered(Picture(samples, "YXS", ("straight",), "rgb"), fa.gaussian(3))
    assert (result[result[..., 3] > 0][:, :3] == (255, 0, 0)).all()
    assert (result[result[..., 3] == 0][:, :3] == (0, 255, 0)).all()
    assert 0 < result[20, 29, 3] < 255


@pytest.mark.parametrize("layout", ["YXS", "SYX", "YSX"])
@pytest.mark.parametrize("kernel", [fa.gaussian(1.5), fa.box(5), 2 * fa.delta() - fa.gaussian(1)])
def test_results_are_those_of_the_definition(layout, kernel):
    samples = noise(30, 34, 4)
    samples[..., 3] = np.maximum(samples[..., 3], 40)
    colours, opacity = expected(samples[..., :3].astype("f8"), samples[..., 3].astype("f8"), kernel)
    order = ["YXS".index(letter) for letter in layout]
    picture = Picture(samples.transpose(order), layout, ("straight",), "rgb")
    result = filtered(picture, kernel).transpose(np.argsort(order))
    assert np.abs(result[..., 3] - np.clip(opacity, 0, 255)).max() < 0.51
    inside = (opacity > 20) & (opacity <= 255)  # beyond, opacity saturates before it divides
    assert np.abs(result[..., :3] - np.clip(colours, 0, 255))[inside].max() < 0.51


def test_multiplied_colours_are_not_divided():
    samples = noise(20, 24, 2)
    samples[..., 0] = np.minimum(samples[..., 0], samples[..., 1])
    result = filtered(Picture(samples, "YXS", ("associated",), "grey"), fa.box(3))
    assert np.abs(result - fa.convolve(samples.astype("f8"), fa.box(3), axes=(0, 1))).max() < 0.51


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_an_opaque_picture_is_filtered_bit_for_bit_as_without_opacity(mode, dtype):
    colours = noise(64, 70, 3, dtype="u1").astype(dtype)
    full = np.full((64, 70, 1), opaque_value(np.dtype(dtype)), dtype)
    for kernel in (fa.gaussian(2), fa.sobel(0), 3 * fa.box(3)):
        whole = filtered(Picture(np.concatenate([colours, full], -1), "YXS", ("straight",), "rgb"), kernel, mode=mode)
        assert np.array_equal(whole[..., :3], filtered(Picture(colours, "YXS", (), "rgb"), kernel, mode=mode))
        assert np.array_equal(whole[..., 3:], full)


def test_opacity_is_copied_where_taps_sum_to_zero():
    samples = noise(20, 24, 4)
    assert np.array_equal(
        filtered(Picture(samples, "YXS", ("straight",), "rgb"), fa.sobel(0))[..., 3], samples[..., 3]
    )


def test_opacity_keeps_its_meaning_in_another_dtype():
    samples = np.full((8, 9, 4), 40_000, np.uint16)
    result = filtered(Picture(samples, "YXS", ("straight",), "rgb"), fa.delta(), dtype="u1")
    assert np.array_equal(np.unique(result[..., 3]), [156])
    assert np.array_equal(np.unique(result[..., :3]), [255])
    floats = filtered(Picture(samples, "YXS", ("straight",), "rgb"), fa.delta(), dtype="f4")
    assert np.allclose(floats[..., 3], 40_000 / 65_535)


def test_extra_bands_are_filtered_by_themselves_wherever_opacity_stands():
    samples = noise(20, 24, 6)
    extra = ("extra", "straight", "extra")
    result = filtered(Picture(samples, "YXS", extra, "rgb"), fa.box(3))
    for band in (3, 5):
        assert np.array_equal(result[..., band], fa.convolve(samples[..., band], fa.box(3), dtype="u1"))
    four = filtered(Picture(samples[..., [0, 1, 2, 4]], "YXS", ("straight",), "rgb"), fa.box(3))
    assert np.array_equal(result[..., [0, 1, 2, 4]], four)
    assert colour_samples(Picture(samples, "YXS", extra, "rgb")).shape == (20, 24, 3)


def test_numbers_are_stored_by_the_rule_of_the_operator():
    values = np.array([-1.0, 0.5, 1.5, 2.5, 300, np.inf])
    assert stored(values, np.dtype("u1")).tolist() == [0, 0, 2, 2, 255, 255]
    assert stored(values.reshape(2, 3), np.dtype("f4")).tolist() == values.reshape(2, 3).astype("f4").tolist()
