"""What are the axes of an array? Samples come first; then channels and spatial axes of series, images or volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error
from faltung.datasets.scaling import SMALLEST, scaled

__all__ = ["sample_arrays"]

_SERIES = "series (samples, length) or (samples, channels, length)"
_IMAGES = "images (samples, height, width) or (samples, height, width, channels)"
_VOLUMES = "volumes (samples, depth, height, width) or (samples, channels, depth, height, width)"
_STEPS = 4  # between neighbouring numbers of float32, at least so many make a deviation

_KINDS = {1: _SERIES, 2: _IMAGES, 3: _VOLUMES}


def sample_arrays(
    arrays: Mapping[str, NDArray[Any]], ndim: int | None, size: int | None, *, differ: bool = False
) -> dict[str, NDArray[Any]]:
    """Return arrays in the layout (samples, channels, *spatial), all uint8 or all float32.

    Images and volumes of integers from 0 to 255 become uint8, all other samples float32.

    Parameters
    ----------
    arrays : mapping of str to array
        The arrays, by the names that are used in errors.
    ndim : int or None
        Number of spatial axes: 1 for series, 2 for images, 3 for volumes; None to infer it from shape and dtype.
    size : int or None
        Side of the square that images are scaled to; None to choose it by their size.
    differ : bool, optional
        Whether values of a channel that differ must differ in float32, too.

    Raises
    ------
    ArgumentError
        The axes of an array are ambiguous, or its samples cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> colours = np.zeros((5, 32, 32, 3), np.uint8)
    >>> sample_arrays({"x": colours}, None, None)["x"].shape
    (5, 3, 32, 32)
    """
    samples = {name: _channels_second(name, array, ndim) for name, array in arrays.items()}
    (first, example), *others = samples.items()
    for name, other in others:
        if other.shape[1:] != example.shape[1:]:
            received = f"{example.shape[1:]} in '{first}' and {other.shape[1:]} in '{name}'"
            raise data_error(
                "samples of one shape (channels, *spatial)", received, "Crop, pad or scale them to one shape."
            )
    if min(example.shape[2:]) < SMALLEST:
        what = "samples along each series" if example.ndim == 3 else "pixels a side"
        raise data_error(f"at least {SMALLEST} {what}", f"{example.shape[2:]} in '{first}'", "Pad or scale them.")
    if example.ndim > 3 and all(_are_intensities(values) for values in samples.values()):
        samples = {name: values.astype(np.uint8, copy=False) for name, values in samples.items()}
    else:
        given, samples = samples, {name: _finite(name, values) for name, values in samples.items()}
        if differ:
            _check_digits(given)
    if example.ndim == 4:
        samples = {name: scaled(images, size) for name, images in samples.items()}
    return samples


def _channels_second(name: str, array: NDArray[Any], ndim: int | None) -> NDArray[Any]:
    if array.dtype.kind not in "iuf":
        remedy = "Convert them to uint8 or float32."
        raise data_error("samples that are real numbers", f"dtype {array.dtype} in '{name}'", remedy)
    if not array.size:
        raise data_error("at least one sample", f"shape {array.shape} in '{name}'", "Leave empty arrays out.")
    spatial = ndim or _spatial_axes(name, array)
    if array.ndim == spatial + 1:
        return array[:, None]
    if array.ndim != spatial + 2:
        raise data_error(_KINDS[spatial], f"shape {array.shape} in '{name}'", "Correct ndim, or reshape the array.")
    return array if spatial == 1 or array.shape[1] < array.shape[-1] else np.moveaxis(array, -1, 1)


def _spatial_axes(name: str, array: NDArray[Any]) -> int:
    """Return the number of spatial axes of an array; raise an error if it is ambiguous."""
    if array.ndim == 2:
        return 1
    if array.ndim == 3 and array.dtype == np.uint8:
        return 2
    if array.ndim == 3 and array.shape[1] < array.shape[2]:
        return 1
    # Images have at least eight pixels a side, so a shorter axis is that of channels.
    if array.ndim == 4 and min(array.shape[1], array.shape[3]) < SMALLEST:
        return 2
    if array.ndim == 5:
        return 3
    received = f"shape {array.shape}, dtype {array.dtype} in '{name}'"
    if array.ndim == 3:
        remedy = "Pass ndim=2 for images, or ndim=1 for series, whose channels come before the length."
        raise data_error(f"{_SERIES} with fewer channels than samples along each", received, remedy)
    if array.ndim == 4:
        remedy = "Pass ndim=2 for images, or ndim=3 for volumes."
        raise data_error(f"{_IMAGES} with fewer than {SMALLEST} channels", received, remedy)
    raise data_error(f"{_SERIES}, {_IMAGES}, or {_VOLUMES}", received, "Reshape the array.")


def _are_intensities(samples: NDArray[Any]) -> bool:
    if samples.dtype.kind == "f":
        return False
    return samples.dtype == np.uint8 or (samples.min() >= 0 and samples.max() <= 255)


def _check_digits(samples: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a channel whose values differ, but not in the digits that float32 keeps."""
    for name, values in samples.items():
        if values.dtype.itemsize > 4 or values.dtype.kind in "iu":
            for channel in range(values.shape[1]):
                those = values[:, channel]
                deviation, mean = those.std(dtype=np.float64), those.mean(dtype=np.float64)
                if 0 < deviation < _STEPS * np.spacing(np.float32(abs(mean))) and those.min() < those.max():
                    received = f"a mean of {mean:g} and a deviation of {deviation:g} in channel {channel} of '{name}'"
                    raise data_error("samples that differ in float32", received, "Subtract the mean first.")


def _finite(name: str, samples: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        values = samples.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    if not finite.all():
        sample, channel, *position = np.argwhere(~finite)[0].tolist()
        count = np.count_nonzero(~finite.reshape(len(finite), -1).all(axis=1))
        received = f"{samples[sample, channel, *position]} in sample {sample} of '{name}', channel {channel}, "
        received += f"position {', '.join(map(str, position))}; {count} of {len(samples)} samples have such values"
        remedy = "Replace these values, or leave these samples out."
        raise data_error("samples that are finite in float32", received, remedy)
    return values
