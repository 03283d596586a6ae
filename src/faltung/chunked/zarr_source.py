"""How is a Zarr array opened and read? By regions, in the byte order of the machine."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.chunked.journal import JOURNAL
from faltung.chunked.memory_budget import fresh
from faltung.chunked.multiscales import axes_of_array
from faltung.chunked.zarr_layout import ZarrLayout, layout_of
from faltung.errors import ArgumentError, ArgumentTypeError, MissingExtraError
from faltung.ground.lazy import lazy

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ZarrSource", "digest_of_files", "folder_of", "is_zarr", "open_zarr"]

_LEAST_VERSION = 3
_MARKS = ("zarr.json", ".zarray", ".zgroup")


def is_zarr(path: str | Path) -> bool:
    """Whether a folder holds a Zarr array or group.

    Examples
    --------
    >>> is_zarr("missing")
    False
    """
    return any(os.path.isfile(os.path.join(path, mark)) for mark in _MARKS)


def open_zarr(path: Path, argument: str = "source") -> Any:
    """Return the array or the group in a folder, to be read.

    Raises
    ------
    ArgumentError
        There is none.
    MissingExtraError
        The package ``zarr`` is not installed.
    """
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise MissingExtraError("A Zarr array", "chunked") from error
    if int(zarr.__version__.split(".")[0]) < _LEAST_VERSION:
        raise MissingExtraError(f"A Zarr array, of which zarr {zarr.__version__} knows too little,", "chunked")
    from faltung.chunked.regular_store import RegularStore

    if not is_zarr(path):
        raise ArgumentError(argument, "the folder of a Zarr array or group", f"'{path}'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = zarr.open(store=RegularStore(path, read_only=True), mode="r")
        dict(opened.attrs)  # they are read later, and can be anything
        return opened
    except Exception as error:  # damaged metadata can raise any kind of error
        said = " ".join(str(error).split())[:300]
        raise ArgumentError(argument, "a Zarr array that can be read", f"'{path}' ({said})") from error


def folder_of(array: Any) -> Path | None:
    """Return the folder of an array or group; None if it is not in a folder of this machine."""
    from zarr.storage import LocalStore

    return Path(array.store.root) / array.path if isinstance(array.store, LocalStore) else None


def digest_of_files(folder: Path) -> str:
    """Return a number that changes with every file in a folder: its names, sizes and times."""
    digest, seen = hashlib.blake2b(digest_size=16), set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        # A folder that is linked again says nothing new; links may lead in circles.
        folders[:] = sorted(name for name in folders if _is_new(os.path.join(place, name), seen))
        for name in sorted(names):
            if name != JOURNAL:
                path = os.path.join(place, name)
                found = os.stat(path)
                if not stat.S_ISREG(found.st_mode):
                    raise _unreadable(f"'{path}', which is no file")
                said = f"{os.path.relpath(path, folder)}\0{found.st_size}\0{found.st_mtime_ns}\n"
                digest.update(said.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _is_new(folder: str, seen: set[str]) -> bool:
    real = os.path.realpath(folder)
    new = real not in seen
    seen.add(real)
    return new


def _unreadable(received: str) -> ArgumentError:
    return ArgumentError("source", "samples that can be read", received, "Restore it, or write it again.")


class ZarrSource:
    """A Zarr array that is read by regions.

    Parameters
    ----------
    array : zarr.Array
        The array.
    """

    packed = True

    def __init__(self, array: Any) -> None:
        self.array = array
        if getattr(array.dtype, "kind", "") not in (*"biufc",):
            raise ArgumentTypeError("source", "an array of numbers", f"'{array.name}' of {array.dtype}")
        if min((*array.chunks, *(array.shards or ())), default=1) < 1:
            raise ArgumentError("source", "chunks with samples in them", f"'{array.name}' with none")
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype).newbyteorder("=")
        self.chunk: tuple[int, ...] = tuple(array.chunks)
        self.folder = folder_of(array)
        self.axes = axes_of_array(array)

    @lazy
    def layout(self) -> ZarrLayout:
        """How it is stored."""
        return layout_of(self.array)

    @property
    def stored(self) -> np.dtype[Any]:
        """The dtype in the file."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def read(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Return samples."""
        from zarr.buffer import default_buffer_prototype

        samples = fresh([part.stop - part.start for part in index], self.stored)
        buffer = default_buffer_prototype().nd_buffer.from_numpy_array(samples)
        try:
            self.array.get_basic_selection(index, out=buffer)
        except MemoryError:
            raise
        except Exception as error:  # what codecs raise for damaged bytes can be of any kind
            raise self._damaged(index, error) from error
        return samples.astype(self.dtype, copy=False)

    def _damaged(self, index: tuple[slice, ...], error: Exception) -> ArgumentError:
        """Return the error for samples that cannot be read; it names the first chunk that cannot be unpacked."""
        steps = zip(index, self.chunk, strict=True)
        said = " ".join(str(error).split())[:200] or type(error).__name__
        where = self.folder or self.array.name
        for chunk in itertools.product(*(range(part.start // size, -(-part.stop // size)) for part, size in steps)):
            try:
                self._chunk(chunk)
            except Exception:
                return _unreadable(f"'{where}', whose chunk {', '.join(map(str, chunk))} is damaged ({said})")
        return _unreadable(f"'{where}' ({said})")

    def _chunk(self, chunk: tuple[int, ...]) -> Any:
        return self.array[
            tuple(slice(at * size, (at + 1) * size) for at, size in zip(chunk, self.chunk, strict=True))
        ]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What changes if the array does."""
        known = {"shape": list(self.shape), "dtype": str(self.stored), "chunks": list(self.chunk)}
        if self.folder is None:
            return known
        return known | {"path": os.path.realpath(self.folder), "files": digest_of_files(self.folder)}
