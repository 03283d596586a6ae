"""Which depths may a result of OpenCV have? The table, and the numbers of borders and depths."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [  # noqa: RUF022 - numbers in names are sorted as text
    "ALGO_HINT_ACCURATE",
    "ALGO_HINT_APPROX",
    "ALGO_HINT_DEFAULT",
    "BORDER_CONSTANT",
    "BORDER_DEFAULT",
    "BORDER_ISOLATED",
    "BORDER_REFLECT",
    "BORDER_REFLECT101",
    "BORDER_REFLECT_101",
    "BORDER_REPLICATE",
    "BORDER_TRANSPARENT",
    "BORDER_WRAP",
    "BOXES",
    "CV_16S",
    "CV_16U",
    "CV_32F",
    "CV_32S",
    "CV_64F",
    "CV_8S",
    "CV_8U",
    "DENSE",
    "DEPTHS",
    "FILTER_SCHARR",
    "MODES_OF_BORDERS",
    "SEPARABLE",
    "SMOOTHED",
    "SUMMED",
    "WIDE",
]

BORDER_CONSTANT = 0
BORDER_REPLICATE = 1
BORDER_REFLECT = 2
BORDER_WRAP = 3
BORDER_REFLECT_101 = BORDER_REFLECT101 = BORDER_DEFAULT = 4
BORDER_TRANSPARENT = 5
BORDER_ISOLATED = 16

CV_8U, CV_8S, CV_16U, CV_16S, CV_32S, CV_32F, CV_64F = range(7)
FILTER_SCHARR = -1
ALGO_HINT_DEFAULT, ALGO_HINT_ACCURATE, ALGO_HINT_APPROX = range(3)

#: The mode of each border. A sub-array of NumPy has no parent for OpenCV, so `BORDER_ISOLATED` changes nothing.
MODES_OF_BORDERS = {
    BORDER_CONSTANT: "constant",
    BORDER_REPLICATE: "nearest",
    BORDER_REFLECT: "reflect",
    BORDER_WRAP: "wrap",
    BORDER_REFLECT_101: "mirror",
}

#: The dtype of each depth, in the order of their numbers.
DEPTHS: tuple[np.dtype[Any], ...] = tuple(map(np.dtype, ("u1", "i1", "u2", "i2", "i4", "f4", "f8")))

Depths = dict[str, tuple[str, ...]]

_EVERY = tuple(dtype.str[1:] for dtype in DEPTHS)
_FROM_FLOATS = ("u1", "u2", "i2", "f4", "f8")

#: Depths of a result by that of the image: of `filter2D`, small kernels.
DENSE: Depths = {
    "u1": _FROM_FLOATS,
    "u2": ("u2", "f4", "f8"),
    "i2": ("i2", "f4", "f8"),
    "f4": ("f4",),
    "f8": ("f8",),
}
#: Of `filter2D`, kernels that OpenCV would transform.
WIDE: Depths = dict.fromkeys(_EVERY, _EVERY)
#: Of `sepFilter2D`, `Sobel` and `Scharr`.
SEPARABLE: Depths = {**dict.fromkeys(("u1", "u2", "i2", "f4"), _FROM_FLOATS), "f8": ("u1", "u2", "i2", "f8")}
#: Of `Laplacian` with five or more taps along an axis, which is a sum of two filters.
SUMMED: Depths = dict.fromkeys(_FROM_FLOATS, _EVERY)
#: Of `boxFilter`.
BOXES: Depths = {
    **dict.fromkeys(("u1", "u2", "i2", "i4"), ("u1", "u2", "i2", "i4", "f4", "f8")),
    **dict.fromkeys(("f4", "f8"), _FROM_FLOATS),
}
#: Of `GaussianBlur`, whose results have the depth of the image.
SMOOTHED: Depths = {name: (name,) for name in _FROM_FLOATS}
