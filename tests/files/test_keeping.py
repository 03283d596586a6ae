"""What a format cannot keep is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from faltung import files

GEOGRAPHIC = [(33550, 12, 3, (1.0, 1.0, 0.0), True), (42113, 2, 0, "-9999", True), (65000, 3, 1, 5, True)]


def lost(path, names, **options):
    pictures = files.read(path)
    return {name: files.lost(path.with_name(f"b.{name}"), pictures, **options) for name in names}


def test_everything_a_geographic_tiff_says_is_named(tmp_path):
    path = tmp_path / "a.tif"
    options = {"extratags": GEOGRAPHIC, "resolution": (10, 10), "resolutionunit": 3, "iccprofile": b"p" * 9}
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), metadata=None, software="me", **options)
    said = lost(path, ["tif", "png", "npy", "jpg"])
    assert said["tif"] == []
    value, tags = "the value of missing samples", "the georeference and the TIFF tag 65000"
    assert said["png"] == [f"A PNG file does not keep {value} and {tags}."]
    assert said["jpg"] == [f"A JPEG file does not keep {value} and {tags}."]
    whole = f"{value}, the colour profile, the resolution, the texts of its tags and {tags}"
    assert said["npy"] == [f"A .npy file does not keep {whole}."]
    assert lost(path, ["png"], metadata=False)["png"] == [f"A PNG file does not keep {value}."]


def test_properties_of_imagej_need_its_dtypes(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 9), "u2"), imagej=True, metadata={"axes": "ZYX", "unit": "um"})
    (picture,) = files.read(path)
    assert files.lost(path, [picture]) == []
    wide = replace(picture, samples=picture.samples.astype("f8"))
    assert files.lost(path, [wide]) == ["A TIFF file does not keep the properties of ImageJ."]
    files.write(tmp_path / "b.tif", [wide])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.series[0].axes, file.series[0].dtype) == ("ZYX", np.float64)


def test_texts_of_a_png_that_tiff_has_tags_for(tmp_path):
    known = PngImagePlugin.PngInfo()
    known.add_text("Software", "me")
    known.add_text("Author", "you")
    known.add_text("Title", "name")
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "a.png", pnginfo=known)
    said = lost(tmp_path / "a.png", ["tif", "png", "jpg"])
    assert said["png"] == []
    assert said["tif"] == ["A TIFF file does not keep the text Title."]
    assert said["jpg"] == ["A JPEG file does not keep the texts Author, Software and Title."]
    files.write(tmp_path / "b.tif", files.read(tmp_path / "a.png"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.pages[0].software, file.pages[0].tags[315].value) == ("me", "you")


def test_what_cannot_be_read_is_named(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((8, 9), np.uint8), metadata=None, extratags=[(65000, 12, 3, (1, 2, 3), True)]
    )
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tag = file.pages[0].tags[65000]
    place = tag.offset + 8
    (tmp_path / "a.tif").write_bytes(data[:place] + (10**6).to_bytes(4, "little") + data[place + 4 :])
    assert lost(tmp_path / "a.tif", ["tif"])["tif"] == ["The values of tag 65000 are not in the file."]
