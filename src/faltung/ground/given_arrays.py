"""How are arrays in files of NumPy read? Their headers are compared with what is there; nothing is unpickled."""

from __future__ import annotations

import lzma
import math
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from faltung.ground.given_files import check_fits, check_regular, check_size, open_regular

__all__ = ["ArrayArchive", "npy_header", "open_archive", "read_npy"]

_ENDING = ".npy"
_MOST_AXES = 32
#: Bytes beyond which NumPy makes no array, even if another axis has no samples: it counts that as one.
_MOST_BYTES = 2**63 - 1
#: What `zipfile` and its decoders raise for damaged files, beside ValueError and OSError.
_ERRORS: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
_ERRORS += (NotImplementedError, RuntimeError, EOFError, IndexError, OverflowError)


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the first axis is the fastest, and dtype of an array in a file.

    Raises
    ------
    ValueError
        The file does not begin as one, or its array is none of plain values.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"version {version} of its format is not known")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, transposed, dtype = read(file)
    except ValueError:
        raise
    except Exception as error:  # the header is an expression of Python, whose parser has errors of its own
        raise ValueError("its header is damaged") from error
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, for which code would have to run")
    without_samples = 0 in shape and math.prod(length or 1 for length in shape) * dtype.itemsize > _MOST_BYTES
    if len(shape) > _MOST_AXES or min(shape, default=0) < 0 or not dtype.itemsize or without_samples:
        raise ValueError(f"an array of shape {str(shape)[:80]} and dtype {str(dtype)[:80]} cannot be")
    return shape, transposed, dtype


def read_npy(path: str | os.PathLike[str], mapped: bool = False) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, in memory or mapped into it.

    Raises
    ------
    OSError
        It is no file, or cannot be read.
    ValueError
        It is damaged, or not of plain values.
    MemoryError
        It does not fit.
    """
    size = check_regular(path)
    with open_regular(path) as file:
        nbytes = _whole(file, size - file.tell(), size)
        if mapped and nbytes:
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        check_fits(nbytes)
        file.seek(0)
        return _checked_letters(np.lib.format.read_array(file, allow_pickle=False))


def _checked_letters(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array, or raise ValueError if it has texts in it of which no text of Python can be made."""
    if array.dtype.kind == "U" and array.size:
        letters = array.reshape(-1).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if letters.max() > sys.maxunicode:
            raise ValueError("it holds texts with letters that Unicode does not have")
    return array


def _whole(file: IO[bytes], size: int, whole: int, exact: bool = False) -> int:
    """Return the bytes of the array that a file holds, or raise ValueError if they cannot be in `size` bytes."""
    begin = file.tell()
    shape, _, dtype = npy_header(file)
    nbytes, there = math.prod(shape) * dtype.itemsize, size - (file.tell() - begin)
    if nbytes > there or (exact and nbytes != there):
        said = f"an array of shape {str(shape)[:80]} and dtype {str(dtype)[:80]} has {nbytes:,} bytes"
        raise ValueError(f"{said}, and there are {there:,}")
    return nbytes


class ArrayArchive:
    """The arrays in an open ``.npz`` file, which are read one by one.

    Parameters
    ----------
    file : zipfile.ZipFile
        The file.
    size : int
        Its bytes.

    Attributes
    ----------
    names : list of str
        Names of the arrays.
    """

    def __init__(self, file: zipfile.ZipFile, size: int) -> None:
        self._file, self._size, self._unpacked = file, size, 0
        self._members = {info.filename.removesuffix(_ENDING): info for info in file.infolist()}
        self.names = [*self._members]

    def __getitem__(self, name: str) -> NDArray[Any]:
        info = self._members[name]
        # What is stored twice is unpacked twice, so all of them together are compared with the file.
        self._unpacked += info.file_size
        check_size(self._unpacked, self._size)
        check_fits(info.file_size)
        with self._file.open(info) as member:
            _whole(member, info.file_size, info.file_size, exact=True)
        with self._file.open(info) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            member.read(1)  # the checksum is looked at where the member ends
            return _checked_letters(array)


@contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[ArrayArchive]:
    """Open a ``.npz`` file.

    Raises
    ------
    OSError
        It is no file, or cannot be read.
    ValueError
        It is damaged, or not of plain values.
    MemoryError
        An array does not fit.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/a.npz", x=np.arange(3))
    ...     with open_archive(f"{folder}/a.npz") as archive:
    ...         archive.names, archive["x"]
    (['x'], array([0, 1, 2]))
    """
    size = check_regular(path)
    with open_regular(path) as stream:
        try:
            with zipfile.ZipFile(stream) as file:
                yield ArrayArchive(file, size)
        except (OSError, MemoryError, ValueError):
            raise
        except _ERRORS as error:
            raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
