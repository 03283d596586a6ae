"""Which part of a kernel is applied in which way? A direct head, and stages of longer and longer blocks.

A stage of block length L begins at lag 2 L, so the parts before it must reach that far::

    lag        0        2 L1                    2 L2                                      end
    taps       | direct | partitions of L1 taps | partitions of L2 taps                   |

The direct head costs 2 L1 multiply-adds for each output, and a stage as many products of spectra as it has partitions.
"""

from __future__ import annotations

__all__ = ["BLOCK", "stage_lengths"]

#: The block length that is assumed if none is named.
BLOCK = 256

# The following values were tuned by benchmarks/streams.py.
#: Block lengths of the first stage, and of the longest one: its transforms are the largest piece of work.
SHORTEST_FIRST, LONGEST_FIRST, LONGEST = 128, 512, 4096
#: A stage has blocks so many times as long as the one before.
GROWTH = 16
#: Kernels without stages: up to so many times the head that they would have.
ALONE = 2


def stage_lengths(taps: int, block: int) -> tuple[int, ...]:
    """Return the block lengths of the stages for a kernel, and pushes of `block` samples.

    Examples
    --------
    >>> stage_lengths(100, 256), stage_lengths(5000, 256), stage_lengths(100_001, 256)
    ((), (256,), (256, 4096))
    """
    length = 1 << (block - 1).bit_length()
    length = min(max(length, SHORTEST_FIRST), LONGEST_FIRST)
    if taps <= ALONE * 2 * length:
        return ()
    lengths = [length]
    while lengths[-1] * GROWTH <= LONGEST and 2 * lengths[-1] * GROWTH < taps:
        lengths.append(lengths[-1] * GROWTH)
    return tuple(lengths)
