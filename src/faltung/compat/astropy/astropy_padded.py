"""The convolution that astropy computes by Fourier transforms, and this package by any method: `convolve_fft`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.astropy.astropy_arguments import (
    AstropyData,
    as_data,
    as_taps_of,
    check_choice,
    is_kernel,
    with_unit,
)
from faltung.compat.astropy.astropy_errors import AstropyDimensionError, warn_user
from faltung.compat.astropy.astropy_sums import interpolated, plain_sums
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["convolve_fft"]

_NAME = "astropy.convolution.convolve_fft"
_LEAST_SUM = 0.01
#: Bytes of an array that need `allow_huge`.
_HUGE = 10**9
#: Weights below this are rounding errors of a transform.
_NO_WEIGHT = 10 * float(np.finfo(np.float64).eps)


class _AstropyTaps(NamedTuple):
    """Taps, the sum that they are divided by, and a factor of the result."""

    taps: NDArray[np.float64]
    divisor: float
    factor: float


class _AstropyPadding(NamedTuple):
    """The shape of the array with what is around it, and whether it is periodic within what is computed."""

    shape: tuple[int, ...]
    periodic: bool
    fill: float


def convolve_fft(
    array: ArrayLike,
    kernel: ArrayLike,
    boundary: str | None = "fill",
    fill_value: float = 0.0,
    nan_treatment: str = "interpolate",
    normalize_kernel: bool | Callable[[Any], Any] = True,
    normalization_zero_tol: float = 1e-8,
    preserve_nan: bool = False,
    mask: NDArray[Any] | None = None,
    crop: bool = True,
    return_fft: bool = False,
    fft_pad: bool | None = None,
    psf_pad: bool | None = None,
    min_wt: float = 0.0,
    allow_huge: bool = False,
    fftn: Callable[..., Any] = np.fft.fftn,
    ifftn: Callable[..., Any] = np.fft.ifftn,
    complex_dtype: DTypeLike = complex,
    dealias: bool = False,
) -> NDArray[Any]:
    """Convolve an array with a kernel, and interpolate missing samples: `astropy.convolution.convolve_fft`.

    The planner chooses the method, which need not be a Fourier transform.

    Parameters
    ----------
    array : array_like
        An array with any number of axes. Samples that are not finite are missing, and so are masked ones.
    kernel : array_like or Kernel of astropy
        The taps; the one at ``size // 2`` is at lag zero.
    boundary : {'fill', 'wrap', None}, optional
        How the array continues: with `fill_value`, or periodically; None is 'fill', with a warning.
    fill_value : float, optional
        As for `convolve`.
    nan_treatment, mask, normalization_zero_tol
        As for `convolve`.
    normalize_kernel : bool or callable, optional
        Whether the taps are divided by their sum, or by what the function returns for them; the result is multiplied
        by that number again.
    preserve_nan : bool, optional
        Whether outputs at the positions of missing samples are NaN.
    crop : bool, optional
        Whether the result has the shape of the array; or else that of the padded array.
    fft_pad, psf_pad, dealias : bool, optional
        How much the array is padded: to a length that is fast to transform, by the kernel, and by half. This shows in
        the result with ``crop=False`` or ``psf_pad=False``, where the padded array is periodic.
    min_wt : float, optional
        Outputs are NaN where the sum of the taps on samples that are present is less; if it is 0, outputs are 0
        where nothing is present.
    allow_huge : bool, optional
        Whether a padded array of complex numbers may have more than a gigabyte. No such array is made here.
    fftn, ifftn : callable, optional
        Transforms of NumPy or SciPy, which are not called. Other ones are not served, nor are `return_fft` and a
        `complex_dtype` other than complex128.

    Returns
    -------
    ndarray of float64
        The result.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        astropy refuses the arguments, too.
    NotServedError
        astropy can do this, and this package cannot.

    Warns
    -----
    AstropyUserWarning
        The boundary is None, or `psf_pad` is False; a `UserWarning` if astropy is not loaded.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.astropy import convolve_fft
    >>> convolve_fft([1.0, np.nan, 3.0], [1, 1, 1])
    array([0.5, 2. , 1.5])
    """
    _check_transforms(return_fft, fftn, ifftn, complex_dtype)
    check_choice("nan_treatment", nan_treatment, ("interpolate", "fill"))
    data, taps = _checked(array, kernel, mask)
    shape, fill = data.values.shape, float(fill_value)
    padding = _padding(shape, taps.shape, boundary, fill, (psf_pad, fft_pad, dealias))
    if not allow_huge and max(math.prod(padding.shape), data.values.size) * 16 > _HUGE:
        raise ArgumentError("allow_huge", "True for more than a gigabyte of complex numbers", repr(allow_huge))
    interpolates = nan_treatment == "interpolate"
    scaled = _scaled(taps, normalize_kernel, normalization_zero_tol, interpolates)
    missing = _missing(data.values)
    skips = interpolates and (missing is not None or not math.isfinite(padding.fill))
    if not crop and (skips or (interpolates and callable(normalize_kernel))):
        raise NotServedError(_NAME, "crop: a result that is not cropped, where samples are missing")
    x = _present(data.values.real, missing, fill, skips)
    result = _filtered(x, scaled, padding, skips, float(min_wt), bool(crop))
    if interpolates and crop and not skips:
        result = _weighed(result, scaled, float(min_wt))
    if preserve_nan and missing is not None:
        result[_place(result.shape, shape)][missing] = np.nan
    return with_unit(result, data.unit)  # type: ignore[no-any-return]


def _present(
    x: NDArray[np.float64], missing: NDArray[np.bool_] | None, fill: float, skips: bool
) -> NDArray[np.float64]:
    """Return an array in which missing samples are NaN, or are filled."""
    if missing is None:
        return x
    if not skips and not math.isfinite(fill):
        raise ArgumentError("fill_value", "a finite number in place of NaN", repr(fill))
    return np.where(missing, np.nan if skips else fill, x)


def _checked(array: Any, kernel: Any, mask: Any) -> tuple[AstropyData, NDArray[np.float64]]:
    """Return array and taps that fit together; taps that are not finite are zero."""
    if is_kernel(array):
        if is_kernel(kernel):
            raise ArgumentTypeError("array", "an array for a kernel of astropy", "a kernel", "Use convolve.")
        array = array.array
    taps, data = as_taps_of("convolve_fft", kernel), as_data("convolve_fft", array, mask, True)
    x = data.values
    if x.ndim != taps.ndim or not x.ndim:
        raise ArgumentError("kernel", f"as many axes as the array, and at least one: {x.ndim}", f"{taps.ndim}")
    if not x.size or not taps.size:
        raise ArgumentError("array", "samples and taps", f"shapes {x.shape} and {taps.shape}")
    return data, np.where(np.isfinite(taps), taps, 0.0)


def _check_transforms(return_fft: Any, fftn: Any, ifftn: Any, complex_dtype: Any) -> None:
    if return_fft:
        raise NotServedError(_NAME, "return_fft: the product of the transforms")
    for name, function in (("fftn", fftn), ("ifftn", ifftn)):
        library = (getattr(function, "__module__", None) or "").partition(".")[0]
        if library not in ("numpy", "scipy") or getattr(function, "__name__", "") != name:
            raise NotServedError(_NAME, f"{name}: a transform that is not of NumPy or SciPy")
    if np.dtype(complex_dtype) != np.complex128:
        raise NotServedError(_NAME, f"complex_dtype: {np.dtype(complex_dtype)}")


def _padding(
    shape: tuple[int, ...],
    sizes: tuple[int, ...],
    boundary: Any,
    fill: float,
    pads: tuple[bool | None, bool | None, bool],
) -> _AstropyPadding:
    """Return how the array is padded, with the rules of astropy."""
    if isinstance(boundary, str) and boundary == "extend":
        raise AstropyDimensionError("boundary", "'fill', 'wrap' or None", repr(boundary), "Use convolve.")
    check_choice("boundary", boundary, ("fill", "wrap", None))
    if boundary == "wrap":
        for name, value in zip(("psf_pad", "fft_pad", "dealias"), pads, strict=True):
            if value:
                raise ArgumentError(name, "False for boundary='wrap'", repr(value))
        return _AstropyPadding(tuple(map(max, shape, sizes)), True, 0.0)
    apart = _pads_by_kernel(boundary, pads[0])
    lengths = [a + b if apart else max(a, b) for a, b in zip(shape, sizes, strict=True)]
    if pads[2]:
        lengths = [n + -(-n // 2) for n in lengths]
    if pads[1] is None or pads[1]:
        lengths = [_fast(n) for n in lengths]
    return _AstropyPadding(tuple(lengths), not apart, fill)


def _pads_by_kernel(boundary: str | None, psf_pad: bool | None) -> bool:
    """Return whether the array is padded by the kernel, so that its ends do not meet."""
    if boundary is None:
        warn_user("boundary=None means boundary='fill' for convolve_fft.", 3)
        return psf_pad is None or bool(psf_pad)
    if psf_pad is False:
        warn_user("psf_pad=False makes the array periodic, in place of boundary='fill'.", 3)
    return psf_pad is not False


@lru_cache(256)
def _fast(length: int) -> int:
    """Return the next length whose factors are at most 11."""
    while True:
        rest = length
        for factor in (2, 3, 5, 7, 11):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def _scaled(taps: NDArray[np.float64], normalize: Any, tolerance: float, interpolates: bool) -> _AstropyTaps:
    """Return the taps as astropy normalises them."""
    total = float(taps.sum())
    if normalize is True:
        if total < _LEAST_SUM:
            remedy = "Use normalize_kernel=False."
            raise ArgumentError("kernel", "taps that can be normalised", f"a sum of {total:.3g}", remedy)
        return _AstropyTaps(taps, total, 1.0)
    if normalize:
        divisor = normalize(taps)
        if np.ndim(divisor) or np.iscomplexobj(divisor):
            raise NotServedError(_NAME, "normalize_kernel: a function that does not return a real number")
        return _AstropyTaps(taps, float(divisor), float(divisor))
    if abs(total) >= tolerance:
        return _AstropyTaps(taps, total, total)
    if interpolates:
        raise ArgumentError("kernel", "taps whose sum is not zero, to interpolate", f"a sum of {total:.3g}")
    return _AstropyTaps(taps, 1.0, 1.0)


def _missing(x: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return which samples are not finite, or None if all are."""
    if np.isfinite(x.sum()):
        return None
    missing = ~np.isfinite(x)
    return missing if missing.any() else None


