"""What is a dilated kernel? The same taps, with zeros between them."""

from __future__ import annotations

import numpy as np

from faltung.kernels.kernel import Kernel

__all__ = ["dilated"]


def dilated(kernel: Kernel, dilation: tuple[int, ...]) -> Kernel:
    """Return a kernel with `dilation` - 1 zeros between neighbouring taps, on each axis.

    Examples
    --------
    >>> dilated(Kernel([1, 2, 3], origin=0), (2,)).taps
    array([1., 0., 2., 0., 3.])
    """
    if all(step == 1 for step in dilation):
        return kernel
    sizes = [step * (size - 1) + 1 for step, size in zip(dilation, kernel.shape, strict=True)]
    taps = np.zeros(sizes, kernel.dtype)
    taps[tuple(slice(None, None, step) for step in dilation)] = kernel.taps
    return Kernel(taps, [step * at for step, at in zip(dilation, kernel.origin, strict=True)])
