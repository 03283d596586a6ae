"""Data sets in npz and IDX files, and the errors for those that cannot be used."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.datasets import known
from faltung.datasets.dataset import PARTS, check_names
from faltung.datasets.reading import load
from faltung.errors import ArgumentError

HELD_OUT = "held out: validation 10 % and test 20 % of each class, seed 0"


def _picture(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _refused(path: Path, text: str, **options: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        load(path, **options)
    assert str(caught.value) == text
    assert caught.value.argument == "DATA"


def _labels(count: int) -> np.ndarray:
    return np.arange(count) % 2


@pytest.mark.parametrize(
    "names",
    [("x", "y"), ("X", "Y"), ("images", "labels"), ("samples", "label"), ("series", "target"), ("data", "targets")],
)
def test_arrays_are_recognised_by_their_usual_names(tmp_path, names):
    x = _picture(0, (20, 9, 12))
    np.savez(tmp_path / "x.npz", **dict(zip(names, (x, _labels(20)), strict=True)), mean=np.zeros(3))
    split = load(tmp_path / "x.npz")
    assert (split.name, split.class_names, split.source) == ("x", ("0", "1"), HELD_OUT)
    indices = [index for part in PARTS for index in split.parts()[part]]
    assert sorted(indices) == [*range(20)]
    for part in PARTS:
        data, indices = getattr(split, part), split.parts()[part]
        assert np.array_equal(data.samples[:, 0], x[indices])
        assert np.array_equal(data.labels, _labels(20)[indices])


@pytest.mark.parametrize(
    ("training", "others", "source"),
    [
        (("x_train", "y_train"), {}, HELD_OUT),
        (
            ("train_images", "train_labels"),
            {"test": ("test_images", "test_labels")},
            "test as given; held out: validation",
        ),
        (("x", "y"), {"test": ("testing-x", "testing-y")}, "test as given; held out: validation"),
        (
            ("training_series", "training_labels"),
            {"validation": ("valid.series", "valid.labels"), "test": ("test.series", "test.labels")},
            "as given",
        ),
        (("X_train", "Y_train"), {"validation": ("X_val", "Y_val")}, "validation as given; held out: test"),
    ],
)
def test_arrays_of_parts(tmp_path, training, others, source):
    read = {"training": training, **others}
    arrays = {part: (_picture(len(part), (8, 9, 12)), _labels(8)[::-1]) for part in read}
    written = {name: array for part in read for name, array in zip(read[part], arrays[part], strict=True)}
    np.savez_compressed(tmp_path / "x.npz", **dict(reversed(written.items())))
    split = load(tmp_path / "x.npz")
    assert split.source.startswith(source)
    whole = np.concatenate([arrays[part][0] for part in PARTS if part in arrays])
    for part in PARTS:
        data, indices = getattr(split, part), split.parts()[part]
        assert np.array_equal(data.samples[:, 0], whole[indices])
        assert np.array_equal(data.labels, np.tile(_labels(8)[::-1], 3)[indices])
        if part in others:
            assert np.array_equal(data.samples[:, 0], arrays[part][0])


@pytest.mark.parametrize(
    ("labels", "texts", "names"),
    [
        (np.array([7, -1] * 3, np.int8), ("7", "-1"), ("-1", "7")),
        (np.array([[10], [2]] * 3), ("10", "2"), ("2", "10")),
        (np.array([True, False] * 3), ("True", "False"), ("False", "True")),
        (np.array(["cat", "dog"] * 3), ("cat", "dog"), ("cat", "dog")),
        (np.array(["gr\u00fcn".encode(), b"10"] * 3), ("gr\u00fcn", "10"), ("10", "gr\u00fcn")),
    ],
    ids=["negative", "column", "bool", "strings", "bytes"],
)
def test_labels_can_be_numbers_or_strings(tmp_path, labels, texts, names):
    np.savez(tmp_path / "x.npz", x=_picture(0, (6, 9, 12)), y=labels)
    split = load(tmp_path / "x.npz")
    assert split.class_names == names
    for part in PARTS:
        assert [names[label] for label in getattr(split, part).labels] == [
            texts[index % 2] for index in split.parts()[part]
        ]


def test_class_names_can_be_given(tmp_path):
    np.savez(tmp_path / "x.npz", x=_picture(0, (6, 9, 12)), y=_labels(6), class_names=["zebra", "ant"])
    split = load(tmp_path / "x.npz")
    assert split.class_names == ("zebra", "ant")
    assert split.training.labels.tolist() == [index % 2 for index in split.parts()["training"]]


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize(
    ("dtype", "shape", "ndim", "read_as", "expected"),
    [
        ("f4", (20,), None, "f4", lambda x: x[:, None]),
        ("f8", (20,), 1, "f4", lambda x: x[:, None]),
        ("u1", (20,), None, "f4", lambda x: x[:, None]),
        ("i2", (3, 20), None, "f4", lambda x: x),
        ("f2", (30, 20), 1, "f4", lambda x: x),
        ("u1", (9, 20), 1, "f4", lambda x: x),
        ("u1", (9, 20), None, "u1", lambda x: x[:, None]),
        ("i8", (9, 20), 2, "u1", lambda x: x[:, None]),
        ("f4", (9, 20), 2, "f4", lambda x: x[:, None]),
        ("u1", (9, 20, 3), None, "u1", _channels_last),
        ("u1", (9, 20, 1), None, "u1", _channels_last),
        ("u1", (3, 9, 20), None, "u1", lambda x: x),
        ("f4", (9, 20, 2), None, "f4", _channels_last),
        ("f4", (13, 20, 21), 2, "f4", lambda x: x),
        ("u1", (20, 21, 13), 2, "u1", _channels_last),
        ("u1", (9, 10, 11), 3, "u1", lambda x: x[:, None]),
        ("f4", (9, 10, 11), 3, "f4", lambda x: x[:, None]),
        ("f4", (2, 9, 10, 11), None, "f4", lambda x: x),
        ("u1", (9, 10, 11, 2), 3, "u1", _channels_last),
    ],
)
def test_arrays_are_series_images_or_volumes(tmp_path, dtype, shape, ndim, read_as, expected):
    x = np.random.default_rng(0).integers(0, 100, (6, *shape)).astype(dtype)
    np.savez(tmp_path / "x.npz", x=x, y=_labels(6))
    split = load(tmp_path / "x.npz", ndim=ndim)
    for part in PARTS:
        data = getattr(split, part)
        assert data.samples.dtype == read_as
        assert np.array_equal(data.samples, expected(x)[split.parts()[part]])


def test_integers_above_255_are_floats_in_all_parts(tmp_path):
    x = np.full((6, 9, 12), 256)
    np.savez(tmp_path / "x.npz", x_train=x % 256, y_train=_labels(6), x_test=x, y_test=_labels(6))
    split = load(tmp_path / "x.npz", ndim=2)
    assert split.training.samples.dtype == split.test.samples.dtype == np.float32
    assert (split.test.samples == 256).all()


def test_float_images_are_scaled_too(tmp_path):
    x = np.stack([np.linspace(-7e4, 7e4, 200)] * 100)[None] * np.ones((6, 1, 1), np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=_labels(6))
    [seen] = load(tmp_path / "x.npz", ndim=2, size=10).training.samples[0]
    # The middle half of the ramp, at the centres of ten steps, each as wide as ten samples.
    ends = 7e4 * 9 / 199 * 10
    assert np.allclose(seen[:, 1:-1], np.linspace(-ends, ends, 10)[1:-1], rtol=1e-3, atol=300)


SERIES = "series (samples, length) or (samples, channels, length)"
IMAGES = "images (samples, height, width) or (samples, height, width, channels)"
VOLUMES = "volumes (samples, depth, height, width) or (samples, channels, depth, height, width)"
GOOD = {"x": np.zeros((6, 20)), "y": _labels(6)}
BAD = np.zeros((6, 2, 20))
BAD[4, 1, 7] = np.nan
BAD[5, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("arrays", "options", "text"),
    [
        (
            {"a": np.zeros(3), "y": _labels(6)},
            {},
            "arrays named x and y (or images, samples, series, data; labels), also as x_train and y_train, x_val and "
            "y_val, ..., got the names 'a', 'y'. Save the arrays under such names.",
        ),
        (
            {},
            {},
            "arrays named x and y (or images, samples, series, data; labels), also as x_train and y_train, x_val and "
            "y_val, ..., got no array. Save the arrays under such names.",
        ),
        (
            {"x_train": BAD, "y_train": _labels(6), "x_test": BAD},
            {},
            "arrays named x and y (or images, samples, series, data; labels), also as x_train and y_train, x_val and "
            "y_val, ..., got the names 'x_train', 'y_train', 'x_test'. Save the arrays under such names.",
        ),
        (
            {**GOOD, "images": GOOD["x"]},
            {},
            "one array of samples for training, got 'x' and 'images'. Rename or remove one of them.",
        ),
        (
            {**GOOD, "y": _labels(5)},
            {},
            "one label for each sample, got 5 in 'y' for 6 in 'x'. Check that both arrays belong together.",
        ),
        (
            {**GOOD, "y": np.eye(6)},
            {},
            "labels of shape (samples,), got shape (6, 6) in 'y'. Save one number or string for each "
            "sample; argmax(axis=1) converts one-hot rows.",
        ),
        (
            {**GOOD, "y": np.zeros(6)},
            {},
            "labels that are integers or strings, got dtype float64 in 'y'. Convert them with astype(int).",
        ),
        (
            {**GOOD, "y": _labels(6) + 1, "class_names": ["a", "b"]},
            {},
            "labels from 0 to 1 for 2 class names, got 1 to 2. Correct the labels, or leave the class names out.",
        ),
        (
            {**GOOD, "y": ["a", "b"] * 3, "class_names": ["a", "b"]},
            {},
            "labels from 0 to 1 for 2 class names, got 'a'. Correct the labels, or leave the class names out.",
        ),
        (
            {**GOOD, "class_names": ["a", "b", "c"]},
            {},
            "at least 3 training samples of each class, one for each part that is held out, got 'c' with 0. "
            "Add samples of these classes, or remove the classes.",
        ),
        (
            {**GOOD, "x": np.array([{}] * 6, object)},
            {},
            "a complete npz file of plain arrays, got an array of Python objects in 'x.npz'. Save strings with "
            "dtype=str, and crop or pad series to one length.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 20), complex)},
            {},
            "samples that are real numbers, got dtype complex128 in 'x'. Convert them to uint8 or float32.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 0))},
            {},
            "at least one sample, got shape (6, 0) in 'x'. Leave empty arrays out.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 7))},
            {},
            "at least 8 samples along each series, got (7,) in 'x'. Pad or scale them.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 7, 9), np.uint8)},
            {},
            "at least 8 pixels a side, got (7, 9) in 'x'. Pad or scale them.",
        ),
        (
            {**GOOD, "x_test": np.zeros((6, 21)), "y_test": _labels(6)},
            {},
            "samples of one shape (channels, *spatial), got (1, 20) in 'x' and (1, 21) in 'x_test'. Crop, pad "
            "or scale them to one shape.",
        ),
        (
            {
                "x": np.zeros((6, 9, 9, 3), np.uint8),
                "y": _labels(6),
                "x_val": np.zeros((6, 9, 9), np.uint8),
                "y_val": _labels(6),
            },
            {},
            "samples of one shape (channels, *spatial), got (3, 9, 9) in 'x' and (1, 9, 9) in 'x_val'. Crop, pad "
            "or scale them to one shape.",
        ),
        (
            {**GOOD, "x": BAD},
            {},
            "samples that are finite in float32, got nan in sample 4 of 'x', channel 1, position 7; 2 of 6 samples "
            "have such values. Replace these values, or leave these samples out.",
        ),
        (
            {**GOOD, "x": np.full((6, 20), 1e300)},
            {},
            "samples that are finite in float32, got 1e+300 in sample 0 of 'x', channel 0, position 0; 6 of 6 "
            "samples have such values. Replace these values, or leave these samples out.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 28, 28))},
            {},
            f"{SERIES} with fewer channels than samples along each, got shape (6, 28, 28), dtype float64 in 'x'. "
            "Pass ndim=2 for images, or ndim=1 for series, whose channels come before the length.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 20, 20, 20))},
            {},
            f"{IMAGES} with fewer than 8 channels, got shape (6, 20, 20, 20), dtype float64 in 'x'. Pass ndim=2 "
            "for images, or ndim=3 for volumes.",
        ),
        (
            {**GOOD, "x": np.zeros((6, 20))},
            {"ndim": 2},
            f"{IMAGES}, got shape (6, 20) in 'x'. Correct ndim, or reshape the array.",
        ),
        (
            {**GOOD, "x": np.zeros(6)},
            {},
            f"{SERIES}, {IMAGES}, or {VOLUMES}, got shape (6,), dtype float64 in 'x'. Reshape the array.",
        ),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, arrays, options, text):
    np.savez(tmp_path / "x.npz", **arrays)
    _refused(tmp_path / "x.npz", f"DATA: expected {text}", **options)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_npz_file_never_becomes_other_data(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    np.savez(path, **GOOD)
    expected = load(path).digest
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    # If the file is read at all, the byte was one that tells nothing of the arrays.
    with contextlib.suppress(ArgumentError):
        assert load(path).digest == expected


# IDX files


def _write_idx(path: Path, array: np.ndarray, kind: int = 8) -> Path:
    content = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _mnist(folder: Path, suffix: str = "-ubyte", parts: tuple[str, ...] = ("train", "t10k")) -> np.ndarray:
    images = _picture(5, (len(parts) * 10, 9, 12))
    for index, part in enumerate(parts):
        span = slice(10 * index, 10 * index + 10)
        _write_idx(folder / f"{part}-images-idx3{suffix}", images[span])
        _write_idx(folder / f"{part}-labels-idx1{suffix}", (_labels(10) + 3).astype(np.uint8))
    return images


@pytest.mark.parametrize("suffix", ["-ubyte", "-ubyte.gz", ".gz"])
@pytest.mark.parametrize("parts", [("train", "t10k"), ("emnist-train", "emnist-val", "emnist-test"), ("training",)])
def test_idx_files_of_a_folder(tmp_path, suffix, parts):
    images = _mnist(tmp_path, suffix, parts)
    split = load(tmp_path)
    assert split.class_names == ("3", "4")
    assert (
        split.source
        == {1: HELD_OUT, 2: "test as given; held out: validation 10 % of each class, seed 0", 3: "as given"}[
            len(parts)
        ]
    )
    for part in PARTS:
        data, indices = getattr(split, part), split.parts()[part]
        assert np.array_equal(data.samples[:, 0], images[indices])
        assert np.array_equal(data.labels, np.tile(_labels(10), 3)[indices])
    assert sum(map(len, split.parts().values())) == len(images)


def test_an_idx_file_and_its_compressed_copy_count_as_one(tmp_path):
    _mnist(tmp_path, "-ubyte.gz")
    expected = load(tmp_path).digest
    _mnist(tmp_path, "-ubyte")
    assert load(tmp_path).digest == expected


def test_one_idx_file_with_its_labels(tmp_path):
    images = _mnist(tmp_path)
    split = load(tmp_path / "t10k-images-idx3-ubyte")
    assert split.source == HELD_OUT
    assert np.array_equal(split.training.samples[:, 0], images[10:][split.parts()["training"]])
    colours = _picture(6, (6, 9, 12, 3))
    _write_idx(tmp_path / "flowers.idx4", colours)
    _write_idx(tmp_path / "flowers.idx1.gz", _labels(6).astype(np.uint8))
    split = load(tmp_path / "flowers.idx4")
    assert (split.name, split.training.sample_shape) == ("flowers", (3, 9, 12))


@pytest.mark.parametrize(
    ("kind", "dtype"), [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")]
)
def test_idx_files_of_every_type(tmp_path, kind, dtype):
    x = np.random.default_rng(0).integers(-100, 100, (6, 20)).astype(dtype)
    _write_idx(tmp_path / "x-images-idx2", x, kind)
    _write_idx(tmp_path / "x-labels-idx1", _labels(6).astype(">i4"), 0x0C)
    split = load(tmp_path / "x-images-idx2")
    assert np.array_equal(split.training.samples[:, 0], x[split.parts()["training"]])


IMAGE_FILE, LABEL_FILE = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
AGAIN = "Download the file again."
MAGIC = "DATA: expected an IDX file, which begins with two zeros, a type from 8 to 14 and the number of axes, up to 5"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            IMAGE_FILE,
            b"\x00\x01\x08\x03",
            f"{MAGIC}, got the bytes 00 01 08 03 in '{IMAGE_FILE}'. {AGAIN}",
        ),
        (IMAGE_FILE, b"", f"{MAGIC}, got the bytes (none) in '{IMAGE_FILE}'. {AGAIN}"),
        (
            IMAGE_FILE,
            b"\0\0\x0a\x01",
            f"{MAGIC}, got the bytes 00 00 0a 01 in '{IMAGE_FILE}'. {AGAIN}",
        ),
        (IMAGE_FILE, b"\0\0\x08\x64" + bytes(400), f"{MAGIC}, got the bytes 00 00 08 64 in '{IMAGE_FILE}'. {AGAIN}"),
        (
            IMAGE_FILE,
            b"\0\0\x08\x02\0\0",
            f"DATA: expected at least 12 bytes for 2 axes, got 6 in '{IMAGE_FILE}'. {AGAIN}",
        ),
        (
            IMAGE_FILE,
            b"\0\0\x0b\x02" + bytes([0, 0, 0, 4, 0, 0, 0, 5]) + b"x" * 39,
            f"DATA: expected 52 bytes for the shape (4, 5), got 51 in '{IMAGE_FILE}'. {AGAIN}",
        ),
        (
            LABEL_FILE,
            b"\0\0\x08\x01" + bytes([0, 0, 0, 2, 7, 8]),
            f"DATA: expected one label for each image, got 2 in '{LABEL_FILE}' for 10 in '{IMAGE_FILE}'. "
            "Check that both files belong together.",
        ),
        (
            LABEL_FILE,
            b"\0\0\x0d\x01" + bytes([0, 0, 0, 1, 0, 0, 0, 0]),
            f"DATA: expected one integer for each image, got float32 of shape (1,) in '{LABEL_FILE}'. "
            "Save the labels as integers along one axis.",
        ),
        (
            LABEL_FILE,
            None,
            f"DATA: expected a file of labels in the folder of the images, got '{IMAGE_FILE}' without "
            f"'{LABEL_FILE}'. Put it there; its name has 'labels' in place of 'images'.",
        ),
        (
            IMAGE_FILE,
            None,
            "DATA: expected a file of training images, such as train-images-idx3-ubyte.gz, got "
            "'t10k-images-idx3-ubyte'.",
        ),
        (
            "other-train-images-idx3-ubyte",
            b"",
            f"DATA: expected one file of training images, got 'other-train-images-idx3-ubyte' and '{IMAGE_FILE}'. "
            "Keep each data set in its own folder.",
        ),
    ],
)
def test_idx_files_that_cannot_be_used(tmp_path, name, content, text):
    _mnist(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    _refused(tmp_path, text)


@settings(deadline=None)
@given(st.data())
def test_a_truncated_idx_file_is_an_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("idx")
    suffix = data.draw(st.sampled_from(["-ubyte", "-ubyte.gz"]))
    _mnist(folder, suffix)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ArgumentError, match=r"DATA: .*'(train|t10k)-(images|labels)-idx"):
        load(folder)


def test_a_well_known_data_set_gets_the_names_of_its_classes(tmp_path, monkeypatch):
    labels = np.tile(np.arange(2, dtype=np.uint8), 10)
    names = {hashlib.sha256(labels.tobytes()).hexdigest(): ("bag", "coat")}
    monkeypatch.setattr(known, "_CLASSES_BY_TRAINING_LABELS", names)
    for part in ("train", "t10k"):
        _write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.zeros((20, 8, 8), np.uint8))
        _write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    assert load(tmp_path).class_names == ("bag", "coat")
    _write_idx(tmp_path / "train-labels-idx1-ubyte", 1 - labels)
    assert load(tmp_path).class_names == ("0", "1")


def test_an_idx_file_without_samples_that_no_array_can_be(tmp_path):
    (tmp_path / IMAGE_FILE).write_bytes(b"\0\0\x08\x05" + struct.pack(">5I", 0, *[2**32 - 1] * 4))
    (tmp_path / LABEL_FILE).write_bytes(b"\0\0\x08\x01\0\0\0\0")
    with pytest.raises(ArgumentError, match="DATA: expected a plausible size"):
        load(tmp_path)


def test_names_of_classes_are_short(tmp_path):
    names = ["a" * 5000, "b"]
    np.savez(tmp_path / "x.npz", x=_picture(0, (20, 9, 12)), y=_labels(20), class_names=names)
    with pytest.raises(ArgumentError, match="class_names: expected short names"):
        load(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="70,001 names of up to 1,000 characters"):
        check_names(["a"] * 70_000 + ["b" * 1000])


def test_labels_of_many_digits_are_names(tmp_path):
    labels = np.array(["9" * 4500, "1"])[_labels(20)]
    np.savez(tmp_path / "x.npz", x=_picture(0, (20, 9, 12)), y=labels)
    with pytest.raises(ArgumentError, match="class_names: expected short names, got a name of 4,500 characters"):
        load(tmp_path / "x.npz")
