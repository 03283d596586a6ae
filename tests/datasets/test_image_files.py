"""Data sets of images, in class folders or listed in a CSV file, and the errors for those that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faltung.datasets.dataset import PARTS, Split
from faltung.datasets.reading import load
from faltung.datasets.searching import IMAGE_SUFFIXES
from faltung.errors import ArgumentError

HELD_OUT = "held out: validation 10 % and test 20 % of each class, seed 0"


def _picture(seed: int, shape: tuple[int, ...] = (9, 12)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def _folders(root: Path, classes: tuple[str, ...] = ("cat", "dog"), per_class: int = 4) -> Path:
    """Write class folders whose images are all different, with the number of the class in the first pixel."""
    for label, name in enumerate(classes):
        for index in range(per_class):
            pixels = _picture(int.from_bytes(f"{root.name}{name}{index}".encode()[-8:]))
            pixels[0, 0] = label
            _save(root / name / f"{index}.png", pixels)
    return root


def _by_file(split: Split) -> dict[str, np.ndarray]:
    """Return the sample of each file: (channels, height, width)."""
    return {
        file: sample
        for part in PARTS
        for file, sample in zip(split.parts()[part], getattr(split, part).samples, strict=True)
    }


def _refused(path: Path, text: str, **options: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        load(path, **options)
    assert str(caught.value) == text
    assert caught.value.argument == text.partition(":")[0]


# Class folders


def test_class_folders_keep_every_pixel(tmp_path):
    split = load(_folders(tmp_path / "pets"))
    assert (split.name, split.class_names, split.source) == ("pets", ("cat", "dog"), HELD_OUT)
    for part, size in zip(PARTS, (4, 2, 2), strict=True):
        data = getattr(split, part)
        assert len(data) == size
        assert data.labels.tolist() == [("cat", "dog").index(file[:3]) for file in split.parts()[part]]
    samples = _by_file(split)
    assert sorted(samples) == [f"{name}/{index}.png" for name in ("cat", "dog") for index in range(4)]
    for file, sample in samples.items():
        assert np.array_equal([np.asarray(Image.open(tmp_path / "pets" / file))], sample)


def test_samples_are_in_memory_once(tmp_path):
    split = load(_folders(tmp_path))
    base = split.training.samples.base
    assert base is not None
    assert split.validation.samples.base is base
    assert split.test.samples.base is base
    assert base.nbytes == 8 * 9 * 12


def test_other_files_are_ignored(tmp_path):
    _folders(tmp_path)
    _save(tmp_path / "cat" / "deeper" / "x.BMP", _picture(1))
    _save(tmp_path / "cat" / ".hidden.png", _picture(2))
    _save(tmp_path / "cat" / ".thumbnails" / "3.png", _picture(3))
    _save(tmp_path / ".cache" / "4.png", _picture(4))
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "readme.md").write_text("x")
    files = _by_file(load(tmp_path))
    assert len(files) == 9
    assert "cat/deeper/x.BMP" in files


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (("10", "9", "2"), ("2", "9", "10")),
        (("10", "9", "b"), ("10", "9", "b")),
        (("-1", "1", "+3"), ("-1", "1", "+3")),
        (("b", "B", "a"), ("B", "a", "b")),
    ],
)
def test_classes_are_sorted_as_numbers_only_if_all_are(tmp_path, written, names):
    _folders(tmp_path, written)
    split = load(tmp_path)
    assert split.class_names == names
    for data in (split.training, split.validation, split.test):
        assert [written[number] for number in data.samples[:, 0, 0, 0]] == [names[label] for label in data.labels]


@pytest.mark.parametrize(
    ("folders", "source"),
    [
        (("train",), HELD_OUT),
        (("Training", "testing"), "test as given; held out: validation 10 % of each class, seed 0"),
        (("train", "val"), "validation as given; held out: test 20 % of each class, seed 0"),
        (("train", "valid", "test"), "as given"),
        (("training", "VALIDATION", "Test"), "as given"),
    ],
)
def test_given_parts_are_kept_and_others_are_taken_from_training(tmp_path, folders, source):
    for folder in folders:
        _folders(tmp_path / folder)
    split = load(tmp_path)
    assert split.source == source
    for part in PARTS:
        folder = next((name for name in folders if part.startswith(name.lower()[:3])), folders[0])
        assert {file.split("/")[0] for file in split.parts()[part]} == {folder}
    assert sum(map(len, split.parts().values())) == 8 * len(folders)


def test_other_csv_files_are_ignored(tmp_path):
    expected = load(_folders(tmp_path)).digest
    (tmp_path / "a.csv").write_text("name,legs\ncat,4\n")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    assert load(tmp_path).digest == expected


def test_a_class_may_be_called_train(tmp_path):
    assert load(_folders(tmp_path, ("bus", "train"))).class_names == ("bus", "train")


def test_a_split_depends_on_the_seed_alone(tmp_path):
    _folders(tmp_path, per_class=20)
    first = load(tmp_path)
    np.random.seed(1)  # noqa: NPY002
    assert load(tmp_path).parts() == first.parts()
    assert load(tmp_path).digest == first.digest
    assert load(tmp_path, seed=1).parts() != first.parts()
    assert load(tmp_path, seed=1).source.endswith("seed 1")
    halves = load(tmp_path, validation=0.25, test=0.5)
    assert [len(getattr(halves, part)) for part in PARTS] == [10, 10, 20]


def test_duplicates_across_parts_are_counted(tmp_path):
    _folders(tmp_path / "train")
    _folders(tmp_path / "test")
    (tmp_path / "test" / "cat" / "again.png").write_bytes((tmp_path / "train" / "cat" / "0.png").read_bytes())
    (tmp_path / "val").symlink_to(tmp_path / "train")
    assert load(tmp_path).duplicates == 1


# What images are made into


def _others(folder: Path, shape: tuple[int, ...] = (9, 12)) -> Path:
    """Write the other images of a data set, and return the path of ``a/x`` without suffix."""
    for name, index in (("a", 0), ("a", 1), ("b", 2), ("b", 3), ("b", 4)):
        _save(folder / name / f"{index}.png", _picture(index, shape))
    return folder / "a" / "x"


def _sample(folder: Path, **options: object) -> np.ndarray:
    """Return the sample of ``a/x.*``: (channels, height, width)."""
    [sample] = [sample for file, sample in _by_file(load(folder, **options)).items() if file.startswith("a/x.")]
    return sample


def test_grey_among_colours_is_given_three_channels(tmp_path):
    colour = _picture(7, (9, 12, 3))
    _save(_others(tmp_path).with_suffix(".png"), colour)
    samples = _by_file(load(tmp_path))
    assert np.array_equal(samples.pop("a/x.png"), np.moveaxis(colour, -1, 0))
    for file, sample in samples.items():
        assert np.array_equal(sample, [np.asarray(Image.open(tmp_path / file))] * 3)


GREY = _picture(7)
CLEAR = np.where(np.arange(12) < 6, 0, 255).astype(np.uint8) * np.ones((9, 1), np.uint8)  # the left half is clear
FLAT = np.full((9, 12, 3), (10, 200, 30), np.uint8)


def _layers(mode: str, *bands: np.ndarray) -> Image.Image:
    return Image.merge(mode, [Image.fromarray(band) for band in bands])


@pytest.mark.parametrize(
    ("suffix", "image", "expected"),
    [
        (".png", Image.fromarray(GREY > 99), [255 * (GREY > 99)]),
        (".gif", Image.fromarray(FLAT).quantize(4), FLAT.transpose(2, 0, 1)),
        (".webp", Image.fromarray(FLAT), FLAT.transpose(2, 0, 1)),
        (".tif", Image.fromarray(FLAT).convert("CMYK"), FLAT.transpose(2, 0, 1)),
        (".png", _layers("LA", GREY, CLEAR), [np.where(CLEAR, GREY, 255)]),
        (".png", _layers("RGBA", GREY, GREY, GREY, CLEAR), [np.where(CLEAR, GREY, 255)] * 3),
        (".png", _layers("RGBA", GREY, GREY, GREY, 0 * GREY + 51), [np.rint(204 + GREY / 5)] * 3),
        (".png", Image.fromarray(np.full((9, 12), 7, np.uint8)), [[[7] * 12] * 9]),
    ],
    ids=["mask", "palette", "webp", "cmyk", "grey with alpha", "clear", "a fifth", "grey"],
)
def test_every_kind_of_pixel_becomes_grey_or_colour(tmp_path, suffix, image, expected):
    image.save(_others(tmp_path).with_suffix(suffix), **({"lossless": True} if suffix == ".webp" else {}))
    seen = _sample(tmp_path).astype(int)
    assert seen.shape == np.shape(expected)
    assert np.abs(seen - expected).max() <= (1 if image.mode == "RGBA" else 0)


def test_palette_with_a_clear_colour(tmp_path):
    image = Image.fromarray(np.where(CLEAR, 1, 0).astype(np.uint8))
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(_others(tmp_path).with_suffix(".png"), transparency=0)
    assert _sample(tmp_path)[:, 4, [0, 5, 6, 11]].T.tolist() == [[255] * 3] * 2 + [[9, 8, 7]] * 2


def test_first_frame_of_an_animation(tmp_path):
    first, second = (Image.fromarray(np.full((9, 12), value, np.uint8)) for value in (50, 90))
    first.save(_others(tmp_path).with_suffix(".gif"), save_all=True, append_images=[second])
    assert (_sample(tmp_path) == 50).all()


TURNED = {
    1: GREY,
    2: GREY[:, ::-1],
    3: GREY[::-1, ::-1],
    4: GREY[::-1],
    5: GREY.T,
    6: GREY.T[:, ::-1],
    7: GREY.T[::-1, ::-1],
    8: GREY.T[::-1],
}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", TURNED)
def test_images_are_turned_as_exif_says(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(GREY))
    options = {"lossless": True} if suffix == ".webp" else {}
    image.save(_others(tmp_path, TURNED[orientation].shape).with_suffix(suffix), exif=exif, **options)
    assert np.array_equal(_sample(tmp_path)[0], TURNED[orientation])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 9, 12, 16])
def test_deep_grey_keeps_all_its_bits(tmp_path, suffix, bits):
    deep = np.random.default_rng(0).integers(0, 2**bits, (5, 9, 12)).astype(np.uint16)
    for index, name in enumerate(("a/0", "a/1", "a/x", "b/3", "b/4", "b/5")):
        _save(tmp_path / f"{name}{suffix}", deep[index % 5])
    sample = _sample(tmp_path)
    assert sample.dtype == np.float32
    assert np.array_equal(sample[0], deep[2])
    assert load(tmp_path).training.pixels == "16 bits"


def test_deep_grey_and_other_images_have_the_same_white(tmp_path):
    deep = np.arange(9 * 12, dtype=np.uint16).reshape(9, 12) * 600
    _save(_others(tmp_path).with_suffix(".png"), deep)
    samples = _by_file(load(tmp_path))
    assert np.array_equal(samples["a/x.png"], [deep])
    assert np.array_equal(samples["b/2.png"], [_picture(2) * 257.0])
    _save(tmp_path / "b" / "colour.png", FLAT)
    assert np.array_equal(_sample(tmp_path), [deep] * 3)
    assert np.array_equal(_by_file(load(tmp_path))["b/colour.png"], FLAT.transpose(2, 0, 1) * 257.0)


def test_images_of_floats_are_kept_as_they_are(tmp_path):
    values = np.random.default_rng(0).normal(1e4, 3.0, (6, 9, 12)).astype(np.float32)
    for index, name in enumerate(("a/0", "a/1", "a/x", "b/3", "b/4", "b/5")):
        _save(tmp_path / f"{name}.tif", values[index])
    assert np.array_equal(_sample(tmp_path)[0], values[2])
    assert load(tmp_path).training.pixels == "floats"
    values[2, 3, 4] = np.nan
    _save(tmp_path / "a" / "x.tif", values[2])
    with pytest.raises(ArgumentError, match=r"a/x\.tif \(pixels that are not finite\)"):
        load(tmp_path)


# What size images are made


@pytest.mark.parametrize(
    ("shape", "other", "size", "expected"),
    [
        ((9, 12), (9, 12), None, (9, 12)),
        ((8, 96), (8, 96), None, (8, 96)),
        ((8, 97), (8, 97), None, (64, 64)),
        ((9, 12), (9, 13), None, (64, 64)),
        ((9, 12), (12, 9), None, (64, 64)),
        ((9, 12), (9, 12), 10, (10, 10)),
        ((300, 200), (20, 30), 8, (8, 8)),
    ],
)
def test_small_images_of_one_size_keep_it_and_others_become_squares(tmp_path, shape, other, size, expected):
    _save(_others(tmp_path, shape).with_suffix(".png"), _picture(0, other))
    assert load(tmp_path, size=size).training.sample_shape == (1, *expected)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".npz"])
@pytest.mark.parametrize(("height", "width"), [(128, 200), (200, 128)])
def test_the_shorter_side_is_scaled_and_the_centre_cropped(tmp_path, suffix, height, width):
    """A ramp stays a ramp: the scaled image is its values at the centres of the larger pixels."""
    rows, columns = np.arange(height)[:, None], np.arange(width)
    image = (0.5 * rows + 0.75 * columns).astype(np.uint8)
    if suffix == ".npz":
        np.savez(tmp_path / "x.npz", x=[image] * 6, y=[0, 1] * 3)
        [seen] = load(tmp_path / "x.npz").training.samples[0]
    else:
        deep = image.astype(np.uint16) * 256 if suffix == ".tif" else image
        _save(_others(tmp_path).with_suffix(suffix), deep, **({"quality": 100} if suffix == ".jpg" else {}))
        [seen] = _sample(tmp_path)
    seen = seen / 256 if suffix == ".tif" else seen
    centres = 2 * np.arange(64) + 0.5
    expected = 0.5 * (centres + (height - 128) / 2)[:, None] + 0.75 * (centres + (width - 128) / 2)
    assert np.abs(seen - expected)[2:-2, 2:-2].max() < 2


def test_scaling_does_not_alias(tmp_path):
    # Rows that change with every pixel are grey from afar; taking every eighth would make them black or white.
    stripes = np.tile(np.array([[0], [255]], np.uint8), (256, 512))
    _save(_others(tmp_path).with_suffix(".png"), stripes)
    assert np.abs(_sample(tmp_path)[0].astype(int)[3:-3] - 127.5).max() < 3


# Images that cannot be used


def _spoil(folder: Path) -> dict[str, str]:
    """Write images that cannot be used; return their names, in order, with the reasons."""
    whole = _save(folder / "a" / "whole.png", _picture(0)).read_bytes()
    (folder / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "a" / "empty.jpg").write_bytes(b"")
    _save(folder / "a" / "floats.tif", np.zeros((9, 12), np.float32))
    (folder / "a" / "gone.png").symlink_to("nowhere")
    pages = [Image.fromarray(_picture(page)) for page in range(3)]
    pages[0].save(folder / "a" / "pages.tif", save_all=True, append_images=pages[1:])
    (folder / "b" / "text.png").write_text("hello")
    _save(folder / "b" / "tiny.png", _picture(0, (7, 9)))
    _save(folder / "b" / "wide.tif", np.full((9, 12), 70000, np.int32))
    return {
        "a/cut.png": "",
        "a/empty.jpg": "not a known kind of image",
        "a/floats.tif": "pixels are floats, among images of whole numbers",
        "a/gone.png": "no such file or directory",
        "a/pages.tif": "more than one page",
        "b/text.png": "not a known kind of image",
        "b/tiny.png": "9x7 pixels, fewer than 8 a side",
        "b/wide.tif": "more than 16 bits of grey",
    }


def test_images_that_cannot_be_used_are_named_together(tmp_path):
    _others(tmp_path)
    spoiled = _spoil(tmp_path)
    with pytest.raises(ArgumentError) as caught:
        load(tmp_path)
    text = str(caught.value)
    assert text.startswith("DATA: expected images that can be read, got 8 of 14 that cannot be used: a/cut.png (")
    offsets = [text.index(f"{name} ({reason}") for name, reason in spoiled.items()]
    assert offsets == sorted(offsets)
    assert text.endswith("Repair or remove them, or leave them out with skip_corrupt=True.")


def test_skip_corrupt_leaves_them_out_and_names_them(tmp_path):
    _save(_others(tmp_path).with_suffix(".png"), _picture(9))
    expected = load(tmp_path)
    spoiled = _spoil(tmp_path)
    (tmp_path / "a" / "whole.png").unlink()
    skipped = []
    split = load(tmp_path, skip_corrupt=True, on_skip=lambda *facts: skipped.append(facts))
    assert [name for name, _ in skipped] == [*spoiled]
    assert all(reason and reason.startswith(spoiled[name]) for name, reason in skipped)
    assert split.parts() == expected.parts()
    # The spoiled files of more bits have no say in how the others are read.
    assert split.digest == expected.digest
    assert split.found.skipped == dict(skipped)


def test_an_error_names_the_first_ten_images(tmp_path):
    _folders(tmp_path)
    for index in range(13):
        (tmp_path / "cat" / f"x{index:02}.png").write_bytes(b"x")
    with pytest.raises(ArgumentError, match=r"13 of 21 .*cat/x09\.png \([^)]*\) and 3 more\. Repair") as caught:
        load(tmp_path)
    assert "x10" not in str(caught.value)


def test_a_class_without_usable_images_is_an_error(tmp_path):
    _folders(tmp_path, ("cat", "cow", "dog"))
    for path in (tmp_path / "cow").iterdir():
        path.write_bytes(b"x")
    text = (
        "DATA: expected images that can be read in each class, got none in 'cow' (training) without the 4 that "
        "cannot. Add others, or remove the class."
    )
    _refused(tmp_path, text, skip_corrupt=True)


# Folders that cannot be used

LAYOUT = (
    "DATA: expected a folder for each class with its images, or folders train, val and test of such folders, got "
)
KNOWN = f"Images have one of the suffixes {', '.join(sorted(IMAGE_SUFFIXES))}."
FEW = "DATA: expected at least 3 training samples of each class, one for each part that is held out, got "


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            [],
            f"{LAYOUT}no folder in 'ROOT'. Make a folder for each class, or a CSV file with the columns file and "
            "label beside the images.",
        ),
        (["a/", "b/"], f"{LAYOUT}no image in folders of 'ROOT'. {KNOWN}"),
        (["train/1.png", "test/2.png"], f"{LAYOUT}no image in folders of 'ROOT/test'. {KNOWN}"),
        (
            ["a/1.png", "b/", "c/x.txt"],
            "DATA: expected images in each class folder, got none in 'b', 'c' of 'ROOT'. "
            "Fill or remove these folders. What is there was skipped: c/x.txt (no suffix of an image).",
        ),
        (
            ["train/a/1.png", "test/a/1.png", "more/a/1.png"],
            f"{LAYOUT}the folders 'more', 'test', 'train'. Use either folders of classes or folders of parts.",
        ),
        (
            ["train/a/1.png", "training/a/1.png"],
            "DATA: expected one folder for each part, got 'train', 'training'. Merge them.",
        ),
        (["val/a/1.png", "test/a/1.png"], "DATA: expected a folder train, got 'test', 'val'. Rename or add one."),
        (
            ["a/1.png", "a/2.png", "a/3.png"],
            "DATA: expected at least two classes, got one, 'a'. Add samples of another class.",
        ),
        (
            ["a/1.png", "a/2.png", "b/3.png", "c/1.png", "c/2.png", "c/3.png"],
            f"{FEW}'a' with 2, 'b' with 1. Add samples of these classes, or remove the classes.",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "test/c/1.png"],
            "DATA: expected classes with training samples, got 'c' in the test part only. Add training samples of "
            "them, or remove them.",
        ),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, names, text):
    for index, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            _save(path, _picture(index))
        elif path.suffix:
            path.write_text("x")
        else:
            path.mkdir()
    _refused(tmp_path, text.replace("ROOT", str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nowhere", "DATA: expected a folder or file that exists, got 'ROOT/nowhere'."),
        (
            "x.zip",
            "DATA: expected a folder, or a file of CSV, npz or IDX, got 'ROOT/x.zip'. Extract archives into a "
            "folder.",
        ),
    ],
)
def test_paths_that_cannot_be_used(tmp_path, name, text):
    (tmp_path / "x.zip").write_bytes(b"PK")
    _refused(tmp_path / name, text.replace("ROOT", str(tmp_path)))


@pytest.mark.parametrize(("where", "name", "folder"), [(Path, "iterdir", ""), (os, "scandir", "")])
def test_folders_without_permission_are_named(tmp_path, monkeypatch, where, name, folder):
    _folders(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(where, name, refuse)
    text = f"DATA: expected folders and files that can be read, got '{tmp_path}{folder}' (Permission denied)."
    _refused(tmp_path, text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ndim": 4}, "ndim: expected an integer from 1 to 3, got 4."),
        ({"ndim": 3}, "ndim: expected 2 for image files, got 3. Save series and volumes as arrays in an npz file."),
        ({"size": 7}, "size: expected an integer from 8 to 65536, got 7."),
        ({"seed": -1}, "seed: expected an integer from 0 to 9223372036854775807, got -1."),
        ({"test": 0.0}, "test: expected a fraction between 0 and 1, got 0.0. Use 0.1, for instance."),
        (
            {"validation": float("nan")},
            "validation: expected a finite number, got nan.",
        ),
        (
            {"validation": 0.5, "test": 0.5},
            "test: expected fractions with a sum below 1, got validation=0.5 and test=0.5. Hold out less.",
        ),
    ],
)
def test_options_out_of_range(tmp_path, options, text):
    _refused(_folders(tmp_path), text, **options)


# CSV beside images


def _table(folder: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(6):
        _save(folder / "pictures" / f"{index}.png", _picture(index))
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def _lines(header: str, line: str) -> str:
    return "\n".join(
        [
            header,
            *(line.format(file=f"pictures/{index}.png", index=index, label="ab"[index % 2]) for index in range(6)),
        ]
    )


@pytest.mark.parametrize(
    ("header", "line", "encoding"),
    [
        ("file,label", "{file},{label}", "utf-8"),
        (" File ; Class ", " {file} ; {label} ", "utf-8-sig"),
        ("id\tTARGET\timage\tremark", "{index}\t{label}\t{file}\tnone", "utf-8"),
        ('"filename","width","label"', '"{file}",12,"{label}"\r\n', "utf-8"),
        ("path,label,split", "./pictures/../{file},{label},train", "utf-8"),
    ],
)
def test_a_table_has_files_and_labels(tmp_path, header, line, encoding):
    path = _table(tmp_path, _lines(header, line), encoding=encoding)
    split = load(path)
    assert (split.name, split.class_names, split.source) == ("labels", ("a", "b"), HELD_OUT)
    assert load(tmp_path).digest == split.digest
    samples = _by_file(split)
    assert len(samples) == 6
    for part in PARTS:
        for file, label in zip(split.parts()[part], getattr(split, part).labels, strict=True):
            index = int(Path(file).stem)
            assert label == index % 2
            assert np.array_equal(samples[file], [_picture(index)])


def test_a_table_has_parts(tmp_path):
    parts = ["Train", "val", "test", " training", "validation", "testing"]
    rows = "".join(f"pictures/{index}.png,{'ab'[index // 3]},{part}\n" for index, part in enumerate(parts))
    split = load(_table(tmp_path, f"file,label,split\n{rows}"))
    assert split.source == "as given"
    assert split.parts() == {
        "training": ["pictures/0.png", "pictures/3.png"],
        "validation": ["pictures/1.png", "pictures/4.png"],
        "test": ["pictures/2.png", "pictures/5.png"],
    }


ROWS = "".join(f"pictures/{index}.png,{'ab'[index % 2]},train\n" for index in range(6))
GAP = "DATA: expected a file, a label and, if there is such a column, a split in each row, got an empty cell in "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,label\n",
            "DATA: expected a first line with a column of files (file, filename, file_name, image, path, filepath, "
            "image_path) and one of labels (label, class, target), got the columns 'name', 'label' in 'x.csv'.",
        ),
        (
            "",
            "DATA: expected a first line with a column of files (file, filename, file_name, image, path, filepath, "
            "image_path) and one of labels (label, class, target), got no column in 'x.csv'.",
        ),
        ("file,label\n", "DATA: expected a line for each image, got none in 'x.csv'."),
        (
            f"file,label,split\n{ROWS}a.png, ,train\nb.png,a\n",
            f"{GAP}row 8, 9 of 'x.csv'. Fill the cell, or remove the row.",
        ),
        (
            f"file,label,split\n{ROWS}a.png,b,dev\n",
            "DATA: expected train, val or test as split, got 'dev' in row 8 of 'x.csv'. Rename it.",
        ),
        (
            "file,label,split\na.png,a,test\n",
            "DATA: expected images with the split train, got only test in 'x.csv'. Add some, or leave the "
            "column out.",
        ),
        (
            f"file,label,split\n{ROWS}a.png,b,train\n",
            "DATA: expected images that can be read, got 1 of 7 that cannot be used: a.png (no such file or "
            "directory). Repair or remove them, or leave them out with skip_corrupt=True.",
        ),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    _refused(_table(tmp_path, text, "x.csv"), message)


def test_a_table_in_another_encoding_is_an_error(tmp_path):
    path = _table(tmp_path, "file,label\ngr\u00fcn.png,1\n", encoding="latin-1")
    with pytest.raises(
        ArgumentError, match=r"DATA: expected a CSV file in UTF-8, got 'labels\.csv' \(.*\)\. Save it"
    ):
        load(path)


def test_two_tables_in_a_folder_are_an_error(tmp_path):
    _table(tmp_path, "file,label\n", "a.csv")
    _table(tmp_path, "file,label\n", "b.csv")
    _table(tmp_path, "key,value\n", "c.csv")
    _refused(
        tmp_path,
        "DATA: expected one CSV file in the folder, got 'a.csv', 'b.csv'. "
        "Pass the path of the file, or use a column split.",
    )
