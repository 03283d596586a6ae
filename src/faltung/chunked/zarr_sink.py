"""How is a Zarr array written, so that it can be killed at any moment? Unit by unit, each noted once it is on disk.

An array that is not finished says so in its attributes, and has a journal in its folder. Another process can go on
with it: it computes what the journal does not name.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.chunked.journal import JOURNAL, Journal, JournalState, check_same, make_durable, read_journal
from faltung.chunked.portions import Portion, slices_of, unit_counts
from faltung.chunked.zarr_layout import ZarrLayout, create_array
from faltung.chunked.zarr_source import is_zarr, open_zarr
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.given_files import check_fits, read_regular
from faltung.ground.targets import Inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Files that the system is asked for at the same time.
_SYNCED_AT_ONCE = 8

__all__ = ["UNFINISHED", "ZarrSink", "as_path", "check_new_folder", "files_are_lost", "finished_before"]

#: The attribute of an array or group that is not finished.
UNFINISHED = "faltung_unfinished"
_SENTENCE = "not all of it is computed: go on with resume=True, or faltung ... --resume"
#: How Zarr names a file while it writes it.
_PART = re.compile(r"\.[0-9a-f]{32}\.partial$")


def as_path(out: Any) -> Path:
    """Return the path of an output, if it is one.

    Raises
    ------
    ArgumentTypeError
        It is something else.
    """
    if not isinstance(out, str | os.PathLike):
        raise ArgumentTypeError("out", "the path of a folder or file", f"a {type(out).__name__}")
    return Path(os.fsdecode(out))


def check_new_folder(out: Path, inputs: Iterable[Path], resume: bool, overwrite: bool) -> Path:
    """Return the folder to write, through links; what may not be written is refused, and what is replaced, removed.

    Parameters
    ----------
    out : path
        The folder of the array or group.
    inputs : iterable of path
        Folders and files that are read.
    resume, overwrite : bool
        Whether to go on with what is there, or to remove it first.

    Raises
    ------
    ArgumentError
        The folder is an input, in an input, or around one; or there is something that may not be replaced.
    """
    folder = Path(os.path.realpath(out))
    Inputs(inputs).check_apart("out", out)
    if resume and overwrite:
        raise ArgumentError("resume", "either resume=True or overwrite=True", "both")
    if folder.exists():
        _check_existing(out, folder, resume, overwrite)
        if overwrite:
            _remove(folder)
        elif resume:
            _check_no_links(out, folder)
    if not folder.parent.is_dir():
        raise ArgumentError("out", "a name in a folder that exists", f"'{out}'", "Make the folder first.")
    return folder


def _check_existing(out: Path, folder: Path, resume: bool, overwrite: bool) -> None:
    if not folder.is_dir():
        raise ArgumentError("out", "the name of a folder", f"'{out}', a file", "Choose another name.")
    ours = (folder / JOURNAL).exists() or _says_unfinished(folder) or any(folder.glob(f"*/{JOURNAL}"))
    if not any(folder.iterdir()):
        return
    if overwrite and not (ours or is_zarr(folder)):
        raise ArgumentError("out", "a Zarr array or group to replace", f"'{out}', another folder")
    if resume and not ours:
        remedy = "Pass overwrite=True to replace it."
        raise ArgumentError("resume", "a result that this function began", f"'{out}' without its journal", remedy)
    if not (resume or overwrite):
        what = ", which exists"
        remedy = "Pass overwrite=True to replace it, or resume=True to go on with one that is not finished."
        raise ArgumentError("out", "a folder that does not exist yet", f"'{out}'{what}", remedy)


def _says_unfinished(folder: Path) -> bool:
    for name in ("zarr.json", ".zattrs"):
        with contextlib.suppress(OSError):
            if UNFINISHED.encode() in read_regular(folder / name):
                return True
    return False


def _check_no_links(out: Path, folder: Path) -> None:
    """Refuse to go on in a folder with links: what they lead to would be overwritten."""
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            if os.path.islink(path := os.path.join(place, name)):
                raise ArgumentError("out", "a folder without links", f"'{out}' with '{path}'")


def _remove(folder: Path) -> None:
    """Empty a folder, its metadata first: what is left by an interrupt is no array."""
    for name in ("zarr.json", ".zarray", ".zgroup"):
        (folder / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def finished_before(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether the result in a folder is finished, with these settings; with others it is refused."""
    state = read_journal(folder)
    if state is None or not state.finished:
        return False
    check_same(state.settings, settings, folder)
    return is_zarr(folder) and not _lost(folder, open_zarr(folder), state)


