"""Which planes of detail does an array have, from fine to coarse? Stationary wavelets, by kernels with holes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.front import convolve
from faltung.ground.checks import integer, is_sequence
from faltung.kernels import CoordinateKernel, Kernel, binomial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

__all__ = ["atrous"]

_MOST_LEVELS = 24


def atrous(
    x: ArrayLike,
    levels: int,
    kernel: Kernel | ArrayLike | None = None,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: complex = 0.0,
    *,
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    workers: int | None = None,
) -> tuple[list[Any], Any]:
    """Split an array into planes of detail of doubling size, and a smooth rest: the "à trous" wavelet transform.

        c_0 = x,    c_(j+1) = c_j convolved with the kernel, with 2^j samples between its taps,    d_j = c_j - c_(j+1)

    All planes have the shape of `x`, and their sum with the rest is `x` up to rounding: of any length, with any
    kernel, mode and number of levels.

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array of any kind that `convolve` filters.
    levels : int
        The number of planes of detail, from 1 to 24. Plane j has details of about 2^j samples.
    kernel : Kernel or array_like, optional
        The smoothing kernel. The default is the cubic B-spline, ``binomial(4)``, along every axis of `x`, or of those
        in `axes` or `dims`: with it the planes are the starlet transform.
    mode, cval, axes, dims, workers
        As for `convolve`.
    nan, mask
        As for `convolve`. A missing sample is missing at every level, and NaN in all planes and in the rest; it does
        not spread to its neighbours.

    Returns
    -------
    details : list of array
        The planes of detail, the finest first.
    rest : array
        What remains, smoothed by all levels.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    References
    ----------
    Holschneider et al., "A real-time algorithm for signal analysis with the help of the wavelet transform", 1989;
    Starck, Fadili and Murtagh, "The undecimated wavelet decomposition and its reconstruction", IEEE Transactions on
    Image Processing 16, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    >>> (fine, coarse), rest = fa.atrous(x, 2)
    >>> fine
    array([ 0.    , -0.0625, -0.25  ,  0.625 , -0.25  , -0.0625,  0.    ])
    >>> np.allclose(fine + coarse + rest, x)
    True
    """
    count = integer("levels", levels, 1, _MOST_LEVELS)
    if not hasattr(x, "shape") and not hasattr(x, "data_vars"):
        x = np.asarray(x)
    if kernel is None:
        kernel = binomial(4, ndim=_filtered_axes(x, axes, dims))
    elif isinstance(kernel, CoordinateKernel):
        remedy = "Make a kernel in samples of it with kernel.sampled(spacing)."
        raise ArgumentError("kernel", "a kernel in samples, which can be dilated", "one in coordinates", remedy)
    rest: dict[str, Any] = {"axes": axes, "dims": dims, "workers": workers, "nan": nan, "mask": mask}
    rest["keep_nan"] = nan == "ignore" or mask is not None
    details, smooth = [], x
    for level in range(count):
        smoother = convolve(smooth, kernel, mode, cval, dilation=2**level, **rest)
        with np.errstate(invalid="ignore"):  # the difference of two infinities is NaN
            details.append(smooth - smoother)
        smooth = smoother
    return details, smooth


def _filtered_axes(x: Any, axes: Any, dims: Any) -> int:
    """Return the number of axes along which the default kernel smooths."""
    named = dims if axes is None else axes
    if named is not None:
        return len(named) if is_sequence(named) else 1
    if hasattr(x, "data_vars"):
        remedy = "Name the axes with dims=, or pass a kernel."
        raise ArgumentError("kernel", "a kernel for a data set, whose arrays have other axes each", "None", remedy)
    return 1 if hasattr(x, "iloc") else int(x.ndim)
