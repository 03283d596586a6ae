"""The command `fit`, as a user calls it, and filters in files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import faltung as fa
from faltung.cli.filters import read_filter, sketch, write_filter
from faltung.cli.main import app


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_the_filter_between_two_images_is_fitted_named_and_written(command, rng):
    picture = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(picture).save("a.png")
    assert command("apply", "a.png", "-k", "gaussian(1.25)", "-o", "b.png")[0] == 0
    code, out, said = command("fit", "a.png", "b.png", "--size", 11, "-o", "k.txt")
    assert (code, said) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("11 x 11 taps, sum ")
    assert float(lines[0].split()[-1]) == pytest.approx(1, abs=1e-3)
    assert "closest name         gaussian(1.25)" in out
    assert lines[-1] == "taps                 k.txt, for faltung apply -k k.txt"
    # Rounding to whole numbers leaves an error with variance 1/12.
    (risk,) = (line.split()[2] for line in lines if line.startswith("held-out risk"))
    assert float(risk.strip(",")) == pytest.approx(1 / 12, rel=0.05)
    assert command("apply", "a.png", "-k", "k.txt", "-o", "c.png")[0] == 0
    with Image.open("b.png") as first, Image.open("c.png") as second:
        assert np.abs(np.asarray(first).astype(int) - np.asarray(second)).max() <= 1


@pytest.mark.parametrize("name", ["k.txt", "k.npy"])
def test_taps_are_written_exactly(command, rng, name):
    x = rng.normal(size=(50, 60))
    kernel = fa.Kernel(rng.normal(size=(3, 5)))
    np.save("a.npy", x)
    np.save("b.npy", fa.convolve(x, kernel, "wrap"))
    assert command("fit", "a.npy", "b.npy", "--size", "3x5", "--mode", "wrap", "-o", name)[0] == 0
    assert np.abs(read_filter(name).taps - kernel.taps).max() < 1e-12
    code, _, said = command("fit", "a.npy", "b.npy", "--size", 3, "-o", name)
    assert (code, "Add --overwrite to replace it." in said) == (1, True)
    assert command("fit", "a.npy", "b.npy", "--size", 3, "-o", name, "--overwrite")[0] == 0
    assert read_filter(name).shape == (3, 3)


def test_clipped_pixels_are_left_out(command, rng):
    picture = rng.integers(0, 256, (90, 90), dtype=np.uint8)
    Image.fromarray(picture).save("a.png")
    assert command("apply", "a.png", "-k", "sobel(axis=1)", "-o", "b.png")[0] == 0
    code, out, _ = command("fit", "a.png", "b.png", "--size", 5)
    assert code == 0
    assert "closest name         sobel(axis=1), distance 0.00%" in out
    assert "outputs with samples missing" in out


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_pixels_that_a_file_calls_missing_are_left_out(command, rng, dtype):
    heights = rng.integers(0, 2000, (90, 90)).astype(dtype)
    heights[20:30, 40:60] = -9999
    tifffile.imwrite("a.tif", heights, metadata=None, extratags=[(42113, 2, 0, "-9999", True)])
    assert command("apply", "a.tif", "-k", "box(3)", "-o", "b.tif")[0] == 0
    code, out, _ = command("fit", "a.tif", "b.tif", "--size", 3)
    assert (code, "closest name         box(3), distance 0.0" in out) == (0, True), out
    assert "outputs with samples missing" in out


def test_folders_hold_pairs_of_the_same_name(command, rng, tmp_path):
    for folder in ("raw", "done"):
        (tmp_path / folder).mkdir()
    for index in range(3):
        picture = rng.random((20 + index, 30)).astype(np.float32)
        tifffile.imwrite(f"raw/{index}.tif", picture)
        tifffile.imwrite(f"done/{index}.tif", fa.convolve(picture, fa.box(3)))
    code, out, _ = command(
        "fit", "raw", "done", "--size", 3, "--sum-to-one", "--non-negative", "--symmetric", "mirror"
    )
    assert code == 0
    assert "closest name         box(3), distance 0.00%" in out
    (tmp_path / "raw" / "more.tif").write_bytes(b"")
    code, _, said = command("fit", "raw", "done")
    assert (code, "files have the same names, got only in one of them more.tif" in said) == (1, True)


def test_pages_colours_opacity_and_axes(command, rng):
    stack = rng.random((3, 30, 31)).astype(np.float32)
    tifffile.imwrite("a.tif", stack, photometric="minisblack")
    tifffile.imwrite("b.tif", fa.convolve(stack, fa.prewitt(axis=0)), photometric="minisblack")
    assert "closest name         prewitt(axis=0), distance 0.00%" in command("fit", "a.tif", "b.tif", "--size", 3)[1]
    tifffile.imwrite("c.tif", fa.convolve(stack, fa.box(2, ndim=3)), photometric="minisblack")
    code, out, _ = command("fit", "a.tif", "c.tif", "--size", "3x3x3", "--mode", "reflect")
    assert (code, "closest name         box(2, ndim=3), distance 0.00%" in out) == (0, True)
    np.save("a.npy", stack)
    np.save("b.npy", fa.convolve(stack, fa.Kernel([1.0, 2.0, 1.0]), axes=1))
    code, out, _ = command("fit", "a.npy", "b.npy", "--size", 5, "--axes", 1)
    assert (code, "closest name         4 * binomial(2, ndim=1), distance 0.00%" in out) == (0, True)
    signal = rng.normal(size=200)
    np.save("s.npy", signal)
    np.save("t.npy", fa.convolve(signal, fa.box(5, ndim=1)))
    assert "5 taps, sum 1\n" in command("fit", "s.npy", "t.npy", "--size", 5)[1]
    see_through = rng.integers(0, 256, (40, 40, 4), dtype=np.uint8)
    Image.fromarray(see_through).save("a.png")
    filtered = fa.convolve(see_through, fa.box(3), axes=(0, 1), dtype="uint8")
    filtered[..., 3] = 7
    Image.fromarray(filtered).save("b.png")
    assert "closest name         box(3)" in command("fit", "a.png", "b.png", "--size", 3)[1]


def test_a_filter_without_a_close_name_is_reported(command, rng):
    x = rng.normal(size=(60, 60))
    np.save("a.npy", x)
    np.save("b.npy", fa.convolve(x, rng.normal(size=(5, 5))))
    assert "; no named filter is close" in command("fit", "a.npy", "b.npy", "--size", 5)[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a.npy", "none.npy"), 1, "a file or folder that exists"),
        (("a.npy", "."), 1, "AFTER: expected two files, or two folders, got 'a.npy' and '.'."),
        (("a.npy", "a.npy", "--size", "3y"), 1, "--size: expected a number of taps such as 15, or 9x15, got '3y'."),
        (("a.npy", "a.npy", "--size", "0"), 1, "size: expected an integer from 1"),
        (("a.npy", "a.npy", "--size", "3", "--axes", "0,5"), 1, "--axes: expected 2 of the axes 0 to 1"),
        (
            ("a.npy", "a.npy", "--size", "3", "--symmetric", "round"),
            1,
            "symmetric: expected 'point', 'mirror' or None",
        ),
        (("a.npy", "a.npy", "--size", "3", "--mode", "edge"), 1, "Use --mode nearest."),
        (("a.npy", "a.npy", "--size", "3", "-o", "k.png"), 1, "--output: expected a file named .txt, .csv or .npy"),
        (("a.npy", "a.npy", "--size", "3", "-o", "no/k.npy"), 1, "Make the folder first."),
        (
            ("a.npy", "b.npy", "--size", "3"),
            1,
            "AFTER: expected an array of the shape of BEFORE, (20, 20), got (3, 3).",
        ),
        (("pages.tif", "pages.tif"), 1, "IMAGE: expected a file with images of one shape"),
        (("empty", "empty"), 1, "AFTER: expected folders whose files have the same names, got empty folders."),
        (("a.npy", "a.npy", "--ridge", "-1"), 2, "--ridge"),
    ],
)
def test_wrong_input_gets_one_message_and_no_file(command, tmp_path, arguments, code, message):
    np.save("a.npy", np.random.default_rng(0).normal(size=(20, 20)))
    np.save("b.npy", np.ones((3, 3)))
    (tmp_path / "empty").mkdir()
    with tifffile.TiffWriter("pages.tif") as file:
        for side in (20, 30):
            file.write(np.zeros((side, side), np.float32), photometric="minisblack")
    before = sorted(path.name for path in tmp_path.iterdir())
    exit_code, out, said = command("fit", *arguments)
    assert (exit_code, out) == (code, "")
    assert message in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "taps"),
    [
        ("1 2 1\n", [1, 2, 1]),
        ("1 2\n3 4\n", [[1, 2], [3, 4]]),
        ("1\n2\n", [[1], [2]]),
        ("# a comment\n0.5 0.5\n", [0.5, 0.5]),
    ],
)
def test_filters_are_read_from_text(tmp_path, text, taps):
    path = tmp_path / "k.txt"
    path.write_text(text)
    assert read_filter(str(path)) == fa.Kernel(taps)
    write_filter(path, fa.Kernel(taps).taps)
    assert read_filter(str(path)) == fa.Kernel(taps)


def test_filters_are_read_from_tables(tmp_path):
    (tmp_path / "k.csv").write_text("1, 2, 3\n4,5,6\n")
    assert read_filter(str(tmp_path / "k.csv")) == fa.Kernel([[1, 2, 3], [4, 5, 6]])
    (tmp_path / "line.csv").write_text("1,2,1\n")
    assert read_filter(str(tmp_path / "line.csv")) == fa.Kernel([1, 2, 1])


@pytest.mark.parametrize(
    "content",
    [
        b"0.5;-1\n2;0.25\n",
        b'"0,5";"-1"\r\n"2";"0,25"\r\n',
        "0,5\t-1\n2\t0,25\n".encode("utf-16"),
        b"0.5,-1,\n2,0.25,\n,,\n",
        "0.5,\N{MINUS SIGN}1\n\n2,0.25 # the last\n".encode(),
        b"# by hand; with a comment\n0.5 -1\n2 0.25\n",
    ],
)
def test_tables_of_spreadsheets_are_read(tmp_path, content):
    (tmp_path / "k.csv").write_bytes(content)
    assert read_filter(str(tmp_path / "k.csv")) == fa.Kernel([[0.5, -1], [2, 0.25]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "line 1: expected a number, got 'a'"),
        (b"1,2,1\n\n2,4\n", "line 3 has 2 numbers, and the first line 3"),
        (b"1,,1\n", "line 1: expected a number, got an empty cell"),
        (b"1.000,5;2\n", "line 1: expected a number, got '1.000,5'"),
        (b"1/9,1/9\n", "line 1: expected a number, got '1/9'"),
        (b"", "there are no numbers"),
        (b"\xff\x00\x81", "it is no text"),
    ],
)
def test_tables_of_no_numbers_say_why(command, tmp_path, content, message):
    (tmp_path / "k.csv").write_bytes(content)
    np.save("a.npy", np.zeros((9, 9)))
    code, _, said = command("apply", "a.npy", "-k", "k.csv", "-o", "b.npy")
    assert (code, said) == (1, f"Error: --kernel: expected a file of taps, got 'k.csv' ({message}).")


def test_filters_that_cannot_be_read_or_written(command, tmp_path, rng):
    np.save("a.npy", rng.random((9, 9)))
    (tmp_path / "bad.txt").write_text("1 2\n3\n")
    (tmp_path / "none.txt").write_text("1 nan\n")
    (tmp_path / "psf.tif").write_bytes(b"II*")
    np.save("object.npy", np.array([object()], dtype=object), allow_pickle=True)
    for kernel, message in (
        ("missing.txt", "--kernel: expected an expression, or a file that exists, got 'missing.txt'."),
        ("bad.txt", "--kernel: expected a file of taps, got 'bad.txt'"),
        (
            "psf.tif",
            "--kernel: expected a PNG, JPEG, TIFF, GIF, WebP, BMP, PNM or .npy file, got 'psf.tif', of another kind.",
        ),
        ("no.csv", "--kernel: expected an expression, or a file that exists, got 'no.csv'."),
        ("none.txt", "taps: expected finite numbers"),
        ("object.npy", "--kernel: expected a file of taps, got 'object.npy'"),
    ):
        code, _, said = command("apply", "a.npy", "-k", kernel, "-o", "b.npy")
        assert (code, message in said) == (1, True), said
    with pytest.raises(fa.ArgumentError, match=r"a \.npy file for taps of three axes"):
        write_filter(tmp_path / "k.txt", np.ones((2, 2, 2)))
    (tmp_path / "folder.npy").mkdir()
    code, _, said = command("fit", "a.npy", "a.npy", "--size", 3, "-o", "folder.npy", "--overwrite")
    assert (code, "--output: expected the name of a file" in said) == (1, True)
    code, out, _ = command("plan", "a.npy", "-k", "a.npy")
    assert (code, "9 x 9 float64" in out) == (0, True)


def test_a_sketch_shows_sizes_and_signs():
    assert sketch(np.array([0.0, -0.0, 1.0])) == " 0 0 1"
    wide = np.zeros((3, 9))
    wide[0, 0], wide[1, 4], wide[2, 8] = 1.0, -1.0, 0.5
    assert sketch(wide) == " @\n        -@\n                 ="
    assert sketch(np.zeros((8, 8))) == "\n" * 7
    volume = np.zeros((3, 2, 2))
    volume[1, 0, 1] = 5
    assert sketch(volume) == " 0 5\n 0 0"


def test_files_that_a_system_made_belong_to_no_pair(command, tmp_path):
    for name in ("raw", "done"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.random.default_rng(0).normal(size=(40, 40)))
    for name in (".DS_Store", "Thumbs.db", "._a.npy"):
        (tmp_path / "raw" / name).write_bytes(b"x")
    code, out, err = command("fit", "raw", "done", "--size", 3)
    assert code == 0, err
    assert "3 x 3 taps" in out


@pytest.mark.parametrize("shape", [(2**70, 2), (10**9, 10**9), (-3, 4), (3.5, 2), ("x",)])
def test_an_array_whose_head_was_changed_ends_in_one_sentence(command, tmp_path, shape):
    np.save(tmp_path / "b.npy", np.zeros((30, 30)))
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + head + bytes(7200))
    code, out, err = command("fit", "a.npy", "b.npy", "--size", 3)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1


def test_help_has_examples():
    result = CliRunner().invoke(app, ["fit", "--help"])
    assert result.exit_code == 0
    assert "faltung fit sharp.png blurred.png --size 15" in result.output
