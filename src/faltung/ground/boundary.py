"""What lies outside the array? Each mode is one index map.

Only this file knows a boundary mode. An index map says for every position of an extended axis which sample of the
array stands there; `OUTSIDE` marks a position where the constant ``cval`` stands.
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
    # One period is the array followed by its mirror image, the edge sample standing twice.
    position = position % (2 * length)
    return np.minimum(position, 2 * length - 1 - position)


def _mirror(position: Positions, length: int) -> Positions:
    # One period is the array followed by its mirror image without the two edge samples.
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

# What other libraries call the same thing: SciPy's signal and grid names, NumPy's pad, torch, OpenCV.
_ELSEWHERE = {
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
    """Return `mode` if it is one of the five; answer another library's name with the one to use here.

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
    known = _ELSEWHERE.get(mode.lower().removeprefix("cv2."))
    if known is None:
        close = difflib.get_close_matches(mode.lower(), MODES, n=1)
        known = close[0] if close else None
    raise ArgumentError("mode", expected, repr(mode), f"Use mode={known!r}." if known else "")


def index_map(mode: str, length: int, start: int, stop: int) -> Positions:
    """Which sample stands at each position of an extended axis.

    Parameters
    ----------
    mode : str
        One of `MODES`.
    length : int
        Samples of the axis, at least 1.
    start, stop : int
        Range of positions; 0 to `length` is the axis itself.

    Returns
    -------
    ndarray of int64, shape (stop - start,)
        Index of a sample, or `OUTSIDE`.

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
