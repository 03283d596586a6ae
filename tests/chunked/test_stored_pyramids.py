"""Images of several resolutions: levels are means or Gaussians, and are where their metadata says."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.chunked import apply, pyramid
from faltung.chunked.smaller_levels import factors_between

zarr = pytest.importorskip("zarr")

pytestmark = [
    pytest.mark.usefixtures("no_waiting"),
    pytest.mark.filterwarnings("ignore:.*Zarr format 3 specification.*"),
]


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def image_of(path):
    """Return arrays, scales and translations of an image, read as its version has them."""
    group = zarr.open_group(path, mode="r")
    attributes = dict(group.attrs)
    image = attributes.get("ome", attributes)["multiscales"][0]
    levels = [group[each["path"]] for each in image["datasets"]]
    steps = [each["coordinateTransformations"] for each in image["datasets"]]
    assert all([step["type"] for step in each] == ["scale", "translation"] for each in steps)
    return image, levels, [each[0]["scale"] for each in steps], [each[1]["translation"] for each in steps]


def mean_of(x, axis):
    """The mean of pairs along an axis; the last sample stands alone if their number is odd."""
    pairs = [x.take(range(at, min(at + 2, x.shape[axis])), axis).mean(axis) for at in range(0, x.shape[axis], 2)]
    return np.stack(pairs, axis)


@pytest.mark.parametrize("dtype", ["u1", "f4", "i8"])
@pytest.mark.parametrize(
    "layout", [{"chunks": (40, 50)}, {"chunks": (16, 32), "shards": (64, 64)}, {"chunks": (50, 50), "zarr_format": 2}]
)
def test_levels_are_means(tmp_path, rng, dtype, layout):
    x = rng.integers(0, 250, (301, 200)).astype(dtype)
    if dtype == "i8":
        x[0, 0] = 2**60 + 1  # a copy is exact, whatever floats hold
    zarr.create_array(tmp_path / "in.zarr", data=x, attributes={"a": 1}, **layout)
    pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", 4)
    image, levels, scales, places = image_of(tmp_path / "out.zarr")
    assert np.array_equal(levels[0][...], x)
    expected = x.astype("f8")
    for level, scale, place, finer in zip(levels[1:], scales[1:], places[1:], levels, strict=False):
        expected = mean_of(mean_of(finer[...].astype("f8"), 0), 1)
        slack = 0.5 if dtype != "f4" else 1e-3
        assert np.abs(level[...] - expected)[1:].max() <= slack
        assert level.dtype == x.dtype
        assert level.chunks == levels[0].chunks
        assert place == [(each - 1) / 2 for each in scale]
    assert scales == [[2.0**at] * 2 for at in range(4)]
    zarr_format = layout.get("zarr_format", 3)
    attributes = dict(zarr.open_group(tmp_path / "out.zarr").attrs)
    assert attributes.get("ome", image)["version"] == {2: "0.4", 3: "0.5"}[zarr_format]
    assert [axis["name"] for axis in image["axes"]] == ["y", "x"]
    assert {axis["type"] for axis in image["axes"]} == {"space"}


@pytest.mark.parametrize("method", ["mean", "gaussian"])
def test_a_ramp_has_the_value_of_the_place_in_every_level(tmp_path, method):
    """Only right translations show the same numbers at the same places: they are where nothing curves."""
    ramp = np.add.outer(np.arange(256.0) * 3, np.arange(300.0))
    zarr.create_array(tmp_path / "in.zarr", data=ramp, chunks=(64, 64))
    pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", 4, method)
    for level, scale, place in zip(*image_of(tmp_path / "out.zarr")[1:], strict=True):
        rows, columns = (np.arange(n) * s + p for n, s, p in zip(level.shape, scale, place, strict=True))
        expected = np.add.outer(rows * 3, columns)
        assert np.allclose(level[...][5:-5, 5:-5], expected[5:-5, 5:-5])


def test_a_gaussian_lets_less_through_that_cannot_be_shown(tmp_path):
    x = np.cos(2.4 * np.arange(512.0))[np.newaxis] * np.ones((64, 1))  # beyond the finest wave of the next level
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(64, 64))
    left = {}
    for method in ("mean", "gaussian"):
        pyramid(tmp_path / "in.zarr", tmp_path / f"{method}.zarr", 2, method)
        left[method] = np.abs(image_of(tmp_path / f"{method}.zarr")[1][1][:, 10:-10]).max()
    assert left["gaussian"] < 0.1 < 0.3 < left["mean"]


def test_axes_that_are_coarser_wait(tmp_path, rng):
    x = rng.random((2, 8, 64, 64)).astype("f4")
    names = ("c", "z", "y", "x")
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(1, 4, 32, 32), dimension_names=names)
    pyramid(tmp_path / "in.zarr", tmp_path / "cube.zarr", 2)
    assert image_of(tmp_path / "cube.zarr")[1][1].shape == (2, 4, 32, 32)
    group = zarr.open_group(tmp_path / "cube.zarr", mode="r+")
    ome = dict(group.attrs)["ome"]
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [1.0, 4.0, 0.5, 0.5]},
        {"type": "translation", "translation": [0.0, 10.0, 2.0, 3.0]},
    ]
    group.attrs["ome"] = ome
    pyramid(tmp_path / "cube.zarr", tmp_path / "out.zarr", 5)
    _, levels, scales, places = image_of(tmp_path / "out.zarr")
    assert [level.shape for level in levels] == [
        (2, 8, 64, 64),
        (2, 8, 32, 32),
        (2, 8, 16, 16),
        (2, 8, 8, 8),
        (2, 4, 4, 4),
    ]
    assert scales[3:] == [[1.0, 4.0, 4.0, 4.0], [1.0, 8.0, 8.0, 8.0]]
    assert places[1] == [0.0, 10.0, 2.25, 3.25]
    assert places[3:] == [[0.0, 10.0, 3.75, 4.75], [0.0, 12.0, 5.75, 6.75]]


def made_image(path, x, **layout):
    zarr.create_array(path.with_suffix(".base"), data=x, **layout)
    pyramid(path.with_suffix(".base"), path, 3)
    return zarr.open_group(path, mode="r+")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_filtered_image_keeps_its_metadata_and_its_levels(tmp_path, rng, zarr_format):
    x = rng.integers(0, 60000, (2, 101, 96)).astype("u2")
    names = (
        {"dimension_names": ("c", "y", "x")}
        if zarr_format == 3
        else {"attributes": {"_ARRAY_DIMENSIONS": list("cyx")}}
    )
    group = made_image(tmp_path / "in.zarr", x, chunks=(1, 32, 32), zarr_format=zarr_format, **names)
    group.attrs["omero"] = {"channels": [{"label": "DAPI"}]}
    labels = group.create_group("labels", attributes={"labels": ["cells"]})
    labels.create_array("cells", shape=(101, 96), dtype="u1", chunks=(50, 50))[...] = 3
    done = apply(tmp_path / "in.zarr", fa.gaussian(1.5), tmp_path / "out.zarr", dtype="u2")
    assert done.notes == (
        "The 2 smaller levels are made of the filtered one, each by the mean.",
        "Copied as it is, and not filtered: labels.",
    )
    out = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert dict(out.attrs) == dict(group.attrs)
    assert np.array_equal(out["0"][...], fa.convolve(x, fa.gaussian(1.5), dtype="u2"))
    for finer, level in (("0", "1"), ("1", "2")):
        expected = mean_of(mean_of(out[finer][...].astype("f8"), 1), 2)
        assert np.abs(out[level][...] - expected).max() <= 0.5
    assert np.array_equal(out["labels/cells"][...], group["labels/cells"][...])
    assert apply(tmp_path / "in.zarr", fa.gaussian(1.5), tmp_path / "out.zarr", dtype="u2", resume=True) == done
    with pytest.raises(fa.ArgumentError, match="resume"):
        apply(tmp_path / "in.zarr", fa.gaussian(1.0), tmp_path / "out.zarr", dtype="u2", resume=True)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_pyramid_of_an_image_keeps_what_it_says(tmp_path, rng, zarr_format):
    group = made_image(tmp_path / "in.zarr", rng.random((64, 64)), chunks=(32, 32), zarr_format=zarr_format)
    attributes = dict(group.attrs)
    inner = attributes.get("ome", attributes)
    inner["omero"] = {"channels": [{"label": "DAPI"}]}
    inner["multiscales"][0] |= {
        "name": "cells",
        "coordinateTransformations": [
            {"type": "scale", "scale": [2.0, 0.5]},
            {"type": "translation", "translation": [7.0, 1.0]},
        ],
    }
    inner["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [1.0, 4.0]},
        {"type": "translation", "translation": [10.0, 20.0]},
    ]
    group.attrs.put(attributes)
    group.create_group("labels")
    done = pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", 2)
    assert done.notes == ("Not copied: labels.",)
    image, _, scales, places = image_of(tmp_path / "out.zarr")
    assert (image["name"], scales, places[0]) == ("cells", [[2.0, 2.0], [4.0, 4.0]], [27.0, 11.0])
    found = dict(zarr.open_group(tmp_path / "out.zarr", mode="r").attrs)
    assert found.get("ome", found)["omero"] == inner["omero"]


def test_files_of_a_finished_image_that_are_lost_are_computed_again(tmp_path, rng):
    x = rng.random((70, 60)).astype("f4")
    x[:32, :32] = 0  # Zarr stores no file for it
    made_image(tmp_path / "in.zarr", x, chunks=(16, 16))

    def gone_on():
        told = []
        more = {"resume": True, "progress": lambda finished, count: told.append((finished, count))}
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", **more)
        return told

    gone_on()
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    before = [group[name][...] for name in "012"]
    assert len(gone_on()) == 3
    (tmp_path / "out.zarr" / "0" / "c" / "3" / "2").unlink()
    (tmp_path / "out.zarr" / "1" / "c" / "1" / "1").write_bytes(b"")
    assert len(gone_on()) > 3
    assert all(np.array_equal(group[name][...], old) for name, old in zip("012", before, strict=True))
    assert len(gone_on()) == 3


class Ended(Exception):
    """Ends a stream in the middle."""


@pytest.mark.parametrize("calls", [1, 2, 4, 6])
def test_an_image_is_gone_on_with_from_any_level(tmp_path, rng, calls):
    x = rng.random((200, 160)).astype("f4")
    group = made_image(tmp_path / "in.zarr", x, chunks=(64, 64))
    told = []

    def progress(finished, count):
        told.append((finished, count))
        if len(told) == calls:
            raise Ended

    with pytest.raises(Ended):
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", progress=progress)
    assert "faltung_unfinished" in zarr.open_group(tmp_path / "out.zarr", mode="r").attrs
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", resume=True)
    out = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert dict(out.attrs) == dict(group.attrs)
    assert np.allclose(out["0"][...], fa.convolve(x, fa.box(3)), atol=1e-6)
    assert np.allclose(out["2"][...], mean_of(mean_of(out["1"][...], 0), 1), atol=1e-6)
    assert {count for _, count in told} == {200 * 160 + 100 * 80 + 50 * 40}


def test_levels_that_are_no_fractions_are_named(tmp_path, rng):
    group = made_image(tmp_path / "in.zarr", rng.random((90, 90)), chunks=(32, 32))
    group.create_array("2", shape=(31, 30), dtype="f8", chunks=(32, 32), overwrite=True)
    notes = apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr").notes
    assert "Levels 2 are not kept" in notes[0]
    assert len(image_of(tmp_path / "out.zarr")[1]) == 2
    assert (factors_between((90, 91), (45, 45)), factors_between((90,), (30,))) == ((2, 2), (3,))


def test_what_is_no_image_is_refused(tmp_path, rng):
    zarr.create_group(tmp_path / "group.zarr").create_array("raw", shape=(4, 4), dtype="f4")
    with pytest.raises(fa.ArgumentError, match=r"Name one of the arrays or images in it, such as .*raw"):
        apply(tmp_path / "group.zarr", fa.box(3), tmp_path / "out.zarr")
    zarr.create_array(tmp_path / "flags.zarr", data=rng.random((9, 9)) > 0.5)
    zarr.create_array(tmp_path / "line.zarr", data=rng.random(9))
    for name, said in (("flags", "booleans"), ("line", "2 to 5 axes")):
        with pytest.raises(fa.ArgumentError, match=said):
            pyramid(tmp_path / f"{name}.zarr", tmp_path / "out.zarr")
    with pytest.raises(fa.ArgumentError, match="mean or gaussian"):
        pyramid(tmp_path / "line.zarr", tmp_path / "out.zarr", method="nearest")
    assert not (tmp_path / "out.zarr").exists()
