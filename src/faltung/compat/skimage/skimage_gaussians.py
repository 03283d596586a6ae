"""Gaussians of scikit-image: `gaussian`, `difference_of_gaussians` and `unsharp_mask`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.skimage.skimage_call import SkimageBorder, SkimageFilter, filtered_image
from faltung.compat.skimage.skimage_images import SkimageRuntimeError, as_image_array
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, real
from faltung.kernels import Kernel, Outer
from faltung.kernels.smoothing import gaussian_taps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["difference_of_gaussians", "gaussian", "unsharp_mask"]


def gaussian(
    image: NDArray[Any],
    sigma: float | ArrayLike = 1.0,
    *,
    mode: str = "nearest",
    cval: float = 0,
    preserve_range: bool = False,
    truncate: float = 4.0,
    channel_axis: int | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Smooth an image with a Gaussian: `skimage.filters.gaussian`.

    Parameters
    ----------
    image : ndarray
        The image, with any number of axes.
    sigma : float or sequence of float, optional
        Standard deviation in samples, for all axes or for each of them; axes with 0 are not smoothed.
    mode : str or sequence of str, optional
        How the image continues beyond its border, with the names of SciPy.
    cval : float, optional
        The value beyond the border, for the mode ``constant``.
    preserve_range : bool, optional
        Whether integers keep their values; or else they are scaled to at most 1.
    truncate : float, optional
        Half of the width of the kernel, in standard deviations.
    channel_axis : int, optional
        The axis of the channels, which is not smoothed.
    out : ndarray of floats, optional
        The array for the result.

    Returns
    -------
    ndarray
        float32 for images of float32 and float16, and float64 for all others.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        scikit-image refuses the arguments, too.
    NotServedError
        scikit-image can do this, and this package cannot.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.gaussian(np.array([[0, 255, 0]], np.uint8), (0, 0.5)).round(3)
    array([[0.106, 0.787, 0.106]])
    """
    image = as_image_array("gaussian", image)
    sigmas = _sigmas("sigma", sigma, image.ndim, channel_axis)
    if out is not None and (not isinstance(out, np.ndarray) or out.dtype.kind != "f"):
        received = f"dtype {out.dtype}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
        raise ArgumentError("out", "an array of floats", received)
    border = SkimageBorder(mode, cval)
    reach = _truncate(truncate)
    preserve = bool(preserve_range)
    return filtered_image(
        "gaussian",
        image,
        (sigmas, reach),
        border,
        lambda: _combined([(1.0, sigmas)], reach),
        preserve_range=preserve,
        out=out,
    )


def difference_of_gaussians(
    image: NDArray[Any],
    low_sigma: float | ArrayLike,
    high_sigma: float | ArrayLike | None = None,
    *,
    mode: str = "nearest",
    cval: float = 0,
    channel_axis: int | None = None,
    truncate: float = 4.0,
) -> NDArray[Any]:
    """Subtract a wider Gaussian of an image from a narrower one: `skimage.filters.difference_of_gaussians`.

    Parameters
    ----------
    image, mode, cval, channel_axis, truncate
        As for `gaussian`.
    low_sigma, high_sigma : float or sequence of float
        Standard deviations of the two; by default, that of the wider one is 1.6 times that of the narrower one.

    Returns
    -------
    ndarray
        The difference, by one filter.

    Raises
    ------
    ArgumentError, ArgumentTypeError, NotServedError
        As for `gaussian`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.difference_of_gaussians(np.array([0.0, 1.0, 0.0]), 0.5).round(3)
    array([-0.122,  0.288, -0.122])
    """
    image = as_image_array("difference_of_gaussians", image)
    spatial = image.ndim - (channel_axis is not None)
    low = _spread("low_sigma", low_sigma, spatial)
    high = [1.6 * value for value in low] if high_sigma is None else _spread("high_sigma", high_sigma, spatial)
    if any(b < a for a, b in zip(low, high, strict=True)):
        raise ArgumentError("high_sigma", f"at least low_sigma, {low}, for each axis", f"{high}")
    narrow = _sigmas("low_sigma", low, image.ndim, channel_axis)
    wide = _sigmas("high_sigma", high, image.ndim, channel_axis)
    reach = _truncate(truncate)
    return filtered_image(
        "difference_of_gaussians",
        image,
        (narrow, wide, reach),
        SkimageBorder(mode, cval),
        lambda: _combined([(1.0, narrow), (-1.0, wide)], reach),
    )


