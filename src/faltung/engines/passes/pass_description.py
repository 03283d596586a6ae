"""What is fixed when the code of passes is compiled, and what it is called with."""

from __future__ import annotations

from dataclasses import dataclass

from faltung.engines.registers import Footprint
from faltung.engines.spread import Apart
from faltung.jit.samples import Sample

__all__ = ["PARAMETERS", "Passes"]

PARAMETERS = {
    "source": "ptr noalias readonly",
    "target": "ptr noalias",
    "taps": "ptr noalias readonly",  # coefficients: of the first pass of each term, then of the second pass of all
    "factors": "ptr noalias readonly",  # of sums over windows, of the first and the second pass, in double precision;
    # then the number that sums are divided by when they are stored
    "windows": "ptr noalias readonly",  # width of the running sum of the first pass, and of the second
    "between": "ptr noalias",  # scratch for the samples between the passes
    "sums": "ptr noalias",  # scratch for running sums
    "starts": "ptr noalias readonly",  # byte offset in the source at which each term begins
    "panels": "ptr noalias readonly",  # byte offset between the passes at which each term begins
    "term_bytes": "i64",  # bytes between the passes from term to term
    "source_slices": "ptr noalias readonly",  # byte offset of each two-dimensional slice
    "target_slices": "ptr noalias readonly",
    "slices": "i64",
    "height": "i64",
    "width": "i64",  # samples of a row; width and height are at least the lanes of a vector
    "extended_height": "i64",  # rows before the first pass
    "extended_width": "i64",  # samples of a row before the second pass
    "source_stride": "i64",
    "target_stride": "i64",
}


@dataclass(frozen=True)
class Passes:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    down : tuple of Footprint or int
        For each term the taps of the first pass, a column. If a single term is a window of ones: its width if it is
        narrow, or 0 for a running sum over any width.
    across : tuple of Footprint or int
        The taps of the second pass, one panel for each term: a footprint for terms with the same number of taps.
        Or a window, as in `down`.
    step : int
        Samples from one position of a row to the next.
    source, target : Sample
        The samples of the blocks.
    number : str
        The number computed with, ``float`` or ``double``.
    lanes : int
        Samples in a vector register.
    guarded : bool
        Whether to return 1 if an output is not finite.
    doubted : bool
        Whether to return 1 if an output is not finite, and a sample is so large that the sum of a pair may not be.
    streamed : bool
        Whether to write past the cache, for all whole vectors that are aligned.
    sums : str
        The number in which running sums are added up, ``float`` or ``double``.
    apart : Apart, optional
        When samples are too far apart, which also returns 1 (see `spread`).
    reduced : bool
        Whether the number that outputs are divided by is already divided by the factor of the second pass.
    """

    down: tuple[Footprint, ...] | int
    across: tuple[Footprint, ...] | int
    step: int
    source: Sample
    target: Sample
    number: str
    lanes: int
    guarded: bool
    doubted: bool
    streamed: bool
    sums: str
    apart: Apart | None
    reduced: bool = False
