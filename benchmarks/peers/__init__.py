"""Every other library, each in its best configuration: one file a library, one entry for each of its ways.

Arrays, taps and results are converted and allocated beforehand wherever the library lets one. The border is extended
as ``reflect`` does where that is offered, and else as is cheapest for the library. A library that is not installed is
absent.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from cells import Cell, Run

LIBRARIES = {
    "opencv": "cv2",
    "ndimage": "scipy",
    "signal": "scipy",
    "pytorch": "torch",
    "diplib": "diplib",
    "jax": "jax",
}
"""The files of this folder, and what has to be installed for each."""


def contenders(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    """Return every way in which another library can filter the image; a name begins with that of the library."""
    found: dict[str, Run] = {}
    for library, package in LIBRARIES.items():
        if find_spec(package):
            found |= importlib.import_module(f"peers.{library}").runs(cell, image)
    return found
