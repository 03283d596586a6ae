"""How does the input continue beyond its border? Each mode is one index map.

Only this file knows the modes. An index map gives, for each position of an extended axis, the index of the sample
that has its value there, or `OUTSIDE` where the value is the constant ``cval``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["MODES", "OUTSIDE", "check_mode", "index_map"]

OUTSIDE = -1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]


def _constant(position: Positions, length: int) -> Positions:
    return np.where((position >= 0) & (position < length), position, OUTSIDE)


def _nearest(position: Positions, length: int) -> Positions:
    return position.clip(0, length - 1)


def _wrap(position: Positions, length: int) -> Positions:
    return position % length


def _reflect(position: Positions, length: int) -> Positions:
    # One period is the array and its mirror image, so that each sample at the border occurs twice in a row.
    position = position % (2 * length)
    return np.minimum(position, 2 * length - 1 - position)


def _mirror(position: Positions, length: int) -> Positions:
    # One period is the array and its mirror image without the samples at the border.
    if length == 1:
        return np.zeros_like(position)
    position = position % (2 * length - 2)
    return np.minimum(position, 2 * length - 2 - position)


MODES: dict[str, Callable[[Positions, int], Positions]] = {
    "reflect": _reflect,
    "constant": _constant,
    "nearest": _nearest,
    "mirror": _mirror,
    "wrap": _wrap,
}

# Names of the same modes in other libraries: SciPy's signal and grid names, NumPy's pad, torch, OpenCV.
_OTHER_NAMES = {
    "symmetric": "reflect",
    "symm": "reflect",
    "grid-mirror": "reflect",
    "border_reflect": "reflect",
    "half": "reflect",
    "reflect_101": "mirror",
    "reflect101": "mirror",
    "border_reflect_101": "mirror",
    "border_reflect101": "mirror",
    "border_default": "mirror",
    "edge": "nearest",
    "replicate": "nearest",
    "border_replicate": "nearest",
    "clamp": "nearest",
    "zeros": "constant",
    "zero": "constant",
    "fill": "constant",
    "pad": "constant",
    "grid-constant": "constant",
    "border_constant": "constant",
    "circular": "wrap",
    "periodic": "wrap",
    "grid-wrap": "wrap",
    "border_wrap": "wrap",
}


def check_mode(mode: Any) -> str:
    """Return `mode` if it is one of `MODES`; for a name of another library the error says which mode to use.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        `mode` is not a string, or not a mode.
    """
    expected = "one of " + ", ".join(repr(name) for name in MODES)
    if not isinstance(mode, str):
        remedy = ""
        if isinstance(mode, (list, tuple)):
            remedy = "One mode serves all axes; filter axis by axis with axes= to use several."
        raise ArgumentTypeError("mode", expected, repr(mode), remedy)
    if mode in MODES:
        return mode
    same = _OTHER_NAMES.get(mode.lower().removeprefix("cv2."))
    if same is None:
        close = difflib.get_close_matches(mode.lower(), MODES, n=1)
        same = close[0] if close else None
    raise ArgumentError("mode", expected, repr(mode), f"Use mode={same!r}." if same else "")


def index_map(mode: str, length: int, start: int, stop: int) -> Positions:
    """Return the index of the sample at each position of an extended axis.

    Parameters
    ----------
    mode : str
        One of `MODES`.
    length : int
        Samples of the axis, at least 1.
    start, stop : int
        Range of positions; the axis itself has the positions from 0 up to `length`.

    Returns
    -------
    ndarray of int64, shape (stop - start,)
        Indices of samples, or `OUTSIDE`.

    Examples
    --------
    >>> index_map("reflect", 4, -2, 6).tolist()
    [1, 0, 0, 1, 2, 3, 3, 2]
    >>> index_map("mirror", 4, -2, 6).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    >>> index_map("constant", 4, -2, 6).tolist()
    [-1, -1, 0, 1, 2, 3, -1, -1]
    """
    return MODES[mode](np.arange(start, stop, dtype=np.int64), length)
