"""Data sets: the arrays that they accept, splits, the embedded subset, and the script that made the subset."""

from __future__ import annotations

import gzip
import importlib.util
import json
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.datasets import dataset as datasets
from faltung.datasets.dataset import PARTS, Dataset, Split, digest
from faltung.datasets.embedded import EMBEDDED_FILE, load_embedded
from faltung.datasets.splitting import RawPart, hold_out, split_parts
from faltung.errors import ArgumentError, ArgumentTypeError

NAMES = ("bag", "coat")


def test_embedded_split_is_stratified_and_disjoint():
    split = load_embedded()
    for part, per_class in ((split.training, 475), (split.validation, 25), (split.test, 100)):
        assert np.bincount(part.labels).tolist() == [per_class] * 10
        assert part.sample_shape == (1, 28, 28)
    seen = [{image.tobytes() for image in part.samples} for part in (split.training, split.validation, split.test)]
    # Two pairs of equal images occur within the official training images; none across the parts.
    assert [len(images) for images in seen] == [len(split.training), len(split.validation), len(split.test)]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    assert split.duplicates == 0


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
    assert np.array_equal(first.validation.samples, load_embedded().validation.samples)


def _write(path: Path, **changes: np.ndarray) -> Path:
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        np.savez(path, **{**{name: file[name] for name in file.files}, **changes})
    return path


def test_other_contents_are_refused(tmp_path):
    labels = np.zeros(1000, np.uint8)
    path = _write(tmp_path / "data.npz", test_labels=labels)
    with pytest.raises(ArgumentError, match=r"path: expected the Fashion-MNIST subset .* got other contents"):
        load_embedded(path)


def test_the_same_contents_in_another_file_are_accepted(tmp_path):
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


@given(counts=st.tuples(st.integers(0, 7), st.integers(0, 4)), seed=st.integers(0, 1000))
def test_hold_out_chooses_the_given_number_of_each_class(counts, seed):
    labels = np.array([0, 1] * 5 + [0] * 3)
    chosen = hold_out(labels, counts, np.random.default_rng(seed))
    assert np.bincount(labels[chosen], minlength=2).tolist() == [*counts]


