"""How long does a part of a layer take in each way? Guesses that are tuned; what is always true is in the ways.

The figures of the CPU were fitted to two Zen 4 cores and torch 2.13 (`benchmarks/layers.py` measures how good the
choices are); those of a device are measured on it when it is first used, and the multiples of them were fitted to an
H100 and torch 2.11 (`benchmarks/results/gpu.md`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from faltung.engines.channels.blocking import blocking
from faltung.engines.channels.reduction import reduction_block
from faltung.engines.channels.single_blocking import HELD
from faltung.jit.target import host
from faltung.planning.cost import tile_seconds
from faltung.planning.layer import Layer
from faltung.planning.layer_tiles import read_in_place
from faltung.planning.tile_choice import tile_for
from faltung.tensors.ways.spectral import tile_lengths
from faltung.tensors.ways.triton_kernels import keeps_channels_last

__all__ = ["CPU", "LAUNCHED", "Rates", "margin", "seconds"]

#: Predictions are as far apart as that before another way than torch's own kernels is taken.
_MARGIN = 1.2
#: The same where the shorter prediction decides; torch wins ties.
_TIE = 1.02
#: Channels of which torch's dense kernels compute a multiple on the CPU.
_FULL = 16
#: Time before the work of a call that is not torch's own begins, as a multiple of that of torch's calls.
_PREPARED = 2.5
#: The same for Triton's, which are prepared in Python; the device works on earlier calls meanwhile.
LAUNCHED = 12.0
#: Time of transforms on a device, as a multiple of what its rates say.
_TRANSFORMED = 1.5
#: Calls that take as long as to look at the largest samples of a layer in tiles.
_COMPARED = 1.0
#: Numbers of an image (rows of a volume) up to which torch copies its samples for each tap, and multiplies matrices.
_SMALL_IMAGE = 20480
#: Bytes from which torch's allocator takes new memory for every result, and seconds a byte to fill a new page.
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
        A number that is read or written in the order of memory.
    reordered : float
        A number that is read or written in another order.
    transformed : float
        A real number in one of the log2(n) stages of a Fourier transform.
    call : float
        A call, before its work begins.
    alone : float
        A multiply-add of `faltung.tensors.ways.triton_kernels` with many taps.
    filtered : float
        An instruction for an output of `faltung.tensors.ways.plane_filter`.
    """

    multiply_add: float
    depthwise: float
    number: float
    reordered: float
    transformed: float
    call: float
    alone: float
    filtered: float


#: One core of a CPU; work is shared by all, calls are not.
CPU = Rates(
    multiply_add=1.85e-11,
    depthwise=2.3e-11,
    number=2.0e-10,
    reordered=1.0e-9,
    transformed=2.4e-10,
    call=2e-5,
    alone=1e-6,  # in Triton's interpreter, which is for tests
    filtered=1e-6,
)


def seconds(
    layer: Layer, part: str, method: str, rates: Rates, threads: int, item: int, channels_last: bool, cpu: bool
) -> float:
    """Predict how long a part of a layer takes.

    Parameters
    ----------
    layer : Layer
        Shapes and geometry.
    part : {'correlate', 'adjoint', 'taps'}
        Outputs, or the gradient with respect to samples or taps.
    method : {'direct', 'winograd', 'triton', 'torch', 'fourier'}
        In which way.
    rates : Rates
        Of the device.
    threads : int
        Number of threads that share the work.
    item : int
        Bytes of a number.
    channels_last : bool
        Whether channels are last in memory.
    cpu : bool
        Whether the device is a CPU.
    """
    on_torch = _torch_on_cpu if cpu else _torch_short_on_device if item == 2 else _torch_on_device
    costs = {"direct": _direct, "winograd": _winograd, "triton": _triton, "torch": on_torch, "fourier": _fourier}
    cost = costs[method]
    calls = 1.0 if method == "torch" else _PREPARED
    if cpu and _is_single(layer) and method in ("direct", "torch"):
        calls = _calls(layer, part, method, channels_last)
    wide = 2.0 if item == 8 and cpu else 1.0  # the rates of a device are those for its dtype
    if not cpu and method == "fourier":
        if item == 2:  # transforms are in single precision, so twice as many bytes are moved
            rates = replace(rates, number=2 * rates.number)
        work = _fourier(layer, part, rates, channels_last) * _TRANSFORMED
    else:
        work = cost(layer, part, rates, channels_last)
    if method == "triton":
        return max(work, rates.call * LAUNCHED)
    return work * wide / threads + rates.call * calls


def margin(layer: Layer, channels_last: bool, cpu: bool) -> float:
    """Return how many times faster than torch's own kernels another way must be to be taken: a layer is never slower.

    On the CPU torch brings contiguous tensors of single channels into an order of its own and back, in memory that it
    asks for anew at every call. If the process has none to spare, that takes up to twenty times as long as predicted,
    so there the shorter prediction decides.
    """
    single = _is_single(layer) and not layer.strided
    return _TIE if cpu and single and not channels_last else _MARGIN


