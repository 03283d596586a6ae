"""What does an array hold? Series, images or volumes, with the samples first and the channels somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.refusal import refusal
from faltung.datasets.scaling import SMALLEST, scaled

__all__ = ["arranged"]

_SERIES = "series (samples, length) or (samples, channels, length)"
_IMAGES = "images (samples, height, width) or (samples, height, width, channels)"
_VOLUMES = "volumes (samples, depth, height, width) or (samples, channels, depth, height, width)"
_KINDS = {1: _SERIES, 2: _IMAGES, 3: _VOLUMES}


def arranged(arrays: Mapping[str, NDArray[Any]], ndim: int | None, size: int | None) -> dict[str, NDArray[Any]]:
    """Return arrays as samples (samples, channels, *spatial), all uint8 or all float32.

    Images and volumes of whole numbers from 0 to 255 become uint8, everything else float32.

    Parameters
    ----------
    arrays : mapping of str to array
        By the names that errors call them.
    ndim : int or None
        How many of the axes are spatial, where shape and dtype leave it open: 1 for series, 2 images, 3 volumes.
    size : int or None
        Side of the square that images are scaled to.

    Raises
    ------
    ArgumentError
        If it is not clear what an array holds, or it cannot be learned from.

    Examples
    --------
    >>> import numpy as np
    >>> colours = np.zeros((5, 32, 32, 3), np.uint8)
    >>> arranged({"x": colours}, None, None)["x"].shape
    (5, 3, 32, 32)
    """
    samples = {name: _channels_second(name, array, ndim) for name, array in arrays.items()}
    (first, example), *others = samples.items()
    for name, own in others:
        if own.shape[1:] != example.shape[1:]:
            received = f"{example.shape[1:]} in '{first}' and {own.shape[1:]} in '{name}'"
            raise refusal("samples of one shape (channels, *spatial)", received, "Cut, pad or scale them to one.")
    if min(example.shape[2:]) < SMALLEST:
        what = "samples along each series" if example.ndim == 3 else "pixels a side"
        raise refusal(f"at least {SMALLEST} {what}", f"{example.shape[2:]} in '{first}'")
    if example.ndim > 3 and all(_are_intensities(own) for own in samples.values()):
        samples = {name: own.astype(np.uint8, copy=False) for name, own in samples.items()}
    else:
        samples = {name: _finite(name, own) for name, own in samples.items()}
    if example.ndim == 4:
        samples = {name: scaled(own, size) for name, own in samples.items()}
    return samples


def _channels_second(name: str, array: NDArray[Any], ndim: int | None) -> NDArray[Any]:
    if array.dtype.kind not in "iuf":
        remedy = "Convert them to uint8 or float32."
        raise refusal("samples that are real numbers", f"dtype {array.dtype} in '{name}'", remedy)
    if not array.size:
        raise refusal("at least one sample", f"shape {array.shape} in '{name}'")
    spatial = ndim or _spatial_axes(name, array)
    if array.ndim == spatial + 1:
        return array[:, None]
    if array.ndim != spatial + 2:
        raise refusal(f"{_KINDS[spatial]}", f"shape {array.shape} in '{name}'", "Correct ndim, or reshape the array.")
    return array if spatial == 1 or array.shape[1] < array.shape[-1] else np.moveaxis(array, -1, 1)


def _spatial_axes(name: str, array: NDArray[Any]) -> int:
    """Say what an array must be, or refuse where it could well be something else."""
    if array.ndim == 2:
        return 1
    if array.ndim == 3 and array.dtype == np.uint8:
        return 2
    if array.ndim == 3 and array.shape[1] < array.shape[2]:
        return 1
    # Images have at least eight pixels a side, so a shorter axis can only be that of channels.
    if array.ndim == 4 and min(array.shape[1], array.shape[3]) < SMALLEST:
        return 2
    if array.ndim == 5:
        return 3
    received = f"shape {array.shape}, dtype {array.dtype} in '{name}'"
    if array.ndim == 3:
        remedy = "Say ndim=2 if these are images, ndim=1 if they are series; their channels go before the length."
        raise refusal(f"{_SERIES} with fewer channels than samples along each", received, remedy)
    if array.ndim == 4:
        remedy = "Say ndim=2 if these are images, ndim=3 if they are volumes."
        raise refusal(f"{_IMAGES} with fewer than {SMALLEST} channels", received, remedy)
    raise refusal(f"{_SERIES}, {_IMAGES}, or {_VOLUMES}", received, "Reshape the array.")


def _are_intensities(samples: NDArray[Any]) -> bool:
    if samples.dtype.kind == "f":
        return False
    return samples.dtype == np.uint8 or (samples.min() >= 0 and samples.max() <= 255)


def _finite(name: str, samples: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        values = samples.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    if not finite.all():
        sample, channel, *place = np.argwhere(~finite)[0].tolist()
        spoiled = np.count_nonzero(~finite.reshape(len(finite), -1).all(axis=1))
        where = f"{samples[sample, channel, *place]} in sample {sample} of '{name}', channel {channel}, "
        where += f"position {', '.join(map(str, place))}; {spoiled} of {len(samples)} samples are such"
        raise refusal("samples that are finite in float32", where, "Fill the gaps, or leave these samples out.")
    return values
