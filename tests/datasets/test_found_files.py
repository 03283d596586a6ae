"""Every file of a data set is used, or is listed with the reason why it is not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from faltung.datasets.dataset import Split
from faltung.datasets.reading import load
from faltung.datasets.searching import IMAGE_SUFFIXES, search
from faltung.errors import ArgumentError


def _image(path: Path, value: int = 0, kind: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16), value, np.uint8)).save(path, kind)
    return path


def _classes(root: Path) -> Path:
    for label, name in enumerate(("cats", "dogs")):
        for index in range(4):
            _image(root / name / f"{index}.png", 30 * label + index)
    return root


def _used(split: Split) -> set[str]:
    return {str(file) for files in split.parts().values() for file in files}


def test_images_of_all_suffixes_are_read(tmp_path):
    """Whatever Pillow writes under a suffix of images, and in upper case."""
    _classes(tmp_path)
    Image.init()
    written = set()
    for suffix in sorted(IMAGE_SUFFIXES):
        kind = Image.registered_extensions().get(suffix)
        if kind in Image.SAVE and suffix not in (".pfm", ".j2k", ".jp2"):
            pixels = Image.new("RGB", (16, 16), (200, 100, 0)) if kind != "XPM" else None
            if suffix in (".pbm", ".pgm"):
                pixels = pixels.convert("1" if suffix == ".pbm" else "L")
            pixels.save(tmp_path / "cats" / f"x{suffix}", kind)
            pixels.save(tmp_path / "dogs" / f"y{suffix.upper()}", kind)
            written |= {f"cats/x{suffix}", f"dogs/y{suffix.upper()}"}
    assert {f"cats/x{suffix}" for suffix in (".jfif", ".jpe", ".webp", ".bmp", ".gif", ".pnm", ".ppm")} <= written
    split = load(tmp_path)
    assert written <= _used(split)
    assert not split.found.skipped
    assert sum(split.found.suffixes.values()) == len(_used(split)) == 8 + len(written)
    assert split.found.suffixes[".jfif"] == 2


def test_everything_else_is_listed_with_its_reason(tmp_path):
    _classes(tmp_path)
    reasons = {
        ".DS_Store": "hidden",
        "cats/.DS_Store": "hidden",
        "cats/._1.png": "hidden",
        "cats/.thumbnails/1.png": "hidden",
        "cats/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg": "made by a file server or system",
        "dogs/Thumbs.db": "made by a file server or system",
        "__MACOSX/cats/1.png": "made by a file server or system",
        "cats/notes.txt": "no suffix of an image",
        "dogs/photo.heic": "no suffix of an image",
        "table.csv": "a table without columns file and label",
        "stray.png": "not in a class folder",
    }
    for name in reasons:
        _image(tmp_path / name, kind="PNG")
    (tmp_path / "table.csv").write_text("name,legs\n")
    (tmp_path / "cats" / "around").symlink_to(tmp_path)
    split = load(tmp_path)
    assert _used(split) == {f"{name}/{index}.png" for name in ("cats", "dogs") for index in range(4)}
    assert split.found.skipped == reasons | {"cats/around": "a link to a folder around it"}
    first, second = split.notes()
    assert first == "8 images (8 .png), 16 x 16 pixels of 8 bits, all grey"
    assert second.startswith(
        "12 files skipped: 4 hidden (such as .DS_Store); 3 made by a file server or system (such "
    )


def test_of_animations_the_first_picture_is_used_and_told(tmp_path):
    _classes(tmp_path)
    pictures = [Image.new("L", (16, 16), value) for value in (10, 200)]
    for suffix in ("gif", "webp", "png"):
        pictures[0].save(tmp_path / "cats" / f"x.{suffix}", save_all=True, append_images=pictures[1:])
    split = load(tmp_path)
    assert split.found.animated == 3
    assert split.notes()[1] == "3 animations, of which the first picture is used"
    for part in ("training", "validation", "test"):
        for name, sample in zip(split.members[part], getattr(split, part).samples, strict=True):
            if "/x." in name:
                assert abs(sample.astype(int) - 10).max() <= 1


def test_colours_of_more_than_eight_bits_are_told(tmp_path):
    """Pillow, which reads them, has no colours of 16 bits."""
    _classes(tmp_path)
    deep = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "cats" / "x.tif", deep, photometric="rgb")
    head = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    (tmp_path / "cats" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    split = load(tmp_path)
    assert split.found.cut == 2
    assert split.notes()[1] == "2 images with colours of more than 8 bits, of which the upper 8 are used"
    for part in ("training", "validation", "test"):
        for name, sample in zip(split.members[part], getattr(split, part).samples, strict=True):
            if "/x." in name:
                assert np.array_equal(np.moveaxis(sample, 0, -1), deep >> 8)


def test_links_to_other_folders_are_followed(tmp_path):
    _image(tmp_path / "elsewhere" / "5.png", 99)
    _classes(tmp_path / "data")
    (tmp_path / "data" / "cats" / "more").symlink_to(tmp_path / "elsewhere")
    assert "cats/more/5.png" in _used(load(tmp_path / "data"))


def test_a_search_of_one_folder_leaves_others_alone(tmp_path):
    _classes(tmp_path)
    assert search(tmp_path, deep=False) == ([], {})
    assert len(search(tmp_path)[0]) == 8


NO_DATA = {
    "1.png 2.png": "got 2 images and no folder in 'ROOT'. Make a folder for each class, or a CSV file with",
    "1.png labels.csv": "beside the images. The columns of 'labels.csv' have other names.",
    "@eaDir/1.png .x/2.png": "got no folder in 'ROOT'.",
    "a/1.png b/1.heic": "got none in 'b' of 'ROOT'. Fill or remove these folders. What is there was skipped: b/1",
}


@pytest.mark.parametrize("names", NO_DATA)
def test_what_is_no_data_set_is_described(tmp_path, names):
    for name in names.split():
        _image(tmp_path / name, kind="PNG")
    (tmp_path / "labels.csv").write_text("file,category\n1.png,a\n")
    if "labels.csv" not in names:
        (tmp_path / "labels.csv").unlink()
    with pytest.raises(ArgumentError) as caught:
        load(tmp_path)
    assert NO_DATA[names].replace("ROOT", str(tmp_path)) in str(caught.value)


def test_a_table_of_other_columns_is_named_with_the_columns_that_are_expected(tmp_path):
    (_image(tmp_path / "0.png").parent / "labels.csv").write_text("file,category\n0.png,a\n")
    with pytest.raises(ArgumentError, match=r"a CSV file with the columns file and label.* 'labels\.csv' have other"):
        load(tmp_path)
    with pytest.raises(ArgumentError, match=r"a column of files .* and one of labels .* 'file', 'category'"):
        load(tmp_path / "labels.csv")


def _table(root: Path, lines: list[str]) -> Path:
    for index in range(8):
        _image(root / f"{index}.png", index)
    (root / "labels.csv").write_text("\n".join(["file,label", *lines]))
    return root


ROWS = [f"{index}.png,{'ab'[index % 2]}" for index in range(6)]


def test_images_that_a_table_does_not_list_are_skipped(tmp_path):
    split = load(_table(tmp_path, ROWS))
    assert split.found.skipped == {"6.png": "not in labels.csv", "7.png": "not in labels.csv"}
    assert load(tmp_path / "labels.csv").found.skipped == {}


@pytest.mark.parametrize("again", ["0.png,b", "./0.png,b", "../ROOT/0.png,b"])
def test_one_file_with_two_labels_is_refused_with_both_rows(tmp_path, again):
    _table(tmp_path, [*ROWS[:3], "", "  ", *ROWS[3:], ",", again.replace("ROOT", tmp_path.name)])
    with pytest.raises(ArgumentError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith("DATA: expected one label for '")
    assert str(caught.value).endswith("got 'a' in row 2 and 'b' in row 11 of 'labels.csv'. Remove one of the rows.")


def test_rows_are_counted_as_an_editor_counts_them(tmp_path):
    _table(tmp_path, [ROWS[0], "", '"1.png","b', 'c"', "", "2.png"])
    with pytest.raises(ArgumentError, match=r"an empty cell in row 7 of 'labels\.csv'"):
        load(tmp_path)


def test_an_empty_line_before_the_header_does_no_harm(tmp_path):
    _table(tmp_path, ROWS)
    (tmp_path / "labels.csv").write_text("\n" + (tmp_path / "labels.csv").read_text().replace(",", ";"))
    assert len(_used(load(tmp_path))) == 6


def test_the_same_image_in_training_and_test_is_told(tmp_path):
    _classes(tmp_path / "train")
    _classes(tmp_path / "test")
    *_, told = load(tmp_path).notes()
    assert told.startswith("6 of the 8 test samples are also training samples: the test accuracy says less")


def test_class_names_differ(tmp_path):
    x = np.zeros((30, 40), np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(30) % 3, class_names=["a", "a", "b"])
    with pytest.raises(ArgumentError, match=r"DATA: expected class names that differ, got 'a' twice\. Rename them"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_series_with_an_offset_are_read_while_they_differ(tmp_path, offset):
    x = np.random.default_rng(0).normal(size=(30, 40)) + offset
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(30) % 3)
    assert np.abs(load(tmp_path / "x.npz").training.samples.std() - 1) < 0.1


@pytest.mark.parametrize("offset", [1e9, -1e12, 2**40])
def test_series_that_float32_cannot_tell_apart_are_refused(tmp_path, offset):
    x = np.random.default_rng(0).normal(size=(30, 2, 40)) + np.array([0, offset])[:, None]
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(30) % 3)
    with pytest.raises(ArgumentError, match=r"samples that differ in float32, .* in channel 1 of 'x'\. Subtract"):
        load(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=np.full((30, 40), 1e12), y=np.arange(30) % 3)
    assert len(load(tmp_path / "x.npz").training)


def test_folders_that_link_each_other_are_searched_some_times(tmp_path):
    names = [f"c{number}" for number in range(6)]
    for name in names:
        _image(tmp_path / name / "1.png", 9)
    for name in names:
        for other in {*names} - {name}:
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
    found, skipped = search(tmp_path)
    assert len(found) <= (16 + 1) * len(names)
    assert "a link to a folder that is linked 16 times" in skipped.values()


def test_a_label_has_a_bounded_length(tmp_path):
    for name in ("1", "2"):
        _image(tmp_path / f"{name}.png", 9)
    (tmp_path / "labels.csv").write_text(f"file,label\n1.png,a\n2.png,{'b' * 5000}\n")
    with pytest.raises(ArgumentError, match="labels of at most 4,096 characters, got one of 5,000 in row 3"):
        load(tmp_path)
