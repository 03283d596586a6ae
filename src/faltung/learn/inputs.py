"""How do files become the input of a trained network? In the same way as its training samples, to its shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.layout import sample_arrays
from faltung.datasets.pixels import EIGHT_BITS, PixelFormat, decoding, pixel_format, read_pixels, results_or_reasons
from faltung.datasets.searching import IMAGE_SUFFIXES, search
from faltung.ground.given_arrays import open_archive, read_npy
from faltung.networks.stored import Trained

__all__ = ["as_samples", "find_files", "image_format", "read_files"]

_ARRAYS = (".npy", ".npz")


def find_files(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Return the files among the paths and below folders, and why other files below folders are skipped.

    A folder without any image or array is among the files, so that it can be reported as unusable.
    """
    files: list[Path] = []
    skipped: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            found, others = search(path, {*IMAGE_SUFFIXES, *_ARRAYS})
            files += found or [path]
            skipped |= others
        else:
            files.append(path)
    return files, skipped


def read_files(files: Sequence[Path], trained: Trained) -> list[NDArray[Any] | str]:
    """Read files on all threads: for each its samples (samples, channels, *spatial), or why it cannot be read."""
    with decoding():
        results = results_or_reasons(lambda file: _read(file, trained), files)
    return [result.removeprefix("DATA: ") if isinstance(result, str) else result for result in results]


def as_samples(name: str, array: NDArray[Any], trained: Trained) -> NDArray[Any]:
    """Return an array of one or many samples as the input of a network: (samples, channels, *spatial).

    Axes are recognised as in training data; images are scaled and cropped to the network's size.

    Parameters
    ----------
    name : str
        Name of the array in errors.
    array : array of real numbers
        Many samples, or one.
    trained : Trained
        The network.

    Raises
    ------
    ArgumentError
        If they do not fit the network.

    Examples
    --------
    >>> from torch import nn
    >>> trained = Trained(nn.Flatten(), ("calm", "storm"), "float32", (1, 50))
    >>> as_samples("x", np.zeros(50), trained).shape, as_samples("x", np.zeros((7, 50)), trained).shape
    ((1, 1, 50), (7, 1, 50))
    """
    channels, *spatial = trained.sample_shape
    if array.ndim == len(spatial) or array.shape in (trained.sample_shape, (*spatial, channels)):
        array = array[None]
    side = spatial[0] if len({*spatial}) == 1 else None
    samples = sample_arrays({name: array}, len(spatial), side)[name]
    if samples.shape[1:] != trained.sample_shape:
        expected = f"samples of shape {trained.sample_shape}, (channels, *spatial), as in training"
        raise data_error(expected, f"{samples.shape[1:]} in '{name}'")
    if trained.dtype == "uint8" and samples.dtype != np.uint8:
        expected = "whole numbers from 0 to 255, as in training"
        raise data_error(expected, f"{array.dtype} from {array.min():g} to {array.max():g} in '{name}'")
    return samples.astype(trained.dtype, copy=False)


def _read(file: Path, trained: Trained) -> NDArray[Any]:
    if file.is_dir():
        raise data_error("a folder with images, .npy or .npz files", "none")
    if file.suffix.lower() in _ARRAYS:
        return as_samples(file.name, _array(file), trained)
    return _image(file, trained)


def _image(file: Path, trained: Trained) -> NDArray[Any]:
    target = image_format(trained)
    if target is None:
        expected = f"{trained.dtype} samples of shape {trained.sample_shape} in an .npy or .npz file"
        raise data_error(expected, "an image file")
    pixel_format(file)
    return read_pixels(file, target)[None]


def image_format(trained: Trained) -> PixelFormat | None:
    """Return the format in which a network takes image files; None if it learned from other samples.

    Examples
    --------
    >>> from torch import nn
    >>> image_format(Trained(nn.Flatten(), ("bag", "coat"), "uint8", (3, 28, 28)))
    PixelFormat(height=28, width=28, colour=True, pixels='8 bits', animated=False, cut=False)
    """
    if len(trained.sample_shape) != 3 or trained.sample_shape[0] not in (1, 3):
        return None
    channels, height, width = trained.sample_shape
    # Arrays of intensities from 0 to 255 are images of 8 bits, too.
    pixels = trained.pixels or (EIGHT_BITS if trained.dtype == "uint8" else None)
    return None if pixels is None else PixelFormat(height, width, channels == 3, pixels)


def _array(file: Path) -> NDArray[Any]:
    arrays = _arrays(file)
    # Labels and class names, which may be in the same file, have one axis.
    likely = {name: array for name, array in arrays.items() if array.ndim > 1} or arrays
    if len(likely) != 1:
        received = shortened([repr(name) for name in likely]) or "none"
        raise data_error("one array of samples in the file", received, "Save the samples in a file of their own.")
    return next(iter(likely.values()))


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        if file.suffix.lower() == ".npy":
            return {"": read_npy(file)}
        with open_archive(file) as archive:
            return {name: archive[name] for name in archive.names}
    except ValueError as error:
        raise data_error(f"{file.suffix} with plain numbers", f"something else ({error})") from error
