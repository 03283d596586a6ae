"""What does one program of a GPU compute of a layer of single channels? The source of the kernels, for Triton.

Triton reads these functions as text and translates them for the device when they are first called; `kernels` imports
it, and nothing else does. A program has `BLOCK` lanes, and each lane has `ROWS` outputs below each other, a dilation
apart, so that a sample that was loaded is multiplied with several taps: a processor can start only a quarter as many
loads as multiply-adds. With ROWS = 4, a dilation of 2 and seven columns of outputs:

    row 0     0  1  2  3  4  5  6      the first outputs of lanes 0 to 6: neighbouring lanes read neighbouring samples
    row 1     7  8  9 10 11 12 13      of lanes 7 to 13
    row 2     0  1  2  3  4  5  6      the second outputs of lanes 0 to 6
    row 3     7  8  9 10 11 12 13
    ...                                rows 4 and 6 are the third and fourth outputs of lanes 0 to 6
    row 8    14 15 16 17 18 19 20      the next group of lanes

Where channels are last in memory, a block of lanes has two axes: `BLOCK / ACROSS` lanes as above, and `ACROSS`
channels, so that neighbours are still neighbours in memory.

Numbers in capitals are known when a kernel is translated.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

__all__ = ["kernels"]

# Names that the kernels use; `kernels` sets them.
tl: Any = None
add_row: Any = None
add_tap: Any = None
add_column: Any = None
add_pair: Any = None
put: Any = None
if TYPE_CHECKING:
    constexpr: TypeAlias = Any
else:
    constexpr = None


@cache
def kernels() -> tuple[Any, Any]:
    """Return two kernels: one correlates, the other adds up gradients of taps."""
    global tl, constexpr, add_row, add_tap, add_column, add_pair, put
    import triton
    import triton.language

    tl, constexpr = triton.language, triton.language.constexpr
    add_row, add_tap = triton.jit(_add_row), triton.jit(_add_tap)
    add_column, add_pair, put = triton.jit(_add_column), triton.jit(_add_pair), triton.jit(_put)
    # Triton translates once more for integers that are 1 or divisible by 16. For steps this is useful: with a step of
    # 1, neighbours are contiguous. For other integers every new shape would only have to wait.
    steps = {"x_channel", "x_column", "y_channel", "y_column", "g_column", "tap_step", "tap_channel"}
    steps |= {"dilation_row", "dilation_column"}
    return tuple(
        triton.jit(code, do_not_specialize=[name for name in _numbers(code) if name not in steps])
        for code in (_correlate, _taps)
    )


def _numbers(code: Any) -> list[str]:
    names: list[str] = [name for name in code.__code__.co_varnames[: code.__code__.co_argcount] if name.islower()]
    return [name for name in names if name not in ("x", "w", "bias", "y", "g", "sums")]


# ---- outputs: y[n] = sum over j of w[j] x[start + stride n + dilation j]
#
# The row of samples t under a lane belongs to tap t of its first output, tap t - STRIDE of the second, ... With
# ROWS = 4, STRIDE = 1 and KH = 5 taps below each other, the taps by which a row is multiplied are
#
#     row t       0  1  2  3  4  5  6  7
#     output 0    0  1  2  3  4                  in the first and last rows only some outputs take part;
#     output 1       0  1  2  3  4               in rows STRIDE * (ROWS - 1) to KH - 1, here 3 and 4, all of them
#     output 2          0  1  2  3  4
#     output 3             0  1  2  3  4


def _correlate(  # type: ignore[no-untyped-def]
    x, w, bias, y, lanes, blocks, channels, groups, height, width, rows, columns, x_image, x_channel, x_row,
    x_column, y_image, y_channel, y_row, y_column, first_tap, tap_channel, tap_step, start_row, start_column,
    stride_column, dilation_row, dilation_column,
    KH: constexpr, KW: constexpr, STRIDE: constexpr, UP_ROW: constexpr, UP_COLUMN: constexpr, ROWS: constexpr,
    ACROSS: constexpr, BIAS: constexpr, UNROLLED: constexpr, NUMBER: constexpr, BLOCK: constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    if ACROSS > 1:  # neighbouring lanes are channels, each with taps of its own
        lane = (program % blocks) * (BLOCK // ACROSS) + tl.arange(0, BLOCK // ACROSS)[:, None]
        channel = (program // blocks) * ACROSS + tl.arange(0, ACROSS)[None, :]
        writes = (lane < lanes) & (channel < channels)
        channel = tl.minimum(channel, channels - 1)
        a0 = tl.zeros([BLOCK // ACROSS, ACROSS], NUMBER)
    else:
        lane = (program % blocks) * BLOCK + tl.arange(0, BLOCK)
        channel = program // blocks
        writes = lane < lanes
        a0 = tl.zeros([BLOCK], NUMBER)
    inside = lane < lanes
    column = lane % columns
    group = (lane // columns) % groups
    image = (lane // columns // groups).to(tl.int64)
    row = (group // dilation_row) * (ROWS * dilation_row) + group % dilation_row

    source = x + image * x_image + channel.to(tl.int64) * x_channel
    taps = w + first_tap + channel * tap_channel
    x_top = start_row + STRIDE * row
    x_left = start_column + stride_column * column
    a1, a2, a3 = a0, a0, a0
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
    else:  # KH > STRIDE * (ROWS - 1)
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
    tl.store(target + row * y_row, a0, mask=writes & (row < rows))
    if ROWS > 1:
        row += dilation_row
        tl.store(target + row * y_row, a1, mask=writes & (row < rows))
    if ROWS > 2:
        row += dilation_row
        tl.store(target + row * y_row, a2, mask=writes & (row < rows))
        row += dilation_row
        tl.store(target + row * y_row, a3, mask=writes & (row < rows))


def _add_row(  # type: ignore[no-untyped-def]
    a0, a1, a2, a3, source, taps, row, column, inside, t, height, width, x_row, x_column, tap_step, dilation,
    USE0: constexpr, USE1: constexpr, USE2: constexpr, USE3: constexpr, KW: constexpr, STRIDE: constexpr,
    UP_ROW: constexpr, UP_COLUMN: constexpr, UNROLLED: constexpr, NUMBER: constexpr,
):  # fmt: skip
    """Add the products of a row of samples to those outputs of each lane that have it under a tap."""
    inside = inside & (row >= 0)
    if UP_ROW > 1:  # samples are UP_ROW positions apart
        inside = inside & (row % UP_ROW == 0)
        row = row // UP_ROW
    source = source + row * x_row + column * x_column
    column = tl.where(inside & (row < height), column, -1073741824)  # far outside: one test for each load is enough
    if UNROLLED:
        for k in tl.static_range(KW):
            a0, a1, a2, a3 = add_tap(
                a0, a1, a2, a3, source, taps, t * KW + k, tap_step, column, k * dilation, width, x_column,
                KW * STRIDE, USE0, USE1, USE2, USE3, UP_COLUMN, NUMBER,
            )  # fmt: skip
    else:
        for k in tl.range(0, KW, loop_unroll_factor=4):
            a0, a1, a2, a3 = add_tap(
                a0, a1, a2, a3, source, taps, t * KW + k, tap_step, column, k * dilation, width, x_column,
                KW * STRIDE, USE0, USE1, USE2, USE3, UP_COLUMN, NUMBER,
            )  # fmt: skip
    return a0, a1, a2, a3


def _add_tap(  # type: ignore[no-untyped-def]
    a0, a1, a2, a3, source, taps, tap, tap_step, column, ahead, width, x_column,
    BACK: constexpr, USE0: constexpr, USE1: constexpr, USE2: constexpr, USE3: constexpr, UP: constexpr,
    NUMBER: constexpr,
):  # fmt: skip
    """Multiply a sample of each lane with one tap for each of its outputs."""
    if UP > 1:  # samples are UP positions apart; `source` is the address of the first column as if UP were 1
        across = tl.where((column + ahead >= 0) & ((column + ahead) % UP == 0), (column + ahead) // UP, -1)
        source = source + (across - column) * x_column
    else:
        across = column + ahead
        source = source + ahead * x_column
    within = across.to(tl.uint32, bitcast=True) < width.to(tl.uint32)  # without a sign, negative numbers are large
    sample = tl.load(source, mask=within, other=0.0).to(NUMBER)
    if USE0:
        a0 += sample * tl.load(taps + tap * tap_step).to(NUMBER)
    if USE1:
        a1 += sample * tl.load(taps + (tap - BACK) * tap_step).to(NUMBER)
    if USE2:
        a2 += sample * tl.load(taps + (tap - 2 * BACK) * tap_step).to(NUMBER)
    if USE3:
        a3 += sample * tl.load(taps + (tap - 3 * BACK) * tap_step).to(NUMBER)
    return a0, a1, a2, a3


# ---- gradients of taps: v[j] = sum over n of g[n] x[start + stride n + dilation j]
#
# A program adds up a block of DOWN by WIDE taps, here 4 by 2, over one part of all outputs:
#
#     a0  b0        taps j, k         and j, k + 1
#     a1  b1        taps j + 1, k     and j + 1, k + 1
#     a2  b2
#     a3  b3
#
# Each of these is a block of lanes, which are summed when all outputs of the part are done.


def _taps(  # type: ignore[no-untyped-def]
    x, g, sums, lanes, share, channels, groups, height, width, columns, x_image, x_channel, x_row, x_column,
    g_image, g_channel, g_row, g_column, start_row, start_column, stride_column, dilation_row, dilation_column,
    KH: constexpr, KW: constexpr, STRIDE: constexpr, ROWS: constexpr, DOWN: constexpr, WIDE: constexpr,
    ACROSS: constexpr, NUMBER: constexpr, BLOCK: constexpr,
):  # fmt: skip
    """Add up the gradients of DOWN rows and WIDE columns of taps, over one part of all outputs.

    ROWS divides the number of rows of outputs, so that every lane has ROWS outputs. Outputs that do not exist must
    not count as zeros, because zero times a sample that is not finite is NaN.
    """
    program = tl.program_id(0)
    k = program % ((KW + WIDE - 1) // WIDE) * WIDE
    program = program // ((KW + WIDE - 1) // WIDE)
    j = program % ((KH + DOWN - 1) // DOWN) * DOWN
    program = program // ((KH + DOWN - 1) // DOWN)
    if ACROSS > 1:
        channel = program % ((channels + ACROSS - 1) // ACROSS) * ACROSS + tl.arange(0, ACROSS)
        part = program // ((channels + ACROSS - 1) // ACROSS)
        plane = tl.minimum(channel, channels - 1).to(tl.int64)[None, :]
        a0 = tl.zeros([BLOCK // ACROSS, ACROSS], NUMBER)
    else:
        channel = program % channels
        part = program // channels
        plane = channel.to(tl.int64)
        a0 = tl.zeros([BLOCK], NUMBER)
    a1, a2, a3 = a0, a0, a0
    b0, b1, b2, b3 = a0, a0, a0, a0
    for first in range(0, share, BLOCK // ACROSS):
        if ACROSS > 1:
            lane = part * share + first + tl.arange(0, BLOCK // ACROSS)[:, None]
        else:
            lane = part * share + first + tl.arange(0, BLOCK)
        inside = lane < lanes
        column = lane % columns
        group = (lane // columns) % groups
        image = (lane // columns // groups).to(tl.int64)
        row = (group // dilation_row) * (ROWS * dilation_row) + group % dilation_row
        gradient = g + image * g_image + plane * g_channel + row * g_row + column * g_column
        g0 = tl.load(gradient, mask=inside, other=0.0).to(NUMBER)
        g1, g2, g3 = g0, g0, g0
        if ROWS > 1:
            g1 = tl.load(gradient + dilation_row * g_row, mask=inside, other=0.0).to(NUMBER)
        if ROWS > 2:
            g2 = tl.load(gradient + 2 * dilation_row * g_row, mask=inside, other=0.0).to(NUMBER)
            g3 = tl.load(gradient + 3 * dilation_row * g_row, mask=inside, other=0.0).to(NUMBER)
        column = start_column + stride_column * column + dilation_column * k
        row = start_row + STRIDE * row + dilation_row * j
        source = x + image * x_image + plane * x_channel + row * x_row + column * x_column
        a0, a1, a2, a3 = add_column(
            a0, a1, a2, a3, g0, g1, g2, g3, source, row, column, inside, height, width, x_row, dilation_row,
            STRIDE, ROWS, DOWN, NUMBER,
        )  # fmt: skip
        if WIDE > 1:
            source += dilation_column * x_column
            column += dilation_column
            b0, b1, b2, b3 = add_column(
                b0, b1, b2, b3, g0, g1, g2, g3, source, row, column, inside, height, width, x_row, dilation_row,
                STRIDE, ROWS, DOWN, NUMBER,
            )  # fmt: skip
    target = sums + ((part.to(tl.int64) * channels + channel) * KH + j) * KW + k
    put(target, a0, a1, a2, a3, channel < channels, KH - j, KW, DOWN)
    if WIDE > 1:
        put(target + 1, b0, b1, b2, b3, (channel < channels) & (k + 1 < KW), KH - j, KW, DOWN)


def _add_column(  # type: ignore[no-untyped-def]
    a0, a1, a2, a3, g0, g1, g2, g3, source, row, column, inside, height, width, x_row, dilation,
    STRIDE: constexpr, ROWS: constexpr, DOWN: constexpr, NUMBER: constexpr,
):  # fmt: skip
    """Add the products of each lane to the gradients of DOWN taps below each other."""
    row = tl.where((inside & (column >= 0)) & (column < width), row, -1073741824)
    for t in tl.static_range(STRIDE * (ROWS - 1) + DOWN):
        within = row.to(tl.uint32, bitcast=True) < height.to(tl.uint32)
        sample = tl.load(source, mask=within, other=0.0).to(NUMBER)
        a0 = add_pair(a0, sample, g0, g1, g2, g3, t, STRIDE, ROWS)
        if DOWN > 1:
            a1 = add_pair(a1, sample, g0, g1, g2, g3, t - 1, STRIDE, ROWS)
        if DOWN > 2:
            a2 = add_pair(a2, sample, g0, g1, g2, g3, t - 2, STRIDE, ROWS)
        if DOWN > 3:
            a3 = add_pair(a3, sample, g0, g1, g2, g3, t - 3, STRIDE, ROWS)
        row += dilation
        source += dilation * x_row
    return a0, a1, a2, a3


def _add_pair(  # type: ignore[no-untyped-def]
    a, sample, g0, g1, g2, g3, AHEAD: constexpr, STRIDE: constexpr, ROWS: constexpr
):
    """Multiply a sample with the gradient of the output that has it under a tap, if the lane has that output."""
    if AHEAD == 0:
        a += sample * g0
    if AHEAD == STRIDE and ROWS > 1:
        a += sample * g1
    if AHEAD == 2 * STRIDE and ROWS > 2:
        a += sample * g2
    if AHEAD == 3 * STRIDE and ROWS > 2:
        a += sample * g3
    return a


def _put(target, a0, a1, a2, a3, exists, rows, KW: constexpr, DOWN: constexpr):  # type: ignore[no-untyped-def]
    """Store the sums over lanes for taps below each other; the kernel has `rows` rows from the first one on."""
    tl.store(target, tl.sum(a0, axis=0), mask=exists)
    if DOWN > 1:
        tl.store(target + KW, tl.sum(a1, axis=0), mask=exists & (rows > 1))
    if DOWN > 2:
        tl.store(target + 2 * KW, tl.sum(a2, axis=0), mask=exists & (rows > 2))
    if DOWN > 3:
        tl.store(target + 3 * KW, tl.sum(a3, axis=0), mask=exists & (rows > 3))
