"""The other libraries, each in its best configuration: a file for each library, with all functions that can filter.

Arrays, taps and results are converted and allocated beforehand where the library allows it. The mode is ``reflect``
where the library has it, and otherwise the fastest of the library. A library that is not installed is left out.
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
    "vips": "pyvips",
    "halide": "halide",
    "ducc": "ducc0",
    "itk": "itk",
    "pillow": "PIL",
}
"""The files of this folder, with the package that each needs."""


def contenders(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    """Return all calls of other libraries that filter the image; each name begins with that of the library."""
    runs: dict[str, Run] = {}
    for library, package in LIBRARIES.items():
        if find_spec(package):
            runs |= importlib.import_module(f"peers.{library}").runs(cell, image)
    return runs
