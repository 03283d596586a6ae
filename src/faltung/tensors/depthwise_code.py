"""What does one program of a GPU do for a filter over a single channel? The source of the kernels, for Triton.

Triton reads these functions as text and translates them for the device when they are first called; it is imported by
`kernels` and nowhere else. A program has `BLOCK` lanes. Lanes are outputs in the order in which they lie, so that
neighbours read neighbouring samples, and each of them stands for `ROWS` outputs below each other (`dilation` rows apart,
so that they share samples): a sample that was loaded is multiplied with as many taps. Loads, of which a processor can
start a quarter as many as multiply-adds, would be what everything waits for.

Numbers in capitals are known when a kernel is translated.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["kernels"]

constexpr = Any  # Triton looks for this word in annotations
tl: Any = None  # its language, once `kernels` has been called
add_row: Any = None
add_tap: Any = None
add_pair: Any = None


@cache
def kernels() -> tuple[Any, Any]:
    """Return the kernels that correlate, and that add up gradients of taps."""
    global tl, add_row, add_tap, add_pair
    import triton
    import triton.language

    tl = triton.language
    add_tap, add_row, add_pair = triton.jit(_add_tap), triton.jit(_add_row), triton.jit(_add_pair)
    # Triton translates anew for integers that are 1 or divisible by 16. For steps of 1 that pays: neighbours lie side by
    # side; for the others it would only be one more wait for every other shape.
    steps = {"x_channel", "x_column", "y_channel", "y_column", "g_column", "tap_step", "tap_channel"}
    return tuple(  # type: ignore[return-value]
        triton.jit(code, do_not_specialize=[name for name in _numbers(code) if name not in steps])
        for code in (_correlate, _taps)
    )


def _numbers(code: Any) -> list[str]:
    names: list[str] = [name for name in code.__code__.co_varnames[: code.__code__.co_argcount] if name.islower()]
    return [name for name in names if name not in ("x", "w", "bias", "y", "g", "sums")]


# ---- outputs: y[n] = sum over j of w[j] x[start + stride n + dilation j]


def _correlate(
    x: Any,
    w: Any,
    bias: Any,
    y: Any,
    lanes: Any,
    blocks: Any,
    channels: Any,
    groups: Any,
    height: Any,
    width: Any,
    rows: Any,
    columns: Any,
    x_image: Any,
    x_channel: Any,
    x_row: Any,
    x_column: Any,
    y_image: Any,
    y_channel: Any,
    y_row: Any,
    y_column: Any,
    first_tap: Any,
    tap_channel: Any,
    tap_step: Any,
    start_row: Any,
    start_column: Any,
    stride_column: Any,
    dilation_row: Any,
    dilation_column: Any,
    KH: constexpr,
    KW: constexpr,
    STRIDE: constexpr,
    UP_ROW: constexpr,
    UP_COLUMN: constexpr,
    ROWS: constexpr,
    LAST: constexpr,
    BIAS: constexpr,
    UNROLLED: constexpr,
    NUMBER: constexpr,
    BLOCK: constexpr,
) -> None:
    program = tl.program_id(0)
    lane = (program % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < lanes
    if LAST:  # channels lie side by side, so neighbouring lanes are channels, each with taps of its own
        channel = lane % channels
        lane = lane // channels
    else:
        channel = program // blocks
    column = lane % columns
    group = (lane // columns) % groups
    image = (lane // columns // groups).to(tl.int64)
    row = (group // dilation_row) * (ROWS * dilation_row) + group % dilation_row

    source = x + image * x_image + channel.to(tl.int64) * x_channel
    taps = w + first_tap + channel * tap_channel
    x_top = start_row + STRIDE * row
    x_left = start_column + stride_column * column
    a0 = tl.zeros([BLOCK], NUMBER)
    a1, a2, a3 = a0, a0, a0
    # Row t of the samples meets row t of the taps for the first output of a lane, t - STRIDE for the second ...
    if UNROLLED:
        for t in tl.static_range(STRIDE * (ROWS - 1) + KH):
            a0, a1, a2, a3 = add_row(
                a0, a1, a2, a3, source, taps, x_top + t * dilation_row, x_left, inside, t,
                height, width, x_row, x_column, tap_step, dilation_column,
                t < KH,
                (ROWS > 1 and t >= STRIDE) and t < KH + STRIDE,
                (ROWS > 2 and t >= 2 * STRIDE) and t < KH + 2 * STRIDE,
                ROWS > 2 and t >= 3 * STRIDE,
                KW, STRIDE, UP_ROW, UP_COLUMN, True, NUMBER,
            )  # fmt: skip
    else:  # KH > STRIDE * (ROWS - 1): between the first and the last rows all outputs of a lane take part
        for t in tl.static_range(STRIDE * (ROWS - 1)):
            a0, a1, a2, a3 = add_row(
                a0, a1, a2, a3, source, taps, x_top + t * dilation_row, x_left, inside, t,
                height, width, x_row, x_column, tap_step, dilation_column,
                True, t >= STRIDE, t >= 2 * STRIDE, False, KW, STRIDE, UP_ROW, UP_COLUMN, False, NUMBER,
            )  # fmt: skip
        for t in range(STRIDE * (ROWS - 1), KH):
            a0, a1, a2, a3 = add_row(
                a0, a1, a2, a3, source, taps, x_top + t * dilation_row, x_left, inside, t,
                height, width, x_row, x_column, tap_step, dilation_column,
                True, ROWS > 1, ROWS > 2, ROWS > 2, KW, STRIDE, UP_ROW, UP_COLUMN, False, NUMBER,
            )  # fmt: skip
        for t in tl.static_range(KH, KH + STRIDE * (ROWS - 1)):
            a0, a1, a2, a3 = add_row(
                a0, a1, a2, a3, source, taps, x_top + t * dilation_row, x_left, inside, t,
                height, width, x_row, x_column, tap_step, dilation_column,
                False, t < KH + STRIDE, ROWS > 2 and t < KH + 2 * STRIDE, ROWS > 2,
                KW, STRIDE, UP_ROW, UP_COLUMN, False, NUMBER,
            )  # fmt: skip
    if BIAS:
        more = tl.load(bias + channel).to(NUMBER)
        a0, a1, a2, a3 = a0 + more, a1 + more, a2 + more, a3 + more
    target = y + image * y_image + channel.to(tl.int64) * y_channel + column * y_column
    tl.store(target + row * y_row, a0, mask=inside & (row < rows))
    if ROWS > 1:
        row += dilation_row
        tl.store(target + row * y_row, a1, mask=inside & (row < rows))
    if ROWS > 2:
        row += dilation_row
        tl.store(target + row * y_row, a2, mask=inside & (row < rows))
        row += dilation_row
        tl.store(target + row * y_row, a3, mask=inside & (row < rows))


def _add_row(
    a0: Any, a1: Any, a2: Any, a3: Any, source: Any, taps: Any, row: Any, column: Any, inside: Any, t: Any,
    height: Any, width: Any, x_row: Any, x_column: Any, tap_step: Any, dilation: Any,
    USE0: constexpr, USE1: constexpr, USE2: constexpr, USE3: constexpr,
    KW: constexpr, STRIDE: constexpr, UP_ROW: constexpr, UP_COLUMN: constexpr, UNROLLED: constexpr, NUMBER: constexpr,
) -> Any:  # fmt: skip
    """Add what a row of samples contributes to the outputs of each lane that it belongs to."""
    inside = inside & (row >= 0)
    if UP_ROW > 1:  # samples are UP_ROW positions apart
        inside = inside & (row % UP_ROW == 0)
        row = row // UP_ROW
    inside = inside & (row < height)
    source = source + row * x_row
    taps = taps + t * KW * tap_step
    if UNROLLED:
        for k in tl.static_range(KW):
            a0, a1, a2, a3 = add_tap(
                a0, a1, a2, a3, source, taps + k * tap_step, KW * STRIDE * tap_step, column + k * dilation, inside,
                width, x_column, USE0, USE1, USE2, USE3, UP_COLUMN, NUMBER,
            )  # fmt: skip
    else:
        for k in range(KW):
            a0, a1, a2, a3 = add_tap(
                a0, a1, a2, a3, source, taps + k * tap_step, KW * STRIDE * tap_step, column + k * dilation, inside,
                width, x_column, USE0, USE1, USE2, USE3, UP_COLUMN, NUMBER,
            )  # fmt: skip
    return a0, a1, a2, a3


def _add_tap(
    a0: Any, a1: Any, a2: Any, a3: Any, source: Any, taps: Any, back: Any, column: Any, inside: Any,
    width: Any, x_column: Any,
    USE0: constexpr, USE1: constexpr, USE2: constexpr, USE3: constexpr, UP: constexpr, NUMBER: constexpr,
) -> Any:  # fmt: skip
    """Multiply a sample of each lane with the taps that meet it."""
    inside = inside & (column >= 0)
    if UP > 1:
        inside = inside & (column % UP == 0)
        column = column // UP
    sample = tl.load(source + column * x_column, mask=inside & (column < width), other=0.0).to(NUMBER)
    if USE0:
        a0 += sample * tl.load(taps).to(NUMBER)
    if USE1:
        a1 += sample * tl.load(taps - back).to(NUMBER)
    if USE2:
        a2 += sample * tl.load(taps - 2 * back).to(NUMBER)
    if USE3:
        a3 += sample * tl.load(taps - 3 * back).to(NUMBER)
    return a0, a1, a2, a3


# ---- gradients of taps: v[j] = sum over n of g[n] x[start + stride n + dilation j]


def _taps(
    x: Any,
    g: Any,
    sums: Any,
    lanes: Any,
    share: Any,
    channels: Any,
    groups: Any,
    height: Any,
    width: Any,
    columns: Any,
    x_image: Any,
    x_channel: Any,
    x_row: Any,
    x_column: Any,
    g_image: Any,
    g_channel: Any,
    g_row: Any,
    g_column: Any,
    start_row: Any,
    start_column: Any,
    stride_column: Any,
    dilation_row: Any,
    dilation_column: Any,
    KH: constexpr,
    KW: constexpr,
    STRIDE: constexpr,
    ROWS: constexpr,
    DOWN: constexpr,
    NUMBER: constexpr,
    BLOCK: constexpr,
) -> None:
    """Add up a column of at most DOWN taps of a channel, over one of the parts that all outputs are divided into.

    ROWS divides the rows of outputs, so that a lane has them all: what is not there must not be multiplied by zero,
    since samples need not be finite.
    """
    program = tl.program_id(0)
    k = program % KW
    j = program // KW % ((KH + DOWN - 1) // DOWN) * DOWN
    channel = program // (KW * ((KH + DOWN - 1) // DOWN)) % channels
    part = program // (KW * ((KH + DOWN - 1) // DOWN)) // channels
    a0 = tl.zeros([BLOCK], NUMBER)
    a1, a2, a3 = a0, a0, a0
    for first in range(0, share, BLOCK):
        lane = part * share + first + tl.arange(0, BLOCK)
        inside = lane < lanes
        column = lane % columns
        group = (lane // columns) % groups
        image = (lane // columns // groups).to(tl.int64)
        row = (group // dilation_row) * (ROWS * dilation_row) + group % dilation_row
        there = g + image * g_image + channel.to(tl.int64) * g_channel + row * g_row + column * g_column
        g0 = tl.load(there, mask=inside, other=0.0).to(NUMBER)
        g1, g2, g3 = g0, g0, g0
        if ROWS > 1:
            g1 = tl.load(there + dilation_row * g_row, mask=inside, other=0.0).to(NUMBER)
        if ROWS > 2:
            g2 = tl.load(there + 2 * dilation_row * g_row, mask=inside, other=0.0).to(NUMBER)
            g3 = tl.load(there + 3 * dilation_row * g_row, mask=inside, other=0.0).to(NUMBER)
        column = start_column + stride_column * column + dilation_column * k
        row = start_row + STRIDE * row + dilation_row * j
        inside = inside & (column >= 0) & (column < width)
        source = x + image * x_image + channel.to(tl.int64) * x_channel + column * x_column
        for t in tl.static_range(STRIDE * (ROWS - 1) + DOWN):
            sample = tl.load(source + row * x_row, mask=inside & (row >= 0) & (row < height), other=0.0).to(NUMBER)
            a0 = add_pair(a0, sample, g0, g1, g2, g3, t, STRIDE, ROWS)
            if DOWN > 1:
                a1 = add_pair(a1, sample, g0, g1, g2, g3, t - 1, STRIDE, ROWS)
            if DOWN > 2:
                a2 = add_pair(a2, sample, g0, g1, g2, g3, t - 2, STRIDE, ROWS)
            if DOWN > 3:
                a3 = add_pair(a3, sample, g0, g1, g2, g3, t - 3, STRIDE, ROWS)
            row += dilation_row
    target = sums + ((part.to(tl.int64) * channels + channel) * KH + j) * KW + k
    tl.store(target, tl.sum(a0))
    if DOWN > 1:
        tl.store(target + KW, tl.sum(a1), mask=j + 1 < KH)
    if DOWN > 2:
        tl.store(target + 2 * KW, tl.sum(a2), mask=j + 2 < KH)
    if DOWN > 3:
        tl.store(target + 3 * KW, tl.sum(a3), mask=j + 3 < KH)


def _add_pair(
    a: Any, sample: Any, g0: Any, g1: Any, g2: Any, g3: Any, AHEAD: constexpr, STRIDE: constexpr, ROWS: constexpr
) -> Any:
    """Multiply a sample with the gradient of the output that a tap brings it to, if that is one of the lane's."""
    if AHEAD == 0:
        a += sample * g0
    if AHEAD == STRIDE and ROWS > 1:
        a += sample * g1
    if AHEAD == 2 * STRIDE and ROWS > 2:
        a += sample * g2
    if AHEAD == 3 * STRIDE and ROWS > 2:
        a += sample * g3
    return a
