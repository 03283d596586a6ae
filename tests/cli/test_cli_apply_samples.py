"""What `faltung apply` makes of samples: missing ones, opacity, depth, axes; and which files hold a filter."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from PIL import Image

import faltung as fa
from faltung.cli.filters import filter_file, read_filter

GAUSSIAN = "gaussian(1.5)"


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def opened(name):
    with Image.open(name) as image:
        return np.asarray(image)


def normalised(samples, valid, sigma=1.5):
    """The weighted mean of the valid samples under a Gaussian, with SciPy."""

    def smooth(values):
        return scipy.ndimage.gaussian_filter(values.astype(np.float64), sigma, truncate=6)

    kernel = fa.gaussian(1.5).taps
    weights = scipy.ndimage.correlate(valid.astype(np.float64), kernel, mode="reflect")
    sums = scipy.ndimage.correlate(np.where(valid, samples, 0).astype(np.float64), kernel, mode="reflect")
    with np.errstate(invalid="ignore"):
        return np.where(weights > 1e-9, sums / weights, np.nan)


# ---- missing samples


def test_the_value_of_missing_samples_is_taken_from_the_file_and_stays(command):
    heights = np.full((32, 32), 1000, np.float32)
    heights[10:14, 10:14] = -9999
    tifffile.imwrite("d.tif", heights, metadata=None, extratags=[(42113, 2, 0, "-9999", True)])
    assert command("apply", "d.tif", "-k", "gaussian(1)", "-o", "out.tif")[0] == 0
    result = tifffile.imread("out.tif")
    assert np.array_equal(result == -9999, heights == -9999)
    assert np.abs(result[heights != -9999] - 1000).max() < 1e-3
    with tifffile.TiffFile("out.tif") as file:
        assert file.pages[0].nodata == -9999
    code, _, _ = command("apply", "d.tif", "-k", "gaussian(1)", "--nodata", "none", "-o", "smeared.tif")
    assert code == 0
    assert tifffile.imread("smeared.tif")[9, 9] < 900


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float64"])
def test_a_value_of_missing_samples_that_is_typed(command, rng, dtype):
    samples = rng.integers(20, 90, (30, 40)).astype(dtype)
    valid = rng.random((30, 40)) < 0.8
    samples[~valid] = 7
    np.save("a.npy", samples)
    assert command("apply", "a.npy", "-k", GAUSSIAN, "--nodata", "7", "-o", "b.npy")[0] == 0
    result, wanted = np.load("b.npy"), normalised(samples, valid)
    assert result.dtype == dtype
    assert (result[~valid] == 7).all()
    slack = 0.5001 if np.dtype(dtype).kind in "iu" else 1e-9
    assert np.abs(result[valid] - wanted[valid]).max() <= slack


def test_results_never_become_missing_by_chance(command):
    samples = np.full((9, 9), 4, np.uint8)
    samples[:, 4:] = 6
    samples[0, 0] = 5
    np.save("a.npy", samples)
    code, _, said = command("apply", "a.npy", "-k", "box(3)", "--nodata", "5", "-o", "b.npy")
    assert code == 0
    assert "results were 5, the value of missing samples, and became 6" in said
    assert (np.load("b.npy") == 5).sum() == 1


def test_a_value_that_no_sample_can_have_is_that_of_none(command, rng):
    samples = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    for name, value, data in (("i", "-9999", samples), ("f", "-1.7976931348623157e+308", samples / np.float32(7))):
        tifffile.imwrite(f"{name}.tif", data, metadata=None, extratags=[(42113, 2, 0, value, True)])
        np.save("m.npy", samples > 9)
        assert command("apply", f"{name}.tif", "-k", GAUSSIAN, "-o", f"{name}2.tif")[0] == 0
        assert np.abs(tifffile.imread(f"{name}2.tif") - fa.gaussian(1.5)(data)).max() <= 0.51
        assert command("apply", f"{name}.tif", "-k", GAUSSIAN, "--mask", "m.npy", "-o", f"{name}3.tif")[0] == 0
        assert np.abs(tifffile.imread(f"{name}3.tif") - normalised(data, samples > 9)).max() <= 0.51


def test_results_are_not_missing_where_no_sample_is(command):
    data = np.zeros((9, 9), np.uint16)
    data[...] = [1, 3, 1, 3, 1, 3, 1, 3, 1]
    tifffile.imwrite("a.tif", data, metadata=None, extratags=[(42113, 2, 0, "2", True)])
    code, _, said = command("apply", "a.tif", "-k", "[[1, 2, 1]]", "-o", "b.tif")
    assert code == 0
    code, _, said = command("apply", "a.tif", "-k", "[[0.25, 0.5, 0.25]]", "-o", "c.tif")
    assert (code, "results were 2, the value of missing samples, and became 3" in said) == (0, True)
    assert not (tifffile.imread("c.tif") == 2).any()


@pytest.mark.parametrize("nodata", [-9999, np.nan])
def test_missing_samples_are_black_where_a_picture_cannot_mark_them(command, rng, nodata):
    heights = rng.uniform(1000, 2000, (32, 32)).astype(np.float32)
    heights[10:14, 10:14] = nodata
    tifffile.imwrite("d.tif", heights, metadata=None, extratags=[(42113, 2, 0, str(nodata), True)])
    for suffix in ("png", "tif"):
        dtype = ("--dtype", "uint16") if suffix == "tif" else ()
        arguments = ("-k", GAUSSIAN, "--scale", "1000:2000", "-o", f"out.{suffix}", *dtype)
        code, _, said = command("apply", "d.tif", *arguments)
        assert (code, f"16 missing samples became black: uint16 has no {nodata}" in said) == (0, True), said
        valid = heights == heights if nodata != nodata else heights != nodata
        wanted = np.where(valid, (normalised(heights, valid) - 1000) * 65.535, 0)
        result = opened("out.png") if suffix == "png" else tifffile.imread("out.tif")
        assert np.abs(result - wanted).max() < 1
    with tifffile.TiffFile("out.tif") as file:
        assert 42113 not in file.pages[0].tags
    code, _, said = command("apply", "d.tif", "-k", GAUSSIAN, "--dtype", "uint16", "-o", "e.tif")
    assert (code, "Keep the dtype: with --nodata none, the value would count as a sample." in said) == (1, True)


def test_nan_is_a_value_unless_it_is_left_out(command, rng):
    samples = rng.random((30, 40)).astype(np.float32)
    samples[5, 6] = np.nan
    tifffile.imwrite("a.tif", samples)
    code, _, said = command("apply", "a.tif", "-k", GAUSSIAN, "-o", "b.tif")
    assert (code, "1 samples are NaN" in said, "--nan ignore" in said) == (0, True, True)
    assert np.isnan(tifffile.imread("b.tif")).sum() > 50
    assert command("apply", "a.tif", "-k", GAUSSIAN, "--nan", "ignore", "-o", "c.tif")[2] == ""
    wanted = normalised(np.nan_to_num(samples), ~np.isnan(samples))
    assert np.abs(tifffile.imread("c.tif") - wanted).max() < 1e-5
    code, _, said = command("apply", "a.tif", "-k", GAUSSIAN, "--nan", "omit", "-o", "d.tif")
    assert (code, "--nan: expected propagate or ignore, got 'omit'. Use ignore." in said) == (1, True)


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.npy"])
def test_a_mask_is_nonzero_where_a_sample_is_valid(command, rng, name):
    samples = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(samples).save("a.png")
    valid = rng.random((30, 40)) < 0.7
    mask = valid.astype(np.uint8) * 255
    np.save(name, valid) if name.endswith("npy") else Image.fromarray(mask).save(name)
    assert command("apply", "a.png", "-k", GAUSSIAN, "--mask", name, "-o", "b.png")[0] == 0
    result = opened("b.png")
    for colour in range(3):
        assert np.abs(result[..., colour] - normalised(samples[..., colour], valid)).max() <= 0.51


def test_a_mask_for_each_page_and_for_all(command, rng):
    stack = rng.random((3, 20, 30)).astype(np.float32)
    tifffile.imwrite("a.tif", stack, photometric="minisblack")
    valid = rng.random((3, 20, 30)) < 0.7
    np.save("each.npy", valid)
    np.save("all.npy", valid[0])
    for name, masks in (("each", valid), ("all", np.stack([valid[0]] * 3))):
        assert command("apply", "a.tif", "-k", GAUSSIAN, "--mask", f"{name}.npy", "-o", f"{name}.tif")[0] == 0
        for page, mask, result in zip(stack, masks, tifffile.imread(f"{name}.tif"), strict=True):
            assert np.abs(result - normalised(page, mask)).max() < 1e-5


def test_masks_that_do_not_fit(command, rng):
    np.save("a.npy", rng.random((9, 8)))
    np.save("wide.npy", np.ones((8, 9), bool))
    np.save("nan.npy", np.full((9, 8), np.nan))
    np.save("zero.npy", np.zeros((9, 8), bool))
    Image.fromarray(np.dstack([np.zeros((9, 8, 3), np.uint8), np.full((9, 8), 255, np.uint8)])).save("alpha.png")
    Image.fromarray(np.full((9, 8), 255, np.uint8)).save("m.jpg")
    for name, message in (
        ("wide.npy", "--mask: expected 9 x 8 samples, as many as IMAGE has, got 8 x 9 in 'wide.npy'."),
        ("nan.npy", "--mask: expected numbers, nonzero where a sample is valid, got NaN in 'nan.npy'."),
        ("m.jpg", "--mask: expected one picture in a PNG, TIFF or .npy file, got 'm.jpg', JPEG."),
        ("zero.npy", "--mask: expected a mask that is nonzero somewhere, got only zeros in 'zero.npy'."),
        ("alpha.png", "got only zeros in 'alpha.png'. Its opacity is not looked at."),
        ("none.npy", "--mask: expected a file that exists, got 'none.npy', which does not exist."),
    ):
        code, _, said = command("apply", "a.npy", "-k", GAUSSIAN, "--mask", name, "-o", "b.npy")
        assert (code, message in said) == (1, True), said


@pytest.mark.parametrize("constant", ["nan", "inf"])
def test_integers_have_no_border_of_nan(command, constant):
    np.save("a.npy", np.full((9, 9), 9, np.uint8))
    arguments = ("apply", "a.npy", "-k", "box(3)", "--mode", "constant", "--cval", constant)
    code, _, said = command(*arguments, "-o", "b.npy")
    assert (code, "--cval: expected a number that uint8 results can have" in said) == (1, True), said
    assert command(*arguments, "--dtype", "float32", "-o", "b.npy")[0] == 0
    assert not np.isfinite(np.load("b.npy")[0]).any()


def test_nothing_valid_under_the_kernel(command):
    np.save("a.npy", np.full((20, 20), 9, np.uint8))
    valid = np.zeros((20, 20), bool)
    valid[:5] = True
    np.save("m.npy", valid)
    code, _, said = command("apply", "a.npy", "-k", "box(3)", "--mask", "m.npy", "-o", "b.npy")
    assert (code, "280 results have no valid sample and became 0" in said) == (0, True)
    assert np.array_equal(np.load("b.npy"), np.where(np.arange(20) < 6, 9, 0)[:, None] * np.ones((1, 20), np.uint8))
    command("apply", "a.npy", "-k", "box(3)", "--mask", "m.npy", "--dtype", "float32", "-o", "c.npy")
    assert np.isnan(np.load("c.npy")).sum() == 280
    command(
        "apply", "a.npy", "-k", "box(3)", "--mask", "m.npy", "--min-weight", "0.5", "--dtype", "f4", "-o", "d.npy"
    )
    assert np.isnan(np.load("d.npy")).sum() == 300
    code, _, said = command("apply", "a.npy", "-k", "box(3)", "--nodata", "-9999", "-o", "e.npy")
    assert (code, "--nodata: expected a number that uint8 samples can have, got -9999." in said) == (1, True)


# ---- opacity


def test_hidden_colours_stay_hidden_and_opacity_is_filtered(command):
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[...] = 0, 255, 0, 0
    picture[10:30, 10:30] = 255, 0, 0, 255
    Image.fromarray(picture).save("in.png")
    assert command("apply", "in.png", "-k", "gaussian(3)", "-o", "out.png")[0] == 0
    result = opened("out.png")
    assert (result[result[..., 3] > 0][:, :3] == (255, 0, 0)).all()
    wanted = fa.gaussian(3)(picture[..., 3])
    assert np.abs(result[..., 3] - wanted).max() <= 0.51
    assert command("apply", "in.png", "-k", "gaussian(3)", "--straight", "-o", "old.png")[0] == 0
    old = opened("old.png")
    assert np.array_equal(old[..., 3], picture[..., 3])
    assert np.array_equal(old[..., :3], fa.convolve(picture[..., :3], fa.gaussian(3), axes=(0, 1), dtype="u1"))


def test_missing_pixels_of_a_picture_with_opacity(command, rng):
    picture = rng.integers(1, 256, (20, 30, 4), dtype=np.uint8)
    valid = rng.random((20, 30)) < 0.7
    Image.fromarray(picture).save("in.png")
    np.save("m.npy", valid)
    assert command("apply", "in.png", "-k", GAUSSIAN, "--mask", "m.npy", "-o", "out.png")[0] == 0
    result, weight = opened("out.png"), picture[..., 3] / 255
    opacity = normalised(weight, valid)
    assert np.abs(result[..., 3] - 255 * opacity).max() <= 0.51
    for colour in range(3):
        wanted = normalised(picture[..., colour] * weight, valid) / opacity
        assert np.abs(result[..., colour] - wanted).max() <= 0.51


# ---- depth


def test_16_bits_become_8_without_losing_the_picture(command):
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save("in.png")
    for arguments in ((), ("--dtype", "uint8"), ("--scale", "auto")):
        code, _, said = command("apply", "in.png", "-k", "delta()", *arguments, "-o", "out.jpg", "--overwrite")
        assert (code, "0:65535 became 0:255" in said) == (0, True), said
        assert abs(opened("out.jpg").mean() - 127.5) < 1
    assert command("apply", "in.png", "-k", "delta()", "--scale", "0:32767", "-o", "half.jpg")[0] == 0
    assert opened("half.jpg").mean() > 180
    assert command("apply", "in.png", "-k", "delta()", "--scale", "none", "-o", "cut.jpg", "--dtype", "uint8")[0] == 0
    assert opened("cut.jpg").mean() > 250


def test_floats_become_a_picture_or_are_refused_by_name(command, rng):
    unit = rng.random((20, 30)).astype(np.float32)
    tifffile.imwrite("unit.tif", unit)
    assert command("apply", "unit.tif", "-k", "delta()", "-o", "unit.png")[0] == 0
    result = opened("unit.png")
    assert np.abs(result / np.iinfo(result.dtype).max - unit).max() < 1 / 255
    assert command("apply", "unit.tif", "-k", "delta()", "--dtype", "uint8", "-o", "unit8.png")[0] == 0
    assert np.abs(opened("unit8.png") / 255 - unit).max() < 1 / 255
    np.save("wide.npy", 1000 * unit - 500)
    code, _, said = command("apply", "wide.npy", "-k", "delta()", "-o", "wide.png")
    assert (code, "Add --scale auto, or --scale LOW:HIGH" in said) == (1, True)
    assert "--dtype" not in said
    assert command("apply", "wide.npy", "-k", "delta()", "--scale", "-500:500", "-o", "wide.png")[0] == 0
    result = opened("wide.png")
    assert np.abs(result / np.iinfo(result.dtype).max - unit).max() < 1 / 255
    code, _, said = command("apply", "wide.npy", "-k", "delta()", "--scale", "auto", "-o", "auto.png")
    assert (code, "became 0:" in said) == (0, True)
    result = opened("auto.png")
    assert (result.min(), result.max()) == (0, np.iinfo(result.dtype).max)


def test_results_outside_the_mapped_range_are_counted(command, rng):
    unit = rng.random((20, 30)).astype(np.float32)
    tifffile.imwrite("unit.tif", unit)
    beyond = np.count_nonzero(np.rint(65535 * fa.sobel()(unit)) < 0) + np.count_nonzero(fa.sobel()(unit) > 1)
    code, _, said = command("apply", "unit.tif", "-k", "sobel()", "-o", "a.png")
    assert (code, f"{beyond:,} results were outside the values that are mapped" in said) == (0, True), said
    assert "--scale none" not in said
    for arguments in (("box(3)",), ("sobel()", "--scale", "-4:4"), ("sobel()", "--scale", "0:1")):
        code, _, said = command("apply", "unit.tif", "-k", *arguments, "-o", "b.png", "--overwrite")
        assert (code, "outside" in said) == (0, False), said


def test_truth_values_become_black_and_white(command, rng):
    valid = rng.random((20, 30)) < 0.5
    np.save("a.npy", valid)
    assert command("apply", "a.npy", "-k", "delta()", "-o", "a.png")[0] == 0
    assert np.array_equal(opened("a.png"), np.where(valid, 65535, 0))


def test_a_picture_in_more_bits_than_it_uses_is_dark_and_a_note_says_so(command, rng):
    samples = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(samples).save("a.png")
    code, _, said = command("apply", "a.png", "-k", "delta()", "--dtype", "uint16", "-o", "b.png")
    assert (code, "dark in uint16; --scale auto uses its whole range" in said) == (0, True), said
    assert np.array_equal(opened("b.png"), samples)
    code, _, said = command("apply", "a.png", "-k", "delta()", "--dtype", "uint16", "--scale", "auto", "-o", "c.png")
    assert (code, "dark" in said) == (0, False), said
    assert np.array_equal(opened("c.png"), samples.astype(np.uint16) * 257)


def test_numbers_of_arrays_stay_numbers(command):
    np.save("a.npy", np.array([[0.2, 300.7, -3.0]]))
    assert command("apply", "a.npy", "-k", "delta()", "--dtype", "uint8", "-o", "b.npy")[0] == 0
    assert np.load("b.npy").tolist() == [[0, 255, 0]]


@pytest.mark.parametrize("scale", ["3", "a:b", "2:2", "1:inf", "all"])
def test_scales_that_are_none(command, scale):
    np.save("a.npy", np.zeros((3, 3)))
    code, _, said = command("apply", "a.npy", "-k", "delta()", "--scale", scale, "-o", "b.npy")
    assert (code, "--scale: expected auto, none, or two different numbers such as 0:4095" in said) == (1, True)


def test_complex_filters(command, rng):
    samples = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(samples).save("a.png")
    assert command("apply", "a.png", "-k", "gabor(0.1)", "-o", "b.npy")[0] == 0
    result = np.load("b.npy")
    assert result.dtype == np.complex64
    assert np.array_equal(result, fa.gabor(0.1)(samples))
    for arguments, message in (
        (("-o", "b.png"), "--output: expected uint8 or uint16 for 'b.png', got complex64. Use .tif or .npy"),
        (("-o", "d.npy", "--scale", "0:1"), "--scale: expected none for complex results, got complex64."),
        (("-o", "c.npy", "--dtype", "uint8"), "The real part of a filter is written (gabor(frequency=0.1)).real."),
    ):
        code, _, said = command("apply", "a.png", "-k", "gabor(0.1)", *arguments)
        assert (code, message in said) == (1, True), said


# ---- axes


def test_axes_have_letters(command, rng):
    stack = rng.random((4, 20, 30)).astype(np.float32)
    tifffile.imwrite("a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    for axes in ("Z,X", "z,x", "0,2", "0,-1"):
        assert command("apply", "a.tif", "-k", "box((3, 5))", "--axes", axes, "-o", "b.tif", "--overwrite")[0] == 0
        assert np.array_equal(tifffile.imread("b.tif"), fa.convolve(stack, fa.box((3, 5)), axes=(0, 2)))
    code, _, said = command("apply", "a.tif", "-k", "box(3)", "--axes", "Z,Z", "-o", "c.tif")
    assert (code, "--axes: expected 2 of the axes 0 to 2 or Z,Y,X" in said) == (1, True)


# ---- filters in files


def test_filters_are_read_from_every_kind_of_file(command, rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taps = rng.random((3, 5)).astype(np.float32)
    np.save("k.NPY.npy", taps)
    (tmp_path / "k.NPY.npy").rename("k.NPY")
    np.savetxt("k.TXT", taps)
    np.savetxt("k.Csv", taps, delimiter=",")
    (tmp_path / "german.csv").write_text(
        "\n".join(";".join(f"{tap:.9f}".replace(".", ",") for tap in row) for row in taps)
    )
    (tmp_path / "excel.csv").write_text("\ufeff" + "\n".join(",".join(f"{tap:.9f}" for tap in row) for row in taps))
    tifffile.imwrite("k.TIF", taps)
    np.savetxt("k", taps)
    np.savetxt("sobel", taps)
    for name in ("k.NPY", "k.TXT", "k.Csv", "german.csv", "excel.csv", "k.TIF", "k", "sobel"):
        assert read_filter(name).isclose(fa.Kernel(taps), rtol=1e-6), name
        assert filter_file(name).name == name
    assert filter_file("sobel(0)") is None


def test_a_picture_of_a_filter_adds_up_to_one(command, rng):
    psf = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    Image.fromarray(psf).save("psf.png")
    Image.fromarray(np.dstack([psf] * 3)).save("rgb.png")
    samples = rng.random((20, 30))
    np.save("a.npy", samples)
    wanted = scipy.ndimage.convolve(samples, psf / psf.sum(dtype=float), mode="reflect")
    for name in ("psf.png", "rgb.png"):
        code, _, said = command("apply", "a.npy", "-k", name, "-o", "b.npy", "--overwrite")
        assert (code, f"divided by their sum, {psf.sum(dtype=int):,}" in said) == (0, True)
        assert np.allclose(np.load("b.npy"), wanted)
    Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).save("colour.png")
    Image.fromarray(np.zeros((5, 7), np.uint8)).save("black.png")
    for name, message in (
        ("colour.png", "--kernel: expected a grey picture of a filter, got 'colour.png' with colours."),
        ("black.png", "--kernel: expected a picture of a filter, got 'black.png', which is black."),
    ):
        code, _, said = command("apply", "a.npy", "-k", name, "-o", "c.npy")
        assert (code, message in said) == (1, True), said
