"""How is a TIFF larger than memory filtered? It is read by regions, and written tile by tile or page by page."""

from __future__ import annotations

import itertools
import math
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.chunked.array_maps import RawArray
from faltung.chunked.multiscales import NamedAxis
from faltung.chunked.portions import Portion, slices_of, unit_counts
from faltung.chunked.streaming import PortionStream, Progress
from faltung.chunked.zarr_layout import ZarrLayout, default_layout
from faltung.errors import ArgumentError, MissingExtraError
from faltung.files.picture_value import Picture
from faltung.files.quiet import quiet
from faltung.files.refusal import RefusedError
from faltung.files.tiff_check import checked_structure
from faltung.files.tiff_input import read_tiff
from faltung.files.tiff_opening import opened_tiff
from faltung.files.tiff_output import write_tiff
from faltung.files.tiff_packing import packing
from faltung.ground.new_files import new_file
from faltung.planning.question import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TiffRegions", "unpacked_bytes", "write_streamed"]

_KINDS = {"S": "channel", "C": "channel", "T": "time"}
_REMEDY = "Allow more with --memory, so that it is read at once."
#: Tiles of a page that was in strips, if it is too large to be written at once.
_TILE = (256, 256)
_PAGE_BYTES = 32 << 20


def unpacked_bytes(path: Path) -> int:
    """Return how many bytes the pictures of a TIFF unpack to; 0 for what is no TIFF."""
    try:
        with quiet(), checked_structure(path) as structure, opened_tiff(path, structure) as file:
            return sum(int(series.nbytes) for series in file.series)
    except Exception:  # whatever is wrong is told when the file is read
        return 0


class TiffRegions:
    """A TIFF that is read by regions.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    ArgumentError
        It has something that is only right if the file is read at once; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path
        try:
            with quiet():
                pictures = read_tiff(path, decoded=False)
        except RefusedError as error:
            raise ArgumentError("source", error.expected, f"'{path}'{error.held}", error.remedy or _REMEDY) from error
        except Exception as error:  # a damaged file can raise any kind of error
            said = " ".join(str(error).split())[:300]
            raise ArgumentError("source", "a readable TIFF file", f"'{path}' ({said})") from error
        self.picture = pictures[0]
        if held := _held(pictures):
            raise ArgumentError("source", "a TIFF that can be read in parts", f"'{path}' with {held}", _REMEDY)
        self.shape: tuple[int, ...] = self.picture.samples.shape
        self.stored: np.dtype[Any] = self.picture.samples.dtype
        self.dtype: np.dtype[Any] = self.stored.newbyteorder("=")
        self.axes = tuple(NamedAxis(letter.lower(), _KINDS.get(letter, "")) for letter in self.picture.axes)
        self._open()

    def _open(self) -> None:
        with quiet():
            self._file = opened_tiff(self.folder)
            series = self._file.series[0]
            page = series.keyframe
            if series.dataoffset is not None and int(page.compression) == 1 and not page.is_tiled:
                dtype = self.stored.newbyteorder(self._file.byteorder)
                raw = RawArray(self.folder, int(series.dataoffset), self.shape, dtype)
                self.packed, self.chunk = False, (1,) * len(self.shape)
                self.read: Callable[[tuple[slice, ...]], NDArray[Any]] = lambda index: raw.read(index).astype(
                    self.dtype, copy=False
                )
                return
            try:
                import zarr
            except ModuleNotFoundError as error:
                raise MissingExtraError("A TIFF that is read in parts", "chunked") from error
            array: Any = zarr.open_array(series.aszarr(), mode="r")
        self.packed, self.chunk = True, tuple(array.chunks)
        self.read = lambda index: np.asarray(array[index]).astype(self.dtype, copy=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> TiffRegions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def layout(self) -> ZarrLayout:
        """How an array of Zarr is stored that is made of it."""
        return default_layout(self.shape)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What changes if the file does."""
        found = os.stat(self.folder)
        known = {"path": os.path.realpath(self.folder), "size": found.st_size, "time": found.st_mtime_ns}
        return known | {"shape": list(self.shape), "dtype": str(self.stored)}


