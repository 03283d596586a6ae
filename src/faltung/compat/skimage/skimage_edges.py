"""Edges of scikit-image: `sobel`, `scharr`, `prewitt`, along one axis or as a magnitude, and `laplace`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.skimage.skimage_call import SkimageBorder, SkimageFilter, filtered_image
from faltung.compat.skimage.skimage_images import SkimageAxisError, as_image_array, check_axes, under_mask
from faltung.errors import ArgumentTypeError
from faltung.ground.checks import integer, is_integer, is_sequence
from faltung.kernels import Kernel, Outer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "laplace",
    "prewitt",
    "prewitt_h",
    "prewitt_v",
    "scharr",
    "scharr_h",
    "scharr_v",
    "sobel",
    "sobel_h",
    "sobel_v",
]

#: The difference along an axis, and what each function smooths the other axes with.
_DIFFERENCE = (1.0, 0.0, -1.0)
_SMOOTHING = {"sobel": (0.25, 0.5, 0.25), "scharr": (0.1875, 0.625, 0.1875), "prewitt": (1 / 3, 1 / 3, 1 / 3)}


def sobel(
    image: NDArray[Any],
    mask: NDArray[Any] | None = None,
    *,
    axis: int | Sequence[int] | None = None,
    mode: str | Sequence[str] = "reflect",
    cval: float = 0.0,
) -> NDArray[Any]:
    """Return the magnitude of the gradient, with Sobel's taps: `skimage.filters.sobel`.

    Parameters
    ----------
    image : ndarray
        The image, with any number of axes; integers are scaled to at most 1.
    mask : ndarray, optional
        Outputs are zero where a sample of their neighbourhood is outside the mask.
    axis : int or sequence of int, optional
        The derivative along this axis, in place of the magnitude; or the axes of the magnitude.
    mode : str or sequence of str, optional
        How the image continues beyond its border, with the names of SciPy.
    cval : float, optional
        The value beyond the border, for the mode ``constant``.

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
    >>> filters.sobel(np.array([[0.0, 0.0, 1.0, 1.0]]), axis=1)
    array([[0., 1., 1., 0.]])
    """
    return _edges("sobel", image, mask, axis, SkimageBorder(mode, cval))


def scharr(
    image: NDArray[Any],
    mask: NDArray[Any] | None = None,
    *,
    axis: int | Sequence[int] | None = None,
    mode: str | Sequence[str] = "reflect",
    cval: float = 0.0,
) -> NDArray[Any]:
    """Return the magnitude of the gradient, with Scharr's taps: `skimage.filters.scharr`.

    Parameters
    ----------
    image, mask, axis, mode, cval
        As for `sobel`.

    Returns
    -------
    ndarray
        As for `sobel`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, NotServedError
        As for `sobel`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.scharr(np.array([[0.0, 0.0, 1.0, 1.0]]), axis=1)
    array([[0., 1., 1., 0.]])
    """
    return _edges("scharr", image, mask, axis, SkimageBorder(mode, cval))


def prewitt(
    image: NDArray[Any],
    mask: NDArray[Any] | None = None,
    *,
    axis: int | Sequence[int] | None = None,
    mode: str | Sequence[str] = "reflect",
    cval: float = 0.0,
) -> NDArray[Any]:
    """Return the magnitude of the gradient, with Prewitt's taps: `skimage.filters.prewitt`.

    Parameters
    ----------
    image, mask, axis, mode, cval
        As for `sobel`.

    Returns
    -------
    ndarray
        As for `sobel`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, NotServedError
        As for `sobel`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.prewitt(np.array([[0.0, 0.0, 1.0, 1.0]]), axis=1).round(12)
    array([[0., 1., 1., 0.]])
    """
    return _edges("prewitt", image, mask, axis, SkimageBorder(mode, cval))


def sobel_h(image: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the derivative along axis 0, which finds horizontal edges: `skimage.filters.sobel_h`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.sobel_h(np.array([[0.0], [1.0]])).T
    array([[1., 1.]])
    """
    return _plane_edges("sobel", image, mask, 0)