def test_hold_out_leaves_samples_of_each_class():
    with pytest.raises(ArgumentError, match="counts: expected fewer than the 1 samples of class 1, got 1"):
        hold_out(np.array([0, 0, 1]), [1, 1], np.random.default_rng(0))


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(3, 40), min_size=2, max_size=5),
    fractions=st.tuples(st.floats(0.01, 0.49), st.floats(0.01, 0.49)),
    given_part=st.sampled_from([None, "validation", "test"]),
    seed=st.integers(0, 99),
)
def test_held_out_parts_have_their_fraction_of_every_class(sizes, fractions, given_part, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    samples = np.arange(len(labels), dtype=np.float32)[:, None, None].repeat(2, axis=1)
    parts = {"training": RawPart(samples.copy(), labels)}
    if given_part:
        parts[given_part] = RawPart(-samples - 1, labels)
    split = split_parts(parts, "", validation=fractions[0], test=fractions[1], seed=seed)
    made = [part for part in ("validation", "test") if part != given_part]
    for part in PARTS:
        data, indices = getattr(split, part), np.array(split.parts()[part])
        if part == given_part:
            assert np.array_equal(data.samples, -samples - 1)
            assert np.array_equal(indices, np.arange(len(labels)) + len(labels))
        else:
            assert np.array_equal(data.samples, samples[indices])
            assert np.array_equal(data.labels, labels[indices])
            assert (np.diff(indices) > 0).all()
            assert np.bincount(data.labels, minlength=len(sizes)).min() >= 1
    drawn = np.concatenate([split.parts()[part] for part in ("training", *made)])
    assert sorted(drawn) == [*range(len(labels))]
    for part, fraction in zip(("validation", "test"), fractions, strict=True):
        if part in made:
            counts = np.bincount(getattr(split, part).labels)
            assert all(
                abs(count - fraction * size) <= 1 or count == 1 for count, size in zip(counts, sizes, strict=True)
            )


SHAPE = r"samples: expected shape \(samples, channels, \*spatial\) with one to three spatial axes, none of them zero"


@pytest.mark.parametrize(
    ("samples", "labels", "error", "text"),
    [
        (
            np.zeros((2, 1, 4, 4)),
            np.array([0, 1]),
            ArgumentTypeError,
            "samples: expected a uint8 or float32 array, got dtype float64",
        ),
        (np.zeros((4, 4), np.uint8), np.array([0]), ArgumentError, rf"{SHAPE}, got shape \(4, 4\)"),
        (np.zeros((1,) * 6, np.uint8), np.array([0]), ArgumentError, rf"{SHAPE}, got shape \(1, 1, 1, 1, 1, 1\)"),
        (np.zeros((0, 1, 4), np.float32), np.zeros(0, int), ArgumentError, rf"{SHAPE}, got shape \(0, 1, 4\)"),
        (
            np.zeros((2, 1, 4, 4), np.uint8),
            np.array([0.0, 1.0]),
            ArgumentTypeError,
            "labels: .* got dtype float64",
        ),
        (np.zeros((2, 1, 4, 4), np.uint8), np.array([0]), ArgumentError, "one label for each of the 2 samples"),
        (
            np.zeros((2, 1, 4, 4), np.uint8),
            np.array([0, 2]),
            ArgumentError,
            "indices from 0 to 1, .* got 0 to 2",
        ),
        (np.zeros((2, 1, 4, 4), np.uint8), np.array([-1, 0]), ArgumentError, "got -1 to 0"),
    ],
)
def test_datasets_that_do_not_fit_are_refused(samples, labels, error, text):
    with pytest.raises(error, match=text):
        Dataset(samples, labels, NAMES)


@pytest.mark.parametrize("spatial", [(9,), (5, 7), (4, 5, 6)])
def test_datasets_know_their_shape(spatial):
    data = Dataset(np.zeros((6, 2, *spatial), np.float32), np.array([0, 1] * 3), NAMES)
    assert (len(data), data.sample_shape, data.ndim) == (6, (2, *spatial), len(spatial))
    part = data.subset(np.array([3, 1, 2]))
    assert (len(part), part.labels.tolist(), part.class_names) == (3, [1, 1, 0], NAMES)


def _data(values: list[int], names: tuple[str, ...] = NAMES, length: int = 4) -> Dataset:
    samples = np.repeat(np.array(values, np.uint8), length).reshape(-1, 1, length)
    return Dataset(samples, np.arange(len(values)) % 2, names)


def test_parts_of_a_split_have_the_same_classes_and_shape():
    data = _data([1, 2])
    with pytest.raises(ArgumentError, match=r"validation: expected the classes of training, \('bag', 'coat'\), got"):
        Split(data, _data([1, 2], ("coat", "bag")), data, "")
    text = r"test: expected samples like those of training, uint8 of shape \(1, 4\), got uint8 of shape \(1, 5\)\."
    with pytest.raises(ArgumentError, match=text):
        Split(data, data, _data([1, 2], length=5), "")


def test_duplicates_are_test_samples_that_are_training_samples():
    assert Split(_data([1, 2, 3]), _data([7]), _data([3, 9, 3, 7, 1]), "").duplicates == 3


def test_digest_of_a_split_depends_on_which_part_is_which():
    first, second, third = _data([1, 2]), _data([3, 4]), _data([5, 6])
    renamed = [_data([value, value + 1], ("a", "b")) for value in (1, 3, 5)]
    orders = [(first, second, third), (second, first, third), (first, third, second), renamed]
    assert len({Split(*parts, "").digest for parts in orders}) == len(orders)
    assert Split(first, second, third, "").digest == Split(_data([1, 2]), second, third, "other name").digest


def test_digest_does_not_depend_on_the_order_in_memory(monkeypatch):
    array = np.random.default_rng(0).integers(0, 255, (7, 5, 3), dtype=np.uint8)
    expected = digest({"a": array})
    monkeypatch.setattr(datasets, "_BLOCK", 40)  # two rows and a bit
    assert digest({"a": array}) == expected
    assert digest({"a": np.asfortranarray(array)}) == expected
    assert digest({"a": array.transpose(2, 1, 0).copy().transpose(2, 1, 0)}) == expected


def test_members_can_be_written_as_json():
    data = _data([1, 2])
    assert Split(data, data, data, "").parts() == {}
    files = {"training": ("a", "b"), "validation": np.array([0, 3]), "test": [1, 2]}
    parts = Split(data, data, data, "", members=files).parts()
    assert json.loads(json.dumps(parts)) == {"training": ["a", "b"], "validation": [0, 3], "test": [1, 2]}


def test_embedded_members_are_indices_of_the_file():
    split = load_embedded()
    with np.load(EMBEDDED_FILE, allow_pickle=False) as file:
        images = np.concatenate([file["training_images"], file["test_images"]])
    for part in ("training", "validation", "test"):
        assert np.array_equal(images[split.parts()[part]], getattr(split, part).samples[:, 0])


@pytest.fixture(scope="module")
def subset_script() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "make_fashion_mnist_subset.py"
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
