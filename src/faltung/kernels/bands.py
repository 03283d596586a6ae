"""Which named kernels select a band of frequencies? Those that keep, remove or amplify details of one size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import integer, non_negative, per_axis, real
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.naming import named
from faltung.kernels.smoothing import check_named, delta, gaussian, outer
from faltung.kernels.taps import TapArray

__all__ = ["dog", "gabor", "octave_sigma", "unsharp"]

_NYQUIST = 0.5
_LEAST_BANDWIDTH = 0.01
_LEAST_SIGMA = 0.01


@named
def dog(
    low: float | Sequence[float] | Mapping[Any, Any],
    high: float | Sequence[float] | Mapping[Any, Any] | None = None,
    *,
    truncate: float = 4.0,
    ndim: int | None = None,
) -> Kernel:
    """Return the difference of two Gaussians, which keeps details of sizes between the two.

        k = gaussian(low) - gaussian(high)

    Parameters
    ----------
    low : float, sequence of float, or mapping
        Standard deviation of the narrow Gaussian in samples, for all axes or for each. A mapping from the name of an
        axis to a length in the units of its coordinate makes a `CoordinateKernel`.
    high : float, sequence of float, or mapping, optional
        Standard deviation of the wide Gaussian, at least `low`. The default is 1.6 times `low`, which makes the
        kernel similar to `log`.
    truncate : float, optional
        Radius of both kernels in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `low`, or 2.

    Returns
    -------
    Kernel
        The kernel, a difference of two separable kernels; its taps sum to zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A standard deviation is not a finite number of at least zero, or `high` is below `low`.

    References
    ----------
    Marr and Hildreth, "Theory of edge detection", Proc. R. Soc. Lond. B 207, 1980. The taps are those of
    `skimage.filters.difference_of_gaussians`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.dog(1, 2) == fa.gaussian(1) - fa.gaussian(2)
    True
    """
    lows = per_axis("low", low, ndim, non_negative)
    if high is None:
        highs = tuple(1.6 * value for value in lows)
    else:
        highs = per_axis("high", high, len(lows), non_negative)
    if any(wide < narrow for narrow, wide in zip(lows, highs, strict=True)):
        remedy = "Swap low and high; for the negative kernel, put a minus sign in front of it."
        raise ArgumentError("high", "at least low along every axis", f"low={low}, high={high}", remedy)
    return gaussian(lows, truncate=truncate) - gaussian(highs, truncate=truncate)


@named
def unsharp(
    sigma: float | Sequence[float] | Mapping[Any, Any] = 1.0,
    amount: float = 1.0,
    *,
    truncate: float = 4.0,
    ndim: int | None = None,
) -> Kernel:
    """Return the unsharp mask, which sharpens: it adds the details that a Gaussian removes.

        k = (1 + amount) delta - amount gaussian(sigma)

    Parameters
    ----------
    sigma : float, sequence of float, or mapping, optional
        Standard deviation of the Gaussian in samples, for all axes or for each. A mapping from the name of an axis to
        a length in the units of its coordinate makes a `CoordinateKernel`.
    amount : float, optional
        Multiple of the details that is added; a negative amount blurs.
    truncate : float, optional
        Radius of the Gaussian in standard deviations.
    ndim : int, optional
        Number of dimensions: by default the length of `sigma`, or 2.

    Returns
    -------
    Kernel
        The kernel, whose taps sum to one.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        `sigma` is not a finite number of at least zero, or `amount` is not finite.

    References
    ----------
    Petrou and Petrou, "Image Processing: The Fundamentals", 2010. The taps are those of
    `skimage.filters.unsharp_mask`, whose `radius` is `sigma` here; outputs are not clipped.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.unsharp(1, amount=2) == 3 * fa.delta() - 2 * fa.gaussian(1)
    True
    """
    smooth = gaussian(sigma, truncate=truncate, ndim=ndim)
    share = real("amount", amount)
    return (1 + share) * delta(ndim=smooth.ndim) - share * smooth


@named
def gabor(
    frequency: float = 0.2,
    angle: float = 0.0,
    *,
    bandwidth: float = 1.0,
    sigma_x: float | None = None,
    sigma_y: float | None = None,
    truncate: float = 3.0,
    phase: float = 0.0,
    ndim: int = 2,
) -> Kernel:
    """Return the complex Gabor kernel, a plane wave times a Gaussian.

        k[y, x] = exp(-(u / sigma_x)^2 / 2 - (v / sigma_y)^2 / 2 + i (2 pi frequency u + phase))
                  / (2 pi sigma_x sigma_y),
        u = x cos(angle) + y sin(angle),    v = -x sin(angle) + y cos(angle)

    With a phase of zero, ``.real`` is even and ``.imag`` is odd. In one dimension u = x, and the factor is
    1 / (sqrt(2 pi) sigma_x).

    Parameters
    ----------
    frequency : float, optional
        Frequency of the wave in cycles per sample, above zero and at most 0.5.
    angle : float, optional
        Direction of the wave in radians: 0 is along the last axis, pi / 2 along the first.
    bandwidth : float, optional
        Bandwidth in octaves, at least 0.01; the standard deviations that are not given follow from it.
    sigma_x, sigma_y : float, optional
        Standard deviation along the wave and across it in samples, at least 0.01.
    truncate : float, optional
        Radius of the kernel in standard deviations.
    phase : float, optional
        Phase of the wave at lag zero, in radians.
    ndim : int, optional
        Number of dimensions, 1 or 2.

    Returns
    -------
    Kernel
        The kernel; it is separable if `sigma_x` and `sigma_y` are equal, at any angle.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A number is not finite or out of range, or `angle` or `sigma_y` is given in one dimension.

    References
    ----------
    Daugman, "Uncertainty relation for resolution in space, spatial frequency, and orientation", J. Opt. Soc.
    Am. A 2, 1985. The taps are those of `skimage.filters.gabor_kernel`: its `theta`, `n_stds` and
    `offset` are `angle`, `truncate` and `phase` here.

    Examples
    --------
    >>> import faltung as fa
    >>> wave = fa.gabor(0.25, angle=0.5)
    >>> wave.shape, wave.dtype, wave.rank()
    ((13, 13), dtype('complex128'), 1)
    >>> wave.real
    gabor(frequency=0.25, angle=0.5).real
    """
    axes = integer("ndim", ndim, 1, 2)
    cycles = real("frequency", frequency, 0.0, _NYQUIST, open_end=True)
    turn = real("angle", angle)
    along, across = (
        octave_sigma(cycles, bandwidth) if value is None else real(name, value, _LEAST_SIGMA)
        for name, value in (("sigma_x", sigma_x), ("sigma_y", sigma_y))
    )
    reach = real("truncate", truncate, 0.0)
    shift = real("phase", phase)
    if axes == 1:
        if turn != 0 or sigma_y is not None:
            raise ArgumentError("ndim", "2 for a wave with angle or sigma_y", "1", "Omit angle and sigma_y.")
        return Taps(_wave_taps(along, cycles, _radius(reach * along), shift))
    # Along an axis, cos or sin must be exactly zero: then the wave is constant along the other axis, and real there.
    cos, sin = (0.0 if abs(part) < 1e-15 else part for part in (math.cos(turn), math.sin(turn)))
    rows = _radius(max(abs(reach * across * cos), abs(reach * along * sin)))
    columns = _radius(max(abs(reach * along * cos), abs(reach * across * sin)))
    if along == across:
        down = _wave_taps(along, cycles * sin, rows, 0.0)
        return outer([Taps(down), Taps(_wave_taps(along, cycles * cos, columns, shift))])
    check_named("frequency", 2.0 * rows + 1, 2.0 * columns + 1)
    y, x = np.ogrid[-rows : rows + 1, -columns : columns + 1]
    u, v = x * cos + y * sin, y * cos - x * sin
    envelope = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2)) / (2 * math.pi * along * across)
    return Taps(envelope * np.exp(1j * (2 * math.pi * cycles * u + shift)))


def octave_sigma(frequency: float, bandwidth: float) -> float:
    """Return the standard deviation with which the response is one half at both ends of the band."""
    octaves = real("bandwidth", bandwidth, _LEAST_BANDWIDTH)
    ratio = 1 / math.tanh(octaves * math.log(2) / 2)  # (2^b + 1) / (2^b - 1)
    return math.sqrt(math.log(2) / 2) / math.pi * ratio / frequency


def _radius(reach: float) -> int:
    check_named("frequency", 2 * reach + 1)
    return math.ceil(max(reach, 1.0))


def _wave_taps(sigma: float, frequency: float, radius: int, phase: float) -> TapArray:
    lags = np.arange(-radius, radius + 1)
    envelope = np.exp(-0.5 * (lags / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma)
    if frequency == 0 and phase == 0:
        return np.asarray(envelope)
    return np.asarray(envelope * np.exp(1j * (2 * math.pi * frequency * lags + phase)))
