"""What was measured on a cell, and how is it reported? Tables, a summary and a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

import numpy as np

from cells import FAMILIES, size_text
from chart import bars
from measure import MANNERS, Timing, table
from ours import Choice

COPY = "copy"
OTHER_MANNERS = tuple(manner for manner in MANNERS if manner != "in turn")
#: Suffix of contenders that no library offers as a filter: a product of spectra of the whole array, written by hand
#: with the transforms of a library; the spectra of the kernels are computed beforehand.
BY_HAND = " fft"
_LIBRARIES = ("OpenCV", "SciPy", "torch", "DIPlib", "JAX", "libvips", "Halide", "ITK", "Pillow", "ducc0")


@dataclass(frozen=True, eq=False)
class Outcome(Choice):
    """The choice of the planner, with the times of other libraries and of a copy of the array, called in turn.

    Parameters
    ----------
    peak : float
        Floating-point operations per second of the machine.
    other_manners : mapping of str to dict
        The timings in other manners of calling: the rest of `measure.MANNERS`.
    """

    peak: float
    other_manners: dict[str, dict[str, Timing]]

    @property
    def peer(self) -> str:
        """Name of the fastest filter of another library, or an empty text."""
        return self._fastest(by_hand=False)

    @property
    def by_hand(self) -> str:
        """Name of the fastest product of spectra by hand, or an empty text."""
        return self._fastest(by_hand=True)

    def ratio_when(self, manner: str) -> float:
        """Time of the fastest filter of another library over ours, in another manner of calling; NaN without one."""
        return Outcome(self.cell, self.engine, self.other_manners[manner], self.peak, {}).ratio

    def _fastest(self, by_hand: bool) -> str:
        peers = {name: t.ratio for name, t in self.of(*_LIBRARIES).items() if name.endswith(BY_HAND) == by_hand}
        return min(peers, key=peers.__getitem__, default="")

    @property
    def ratio(self) -> float:
        """Time of the peer over ours; NaN without a peer."""
        return self.timings[self.peer].ratio if self.peer else math.nan

    @property
    def copies(self) -> float:
        """Our time over that of a copy of the array."""
        return 1 / self.timings[COPY].ratio

    @property
    def share(self) -> str:
        """Share of the peak of arithmetic for the direct engine, and of the speed of a copy for the others."""
        if self.engine != "direct":
            return f"{1 / self.copies:.0%} of copy"
        operations = 2 * np.count_nonzero(self.cell.taps) * self.cell.samples / len(self.cell.kernels)
        return f"{operations / self.seconds / self.peak:.0%} of peak"

    def row(self) -> list[str]:
        """Return the line of the table below `HEADER`."""
        regret = f"{self.regret:.2f}" + ("" if self.best_engine == self.engine else f" ({self.best_engine})")
        least = {library: min((t.best for t in self.of(library).values()), default=0.0) for library in _LIBRARIES}
        return [
            size_text(self.cell.shape),
            self.cell.filter,
            f"{self.seconds * 1e3:.3g}",
            f"{self.ratio:.2f}",
            self.peer,
            *(f"{self.ratio_when(manner):.2f}" for manner in OTHER_MANNERS),
            f"{self.timings[self.by_hand].ratio:.2f}" if self.by_hand else "",
            f"{self.copies:.2f}",
            self.share,
            self.engine,
            regret,
            *(f"{least[library] * 1e3:.3g}" if least[library] else "" for library in _LIBRARIES),
        ]

    def data(self) -> dict[str, Any]:
        """Return all figures, for the JSON file."""
        ratio = self.ratio if self.peer else None
        compared = {
            "ratio": ratio,
            "peer": self.peer,
            "by_hand": self.by_hand,
            "copies": self.copies,
            "share": self.share,
            "other_manners": {
                manner: {name: vars(timing) for name, timing in timings.items()}
                for manner, timings in self.other_manners.items()
            },
        }
        return {"family": self.cell.family, **super().data(), **compared}


HEADER = [
    "array",
    "filter",
    "faltung ms",
    "ratio",
    "best peer",
    *OTHER_MANNERS,
    "by hand",
    "copies",
    "share",
    "engine",
    "regret",
    *(f"{library} ms" for library in _LIBRARIES),
]

_NOTE = """
*ratio*: time of the fastest filter of another library over ours, the median over rounds in which all contenders are
called once, in random order, so that each finds the caches and the threads as other work left them. *in a row*: the
same where each contender is called again and again, and the last call counts. *after rest*: where the process sleeps
for 30 ms before each call. *by hand*: as *ratio*, for a product of spectra of the whole array, written by hand with
the transforms of a library; the spectra of the kernels are computed beforehand. *copies*: our time over that of
`numpy.copyto` of the array. *share*: for the direct engine, operations on non-zero taps per second over the peak; for
the others, the speed of the copy over ours. *regret*: time of the engine that the planner chose over that of our
fastest engine on the cell. Times are the best of all runs, and for a library the best of all its functions.
Contenders more than three times slower than the fastest of the libraries, or of our engines, are not part of the
rounds: their time is that of a few calls alone. Empty: the library has no such filter, or takes more than about a
second.
"""


def tables(outcomes: Sequence[Outcome]) -> str:
    """Return the report: a summary, and a table for each family."""
    parts = [summary(outcomes), _NOTE]
    for family, members in _by_family(outcomes).items():
        parts.append(f"\n## {family}\n\n" + table(HEADER, [outcome.row() for outcome in members]))
    return "".join(parts)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return a line for each family of cells and one for all, and the cells in which a peer is faster."""
    families = _by_family(outcomes)
    rows = [_summary_row(family, members) for family, members in families.items()]
    if len(rows) > 1:
        rows.append(_summary_row("all", outcomes))
    slower = [f"{outcome.cell}: {outcome.ratio:.2f} ({outcome.peer})" for outcome in outcomes if outcome.ratio < 1]
    by_hand = [(outcome.timings[outcome.by_hand].ratio, str(outcome.cell)) for outcome in outcomes if outcome.by_hand]
    verdict = f"\nCells in which a peer is faster: {'; '.join(slower) or 'none'}.\n"
    if by_hand:
        mean, (least, where) = geometric_mean(ratio for ratio, _ in by_hand), min(by_hand)
        verdict += f"Over products of spectra by hand: {mean:.2f} in geometric mean, least {least:.2f} ({where}).\n"
    header = [
        *("family", "cells", "ratio, geometric mean", "least", "where"),
        *OTHER_MANNERS,
        *("regret, geometric mean", "worst"),
    ]
    return table(header, rows) + verdict


