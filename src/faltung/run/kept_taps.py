"""Where are the taps of Winograd's tiles, at their points? They are transformed once, and known again by a digest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.engines.winograd.minimal_filter import minimal_filter
from faltung.engines.winograd.tap_code import COLLECTED, FIELDS, TapCode, taps_function
from faltung.engines.winograd.tap_facts import TapFacts, facts_of
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.jit.target import host
from faltung.planning.layer import Layer
from faltung.run.gathering import address_of
from faltung.run.layer_run import Board, Run, whole_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_BYTES", "MOST_LAYERS", "KeptTaps", "PlacedTaps", "TapsAtPoints", "taps_of"]

#: Most banks that are kept, and most bytes of them.
MOST_LAYERS, MOST_BYTES = 512, 1 << 28


class PlacedTaps(NamedTuple):
    """Taps where they are.

    Parameters
    ----------
    address : int
        Of the first one.
    strides : tuple of int
        Bytes between neighbours.
    array : callable
        Returns the array.
    version : int
        Another number says that they have changed, most likely; the same number says nothing.
    """

    address: int
    strides: tuple[int, ...]
    array: Callable[[], NDArray[Any]]
    version: int = 0


class KeptTaps(NamedTuple):
    """What is kept of a bank.

    Parameters
    ----------
    before : int
        Bytes from its first byte in memory to its first tap.
    digests, values : ndarray
        Digests of its bytes, and its values at the points.
    places : tuple of int
        The addresses of both.
    facts : TapFacts
        What a result depends on besides the sums.
    version : int
        That of the taps when they were transformed.
    """

    before: int
    digests: NDArray[Any]
    values: NDArray[Any]
    places: tuple[int, int]
    facts: TapFacts
    version: int


def taps_of(array: NDArray[Any], version: int = 0) -> PlacedTaps:
    """Return the taps in an array, which is copied if there are gaps in its memory."""
    if _before(array.shape, array.strides, array.itemsize) is None:
        array = np.ascontiguousarray(array)
    return PlacedTaps(address_of(array), array.strides, lambda: array, version)


class TapsAtPoints:
    """The taps of a layer at the points of its tiles.

    Parameters
    ----------
    layer : Layer
        The layer.
    code : TapCode
        How they are transformed.
    number : dtype
        That of the taps.
    """

    def __init__(self, layer: Layer, code: TapCode, number: np.dtype[Any]) -> None:
        self._layer, self._code, self._number = layer, code, number
        self.panels = -(-layer.outs // (code.lanes * code.vectors))  # of a group
        #: All that values depend on besides the taps; a text, whose hash is computed once.
        self._kind = repr((layer.groups, layer.taps_shape, code))

    def known(self, taps: PlacedTaps) -> KeptTaps | None:
        """Return what is kept of taps that were at this address, which may have changed without being noticed."""
        kept = _taps.get((taps.address, taps.strides, self._kind))
        return kept if kept is not None and kept.version == taps.version else None

    def transformed(
        self, taps: PlacedTaps, digests_of: Callable[[int], NDArray[Any]], run: Run, workers: int
    ) -> KeptTaps:
        """Transform taps and keep them; `digests_of` returns the digests of the taps at an address."""
        layer, code, array = self._layer, self._code, taps.array()
        before = _before(array.shape, array.strides, array.itemsize)
        assert before is not None, "the taps have gaps"
        memory, place = scratch.take("taps", array.nbytes)  # which nobody else changes meanwhile
        copy: NDArray[Any] = np.ndarray(array.shape, array.dtype, memory, before, array.strides)
        copy[...] = array
        digests = digests_of(place)
        points, row = minimal_filter(code.outputs).points ** 2, code.lanes * code.vectors
        values = np.empty((layer.groups * self.panels, points, layer.ins, row), array.dtype)
        entries = {
            "items": len(values),
            "room": whole_lines(9 * COLLECTED * code.lanes * array.itemsize),
            "source": place + before,
            **dict(zip(("out_step", "in_step", "row_step", "column_step"), array.strides, strict=True)),
            "target": address_of(values),
            "panel_bytes": values.strides[0],
            "point_bytes": values.strides[1],
            "ins": layer.ins,
            "outs": layer.outs,
            "all_panels": self.panels,
        }
        board = Board(FIELDS, entries, 1e-8 * layer.groups * layer.ins * layer.outs)
        board.call(run, taps_function(code, host()), workers)
        places = address_of(digests), address_of(values)
        kept = KeptTaps(before, digests, values, places, facts_of(copy), taps.version)
        return _taps.put((taps.address, taps.strides, self._kind), kept, values.nbytes)


def _before(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> int | None:
    """Return the bytes from the first byte of taps to the first one of them; None if they are not without gaps.

    Axes may be in any order, and reversed: so the gradient with respect to samples, which has the taps of its layer
    in another order, finds them where they are.
    """
    axes = [(step, n) for step, n in zip(strides, shape, strict=True) if n > 1]
    expected = itemsize
    for step, n in sorted((abs(step), n) for step, n in axes):
        if step != expected:
            return None
        expected *= n
    return sum((1 - n) * step for step, n in axes if step < 0)


#: Taps by their address, strides, and all else that values depend on.
_taps: Bounded[tuple[int, tuple[int, ...], str], KeptTaps] = Bounded(MOST_LAYERS, MOST_BYTES)
