"""The arguments of data sets: integers are integers, fractions are numbers, and errors say what to pass instead."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa

NOT_INTEGERS = (2.0, True, np.float64(2), np.bool_(True), 1.5, float("nan"), "2", 2j, [2])
NOT_REAL = (True, np.bool_(False), "0.1", 0.1j, [0.1], None)


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((12, 9, 8, 3)), y=[0, 1] * 6)
    return tmp_path / "x.npz"


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", ["ndim", "size", "seed"])
def test_integers_are_integers(path, name, value):
    with pytest.raises(fa.ArgumentTypeError, match=f"{name}: expected an integer from .* got "):
        fa.datasets.load(path, **{name: value})


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
@pytest.mark.parametrize(("name", "value"), [("ndim", 2), ("size", 16), ("seed", 0)])
def test_the_remedy_is_the_equal_integer(path, name, value, kind):
    with pytest.raises(fa.ArgumentTypeError, match=rf"{name}: .* Use {value}\.$"):
        fa.datasets.load(path, **{name: kind(value)})


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=repr)
def test_the_number_of_validation_images_is_an_integer(value):
    with pytest.raises(fa.ArgumentTypeError, match="validation_per_class: expected an integer from 1 to 499, got "):
        fa.datasets.load_embedded(validation_per_class=value)


@pytest.mark.parametrize("value", [0, -1, 500])
def test_every_part_of_the_embedded_data_set_has_images(value):
    with pytest.raises(
        fa.ArgumentError, match=f"validation_per_class: expected an integer from 1 to 499, got {value}"
    ):
        fa.datasets.load_embedded(validation_per_class=value)
    split = fa.datasets.load_embedded(validation_per_class=499)
    assert (len(split.training), len(split.validation)) == (10, 4990)


@pytest.mark.parametrize("value", [value for value in NOT_REAL if value is not None], ids=repr)
@pytest.mark.parametrize("name", ["validation", "test"])
def test_fractions_are_real_numbers(path, name, value):
    with pytest.raises(fa.ArgumentTypeError, match=f"{name}: expected a real number, got "):
        fa.datasets.load(path, **{name: value})


@pytest.mark.parametrize("value", [3, None, 1.5, ["x.npz"]], ids=repr)
def test_a_path_is_a_path(value):
    with pytest.raises(fa.ArgumentTypeError, match="path: expected the path of a folder or file, got "):
        fa.datasets.load(value)


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_integers_of_numpy_are_integers(path, kind):
    expected = fa.datasets.load(path, ndim=2, size=10, seed=3)
    assert expected.origin["path"] == str(path.resolve())
    again = fa.datasets.load(**expected.origin)
    assert (again.digest, again.parts(), again.origin) == (expected.digest, expected.parts(), expected.origin)
    split = fa.datasets.load(str(path), ndim=kind(2), size=kind(10), seed=kind(3), test=np.float32(0.1))
    assert (split.digest, split.parts()) == (expected.digest, expected.parts())


def test_the_origin_of_the_embedded_data_set_is_empty():
    assert fa.datasets.load_embedded().origin == {}
    assert fa.datasets.load_embedded(validation_per_class=3).origin is None
