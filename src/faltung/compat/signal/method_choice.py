"""Which method does convolve take? choose_conv_method of scipy.signal: what this planner would choose."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.signal.array_pairs import is_swapped
from faltung.compat.signal.convolutions import convolve
from faltung.compat.signal.number_arrays import as_numbers, check_mode_name
from faltung.compat.signal.regional import Region, outputs_of, plan_of_region
from faltung.compat.signal.wrapped_sums import largest
from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["choose_conv_method"]

#: Integers up to here are exact in double precision, with a bit to spare.
_EXACT = (1 << 52) - 1
_RUNS = 3


def choose_conv_method(
    in1: ArrayLike, in2: ArrayLike, mode: str = "full", measure: bool = False
) -> str | tuple[str, dict[str, float]]:
    """Return the method of `convolve`, with the arguments of `scipy.signal.choose_conv_method`.

    Parameters
    ----------
    in1, in2 : array_like
        The arrays that are to be convolved.
    mode : {'full', 'valid', 'same'}, optional
        As for `convolve`.
    measure : bool, optional
        Whether both methods run, and the faster one is returned.

    Returns
    -------
    method : {'fft', 'direct'}
        ``fft`` if the planner takes a Fourier transform for these shapes and taps, and ``direct`` for any other
        engine: equal taps, for example, are a running sum. Integers whose sums might exceed double precision,
        booleans, and arrays that are not served have ``direct``.
    times : dict of str to float
        With `measure`, the seconds of each method.

    Raises
    ------
    ArgumentError
        The mode is unknown, or the arrays do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import signal
    >>> x = np.sin(np.arange(9999.0))
    >>> signal.choose_conv_method(x, x[:3]), signal.choose_conv_method(x, x), signal.choose_conv_method(x, 0 * x + 1)
    ('direct', 'fft', 'direct')
    """
    try:
        volume = as_numbers("choose_conv_method", "in1", in1)
        kernel = as_numbers("choose_conv_method", "in2", in2)
    except NotServedError:
        if measure:
            raise
        return "direct"
    check_mode_name(mode)
    if measure:
        times = {method: _seconds(volume, kernel, mode, method) for method in ("fft", "direct")}
        return min(times, key=times.__getitem__), times
    if volume.ndim != kernel.ndim:
        raise ArgumentError("in2", f"{volume.ndim} axes, as in1 has", f"{kernel.ndim}")
    return "fft" if _takes_fourier(volume, kernel, mode) else "direct"


def _seconds(volume: NDArray[Any], kernel: NDArray[Any], mode: str, method: str) -> float:
    """Return the time of the fastest of some runs, after one that makes the plan."""
    convolve(volume, kernel, mode, method)
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        convolve(volume, kernel, mode, method)
        times.append(time.perf_counter() - start)
    return min(times)


def _takes_fourier(volume: NDArray[Any], kernel: NDArray[Any], mode: str) -> bool:
    if not (volume.ndim and volume.size and kernel.size):
        return False
    if volume.dtype.kind == kernel.dtype.kind == "b" or _exceeds(volume, kernel):
        return False
    axes = tuple(range(volume.ndim))
    if is_swapped(mode, volume.shape, kernel.shape, axes):
        volume, kernel = kernel, volume
    bounds = tuple(outputs_of(mode, *lengths) for lengths in zip(volume.shape, kernel.shape, strict=True))
    if kernel.size > volume.size:
        volume, kernel = kernel, volume
    result = np.result_type(volume, kernel, np.float16)
    # The choice is about shapes: taps that are not finite would be the samples.
    plan = plan_of_region(volume, np.where(np.isfinite(kernel), kernel, 1), Region(axes, bounds, result))
    return plan.method == "fourier"


def _exceeds(volume: NDArray[Any], kernel: NDArray[Any]) -> bool:
    """Whether sums of products with integers may be too large for double precision."""
    arrays = (volume, kernel)
    if all(array.dtype.kind not in "iu" for array in arrays):
        return False
    sizes = [largest(array) if array.dtype.kind in "iu" else np.abs(array).max() for array in arrays]
    return bool(sizes[0] * sizes[1] * min(volume.size, kernel.size) > _EXACT)
