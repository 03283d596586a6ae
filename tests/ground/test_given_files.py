"""Files from outside: only regular ones are opened, and what they say of their size is not believed."""

from __future__ import annotations

import json
import os
import socket
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from faltung.ground import given_files
from faltung.ground.given_arrays import open_archive, read_npy
from faltung.ground.given_files import (
    check_fits,
    check_size,
    is_regular,
    open_regular,
    parsed_object,
    read_object,
    read_regular,
)


@pytest.fixture(params=["folder", "pipe", "socket", "device", "link to a pipe"])
def no_file(request, tmp_path):
    """What has a name and is no regular file."""
    path = tmp_path / "x"
    if request.param == "folder":
        path.mkdir()
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif request.param == "device":
        path.symlink_to(os.devnull)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    return path


@pytest.mark.parametrize("read", [open_regular, read_regular, read_object, read_npy, is_regular])
def test_only_regular_files_are_opened(no_file, read):
    if read is is_regular:
        assert not read(no_file)
        return
    with pytest.raises(OSError, match="it is a ") as caught:
        read(no_file)
    assert caught.value.filename == str(no_file)
    assert caught.value.strerror.startswith("it is a ")


def test_an_archive_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(OSError, match="it is a pipe"), open_archive(tmp_path / "a.npz"):
        pass


def test_a_file_may_unpack_to_what_deflate_can_do():
    for nbytes in (10**3, 2 * 10**5):
        flat = len(zlib.compress(bytes(1000 * nbytes), 9))
        check_size(1000 * nbytes, flat)
    check_size(2**27, 1)
    with pytest.raises(ValueError, match="its 1 bytes unpack to 134,217,729, which is implausible"):
        check_size(2**27 + 1, 1)


def test_what_does_not_fit_into_memory_is_refused_before(monkeypatch):
    monkeypatch.setattr(given_files, "free_bytes", lambda: 2**28)
    check_fits(2**28)
    check_fits(2**27)
    with pytest.raises(MemoryError, match=r"would take 0\.3 GB, and 0\.3 GB are free"):
        check_fits(2**28 + 1)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"[]", "no object"),
        (b'{"a": NaN}', "NaN, which is no number"),
        (b'{"a": [Infinity]}', "Infinity"),
        (b'{"a": 1e999}', "JSON compliant"),
        (b'{"a": "\\ud800"}', "surrogates"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"{", "Expecting"),
        (b"\xff\xfe\xfd", "codec"),
        (b"", "Expecting"),
        (b'{"a": ' + b"9" * 5000 + b"}", "limit"),
        (b'{"a": "' + bytes(2**24), "16,777,216 bytes"),
    ],
)
def test_descriptions_are_objects_of_numbers_and_texts(tmp_path, content, cause):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=cause):
        read_object(path)


def test_a_description_is_read(tmp_path):
    said = {"a": [1, 2.5, None, True, "ä"], "b": {"c": -1e308}}
    (tmp_path / "a.json").write_text(json.dumps(said))
    assert read_object(tmp_path / "a.json") == said


def npy(header, data=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HEADERS = {
    "a long axis": ("{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000,)}", "32,000,000,000 bytes"),
    "a shape beyond all": (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**40},)}}", "and there are"),
    "a negative axis": ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "cannot be"),
    "many axes": (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'1,' * 65})}}", "cannot be"),
    "no bytes": ("{'descr': '|V0', 'fortran_order': False, 'shape': (10,)}", "cannot be"),
    "objects": ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "objects of Python"),
    "brackets": ("[" * 300, "header"),
    "another version": (None, "version"),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("mapped", [True, False])
def test_headers_of_arrays_are_not_believed(tmp_path, name, mapped):
    header, cause = HEADERS[name]
    path = tmp_path / "a.npy"
    path.write_bytes(npy(header, bytes(8)) if header else b"\x93NUMPY\x07\x00" + bytes(99))
    tracemalloc.start()
    with pytest.raises(ValueError, match=cause):
        read_npy(path, mapped)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 3)), np.float32(3), np.eye(3).T])
def test_arrays_are_read(tmp_path, array, mapped):
    np.save(tmp_path / "a.npy", array)
    read = read_npy(tmp_path / "a.npy", mapped)
    assert read.dtype == np.asarray(array).dtype
    assert np.array_equal(read, array)


def archive(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)


def test_an_archive_is_not_unpacked_beyond_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(given_files, "_SMALL", 2**20)
    path = tmp_path / "a.npz"
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d,)}"
    bomb = npy(text % 2**24, bytes(2**24))
    archive(path, {"x.npy": bomb}, zipfile.ZIP_BZIP2)
    tracemalloc.start()
    with open_archive(path) as file, pytest.raises(ValueError, match="implausible"):
        file["x"]
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    few = npy(text % 2**20, bytes(10))  # it says more than there is
    archive(path, {"x.npy": few})
    with open_archive(path) as file, pytest.raises(ValueError, match="has 1,048,576 bytes, and there are 10"):
        file["x"]
    archive(path, {"x.npy": npy(text % 5, bytes(10))})
    with open_archive(path) as file, pytest.raises(ValueError, match="has 5 bytes, and there are 10"):
        file["x"]


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    whole = path.read_bytes()
    for place in (60, 300, len(whole) - 30):
        content = bytearray(whole)
        content[place] ^= 255
        path.write_bytes(content)
        with pytest.raises(ValueError), open_archive(path) as file:  # noqa: PT011  # the texts are those of zipfile
            file["x"]


@pytest.mark.parametrize("shape", [(0, 2**63), (0, 2**62, 2**62), (2**70, 0)])
def test_an_array_without_samples_that_no_array_can_be(tmp_path, shape):
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with pytest.raises(ValueError, match="cannot be"):
        read_npy(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "x.npy")
    with open_archive(tmp_path / "a.npz") as opened, pytest.raises(ValueError, match="cannot be"):
        opened["x"]


@pytest.mark.parametrize("order", "<>")
def test_texts_of_letters_that_unicode_does_not_have(tmp_path, order):
    texts = np.array([[0x41, 0x10FFFF], [0x42, 0x110000]], f"{order}u4").view(f"{order}U1")
    np.savez(tmp_path / "a.npz", good=texts[:1], bad=texts)
    np.save(tmp_path / "a.npy", texts)
    with open_archive(tmp_path / "a.npz") as opened:
        assert opened["good"].tolist() == [["A", "\U0010ffff"]]
        with pytest.raises(ValueError, match="letters that Unicode does not have"):
            opened["bad"]
    with pytest.raises(ValueError, match="letters that Unicode does not have"):
        read_npy(tmp_path / "a.npy")


def test_a_file_that_does_not_fit_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(given_files, "free_bytes", lambda: 1 << 20)
    with open(tmp_path / "holes", "wb") as file:
        file.truncate(1 << 28)
    with pytest.raises(MemoryError, match="GB are free"):
        read_regular(tmp_path / "holes")


def test_a_description_inside_of_another_file_has_no_more_bytes_either():
    with pytest.raises(ValueError, match="16,777,216 bytes"):
        parsed_object('{"a": "' + " " * 2**24 + '"}')
