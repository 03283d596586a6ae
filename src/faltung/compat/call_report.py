"""What came of the replaced functions? Calls, served and passed on, and the time that this saved."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from faltung.compat.patched_call import CallArguments, SampleArray, Tally
from faltung.compat.patching import TALLIES, PatchedFunction, originals_in_place, patches
from faltung.ground.checks import non_negative
from faltung.planning.report import time_text

__all__ = ["CallReport", "ReportRow", "report"]

#: Originals are timed on arrays of at most so many samples; the time of larger ones is taken to grow in proportion.
_MOST_SAMPLES = 2**18


#: Originals are timed on more and more samples, as far as time allows; more take longer in proportion.
_SAMPLES = (2**10, 2**14, 2**18)
_GROWTH = 16


class ReportRow(NamedTuple):
    """What came of one function."""

    function: str
    called: int
    served: int
    passed_on: int
    #: Seconds that the served calls took.
    seconds: float
    #: Seconds that the originals would have taken less these, or None if no kind of calls was measured.
    saved: float | None
    #: The most frequent reason why calls were passed on, or an empty text.
    reason: str


@dataclass(frozen=True)
class CallReport:
    """What was patched, called, served and passed on, and the time saved; print it.

    Parameters
    ----------
    patched : tuple of str
        Full names of the functions that are replaced now.
    rows : tuple of ReportRow
        One row for each function that was called, the most time saved first.

    Examples
    --------
    >>> import faltung as fa
    >>> print(fa.compat.CallReport(("scipy.ndimage.sobel",), ()))
    1 function is replaced: scipy.ndimage (1). None was called.
    """

    patched: tuple[str, ...]
    rows: tuple[ReportRow, ...]

    @property
    def saved(self) -> float:
        """Seconds saved by all functions together, as far as they were measured."""
        return sum(row.saved or 0.0 for row in self.rows)

    def __str__(self) -> str:
        """Return the report as text."""
        head = f"{_counted_modules(self.patched)} "
        if not self.rows:
            return head + "None was called."
        head += f"Time saved: {_saving(self.saved)}."
        texts = [["function", "called", "served", "passed on", "time", "time saved"]]
        texts += [[*map(str, row[:4]), time_text(row.seconds), _saving(row.saved)] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = []
        for name, *rest in texts:
            cells = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
            lines.append("  ".join([name.ljust(widths[0]), *cells]))
        passed = [f"{row.function} was passed on: {row.reason}" for row in self.rows if row.reason]
        return "\n".join([head, *lines, *passed])


def report(seconds: float = 1.0) -> CallReport:
    """Say what was patched, called, served and passed on, and how much time this saved.

    The time saved is an estimate: calls of each kind (function, shapes, dtypes, other arguments) are made again with
    the original function, on random samples. Originals are timed on at most 2^18 samples, and the time of larger
    arrays is taken to grow in proportion.

    Parameters
    ----------
    seconds : float, optional
        About how long the originals may be timed. The kinds that took most time come first; the others are taken to
        save as much for each second as those of the same function that were timed.

    Returns
    -------
    CallReport
        The report; print it.

    Raises
    ------
    ArgumentError
        `seconds` is not a number, or is negative.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.compat.report().saved >= 0
    True
    """
    seconds = non_negative("seconds", seconds)
    current = patches()
    called = [tally for tally in TALLIES.values() if tally.served or tally.passed]
    ratios: dict[str, float] = {}
    if seconds and current:
        with originals_in_place():
            ratios = _ratios(called, current, perf_counter() + seconds)
    rows = [_row(tally, ratios.get(tally.name)) for tally in called]
    rows.sort(key=lambda row: (-(row.saved or 0.0), row.function))
    return CallReport(tuple(current), tuple(rows))


def _row(tally: Tally, ratio: float | None) -> ReportRow:
    called, saved = tally.served + tally.passed, None if ratio is None else (ratio - 1) * tally.seconds
    reason = tally.reasons.most_common(1)[0][0] if tally.reasons else ""
    return ReportRow(tally.name, called, tally.served, tally.passed, tally.seconds, saved, reason)


def _ratios(called: list[Tally], current: dict[str, PatchedFunction], deadline: float) -> dict[str, float]:
    """Return for each function the originals' time over ours, as far as the time suffices."""
    kinds = [(each[1], tally, each) for tally in called if tally.name in current for each in tally.kinds.values()]
    measured: dict[str, tuple[float, float]] = {}
    for spent, tally, (count, _, arguments) in sorted(kinds, key=lambda kind: -kind[0]):
        if perf_counter() > deadline:
            break
        took = None if arguments is None else _time_of(current[tally.name], arguments, deadline)
        if took is not None:
            ours, theirs = measured.get(tally.name, (0.0, 0.0))
            measured[tally.name] = ours + spent, theirs + count * took
    return {name: theirs / ours for name, (ours, theirs) in measured.items() if ours}


def _time_of(patch: PatchedFunction, arguments: CallArguments, deadline: float) -> float | None:
    """Return the seconds that the original takes for such a call, or None if it cannot be made."""
    arrays = [each for each in (*arguments.positional, *arguments.named.values()) if isinstance(each, SampleArray)]
    largest = max((each.shape for each in arrays if each.values is None), key=np.prod, default=())
    took = None
    for most in _SAMPLES:
        shape = _cropped(largest, most)
        made = [_made(each, largest, shape) for each in arguments.positional]
        named = {name: _made(each, largest, shape) for name, each in arguments.named.items()}
        start = perf_counter()
        try:
            patch.original(*made, **named)
        except Exception:  # random samples may be refused where the user's were not
            return took
        now = perf_counter()
        took = (now - start) * float(np.prod(largest) / np.prod(shape))
        # A sum over two large arrays takes as many times longer as both have more samples.
        if shape == largest or now + (now - start) * _GROWTH**2 > deadline:
            break
    return took


def _cropped(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Return a shape with at most so many samples: the longest axes are halved."""
    lengths = [*shape]
    while np.prod(lengths, dtype=float) > most:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    return tuple(lengths)


def _made(argument: Any, largest: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    if not isinstance(argument, SampleArray):
        return argument
    if argument.values is not None:
        return argument.values.copy()  # an output, perhaps
    length = shape if argument.shape == largest else argument.shape
    return (np.random.default_rng(0).random(length) * 100).astype(argument.dtype)


def _counted_modules(names: tuple[str, ...]) -> str:
    modules = [name.rpartition(".")[0] for name in names]
    counts = ", ".join(f"{module} ({modules.count(module)})" for module in dict.fromkeys(modules))
    verb = "function is" if len(names) == 1 else "functions are"
    return f"{len(names)} {verb} replaced{': ' if counts else ''}{counts}."


def _saving(seconds: float | None) -> str:
    return "not known" if seconds is None else f"about {'-' if seconds < 0 else ''}{time_text(abs(seconds))}"