def sobel_v(image: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the derivative along axis 1, which finds vertical edges: `skimage.filters.sobel_v`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.sobel_v(np.array([[0.0, 1.0]]))
    array([[1., 1.]])
    """
    return _plane_edges("sobel", image, mask, 1)


def scharr_h(image: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the derivative along axis 0, with Scharr's taps: `skimage.filters.scharr_h`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.scharr_h(np.array([[0.0], [1.0]])).T
    array([[1., 1.]])
    """
    return _plane_edges("scharr", image, mask, 0)


def scharr_v(image: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the derivative along axis 1, with Scharr's taps: `skimage.filters.scharr_v`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.scharr_v(np.array([[0.0, 1.0]]))
    array([[1., 1.]])
    """
    return _plane_edges("scharr", image, mask, 1)


def prewitt_h(image: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the derivative along axis 0, with Prewitt's taps: `skimage.filters.prewitt_h`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.prewitt_h(np.array([[0.0], [1.0]])).T.round(12)
    array([[1., 1.]])
    """
    return _plane_edges("prewitt", image, mask, 0)


def prewitt_v(image: NDArray[Any], mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the derivative along axis 1, with Prewitt's taps: `skimage.filters.prewitt_v`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.prewitt_v(np.array([[0.0, 1.0]])).round(12)
    array([[1., 1.]])
    """
    return _plane_edges("prewitt", image, mask, 1)


def laplace(image: NDArray[Any], ksize: int = 3, mask: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return minus the sum of the second derivatives along all axes: `skimage.filters.laplace`.

    Parameters
    ----------
    image, mask
        As for `sobel`.
    ksize : int, optional
        At least 3. As in scikit-image, the kernel has three taps along each axis whatever its size is said to be.

    Returns
    -------
    ndarray
        As for `sobel`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, NotServedError
        As for `sobel`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat.skimage import filters
    >>> filters.laplace(np.array([0.0, 1.0, 0.0, 0.0]))
    array([-1.,  2., -1.,  0.])
    """
    image = as_image_array("laplace", image)
    integer("ksize", ksize, 3)
    result = filtered_image("laplace", image, (), SkimageBorder(), lambda: _laplacian(image.ndim))
    return under_mask(result, mask)


def _laplacian(ndim: int) -> SkimageFilter:
    taps = np.zeros((3,) * ndim)
    taps[(1,) * ndim] = 2.0 * ndim
    for axis in range(ndim):
        line = [1] * ndim
        for line[axis] in (0, 2):
            taps[tuple(line)] = -1.0
    return SkimageFilter(Kernel(taps), tuple(range(ndim)))


def _plane_edges(name: str, image: Any, mask: Any, axis: int) -> NDArray[Any]:
    image = as_image_array(name, image)
    check_axes(image, 2)
    return _edges(name, image, mask, axis, SkimageBorder())


def _edges(name: str, image: Any, mask: Any, axis: Any, border: SkimageBorder) -> NDArray[Any]:
    """Return the derivative along an axis, or the root of the mean square of those along several."""
    image = as_image_array(name, image)
    axes = _axes(axis, image.ndim)
    smoothing = _SMOOTHING[name]
    results = (
        filtered_image(name, image, (at,), border, lambda at=at: _derivative(image.ndim, at, smoothing))  # type: ignore[misc]
        for at in axes
    )
    if len(axes) == 1:
        return under_mask(next(results), mask)
    total = next(results)
    np.multiply(total, total, out=total)
    for result in results:
        np.multiply(result, result, out=result)
        np.add(total, result, out=total)
    np.sqrt(total, out=total)
    total /= total.dtype.type(math.sqrt(image.ndim))
    return under_mask(total, mask)


def _axes(axis: Any, ndim: int) -> list[int]:
    if axis is None:
        return list(range(ndim))
    axes = list(axis) if is_sequence(axis) else [axis]
    if not all(map(is_integer, axes)):
        raise ArgumentTypeError("axis", "an integer, or several", repr(axis))
    if not axes or not all(-ndim <= at < ndim for at in axes):
        raise SkimageAxisError("axis", f"one or more axes from {-ndim} to {ndim - 1}", repr(axis))
    return [int(at) for at in axes]


def _derivative(ndim: int, at: int, smoothing: tuple[float, ...]) -> SkimageFilter:
    """Return the filter of one axis. As in scikit-image, a negative axis is smoothed, too."""
    lines = [np.array(smoothing)] * ndim
    lines[at] = np.array(_DIFFERENCE) * (smoothing if at < 0 else 1.0)
    kernel = Kernel(lines[0]) if ndim == 1 else Outer(map(Kernel, lines))
    return SkimageFilter(kernel, tuple(range(ndim)))
