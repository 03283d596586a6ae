"""How is a blur with a penalty inverted? Conjugate gradients, with the inverse for periodic borders as a start."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from faltung.ground.arrays import is_tensor
from faltung.kernels import Kernel

__all__ = ["conjugate_gradients", "periodic_inverse"]


def periodic_inverse(
    x: Any, axes: Sequence[int], blur: Kernel, share: float, ridge: float, penalty: Kernel | None
) -> Callable[[Any], Any]:
    """Return the inverse of ``share * A.H A + ridge * P.H P`` for periodic borders, as a function.

    Parameters
    ----------
    x : ndarray or torch.Tensor
        An array of the kind, shape and dtype of those that it is for.
    axes : sequence of int
        The axis for each axis of the kernels.
    blur, penalty : Kernel
        The kernels of A and P; without a penalty, P is the identity.
    share, ridge : float
        Their weights.
    """
    lengths = [x.shape[axis] for axis in axes]
    kinds = {kernel.dtype.kind for kernel in (blur, penalty) if kernel is not None}
    tensor = is_tensor(x)
    is_complex = "c" in kinds or (x.is_complex() if tensor else x.dtype.kind == "c")
    power = share * _power(blur, lengths) + ridge * (1.0 if penalty is None else _power(penalty, lengths))
    power = np.maximum(power, 1e-12 * power.max())  # where neither blur nor penalty sees anything
    order = np.argsort(axes)
    if not is_complex:  # the frequencies that a transform of real numbers has, in the axis that it halves
        last, half = int(order[-1]), lengths[int(order[-1])] // 2 + 1
        power = np.take(power, range(half), last)
    placed = power.transpose(order)
    widths = dict(zip(sorted(axes), placed.shape, strict=True))
    gain: Any = (1 / placed).reshape([widths.get(axis, 1) for axis in range(x.ndim)])
    around = sorted(axes)
    sizes = [x.shape[axis] for axis in around]
    if tensor:
        import torch  # there is a tensor, so it is loaded

        real = x.real.dtype if x.is_complex() else x.dtype
        gain = torch.from_numpy(gain).to(x.device, real)
        if is_complex:
            return lambda y: torch.fft.ifftn(torch.fft.fftn(y, dim=around) * gain, dim=around)
        return lambda y: torch.fft.irfftn(torch.fft.rfftn(y, dim=around) * gain, sizes, dim=around)
    gain = gain.astype(x.real.dtype)
    if is_complex:
        return lambda y: np.fft.ifftn(np.fft.fftn(y, axes=around) * gain, axes=around)
    return lambda y: np.fft.irfftn(np.fft.rfftn(y, axes=around) * gain, sizes, axes=around)


def conjugate_gradients(
    apply: Callable[[Any], Any],
    target: Any,
    inverse: Callable[[Any], Any],
    iterations: int,
    tolerance: float,
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
        Most steps; and the norm of what remains of the target, as a share of it, at which they end.
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
    goal = tolerance**2 * float(_dot(target, target))
    for step in range(1, iterations + 1):
        if float(_dot(rest, rest)) <= goal:
            return u
        image = apply(direction)
        along = product / _dot(direction, image)
        u, rest = u + along * direction, rest - along * image
        if progress is not None and progress(step, u) is True:
            return u
        z = inverse(rest)
        product, before = _dot(rest, z), product
        direction = z + (product / before) * direction
    if float(_dot(rest, rest)) > goal:
        left = (float(_dot(rest, rest)) / float(_dot(target, target))) ** 0.5
        text = (
            f"iterations: after {iterations} steps a share of {left:.1e} remains, more than tolerance={tolerance:g}."
        )
        warnings.warn(f"{text} Use more iterations, or a larger tolerance or ridge.", RuntimeWarning, stacklevel=4)
    return u


def _dot(a: Any, b: Any) -> Any:
    """Return the real part of the inner product of two arrays."""
    complex_ = a.is_complex() if is_tensor(a) else a.dtype.kind == "c"
    return (a.conj() * b).sum().real if complex_ else (a * b).sum()


def _power(kernel: Kernel, lengths: Sequence[int]) -> Any:
    """Return the squared magnitude of the transfer function, at the frequencies of a periodic array."""
    grid = np.zeros(lengths, kernel.taps.dtype)
    places = np.ix_(*(np.array(lags) % length for lags, length in zip(kernel.lags, lengths, strict=True)))
    np.add.at(grid, places, kernel.taps)
    return np.abs(np.fft.fftn(grid)) ** 2
