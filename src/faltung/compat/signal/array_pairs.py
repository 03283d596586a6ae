"""How are two arrays convolved with each other? One of them is the kernel; axes that are not convolved broadcast."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.compat.not_served import NotServedError
from faltung.compat.signal.number_arrays import full_name
from faltung.compat.signal.regional import Region, convolve_region, outputs_of
from faltung.errors import ArgumentError

__all__ = ["convolve_pair", "is_swapped"]


def is_swapped(mode: str, first: tuple[int, ...], second: tuple[int, ...], axes: Iterable[int]) -> bool:
    """Whether the second array is the longer one, for the mode ``valid``.

    Raises
    ------
    ArgumentError
        The mode is ``valid``, and each array is longer than the other on some axis.
    """
    if mode != "valid":
        return False
    lengths = [(first[axis], second[axis]) for axis in axes]
    if all(one >= other for one, other in lengths):
        return False
    if all(one <= other for one, other in lengths):
        return True
    expected = "two arrays, one of which is at least as large as the other in every dimension, for mode='valid'"
    raise ArgumentError("in2", expected, f"shapes {first} and {second}")


def convolve_pair(
    function: str,
    x: NDArray[Any],
    k: NDArray[Any],
    axes: tuple[int, ...],
    mode: str,
    result: np.dtype[Any],
    *,
    pointwise: bool = False,
    whole: float = 0.0,
) -> NDArray[Any]:
    """Return the convolution of two arrays along some axes; the other axes broadcast.

    Parameters
    ----------
    function : str
        Name of the peer's function, for errors.
    x, k : ndarray
        Two arrays with the same number of axes; for the mode ``valid``, the second one is not longer. The mode
        ``same`` is about the shape of the first one.
    axes : tuple of int
        Axes of the convolution, at least one.
    mode : {'full', 'same', 'valid'}
        Which outputs.
    result, pointwise, whole
        As in `Region`.

    Returns
    -------
    ndarray
        The convolution.
    """
    others = tuple([axis for axis in range(x.ndim) if axis not in axes])
    if mode == "same":
        k = _centre(k, x.shape, others)
    bounds = tuple([outputs_of(mode, x.shape[axis], k.shape[axis]) for axis in axes])
    region = Region(axes, bounds, result, pointwise=pointwise, whole=whole)
    if _exchanged(function, x, k, axes, others):
        x, k = k, x  # the full convolution is the same
    if _alone(k, others):
        return convolve_region(x, k.reshape([k.shape[axis] for axis in axes]) if others else k, region)
    return _kernel_by_kernel(x, k, others, region)


def _centre(k: NDArray[Any], shape: tuple[int, ...], others: tuple[int, ...]) -> NDArray[Any]:
    """Return the parts of `k` that the centre of the result needs, where `k` is broadcast against one sample."""
    for axis in others:
        if shape[axis] == 1 < k.shape[axis]:
            k = k.take([(k.shape[axis] - 1) // 2], axis)
    return k


def _exchanged(
    function: str, x: NDArray[Any], k: NDArray[Any], axes: tuple[int, ...], others: tuple[int, ...]
) -> bool:
    """Whether `x` is the kernel: it is smaller, or `k` cannot be one."""
    alone = _alone(x, others)
    if not np.isfinite(k).all():  # taps are finite; samples need not be
        if alone and np.isfinite(x).all():
            return True
        raise NotServedError(full_name(function), "in1, in2: both have values that are not finite")
    if others:
        smaller = math.prod(x.shape[axis] for axis in axes) < math.prod(k.shape[axis] for axis in axes)
    else:
        smaller = x.size < k.size
    return alone and (smaller or not _alone(k, others)) and bool(np.isfinite(x).all())


def _alone(array: NDArray[Any], others: tuple[int, ...]) -> bool:
    return not others or all(array.shape[axis] == 1 for axis in others)


def _kernel_by_kernel(x: NDArray[Any], k: NDArray[Any], others: tuple[int, ...], region: Region) -> NDArray[Any]:
    """Convolve each part of `x` with its own kernel: a bank with a group for each kernel."""
    own = tuple(axis for axis in others if k.shape[axis] > 1)
    free = tuple(axis for axis in others if axis not in own)
    order = (*own, *free, *region.axes)
    shape = tuple(k.shape[axis] for axis in own)
    x = np.broadcast_to(x, [k.shape[axis] if axis in own else length for axis, length in enumerate(x.shape)])
    samples = x.transpose(order).reshape(-1, *(x.shape[axis] for axis in order[len(own) :]))
    taps = k.transpose(order).reshape(samples.shape[0], 1, *(k.shape[axis] for axis in region.axes))
    axes = tuple(range(1 + len(free), samples.ndim))
    grouped = region._replace(axes=axes, channel_axis=0, groups=samples.shape[0])
    y = convolve_region(np.ascontiguousarray(samples), taps, grouped)
    return np.ascontiguousarray(y.reshape(*shape, *y.shape[1:]).transpose(np.argsort(order)))
