"""Files that say much in few bytes: parts in one place, frames that grow, texts without end, absent planes."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile

from faltung import files
from faltung.errors import ArgumentError
from faltung.files import png_chunks, tiff_check
from faltung.files.png_chunks import SIGNATURE, chunk
from faltung.files.tiff_regions import unpacked_bytes

MEGABYTE = 10**6


def refusal(path):
    """Return why a file is refused; it takes little more memory than it has."""
    tracemalloc.start()
    with pytest.raises(ArgumentError) as caught:
        files.read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * MEGABYTE
    return str(caught.value)


def entry(code, kind, count, value):
    return struct.pack("<HHII", code, kind, count, value)


def plain(pixels, **others):
    """Return the entries of a page of 4 x 4 bytes."""
    values = {256: (4, 1, 4), 257: (4, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, pixels)}
    values |= {277: (3, 1, 1), 278: (4, 1, 4), 279: (4, 1, 16)} | {int(code[1:]): row for code, row in others.items()}
    return [entry(code, *row) for code, row in sorted(values.items())]


def directory(entries, following=0):
    return struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)


def written(path, head, size, **parts):
    data = bytearray((b"II*\0" + struct.pack("<I", 8) + head).ljust(size, b"\0"))
    for at, part in parts.items():
        data[int(at[1:]) : int(at[1:]) + len(part)] = part
    path.write_bytes(data)
    return path


def test_values_in_one_place_are_not_copied_again_and_again(tmp_path):
    size = 200_000
    many = [entry(60000 + index, 7, size - 8, 8) for index in range(1000)]
    path = written(tmp_path / "a.tif", directory(plain(50_000) + many), size)
    assert "the values of a directory overlap" in refusal(path)
    # Two values that share their place are harmless: some writers store the resolution once.
    few = plain(50_000, _282=(5, 1, 60_000), _283=(5, 1, 60_000))
    shared = written(tmp_path / "b.tif", directory(few), size, _60000=struct.pack("<II", 72, 1))
    assert files.read(shared)[0].metadata.resolution == (72, 72)


def test_values_that_pages_share_are_bounded_together(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_check, "_SHARED", 0)
    size, head, step = 100_000, b"", len(directory(plain(0)))
    for page in range(20):
        bits = plain(90_000, _258=(3, 20_000, 50_000))
        head += directory(bits, 8 + (page + 1) * step if page < 19 else 0)
    path = written(tmp_path / "a.tif", head, size, _50000=b"\x08\0" * 20_000)
    assert "the values of its directories overlap" in refusal(path)


def test_blocks_in_one_place_are_not_read_again_and_again(tmp_path, monkeypatch):
    # 10,000 tiles of JPEG, each of which is half of the file.
    monkeypatch.setattr(tiff_check, "check_block", lambda *_: pytest.fail("a block was looked at"))
    count, size = 10_000, 300_000
    tiles = plain(0, _256=(4, 1, 1600), _257=(4, 1, 1600), _259=(3, 1, 7), _322=(4, 1, 16), _323=(4, 1, 16))
    tiles = [row for row in tiles if row[:2] not in (struct.pack("<H", code) for code in (273, 278, 279))]
    tiles += [entry(324, 4, count, 1000), entry(325, 4, count, 1000 + 4 * count)]
    tables = {"_1000": struct.pack("<I", 100_000) * count, f"_{1000 + 4 * count}": struct.pack("<I", 150_000) * count}
    assert "implausible" in refusal(written(tmp_path / "a.tif", directory(tiles), size, **tables))


PIXELS = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" {}>{}</Pixels></Image>{}</OME>'
)
SIZES = "SizeX='4' SizeY='4' SizeC='1' SizeZ='1' SizeT='1'"
LABELS = (
    '<StructuredAnnotations><XMLAnnotation ID="A" Namespace="openmicroscopy.org/omero/dimension/modulo"><Value>'
    '<Modulo><ModuloAlongC Type="lambda" Start="0" End="{}" Step="1"/></Modulo></Value></XMLAnnotation>'
    "</StructuredAnnotations>"
)


@pytest.mark.parametrize(
    "xml",
    [
        PIXELS.format(SIZES.replace("SizeT='1'", "SizeT='9000000'"), "<TiffData IFD='0'/>", ""),
        PIXELS.format(SIZES.replace("SizeT='1'", "SizeT='00000000000009000000'"), "<TiffData IFD='0'/>", ""),
        PIXELS.format(SIZES.replace("SizeX='4'", "SizeX='36000000'"), "<TiffData IFD='0'/>", ""),
        PIXELS.format(SIZES, "<TiffData IFD='0' PlaneCount='9000000'/>", ""),
        PIXELS.format(SIZES, "<TiffData NumPlanes='9000000'/>", ""),
        PIXELS.format(SIZES, "<TiffData IFD='0'/>", LABELS.format("9e6")),
    ],
)
def test_planes_and_labels_that_are_not_there_take_no_memory(tmp_path, xml):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((4, 4), np.uint8), description=xml, metadata=None)
    assert "its OME-XML" in refusal(path)
    assert unpacked_bytes(path) == 0


def test_what_ome_xml_may_say_is_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.ones((4, 4), np.uint8), description=PIXELS.format(SIZES, "<TiffData IFD='0'/>", ""), metadata=None
    )
    assert files.read(path)[0].metadata.ome


def test_frames_that_grow_are_refused_before_they_are_decoded(tmp_path):
    def frame(side):
        return b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\x00"

    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    (tmp_path / "a.gif").write_bytes(head + frame(1) + frame(3000) * 9 + b";")
    assert "frames have one size" in refusal(tmp_path / "a.gif")


def png(*parts):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(6)))
    return SIGNATURE + header + b"".join(parts) + pixels + chunk(b"IEND", b"")


def test_the_texts_of_a_png_are_bounded_together(tmp_path, monkeypatch):
    most = 1000
    unpacker = png_chunks.Unpacker
    monkeypatch.setattr(png_chunks, "Unpacker", lambda: unpacker(most))
    packed = zlib.compress(bytes(600))
    texts = [chunk(b"zTXt", b"key %d\0\0" % index + packed) for index in range(3)]
    (tmp_path / "a.png").write_bytes(png(*texts, chunk(b"iCCP", b"name\0\0" + packed)))
    metadata = files.read(tmp_path / "a.png")[0].metadata
    assert list(metadata.texts) == ["key 0"]
    assert metadata.profile is None
    said = "The chunk {} is not passed on: it is not whole, or too large."
    assert metadata.unread == (said.format("zTXt"), said.format("iCCP"))


def test_texts_with_one_keyword_are_joined_once(tmp_path):
    parts = [chunk(b"tEXt", b"a\0%d" % index) for index in range(9)]
    (tmp_path / "a.png").write_bytes(png(*parts))
    assert files.read(tmp_path / "a.png")[0].metadata.texts == {"a": "\n".join(map(str, range(9)))}


@pytest.mark.parametrize("between", [b" " * 200_000, b"#\n" * 100_000])
def test_spaces_in_the_header_of_a_pnm_take_no_memory(tmp_path, between):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5" + between + b"x")
    assert "no header" in refusal(path)
    path.write_bytes(b"P5" + between + b" 2 1 # two\n255\n\1\2")
    assert files.read(path)[0].samples.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "value"),
    [("-9999", -9999), ("-" + "9" * 30, -1e30), ("9" * 400, np.inf), (str(-(2**63) - 1), -(2.0**63))],
)
def test_values_of_missing_samples_have_any_number_of_digits(tmp_path, text, value):
    path = tmp_path / "a.tif"
    tags = [(42113, 2, len(text) + 1, text, True)]
    tifffile.imwrite(path, np.ones((4, 4), np.float32), metadata=None, extratags=tags)
    found = files.read(path)[0].nodata
    assert found == value
    assert np.isfinite(found) == np.isfinite(value)  # which NumPy does not know of large integers