def _is_single(layer: Layer) -> bool:
    """Whether every channel has a group of its own."""
    return layer.ins == layer.outs == 1 and layer.groups > 1


def _in_place(layer: Layer, part: str, channels_last: bool) -> bool:
    """Whether machine code reads and writes the planes of single channels in place."""
    return _is_single(layer) and read_in_place(layer.adjoint if part == "adjoint" else layer, channels_last)


def _calls(layer: Layer, part: str, method: str, channels_last: bool) -> float:
    """Return the time before the work of a call of a layer of single channels begins, in those of other layers."""
    if method == "torch":
        return 1.5 if channels_last and part == "correlate" else 2.2
    return 1.3 if _in_place(layer, part, channels_last) else _PREPARED


def _numbers(layer: Layer) -> int:
    return math.prod(layer.source_shape) + math.prod(layer.target_shape)


def _direct(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    moved = rates.number * _numbers(layer)
    if _in_place(layer, part, channels_last):
        return layer.multiply_adds * rates.multiply_add * _singles(layer, part, channels_last) + 0.3 * moved
    if channels_last:  # channels are brought into planes first, and the result back
        numbers = _numbers(layer)
        moved += rates.reordered * numbers * (6.0 if 4 * numbers >= _FRESH else 0.9)
    work = _direct_taps(layer) if part == "taps" else _direct_outputs(layer, part)
    return layer.multiply_adds * rates.multiply_add * work + moved


def _singles(layer: Layer, part: str, channels_last: bool) -> float:
    """Return the time of a multiply-add of single channels, as a multiple of one where every vector is full."""
    axis = layer.axes[-1]
    count = layer.groups if channels_last else axis.length if part == "adjoint" else axis.outputs
    lanes = host().fitting_lanes("float", count)
    if channels_last and layer.taps <= HELD:  # so few that torch's layer, whose gradients are one call, is faster
        return 4.6
    times = 1.4 + 4 / layer.taps + (0.8 if part == "taps" and layer.taps > HELD else 0.0)
    return times * -(-count // lanes) * lanes / count * (1.0 if channels_last else math.prod(layer.stride) ** 0.5)


def _winograd(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    """Return the time of tiles; they are read and written in place in both orders of channels."""
    del channels_last
    layer = layer.adjoint if part == "adjoint" else layer
    tile = tile_for(layer, np.dtype(np.float32))
    compared = 0.25 * rates.number * math.prod(layer.source_shape) + rates.call * _COMPARED
    return tile_seconds(layer, tile, rates.multiply_add, 0.8 * rates.number) + compared


def _direct_outputs(layer: Layer, part: str) -> float:
    """Return the time of a multiply-add, as a multiple of one where every register block is full."""
    height, columns = _height(layer), layer.axes[-1]
    outs = layer.ins if part == "adjoint" else layer.outs
    block = blocking(outs, height, columns.outputs, columns.size, "float", host())
    wide = block.vectors * block.lanes
    waste = -(-outs // block.outputs) * block.outputs / outs * -(-columns.outputs // wide) * wide / columns.outputs
    if not layer.strided:
        return waste
    return 1.5 * waste + _strided_reads(layer) * 8 / outs


def _strided_reads(layer: Layer) -> float:
    """Return the time to gather the samples between the strides, for each multiply-add of one of 8 channels out."""
    return 9.0 * math.prod(layer.stride) / layer.taps


def _direct_taps(layer: Layer) -> float:
    """Return the same for the gradient with respect to the taps, with the loads of each register block."""
    height, columns = _height(layer), layer.axes[-1]
    rows = layer.axes[-2] if len(layer.axes) > 1 else columns
    lanes = host().fitting_lanes("float", columns.outputs)
    vectors = -(-columns.outputs // lanes)
    down, across, outputs = reduction_block(layer.outs, rows.size, columns.size, height, vectors, host().registers)
    loads = (2.0 * across + down * outputs) / (down * across * outputs)
    waste = -(-layer.outs // outputs) * outputs / layer.outs * (height + down - 1) / height
    waste *= vectors * lanes / columns.outputs
    time = waste * (max(1.0, loads) + 0.25)
    if layer.ins > 1:  # g is gathered once for every channel in
        time = 1.5 * time + (10.0 if rows.size == 1 or len(layer.axes) == 1 else 4.0) / layer.taps
    return time + (_strided_reads(layer) * (1 + 8 / layer.outs) if layer.strided else 0.0)


def _height(layer: Layer) -> int:
    return layer.axes[-2].outputs if len(layer.axes) > 1 else 1


def _torch_on_cpu(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    moved = _numbers(layer) * (0.5 * rates.number if channels_last else 0.8 * rates.reordered) + _fresh(layer, part)
    if _is_single(layer):
        times = _depthwise(part, max(axis.size for axis in layer.axes), channels_last)
        return layer.multiply_adds * rates.depthwise * times + 0.3 * moved
    if _by_matrices(layer):
        return _matrices(layer, rates)
    if layer.taps == 1 and not layer.strided and part != "adjoint":
        return layer.multiply_adds * rates.multiply_add + _numbers(layer) * 1.25 * rates.number
    ins, outs = _filled(layer.ins), _filled(layer.outs)
    macs = ins * (layer.outs if channels_last else outs) if part == "adjoint" else outs * layer.ins
    macs *= layer.images * layer.groups * layer.taps * layer.outputs
    return macs * rates.multiply_add * _dense(layer, part) + moved


def _by_matrices(layer: Layer) -> bool:
    """Whether torch multiplies matrices for a small image, instead of using its fast kernels."""
    large = math.prod(layer.source_shape[:4]) > _SMALL_IMAGE
    squares = len(layer.axes) > 1 and min(axis.size for axis in layer.axes[-2:]) > 3
    return layer.images == layer.groups == 1 and not large and not squares


def _matrices(layer: Layer, rates: Rates) -> float:
    copied = layer.ins * layer.taps * layer.outputs
    times = min(max(100 / layer.outs, 4.0), 16.0) if len(layer.axes) == 3 else min(max(64 / layer.outs, 2.0), 4.0)
    moved = copied * rates.reordered * (6.0 if 4 * copied >= _FRESH else 0.1) + _numbers(layer) * rates.number
    return layer.multiply_adds * rates.multiply_add * times + moved


def _fresh(layer: Layer, part: str) -> float:
    """Return the seconds to fill new memory with a large result; one thread does it, whatever their number."""
    shapes = {"correlate": layer.target_shape, "adjoint": layer.source_shape, "taps": layer.taps_shape}
    size = 4 * math.prod(shapes[part])
    return 2 * _FAULT * size if size >= _FRESH else 0.0


def _dense(layer: Layer, part: str) -> float:
    """Return the time of a multiply-add of torch's layers of many channels, as a multiple of the fastest ones."""
    slow = 1.5 if layer.groups > 1 else 1.0
    series = len(layer.axes) == 1
    if series and layer.taps > 64:
        slow *= 40.0 if layer.ins == layer.outs == 1 else 2.5
    if part == "taps" and layer.taps > 100 and math.prod(layer.stride) < 4:
        slow *= 1.5 if series else 4.0
    return slow


def _depthwise(part: str, side: int, channels_last: bool) -> float:
    """Return the time of a multiply-add of torch's depthwise layers, as a multiple of that for small kernels."""
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
    """Return the longer time: to move the numbers, or to issue the instructions.

    In the code for compute capability 9.0 there are 2.5 instructions for each multiply-add of many taps, and 35 more
    for each output; three times as many for a kernel of one row, and 2.6 times as many for gradients of taps, which
    are computed in blocks of four by two. With channels last every lane loads taps of its own.
    """
    moved = rates.number * _numbers(layer)
    if channels_last and not keeps_channels_last(layer, part):
        channels_last = False
        moved += 2 * rates.reordered * _numbers(layer)
    if part == "taps":
        rows, columns = (*(axis.size for axis in layer.axes), 1)[:2]
        waste = (-(-rows // 4) * 4 if rows > 2 else rows) * (-(-columns // 2) * 2 if columns > 1 else 1) / layer.taps
        waste *= 2.8 if channels_last else 1.0
        return max(moved, 2.6 * waste * layer.multiply_adds * rates.alone)
    shape = layer.source_shape if part == "adjoint" else layer.target_shape
    shared = layer.axes[0].size > 1 if len(layer.axes) > 1 else layer.taps > 8  # samples, between outputs
    each = (1 if shared else 3) * (4.2 if channels_last else 1.0)
    return max(moved, math.prod(shape) * (layer.taps * each + 14) * rates.alone)


def _torch_on_device(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    moved = rates.number * _numbers(layer)
    if layer.ins * layer.outs > 1:
        return layer.multiply_adds * rates.multiply_add * max(1.0, 16 / layer.ins, 16 / layer.outs) + moved
    times = _alone_on_device(part, max(axis.size for axis in layer.axes), channels_last)
    if channels_last and part == "adjoint":  # torch brings the numbers into its own order
        moved += 1.5 * rates.reordered * math.prod(layer.source_shape)
    return layer.multiply_adds * rates.depthwise * times + moved


def _torch_short_on_device(layer: Layer, part: str, rates: Rates, channels_last: bool) -> float:
    """Return the time for numbers of two bytes: small layers of single channels have kernels for channels last."""
    side = max(axis.size for axis in layer.axes)
    if layer.ins * layer.outs > 1 or not channels_last or side > 7:
        return _torch_on_device(layer, part, rates, channels_last)
    return layer.multiply_adds * rates.depthwise * (0.6 if part == "taps" else 0.3) + rates.number * _numbers(layer)


def _alone_on_device(part: str, side: int, channels_last: bool) -> float:
    """Return the time of a multiply-add of torch's layers of single channels, as a multiple of that of 7 x 7 taps."""
    if part == "taps":
        return 2.0 if not channels_last else 1.0 if side <= 5 else 6.0
    if part == "adjoint" or not channels_last:
        return 1.0
    return 0.6 if side <= 7 else 5.0


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
