"""An array at several scales: Gaussians, Laplacians of Gaussians, and their differences, which can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.front import convolve
from faltung.ground.checks import is_sequence
from faltung.kernels import Bank, Kernel
from faltung.kernels.kernel import sum_of
from faltung.signals.sampled_axes import SampledAxes, sampled_axes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["scale_space"]

_KINDS = ("gaussian", "log", "dog")


def scale_space(
    x: ArrayLike,
    sigmas: Sequence[float] | Mapping[Any, Sequence[Any]],
    kind: str = "gaussian",
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    spacing: float | Sequence[float] | None = None,
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    truncate: float = 5.0,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    min_weight: float = 0.0,
    keep_nan: bool = False,
    workers: int | None = None,
) -> Any:
    r"""Return an array at several scales, as a stack.

    ============ ===================================================================== =================
    kind         at each scale                                                         bright blobs are
    ============ ===================================================================== =================
    ``gaussian`` ``gaussian(sigma)``                                                   bright
    ``log``      ``sigma**2 * log(sigma)``: the normalised Laplacian                   minima
    ``dog``      ``(gaussian(sigma) - gaussian(next)) / (next / sigma - 1)``           maxima
    ============ ===================================================================== =================

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array of any kind that `convolve` filters with a bank.
    sigmas : sequence of float, or mapping
        Standard deviations in the unit of `spacing`, the same along all axes. A mapping from names of axes to one
        sequence each is for arrays of xarray, as for `gradient`.
    kind : {'gaussian', 'log', 'dog'}, optional
        What is computed at each scale. For ``dog``, `sigmas` increase, and the last one has no result of its own.
    spacing : float or sequence of float, optional
        Distance between samples along each axis; 1 by default.
    axes, dims : optional
        The axes, as for `convolve`. The default is all axes.
    truncate : float, optional
        Radius of the kernels in standard deviations.
    mode, cval, out, dtype, nan, mask, weights, min_weight, keep_nan, workers
        As for `convolve`.

    Returns
    -------
    ndarray or torch.Tensor, shape ``(number of scales, *x.shape)``
        The stack.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Notes
    -----
    With the factor :math:`\sigma^2` (gamma = 1 of Lindeberg) an array that is stretched by a factor s has the same
    Laplacians at scales that are s times as large. A Gaussian blob of standard deviation s in d dimensions answers
    most at :math:`\sigma = s \sqrt{2 / d}`, and a disk of radius r at :math:`r / \sqrt 2`. The differences are close
    to the negative Laplacians, since :math:`G(k \sigma) - G(\sigma) \approx (k - 1) \sigma^2 \Delta G(\sigma)`.

    References
    ----------
    Lindeberg, "Feature detection with automatic scale selection", Int. J. Computer Vision 30, 1998. Lowe,
    "Distinctive image features from scale-invariant keypoints", Int. J. Computer Vision 60, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> blob = np.exp(-(x**2 + y**2) / (2 * 3.0**2))
    >>> scales = [1.5, 2.0, 3.0, 4.0, 6.0]
    >>> answers = fa.scale_space(blob, scales, "log")
    >>> scales[int(answers[:, 20, 20].argmin())], answers[:, 20, 20].round(2)
    (3.0, array([-0.32, -0.43, -0.5 , -0.46, -0.32]))
    """
    if kind not in _KINDS:
        raise ArgumentError("kind", "one of " + ", ".join(map(repr, _KINDS)), repr(kind))
    levels = [sampled_axes(x, level, spacing, axes, dims, truncate, "sigmas") for level in _levels(sigmas)]
    bank = Bank.stack(_kernels(levels, kind))
    where: dict[str, Any] = {"axes": levels[0].axes, "dims": levels[0].dims}
    missing: dict[str, Any] = {"nan": nan, "mask": mask, "weights": weights, "min_weight": min_weight}
    return convolve(x, bank, mode, cval, **where, **missing, keep_nan=keep_nan, out=out, dtype=dtype, workers=workers)


def _levels(sigmas: Any) -> list[Any]:
    """Return the scales, each as a number or as a mapping from names of axes."""
    if isinstance(sigmas, Mapping):
        if not sigmas or not all(map(is_sequence, sigmas.values())) or len({*map(len, sigmas.values())}) != 1:
            raise ArgumentError("sigmas", "equally many lengths for each name of an axis", repr(sigmas))
        levels = [dict(zip(sigmas, level, strict=True)) for level in zip(*sigmas.values(), strict=True)]
    elif is_sequence(sigmas):
        levels = list(sigmas)
    else:
        raise ArgumentTypeError("sigmas", "a sequence of lengths", repr(sigmas), "For one scale, pass [sigma].")
    if not levels:
        raise ArgumentError("sigmas", "at least one length", "none")
    return levels


def _kernels(levels: Sequence[SampledAxes], kind: str) -> list[Kernel]:
    count = len(levels[0].sigmas)
    if kind == "gaussian":
        return [level.derivative((0,) * count, False) for level in levels]
    for level in levels:
        if not all(level.sigmas):
            raise ArgumentError("sigmas", f"lengths above zero for kind={kind!r}", "0")
    if kind == "log":
        orders = [tuple(2 * (axis == one) for axis in range(count)) for one in range(count)]
        return [sum_of(level.derivative(order, True) for order in orders) for level in levels]
    return _differences(levels)


def _differences(levels: Sequence[SampledAxes]) -> list[Kernel]:
    count = len(levels[0].sigmas)
    kernels = []
    for low, high in pairwise(levels):
        ratios = [wide / narrow for narrow, wide in zip(low.sigmas, high.sigmas, strict=True)]
        if min(ratios) <= 1 or max(ratios) > min(ratios) * (1 + 1e-9):
            received = f"factors of {', '.join(f'{ratio:g}' for ratio in ratios)} between two scales"
            raise ArgumentError("sigmas", "scales that increase for kind='dog', alike along all axes", received)
        difference = low.derivative((0,) * count, False) - high.derivative((0,) * count, False)
        kernels.append(difference / (ratios[0] - 1))
    if not kernels:
        raise ArgumentError("sigmas", "at least two lengths for kind='dog'", "1")
    return kernels