def files_are_lost(folder: Path) -> bool:
    """Whether a file of a unit that a journal names is missing or empty."""
    state = read_journal(folder)
    return state is not None and is_zarr(folder) and bool(_lost(folder, open_zarr(folder), state))


def _lost(folder: Path, array: Any, state: JournalState) -> list[tuple[int, ...]]:
    """Return the units that a journal names as finished, and whose files are missing or empty."""
    lost = []
    for unit in {*state.units} - state.absent:
        try:
            found = os.stat(_file_of(folder, array, unit)).st_size > 0
        except OSError:
            found = False
        if not found:
            lost.append(unit)
    return lost


def _file_of(folder: Path, array: Any, unit: tuple[int, ...]) -> Path:
    return folder / str(array.metadata.encode_chunk_key(unit))


class ZarrSink:
    """A Zarr array that is written unit by unit.

    Parameters
    ----------
    folder : path
        Where it is, or will be.
    layout : ZarrLayout
        How it is stored.
    shape, dtype
        Of the array.
    settings : dict
        What is computed; an array that was begun with others is refused.
    """

    def __init__(
        self,
        folder: Path,
        layout: ZarrLayout,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        settings: Mapping[str, Any],
    ) -> None:
        self._folder = folder
        self._folders: set[Path] = set()
        self._pool = ThreadPoolExecutor(_SYNCED_AT_ONCE, "faltung-sync")
        counts = unit_counts(shape, layout.unit)
        check_fits(math.prod(counts))
        folder.mkdir(exist_ok=True)
        self.journal = Journal(folder, settings, counts)
        try:
            self._array = self._opened(layout, shape, dtype)
            state = read_journal(folder) if self.journal.resumed else None
            for unit in [] if state is None else _lost(folder, self._array, state):
                self.journal.done[unit] = False
        except BaseException:
            self.journal.close()
            raise

    def _opened(self, layout: ZarrLayout, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        import zarr

        if self.journal.resumed:
            _remove_parts(self._folder)
        if is_zarr(self._folder):
            return zarr.open_array(store=os.fspath(self._folder), mode="r+")
        array = create_array(os.fspath(self._folder), layout, shape, dtype, {UNFINISHED: _SENTENCE})
        self._make_metadata_durable()
        return array

    def _make_metadata_durable(self) -> None:
        for name in ("zarr.json", ".zarray", ".zattrs"):
            make_durable(self._folder / name)
        make_durable(self._folder)

    def write(self, portion: Portion, outputs: NDArray[Any]) -> None:
        """Write a portion, wait until it is on the disk, and note it."""
        files = [_file_of(self._folder, self._array, unit) for unit in portion.units]
        if self.journal.resumed:  # a torn shard cannot be read, which Zarr does before it writes a part of one
            for file in files:
                file.unlink(missing_ok=True)
        self._array[slices_of(portion.region)] = outputs
        self._make_files_durable(files)
        absent = {unit for unit, file in zip(portion.units, files, strict=True) if not file.exists()}
        self.journal.add(portion.units, absent)

    def _make_files_durable(self, files: list[Path]) -> None:
        folders = {file.parent for file in files}
        for folder in folders - self._folders:  # they may be new in the folders around them
            folders |= {each for each in folder.parents if self._folder in (each, *each.parents)}
        self._folders |= folders
        # The system writes many files in one go, if it is asked for all of them at the same time.
        for paths in (files, sorted(folders)):
            for _ in self._pool.map(make_durable, paths):
                pass

    def finish(self) -> None:
        """Take away what says that the array is not finished."""
        attributes = dict(self._array.attrs)
        if attributes.pop(UNFINISHED, None) is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._array.attrs.put(attributes)
            self._make_metadata_durable()
        self.journal.finish()

    def close(self) -> None:
        """Let other processes write."""
        self._pool.shutdown()
        self.journal.close()


def _remove_parts(folder: Path) -> None:
    """Remove files that were being written when the process ended."""
    for place, _, names in os.walk(folder):
        for name in names:
            if _PART.search(name):
                os.unlink(os.path.join(place, name))
