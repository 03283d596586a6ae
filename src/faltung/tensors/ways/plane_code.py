"""What does one program of a GPU compute of a filtered image? The source of the kernel, for Triton.

Triton reads these functions as text and translates them for the device when they are first called; `kernel` imports
it, and nothing else does. A program has `BLOCK` lanes, neighbours in a row of the result. Each lane has `ROWS`
outputs below each other, so that a sample that was loaded is multiplied with as many taps: a processor can start only
a quarter as many loads as multiply-adds. Column by column of the kernel, a lane goes down the samples below its first
output; with ROWS = 4 and CHUNK = 5 taps below each other, the taps by which sample t is multiplied are

    sample t    0  1  2  3  4  5  6  7
    output 0    0  1  2  3  4
    output 1       0  1  2  3  4
    output 2          0  1  2  3  4
    output 3             0  1  2  3  4

Where a row or a column of samples lies is read from index maps, so the array is never extended: a map has the index
of the sample at each position, or -1 where the value is the constant beyond the border. Reading maps costs little,
since what was read serves `ROWS` outputs and all taps of a column; constants are looked for only in programs that
reach beyond the border. Numbers that follow each column in memory (`inner`, the channels of an image whose channels
are last) are columns of the result, too.

Numbers in capitals are known when a kernel is translated.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

__all__ = ["kernel"]

# Names that the kernel uses; `kernel` sets them.
tl: Any = None
go_down: Any = None
multiply: Any = None
put: Any = None
put_finite: Any = None
mend: Any = None
if TYPE_CHECKING:
    constexpr: TypeAlias = Any
else:
    constexpr = None

#: Arguments for which Triton translates once more where they are 1: neighbours are contiguous, divisions vanish.
_SPECIAL = ("x_column", "y_column", "inner", "chunks")


@cache
def kernel() -> Any:
    """Return the kernel, which correlates the images of a batch with the same taps."""
    global tl, constexpr, go_down, multiply, put, put_finite, mend
    import triton
    import triton.language

    tl, constexpr = triton.language, triton.language.constexpr
    go_down, multiply = triton.jit(_go_down), triton.jit(_multiply)
    put, put_finite, mend = triton.jit(_put), triton.jit(_put_finite), triton.jit(_mend)
    code = _filter.__code__
    names = [name for name in code.co_varnames[: code.co_argcount] if name.islower() and name not in _SPECIAL]
    return triton.jit(_filter, do_not_specialize=names)


def _filter(  # type: ignore[no-untyped-def]
    x, w, x_rows, x_columns, y, source, dense, source_rows, source_columns,
    seconds, x_first, x_second, x_row, x_column, x_inner, y_first, y_second, y_row, y_column, y_inner,
    s_first, s_second, s_row, s_column, s_inner,
    rows, lanes, inner, blocks, bands, chunks, width, dense_height, dense_width,
    CHUNK: constexpr, ROWS: constexpr, BORDER: constexpr, LAST: constexpr, NUMBER: constexpr, BLOCK: constexpr,
):  # fmt: skip
    """Correlate x with the taps w; where the result is not finite, correlate `source` with `dense` with more care."""
    program = tl.program_id(0)
    lane = (program % blocks) * BLOCK + tl.arange(0, BLOCK)
    top = (program // blocks % bands) * ROWS
    plane = program // blocks // bands
    first, second = (plane // seconds).to(tl.int64), (plane % seconds).to(tl.int64)
    exists = lane < lanes
    lane = tl.minimum(lane, lanes - 1)
    column, within = lane // inner, lane % inner
    x += first * x_first + second * x_second
    outside = tl.load(w).to(NUMBER)
    a0 = tl.zeros([BLOCK], NUMBER)
    a1, a2, a3, a4, a5, a6, a7 = a0, a0, a0, a0, a0, a0, a0
    beyond = False
    if BORDER:  # do the first or the last sample lie outside, on either axis?
        ends = tl.load(x_rows + top) | tl.load(x_rows + top + chunks * CHUNK + ROWS - 2)
        ends |= tl.load(x_columns + tl.min(column, axis=0)) | tl.load(x_columns + tl.max(column, axis=0) + width - 1)
        beyond = ends < 0
    for chunk in range(chunks):
        at = w + 1 + chunk * width * CHUNK
        if beyond:
            a0, a1, a2, a3, a4, a5, a6, a7 = go_down(
                a0, a1, a2, a3, a4, a5, a6, a7, x, at, x_rows + top + chunk * CHUNK, x_columns + column,
                within * x_inner, x_row, x_column, width, outside, CHUNK, ROWS, True, NUMBER,
            )  # fmt: skip
        else:
            a0, a1, a2, a3, a4, a5, a6, a7 = go_down(
                a0, a1, a2, a3, a4, a5, a6, a7, x, at, x_rows + top + chunk * CHUNK, x_columns + column,
                within * x_inner, x_row, x_column, width, outside, CHUNK, ROWS, False, NUMBER,
            )  # fmt: skip
    y += first * y_first + second * y_second
    y += column.to(tl.int64) * y_column + within * y_inner + top.to(tl.int64) * y_row
    if LAST:
        put_finite(y, a0, exists & (top < rows))
        sizes = tl.abs(a0)
        if ROWS > 1:
            put_finite(y + y_row, a1, exists & (top + 1 < rows))
            put_finite(y + 2 * y_row, a2, exists & (top + 2 < rows))
            put_finite(y + 3 * y_row, a3, exists & (top + 3 < rows))
            sizes += tl.abs(a1) + tl.abs(a2) + tl.abs(a3)
        if ROWS > 4:
            put_finite(y + 4 * y_row, a4, exists & (top + 4 < rows))
            put_finite(y + 5 * y_row, a5, exists & (top + 5 < rows))
            put_finite(y + 6 * y_row, a6, exists & (top + 6 < rows))
            put_finite(y + 7 * y_row, a7, exists & (top + 7 < rows))
            sizes += tl.abs(a4) + tl.abs(a5) + tl.abs(a6) + tl.abs(a7)
        if tl.sum(tl.where(sizes < float("inf"), 0, 1), axis=0) > 0:
            source += first * s_first + second * s_second
            for r in range(ROWS):
                a = a0
                if ROWS > 1:
                    a = tl.where(r == 1, a1, tl.where(r == 2, a2, tl.where(r == 3, a3, a)))
                if ROWS > 4:
                    a = tl.where(r == 4, a4, tl.where(r == 5, a5, tl.where(r == 6, a6, tl.where(r == 7, a7, a))))
                writes = exists & (top + r < rows) & ((tl.abs(a) < float("inf")) == 0)
                mend(
                    y + r * y_row, writes, source, dense, source_rows + tl.minimum(top + r, rows - 1),
                    source_columns + column, within * s_inner, s_row, s_column, dense_height, dense_width, NUMBER,
                )  # fmt: skip
    else:
        put(y, a0, exists & (top < rows))
        if ROWS > 1:
            put(y + y_row, a1, exists & (top + 1 < rows))
            put(y + 2 * y_row, a2, exists & (top + 2 < rows))
            put(y + 3 * y_row, a3, exists & (top + 3 < rows))
        if ROWS > 4:
            put(y + 4 * y_row, a4, exists & (top + 4 < rows))
            put(y + 5 * y_row, a5, exists & (top + 5 < rows))
            put(y + 6 * y_row, a6, exists & (top + 6 < rows))
            put(y + 7 * y_row, a7, exists & (top + 7 < rows))


def _put(y, a, exists):  # type: ignore[no-untyped-def]
    tl.store(y, a, mask=exists)


def _put_finite(y, a, exists):  # type: ignore[no-untyped-def]
    """Store the sums that are finite; `mend` stores the others."""
    tl.store(y, a, mask=exists & (tl.abs(a) < float("inf")))


def _go_down(  # type: ignore[no-untyped-def]
    a0, a1, a2, a3, a4, a5, a6, a7, x, w, x_rows, x_columns, within, x_row, x_column, width, outside,
    CHUNK: constexpr, ROWS: constexpr, BORDER: constexpr, NUMBER: constexpr,
):  # fmt: skip
    """Add the products with CHUNK rows of taps, which follow each other column by column."""
    places = ()
    if not BORDER:
        for t in tl.static_range(CHUNK + ROWS - 1):
            places += (tl.load(x_rows + t) * x_row,)  # type: ignore[assignment]
    for k in range(width):
        column = tl.load(x_columns + k)
        source = x + (column * x_column + within)
        b0, b1, b2, b3, b4, b5, b6, b7 = outside, outside, outside, outside, outside, outside, outside, outside
        for t in tl.static_range(CHUNK + ROWS - 1):
            if BORDER:
                row = tl.load(x_rows + t)
                inside = (column >= 0) & (row >= 0)
                sample = tl.load(source + row * x_row, mask=inside, other=0.0).to(NUMBER)
                sample = tl.where(inside, sample, outside)
            else:
                sample = tl.load(source + places[t]).to(NUMBER)
            b7, b6, b5, b4, b3, b2, b1 = b6, b5, b4, b3, b2, b1, b0
            if t < CHUNK:
                b0 = tl.load(w + k * CHUNK + t).to(NUMBER)
            a0 = multiply(a0, sample, b0, t, CHUNK)
            if ROWS > 1:
                a1 = multiply(a1, sample, b1, t - 1, CHUNK)
                a2 = multiply(a2, sample, b2, t - 2, CHUNK)
                a3 = multiply(a3, sample, b3, t - 3, CHUNK)
            if ROWS > 4:
                a4 = multiply(a4, sample, b4, t - 4, CHUNK)
                a5 = multiply(a5, sample, b5, t - 5, CHUNK)
                a6 = multiply(a6, sample, b6, t - 6, CHUNK)
                a7 = multiply(a7, sample, b7, t - 7, CHUNK)
    return a0, a1, a2, a3, a4, a5, a6, a7


def _multiply(a, sample, tap, J: constexpr, CHUNK: constexpr):  # type: ignore[no-untyped-def]
    """Add a product, if there is a tap J."""
    if J >= 0 and J < CHUNK:
        a += sample * tap
    return a


def _mend(  # type: ignore[no-untyped-def]
    y, writes, x, w, x_rows, x_columns, within, x_row, x_column, height, width, NUMBER: constexpr
):
    """Store one output of each lane as the rules for samples that are not finite, and for terms that overflow, say.

    Taps of zero touch nothing. NaN under a tap, or infinities of both signs in its terms, make an output NaN; others
    make it infinite. Else it is a sum of finite terms, in double precision; if they overflow, of smaller ones.
    """
    outside = tl.load(w).to(tl.float64)
    w += 1
    zero = tl.zeros(writes.shape, tl.float64)
    total, small = zero, zero
    rises, falls, spoils = zero < 0, zero < 0, zero < 0
    for j in range(height):
        row = tl.load(x_rows + j)
        for k in range(width):
            column = tl.load(x_columns + k)
            tap = zero + tl.load(w + j * width + k).to(tl.float64)
            inside = (row >= 0) & (column >= 0)
            place = row * x_row + column * x_column + within
            sample = tl.load(x + place, mask=inside & writes, other=0.0).to(tl.float64)
            sample = tl.where(inside, sample, outside)
            touched = (tap != 0) & (sample == sample)
            finite = touched & (tl.abs(sample) < float("inf"))
            total += tl.where(finite, sample, 0.0) * tap
            small += (tl.where(finite, sample, 0.0) * 2.0**-600) * (tap * 2.0**-600)
            same = (sample > 0) == (tap > 0)
            rises = rises | (touched & (finite == 0) & same)
            falls = falls | (touched & (finite == 0) & (same == 0))
            spoils = spoils | ((tap != 0) & (sample != sample))
    total = tl.where(tl.abs(total) < float("inf"), total, small * 2.0**600 * 2.0**600)
    total = tl.where(rises, float("inf"), total)
    total = tl.where(falls, -float("inf"), total)
    total = tl.where(spoils | (rises & falls), float("nan"), total)
    tl.store(y, total.to(NUMBER), mask=writes)
