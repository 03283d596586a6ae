"""JPEG, GIF, WebP, BMP, PNM and arrays: passed through, and compared with what Pillow and NumPy read."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, JpegImagePlugin

from faltung import files


def noise(*shape, dtype="u1", largest=256, seed=0):
    return np.random.default_rng(seed).integers(0, largest, shape).astype(dtype)


def smooth(*shape, seed=0):
    return np.kron(noise(*shape, seed=seed), np.ones((8, 8) + (1,) * (len(shape) - 2), "u1"))


def opened(path, mode=None):
    with Image.open(path) as image:
        return np.asarray(image.convert(mode) if mode else image)


def through(path, name, **options):
    target = path.with_name(name)
    files.write(target, files.read(path), **options)
    return target


@pytest.mark.parametrize(("subsampling", "quality", "progressive"), [(0, 90, False), (1, 75, True), (2, 40, False)])
def test_jpeg_keeps_what_it_says_and_its_compression(tmp_path, subsampling, quality, progressive):
    exif = Image.Exif()
    exif[272], exif[274] = "camera", 8
    exif.get_ifd(0x8769)[33434] = (1, 50)
    path = tmp_path / "a.jpg"
    options = {"dpi": (72, 73), "exif": exif, "comment": "said", "icc_profile": b"i" * 99}
    image = Image.fromarray(smooth(5, 8, 3))
    image.save(path, quality=quality, subsampling=subsampling, progressive=progressive, **options)
    assert files.lost(tmp_path / "b.jpg", files.read(path)) == []
    with Image.open(path) as before, Image.open(through(path, "b.jpg")) as after:
        shown = ImageOps.exif_transpose(before)
        assert np.array_equal(files.read(path)[0].samples, np.asarray(shown))
        assert np.abs(np.asarray(shown).astype(int) - np.asarray(after)).mean() < 8
        assert after.quantization == before.quantization
        assert JpegImagePlugin.get_sampling(after) == JpegImagePlugin.get_sampling(before)
        for key in ("progressive", "icc_profile", "comment", "dpi"):
            assert after.info.get(key) == before.info.get(key)
        found = after.getexif()
        assert (found[272], found[274]) == ("camera", 1)
        assert found.get_ifd(0x8769) == {33434: (1, 50)}
    with Image.open(through(path, "c.jpg", metadata=False)) as bare:
        assert not bare.getexif()
        assert bare.info["icc_profile"] == b"i" * 99
        assert "comment" not in bare.info


def test_jpeg_keeps_the_segments_and_the_unit_of_its_resolution(tmp_path):
    caption = b"\xff\xed\0\x0bcaptioned"
    Image.fromarray(smooth(3, 4)).save(tmp_path / "a.jpg", extra=caption)
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    data[13:18] = b"\2\0\x03\0\x05"  # three and five pixels a centimetre
    (tmp_path / "a.jpg").write_bytes(data)
    with Image.open(through(tmp_path / "a.jpg", "b.jpg")) as image:
        assert ("APP13", b"captioned") in image.applist
        assert (image.info["jfif_unit"], image.info["jfif_density"], image.mode) == (2, (3, 5), "L")
    expected = ["A PNG file does not keep the segments of other programs."]
    assert files.lost(tmp_path / "b.png", files.read(tmp_path / "a.jpg")) == expected


def test_dots_per_inch_go_from_format_to_format(tmp_path):
    Image.fromarray(smooth(3, 4)).save(tmp_path / "a.png", dpi=(300, 150))
    for before, after in (
        ("a.png", "b.tif"),
        ("b.tif", "c.bmp"),
        ("c.bmp", "d.jpg"),
        ("d.jpg", "e.png"),
        ("e.png", "f.jpg"),
    ):
        with Image.open(through(tmp_path / before, after)) as image:
            assert np.allclose(image.info["dpi"], (300, 150), rtol=1e-4)
    with Image.open(tmp_path / "f.jpg") as image:
        assert (image.info["jfif_unit"], image.info["jfif_density"]) == (1, (300, 150))


def test_inks_stay_inks_or_become_light_by_a_rule(tmp_path):
    Image.fromarray(smooth(5, 8, 4), mode="CMYK").save(tmp_path / "a.jpg", icc_profile=b"a profile of ink")
    (picture,) = files.read(tmp_path / "a.jpg")
    assert (picture.colours, picture.extra) == ("cmyk", ())
    assert np.array_equal(picture.samples, opened(tmp_path / "a.jpg"))
    with Image.open(through(tmp_path / "a.jpg", "b.jpg")) as image:
        assert (image.mode, image.info["icc_profile"]) == ("CMYK", b"a profile of ink")
        assert np.abs(np.asarray(image).astype(int) - picture.samples).max() < 12
    with tifffile.TiffFile(through(tmp_path / "a.jpg", "b.tif")) as file:
        assert file.pages[0].photometric.name == "SEPARATED"
        assert file.pages[0].iccprofile == b"a profile of ink"
    with Image.open(through(tmp_path / "a.jpg", "b.png")) as image:
        assert np.abs(opened(tmp_path / "a.jpg", "RGB").astype(int) - np.asarray(image)).max() <= 1
        assert "icc_profile" not in image.info
    assert files.lost(tmp_path / "b.png", [picture]) == [
        "A PNG file does not keep the profile of the inks.",
        "CMYK becomes RGB: each colour is (1 - ink) (1 - black).",
    ]


@pytest.mark.parametrize("name", ["a.gif", "b.webp", "c.png"])
def test_animations_go_through_every_format_that_has_them(tmp_path, name):
    frames = [Image.fromarray(smooth(3, 4, 3, seed=seed)) for seed in range(4)]
    options = {"save_all": True, "append_images": frames[1:], "duration": [50, 60, 70, 80], "loop": 3}
    frames[0].save(tmp_path / "in.gif", **options)
    path = through(tmp_path / "in.gif", name)
    again = through(path, f"again{path.suffix}")
    with Image.open(tmp_path / "in.gif") as before, Image.open(again) as after:
        assert (after.n_frames, after.info["loop"]) == (4, 3)
        for index in range(4):
            before.seek(index)
            after.seek(index)
            assert np.array_equal(np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB")))
            assert after.info["duration"] == before.info["duration"]
    assert files.lost(again, files.read(path)) == []
    with tifffile.TiffFile(through(path, "frames.tif")) as file:
        assert file.series[0].axes == "TYXS"


def test_grey_frames_are_grey_and_pages_become_frames(tmp_path):
    stack = np.stack([smooth(3, 4, seed=seed) for seed in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", software=False, metadata={"axes": "ZYX"})
    for name in ("a.gif", "a.webp"):
        expected = ["Its pages become the frames of an animation."]
        assert files.lost(tmp_path / name, files.read(tmp_path / "a.tif")) == expected
        (picture,) = files.read(through(tmp_path / "a.tif", name))
        assert (picture.axes, picture.colours) == ("TYX", "grey")
        assert np.array_equal(picture.samples, stack)
    clear = [Image.fromarray(np.dstack([page, np.where(page > 99, 255, 0).astype("u1")])) for page in stack]
    clear[0].save(tmp_path / "b.png", save_all=True, append_images=clear[1:], disposal=0, blend=0)
    (picture,) = files.read(tmp_path / "b.png")
    assert (picture.axes, picture.extra, picture.samples.shape[-1]) == ("TYXS", ("straight",), 2)


def test_gif_has_few_colours_and_no_partial_opacity(tmp_path):
    samples = np.dstack([noise(40, 40, 3), np.where(noise(40, 40, seed=2) > 99, 255, 0).astype("u1")])
    Image.fromarray(samples).save(tmp_path / "a.png")
    (picture,) = files.read(tmp_path / "a.png")
    many = "A GIF file has 256 colours a frame: others become the closest of these."
    partial = "A GIF file has no partial opacity: below one half pixels are transparent."
    assert files.lost(tmp_path / "a.gif", [picture]) == [many]
    files.write(tmp_path / "a.gif", [picture])
    written = opened(tmp_path / "a.gif", "RGBA")
    assert np.array_equal(written[..., 3], samples[..., 3])
    seen = samples[..., 3] > 0
    assert np.abs(written[seen].astype(int) - samples[seen]).mean() < 25
    samples[0, 0, 3] = 100
    assert files.lost(tmp_path / "a.gif", [files.Picture(samples, "YXS", ("straight",), "rgb")]) == [many, partial]


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_stays_without_loss_or_with_it(tmp_path, lossless):
    samples = np.dstack([smooth(3, 4, 3), smooth(3, 4)])
    exif = Image.Exif()
    exif[271] = "maker"
    Image.fromarray(samples).save(tmp_path / "a.webp", lossless=lossless, exact=True, exif=exif, icc_profile=b"i" * 9)
    (picture,) = files.read(tmp_path / "a.webp")
    assert picture.metadata.encoding["lossless"] == lossless
    with Image.open(through(tmp_path / "a.webp", "b.webp")) as image:
        assert image.getexif()[271] == "maker"
        assert image.info["icc_profile"] == b"i" * 9
        if lossless:
            assert np.array_equal(np.asarray(image), samples)
    assert files.read(tmp_path / "b.webp")[0].metadata.encoding["lossless"] == lossless


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp(tmp_path, mode):
    image = Image.fromarray(noise(9, 13, 3)).convert(mode)
    image.save(tmp_path / "a.bmp", dpi=(100, 100))
    with Image.open(tmp_path / "a.bmp") as before, Image.open(through(tmp_path / "a.bmp", "b.bmp")) as after:
        assert np.array_equal(np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB")))
        assert after.info["dpi"] == before.info["dpi"]
    opaque = files.Picture(np.dstack([noise(9, 13, 3), np.full((9, 13), 255, "u1")]), "YXS", ("straight",), "rgb")
    files.write(tmp_path / "c.bmp", [opaque])
    assert np.array_equal(opened(tmp_path / "c.bmp"), opaque.samples[..., :3])
    assert files.lost(tmp_path / "c.bmp", [opaque]) == ["All pixels are opaque, so opacity is left out."]
    with pytest.raises(ValueError, match="no opacity for BMP, got a picture with opacity"):
        files.write(tmp_path / "c.bmp", [files.Picture(noise(9, 13, 4), "YXS", ("straight",), "rgb")])


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16", "F"])
def test_pnm(tmp_path, mode):
    samples = {"I;16": noise(9, 13, dtype="u2", largest=65536), "F": noise(9, 13).astype("f4") / 7}.get(mode)
    image = Image.fromarray(noise(9, 13, 3)).convert(mode) if samples is None else Image.fromarray(samples)
    name = "a.pfm" if mode == "F" else "a.ppm"
    image.save(tmp_path / name)
    expected = opened(tmp_path / name, "L" if mode == "1" else None)
    (picture,) = files.read(tmp_path / name)
    assert np.array_equal(picture.samples, expected)
    assert np.array_equal(opened(through(tmp_path / name, f"b{name}")), expected)


def test_pnm_as_text_with_other_largest_values_and_deep_colours(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P3 # by hand\n2 1\n# largest\n1023\n1023 0 512  1 2 3\n")
    assert files.read(tmp_path / "a.ppm")[0].samples.tolist() == [[[65535, 0, 32800], [64, 128, 192]]]
    (tmp_path / "b.pbm").write_bytes(b"P1\n3 2\n101\n0 1 0")
    assert files.read(tmp_path / "b.pbm")[0].samples.tolist() == [[0, 255, 0], [255, 0, 255]]
    deep = noise(4, 5, 3, dtype="u2", largest=65536)
    files.write(tmp_path / "c.ppm", [files.Picture(deep, "YXS", (), "rgb")])
    assert np.array_equal(files.read(tmp_path / "c.ppm")[0].samples, deep)
    assert (tmp_path / "c.ppm").read_bytes() == b"P6\n5 4\n65535\n" + deep.astype(">u2").tobytes()


def test_arrays_are_mapped_and_written_as_they_are(tmp_path):
    array = np.random.default_rng(0).random((3, 4, 5)).astype("f4")
    np.save(tmp_path / "a.npy", array)
    (picture,) = files.read(tmp_path / "a.npy")
    assert isinstance(picture.samples, np.memmap)
    assert picture.axes == "QYX"
    assert np.array_equal(np.load(through(tmp_path / "a.npy", "b.npy")), array)
    assert np.array_equal(tifffile.imread(through(tmp_path / "a.npy", "b.tif")), array)


def test_an_array_of_colours_becomes_a_picture(tmp_path):
    for bands in (3, 4):
        array = noise(9, 13, bands)
        np.save(tmp_path / "a.npy", array)
        assert np.array_equal(opened(through(tmp_path / "a.npy", "b.png")), array)


def test_contents_decide_how_a_file_is_read(tmp_path):
    frames = [Image.fromarray(smooth(2, 2, seed=seed)) for seed in range(3)]
    frames[0].save(tmp_path / "moving.jpg", format="GIF", save_all=True, append_images=frames[1:])
    tifffile.imwrite(tmp_path / "deep.png", noise(3, 9, 9, dtype="f4"), photometric="minisblack")
    Image.fromarray(noise(9, 9, 3)).save(tmp_path / "a.tif", format="WEBP", lossless=True)
    assert files.read(tmp_path / "moving.jpg")[0].samples.shape[0] == 3
    assert files.read(tmp_path / "deep.png")[0].samples.dtype == np.float32
    assert files.read(tmp_path / "a.tif")[0].metadata.format == "WEBP"


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture")
    for name, received in {
        "pipe.png": "neither a file nor a folder",
        "missing.png": "which does not exist",
        ".": "a folder",
        "empty.png": "which is empty",
        "text.png": "of another kind",
    }.items():
        with pytest.raises(ValueError, match=f"mask: expected a .*, got '.*', {received}"):
            files.read(tmp_path / name, "mask")


def test_a_picture_that_a_format_cannot_hold(tmp_path):
    def refused(name, samples, axes, match, extra=(), colours="grey"):
        with pytest.raises(ValueError, match=match):
            files.write(tmp_path / name, [files.Picture(samples, axes, extra, colours)])

    for name in ("a.png", "a.jpg", "a.bmp", "a.ppm", "a.webp", "a.gif"):
        refused(name, noise(9, 13).astype("f8"), "YX", "samples for [A-Z]+, got float64. Add --scale")
        refused(name, noise(9, 13, 5), "YXS", "one grey or colour picture", ("extra", "extra"), "rgb")
        refused(name, noise(9, 13, 4), "YXS", "of which 1 bands are no colours", ("extra",), "rgb")
        refused(name, noise(2, 3, 9, 13), "ZCYX", "one grey or colour picture")
    refused("a.png", noise(3, 9, 13), "QYX", "one grey or colour picture")
    refused("a.jpg", noise(9, 13, 4), "YXS", "no opacity for JPEG", ("straight",), "rgb")
    refused("a.webp", np.zeros((1, 20000), "u1"), "YX", "a picture that a WEBP file can hold")
    with pytest.raises(ValueError, match="a TIFF file for pages of different shapes"):
        files.write(tmp_path / "a.png", [files.Picture(noise(9, 13), "YX")] * 2)
    assert os.listdir(tmp_path) == []


def test_planes_apart_and_multiplied_colours_become_plain(tmp_path):
    samples = noise(4, 9, 13)
    files.write(tmp_path / "a.png", [files.Picture(samples, "SYX", ("straight",), "rgb")])
    assert np.array_equal(opened(tmp_path / "a.png"), np.moveaxis(samples, 0, -1))
    straight = np.dstack([np.full((9, 13), 200, "u1"), noise(9, 13)])
    multiplied = straight.copy()
    multiplied[..., 0] = np.rint(200 * (straight[..., 1] / 255))
    files.write(tmp_path / "b.png", [files.Picture(multiplied, "YXS", ("associated",), "grey")])
    written = opened(tmp_path / "b.png")
    assert np.array_equal(written[..., 1], straight[..., 1])
    solid = straight[..., 1] > 99
    assert np.abs(written[solid].astype(int) - straight[solid]).max() <= 2
