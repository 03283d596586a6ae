"""TIFF files: written by tifffile, passed through, and compared with what tifffile reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from faltung import files
from faltung.files.pyramid import smaller

#: Tags whose values say where bytes are, or how many.
_PLACES = {256, 257, 273, 278, 279, 324, 325}
_WRITER = ("bigtiff", "byteorder", "imagej", "ome")


def noise(*shape, dtype="u1", seed=0):
    return (np.random.default_rng(seed).random(shape) * 200).astype(dtype)


def through(path, **options):
    """Read a file and write what was read; return the name of the new file."""
    target = path.with_name(f"new_{path.stem}.tif")
    files.write(target, files.read(path), **options)
    return target


def check_same(before, after, without=()):
    """Compare pixels, axes and tags of two files, as tifffile reads them."""
    with tifffile.TiffFile(before) as first, tifffile.TiffFile(after) as second:
        assert [series.kind for series in first.series] == [series.kind for series in second.series]
        for old, new in zip(first.series, second.series, strict=True):
            assert (old.axes, old.dtype, old.shape) == (new.axes, new.dtype, new.shape)
            assert [level.shape for level in old.levels] == [level.shape for level in new.levels]
            assert np.array_equal(old.asarray(), new.asarray())
        codes = {tag.code for tag in first.pages[0].tags} - _PLACES - {*without}
        for code in codes:
            assert repr(second.pages[0].tags[code].value) == repr(first.pages[0].tags[code].value), code
        assert repr(first.imagej_metadata) == repr(second.imagej_metadata)
        assert (first.byteorder, first.is_bigtiff) == (second.byteorder, second.is_bigtiff)


DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]
PLAIN = {"metadata": None, "software": False}
GEOGRAPHIC = [
    (33550, 12, 3, (1.0, 1.0, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 5.0, 6.0, 0.0), True),
    (34735, 3, 4, (1, 1, 0, 0), True),
    (34736, 12, 2, (1.5, 2.5), True),
    (34737, 2, 0, "WGS 84|", True),
    (42112, 2, 0, "<GDALMetadata></GDALMetadata>", True),
    (42113, 2, 0, "-9999", True),
]
CASES = {
    **{f"dtype {dtype}": (noise(9, 16, dtype=dtype), {"photometric": "minisblack"}) for dtype in DTYPES},
    "rgb": (noise(9, 16, 3), {"photometric": "rgb"}),
    "zero is white": (noise(9, 16), {"photometric": "miniswhite"}),
    "planar rgba": (
        noise(4, 9, 16),
        {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]},
    ),
    "associated": (noise(9, 16, 4), {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
    "unspecified": (noise(9, 16, 4, dtype="u2"), {"photometric": "rgb", "extrasamples": ["unspecified"]}),
    "three extra": (
        noise(9, 16, 6),
        {"photometric": "rgb", "extrasamples": ["unspecified", "unassalpha", "unspecified"]},
    ),
    "grey with opacity": (
        noise(9, 16, 2),
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
    ),
    "bands": (noise(9, 16, 7, dtype="f4"), {"photometric": "minisblack", "planarconfig": "contig"}),
    "bands apart": (noise(7, 9, 16, dtype="f4"), {"photometric": "minisblack", "planarconfig": "separate"}),
    "cmyk": (noise(9, 16, 4), {"photometric": "separated"}),
    "12 bits": (noise(8, 16, dtype="u2"), {"bitspersample": 12}),
    "4 bits": (noise(8, 16) // 16, {"bitspersample": 4}),
    **{
        f"{name} tiles": (
            noise(50, 40, 3, dtype="u2"),
            {"photometric": "rgb", "compression": name, "predictor": name != "packbits", "tile": (16, 32)},
        )
        for name in ("lzw", "deflate", "packbits", "zstd", "lzma")
    },
    "long integers": (noise(50, 40, dtype="i8"), {"compression": "lzw", "predictor": 2}),
    "half precision": (noise(50, 40, dtype="f2"), {"compression": "zstd", "predictor": 3, "byteorder": ">"}),
    "float predictor": (noise(50, 40, dtype="f4"), {"compression": "deflate", "predictor": 3}),
    "deflate of Adobe": (noise(50, 40), {"compression": 8}),
    "volume tiles": (noise(16, 32, 32), {"volumetric": True, "tile": (16, 16, 16), "photometric": "minisblack"}),
    "big": (noise(5, 9, 16), {"bigtiff": True, "byteorder": ">", "photometric": "minisblack"}),
    "axes": (
        noise(2, 3, 9, 16, dtype="u2"),
        {"photometric": "minisblack", "metadata": {"axes": "TZYX", "exposure": 5}, "description": "hello"},
    ),
    "stack": (
        noise(5, 9, 16),
        {"photometric": "minisblack", "description": "hi", "software": "me", "datetime": "2020:01:01 00:00:00"},
    ),
    "resolution": (noise(8, 8), {"resolution": (100, 200.5), "resolutionunit": 3, "iccprofile": b"x" * 20}),
    "geographic": (noise(9, 16, dtype="f4"), {"extratags": GEOGRAPHIC}),
    "private": (noise(9, 16), {"extratags": [(65000, 12, 2, (0.5, 1.5), True), (65001, 7, 3, b"abc", True)]}),
    "imagej": (
        noise(2, 3, 4, 9, 16, dtype="u2"),
        {
            "imagej": True,
            "resolution": (10, 10),
            "metadata": {
                "axes": "TZCYX",
                "spacing": 0.5,
                "unit": "um",
                "finterval": 2.0,
                "Ranges": (0.0, 9.0) * 4,
                "Info": "info",
                "Labels": ["a"] * 24,
                "LUTs": [np.zeros((3, 256), "u1")] * 4,
            },
        },
    ),
    "imagej, most significant byte first": (
        noise(3, 9, 16, dtype=">u2"),
        {"imagej": True, "byteorder": ">", "metadata": {"axes": "ZYX", "unit": "um"}},
    ),
    "imagej rgb": (noise(5, 16, 16, 3), {"imagej": True, "photometric": "rgb", "metadata": {}}),
    "imagej table": (
        noise(16, 16),
        {"imagej": True, "colormap": np.arange(768).reshape(3, 256).astype("u2"), "metadata": {}},
    ),
    "imagej floats": (noise(3, 9, 16, dtype="f4"), {"imagej": True, "metadata": {"min": 0.0, "max": 3.0}}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_tiff_holds_is_kept(tmp_path, name):
    samples, options = CASES[name]
    options = PLAIN | options
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, **{key: options.pop(key) for key in _WRITER if key in options}) as file:
        file.write(samples, **options)
    check_same(path, through(path))
    assert files.lost(tmp_path / "b.tif", files.read(path)) == []


def told(path):
    """Return OME-XML without the places of planes."""
    with tifffile.TiffFile(path) as file:
        found = tifffile.xml2dict(file.ome_metadata)
    pixels = found["OME"]["Image"]["Pixels"]
    for key in ("TiffData", "BigEndian"):
        pixels.pop(key, None)
    return found


@pytest.mark.parametrize("axes", ["TZCYX", "ZYX", "YX", "ZYXS"])
def test_ome_xml_is_kept(tmp_path, axes):
    path = tmp_path / "a.ome.tif"
    shape = {"T": 2, "Z": 3, "C": 4, "Y": 9, "X": 16, "S": 3}
    metadata = {"axes": axes, "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm"}
    if "C" in axes:
        metadata["Channel"] = {"Name": ["a", "b", "c", "d"]}
    samples = noise(*(shape[letter] for letter in axes))
    photometric = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(path, samples, ome=True, photometric=photometric, metadata=metadata)
    target = through(path)
    check_same(path, target, without={270, 305})
    assert told(path) == told(target)


def test_ome_xml_follows_a_new_dtype_or_is_named(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, noise(3, 9, 16), ome=True, photometric="minisblack", metadata={"PhysicalSizeX": 0.1})
    (picture,) = files.read(path)
    floats = files.Picture(picture.samples / np.float32(2), picture.axes, (), "grey", metadata=picture.metadata)
    files.write(tmp_path / "b.tif", [floats])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.series[0].kind == "ome"
        assert np.array_equal(file.asarray(), picture.samples / np.float32(2))
    wide = files.Picture(picture.samples.astype("i8"), picture.axes, (), "grey", metadata=picture.metadata)
    assert files.lost(tmp_path / "b.tif", [wide]) == ["A TIFF file does not keep OME-XML."]
    files.write(tmp_path / "b.tif", [wide])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.series[0].dtype, file.series[0].axes) == (np.int64, picture.axes)


@pytest.mark.parametrize("ome", [False, True])
def test_several_images_stay_several(tmp_path, ome):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, ome=ome) as file:
        file.write(noise(8, 8), photometric="minisblack")
        file.write(noise(3, 8, 9), photometric="minisblack")
    check_same(path, through(path), without={270, 305})


def test_pages_of_several_dtypes_keep_theirs(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for samples in (
            np.full((8, 8), 7, "u1"),
            np.full((8, 9), 5000, "u2"),
            noise(8, 8, 3),
            noise(8, 8, dtype="f4"),
        ):
            file.write(samples, photometric="rgb" if samples.ndim == 3 else "minisblack", metadata=None)
    check_same(path, through(path), without={305})


def test_each_page_keeps_what_is_said_of_it(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in range(3):
            tags = [(65000, 3, 1, page, True)]
            file.write(
                noise(8, 9), photometric="minisblack", metadata=None, description=f"page {page}", extratags=tags
            )
    with tifffile.TiffFile(through(path)) as file:
        assert [page.description for page in file.pages] == ["page 0", "page 1", "page 2"]
        assert [page.tags[65000].value for page in file.pages] == [0, 1, 2]
        assert len(file.series) == 1


@pytest.mark.parametrize("kind", ["directories", "pages", "ome"])
def test_pyramids_are_made_again(tmp_path, kind):
    samples, path = noise(64, 96, 3), tmp_path / "a.tif"
    options = {"photometric": "rgb", "compression": "lzw", "tile": (16, 16), "metadata": None}
    with tifffile.TiffWriter(path, ome=kind == "ome") as file:
        first = {"metadata": {"axes": "YXS"}} if kind == "ome" else {}
        file.write(samples, subifds=0 if kind == "pages" else 2, **options | first)
        file.write(samples[::2, ::2], subfiletype=1, **options)
        file.write(samples[::4, ::4], subfiletype=1, **options)
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(through(path)) as after:
        assert [level.shape for level in after.series[0].levels] == [(64, 96, 3), (32, 48, 3), (16, 24, 3)]
        assert len(before.pages) == len(after.pages)
        assert np.array_equal(after.asarray(), samples)
        halves = samples.reshape(32, 2, 48, 2, 3)
        assert np.array_equal(after.series[0].levels[1].asarray(), np.rint(np.rint(halves.mean(1)).mean(2)))
    assert files.lost(tmp_path / "b.png", files.read(path))[0].count("the smaller copies of a pyramid") == 1


def test_pyramids_that_say_their_shape_are_read_without_complaint(tmp_path, caplog):
    samples, path = noise(64, 96), tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(samples, subifds=1)
        file.write(samples[::2, ::2], subfiletype=1)
    with tifffile.TiffFile(through(path)) as after:
        assert [level.shape for level in after.series[0].levels] == [(64, 96), (32, 48)]
    assert not caplog.records


@pytest.mark.parametrize("value", [-9999.0, np.nan])
def test_missing_samples_stay_out_of_the_smaller_copies(value):
    samples = noise(9, 12, dtype="f4") + np.float32(1)
    samples[:4, :5] = value
    levels = smaller(samples, "YX", [(5, 6), (3, 3)], value)
    assert [level.shape for level in levels] == [(5, 6), (3, 3)]
    assert np.array_equal(levels[0][:2, :2], np.full((2, 2), value), equal_nan=True)
    assert levels[0][:2, 2].min() > 0
    assert np.allclose(levels[0][4], samples[8].reshape(6, 2).mean(-1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_read_upright_and_stored_as_it_was(tmp_path, orientation):
    path = tmp_path / "a.tif"
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, noise(8, 12, 3), photometric="rgb", metadata=None, extratags=tags)
    check_same(path, through(path), without={274, 305})
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    (picture,) = files.read(path)
    assert np.array_equal(picture.samples, expected)
    for name in ("b.png", "b.tif"):
        files.write(tmp_path / name, [picture], metadata=False)
        with Image.open(tmp_path / name) as image:
            assert image.getexif().get(274, 1) == 1
            assert np.array_equal(np.asarray(image), expected)


def test_one_bit_becomes_eight(tmp_path):
    bits = noise(9, 16) > 99
    for photometric in ("minisblack", "miniswhite"):
        tifffile.imwrite(tmp_path / "a.tif", bits, photometric=photometric, metadata=None)
        (picture,) = files.read(tmp_path / "a.tif")
        assert np.array_equal(picture.samples, np.where(bits, 255, 0))
        files.write(tmp_path / "a.png", [picture])
        with Image.open(tmp_path / "a.tif") as image, Image.open(tmp_path / "a.png") as other:
            assert np.array_equal(np.asarray(image.convert("L")), np.asarray(other))


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_become_colours(tmp_path, mode):
    image = Image.fromarray(noise(9, 16, 3)).quantize(2 if mode == "1" else 30)
    image.save(tmp_path / "a.tif", compression="tiff_lzw")
    (picture,) = files.read(tmp_path / "a.tif")
    assert (picture.colours, picture.samples.dtype) == ("rgb", np.uint8)
    assert np.array_equal(picture.samples, np.asarray(image.convert("RGB")))


def test_a_palette_of_few_bits_gives_whole_colours(tmp_path):
    table = np.zeros((3, 256), "u2")
    table[:, :16] = noise(3, 16, dtype="u2") * 257
    indices = noise(9, 16) // 16
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table, metadata=None)
    (picture,) = files.read(tmp_path / "a.tif")
    assert np.array_equal(picture.samples, table.T[indices] // 257)
    assert picture.bits == 0
    deep = table + np.uint16(1)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=deep, metadata=None)
    assert np.array_equal(files.read(tmp_path / "a.tif")[0].samples, deep.T[indices])


def test_few_bits_are_the_whole_range_elsewhere(tmp_path):
    for bits, dtype in ((4, "u1"), (12, "u2")):
        samples = noise(8, 16, dtype=dtype) % 2**bits
        samples[0, 0] = 2**bits - 1
        tifffile.imwrite(tmp_path / "a.tif", samples, bitspersample=bits, metadata=None)
        (picture,) = files.read(tmp_path / "a.tif")
        assert picture.bits == bits
        files.write(tmp_path / "a.png", [picture])
        full = np.iinfo(dtype).max
        assert np.array_equal(files.read(tmp_path / "a.png")[0].samples, np.rint(samples * (full / (2**bits - 1))))


@pytest.mark.parametrize(
    "compression",
    ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg", "group4", "tiff_ccitt"],
)
def test_compressions_of_pillow_are_read(tmp_path, compression):
    image = Image.fromarray(noise(16, 16) > 99) if compression in ("group4", "tiff_ccitt") else None
    image = image or Image.fromarray(np.kron(noise(4, 4, 3), np.ones((8, 8, 1), "u1")))
    path = tmp_path / "a.tif"
    image.save(path, compression=compression)
    (picture,) = files.read(path)
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("L") if image.mode == "1" else opened)
    shown = files.read(path)[0].samples
    if picture.colours == "white is zero":
        shown = 255 - shown
    assert np.abs(shown.astype(int) - expected).max() <= (1 if compression == "jpeg" else 0)
    files.write(tmp_path / "b.tif", [picture])
    if compression in ("group4", "tiff_ccitt"):
        assert files.lost(tmp_path / "b.tif", [picture]) == ["CCITT compression becomes Deflate, without loss."]
    else:
        with tifffile.TiffFile(path) as before, tifffile.TiffFile(tmp_path / "b.tif") as after:
            assert before.pages[0].compression == after.pages[0].compression


def test_jpeg_in_tiff_keeps_its_quality(tmp_path):
    path = tmp_path / "a.tif"
    samples = np.kron(noise(8, 8, 3), np.ones((8, 8, 1), "u1"))
    for quality in (30, 75, 95):
        tifffile.imwrite(path, samples, photometric="rgb", compression="jpeg", compressionargs={"level": quality})
        (picture,) = files.read(path)
        assert abs(picture.metadata.encoding["quality"] - quality) <= 1
        target = through(path)
        with tifffile.TiffFile(path) as before, tifffile.TiffFile(target) as after:
            assert after.pages[0].compression == 7
            assert before.pages[0].subsampling == after.pages[0].subsampling
            assert np.abs(before.asarray().astype(int) - after.asarray()).mean() < 6


@pytest.mark.parametrize("photometric", ["cielab", "cfa", "logluv"])
def test_samples_that_would_be_misread_are_refused_by_name(tmp_path, photometric):
    samples = noise(8, 8) if photometric == "cfa" else noise(8, 8, 3)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric=photometric, metadata=None)
    with pytest.raises(
        ValueError, match=f"a TIFF of grey, RGB or CMYK samples, got '.*a.tif' with {photometric} samples"
    ):
        files.read(tmp_path / "a.tif")


def test_missing_samples_have_their_value(tmp_path):
    for text, value in (("-9999", -9999), ("nan", None), ("1e+20", 1e20), ("255", 255)):
        tags = [(42113, 2, 0, text, True)]
        tifffile.imwrite(tmp_path / "a.tif", noise(8, 8, dtype="f4"), metadata=None, extratags=tags)
        (picture,) = files.read(tmp_path / "a.tif")
        assert picture.nodata == value if value is not None else np.isnan(picture.nodata)
        with tifffile.TiffFile(through(tmp_path / "a.tif")) as file:
            assert float(file.pages[0].tags[42113].value) == float(text) or text == "nan"


def test_exif_directories_are_kept(tmp_path):
    exif = Image.Exif()
    exif[271] = "maker"
    exif._ifds[0x8769] = {33434: (1, 50), 36867: "2020:01:01 00:00:00"}
    exif._ifds[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    Image.fromarray(noise(9, 9, 3)).save(tmp_path / "a.jpg", exif=exif.tobytes())
    files.write(tmp_path / "b.tif", files.read(tmp_path / "a.jpg"))
    files.write(tmp_path / "c.tif", files.read(tmp_path / "b.tif"))
    files.write(tmp_path / "d.png", files.read(tmp_path / "c.tif"))
    files.write(tmp_path / "e.jpg", files.read(tmp_path / "d.png"))
    with Image.open(tmp_path / "a.jpg") as image:
        expected = image.getexif()
    for name in ("b.tif", "c.tif", "d.png", "e.jpg"):
        with Image.open(tmp_path / name) as image:
            found = image.getexif()
            assert found[271] == "maker"
            assert found.get_ifd(0x8769) == expected.get_ifd(0x8769)
            assert found.get_ifd(0x8825) == expected.get_ifd(0x8825)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_directories_are_kept_in_every_kind_of_tiff(tmp_path, big, order):
    exif = Image.Exif()
    exif._ifds[0x8769] = {33434: (1, 50), 36867: "2020:01:01 00:00:00"}
    Image.fromarray(noise(9, 9, 3)).save(tmp_path / "a.jpg", exif=exif.tobytes())
    tifffile.imwrite(tmp_path / "b.tif", noise(9, 9), bigtiff=big, byteorder=order, metadata=None)
    (picture,), (source,) = files.read(tmp_path / "b.tif"), files.read(tmp_path / "a.jpg")
    files.write(tmp_path / "c.tif", [replace(picture, metadata=replace(picture.metadata, exif=source.metadata.exif))])
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert (file.is_bigtiff, file.byteorder) == (big, order)
        assert file.pages[0].tags[34665].value == {"ExposureTime": (1, 50), "DateTimeOriginal": "2020:01:01 00:00:00"}
    files.write(tmp_path / "d.jpg", files.read(tmp_path / "c.tif"))
    with Image.open(tmp_path / "d.jpg") as image:
        assert image.getexif().get_ifd(0x8769) == {33434: (1, 50), 36867: "2020:01:01 00:00:00"}


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_brightness_and_differences_of_colour_become_rgb(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    pages = [Image.fromarray(np.kron(noise(3, 4, 3, seed=seed), np.ones((8, 8, 1), "u1"))) for seed in range(2)]
    pages = [page.convert("YCbCr") for page in pages]
    pages[0].save(tmp_path / "a.tif", exif=exif)
    with Image.open(tmp_path / "a.tif") as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(files.read(tmp_path / "a.tif")[0].samples, expected)
    assert np.array_equal(files.read(through(tmp_path / "a.tif"))[0].samples, expected)
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    (picture,) = files.read(tmp_path / "b.tif")
    assert np.array_equal(picture.samples, np.stack([np.asarray(page.convert("RGB")) for page in pages]))


def test_without_metadata_only_the_meaning_is_written(tmp_path):
    samples, options = CASES["imagej"]
    options = dict(options)
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    with tifffile.TiffFile(through(tmp_path / "a.tif", metadata=False)) as file:
        assert not file.is_imagej
        assert file.series[0].axes == "TZCYX"
        assert np.array_equal(file.asarray(), samples)
        assert "Software" not in file.pages[0].tags


def test_pictures_in_other_directories_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(noise(8, 8), photometric="minisblack", metadata=None, subifds=1)
        file.write(noise(7, 5, dtype="u2"), photometric="minisblack", metadata=None)
    pictures = files.read(tmp_path / "a.tif")
    assert [picture.samples.shape for picture in pictures] == [(8, 8), (7, 5)]
