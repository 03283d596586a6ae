"""What is damaged, or is no array of numbers, is refused in a sentence that names it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import faltung as fa
from faltung.chunked import apply, pyramid, zarr_sink

sys.path.insert(0, str(Path(__file__).parents[1]))
import fuzzed_files
import hostile_cases

zarr = pytest.importorskip("zarr")

pytestmark = pytest.mark.filterwarnings("ignore:.*Zarr format 3 specification.*", "ignore:.*Zarr V3 specification.*")


def run(name, source, target):
    return apply(source, fa.box(3), target) if name == "apply" else pyramid(source, target)


@pytest.mark.parametrize("name", ["apply", "pyramid"])
def test_a_damaged_chunk_is_named(tmp_path, name):
    zarr.create_array(tmp_path / "in.zarr", data=np.ones((64, 64)), chunks=(16, 16))
    (tmp_path / "in.zarr" / "c" / "1" / "2").write_bytes(b"rubbish")
    with pytest.raises(fa.ArgumentError, match=r"source: expected samples .*in\.zarr', whose chunk 1, 2 is damaged"):
        run(name, tmp_path / "in.zarr", tmp_path / "out.zarr")


@pytest.mark.parametrize("name", ["apply", "pyramid"])
@pytest.mark.parametrize("path", ["absent", "../base.zarr", "/base.zarr", "", 5, None])
def test_levels_that_are_not_there_are_named(tmp_path, name, path):
    zarr.create_array(tmp_path / "base.zarr", data=np.ones((64, 64)), chunks=(16, 16))
    pyramid(tmp_path / "base.zarr", tmp_path / "in.zarr", 2)
    group = zarr.open_group(tmp_path / "in.zarr", mode="r+")
    ome = dict(group.attrs)["ome"]
    ome["multiscales"][0]["datasets"][1]["path"] = path
    group.attrs["ome"] = ome
    said = r"got none at 'absent'" if path == "absent" else r"source: expected levels below '.*in\.zarr'"
    with pytest.raises(fa.ArgumentError, match=said):
        run(name, tmp_path / "in.zarr", tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("name", ["apply", "pyramid"])
@pytest.mark.parametrize("dtype", ["U5", str])
def test_text_is_refused(tmp_path, name, dtype):
    zarr.create_array(tmp_path / "in.zarr", shape=(8, 8), dtype=dtype, chunks=(4, 4))
    with pytest.raises(fa.ArgumentTypeError, match="source: expected an array of numbers"):
        run(name, tmp_path / "in.zarr", tmp_path / "out.zarr")


@pytest.mark.parametrize("name", ["apply", "pyramid"])
def test_an_output_is_a_path(tmp_path, name):
    zarr.create_array(tmp_path / "in.zarr", data=np.ones((8, 8)), chunks=(4, 4))
    with pytest.raises(fa.ArgumentTypeError, match="out: expected the path of a folder or file, got a dict"):
        run(name, tmp_path / "in.zarr", {})


def test_a_full_disk_is_named_and_the_result_gone_on_with(tmp_path, monkeypatch):
    x = np.random.default_rng(1).random((64, 64))
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16))

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zarr_sink.ZarrSink, "write", full)
        with pytest.raises(OSError, match=r"No space left .*--resume: '.*out\.zarr'") as caught:
            apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr")
        assert caught.value.errno == errno.ENOSPC
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", resume=True)
    assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], fa.convolve(x, fa.box(3)))


@pytest.mark.parametrize("seed", range(2))
def test_damaged_metadata(tmp_path, seed):
    read, refused, failures = fuzzed_files.attack(15, seed, tmp_path, hostile_cases.cases("arrays"))
    assert not failures
    assert read
    assert refused


@pytest.mark.parametrize("place", ["c/0/0", "zarr.json"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path, place):
    zarr.create_array(tmp_path / "base.zarr", data=np.ones((8, 8)), chunks=(4, 4))
    pyramid(tmp_path / "base.zarr", tmp_path / "in.zarr", 2)
    os.unlink(tmp_path / "in.zarr/1" / place)
    os.mkfifo(tmp_path / "in.zarr/1" / place)
    with pytest.raises(fa.ArgumentError, match="it is a pipe, and no file"):
        apply(tmp_path / "in.zarr/1" if "c" in place else tmp_path / "in.zarr", fa.box(3), tmp_path / "out.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.zarr", "in.zarr"]


@pytest.mark.parametrize("name", ["apply", "pyramid"])
@pytest.mark.parametrize(
    "changed",
    [
        {"axes": 5},
        {"axes": [{"name": "y"}]},
        {"datasets": {"path": "0"}},
        {"coordinateTransformations": [{"type": "scale", "scale": ["1", 1]}]},
        {"coordinateTransformations": [{"type": "scale", "scale": [0, 1]}]},
        {"coordinateTransformations": [{"type": "translation", "translation": [10**400, 1]}]},
        {"coordinateTransformations": 7},
    ],
)
def test_images_of_other_metadata_are_refused(tmp_path, name, changed):
    zarr.create_array(tmp_path / "base.zarr", data=np.ones((8, 8)), chunks=(4, 4))
    pyramid(tmp_path / "base.zarr", tmp_path / "in.zarr", 2)
    group = zarr.open_group(tmp_path / "in.zarr", mode="r+")
    ome = dict(group.attrs)["ome"]
    ome["multiscales"][0] |= changed
    group.attrs["ome"] = ome
    if name == "apply" and "coordinateTransformations" in changed:
        return  # they are copied
    with pytest.raises(fa.ArgumentError, match="source: expected"):
        run(name, tmp_path / "in.zarr", tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


def test_an_array_of_more_chunks_than_memory_has_room_for_is_refused(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", shape=(2**40, 2**40), chunks=(64, 64), dtype="uint8")
    for target in ("out.zarr", "out.npy"):
        with pytest.raises(MemoryError, match="GB are free"):
            apply(tmp_path / "in.zarr", fa.box(3), tmp_path / target)
        assert not (tmp_path / target).exists()


def test_an_array_without_columns_becomes_an_empty_file(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", shape=(5, 0), chunks=(2, 2), dtype="uint8")
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.npy")
    assert np.load(tmp_path / "out.npy").shape == (5, 0)


def sparse(folder, shape, chunks, **attributes):
    """Make an array without any chunk."""
    return zarr.create_array(folder, shape=shape, chunks=chunks, dtype="u1", attributes=attributes)


def image(folder, *levels):
    """Make an image of levels without any chunk."""
    for name, shape in enumerate(levels):
        sparse(folder / str(name), shape, tuple(min(length, 1000) for length in shape))
    datasets = [{"path": str(name)} for name in range(len(levels))]
    axes = [{"name": name, "type": "space"} for name in "yx"]
    zarr.create_group(
        folder, attributes={"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}}
    )
    return folder


@pytest.mark.parametrize(
    "fill",
    [10**30, -(10**400), [1, 10**30], [[1], [1, 2]], [[1, 2], [3, 4]], {"a": 1}, [], "text"],
    ids=lambda fill: str(fill)[:20],
)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_any_value_may_be_declared_missing(tmp_path, fill, dtype):
    x = np.ones((8, 8), dtype)
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(8, 8), attributes={"_FillValue": fill})
    if isinstance(fill, int) or fill in ([], [1, 10**30]):
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", dtype="f4")
    else:
        with pytest.raises((fa.ArgumentTypeError, fa.ArgumentError), match="_FillValue"):
            apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr")


def test_links_in_circles_end(tmp_path):
    sparse(tmp_path / "in.zarr", (8, 8), (8, 8))
    for name in "abc":
        (tmp_path / "in.zarr" / name).symlink_to(".")
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr")


@pytest.mark.parametrize("kind", ["device", "pipe", "circle"])
def test_what_has_no_end_is_not_copied(tmp_path, kind):
    source = image(tmp_path / "in.zarr", (8, 8))
    (source / "labels").mkdir()
    if kind == "pipe":
        os.mkfifo(source / "labels" / "x")
    else:
        (source / "labels" / "x").symlink_to("/dev/zero" if kind == "device" else ".")
    with pytest.raises((OSError, fa.ArgumentError), match=r"and no file|a link to one of them"):
        apply(source, fa.box(3), tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr" / "0").exists()


def test_levels_that_are_far_apart_are_not_made(tmp_path):
    source = image(tmp_path / "in.zarr", (1, 5000), (1, 1))
    notes = apply(source, fa.box((1, 3)), tmp_path / "out.zarr").notes
    assert any("Levels 1 are not kept" in note for note in notes)


def test_there_are_few_levels(tmp_path):
    source = image(tmp_path / "in.zarr", *[(1, 1)] * 65)
    with pytest.raises(fa.ArgumentError, match="source: expected an image of at most 64 levels, got 65"):
        apply(source, fa.box(1), tmp_path / "out.zarr")


def test_an_output_that_holds_a_pipe_is_not_waited_for(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((8, 8)))
    (tmp_path / "out.zarr").mkdir()
    os.mkfifo(tmp_path / "out.zarr" / "zarr.json")
    with pytest.raises(fa.ArgumentError, match="out: expected a folder that does not exist yet"):
        apply(tmp_path / "a.npy", fa.box(3), tmp_path / "out.zarr")
