"""The Gabor filter of scikit-image: `gabor`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.compat.skimage.skimage_call import SkimageBorder, SkimageFilter, filtered_image
from faltung.compat.skimage.skimage_images import as_image_array, check_axes
from faltung.errors import ArgumentError
from faltung.ground.checks import real
from faltung.kernels import Bank, Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gabor"]


def gabor(
    image: NDArray[Any],
    frequency: float,
    theta: float = 0,
    bandwidth: float = 1,
    sigma_x: float | None = None,
    sigma_y: float | None = None,
    n_stds: float = 3,
    offset: float = 0,
    mode: str = "reflect",
    cval: float = 0,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the real and the imaginary response to a wave in a Gaussian window: `skimage.filters.gabor`.

    Parameters
    ----------
    image : ndarray with two axes
        The image. Integers are not scaled, and the responses have their dtype, cut off towards zero, as in
        scikit-image.
    frequency : float
        Frequency of the wave, in cycles per sample.
    theta : float, optional
        Direction of the wave, in radians.
    bandwidth : float, optional
        Bandwidth of the filter in octaves, which gives the window if its width is not given.
    sigma_x, sigma_y : float, optional
        Standard deviations of the window along the wave and across, in samples.
    n_stds : float, optional
        Reach of the kernel, in standard deviations.
    offset : float, optional
        Phase of the wave, in radians.
    mode : str, optional
        How the image continues beyond its border, with the names of SciPy.
    cval : float, optional
        The value beyond the border, for the mode ``constant``.

    Returns
    -------
    real, imag : ndarray
        The two responses, from one bank of two kernels.

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
    >>> cosine, sine = filters.gabor(np.ones((9, 9)), frequency=0.25)
    >>> print(f"{cosine[4, 4]:.4f} {sine[4, 4]:.4f}")
    0.0013 0.0000
    """
    image = as_image_array("gabor", image)
    check_axes(image, 2)
    if image.dtype.kind not in "fiu":
        raise NotServedError("skimage.filters.gabor", f"image: samples of dtype {image.dtype}")
    numbers = {"frequency": frequency, "theta": theta, "bandwidth": bandwidth, "n_stds": n_stds, "offset": offset}
    wave = tuple(real(name, value) for name, value in numbers.items())
    window = tuple(
        None if sigma is None else real(name, sigma) for name, sigma in (("sigma_x", sigma_x), ("sigma_y", sigma_y))
    )
    responses = filtered_image(
        "gabor", image, (wave, window), SkimageBorder(mode, cval), lambda: _bank(wave, window), preserve_range=True
    )
    if image.dtype.kind in "iu":
        responses = _cut(responses, image.dtype)
    return responses[0], responses[1]


def _bank(wave: tuple[float, ...], window: tuple[float | None, ...]) -> SkimageFilter:
    """Return the real and the imaginary part of the kernel."""
    frequency, theta, bandwidth, reach, offset = wave
    if frequency == 0 and None in window:
        raise ArgumentError("frequency", "a number other than zero where a sigma is not given", "0")
    # The half-response bandwidth of b octaves belongs to this product of sigma and frequency.
    octaves = (
        math.sqrt(math.log(2) / 2) / math.pi * (2**bandwidth + 1) / (2**bandwidth - 1) if None in window else 0.0
    )
    along, across = (octaves / frequency if sigma is None else sigma for sigma in window)
    cosine, sine = math.cos(theta), math.sin(theta)
    height, width = (
        math.ceil(max(1, *(abs(reach * part) for part in parts)))
        for parts in ((across * cosine, along * sine), (along * cosine, across * sine))
    )
    row, column = np.ogrid[-height : height + 1, -width : width + 1]
    u, v = column * cosine + row * sine, row * cosine - column * sine
    envelope = np.exp(-((u / along) ** 2 + (v / across) ** 2) / 2) / (2 * math.pi * along * across)
    phase = 2 * math.pi * frequency * u + offset
    bank = Bank.stack([Kernel(envelope * np.cos(phase)), Kernel(envelope * np.sin(phase))])
    return SkimageFilter(bank, (0, 1))


def _cut(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return integers as a cast of C makes them: cut off towards zero, and a negative number wraps."""
    if dtype.itemsize == 8 and dtype.kind == "u":
        return np.where(values < 0, -((-values).astype(dtype)), values.astype(dtype))
    return values.astype(np.int64).astype(dtype)
