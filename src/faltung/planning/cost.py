"""How long does it take? `Work` is a property of a job, and a `Machine` is the seconds that a unit of work takes.

All figures here are guesses that are tuned. Rules that are always true are in other files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from faltung.engines.base import Work
from faltung.planning.layer import Layer

__all__ = [
    "ALONG",
    "ALONG_SIGNED",
    "APART",
    "TYPICAL",
    "Machine",
    "layer_seconds",
    "seconds",
    "tile_seconds",
    "winograd_seconds",
]

#: Share by which weights increase the arithmetic, if they are summed in the same registers as the samples.
ALONG = 0.7
#: The same for taps of both signs, which take two more sums.
ALONG_SIGNED = 2.2
#: Trips through the cache to split a sample into value and weight and to divide the results, if they are not.
APART = 2.0
#: Calls of machine code that take as long as to compare the samples of tiles, besides the tiles themselves.
CALLS = 30.0
#: Trips through the cache of a value at a point of a tile, with its transform; and of a transformed tap.
VALUE, STREAMED = 1.5, 4.0
#: Channels that are transformed together: fewer take as long.
TOGETHER = 16


@dataclass(frozen=True)
class Machine:
    """Seconds per unit of work on one core, for single precision.

    Parameters
    ----------
    multiply_add : float
        Seconds for a multiply-add in register blocks over dense or written-out taps.
    scattered : float
        The same over taps that are visited one by one.
    passed : float
        The same in passes along one axis.
    summed : float
        Seconds for one sample to go through a running sum.
    transformed : float
        Seconds for one complex sample to go through one of the log2(n) stages of a Fourier transform.
    trip : float
        Seconds for one sample to go through the cache once.
    byte : float
        Seconds to move one byte from or to main memory.
    call : float
        Seconds for a call of machine code, whatever it does.
    """

    multiply_add: float
    scattered: float
    passed: float
    summed: float
    transformed: float
    trip: float
    byte: float
    call: float


#: Measured by `calibrate` on a Zen 4 core with 512-bit vectors and fused multiply-adds.
TYPICAL = Machine(
    multiply_add=1.8e-11,
    scattered=4.4e-11,
    passed=1.7e-11,
    summed=1.05e-10,
    transformed=9e-11,
    trip=1.6e-10,
    byte=1.4e-11,
    call=3.3e-6,
)


def seconds(work: Work, number: np.dtype[np.floating], machine: Machine) -> float:
    """Return the predicted seconds on one core: a sum over units of work, so a linear model fits measurements.

    Arithmetic and memory hardly overlap: the larger of the two predicts no better than their sum.
    """
    double = number.itemsize / 4  # a vector holds half as many numbers of twice the width
    arithmetic = (
        work.multiply_adds * machine.multiply_add
        + work.scattered * machine.scattered
        + work.passed * machine.passed
        + work.summed * machine.summed
        + work.transformed * machine.transformed
        + work.trips * machine.trip
    )
    return float(double * arithmetic + work.bytes * machine.byte + work.calls * machine.call)


def layer_seconds(layer: Layer, number: np.dtype[np.floating], machine: Machine) -> float:
    """Return the predicted seconds on one core of the machine code for channels."""
    numbers = math.prod(layer.source_shape) + math.prod(layer.target_shape)
    double = number.itemsize / 4
    apart = 1.5 if layer.strided or any(step > 1 for step in layer.dilation) else 1.0
    arithmetic = layer.multiply_adds * machine.multiply_add * apart
    return double * (arithmetic + numbers * machine.trip) + 4 * machine.call


def winograd_seconds(layer: Layer, tile: int, number: np.dtype[np.floating], machine: Machine) -> float:
    """Return the predicted seconds on one core of Winograd's tiles, with all that a call of them takes."""
    double = number.itemsize / 4
    return double * tile_seconds(layer, tile, machine.multiply_add, machine.trip) + CALLS * machine.call


def tile_seconds(layer: Layer, tile: int, multiply_add: float, trip: float) -> float:
    """Return the predicted seconds on one core of a layer of 3 x 3 kernels in Winograd's tiles, in single precision.

    Parameters
    ----------
    layer : Layer
        The layer.
    tile : int
        Outputs of a tile along each axis.
    multiply_add, trip : float
        Seconds for a multiply-add, and for a number to go through the cache once.
    """
    points = (tile + 2) ** 2
    tiles = layer.images * layer.groups * math.prod(-(-axis.outputs // tile) for axis in layer.axes)
    products = tiles * points * layer.ins * layer.outs
    values = tiles * points * TOGETHER * (-(-layer.ins // TOGETHER) + -(-layer.outs // TOGETHER))
    taps = points * layer.groups * layer.ins * layer.outs
    numbers = math.prod(layer.source_shape) + math.prod(layer.target_shape)
    return products * multiply_add * 1.25 + (values * VALUE + numbers + taps * STREAMED) * trip