def _summary_row(family: str, outcomes: Iterable[Outcome]) -> list[str]:
    members = list(outcomes)
    compared = [outcome for outcome in members if outcome.peer]
    worst = min(compared, key=lambda outcome: outcome.ratio, default=None)
    return [
        family,
        str(len(members)),
        f"{geometric_mean(outcome.ratio for outcome in compared):.2f}" if compared else "",
        f"{worst.ratio:.2f}" if worst else "",
        str(worst.cell) if worst else "",
        *(
            f"{geometric_mean(outcome.ratio_when(manner) for outcome in compared):.2f}" if compared else ""
            for manner in OTHER_MANNERS
        ),
        f"{geometric_mean(outcome.regret for outcome in members):.3f}",
        f"{max(outcome.regret for outcome in members):.2f}",
    ]


def picture(outcomes: Sequence[Outcome]) -> str:
    """Draw the ratio to the best peer of every cell."""
    groups = {
        family: [
            (
                outcome.cell.label,
                outcome.ratio,
                f"{outcome.cell}: {outcome.ratio:.2f} times as fast as {outcome.peer}",
            )
            for outcome in members
            if outcome.peer
        ]
        for family, members in _by_family(outcomes).items()
    }
    return bars("Times as fast as the fastest other library", groups)


def _by_family(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    families: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        families.setdefault(FAMILIES[outcome.cell.family], []).append(outcome)
    return families
