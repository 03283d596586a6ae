"""How many samples a second, or a millimetre, should there be? The rate of an array, changed by a fraction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.front import convolve
from faltung.ground.checks import integer, is_sequence, non_negative
from faltung.kernels import Kernel
from faltung.kernels.windowed_sinc import COSINES, windowed_sinc
from faltung.signals.given_axes import given_axes, is_labelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["resample", "resampling_filter"]

#: Largest factor, and largest reach of a filter: the default filter then has 20 million taps.
_LARGEST, _LONGEST = 1 << 20, 1 << 10


def resampling_filter(
    up: int, down: int = 1, *, window: str | tuple[str, float] = ("kaiser", 5.0), half_length: int = 10
) -> Kernel:
    """Return the low-pass filter of `resample`, at `up` times the rate of the samples.

    It is a sinc under a window, which halves amplitudes at half the lower one of both rates, so that nothing folds
    back. Its sum is `up`, so that a constant stays the same, but for the ripple of the window: 0.07 %
    by default.

    Parameters
    ----------
    up, down : int
        The factors, in lowest terms.
    window : str or tuple, optional
        ``("kaiser", beta)``, or ``boxcar``, ``hann``, ``hamming`` or ``blackman``.
    half_length : int, optional
        How far the filter reaches on each side, in samples of the lower one of both rates.

    Returns
    -------
    Kernel
        A symmetric kernel of ``2 * half_length * max(up, down) + 1`` taps, with its origin in the middle.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    resample : Filter an array with it.

    Examples
    --------
    With it, a stream gives the samples of ``resample(x, 3, 2, mode="constant")``, block by block:

    >>> import faltung as fa
    >>> kernel = fa.resampling_filter(3, 2)
    >>> kernel.shape, kernel.origin, round(float(kernel.taps.sum()), 9)
    ((61,), (30,), 3.0)
    >>> stream = fa.Stream(kernel, up=3, down=2, align="centred")
    """
    faster, slower = integer("up", up, 1, _LARGEST), integer("down", down, 1, _LARGEST)
    divisor = math.gcd(faster, slower)
    if divisor > 1:
        remedy = f"Use {faster // divisor} and {slower // divisor}."
        raise ArgumentError("up, down", "factors in lowest terms", f"{faster} and {slower}", remedy)
    return _filter(faster, slower, window, half_length)


def resample(
    x: ArrayLike,
    up: int | Sequence[int],
    down: int | Sequence[int] = 1,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: complex = 0.0,
    *,
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    window: str | tuple[str, float] | Kernel = ("kaiser", 5.0),
    half_length: int = 10,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    workers: int | None = None,
) -> Any:
    """Change the rate of the samples by a fraction, ``up / down``, along one axis or several.

    Zeros are put between samples, ``up - 1`` of them, a low-pass filter is applied at that rate, and each `down`-th
    output is kept. Of all this, only the terms are computed that count::

        y[t] = sum over k of h[t * down - k * up] * x[k],    t = 0, ..., ceil(n * up / down) - 1

    Parameters
    ----------
    x : array_like, torch.Tensor, dask.array.Array or xarray.DataArray
        The array. For a tensor, the result has gradients; a dask array stays lazy; an array of xarray keeps its
        labels, and its evenly spaced coordinates become those of the outputs.
    up, down : int or sequence of int
        The factors, one for all axes or one for each. Only their ratio matters. To shrink is safe: the filter takes
        away what the lower rate cannot hold.
    mode, cval : optional
        How `x` continues beyond its border, as for `convolve`: one mode, or one for each axis. ``constant`` is the
        default of `scipy.signal.resample_poly`.
    axes : int or sequence of int, optional
        The axes. The default is the last one, or as many of the last ones as there are factors.
    dims : str or sequence of str, optional
        The names of the axes, in place of `axes`, for an array of xarray.
    window, half_length : optional
        The filter, as for `resampling_filter`. Or a kernel with one axis and the sum `up`, at `up` times the rate, in
        lowest terms: its tap at the origin is that of the sample itself.
    dtype : dtype, optional
        The dtype of the result, as for `convolve`.
    nan : {'propagate', 'ignore'}, optional
        Whether a NaN is a missing sample, as for `convolve`; with several axes, in the pass along each of them.
    workers : int, optional
        Number of threads, as for `convolve`.

    Returns
    -------
    array
        An array of the kind of `x`, with ``ceil(n * up / down)`` samples for n samples. The first output is at the
        first sample, and output t at ``t * down / up`` samples from it.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    resampling_filter : The filter, also for a `Stream`.
    pyramid : Halve the rate again and again.

    Notes
    -----
    With ``mode="constant"`` the result is that of `scipy.signal.resample_poly`, up to rounding. Several axes are
    filtered one after another, those first that become shorter.

    R. E. Crochiere and L. R. Rabiner, Multirate Digital Signal Processing, 1983.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.resample(np.arange(6.0), 2, 3, mode="nearest").round(2)
    array([0.08, 1.5 , 2.97, 4.56])
    >>> fa.resample(np.ones((480, 640)), (1, 3), 2).shape
    (240, 960)
    """
    ups, downs, count = _factors(up, down, axes if dims is None else dims)
    given = given_axes(x, count, mode, axes, dims, nan)
    steps = {}
    for faster, slower, axis, border in zip(ups, downs, given.axes, given.modes, strict=True):
        divisor = math.gcd(faster, slower)
        rate = faster // divisor, slower // divisor
        kernel = _filter(*rate, window, half_length) if isinstance(window, str | tuple) else _own(window)
        steps[axis] = rate, kernel, border
    order = sorted(steps, key=lambda axis: steps[axis][0][0] / steps[axis][0][1])
    y = x if is_labelled(x) else given.data
    for axis in order:
        (faster, slower), kernel, border = steps[axis]
        how: dict[str, Any] = {"nan": given.nan, "dtype": dtype if axis == order[-1] else None, "workers": workers}
        y = convolve(y, kernel, border, cval, axes=axis, stride=slower, up=faster, **how)
    return y


def _factors(up: Any, down: Any, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the factors for each axis, and how many axes there are."""
    counts = {len(given) for given in (up, down, axes) if is_sequence(given)}
    if len(counts) > 1 or 0 in counts:
        received = f"up={up!r}, down={down!r} and axes {axes!r}"
        raise ArgumentError("up, down", "one factor for all axes, or one for each", received)
    count = counts.pop() if counts else 1

    def each(name: str, given: Any) -> tuple[int, ...]:
        factors = given if is_sequence(given) else (given,) * count
        return tuple(integer(name, _whole(name, factor), 1, _LARGEST) for factor in factors)

    return each("up", up), each("down", down), count