def _held(pictures: list[Picture]) -> str:
    """Return what of a file is only right if it is read at once; an empty text if there is nothing."""
    first = pictures[0]
    reasons = {
        "several pictures": len(pictures) > 1,
        "opacity": bool(first.opacity),
        "a value of missing samples": first.nodata is not None,
        "samples of fewer bits than their dtype": bool(first.bits) or first.samples.dtype.kind == "b",
        "smaller copies of its pages": bool(first.levels),
        "rows and columns that are turned": first.metadata.orientation != 1,
        "tags of single pages": len(first.metadata.tags) > 1,
        "tiles of volumes": len(first.metadata.encoding.get("tile", ())) == 3,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def write_streamed(
    path: Path,
    source: TiffRegions,
    question: Question,
    memory: int,
    workers: int | None,
    progress: Progress | None,
    option: str = "out",
) -> list[str]:
    """Write the answer to a question about a TIFF as a TIFF, whole or not at all; return notes.

    Raises
    ------
    ArgumentError
        The memory does not suffice, or the file cannot be written.
    """
    samples = np.broadcast_to(np.zeros((), question.result), source.shape)
    picture, notes = _packed(replace(source.picture, samples=samples))
    part = _part(picture)
    rows = picture.axes.index("Y")
    tiled = part[rows] < source.shape[rows] or "tile" in packing(picture)
    # A band of tiles across the picture is written at once; or pages, along the first axis.
    unit = tuple(
        size if axis == rows or not tiled or letter == "S" else (length if axis > rows else 1)
        for axis, (size, length, letter) in enumerate(zip(part, source.shape, picture.axes, strict=True))
    )
    unit = tuple(1 if tiled and axis < rows else size for axis, size in enumerate(unit))
    stream = PortionStream(question, source, source.shape, unit, in_order=True)
    stream.arrangement(memory)
    handover = _Handover()

    def write(portion: Portion, outputs: NDArray[Any]) -> None:
        for region in _parts_in_order(portion, part):
            handover.put(_padded(outputs[slices_of(region, portion.region)], part, picture, tiled))

    with quiet(), new_file(path, option) as temporary:
        writer = threading.Thread(
            target=handover.consume, args=(lambda parts: write_tiff(temporary, [picture], parts),)
        )
        writer.start()
        try:
            stream.run(write, np.zeros(unit_counts(source.shape, unit), bool), memory, workers, progress)
            handover.put(None)
        finally:
            handover.end()
            writer.join()
        handover.check()
    return notes


def _packed(picture: Picture) -> tuple[Picture, list[str]]:
    """Return a picture that can be written in parts: large pages in strips become tiles."""
    pages = math.prod(picture.samples.shape[1:]) * picture.samples.dtype.itemsize
    if "tile" in packing(picture) or (picture.axes[0] not in "YS" and pages <= _PAGE_BYTES):
        return picture, []
    metadata = replace(picture.metadata, imagej=None, encoding={**picture.metadata.encoding, "tile": _TILE})
    note = f"Strips become tiles of {_TILE[0]} x {_TILE[1]}."
    lost = ["The properties of ImageJ are not kept: it reads no tiles."] if picture.metadata.imagej else []
    return replace(picture, metadata=metadata), [note, *lost]


def _part(picture: Picture) -> tuple[int, ...]:
    """Return the shape of what is handed over: a tile, or what an index of the first axis has."""
    shape, tile = picture.samples.shape, packing(picture).get("tile")
    if tile is None:
        return (1, *shape[1:])
    lengths = {"Y": tile[-2], "X": tile[-1]}
    contiguous = picture.axes[-1] == "S"
    return tuple(
        lengths.get(letter, length if letter == "S" and contiguous else 1)
        for letter, length in zip(picture.axes, shape, strict=True)
    )


def _parts_in_order(portion: Portion, part: tuple[int, ...]) -> Iterator[Any]:
    """Yield the tiles or pages of a portion, which begins with one."""
    axes = [
        [(at, min(at + size, stop)) for at in range(start, stop, size)]
        for (start, stop), size in zip(portion.region, part, strict=True)
    ]
    yield from itertools.product(*axes)


def _padded(outputs: NDArray[Any], part: tuple[int, ...], picture: Picture, tiled: bool) -> NDArray[Any]:
    """Return a tile with its whole shape, or what an index of the first axis has."""
    if not tiled:
        return np.ascontiguousarray(outputs[0])
    rows = picture.axes.index("Y")
    more = [(0, size - length) for size, length in zip(part, outputs.shape, strict=True)]
    return np.ascontiguousarray(np.pad(outputs, more).reshape(part[rows:]))


class _Handover:
    """Hands parts from the thread that computes to the library that writes, which asks for one after the other."""

    def __init__(self) -> None:
        self._parts: queue.Queue[NDArray[Any] | None] = queue.Queue(4)
        self._error: BaseException | None = None
        self._ended = threading.Event()

    def put(self, part: NDArray[Any] | None) -> None:
        """Hand over a part; None is the end."""
        while not self._ended.is_set() or self._error is None:
            try:
                self._parts.put(part, timeout=0.1)
                return
            except queue.Full:
                if self._error is not None:
                    break
        self.check()

    def end(self) -> None:
        """Let the library end, whether all parts came or not."""
        self._ended.set()

    def check(self) -> None:
        """Raise what went wrong in the library."""
        if self._error is not None:
            raise self._error

    def consume(self, write: Callable[[Iterator[NDArray[Any]]], None]) -> None:
        """Let the library write all parts."""
        try:
            write(self._all())
        except BaseException as error:
            self._error = error

    def _all(self) -> Iterator[NDArray[Any]]:
        while True:
            try:
                part = self._parts.get(timeout=0.1)
            except queue.Empty:
                if self._ended.is_set():
                    raise ValueError("not all of the file came") from None
                continue
            if part is None:
                return
            yield part
