"""Which part of a kernel is applied in which way? A direct head, and stages of longer and longer blocks.

A stage of block length L begins at lag 2 L, so the parts before it must reach that far::

    lag        0        2 L1                    2 L2                                      end
    taps       | direct | partitions of L1 taps | partitions of L2 taps                   |

The direct head costs 2 L1 multiply-adds for each output, and a stage as many products of spectra as it has
partitions. Work is spread over pushes, except that a transform is done in one. The block lengths are taken for which
the longest push takes the least time.
"""

from __future__ import annotations

import itertools
import math

__all__ = ["BLOCK", "LONGEST", "stage_lengths"]

#: The block length that is assumed if none is named.
BLOCK = 256

#: Block lengths of stages: the transforms of the longest are the largest piece of work.
LENGTHS = (128, 256, 512, 1024, 2048, 4096)
LONGEST = LENGTHS[-1]

# The following values are estimates that are tuned, in nanoseconds, for a line of two channels.
#: Samples of the shortest pushes whose longest is made short; in shorter ones, calls take most of the time.
FEW = 64
#: A call of the head, and one of its taps for a sample.
CALL, TAP = 30_000.0, 0.1
#: A block of a stage, a point of a product, and a point and stage of radix 2 of a transform.
BLOCK_CALLS, PRODUCT, TRANSFORM = 50_000.0, 1.3, 0.2


def stage_lengths(taps: int, block: int) -> tuple[int, ...]:
    """Return the block lengths of the stages for a kernel, and pushes of `block` samples.

    Examples
    --------
    >>> stage_lengths(100, 256), stage_lengths(5000, 256), stage_lengths(100_001, 256)
    ((), (512,), (512, 4096))
    """
    options = [(), *itertools.combinations(LENGTHS, 1), *itertools.combinations(LENGTHS, 2)]
    possible = (lengths for lengths in options if not lengths or 2 * lengths[-1] < taps)
    return min(possible, key=lambda lengths: _worst(taps, block, lengths))


def _worst(taps: int, block: int, lengths: tuple[int, ...]) -> float:
    """Return the time of the longest push: the mean, and a transform that is not divided among several pushes."""
    largest = 2 * max((length for length in lengths if length > block), default=0)
    return max(block, FEW) * _mean(taps, block, lengths) + (
        largest * math.log2(largest) * TRANSFORM if largest else 0
    )


def _mean(taps: int, block: int, lengths: tuple[int, ...]) -> float:
    """Return the mean time for each sample."""
    if not lengths:
        return CALL / block + TAP * taps
    total = CALL / min(block, lengths[0]) + TAP * 2 * lengths[0]
    for length, stop in zip(lengths, [*(2 * length for length in lengths[1:]), taps], strict=True):
        partitions = -(-(stop - 2 * length) // length)
        points = 2 * length
        total += (BLOCK_CALLS + 2 * points * math.log2(points) * TRANSFORM) / length + 2 * partitions * PRODUCT
    return total