def unsharp_mask(
    image: NDArray[Any],
    radius: float | ArrayLike = 1.0,
    amount: float = 1.0,
    preserve_range: bool = False,
    *,
    channel_axis: int | None = None,
) -> NDArray[Any]:
    """Sharpen an image by what a Gaussian takes away from it: `skimage.filters.unsharp_mask`.

    Parameters
    ----------
    image, channel_axis
        As for `gaussian`.
    radius : float or sequence of float, optional
        Standard deviation of the Gaussian.
    amount : float, optional
        The factor of the difference between image and Gaussian, which is added to the image.
    preserve_range : bool, optional
        Whether values are kept; or else integers are scaled, and the result is limited to 0 and 1, or to -1 and 1 if
        a sample is negative.

    Returns
    -------
    ndarray
        The sharpened image, by one filter.

    Raises
    ------
    ArgumentError, ArgumentTypeError, NotServedError
        As for `gaussian`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.unsharp_mask(np.array([0.0, 0.5, 0.0]), 0.5).round(3)
    array([0.   , 0.607, 0.   ])
    """
    image = as_image_array("unsharp_mask", image)
    if image.dtype.kind == "c":
        raise ArgumentError("image", "an image of real numbers", f"dtype {image.dtype}")
    spatial = image.ndim - (channel_axis is not None)
    given = np.atleast_1d(np.asarray(radius, float))
    if np.ndim(radius) and given.size != spatial:
        raise SkimageRuntimeError("radius", f"a number, or {spatial}, one for each axis", repr(radius))
    sigmas = _sigmas("radius", radius, image.ndim, channel_axis)
    factor = real("amount", amount)
    preserve = bool(preserve_range)
    result = filtered_image(
        "unsharp_mask",
        image,
        (sigmas, factor),
        SkimageBorder(),
        lambda: _combined([(1.0 + factor, [0.0] * image.ndim), (-factor, sigmas)], 4.0),
        preserve_range=preserve,
    )
    if preserve:
        return result
    low = -1.0 if image.dtype.kind in "fi" and bool((image < 0).any()) else 0.0
    return np.clip(result, low, 1.0, out=result)


def _sigmas(argument: str, sigma: Any, ndim: int, channel_axis: Any) -> list[float]:
    """Return the standard deviation along each axis; it is zero along the axis of the channels."""
    try:
        given = np.asarray(sigma, float)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(argument, "a number, or one for each axis", repr(sigma)) from error
    if sigma is None:
        raise ArgumentTypeError(argument, "a number, or one for each axis", "None")
    if not np.isfinite(given).all():
        raise NotServedError("skimage.filters.gaussian", f"{argument}: {sigma!r}")
    if (given < 0).any():
        raise ArgumentError(argument, "standard deviations that are not negative", repr(sigma))
    if channel_axis is None:
        values = given.tolist() if given.ndim else [float(given)] * ndim
    else:
        at = integer("channel_axis", channel_axis, -ndim, ndim - 1) % ndim
        values = given.tolist() if given.ndim else [float(given)] * (ndim - 1)
        if len(values) == ndim - 1:
            values.insert(at, 0.0)
    if given.ndim > 1 or len(values) != ndim:
        raise SkimageRuntimeError(argument, f"a number, or {ndim}, one for each axis", repr(sigma))
    return values


def _spread(argument: str, sigma: Any, count: int) -> list[float]:
    """Return a standard deviation for each of so many axes."""
    given = np.array(sigma, float, ndmin=1)
    if given.ndim > 1 or given.size not in (1, count):
        raise ArgumentError(argument, f"a number, or {count}, one for each spatial axis", repr(sigma))
    return list((given * np.ones(count)).tolist())


def _truncate(truncate: Any) -> float:
    try:
        return real("truncate", truncate, 0.0)
    except ArgumentError as error:
        raise NotServedError("skimage.filters.gaussian", f"truncate: {truncate!r}") from error


def _combined(terms: list[tuple[float, list[float]]], truncate: float) -> SkimageFilter:
    """Return the sum of multiples of Gaussians, over the axes that one of them smooths."""
    lines = [[gaussian_taps(sigma, truncate) for sigma in sigmas] for _, sigmas in terms]
    ndim = len(terms[0][1])
    axes = [axis for axis in range(ndim) if any(line[axis].size > 1 for line in lines)] or [0]
    kernels = [factor * _outer([line[axis] for axis in axes]) for (factor, _), line in zip(terms, lines, strict=True)]
    return SkimageFilter(sum(kernels[1:], kernels[0]), tuple(axes))


def _outer(lines: list[NDArray[np.float64]]) -> Kernel:
    return Kernel(lines[0]) if len(lines) == 1 else Outer(map(Kernel, lines))
