"""The commands `apply` and `plan`, as a user calls them."""

from __future__ import annotations

import os

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from PIL import Image
from typer.testing import CliRunner

import faltung as fa
from faltung import files
from faltung.cli.main import app
from faltung.files import writing
from faltung.ground.new_files import new_file

GAUSSIAN = "gaussian(1.5)"


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def opened(name, mode=None):
    """Return the samples of a picture file."""
    with Image.open(name) as image:
        return np.asarray(image.convert(mode) if mode else image)


def smooth(samples, sigma):
    """The output for GAUSSIAN before rounding, computed with SciPy."""
    return scipy.ndimage.gaussian_filter(samples.astype(np.float64), sigma)


def test_grey_and_colour_png_keep_dtype_and_filter_colours_one_by_one(command, rng):
    grey = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    colour = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    deep = rng.integers(0, 65536, (40, 50), dtype=np.uint16)
    for name, samples, sigma in (("g", grey, 1.5), ("c", colour, (1.5, 1.5, 0)), ("d", deep, 1.5)):
        Image.fromarray(samples).save(f"{name}.png")
        code, out, _ = command("apply", f"{name}.png", "-k", GAUSSIAN, "-o", f"{name}2.png")
        assert code == 0
        assert str(samples.dtype) in out
        result = opened(f"{name}2.png")
        assert result.dtype == samples.dtype
        assert np.abs(result - smooth(samples, sigma)).max() <= 0.5 + 0.01


def test_opacity_is_kept(command, rng):
    samples = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(samples).save("a.png")
    assert command("apply", "a.png", "-k", "sobel(axis=0)", "-o", "b.png")[0] == 0
    result = opened("b.png")
    assert (result[..., 3] == samples[..., 3]).all()
    assert (result[..., :3] != samples[..., :3]).any()


