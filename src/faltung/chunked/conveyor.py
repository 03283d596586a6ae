"""How do reading, computing and writing go on at the same time? As three threads that hand portions on.

One portion is computed while the next one is read and the one before is written. No more than that are in memory, and
in the order in which they are begun they are written.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from faltung.chunked.missing_blocks import MissingRun
from faltung.chunked.output_blocks import BlockRun
from faltung.chunked.portions import Portion, pieces_of, slices_of
from faltung.ground.extended import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Conveyor", "Reads"]

_Item = TypeVar("_Item")


class Reads(Protocol):
    """Says what a region of the result needs, reads it, and computes the region from it."""

    def block(self, region: Region) -> Any:
        """Return what a region needs, and what computes it: an `OutputBlock`, or what has its members."""

    def read(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Return samples of the source."""


class _Line(Generic[_Item]):
    """Hands items from one thread to another, until one of the threads fails. Semaphores bound how many there are."""

    def __init__(self, ended: threading.Event) -> None:
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._ended = ended

    def put(self, item: _Item | None) -> None:
        """Hand an item on; None is the last one."""
        self._items.put(item)

    def get(self) -> _Item | None:
        """Return the next item; None after the last one, or if a thread failed."""
        while not self._ended.is_set():
            try:
                return self._items.get(timeout=0.1)
            except queue.Empty:
                continue
        return None


class Conveyor:
    """Reads, computes and writes portions.

    Parameters
    ----------
    reads : Reads
        What is computed from what.
    piece : tuple of int
        Most outputs on each axis that are computed at once.
    dtype : dtype
        Of the result.
    write : callable
        Writes the outputs of a portion; after its return they are on the disk. One thread calls it.
    workers : int, optional
        Number of threads that compute.
    overlap : bool
        Whether the next portion is computed while one is written; this takes the memory of one more.
    """

    def __init__(
        self,
        reads: Reads,
        piece: tuple[int, ...],
        dtype: np.dtype[Any],
        write: Callable[[Portion, NDArray[Any]], None],
        workers: int | None = None,
        *,
        overlap: bool = True,
    ) -> None:
        self._reads, self._piece, self._dtype, self._write, self._workers = reads, piece, dtype, write, workers
        self._ended = threading.Event()
        self._samples: _Line[tuple[Portion, Region, NDArray[Any], BlockRun | MissingRun]] = _Line(self._ended)
        self._outputs: _Line[tuple[Portion, NDArray[Any]]] = _Line(self._ended)
        self._may_read, self._may_compute = threading.Semaphore(2), threading.Semaphore(2 if overlap else 1)
        self._errors: list[BaseException] = []

    def run(self, portions: Iterable[Portion]) -> None:
        """Compute the portions in this order; an error of any thread ends all of them."""
        works = (lambda: self._read_all(portions), self._write_all)
        threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        try:
            self._guarded(self._compute_all)
            if not self._errors:
                threads[1].join()
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()
        if self._errors:
            try:
                raise self._errors[0]
            finally:
                self._errors.clear()  # an error refers to this frame: a cycle would keep the arrays in memory

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)
            self._ended.set()

    def _read_all(self, portions: Iterable[Portion]) -> None:
        for portion in portions:
            for region in pieces_of(portion.region, self._piece):
                if not self._acquired(self._may_read):
                    return
                block = self._reads.block(region)
                self._samples.put((portion, region, block.gather(self._reads.read), block.run))
        self._samples.put(None)

    def _compute_all(self) -> None:
        target: NDArray[Any] | None = None
        while (item := self._samples.get()) is not None:
            portion, region, samples, run = item
            first, last = (_ends(region, end) == _ends(portion.region, end) for end in (0, 1))
            if first and not self._acquired(self._may_compute):
                return
            outputs = run(samples, None, self._workers)
            del item, samples
            self._may_read.release()
            if first and not last:
                target = np.empty(portion.shape, self._dtype)
            if target is not None:
                target[slices_of(region, portion.region)] = outputs
                outputs = target
            if last:
                self._outputs.put((portion, outputs))
                target = None
            del outputs
        self._outputs.put(None)

    def _write_all(self) -> None:
        while (item := self._outputs.get()) is not None:
            self._write(*item)
            del item
            self._may_compute.release()

    def _acquired(self, semaphore: threading.Semaphore) -> bool:
        while not self._ended.is_set():
            if semaphore.acquire(timeout=0.1):
                return True
        return False


def _ends(region: Region, end: int) -> list[int]:
    return [bounds[end] for bounds in region]
