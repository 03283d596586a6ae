"""Files that other packages bring along: pixels are those of the library's own reading, and come back the same."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import skimage
import tifffile
from PIL import Image, ImageOps

from faltung import files

FOLDER = Path(skimage.__file__).parent
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp", ".npy"}
NAMES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix.lower() in SUFFIXES)


def expected(path, picture):
    """Return the samples of a file as the library reads it."""
    if picture.metadata.format == "NPY":
        return np.load(path)
    if picture.metadata.format == "TIFF":
        return tifffile.imread(path)
    if picture.metadata.format == "PNG":
        return imagecodecs.png_decode(path.read_bytes())  # Pillow reads 8 bits of 16
    with Image.open(path) as image:
        if picture.axes[0] != "T":
            return np.asarray(ImageOps.exif_transpose(image))
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.array(image.convert("RGBA" if picture.extra else "RGB")))
        return np.stack(frames)


def test_there_are_files():
    assert len(NAMES) > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_as_its_library_does_and_written_again(tmp_path, name):
    path = FOLDER / name
    pictures = files.read(path)
    (picture,) = pictures
    samples = expected(path, picture)
    assert picture.samples.dtype == samples.dtype
    assert np.array_equal(picture.samples, samples)
    target = tmp_path / f"a{path.suffix}"
    files.write(target, pictures)
    (again,) = files.read(target)
    assert again.axes == picture.axes
    if picture.metadata.format == "JPEG":
        assert np.abs(again.samples.astype(int) - samples).mean() < 3
        assert again.metadata.encoding["tables"] == picture.metadata.encoding["tables"]
    else:
        assert np.array_equal(again.samples, samples)
    for field in ("profile", "exif", "xmp", "texts", "durations", "unit"):
        assert getattr(again.metadata, field) == getattr(picture.metadata, field)
    assert files.lost(target, pictures) == []
