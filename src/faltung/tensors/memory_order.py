"""Do the channels of a result lie last in memory? Where torch's own layers put them there."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["empty_in_order_of", "in_order_of", "is_channels_last", "lie_channels_last", "order_of"]

#: The orders in which channels are last, by the number of axes.
_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def is_channels_last(x: torch.Tensor) -> bool:
    """Whether torch takes the channels of a tensor for its last axis in memory; so it does where both orders fit."""
    return lie_channels_last(x.shape, x.stride())


def lie_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether torch takes the channels for the last axis in memory of a tensor with this shape and these strides.

    Examples
    --------
    >>> x = torch.zeros(1, 2, 4, 4)
    >>> lie_channels_last(x.shape, x.stride()), is_channels_last(x.to(memory_format=torch.channels_last))
    (False, True)
    """
    if len(shape) < 3 or strides[1] > strides[-1] or strides[1] == 0:
        return False
    least = 0
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        if strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * max(shape[axis], 1)
    return True


def order_of(given: torch.Tensor, w: torch.Tensor) -> torch.memory_format:
    """Return the order of a result in memory: channels are last if those of one operand are."""
    if given.ndim in _LAST and (is_channels_last(given) or is_channels_last(w)):
        return _LAST[given.ndim]
    return torch.contiguous_format


def in_order_of(result: torch.Tensor, given: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return a result in the dtype and the order of what it was computed from."""
    return result.to(given.dtype).contiguous(memory_format=order_of(given, w))


def empty_in_order_of(shape: Sequence[int], given: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return a new tensor that lies in memory as a result of `in_order_of`."""
    result = given.new_empty(tuple(shape))
    order = order_of(given, w)
    return result if order == torch.contiguous_format else result.to(memory_format=order)
