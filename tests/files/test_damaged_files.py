"""Damaged and hostile files: one sentence each, before time and memory are spent."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from faltung import files
from faltung.errors import ArgumentError
from faltung.files.directory import Structure
from faltung.files.png_chunks import SIGNATURE, chunk

sys.path.insert(0, str(Path(__file__).parents[1]))
import fuzzed_files
import hostile_cases

SAMPLES = np.random.default_rng(0).integers(0, 256, (64, 40), np.uint8)


def refusal(path):
    with pytest.raises(ArgumentError) as caught:
        files.read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tiff(path, changes, samples=SAMPLES, **options):
    """Write a TIFF in which the values of some tags are others."""
    tifffile.imwrite(path, samples, metadata=None, photometric="minisblack", **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        for code, value in changes.items():
            file.pages[0].tags[code].overwrite(value)
    return path


def test_a_directory_that_leads_back_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([SAMPLES] * 3), metadata=None, photometric="minisblack")
    data = bytearray(path.read_bytes())
    structure = Structure.of(bytes(data))
    offsets = list(structure.chain())
    last = offsets[-1] + 2 + 12 * len(structure.entries(offsets[-1]))
    for target in offsets:
        data[last : last + 4] = struct.pack("<I", target)
        path.write_bytes(data)
        assert "is an earlier one again" in refusal(path)
    data[last : last + 4] = struct.pack("<I", len(data) + 5)
    path.write_bytes(data)
    assert "a directory lies beyond its end" in refusal(path)


def test_blocks_that_are_not_there_are_not_read_as_zeros(tmp_path):
    path = tmp_path / "a.tif"
    options = {"compression": "deflate", "rowsperstrip": 8}
    whole = tiff(path, {}, **options)
    with tifffile.TiffFile(whole) as file:
        offsets, counts = file.pages[0].dataoffsets, file.pages[0].databytecounts
    assert "it has 1 of 8 blocks of pixels" in refusal(tiff(path, {273: offsets[:1], 279: counts[:1]}, **options))
    assert "it has 3 of 8 blocks of pixels" in refusal(tiff(path, {279: counts[:3]}, **options))
    assert "7 of its 8 blocks of pixels are empty" in refusal(tiff(path, {279: counts[:1] + (0,) * 7}, **options))
    beyond = tiff(path, {273: (*offsets[:-1], 10**6)}, **options)
    assert "a block of its pixels is not in the file" in refusal(beyond)
    # GDAL leaves out blocks without any data, and says so by its tags.
    options["extratags"] = [(42113, 2, 0, "9", True)]
    with tifffile.TiffFile(tiff(path, {}, **options)) as file:
        offsets, counts = file.pages[0].dataoffsets, file.pages[0].databytecounts
    (picture,) = files.read(tiff(path, {273: offsets[:1] + (0,) * 7, 279: counts[:1] + (0,) * 7}, **options))
    assert np.array_equal(picture.samples[:8], SAMPLES[:8])
    assert (picture.samples[8:] == 9).all()


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    for options in ({}, {"rowsperstrip": 8}, {"compression": "lzw"}, {"compression": "zstd", "tile": (16, 16)}):
        data = tiff(path, {}, **options).read_bytes()
        for length in (0, 3, 9, 100, len(data) - 700, len(data) - 1):
            path.write_bytes(data[:length])
            refusal(path)


@pytest.mark.parametrize("size", [10**5, 2**31 - 1])
def test_implausible_sizes_cost_nothing(tmp_path, size):
    def bmp():
        data = io.BytesIO()
        Image.fromarray(SAMPLES).save(data, "BMP")
        return data.getvalue()[:18] + struct.pack("<ii", size, size) + data.getvalue()[26:]

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    png = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(9))), chunk(b"IEND", b""))
    made = {
        "a.tif": tiff(tmp_path / "x.tif", {256: size, 257: size, 278: size}, compression="deflate").read_bytes(),
        "b.tif": tiff(tmp_path / "x.tif", {256: size, 257: size, 278: size}).read_bytes(),
        "a.png": SIGNATURE + b"".join(png),
        "a.ppm": b"P6\n%d %d\n255\n" % (size, size) + bytes(99),
        "a.bmp": bmp(),
        "a.gif": b"GIF89a" + struct.pack("<HH", size % 65536 | 40000, 65535) + bytes(30),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
        tracemalloc.start()
        refusal(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**25, name


def test_planes_that_only_a_text_speaks_of_are_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, SAMPLES, ome=True, photometric="minisblack")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'SizeT="1"', b'SizeT="9"').replace(b'SizeZ="1"', b'SizeZ="9"'))
    assert "its OME-XML speaks of 81 planes" in refusal(path) or "in other files" in refusal(path)
    imagej = tmp_path / "b.tif"
    tifffile.imwrite(imagej, np.stack([SAMPLES] * 4).astype("u2"), imagej=True, metadata={"axes": "ZYX"})
    imagej.write_bytes(imagej.read_bytes().replace(b"images=4", b"images=9").replace(b"slices=4", b"slices=9"))
    assert files.read(imagej)[0].samples.shape == (4, 64, 40)


def test_texts_and_profiles_that_unpack_to_too_much_are_left_out_by_name(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(SAMPLES).save(path)
    data = path.read_bytes()
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(65 * 2**20)))
    path.write_bytes(data[:33] + bomb + data[33:])
    (picture,) = files.read(path)
    assert np.array_equal(picture.samples, SAMPLES)
    assert files.lost(path, [picture]) == ["The chunk iCCP is not passed on: it is not whole, or too large."]


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([object()], dtype=object), allow_pickle=True)
    assert "a readable NPY file" in refusal(tmp_path / "a.npy")


CASES = hostile_cases.cases("pictures", "files")


def test_damaged_files_of_every_kind_get_one_sentence_each(tmp_path):
    read, refused, failures = fuzzed_files.attack(90, 11, tmp_path, CASES)
    assert failures == []
    assert read > 10
    assert refused > 40


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("fit")])
def test_every_whole_file_is_read(tmp_path, name):
    said, wrong = fuzzed_files.outcome(CASES[name], CASES[name].files, tmp_path / "in")
    assert (said, wrong) == ("", [])