def _whole(name: str, factor: Any) -> Any:
    """Return a factor; the error says how a rate that is no whole number is passed."""
    if name == "up" and isinstance(factor, float) and 1e-3 < factor < 1e6 and not factor.is_integer():
        near = Fraction(factor).limit_denominator(1000)
        remedy = f"For a rate of {factor:g}, pass up={near.numerator} and down={near.denominator}."
        raise ArgumentTypeError(name, f"an integer from 1 to {_LARGEST}", repr(factor), remedy)
    return factor


def _filter(up: int, down: int, window: Any, half_length: int) -> Kernel:
    """Return the filter of a rate in lowest terms."""
    name, *parameters = window if isinstance(window, tuple) and window else (window,)
    kaiser = name == "kaiser" and len(parameters) == 1
    if not kaiser and (not isinstance(name, str) or name not in COSINES or parameters):
        expected = f"('kaiser', beta), one of {', '.join(map(repr, COSINES))}, or a Kernel"
        raise ArgumentError("window", expected, repr(window))
    beta = non_negative("window", parameters[0]) if kaiser else 0.0
    half = integer("half_length", half_length, 1, _LONGEST) * max(up, down)
    if up == down:
        return Kernel([1.0])
    return Kernel(windowed_sinc(2 * half + 1, 1 / max(up, down), name, beta) * up, half)


def _own(window: Any) -> Kernel:
    if not isinstance(window, Kernel):
        raise ArgumentTypeError(
            "window", "a window or a Kernel", f"a {type(window).__name__}", "Use fa.Kernel(taps)."
        )
    if window.ndim != 1:
        raise ArgumentError(
            "window", "a kernel with one axis", f"one with {window.ndim}", "Named filters take ndim=1."
        )
    return window
