"""TIFFs larger than memory: the same samples, packing and metadata as if they were read at once."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import faltung as fa
from faltung.cli import streamed
from faltung.files.tiff_regions import TiffRegions

pytest.importorskip("zarr")

STACK = {"photometric": "minisblack"}
#: Shape, dtype, and how a file is written: options of the file, and of its pages.
CASES = {
    "tiles": ((150, 200), "u1", {}, {"tile": (64, 64), "compression": "zlib"}),
    "BigTIFF": ((4, 150, 200), "u2", {"bigtiff": True}, {"tile": (64, 32), **STACK}),
    "strips": ((150, 200), "f4", {}, {"rowsperstrip": 16}),
    "LZW and predictor": ((150, 200), "u2", {}, {"rowsperstrip": 16, "compression": "lzw", "predictor": True}),
    "RGB": ((90, 100, 3), "u1", {}, {"photometric": "rgb", "tile": (32, 64), "compression": "zlib"}),
    "RGB in strips": ((90, 100, 3), "u1", {}, {"photometric": "rgb", "rowsperstrip": 8}),
    "planes apart": ((3, 90, 100), "u1", {}, {"photometric": "rgb", "planarconfig": "separate", "tile": (32, 64)}),
    "stack": ((6, 90, 100), "i2", {}, {"compression": "zlib", **STACK}),
    "five axes": ((2, 3, 4, 40, 50), "u2", {}, {"metadata": {"axes": "TZCYX"}, **STACK}),
    "OME": ((2, 3, 4, 40, 50), "u2", {"ome": True}, {"metadata": {"axes": "TCZYX", "PhysicalSizeX": 0.5}, **STACK}),
    "ImageJ": ((5, 40, 50), "f4", {"imagej": True}, {"metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}}),
    "big-endian": ((5, 40, 50), ">u2", {"byteorder": ">"}, {"description": "hello", **STACK}),
}


@pytest.fixture
def rng():
    return np.random.default_rng(8)


@pytest.fixture(autouse=True)
def in_portions(monkeypatch):
    monkeypatch.setattr("faltung.chunked.memory_budget._TARGETS", (20_000,))
    monkeypatch.setattr(streamed, "_IN_MEMORY", 10**9)


def described(path):
    """Return everything that a file says of its pages and series, except their places and sizes."""
    places = {273, 279, 324, 325, 278, 322, 323, 330, 305, 306}
    with tifffile.TiffFile(path) as file:
        pages = [{tag.code: tag.value for tag in page.tags if tag.code not in places} for page in file.pages]
        kind = (file.is_bigtiff, file.byteorder, file.is_imagej, file.is_ome, [series.axes for series in file.series])
        return kind, pages


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_that_of_a_file_that_is_read_at_once(command, rng, monkeypatch, case):
    shape, dtype, options, page = CASES[case]
    x = (rng.random(shape) * 250).astype(dtype)
    tifffile.imwrite("in.tif", x, **options, **page)
    arguments = ("apply", "in.tif", "-k", "gaussian(1.5)", "--mode", "wrap")
    code, said, _ = command(*arguments, "-o", "parts.tif")
    assert code == 0
    monkeypatch.setattr(streamed, "_IN_MEMORY", 0)
    assert command(*arguments, "-o", "whole.tif")[1] == said.replace("parts", "whole")
    parts, whole = tifffile.imread("parts.tif"), tifffile.imread("whole.tif")
    assert parts.dtype == whole.dtype
    assert np.allclose(parts, whole, atol=1e-4)
    if case not in ("strips", "LZW and predictor", "RGB in strips"):
        assert described("parts.tif") == described("whole.tif")


def test_other_outputs(command, rng):
    import zarr

    x = rng.integers(0, 250, (90, 100), dtype=np.uint8)
    tifffile.imwrite("in.tif", x, tile=(32, 32))
    for output in ("out.zarr", "out.npy"):
        assert command("apply", "in.tif", "-k", "box(5)", "--axes", "Y,X", "-o", output)[0] == 0
    expected = fa.convolve(x, fa.box(5), dtype="u1")
    assert np.array_equal(np.load("out.npy"), expected)
    assert np.array_equal(zarr.open_array("out.zarr", mode="r")[...], expected)
    code, _, said = command("apply", "in.tif", "-k", "box(5)", "-o", "out.png")
    assert (code, "--output: expected a name for a TIFF" in said) == (1, True)
    code, _, said = command("apply", "in.tif", "-k", "box(5)", "-o", "in.tif", "--overwrite")
    assert (code, "other than the input" in said) == (2, True)
    code, _, said = command("apply", "in.tif", "-k", "box(5)", "-o", "new.tif", "--resume")
    assert (code, "--resume: expected no TIFF" in said) == (1, True)


def test_what_needs_the_whole_file_is_named(command, rng):
    x = rng.integers(0, 250, (64, 64, 4), dtype=np.uint8)
    tifffile.imwrite("opacity.tif", x, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite("nodata.tif", x[..., 0], metadata=None, extratags=[(42113, 2, 0, "-9999", True)])
    tifffile.imwrite("turned.tif", x[..., :3], photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    tifffile.imwrite("palette.tif", x[..., 0], photometric="palette", colormap=np.zeros((3, 256), "u2"))
    for name, said in (("opacity", "opacity"), ("nodata", "missing"), ("turned", "turned"), ("palette", "palette")):
        code, _, errors = command("apply", f"{name}.tif", "-k", "box(3)", "-o", "out.tif")
        assert (code, said in errors, "IMAGE: expected a TIFF" in errors) == (1, True, True)


def test_a_file_that_fails_in_the_middle_leaves_nothing(tmp_path, command, rng, monkeypatch):
    tifffile.imwrite("in.tif", rng.random((300, 300)).astype("f4"), tile=(64, 64))
    real = TiffRegions._open

    def failing(self):
        real(self)
        read = self.read
        self.read = lambda index: read(index) if index[0].start < 150 else 1 / 0

    monkeypatch.setattr(TiffRegions, "_open", failing)
    monkeypatch.setattr("faltung.chunked.cells.CELL_BYTES", 20_000)
    with pytest.raises(ZeroDivisionError):
        command("apply", "in.tif", "-k", "box(3)", "-o", "out.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]