def _weighed(result: NDArray[np.float64], scaled: _AstropyTaps, least: float) -> NDArray[np.float64]:
    """Return a result in which nothing is missing, over the sum of the taps, which is the same everywhere."""
    weight = float(scaled.taps.sum()) / scaled.divisor
    if weight < (least * (1 - 1e-12) if least > 0 else _NO_WEIGHT):
        return np.full(result.shape, np.nan if least > 0 else 0.0)
    return _times(result, 1.0 / weight) if abs(weight - 1) > 1e-14 else result


def _filtered(
    x: NDArray[np.float64], scaled: _AstropyTaps, padding: _AstropyPadding, skips: bool, least: float, crop: bool
) -> NDArray[np.float64]:
    """Return the result for an array in which missing samples are NaN, if there are any."""
    inside: Any = ...
    outside = padding.fill if math.isfinite(padding.fill) else np.nan if skips else 0.0
    mode = "wrap" if padding.periodic or not crop else "constant"
    if mode == "wrap" and padding.shape != x.shape:
        padded = np.full(padding.shape, outside)
        place = _place(padding.shape, x.shape)
        padded[place] = x
        x, inside = padded, place if crop else ...
    taps = scaled.taps / scaled.divisor
    if not skips:
        return _times(plain_sums(x, taps, mode, outside)[inside], scaled.factor)
    result = interpolated(x, taps, mode, outside, least=least if least > 0 else _NO_WEIGHT)[inside]
    if not least > 0:
        result[np.isnan(result)] = 0.0
    return _times(result, scaled.factor)


def _times(result: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    if factor != 1.0:
        result *= factor
    return result


def _place(shape: tuple[int, ...], lengths: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the place of the array in the padded one."""
    starts = [size // 2 - length // 2 for size, length in zip(shape, lengths, strict=True)]
    return tuple(slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
