"""Which whole numbers stand for the taps, and how far can a result be off? Sums of bytes that become bytes.

Taps that are whole numbers over a common divisor are taken as they are: then results are exact. Others are multiplied
by a power of two and rounded to 16 bits. What a result can be off by, before it is rounded to a byte, is known here
as a bound in grey levels, and as an estimate for noise, which has the most contrast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Job
from faltung.engines.integers.ending import HIGHEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BYTE", "FixedPoint", "dense_taps", "taps_of_passes"]

#: Most taps along an axis: each pair of them is written out.
MOST = 64
#: Largest byte, and the largest numbers of 16 and of 32 bits with a sign.
BYTE, SHORT, WORD = 255, (1 << 15) - 1, (1 << 31) - 1
#: Most additions of a pass whose taps are part of the code.
MOST_SHORT = 7
#: Fewest and most taps down the rows that are summed in pairs. Fewer are not faster; for more, registers run out.
FEWEST_MIRRORED, MOST_MIRRORED = 11, 51
#: Time of a tap in a product of pairs, and of an addition of 16 bits, over that of a multiply-add.
PAIRED, SHORTER = 0.6, 0.25
#: Parts of a grey level between two passes.
PARTS = 256
#: Largest error of a result in grey levels, and largest share of the results for noise that it moves to a neighbour.
MOST_OFF, MOST_WRONG = 0.25, 0.005
#: Root mean square of noise that is spread evenly over all bytes, and of a rounding to whole numbers.
NOISE, ROUNDED = 256 / math.sqrt(12), 1 / math.sqrt(12)
#: Most binary digits behind the point of taps that are whole numbers over a power of two.
DIGITS = 20


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The numbers that the code reads.

    Parameters
    ----------
    down, across : ndarray of int64
        Taps of the pass down the rows, of shape (columns, rows) where taps are dense, with one column for a pass; and
        those of the pass across the columns, none where taps are dense.
    starts, shifts : tuple of int
        What sums of the first and of the second pass begin with, and by how many digits they are moved at the end.
    divisor : int
        What the last sums are divided by if it is no power of two; 1 otherwise.
    off : float
        Bound of the error of a result in grey levels, before it is rounded; 0 if it is exact.
    positive : bool
        Whether no sum is negative.
    """

    down: NDArray[np.int64]
    across: NDArray[np.int64]
    starts: tuple[int, int]
    shifts: tuple[int, int]
    divisor: int
    off: float
    positive: bool

    @property
    def short(self) -> bool:
        """Whether few exact taps have sums of 16 bits, also with one half of the divisor added."""
        lines = self.down[0], self.across
        if self.off or not self.across.size or any(_additions(line) > MOST_SHORT for line in lines):
            return False
        half = max(self.divisor // 2, 1 << self.shifts[1] >> 1)
        largest = BYTE * int(np.prod([np.abs(line).sum() for line in lines])) + half
        return largest <= (2 * SHORT + 1 if self.positive else SHORT)

    @property
    def mirrored(self) -> int:
        """1 if taps down the rows are the same from both ends, -1 if their signs differ; 0 if that is not used.

        The tap in the middle is halved, so it has to be even. Taps that keep flat areas as they are have such a one.
        """
        line = self.down[0]
        size = line.size if self.across.size else 0
        if not FEWEST_MIRRORED <= size <= MOST_MIRRORED or size % 2 == 0 or line[size // 2] % 2:
            return 0
        return next((sign for sign in (1, -1) if np.array_equal(line, sign * line[::-1])), 0)

    @property
    def lift(self) -> int:
        """By how many digits sums of the second pass are moved to have the result as their highest byte.

        It is -1 if they would not all fit.
        """
        if not self.across.size or self.divisor > 1 or not 0 < self.shifts[1] <= HIGHEST:
            return -1
        low, high = (end >> self.shifts[0] for end in _ends(self.down[0], 0, BYTE, self.starts[0]))
        low, high = _ends(self.across, low, high, self.starts[1])
        return HIGHEST - self.shifts[1] if low >= 0 and high + 1 < (BYTE + 1) << self.shifts[1] else -1

    @property
    def effort(self) -> tuple[float, float]:
        """Multiply-adds of passes in single precision that take as long for each output, and trips to the cache."""
        lines = (*self.down, self.across)
        if self.short:
            return SHORTER * sum(map(_additions, lines)), 0.5
        return PAIRED * sum(line.size for line in lines), 0.8


def _ends(taps: NDArray[np.int64], low: int, high: int, start: int) -> tuple[int, int]:
    """Return the smallest and the largest sum over samples in a range."""
    more, less = int(taps.clip(0).sum()), int(taps.clip(None, 0).sum())
    return start + more * low + less * high, start + more * high + less * low


def _additions(line: NDArray[np.int64]) -> int:
    """Count the additions for taps that are part of the code: for a window of ones, one for each doubling."""
    return line.size.bit_length() if (line == 1).all() else int(np.count_nonzero(line))


def taps_of_passes(job: Job) -> FixedPoint | None:
    """Return the numbers for two passes; None if they would be too large or too far off."""
    if not _bytes(job) or len(job.terms) != 1 or min(job.taps.shape[-2:]) < 2:
        return None
    return _passes(job)


def dense_taps(job: Job) -> FixedPoint | None:
    """Return the numbers for dense taps; None if they would be too large or too far off."""
    if not _bytes(job) or job.taps.shape[-2] < 2 or np.count_nonzero(job.taps) <= job.taps.size // 2:
        return None
    return _dense(job)


def _bytes(job: Job) -> bool:
    """Whether bytes become bytes, by few taps in two axes."""
    planar = all(size == 1 for size in job.taps.shape[:-2]) and max(job.taps.shape) <= MOST
    return planar and job.source == np.uint8 == job.target and not job.truncated


@lru_cache(maxsize=64)
def _passes(job: Job) -> FixedPoint | None:
    *outer, down, across = (line.taps.astype(np.float64) for line in job.terms[0])
    across = across * math.prod(float(line[0]) for line in outer)
    return _exact_passes(down, across, _divisor(job)) or (_near_passes(down, across) if job.fixed_point else None)


@lru_cache(maxsize=64)
def _dense(job: Job) -> FixedPoint | None:
    taps = job.taps.astype(np.float64).reshape(job.taps.shape[-2:])
    return _exact_dense(taps, _divisor(job)) or (_near_dense(taps) if job.fixed_point else None)


def _divisor(job: Job) -> int:
    return int(job.division.by) if job.division else 1


# ---- taps that are whole numbers over a divisor


def _exact_passes(down: NDArray[np.float64], across: NDArray[np.float64], divisor: int) -> FixedPoint | None:
    first, second = _whole(down), _whole(across)
    if first is None or second is None:
        return None
    between = BYTE * max(int(first[0].clip(0).sum()), -int(first[0].clip(None, 0).sum()))
    largest = BYTE * int(np.abs(first[0]).sum() * np.abs(second[0]).sum())
    if between > SHORT or not _fits(second[0], largest, divisor << (first[1] + second[1])):
        return None
    return _finished(first[0][np.newaxis], second[0], divisor << (first[1] + second[1]))


def _exact_dense(taps: NDArray[np.float64], divisor: int) -> FixedPoint | None:
    whole = _whole(taps)
    if whole is None or not _fits(whole[0], BYTE * int(np.abs(whole[0]).sum()), divisor << whole[1]):
        return None
    return _finished(whole[0].T, np.zeros(0, np.int64), divisor << whole[1])


def _whole(taps: NDArray[np.float64]) -> tuple[NDArray[np.int64], int] | None:
    """Return taps as whole numbers of at most 16 bits over a power of two, and its exponent."""
    if not taps.any() or not np.isfinite(taps).all():
        return None
    for digits in range(DIGITS):
        scaled = taps * 2.0**digits
        if np.abs(scaled).max() > SHORT:
            return None
        if (scaled == np.rint(scaled)).all():
            return scaled.astype(np.int64), digits
    return None


def _fits(taps: NDArray[np.int64], largest: int, divisor: int) -> bool:
    return bool(np.abs(taps).max() <= SHORT) and largest + divisor <= WORD


def _finished(down: NDArray[np.int64], across: NDArray[np.int64], divisor: int) -> FixedPoint:
    """Return exact numbers; for a shift by a power of two, sums begin with one half less one."""
    positive = bool((down >= 0).all() and (across >= 0).all())
    if divisor & (divisor - 1):
        return FixedPoint(down, across, (0, 0), (0, 0), divisor, 0.0, positive)
    return FixedPoint(down, across, (0, max(divisor // 2 - 1, 0)), (0, divisor.bit_length() - 1), 1, 0.0, positive)


# ---- taps that are rounded


def _near_passes(down: NDArray[np.float64], across: NDArray[np.float64]) -> FixedPoint | None:
    size = float(np.abs(down).sum())
    if not 0 < size < math.inf or not np.isfinite(across).all() or not across.any():
        return None
    down, across = down / size, across * size
    low, high = float(down.clip(None, 0).sum()), float(down.clip(0).sum())
    digits = min(_digits(down, SHORT), 22)
    first = _rounded(down, digits)
    shift = digits - int(math.log2(PARTS))
    middle = round(PARTS * BYTE * (low + high) / 2)
    gain = float(np.abs(across).sum())
    positive = bool((down >= 0).all() and (across >= 0).all())
    # Sums that are never negative have a digit more, and the result is then often their highest byte.
    most = 2 * WORD + 1 if positive else WORD
    more = min(_digits(across, SHORT), _digits(np.array([PARTS * (BYTE * gain + 0.5 + MOST_OFF)]), most))
    more = min(more, HIGHEST - int(math.log2(PARTS))) if positive else more
    if more < 0:
        return None
    second = _rounded(across, more)
    wrong = [first * 2.0**-digits - down, second * 2.0**-more - across]
    off = gain * (_worst(wrong[0]) + 0.5 / PARTS) + _worst(wrong[1]) + abs(float(wrong[1].sum())) * BYTE * -low
    noise = math.hypot(_noise(wrong[0]), ROUNDED / PARTS) * _length(across)
    noise = math.hypot(noise, _length(wrong[1]) * _length(down) * NOISE, float(wrong[1].sum()) * BYTE / 2)
    if not _close(off, noise):
        return None
    starts = (1 << shift >> 1) - (middle << shift), middle * int(second.sum()) + (PARTS << more) // 2 - 1
    shifts = shift, more + int(math.log2(PARTS))
    return FixedPoint(first[np.newaxis], second, starts, shifts, 1, off, positive)


def _near_dense(taps: NDArray[np.float64]) -> FixedPoint | None:
    if not np.isfinite(taps).all() or not taps.any():
        return None
    digits = min(_digits(taps, SHORT), _digits(np.array([(BYTE + 1) * np.abs(taps).sum()]), WORD))
    if digits < 1:
        return None
    whole = _rounded(taps, digits)
    wrong = whole * 2.0**-digits - taps
    # Taps may have been rounded to single precision before.
    off = _worst(wrong) + BYTE * float(np.abs(taps).sum()) * 2.0**-24
    if not _close(off, _noise(wrong)):
        return None
    starts, shifts = (0, (1 << digits >> 1) - 1), (0, digits)
    return FixedPoint(whole.T, np.zeros(0, np.int64), starts, shifts, 1, off, bool((taps >= 0).all()))


def _digits(numbers: NDArray[np.float64], most: int) -> int:
    """Return by how many binary digits numbers can be moved without becoming larger than `most`."""
    return math.floor(math.log2(most / float(np.abs(numbers).max())))


def _rounded(taps: NDArray[np.float64], digits: int) -> NDArray[np.int64]:
    """Return whole taps with the sum of the given ones, so that they keep flat areas as they are.

    What rounding adds to the sum is taken from the taps in the middle, so that symmetric taps stay symmetric.
    """
    whole = np.rint(taps * 2.0**digits)
    middle = whole[tuple(slice((size - 1) // 2, size // 2 + 1) for size in taps.shape)]
    middle += (round(float(taps.sum()) * 2.0**digits) - whole.sum()) // middle.size
    return whole.astype(np.int64).clip(-SHORT, SHORT)


def _worst(wrong: NDArray[np.float64]) -> float:
    """Return the largest error that wrong taps cause for any bytes."""
    return BYTE * max(float(wrong.clip(0).sum()), -float(wrong.clip(None, 0).sum()))


def _noise(wrong: NDArray[np.float64]) -> float:
    """Return the root mean square of the error that wrong taps cause for noise."""
    return math.hypot(_length(wrong) * NOISE, float(wrong.sum()) * BYTE / 2)


def _length(taps: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(taps))


def _close(off: float, noise: float) -> bool:
    """Whether errors are small enough: one of `e` moves a share `e` of all results across one half."""
    return off <= MOST_OFF and math.sqrt(2 / math.pi) * noise <= MOST_WRONG