def test_palette_and_jpeg(command, rng):
    samples = np.kron(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    Image.fromarray(samples).quantize(25).save("palette.png")
    assert command("apply", "palette.png", "-k", "delta()", "-o", "out.png")[0] == 0
    assert np.array_equal(opened("out.png"), opened("palette.png", "RGB"))
    Image.fromarray(samples).save("a.jpg", quality=95)
    assert command("apply", "a.jpg", "-k", GAUSSIAN, "-o", "b.jpg")[0] == 0
    decoded = opened("a.jpg")
    assert np.abs(opened("b.jpg") - smooth(decoded, (1.5, 1.5, 0))).mean() < 4


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_multi_page_tiff(command, rng, dtype):
    stack = (rng.random((4, 30, 20)) * 200).astype(dtype)
    tifffile.imwrite("stack.tif", stack, photometric="minisblack")
    assert command("apply", "stack.tif", "-k", GAUSSIAN, "-o", "pages.tif")[0] == 0
    assert command("apply", "stack.tif", "-k", "gaussian(1.5, ndim=3)", "-o", "volume.tif")[0] == 0
    slack = 1e-4 if dtype == "float32" else 0.51
    for name, sigma in (("pages.tif", (0, 1.5, 1.5)), ("volume.tif", 1.5)):
        result = tifffile.imread(name)
        assert result.dtype == stack.dtype
        assert np.abs(result - smooth(stack, sigma)).max() <= slack


def test_tiff_pages_of_different_shapes_and_colours(command, rng):
    pages = [rng.random((8, 9)).astype("f4"), rng.random((12, 7, 3)).astype("f4")]
    with tifffile.TiffWriter("mixed.tif") as file:
        file.write(pages[0], photometric="minisblack")
        file.write(pages[1], photometric="rgb")
    assert command("apply", "mixed.tif", "-k", GAUSSIAN, "-o", "out.tif")[0] == 0
    with tifffile.TiffFile("out.tif") as file:
        results = [series.asarray() for series in file.series]
    assert np.abs(results[0] - smooth(pages[0], 1.5)).max() < 1e-5
    assert np.abs(results[1] - smooth(pages[1], (1.5, 1.5, 0))).max() < 1e-5


def test_arrays_axes_modes_and_correlation(command, rng):
    volume = rng.random((6, 7, 8))
    np.save("v.npy", volume)
    assert command("apply", "v.npy", "-k", "[1, 2, 3]", "--axes", "1", "--mode", "wrap", "-o", "w.npy")[0] == 0
    expected = scipy.ndimage.convolve1d(volume, [1, 2, 3], axis=1, mode="wrap")
    assert np.allclose(np.load("w.npy"), expected)
    arguments = ("--correlate", "--mode", "constant", "--cval", "2", "--dtype", "float32")
    assert command("apply", "v.npy", "-k", "[[1, 2], [3, 4]]", *arguments, "-o", "c.npy")[0] == 0
    result = np.load("c.npy")
    assert result.dtype == np.float32
    kernel = np.array([[[1, 2], [3, 4]]])
    assert np.allclose(result, scipy.ndimage.correlate(volume, kernel, mode="constant", cval=2))
    assert command("apply", "v.npy", "-k", "box((3, 5))", "--mode", "wrap, nearest", "-o", "m.npy")[0] == 0
    # The command plans for its portions, which may have another engine than the whole.
    assert np.allclose(np.load("m.npy"), fa.convolve(volume, fa.box((3, 5)), ("wrap", "nearest")), rtol=1e-14, atol=0)
    code, said, _ = command("plan", "v.npy", "-k", "box((3, 5))", "--mode", "wrap,nearest")
    assert (code, "mode wrap,nearest," in said) == (0, True)
    code, _, said = command("apply", "v.npy", "-k", "box((3, 5))", "--mode", "wrap,edge", "-o", "n.npy")
    assert (code, "--mode" in said, "nearest" in said) == (1, True, True)


def test_negative_results_are_kept_only_where_the_dtype_can(command, rng):
    samples = rng.integers(0, 256, (20, 20), dtype=np.uint8)
    Image.fromarray(samples).save("a.png")
    code, _, said = command("apply", "a.png", "-k", "sobel(axis=1)", "-o", "b.png")
    assert code == 0
    assert "results below 0 become 0" in said
    code, _, said = command("apply", "a.png", "-k", "sobel(axis=1)", "--dtype", "float32", "-o", "b.tif")
    assert (code, said) == (0, "")
    assert np.array_equal(tifffile.imread("b.tif"), scipy.ndimage.sobel(samples.astype("f4"), 1))


def test_an_input_is_never_overwritten(command, rng, tmp_path):
    Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)).save("a.png")
    before = (tmp_path / "a.png").read_bytes()
    os.symlink("a.png", "link.png")
    for target in ("a.png", "link.png", "./a.png"):
        code, _, said = command("apply", "a.png", "-k", GAUSSIAN, "-o", target, "--overwrite")
        assert code == 2
        assert "--output: expected a file other than the input" in said
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_output_is_replaced_only_when_asked(command, rng, tmp_path):
    Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)).save("a.png")
    (tmp_path / "b.png").write_text("precious")
    code, _, said = command("apply", "a.png", "-k", GAUSSIAN, "-o", "b.png")
    assert code == 1
    assert "--overwrite" in said
    assert (tmp_path / "b.png").read_text() == "precious"
    assert command("apply", "a.png", "-k", GAUSSIAN, "-o", "b.png", "--overwrite")[0] == 0
    assert opened("b.png").shape == (9, 9)


