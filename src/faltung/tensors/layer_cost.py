"""How long does a part of a layer take, in each way? Guesses that are tuned, apart from rules that are always true.

The figures of the CPU were fitted to two Zen 4 cores and torch 2.13 (`benchmarks/layers.py` measures how good the
choices are); those of a device are measured on it when it is first used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from faltung.engines.channels.blocking import blocking
from faltung.engines.channels.reduction import reduction_block
from faltung.jit.target import host
from faltung.planning.layer import Layer
from faltung.tensors.ways.spectral import tile_lengths

__all__ = ["CPU", "Rates", "seconds"]

#: Channels that torch's dense kernels fill up to on the CPU.
_FULL = 16
#: What more goes before a call that is not torch's own, as a multiple of a call.
_PREPARED = 2.5
#: Rows of a volume, with all its channels, up to which torch does without its fast kernels.
_SMALL_VOLUME = 20480
#: Bytes from which torch's allocator takes fresh memory for every result, and what filling such a page costs a byte.
_FRESH, _FAULT = 1 << 25, 2.4e-10


@dataclass(frozen=True)
class Rates:
    """Seconds per unit of work.

    Parameters
    ----------
    multiply_add : float
        A multiply-add of a dense layer with many channels.
    depthwise : float
        The same where every channel has a group of its own.
    number : float
        A number that is read or written in the order in which it lies.
    reordered : float
        A number that is read or written in another order.
    transformed : float
        A real number in one of the log2(n) stages of a Fourier transform.
    call : float
        A call, whatever it does.
    alone : float
        A multiply-add of the kernels of `faltung.tensors.ways.triton_kernels`, where there are many taps.
    """

    multiply_add: float
    depthwise: float
    number: float
    reordered: float
    transformed: float
    call: float
    alone: float


#: One core of a CPU; work is shared by all, calls are not.
CPU = Rates(
    multiply_add=1.85e-11,
    depthwise=2.3e-11,
    number=2.0e-10,
    reordered=1.0e-9,
    transformed=2.4e-10,
    call=2e-5,
    alone=1e-6,  # in Triton's interpreter, which is for tests
)


def seconds(
    layer: Layer, part: str, method: str, rates: Rates, threads: int, double: bool, channels_last: bool, cpu: bool
) -> float:
    """Predict how long a part of a layer takes.

    Parameters
    ----------
    layer : Layer
        What is asked.
    part : {'correlate', 'adjoint', 'taps'}
        Outputs, or gradients to samples or taps.
    method : {'direct', 'triton', 'torch', 'fourier'}
        In which way.
    rates : Rates
        Of the device.
    threads : int
        That share the work.
    double : bool
        Whether numbers are in double precision.
    channels_last : bool
        Whether the tensors lie with the channels last.
    cpu : bool
        Whether the device is a CPU.
    """
    on_torch = _torch_on_cpu if cpu else _torch_on_device
    how = {"direct": _direct, "triton": _triton, "torch": on_torch, "fourier": _fourier}[method]
    work = how(layer, part, rates, channels_last)
    wide = 2.0 if double and cpu else 1.0  # the rates of a device are those for its dtype
    return work * wide / threads + rates.call * (1.0 if method == "torch" else _PREPARED)


def _numbers(layer: Layer) -> int:
    return math.prod(layer.source_shape) + math.prod(layer.target_shape)


def _direct(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    moved = rates.number * _numbers(layer)
    if channels_last:  # brought into the order of planes, and what comes out back
        numbers = _numbers(layer)
        moved += rates.reordered * numbers * (6.0 if 4 * numbers >= _FRESH else 0.9)
    *_, rows, columns = (layer.axes[0], *layer.axes)
    height = rows.outputs if len(layer.axes) > 1 else 1
    outs = layer.ins if part == "adjoint" else layer.outs
    number = "float"
    if part == "taps":
        lanes = _lanes(columns.outputs, host().lanes(number))
        vectors = -(-columns.outputs // lanes)
        down, across, outputs = reduction_block(
            layer.outs, rows.size, columns.size, height, vectors, host().registers
        )
        loads = (2.0 * across + down * outputs) / (down * across * outputs)
        waste = -(-layer.outs // outputs) * outputs / layer.outs * (height + down - 1) / height
        waste *= vectors * lanes / columns.outputs
        again = 1.5 if layer.ins > 1 else 1.0  # g is gathered once for every channel in
        return layer.multiply_adds * rates.multiply_add * waste * (max(1.0, loads) + 0.25) * again + moved
    block = blocking(outs, height, columns.outputs, columns.size, number, host())
    wide = block.vectors * block.lanes
    waste = -(-outs // block.outputs) * block.outputs / outs * -(-columns.outputs // wide) * wide / columns.outputs
    single = 1.5 if layer.strided else 1.0
    return layer.multiply_adds * rates.multiply_add * waste * single + moved


def _lanes(width: int, lanes: int) -> int:
    while lanes > 1 and 2 * width <= lanes:
        lanes //= 2
    return lanes


def _torch_on_cpu(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    numbers = _numbers(layer)
    result = {
        "correlate": math.prod(layer.target_shape),
        "adjoint": math.prod(layer.source_shape),
        "taps": math.prod(layer.taps_shape),
    }[part]
    fresh = 2 * _FAULT * 4 * result if 4 * result >= _FRESH else 0.0  # by one thread, whatever their number
    moved = numbers * (0.5 * rates.number if channels_last else 0.8 * rates.reordered) + fresh
    side = max(axis.size for axis in layer.axes)
    if layer.ins == layer.outs == 1 and layer.groups > 1:
        times = _depthwise(part, side, channels_last)
        return layer.multiply_adds * rates.depthwise * times + 0.3 * moved
    ins, outs = _filled(layer.ins), _filled(layer.outs)
    macs = ins * (layer.outs if channels_last else outs) if part == "adjoint" else outs * layer.ins
    macs *= layer.images * layer.groups * layer.taps * layer.outputs
    slow = 1.5 if layer.groups > 1 else 1.0
    if len(layer.axes) == 3 and layer.images == 1 and math.prod(layer.source_shape[:-1]) <= _SMALL_VOLUME:
        return layer.multiply_adds * rates.multiply_add * 24.0 + moved  # torch leaves such volumes to another kernel
    if len(layer.axes) == 1 and layer.taps > 64:
        slow *= 15.0
    if part == "taps" and layer.taps > 100:
        slow *= 4.0
    return macs * rates.multiply_add * slow + moved


def _depthwise(part: str, side: int, channels_last: bool) -> float:
    """How many times as long a multiply-add of torch's depthwise layers takes as those of the smallest kernels."""
    if part == "taps":
        return 3.0 if side <= 3 else 14.0 if channels_last and side < 16 else 32.0
    if part == "adjoint":
        return 1.6
    if side < 8:
        return 1.0
    if side < 16:
        return 3.2 if channels_last else 1.2
    return 1.0 if channels_last else 26.0


