"""How is one Zarr array made of another one? The question, the layout of the result, and its journal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faltung.chunked.full_disk import naming_full_disk
from faltung.chunked.multiscales import NamedAxis, spatial_places
from faltung.chunked.stored_nodata import note_of, redeclared
from faltung.chunked.streaming import FileSource, PortionStream, Progress
from faltung.chunked.zarr_layout import ZarrLayout, fitted, stored_dtype
from faltung.chunked.zarr_sink import ZarrSink, finished_before
from faltung.chunked.zarr_source import ZarrSource
from faltung.errors import ArgumentError
from faltung.planning.nodata import NOTHING_DECLARED, Nodata
from faltung.planning.question import Options, Question, question_of

__all__ = ["ArrayLevel", "LevelRun", "question_for", "settings_of"]

#: What to do where a disk is full.
_GO_ON = "What is finished stays: make space, and go on with resume=True, or faltung ... --resume"


@dataclass
class LevelRun:
    """How arrays are computed: memory, threads and progress.

    Parameters
    ----------
    memory : int
        Bytes that the process may have.
    workers : int, optional
        Threads that compute.
    progress : callable, optional
        Called with outputs that are finished, and all outputs.
    before, after : int
        Outputs of other arrays that are counted with it: finished ones, and those that follow.
    """

    memory: int
    workers: int | None = None
    progress: Progress | None = None
    before: int = 0
    after: int = 0

    def tell(self, finished: int, count: int) -> None:
        """Call the progress."""
        if self.progress is not None:
            self.progress(self.before + finished, self.before + count + self.after)


@dataclass
class ArrayLevel:
    """An array to compute.

    Parameters
    ----------
    source : FileSource
        What it is computed from.
    question : Question or None
        What is computed; None for a copy.
    shape : tuple of int
        Its shape.
    layout : ZarrLayout
        How it is stored.
    dtype : dtype
        Its dtype in the file.
    settings : dict
        What its journal says.
    notes : list of str
        What is not kept.
    nodata : Nodata
        The values of missing samples.
    """

    source: FileSource
    question: Question | None
    shape: tuple[int, ...]
    layout: ZarrLayout
    dtype: np.dtype[Any]
    settings: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    nodata: Nodata = NOTHING_DECLARED

    @staticmethod
    def like(
        source: ZarrSource,
        question: Question,
        shape: tuple[int, ...] | None = None,
        nodata: Nodata = NOTHING_DECLARED,
    ) -> ArrayLevel:
        """Return the array that is stored as its source is."""
        dtype = stored_dtype(question.result, source.stored)
        layout, notes = fitted(source.layout, source.stored, dtype)
        layout = redeclared(layout, nodata, dtype)
        shape = source.shape if shape is None else shape
        settings = settings_of(question, source.fingerprint, layout, shape)
        if nodata.values:
            settings["nodata"] = list(map(str, nodata.values))
        notes += note_of(nodata)
        return ArrayLevel(source, question, shape, layout, dtype, settings, notes, nodata)

    @staticmethod
    def copy_of(source: Any, layout: ZarrLayout) -> ArrayLevel:
        """Return a copy of an array, in this layout."""
        layout, notes = fitted(layout, source.stored, source.stored)
        settings = {**_named(source.fingerprint), "operation": "copy", "output unit": list(layout.unit)}
        return ArrayLevel(source, None, source.shape, layout, source.stored, settings, notes)

    @property
    def _stream(self) -> PortionStream:
        packed = math.prod(self.layout.unit) * self.dtype.itemsize
        return PortionStream(self.question, self.source, self.shape, self.layout.unit, packed, nodata=self.nodata)

    def check(self, how: LevelRun) -> None:
        """Raise an error if it cannot be computed with the memory that is allowed."""
        if 0 not in self.shape:
            self._stream.arrangement(how.memory)

    def run(self, folder: Path, how: LevelRun) -> None:
        """Compute what is not finished in a folder."""
        count = math.prod(self.shape)
        if finished_before(folder, self.settings):
            how.tell(count, count)
            return
        with naming_full_disk(folder, _GO_ON):
            sink = ZarrSink(folder, self.layout, self.shape, self.dtype, self.settings)
            try:
                self._stream.run(sink.write, sink.journal.done, how.memory, how.workers, how.tell)
                sink.finish()
            finally:
                sink.close()


def question_for(
    source: FileSource, kernel: Any, options: Options, dims: Sequence[str] | None, axes: Sequence[NamedAxis]
) -> Question:
    """Return the question that is asked of an array whose axes may have names."""
    if options.axes is None:
        ndim = kernel.ndim if hasattr(kernel, "ndim") else np.ndim(kernel)
        places = spatial_places(axes, dims, ndim)
        if getattr(source, "transposed", False):  # the last axes of the array are the first of its transpose
            places = tuple(range(ndim))[::-1]
        options = options._replace(axes=places)
    if not source.shape:
        raise ArgumentError("source", "an array with at least one axis", "a single number")
    return question_of(source.shape, source.dtype, kernel, options)


def settings_of(
    question: Question, fingerprint: dict[str, Any], layout: ZarrLayout, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return everything that a result depends on, by names that a user knows."""
    return {
        **_named(fingerprint),
        "kernel": f"{repr(question.kernel)[:60]}, number {question.kernel.fingerprint.hex()}",
        "operation": "convolve" if question.reflected else "correlate",
        "axes": list(question.axes),
        "mode": list(question.modes),
        "cval": repr(question.cval),
        "dtype": str(question.result),
        "missing": repr(question.missing),
        "stride": list(question.stride),
        "accuracy": question.accuracy,
        "method": question.method,
        "output shape": list(shape),
        "output unit": list(layout.unit),
    }


def _named(fingerprint: dict[str, Any]) -> dict[str, Any]:
    return {f"input {name}": value for name, value in fingerprint.items()}
