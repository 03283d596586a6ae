"""The data sets: what a Dataset accepts, the embedded subset, held-out samples, the script that made the subset."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.learn.datasets import EMBEDDED_FILE, Dataset, digest, hold_out, load_embedded
from faltung.learn.tensors import image_tensor, tensors

NAMES = ("bag", "coat")


def test_embedded_split_is_stratified_and_disjoint():
    split = load_embedded()
    for part, per_class in ((split.training, 475), (split.validation, 25), (split.test, 100)):
        assert np.bincount(part.labels).tolist() == [per_class] * 10
        assert part.image_shape == (1, 28, 28)
    seen = [{image.tobytes() for image in part.images} for part in (split.training, split.validation, split.test)]
    # Two pairs of equal images occur within the official training images; none across the parts.
    assert [len(images) for images in seen] == [len(split.training), len(split.validation), len(split.test)]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


def test_embedded_images_are_the_official_ones():
    # The labels of the official training files begin 9 0 0 3 0 2 7 2 5 5, and all of these are among the first 500.
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        assert file["training_labels"][:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
        assert file["training_images"].mean() / 255 == pytest.approx(0.286, abs=0.003)
        assert file["training_images"].std() / 255 == pytest.approx(0.353, abs=0.003)


def test_split_does_not_depend_on_global_random_state():
    np.random.seed(1)  # noqa: NPY002
    first = load_embedded()
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(first.validation.images, load_embedded().validation.images)


def _write(path: Path, **changes: np.ndarray) -> Path:
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        np.savez(path, **{**{name: file[name] for name in file.files}, **changes})
    return path


def test_other_contents_are_refused(tmp_path):
    labels = np.zeros(1000, np.uint8)
    path = _write(tmp_path / "data.npz", test_labels=labels)
    with pytest.raises(ArgumentError, match=r"path: expected the Fashion-MNIST subset .* got other contents"):
        load_embedded(path)


def test_same_contents_in_another_container_are_accepted(tmp_path):
    assert len(load_embedded(_write(tmp_path / "data.npz")).training) == 4750


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "not a zip", "pickle"])
def test_damaged_file_is_refused(tmp_path, damage):
    content = bytearray(EMBEDDED_FILE.read_bytes())
    path = tmp_path / "data.npz"
    if damage == "truncated":
        path.write_bytes(content[:1_000_000])
    elif damage == "flipped":
        content[1_000_000] ^= 0xFF
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "not a zip":
        path.write_bytes(b"hello" * 100)
    else:
        np.savez(path, training_images=np.array([{}], dtype=object))
    with pytest.raises(ArgumentError, match=r"got an unreadable file .*Install faltung again\."):
        load_embedded(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"got no file at .*nowhere\.npz"):
        load_embedded(tmp_path / "nowhere.npz")


def test_digest_depends_on_everything():
    base = np.arange(6, dtype=np.uint8)
    variants = [
        {"a": base},
        {"b": base},
        {"a": base.reshape(2, 3)},
        {"a": base.astype(np.uint16)},
        {"a": base[::-1]},
        {"a": base, "b": base[:0]},
    ]
    assert len({digest(arrays) for arrays in variants}) == len(variants)


@given(per_class=st.integers(1, 4), seed=st.integers(0, 1000))
def test_hold_out_takes_exactly_so_many_of_each_class(per_class, seed):
    labels = np.array([0, 1] * 5 + [0] * 3)
    images = np.arange(13, dtype=np.uint8).reshape(13, 1, 1).repeat(2, axis=2)
    remaining, held_out = hold_out(Dataset(images, labels, NAMES), per_class, seed)
    assert np.bincount(held_out.labels).tolist() == [per_class, per_class]
    assert sorted([*remaining.images[:, 0, 0], *held_out.images[:, 0, 0]]) == list(range(13))
    assert (labels[held_out.images[:, 0, 0]] == held_out.labels).all()


def test_hold_out_leaves_something_of_each_class():
    data = Dataset(np.zeros((3, 2, 2), np.uint8), np.array([0, 0, 1]), NAMES)
    with pytest.raises(
        ArgumentError, match="per_class: expected fewer than the 1 samples of the smallest class, got 1"
    ):
        hold_out(data, 1, seed=0)


@pytest.mark.parametrize(
    ("images", "labels", "error", "text"),
    [
        (
            np.zeros((2, 4, 4)),
            np.array([0, 1]),
            ArgumentTypeError,
            "images: expected a uint8 array, got dtype float64",
        ),
        (np.zeros((4, 4), np.uint8), np.array([0]), ArgumentError, r"images: .* got shape \(4, 4\)"),
        (np.zeros((0, 4, 4), np.uint8), np.zeros(0, int), ArgumentError, r"images: .* got shape \(0, 4, 4\)"),
        (
            np.zeros((2, 4, 4), np.uint8),
            np.array([0.0, 1.0]),
            ArgumentTypeError,
            "labels: .* got dtype float64",
        ),
        (np.zeros((2, 4, 4), np.uint8), np.array([0]), ArgumentError, "one label for each of the 2 images"),
        (
            np.zeros((2, 4, 4), np.uint8),
            np.array([0, 2]),
            ArgumentError,
            "indices from 0 to 1, .* got 0 to 2",
        ),
        (np.zeros((2, 4, 4), np.uint8), np.array([-1, 0]), ArgumentError, "got -1 to 0"),
    ],
)
def test_datasets_that_do_not_fit_are_refused(images, labels, error, text):
    with pytest.raises(error, match=text):
        Dataset(images, labels, NAMES)


def test_tensors_keep_every_pixel_and_label():
    colours = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    images, labels = tensors(Dataset(colours, np.array([1, 0], np.uint8), NAMES))
    assert images.shape == (2, 3, 3, 4)
    for sample, row, column, channel in np.ndindex(colours.shape):
        expected = np.float32(colours[sample, row, column, channel]) / np.float32(255)
        assert images[sample, channel, row, column].item() == expected
    assert labels.tolist() == [1, 0]
    assert image_tensor(colours[..., 0])[1, 0].tolist() == images[1, 0].tolist()


@pytest.fixture(scope="module")
def subset_script() -> ModuleType:
    path = Path(__file__).parents[1] / "tools" / "make_fashion_mnist_subset.py"
    spec = importlib.util.spec_from_file_location("make_fashion_mnist_subset", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def test_subset_script_takes_the_first_of_each_class(tmp_path, subset_script, monkeypatch):
    monkeypatch.setattr(subset_script, "TRAINING_IMAGES_PER_CLASS", 2)
    monkeypatch.setattr(subset_script, "TEST_IMAGES_PER_CLASS", 1)
    labels = np.array([1, 1, 0, 1, 0, 0, 1], np.uint8)
    images = np.arange(7 * 2 * 3, dtype=np.uint8).reshape(7, 2, 3)
    for prefix in ("train", "t10k"):
        _write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        _write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", labels)
    arrays = subset_script.make_subset(tmp_path)
    assert arrays["training_labels"].tolist() == [1, 1, 0, 0]
    assert np.array_equal(arrays["training_images"], images[[0, 1, 2, 4]])
    assert arrays["test_labels"].tolist() == [1, 0]
    assert np.array_equal(arrays["test_images"], images[[0, 2]])


def test_subset_script_refuses_other_files(tmp_path, subset_script):
    path = tmp_path / "other.gz"
    path.write_bytes(gzip.compress(b"not an IDX file"))
    with pytest.raises(SystemExit, match="not an IDX file of unsigned bytes"):
        subset_script.read_idx(path)