def test_a_failed_write_leaves_nothing_behind(command, rng, tmp_path, monkeypatch):
    Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)).save("a.png")

    def fail(path, picture):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_png", fail)
    code, _, said = command("apply", "a.png", "-k", GAUSSIAN, "-o", "b.png")
    assert code == 1
    assert "No space left" in said
    assert "Traceback" not in said
    assert sorted(os.listdir(tmp_path)) == ["a.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.png", "-k", "gausian(2)", "-o", "b.png"), "gaussian"),
        (("a.png", "-k", "gaussian(2", "-o", "b.png"), "column"),
        (("a.png", "-k", "gaussian(2, ndim=3)", "-o", "b.png"), "at most 2 axes"),
        (("a.png", "-k", GAUSSIAN, "--mode", "symmetric", "-o", "b.png"), "--mode reflect"),
        (("a.png", "-k", GAUSSIAN, "--dtype", "uint99", "-o", "b.png"), "--dtype: expected a NumPy dtype of numbers"),
        (("a.png", "-k", GAUSSIAN, "--dtype", "float32", "-o", "b.png"), "use .tif or .npy"),
        (("a.png", "-k", GAUSSIAN, "-o", "b.docx"), "expected a file named .png"),
        (("a.png", "-k", GAUSSIAN, "-o", "nowhere/b.png"), "Make the folder first"),
        (("a.png", "-k", GAUSSIAN, "--axes", "x", "-o", "b.png"), "--axes"),
        (("missing.png", "-k", GAUSSIAN, "-o", "b.png"), "a file or folder that exists"),
        (("broken.png", "-k", GAUSSIAN, "-o", "b.png"), "a readable PNG file"),
        (("broken.tif", "-k", GAUSSIAN, "-o", "b.png"), "a readable TIFF file"),
        (("pickle.npy", "-k", GAUSSIAN, "-o", "b.npy"), "a readable NPY file"),
        (("deep.png", "-k", GAUSSIAN, "-o", "b.png"), "a readable PNG file"),
    ],
)
def test_wrong_input_gets_one_message_and_no_file(command, tmp_path, arguments, message):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("a.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    (tmp_path / "broken.tif").write_bytes(b"II*\0 not a picture")
    np.save("pickle.npy", np.array([object()], dtype=object), allow_pickle=True)
    deep = bytearray((tmp_path / "a.png").read_bytes())
    deep[24:26] = bytes([16, 2])  # the header then says 16 bits for each of three colours
    (tmp_path / "deep.png").write_bytes(deep)
    before = sorted(os.listdir(tmp_path))
    code, out, said = command("apply", *arguments)
    assert code == 1
    assert message in said
    assert "Traceback" not in said
    assert out == ""
    assert sorted(os.listdir(tmp_path)) == before


def test_tiff_samples_keep_their_meaning(command, rng, tmp_path):
    negative = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    tifffile.imwrite("negative.tif", negative, photometric="miniswhite", resolution=(100, 100), resolutionunit=3)
    assert command("apply", "negative.tif", "-k", "delta()", "-o", "same.tif")[0] == 0
    with tifffile.TiffFile("negative.tif") as before, tifffile.TiffFile("same.tif") as after:
        assert np.array_equal(before.asarray(), after.asarray())
        for name in ("PhotometricInterpretation", "XResolution", "ResolutionUnit"):
            assert after.pages[0].tags[name].value == before.pages[0].tags[name].value
    Image.fromarray(negative > 99).save("bilevel.tif")
    assert command("apply", "bilevel.tif", "-k", "delta()", "-o", "grey.png")[0] == 0
    assert np.array_equal(opened("grey.png"), np.where(negative > 99, 255, 0))


def test_opacity_is_scaled_with_the_colours(command, rng):
    samples = rng.integers(0, 65536, (8, 9, 4), np.uint16)
    tifffile.imwrite("deep.tif", samples, photometric="rgb", extrasamples=["unassalpha"])
    code, _, said = command("apply", "deep.tif", "-k", "delta()", "--dtype", "uint8", "-o", "out.tif")
    assert (code, "0:65535 became 0:255" in said) == (0, True)
    result = tifffile.imread("out.tif")
    visible = result[..., 3] > 0
    assert (result[visible] == np.rint(samples / 257)[visible]).all()
    assert (result[..., 3] == np.rint(samples[..., 3] / 257)).all()


def test_an_animation_is_not_cut_to_its_first_frame(command, rng):
    samples = rng.integers(0, 256, (3, 9, 8), dtype=np.uint8)
    frames = [Image.fromarray(frame) for frame in samples]
    frames[0].save("moving.png", save_all=True, append_images=frames[1:])
    assert command("apply", "moving.png", "-k", GAUSSIAN, "-o", "out.png")[0] == 0
    with Image.open("out.png") as image:
        assert image.n_frames == 3
        for index, frame in enumerate(samples):
            image.seek(index)
            assert np.abs(np.asarray(image.convert("L")) - smooth(frame, 1.5)).max() <= 0.51


def test_ink_becomes_light_without_the_profile_of_ink(command, rng):
    ink = Image.fromarray(rng.integers(0, 256, (16, 16, 4), dtype=np.uint8), mode="CMYK")
    ink.save("ink.jpg", icc_profile=b"a profile of ink")
    assert command("apply", "ink.jpg", "-k", "delta()", "-o", "out.png")[0] == 0
    with Image.open("out.png") as image:
        assert image.mode == "RGB"
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("axes", ["0,7", "0", "0,1,2"])
def test_axes_must_fit_picture_and_kernel(command, axes):
    np.save("a.npy", np.zeros((5, 6)))
    code, _, said = command("apply", "a.npy", "-k", GAUSSIAN, "--axes", axes, "-o", "b.npy")
    assert code == 1
    assert f"--axes: expected 2 of the axes 0 to 1 or Y,X, one for each axis of the kernel, got '{axes}'." in said


def test_an_array_that_may_be_a_colour_picture_gets_a_note(command, rng):
    np.save("a.npy", rng.random((5, 6, 3)))
    code, _, said = command("apply", "a.npy", "-k", GAUSSIAN, "-o", "b.npy")
    assert code == 0
    assert "filters the last axes (6, 3); if the last has colours, add --axes 0,1" in said
    assert command("apply", "a.npy", "-k", GAUSSIAN, "--axes", "0,1", "-o", "c.npy") == (
        0,
        "c.npy: 5 x 6 x 3 float64\n",
        "",
    )


@pytest.mark.parametrize(
    ("shape", "kernel", "axes"),
    [((5, 6, 3), "[1, 2, 1]", "1"), ((2, 5, 6, 4), GAUSSIAN, "1,2"), ((5, 6, 3), None, "")],
)
def test_the_axes_that_the_note_names_can_be_typed(command, rng, shape, kernel, axes):
    samples = rng.random(shape)
    np.save("a.npy", samples)
    code, _, said = command("apply", "a.npy", "-k", kernel or "box(3, ndim=3)", "-o", "b.npy")
    assert (code, said.endswith(f"add --axes {axes}") if kernel else said == "") == (0, True)
    if kernel:
        assert command("apply", "a.npy", "-k", kernel, "--axes", axes, "-o", "c.npy")[::2] == (0, "")
        assert np.allclose(np.load("c.npy")[..., 1], fa.parse(kernel)(samples[..., 1]))


def test_an_array_with_one_axis_goes_into_no_picture(command):
    np.save("a.npy", np.zeros(9))
    for name in ("b.tif", "b.png"):
        code, _, said = command("apply", "a.npy", "-k", "[1, 2, 1]", "-o", name)
        assert (code, said) == (
            1,
            f"Error: --output: expected a .npy file for an array with one axis, got '{name}'. Use .npy.",
        )


def test_an_output_that_cannot_be_written(command, tmp_path):
    np.save("a.npy", np.zeros((5, 6)))
    (tmp_path / "a").mkdir()
    code, _, said = command("apply", "a.npy", "-k", GAUSSIAN, "-o", "a/b/c.npy")
    assert (code, "--output: expected a name in a folder that exists, got 'a/b/c.npy'." in said) == (1, True)
    (tmp_path / "link.npy").symlink_to("real.npy")
    assert command("apply", "a.npy", "-k", GAUSSIAN, "-o", "link.npy")[0] == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert np.load("real.npy").shape == (5, 6)


def test_plan_prints_what_would_run(command):
    code, out, _ = command("plan", "--shape", "480x640", "--dtype", "uint8", "-k", "gaussian(2) * sobel(axis=1)")
    assert code == 0
    assert "gaussian(2) * sobel(axis=1)" in out
    assert "480 x 640 uint8" in out
    for row in ("rewritten", "step 1", "tile", "time", "memory", "error"):
        assert row in out
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save("a.png")
    code, out, _ = command("plan", "a.png", "-k", "box(3)")
    assert code == 0
    assert "9 x 9 x 3 uint8, mode reflect, axes (0, 1)" in out


def test_plan_takes_axes(command):
    code, out, said = command("plan", "--shape", "480x640x3", "-k", "box(3)")
    assert (code, "axes (1, 2)" in out or "axes" not in out, "add --axes 0,1" in said) == (0, True, True)
    for arguments in (("--shape", "480x640x3", "--axes", "0,1"), ("--shape", "480x640x3", "--axes", "-3,-2")):
        code, out, said = command("plan", *arguments, "-k", "box(3)")
        assert (code, "axes (0, 1)" in out, said) == (0, True, "")


@pytest.mark.parametrize("dtype", ["(2,)f4", "object", "M8[s]", "S3", ""])
def test_a_dtype_of_no_numbers_is_refused(command, dtype):
    np.save("a.npy", np.zeros((5, 5)))
    for name, arguments in (("plan", ("--shape", "5x5")), ("apply", ("a.npy", "-o", "b.npy"))):
        code, _, said = command(name, *arguments, "-k", "box(3)", "--dtype", dtype)
        assert (code, said.startswith("Error: --dtype: expected")) == (1, True), said


def test_a_shape_that_is_none_is_refused(command):
    for shape in ("9" * 30, "99999999x99999999x99999999", "4x", "-1x4", "x".join(["2"] * 40)):
        code, _, said = command("plan", "--shape", shape, "-k", "box(3)")
        assert (code, said.startswith("Error: --shape: expected")) == (1, True), said


@pytest.mark.parametrize("arguments", [("-k", "box(3)"), ("-k", "box(3)", "--shape", "4xq")])
def test_plan_refuses(command, arguments):
    code, _, said = command("plan", *arguments)
    assert code == 1
    assert "expected" in said


def test_help_has_examples():
    for name in ("apply", "plan"):
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0
        assert f"faltung {name}" in result.output


def test_a_picture_written_and_read_is_the_same(tmp_path, rng):
    picture = files.Picture(rng.integers(0, 256, (5, 6, 4), dtype=np.uint8), "YXS", ("straight",), "rgb")
    for name in ("a.png", "a.tif"):
        files.write(tmp_path / name, [picture])
        (again,) = files.read(tmp_path / name)
        assert np.array_equal(again.samples, picture.samples)
        assert again.opacity
        assert again.axes == "YXS"


def test_one_colour_is_grey_and_two_colours_are_refused(tmp_path, rng):
    grey = rng.integers(0, 256, (5, 6, 1), dtype=np.uint8)
    files.write(tmp_path / "a.png", [files.Picture(grey, "YXS")])
    assert np.array_equal(opened(tmp_path / "a.png"), grey[..., 0])
    for shape, axes in (((5, 6, 2), "YXS"), ((5, 6, 5), "YXS"), ((5,), "X")):
        with pytest.raises(fa.ArgumentError, match="--output: expected"):
            files.write(tmp_path / "b.png", [files.Picture(np.zeros(shape, np.uint8), axes)])
    assert sorted(os.listdir(tmp_path)) == ["a.png"]


def test_each_writer_of_a_file_has_a_temporary_name_of_its_own(tmp_path):
    with new_file(tmp_path / "a.txt") as first, new_file(tmp_path / "a.txt") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "a.txt").read_text() == "1"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_kernels_written_as_taps_are_kernels():
    assert fa.parse("[[0, 1], [2, 3]]") == fa.Kernel([[0, 1], [2, 3]])


def test_plans_of_complex_kernels_have_the_results_of_apply(command):
    for dtype, result in (("uint8", "complex64"), ("float64", "complex128"), ("complex64", "complex64")):
        code, said, _ = command("plan", "--shape", "40x30", "--dtype", dtype, "-k", "gabor(0.1, 1)")
        assert (code, f"output    40 x 30 {result}" in said) == (0, True), said


def test_plans_of_booleans_have_the_results_of_apply(command, tmp_path):
    np.save(tmp_path / "holes.npy", np.eye(20, dtype=bool))
    assert "output    20 x 20 float32" in command("plan", "holes.npy", "-k", "gaussian(1)")[1]
    assert "20 x 20 float32" in command("apply", "holes.npy", "-k", "gaussian(1)", "-o", "o.npy")[1]
