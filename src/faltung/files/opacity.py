"""How is a picture with opacity filtered? Its colours are multiplied by opacity, so that hidden ones stay hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.files.picture_value import Picture

__all__ = ["colour_samples", "filtered_with_opacity", "opaque_value", "stored"]


def opaque_value(dtype: np.dtype[Any]) -> float:
    """Return the opacity of an opaque pixel: the largest integer of a dtype, or 1 for floats.

    Examples
    --------
    >>> opaque_value(np.dtype("uint16")), opaque_value(np.dtype("float32"))
    (65535.0, 1.0)
    """
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def colour_samples(picture: Picture) -> NDArray[Any]:
    """Return the samples without opacity and extra bands, with the same axes."""
    return _part(picture, slice(0, picture.colour_count)) if picture.extra else picture.samples


def stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values in a dtype: integers are rounded half to even and saturate, NaN becomes 0.

    Examples
    --------
    >>> stored(np.array([-3, 2.5, 300]), np.dtype("uint8"))
    array([  0,   2, 255], dtype=uint8)
    """
    from faltung.front import convolve
    from faltung.kernels import delta

    # The operator itself stores them, so all results follow one rule.
    return np.asarray(convolve(values, delta(ndim=1), axes=-1, dtype=dtype))


def filtered_with_opacity(
    picture: Picture,
    dtype: np.dtype[Any],
    colours: Callable[[NDArray[Any], np.dtype[Any]], NDArray[Any]],
    opacity: Callable[[NDArray[Any], np.dtype[Any]], NDArray[Any]] | None,
) -> Picture:
    """Return a filtered picture, whether it has opacity or not.

    Colours are multiplied by their opacity, filtered, and divided by the filtered opacity. So the colours of
    transparent pixels do not reach others. Pixels whose opacity is 0 in the result keep their colours. If all pixels
    are opaque, the result is exactly that of each colour filtered by itself.

    Parameters
    ----------
    picture : Picture
        The picture.
    dtype : dtype
        Dtype of the result. Opacity is scaled between the opaque values of the two dtypes.
    colours : callable
        Filters colours and extra bands: it gets samples with the axes of the picture and a dtype, and returns results
        of that dtype.
    opacity : callable or None
        Filters opacity in the same way, given from 0 to 1; what lies beyond the border should be 1 in mode constant,
        and the taps should sum to one. None for a filter whose taps sum to zero: opacity is copied.
    """
    if picture.opacity is None:
        return replace(picture, samples=colours(picture.samples, dtype))
    index = picture.opacity_index
    assert index is not None
    given = _part(picture, slice(index, index + 1))
    full = opaque_value(given.dtype)
    computed = np.result_type(given.dtype, np.float32)
    plain = colour_samples(picture)
    if (given == full).all():
        result, kept = colours(plain, dtype), np.full(given.shape, opaque_value(dtype), dtype)
    else:
        fraction = given.astype(computed) / computed.type(full)
        kept_fraction = fraction if opacity is None else np.clip(opacity(fraction, computed), 0, 1)
        kept = stored(kept_fraction * opaque_value(dtype), dtype)
        straight = picture.opacity == "straight"
        sums = colours(plain * fraction if straight else plain, computed)
        visible = kept > 0
        if straight:
            np.divide(sums, kept_fraction, out=sums, where=visible)
        result = stored(np.where(visible, sums, plain), dtype)
    bands = [
        kept if place == index else colours(_part(picture, slice(place, place + 1)), dtype)
        for place in range(picture.colour_count, picture.colour_count + len(picture.extra))
    ]
    return replace(picture, samples=np.concatenate([result, *bands], axis=picture.colour_axis))


def _part(picture: Picture, wanted: slice) -> NDArray[Any]:
    axis = picture.colour_axis
    assert axis is not None
    part: NDArray[Any] = picture.samples[(slice(None),) * axis + (wanted,)]
    return part
