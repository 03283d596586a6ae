"""The last two passes of all terms, in one function of machine code for blocks of at least some rows and columns.

The code works on strips of as many rows as a vector has lanes. Where a block has fewer rows or columns, the same code
is made for vectors of fewer lanes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, Call, Job
from faltung.engines.overflow import can_overflow
from faltung.engines.passes.factors import ScaledFactor
from faltung.engines.passes.paired import UNROLLED, mirrored_sign
from faltung.engines.passes.pass_code import emit
from faltung.engines.passes.pass_description import PARAMETERS, Passes
from faltung.engines.passes.windows import NARROW, WIDE
from faltung.engines.registers import Footprint
from faltung.engines.rows import KEPT, MOST_KEPT, slice_offsets
from faltung.engines.spread import apart_for
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Fused"]

#: Parameters of the machine code that are the same for all blocks, and those that are scratch.
_OWN, _SCRATCH = ("taps", "factors", "windows"), ("between", "sums")


@compiled_once
def _compile(passes: Passes, target: Target) -> Callable[..., int]:
    return compile_function(module(emit(passes)), "passes", ctypes_of(PARAMETERS), target)


class Fused:
    """The passes over rows and columns of all terms.

    Parameters
    ----------
    job : Job
        What is computed.
    terms : list of list of ScaledFactor
        Its terms; those whose last factors have the same length are neighbours.
    outer : bool
        Whether each term comes from passes of its own, along the axes before the rows.
    lanes : int
        Lanes of a vector: blocks have at least as many rows, and as many samples in a row.
    octaves : int
        Octaves from which on samples are too far apart; 0 if that does not matter.
    """

    def __init__(self, job: Job, terms: list[list[ScaledFactor]], outer: bool, lanes: int, octaves: int) -> None:
        self._job, self._terms, self._outer, self._lanes, self._octaves = job, terms, outer, lanes, octaves
        self._source = sample(job.taps.dtype if outer else job.source)
        windows = [factor.window if factor.window > NARROW else 0 for factor in terms[0][-2:]]
        self._sums = np.dtype(np.float64) if max(windows) > WIDE else job.taps.dtype
        #: Whether samples are summed in pairs.
        self.paired = False
        passes, self._taps = self._describe()
        #: Whether blocks may have to be computed again.
        self.guarded = passes.guarded or passes.doubted or bool(octaves)
        self._code = _compile(passes, host())
        down, across = terms[0][-2:]
        self._windows = np.array(windows, np.int64)
        self._kept: Bounded[tuple[Block, int], _Tables] = Bounded(MOST_KEPT, KEPT)
        divisor = job.divided.by if job.divided else 1.0
        self._factors = np.array([down.factor, across.factor, divisor / across.factor if passes.reduced else divisor])
        self._own = tuple(table.ctypes.data for table in (self._taps, self._factors, self._windows))

    def _describe(self) -> tuple[Passes, NDArray[np.floating]]:
        """Return the description of the code, and its coefficients."""
        job, terms = self._job, self._terms
        coefficients = _Coefficients(job, self._lanes)
        down, across = terms[0][-2:]
        first = down.narrow if down.window else self._down(coefficients)
        second = across.narrow if across.window else self._across(coefficients)
        wrong = coefficients.zeros or len(terms) > 1 or not job.faithful
        self.paired = any(
            footprint.mirrored for taps in (first, second) if not isinstance(taps, int) for footprint in taps
        )
        # Where samples are looked at, here or before the outer passes, outputs are finite.
        looked_at = self._octaves or job.source.kind != "f"
        guarded = not looked_at and (wrong or (not across.window and can_overflow(job)))
        passes = Passes(
            down=first,
            across=second,
            step=job.step,
            source=self._source,
            target=job.stored,
            number=job.number,
            lanes=self._lanes,
            guarded=guarded,
            doubted=self.paired and not (looked_at or guarded) and self._source == Sample("f", job.taps.itemsize),
            streamed=job.streamed and job.target.kind == "f",
            sums="float" if self._sums == np.float32 else "double",
            reduced=job.divided is not None and across.window > 0 and math.frexp(across.factor)[0] == 0.5,
            apart=apart_for(job, self._octaves) if self._octaves and not self._outer else None,
        )
        return passes, coefficients.in_order()

    def _down(self, coefficients: _Coefficients) -> tuple[Footprint, ...]:
        return tuple(coefficients.footprint([term[-2].taps], 1, self._source) for term in self._terms)

    def _across(self, coefficients: _Coefficients) -> tuple[Footprint, ...]:
        between = Sample("f", self._job.taps.itemsize)
        groups = [[*group] for _, group in groupby(self._terms, key=lambda term: term[-1].taps.size)]
        return tuple(
            coefficients.footprint([term[-1].taps for term in group], self._job.step, between) for group in groups
        )

    def __call__(self, source: int, target: int, block: Block, apart: int) -> int:
        """Fill a block, from terms that are `apart` bytes apart; return whether it must be computed again."""
        tables = self._tables(block, apart)
        _between, between = scratch.take("between", tables.between)
        _sums, sums = scratch.take("sums", tables.sums)
        return self._code(source, target, *self._own, between, sums, *tables.arguments)

    def call(self, block: Block) -> Call:
        """Return the call for blocks of one layout."""
        tables = self._tables(block, 0)
        names = [name for name in PARAMETERS if name not in ("source", "target", *_OWN, *_SCRATCH)]
        values = dict(zip((*_OWN, *names), (*self._own, *tables.arguments), strict=True))
        sizes = dict(zip(_SCRATCH, (tables.between, tables.sums), strict=True))
        return Call(self._code, PARAMETERS, values, sizes, (tables, self), not self.guarded)

    def _tables(self, block: Block, apart: int) -> _Tables:
        """Return what repeats for blocks of one layout whose terms are `apart` bytes apart."""
        tables = self._kept.get((block, apart))
        if tables is None:
            tables = self._make_tables(block, apart)
            self._kept.put((block, apart), tables, sum(table.nbytes for table in tables.tables))
        return tables

    def _make_tables(self, block: Block, apart: int) -> _Tables:
        source_strides, target_strides, shape = block
        job, terms, lanes = self._job, self._terms, self._lanes
        position = lanes * job.taps.itemsize
        extended = (shape[-1] + job.taps.shape[-1] - 1) * job.step
        strips = -(-shape[-2] // lanes) if self._windows[0] else 1
        term_bytes = strips * extended * position
        starts = [n * apart + t[-2].start * source_strides[-1] for n, t in enumerate(terms)]
        panels = [n * term_bytes + t[-1].start * job.step * position for n, t in enumerate(terms)]
        tables = [np.array(starts, np.int64), np.array(panels, np.int64)]
        slices = [slice_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, target_strides)]
        arguments = (
            tables[0].ctypes.data,
            tables[1].ctypes.data,
            term_bytes,
            slices[0].ctypes.data,
            slices[1].ctypes.data,
            slices[0].size,
            shape[-2],
            shape[-1] * job.step,
            shape[-2] + job.taps.shape[-2] - 1,
            extended,
            source_strides[-1],
            target_strides[-1],
        )
        # Sums over the ends of windows go on to the last sample, so there are as many sums as samples.
        samples = max(shape[-2] + int(self._windows[0]), extended) if self._windows.any() else 0
        return _Tables(term_bytes * len(terms), samples * lanes * self._sums.itemsize, arguments, (*tables, *slices))


class _Coefficients:
    """Collects the coefficients of passes, in the order in which the code reads them."""

    def __init__(self, job: Job, lanes: int) -> None:
        #: Whether the code multiplies zeros.
        self.zeros = False
        self._dtype, self._number = job.taps.dtype, job.number
        self._lanes = lanes
        self._values: list[NDArray[np.floating]] = []

    def footprint(self, panels: list[NDArray[np.float64]], step: int, source: Sample) -> Footprint:
        """Return the footprint of some panels, each a column of taps: in pairs, or written out if they are few."""
        taps = np.concatenate(panels).astype(self._dtype)
        pattern: tuple[int, ...] | None = tuple(np.flatnonzero(taps).tolist())
        mirrored = mirrored_sign([panel.astype(self._dtype) for panel in panels])
        if mirrored:
            pattern = None
        elif pattern and len(pattern) * self._lanes <= UNROLLED:
            taps = taps[list(pattern)]
        else:
            self.zeros |= not taps.all()
            pattern = None
        self._values.append(taps)
        return Footprint(len(panels), panels[0].size, 1, pattern, step, source, self._number, mirrored=mirrored)

    def in_order(self) -> NDArray[np.floating]:
        """Return all coefficients, and at least one number."""
        return np.concatenate([*self._values, np.zeros(1)]).astype(self._dtype)


@dataclass(frozen=True)
class _Tables:
    """All that repeats for blocks of one layout: bytes of scratch, arguments, and the tables that they point to."""

    between: int
    sums: int
    arguments: tuple[int, ...]
    tables: tuple[NDArray[np.int64], ...]