def _filled(channels: int) -> int:
    return -(-channels // _FULL) * _FULL


def _triton(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    """Predict what takes longer: to move the numbers, or to issue the instructions.

    In the code for compute capability 9.0 there are 2.5 of them for each multiply-add of many taps, 35 more for each
    output, thrice as many where a kernel has one row only, and 2.6 times as many for gradients of taps, which come in
    blocks of four by two. That all of them take equally long is a guess.
    """
    moved = rates.number * _numbers(layer)
    if part == "taps":
        rows, columns = (*(axis.size for axis in layer.axes), 1)[:2]
        waste = (-(-rows // 4) * 4 if rows > 2 else rows) * (-(-columns // 2) * 2 if columns > 1 else 1) / layer.taps
        return max(moved, 2.6 * waste * layer.multiply_adds * rates.alone)
    shape = layer.source_shape if part == "adjoint" else layer.target_shape
    del channels_last  # which costs a little more for short numbers
    shared = layer.axes[0].size > 1 if len(layer.axes) > 1 else layer.taps > 8  # samples, between outputs
    return max(moved, math.prod(shape) * (layer.taps * (1 if shared else 3) + 14) * rates.alone)


def _torch_on_device(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    alone = layer.ins == layer.outs == 1
    each = rates.depthwise if alone else rates.multiply_add * max(1.0, 16 / layer.ins, 16 / layer.outs)
    if alone and part == "taps":
        each *= 4.0  # a guess: what torch is slowest at, as its users say, is the gradient to taps of single channels
    del channels_last
    return layer.multiply_adds * each + rates.number * _numbers(layer)


def _fourier(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    cuts = [tile_lengths(axis) for axis in layer.axes]
    size = math.prod(length for length, _ in cuts)
    tiles = layer.images * math.prod(
        -(-(axis.stride * (axis.outputs - 1) + 1) // step) for axis, (_, step) in zip(layer.axes, cuts, strict=True)
    )
    planes = tiles * layer.groups * (layer.ins + layer.outs) + layer.groups * layer.ins * layer.outs
    product = layer.groups * layer.ins * layer.outs * tiles * size
    dense = 4 * rates.multiply_add if layer.ins * layer.outs > 1 else rates.number
    moved = planes * size * rates.number * 8
    del part
    return planes * size * math.log2(size) * rates.transformed + product * dense + moved + rates.call * 10
