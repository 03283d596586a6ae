"""A filter along one or two axes by a kernel for the GPU that is written for it, through Triton.

The array stays where it is, in any order of memory: `plane_code` draws how the work is divided on the device. A
dense kernel is one pass, an outer product of two lines of taps one pass for each. Nothing waits for the device: sums
that are not finite are found, and computed with more care, by the program that has them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from faltung.ground.boundary import index_map
from faltung.tensors.dtypes import computed, constant
from faltung.tensors.ways.plane_code import kernel
from faltung.tensors.ways.triton_kernels import in_triton, unavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AxisReach", "PlaneFilter", "refusal", "work"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
#: Places in a plane are counted with 32 bits.
_MOST = 2**31 - 2**16
#: Outputs of a lane, lanes of a program, and lanes of a thread: with fewer, taps are loaded too often.
_ROWS, _LANES, _TOGETHER = 8, 256, 2
#: Programs that occupy every processor of a large device.
_PROGRAMS = 1024
#: Most rows of taps of which the loop is written out.
_CHUNK = 32
#: Registers of a thread, with which four programs share a processor: constants beyond the border would take more.
_LIMITS = {} if torch.version.hip else {"maxnreg": 128}
#: Orders of memory whose launches are kept.
_ORDERS = 16


class AxisReach(NamedTuple):
    """A filtered axis: samples, outputs, the position under the first tap of the first output, taps, and mode."""

    length: int
    outputs: int
    low: int
    size: int
    mode: str

    @property
    def beyond(self) -> bool:
        """Whether taps reach constants beyond the border."""
        return self.mode == "constant" and (self.low < 0 or self.low + self.outputs + self.size - 1 > self.length)

    def alone(self) -> AxisReach:
        """Return the axis with one tap, which leaves it as it is."""
        return AxisReach(self.length, self.length, 0, 1, "nearest")


def refusal(shape: Sequence[int], axes: Sequence[int], device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot filter an array, or an empty string if it can."""
    if not 1 <= len(axes) <= 2:
        return "the kernel has more than two axes"
    if dtype not in _DTYPES:
        return "the numbers are not real"
    if not math.prod(shape):
        return "there are no samples"
    if math.prod(shape[min(axes) :]) >= _MOST:
        return "there are too many numbers"
    return unavailable(device)


