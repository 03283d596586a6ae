"""How is a blur with a penalty inverted? Conjugate gradients, led by an inverse that spectra make."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from faltung.ground.arrays import is_tensor
from faltung.kernels import Kernel
from faltung.restore.total_variation import joined, part

__all__ = ["conjugate_gradients", "filter_inverse", "sum_of_squares"]


def filter_inverse(
    x: Any,
    axes: Sequence[int],
    modes: Sequence[str],
    blur: Kernel,
    share: float,
    ridge: float,
    penalty: Kernel | None,
) -> Callable[[Any], Any]:
    """Return the inverse of ``share * A.H A + ridge * P.H P``, exact or nearly so, as a function.

    It is exact for ``wrap``, and for ``reflect`` with kernels that are even along each axis: the transform of an
    array and its mirror image is diagonal for them. For all others it is a positive definite approximation.

    Parameters
    ----------
    x : ndarray or torch.Tensor
        An array of the kind, shape and dtype of those that it is for.
    axes, modes
        The axis for each axis of the kernels, and how it continues beyond the border.
    blur, penalty : Kernel
        The kernels of A and P; without a penalty, P is the identity.
    share, ridge : float
        Their weights.
    """
    mirrored = [axis for axis, mode in zip(axes, modes, strict=True) if mode not in ("wrap", "constant")]
    lengths = [x.shape[axis] * (1 + (axis in mirrored)) for axis in axes]
    power = share * _power(blur, lengths) + ridge * (1.0 if penalty is None else _power(penalty, lengths))
    power = np.maximum(power, 1e-12 * power.max())  # where neither blur nor penalty sees anything
    kinds = {kernel.dtype.kind for kernel in (blur, penalty) if kernel is not None}
    is_complex = "c" in kinds or _has_parts(x)
    order = np.argsort(axes)
    placed, around = power.transpose(order), sorted(axes)
    sizes = list(placed.shape)
    if not is_complex:  # the frequencies that a transform of real numbers has, in the axis that it halves
        placed = placed[..., : sizes[-1] // 2 + 1]
    widths = dict(zip(around, placed.shape, strict=True))
    gain = (1 / placed).reshape([widths.get(axis, 1) for axis in range(x.ndim)])
    divided = _quotient(x, gain, around, None if is_complex else sizes)
    return lambda y: _halved(divided(_doubled(y, mirrored)), mirrored)


def _quotient(x: Any, gain: Any, axes: list[int], sizes: list[int] | None) -> Callable[[Any], Any]:
    """Return the multiplication of the spectrum by a gain; `sizes` are given for real numbers."""
    if is_tensor(x):
        import torch  # there is a tensor, so it is loaded

        gain = torch.from_numpy(gain).to(x.device, x.real.dtype if x.is_complex() else x.dtype)
        if sizes is None:
            return lambda y: torch.fft.ifftn(torch.fft.fftn(y, dim=axes) * gain, dim=axes)
        return lambda y: torch.fft.irfftn(torch.fft.rfftn(y, dim=axes) * gain, sizes, dim=axes)
    gain = gain.astype(x.real.dtype)
    if sizes is None:
        return lambda y: np.fft.ifftn(np.fft.fftn(y, axes=axes) * gain, axes=axes)
    return lambda y: np.fft.irfftn(np.fft.rfftn(y, axes=axes) * gain, sizes, axes=axes)


def _doubled(y: Any, axes: Sequence[int]) -> Any:
    """Return an array followed by its mirror image, along each of some axes."""
    for axis in axes:
        y = joined([y, _mirrored(y, axis)], axis)
    return y


def _halved(y: Any, axes: Sequence[int]) -> Any:
    """Return the mean of an array and the mirror image that follows it: the transpose of `_doubled`, scaled."""
    for axis in axes:
        half = y.shape[axis] // 2
        y = (part(y, axis, slice(half)) + _mirrored(part(y, axis, slice(half, None)), axis)) / 2
    return y


def _mirrored(y: Any, axis: int) -> Any:
    return y.flip(axis) if is_tensor(y) else np.flip(y, axis)


def _has_parts(x: Any) -> bool:
    """Whether an array holds complex numbers."""
    return bool(x.is_complex() if is_tensor(x) else x.dtype.kind == "c")


def conjugate_gradients(
    apply: Callable[[Any], Any],
    target: Any,
    inverse: Callable[[Any], Any],
    iterations: int,
    tolerance: tuple[float, float],
    progress: Callable[[int, Any], Any] | None,
) -> Any:
    """Solve ``apply(u) = target`` for a positive definite operator.

    Parameters
    ----------
    apply : callable
        The operator.
    target : ndarray or torch.Tensor
        The right-hand side.
    inverse : callable
        An approximate inverse: positive definite too.
    iterations, tolerance
        Most steps. They end when what remains of the target is a small share of something: the share, and the sum of
        squares of that.
    progress : callable or None
        Called with the step and the estimate; True ends the iteration.

    References
    ----------
    .. [1] M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems", Journal of
       Research of the National Bureau of Standards 49 (1952), 409-436.
    """
    u, rest = target * 0, target
    z = inverse(rest)
    direction, product = z, _dot(rest, z)
    goal = tolerance[0] ** 2 * tolerance[1]
    for step in range(1, iterations + 1):
        if sum_of_squares(rest) <= goal:
            return u
        image = apply(direction)
        along = product / _dot(direction, image)
        u, rest = u + along * direction, rest - along * image
        if progress is not None and progress(step, u) is True:
            return u
        z = inverse(rest)
        product, before = _dot(rest, z), product
        direction = z + (product / before) * direction
    if sum_of_squares(rest) > goal:
        left = math.sqrt(sum_of_squares(rest) / tolerance[1])
        text = f"iterations: after {iterations} steps a share of {left:.1e} remains, not tolerance={tolerance[0]:g}."
        warnings.warn(f"{text} Use more iterations, or a larger tolerance or ridge.", RuntimeWarning, stacklevel=4)
    return u


def _dot(a: Any, b: Any) -> Any:
    """Return the real part of the inner product of two arrays."""
    return (a.conj() * b).sum().real if _has_parts(a) else (a * b).sum()


def sum_of_squares(a: Any) -> float:
    """Return the sum of squared magnitudes."""
    return float(_dot(a.detach(), a.detach()) if is_tensor(a) else _dot(a, a))


def _power(kernel: Kernel, lengths: Sequence[int]) -> Any:
    """Return the squared magnitude of the transfer function, at the frequencies of a periodic array."""
    grid = np.zeros(lengths, kernel.taps.dtype)
    places = np.ix_(*(np.array(lags) % length for lags, length in zip(kernel.lags, lengths, strict=True)))
    np.add.at(grid, places, kernel.taps)
    return np.abs(np.fft.fftn(grid)) ** 2
