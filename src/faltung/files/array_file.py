"""How is an array read and written? As a ``.npy`` file, mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.files.picture_value import Metadata, Picture
from faltung.files.refusal import RefusedError
from faltung.ground.given_arrays import read_npy

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["picture_of_array", "read_array", "write_array"]


def read_array(path: Path) -> list[Picture]:
    """Return the array of a file as one picture."""
    samples = read_npy(path, mapped=True)
    if samples.ndim == 0:
        raise RefusedError("an array with at least one axis", ", a single number")
    return [picture_of_array(samples)]


def picture_of_array(samples: NDArray[Any]) -> Picture:
    """Return an array as a picture: its last axes are rows and columns.

    Examples
    --------
    >>> picture_of_array(np.zeros((9, 480, 640))).axes
    'QYX'
    """
    axes = ("Q" * samples.ndim + "YX")[-samples.ndim :] if samples.ndim > 1 else "X"
    return Picture(samples, axes, metadata=Metadata("NPY"))


def write_array(path: Path, picture: Picture) -> None:
    """Write the samples of a picture."""
    with open(path, "wb") as file:
        np.save(file, picture.samples, allow_pickle=False)