def work(height: int, width: int) -> float:
    """Return the time of an output, as a multiple of that of an instruction.

    For each column of taps, a lane and its neighbour in the thread have 2 x 8 multiply-adds for each tap, and a load
    and two additions of its address for each of 7 samples more than taps: counted in the code for capability 9.0.

    Examples
    --------
    >>> work(15, 15) / 225 < work(3, 3) / 9 < work(1, 15) / 15
    True
    """
    return width * (23 * height + 67 * -(-height // _CHUNK)) / (_ROWS * _TOGETHER) + 20


class _Sizes(NamedTuple):
    """Numbers of an array, or steps in memory between them: batch, rows, batch between, columns, batch behind."""

    first: int
    row: int
    second: int
    column: int
    inner: int

    def contiguous(self) -> _Sizes:
        """Return the steps in memory of an array of these sizes that has no gaps."""
        inner = self.inner * self.column
        return _Sizes(inner * self.second * self.row, inner * self.second, inner, self.inner, 1)

    def steps(self) -> tuple[int, ...]:
        """Return the numbers in the order of the arguments of the kernel."""
        return self.first, self.second, self.row, self.column, self.inner


class _Place(NamedTuple):
    """An array in memory: the order of its axes from the outermost, and its sizes and steps as five axes."""

    order: list[int]
    sizes: _Sizes
    steps: _Sizes
    axes: tuple[int, int]


class PlaneFilter:
    """Correlates tensors of one shape and dtype on one device with fixed taps.

    Parameters
    ----------
    taps : ndarray, with one or two axes
        What tensors are correlated with.
    lines : sequence of ndarray
        A line of taps for each axis, whose outer product is the same; none for a single pass.
    axes : sequence of int
        The axis of the tensor for each axis of the taps.
    reaches : sequence of AxisReach
        Each of them.
    cval : float
        The constant beyond the border.
    device, dtype
        Of the tensors.
    """

    def __init__(
        self,
        taps: NDArray[Any],
        lines: Sequence[NDArray[Any]],
        axes: Sequence[int],
        reaches: Sequence[AxisReach],
        cval: float,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.taps, self.lines = np.asarray(taps, np.float64), [np.asarray(line, np.float64) for line in lines]
        self.axes, self.reaches, self.cval = tuple(axes), tuple(reaches), cval
        self.device, self.dtype = device, dtype
        self._launches: dict[tuple[int, ...], _Launches | None] = {}

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Filter a tensor; the result has its dtype, and its order in memory."""
        launches = self._of(x)
        if launches is None:  # axes of the batch that are no single axis, or gaps that are too large
            x = x.contiguous()
            launches = self._of(x)
            assert launches is not None
        return launches(x)

    def _of(self, x: torch.Tensor) -> _Launches | None:
        key = x.stride()
        if key not in self._launches:
            if len(self._launches) >= _ORDERS:
                self._launches.clear()
            place = _place(x, self.axes)
            self._launches[key] = None if place is None else _Launches(self, x, place)
        return self._launches[key]


class _Launches:
    """All that is launched for tensors of one order in memory."""

    def __init__(self, asked: PlaneFilter, x: torch.Tensor, place: _Place) -> None:
        self.dtype, self.number = asked.dtype, computed(asked.dtype)
        reaches, taps, lines = _as_planes(asked, place)
        rows, columns = reaches
        outputs = place.sizes._replace(row=rows.outputs, column=columns.outputs)
        self.order = np.argsort(place.order).tolist()
        shape = [x.shape[axis] for axis in place.order]
        for axis, reach in zip(asked.axes, asked.reaches, strict=True):
            shape[place.order.index(axis)] = reach.outputs
        self.shape = shape
        dense = _Taps(taps, reaches, asked.cval, asked)
        self.careful = (dense.given, dense.rows, dense.columns, *place.steps.steps(), *taps.shape)
        self.between: tuple[int, ...] = ()
        if not lines:
            self.passes = [_Pass(dense, place.steps, outputs, self.number)]
            return
        between = place.sizes._replace(row=rows.outputs)
        down = _Taps(lines[0][:, None], (rows, columns.alone()), asked.cval, asked)
        flat = AxisReach(rows.outputs, rows.outputs, 0, 1, "nearest")
        with np.errstate(all="ignore"):
            beyond = float(asked.cval * lines[0].sum()) if asked.cval else 0.0
        across = _Taps(lines[1][None, :], (flat, columns), beyond, asked)
        self.between = tuple(between)
        self.passes = [
            _Pass(down, place.steps, between, self.number),
            _Pass(across, between.contiguous(), outputs, self.number),
        ]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Launch every pass."""
        y = torch.empty(self.shape, dtype=self.dtype, device=x.device)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            source = x
            if self.between:
                source = torch.empty(self.between, dtype=self.number, device=x.device)
                self.passes[0].launch(x, source, x, self.careful, False)
            self.passes[-1].launch(source, y, x, self.careful, True)
        return y.permute(self.order)


class _Taps:
    """The taps of a pass and its index maps, on the device, where they stay."""

    def __init__(
        self, taps: NDArray[np.float64], reaches: tuple[AxisReach, AxisReach], cval: float, asked: PlaneFilter
    ) -> None:
        height, self.width = taps.shape
        self.chunks = -(-height // _CHUNK)
        self.chunk = -(-height // self.chunks)
        self.border = any(reach.beyond for reach in reaches)
        number = computed(asked.dtype)

        def on_device(values: NDArray[Any], dtype: torch.dtype) -> torch.Tensor:
            return constant(lambda: values, asked.device, dtype)

        missing = self.chunks * self.chunk - height
        by_column = np.pad(taps, [(0, missing), (0, 0)]).reshape(self.chunks, self.chunk, -1).swapaxes(1, 2)
        # The constant beyond the border comes first.
        self.by_column = on_device(np.concatenate([[cval], by_column.ravel()]), number)
        self.given = on_device(np.concatenate([[cval], taps.ravel()]), number)
        # Lanes read rows that no output needs: below the last one, and for taps that fill up the last chunk.
        more = _ROWS + self.chunks * self.chunk - height
        self.rows, self.columns = (
            on_device(
                index_map(
                    reach.mode if reach.beyond or reach.mode != "constant" else "nearest",
                    reach.length,
                    reach.low,
                    reach.low + reach.outputs + reach.size + beyond,
                ),
                torch.int32,
            )
            for reach, beyond in zip(reaches, (more, 0), strict=True)
        )


class _Pass:
    """A launch of the kernel: its taps, and how the outputs are divided among programs."""

    def __init__(self, taps: _Taps, steps: _Sizes, outputs: _Sizes, number: torch.dtype) -> None:
        self.taps, self.number = taps, in_triton(number)
        planes, lanes = outputs.first * outputs.second, outputs.column * outputs.inner
        self.together, self.block = _blocks(planes, outputs.row, lanes)
        blocks, bands = -(-lanes // self.block), -(-outputs.row // self.together)
        self.grid = (blocks * bands * planes,)
        self.steps = (outputs.second, *steps.steps(), *outputs.contiguous().steps())
        self.counts = (outputs.row, lanes, outputs.inner, blocks, bands, taps.chunks, taps.width)

    def launch(
        self, x: torch.Tensor, y: torch.Tensor, source: torch.Tensor, careful: tuple[Any, ...], last: bool
    ) -> None:
        """Correlate x, and store the outputs in y."""
        taps, rows, columns, *numbers = careful
        steps, sizes = numbers[:5], numbers[5:]
        kernel()[self.grid](
            x, self.taps.by_column, self.taps.rows, self.taps.columns, y, source, taps, rows, columns,
            *self.steps, *steps, *self.counts, *sizes,
            CHUNK=self.taps.chunk, ROWS=self.together, BORDER=self.taps.border, LAST=last, NUMBER=self.number,
            BLOCK=self.block, num_warps=max(1, self.block // (32 * _TOGETHER)), num_stages=1, **_LIMITS,
        )  # fmt: skip


def _blocks(planes: int, rows: int, lanes: int) -> tuple[int, int]:
    """Return the rows and lanes of a program: the most with which there are enough programs."""
    together = 1 if rows == 1 else 4 if rows <= 4 else _ROWS
    block = _LANES
    while block > 32 and block // 2 >= lanes:
        block //= 2
    for _ in range(2):
        if planes * -(-rows // together) * -(-lanes // block) < _PROGRAMS and block > 64:
            block //= 2
    if planes * -(-rows // together) * -(-lanes // block) < _PROGRAMS:
        together = min(together, 4)
    return together, block


def _place(x: torch.Tensor, axes: Sequence[int]) -> _Place | None:
    """Return how a tensor lies in memory as (batch, rows, batch, columns, batch), or None if it does not.

    A single axis is that of the rows if something lies behind it in memory, else that of the columns; the batch is
    the other one.
    """
    strides = x.stride()
    order = sorted(range(x.ndim), key=lambda axis: (-strides[axis], axis))
    places = sorted(order.index(axis) for axis in axes)
    cuts = [order[: places[0]], order[places[0] + 1 : places[-1]], order[places[-1] + 1 :]]
    groups = [_merged([(x.shape[axis], strides[axis]) for axis in cut]) for cut in cuts]
    if None in groups:
        return None
    first, second, inner = (group for group in groups if group is not None)
    filtered = [(x.shape[order[place]], strides[order[place]]) for place in places]
    if len(axes) == 2:
        dims, which = (first, filtered[0], second, filtered[1], inner), [order[place] for place in places]
    elif inner[0] > 1:
        dims, which = (first, filtered[0], (1, 0), (1, 0), inner), [order[places[0]], -1]
    elif first[0] * first[1] < _MOST:
        dims, which = ((1, 0), first, (1, 0), filtered[0], (1, 0)), [-1, order[places[0]]]
    else:
        dims, which = (first, (1, 0), (1, 0), filtered[0], (1, 0)), [-1, order[places[0]]]
    if sum((size - 1) * step for size, step in (dims[1], dims[3], dims[4])) >= _MOST:
        return None
    sizes, steps = (_Sizes(*numbers) for numbers in zip(*dims, strict=True))
    return _Place(order, sizes, steps, (which[0], which[1]))


def _merged(axes: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the number and the step of several axes as a single one, or None if they are none."""
    size, step = 1, 0
    for length, stride in reversed([axis for axis in axes if axis[0] > 1]):
        if size > 1 and stride != size * step:
            return None
        size, step = size * length, step if size > 1 else stride
    return size, step


def _as_planes(
    asked: PlaneFilter, place: _Place
) -> tuple[tuple[AxisReach, AxisReach], NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return rows and columns, the taps as (rows, columns), and a line of taps for each of both or none."""
    reaches, given = [], []
    for axis, length in zip(place.axes, (place.sizes.row, place.sizes.column), strict=True):
        if axis < 0:
            reaches.append(AxisReach(length, length, 0, 1, "nearest"))
        else:
            given.append(asked.axes.index(axis))
            reaches.append(asked.reaches[given[-1]])
    taps = asked.taps.transpose(given).reshape(reaches[0].size, reaches[1].size)
    lines = [asked.lines[k] for k in given] if len(asked.lines) == 2 else []
    return (reaches[0], reaches[1]), taps, lines
