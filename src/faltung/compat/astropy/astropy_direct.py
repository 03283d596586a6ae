"""The direct convolution of astropy: `convolve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.astropy.astropy_arguments import (
    AstropyData,
    as_data,
    as_taps_of,
    check_choice,
    is_kernel,
    nan_in,
    with_unit,
)
from faltung.compat.astropy.astropy_errors import AstropyDimensionError, refuse_size, warn_user
from faltung.compat.astropy.astropy_sums import interpolated, plain_sums
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["convolve"]

_MODES = {None: "constant", "fill": "constant", "wrap": "wrap", "extend": "nearest"}
#: A kernel whose taps sum to less cannot be normalised.
_LEAST_SUM = 0.01


def convolve(
    array: ArrayLike,
    kernel: ArrayLike,
    boundary: str | None = "fill",
    fill_value: float = 0.0,
    nan_treatment: str = "interpolate",
    normalize_kernel: bool = True,
    mask: NDArray[Any] | None = None,
    preserve_nan: bool = False,
    normalization_zero_tol: float = 1e-8,
) -> NDArray[Any]:
    """Convolve an array with a kernel, and interpolate missing samples: `astropy.convolution.convolve`.

    Parameters
    ----------
    array : array_like
        An array with one to three axes. Masked samples of a masked array are missing. A quantity keeps its unit.
    kernel : array_like or Kernel of astropy
        The taps, an odd number along each axis.
    boundary : {'fill', 'wrap', 'extend', None}, optional
        How the array continues: with `fill_value`, periodically, or with its last sample. With None, outputs are zero
        where the kernel reaches beyond the border.
    fill_value : float, optional
        The value beyond the border, and that of NaN with ``nan_treatment="fill"``. If it is NaN, nothing is there.
    nan_treatment : {'interpolate', 'fill'}, optional
        Whether NaN is left out of the sums, or replaced.
    normalize_kernel : bool, optional
        Whether the taps are divided by their sum.
    mask : ndarray, optional
        Samples are missing where it is not zero.
    preserve_nan : bool, optional
        Whether outputs at the positions of missing samples are NaN.
    normalization_zero_tol : float, optional
        A sum of taps that is at most this is zero.

    Returns
    -------
    ndarray
        The result, of the dtype of an array of floats, and else in float64; sums are in double precision.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        astropy refuses the arguments, too.
    NotServedError
        astropy can do this, and this package cannot.

    Warns
    -----
    AstropyUserWarning
        NaN remains where a hole is larger than the kernel; a `UserWarning` if astropy is not loaded.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.astropy import convolve
    >>> convolve([1.0, np.nan, 3.0], [1, 1, 1], boundary="extend")
    array([1., 2., 3.])
    """
    check_choice("boundary", boundary, tuple(_MODES))
    check_choice("nan_treatment", nan_treatment, ("interpolate", "fill"))
    data, taps = _checked(array, kernel, boundary, mask)
    fill = float(fill_value)
    holes = nan_in(data.values)
    skips = nan_treatment == "interpolate" and (holes is not None or (boundary == "fill" and fill != fill))
    total = float(taps.sum())
    if normalize_kernel or skips:
        _check_sum(total, normalization_zero_tol, skips)
    x = data.values if holes is None or skips else np.where(holes, fill, data.values)
    result = _sums(x, taps, boundary, fill, skips)
    if bool(normalize_kernel) is not skips:  # what is interpolated is normalised
        result *= total if skips else 1.0 / total
    if skips and not preserve_nan and np.isnan(result.sum()):
        warn_user("NaN is left where all samples under the kernel are missing. A larger kernel reaches further.")
    return _returned(result, data, holes if preserve_nan else None)


def _returned(result: NDArray[np.float64], data: AstropyData, holes: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return a result with the dtype and the unit of its array, and NaN in its holes."""
    if holes is not None:
        result[holes] = np.nan
    dtype = data.dtype if data.dtype.kind == "f" else result.dtype
    return with_unit(result.astype(dtype, copy=False), data.unit)  # type: ignore[no-any-return]


def _checked(array: Any, kernel: Any, boundary: str | None, mask: Any) -> tuple[AstropyData, NDArray[np.float64]]:
    """Return array and taps that fit together."""
    if is_kernel(array):
        raise NotServedError("astropy.convolution.convolve", "array: a kernel of astropy, which is a kernel again")
    data, taps = as_data("convolve", array, mask), as_taps_of("convolve", kernel)
    _check_shapes(data.values, taps, boundary)
    if not np.isfinite(taps).all():
        raise NotServedError("astropy.convolution.convolve", "kernel: a tap that is not finite")
    return data, taps


def _check_shapes(x: NDArray[Any], taps: NDArray[Any], boundary: str | None) -> None:
    if not all(size % 2 for size in taps.shape):
        refuse_size("an odd number of taps along each axis", f"shape {taps.shape}", "Use convolve_fft.")
    if x.ndim == 0 or not x.size:
        raise ArgumentError("array", "an array with samples and axes", f"shape {x.shape}")
    if x.ndim > 3:
        raise AstropyDimensionError("array", "at most three axes", f"{x.ndim}", "Use faltung.convolve.")
    if x.ndim != taps.ndim:
        raise ArgumentError("kernel", f"a kernel with {x.ndim} axes, as the array", f"{taps.ndim}")
    if boundary is None and any(length < size for length, size in zip(x.shape, taps.shape, strict=True)):
        remedy = "Use another boundary."
        refuse_size(f"a kernel that fits into shape {x.shape} for boundary=None", f"shape {taps.shape}", remedy)


def _check_sum(total: float, tolerance: float, skips: bool) -> None:
    if not (total < _LEAST_SUM or abs(total) <= tolerance):
        return
    if skips:
        remedy = 'Use nan_treatment="fill".'
        expected = "taps whose sum is not close to zero, to interpolate"
    else:
        remedy, expected = "Use normalize_kernel=False.", "taps that can be normalised"
    raise ArgumentError("kernel", expected, f"a sum of {total:.3g}", remedy)


def _sums(
    x: NDArray[np.float64], taps: NDArray[np.float64], boundary: str | None, fill: float, skips: bool
) -> NDArray[np.float64]:
    """Return the sums, or the means that leave out what is missing."""
    shape, cval = ("valid", 0.0) if boundary is None else ("same", fill if boundary == "fill" else 0.0)
    compute = interpolated if skips else plain_sums
    result = compute(x, taps, _MODES[boundary], cval, shape)
    if boundary is None:
        result = _embedded(result, x.shape)
    if skips and taps[tuple(size // 2 for size in taps.shape)] == 0.0:
        # As in astropy, a sample stays where nothing is under the other taps.
        np.copyto(result, x, where=np.isnan(result))
    return result


def _embedded(inner: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return outputs with zeros around them."""
    result = np.zeros(shape)
    starts = [(length - size) // 2 for length, size in zip(shape, inner.shape, strict=True)]
    result[tuple(slice(a, a + size) for a, size in zip(starts, inner.shape, strict=True))] = inner
    return result
