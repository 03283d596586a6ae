"""How does the input continue beyond its border? Each mode is one index map.

Only this file knows the modes. An index map gives, for each position of an extended axis, the index of the sample
that has its value there, or `OUTSIDE` where the value is the constant ``cval``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_sequence

__all__ = ["MODES", "OUTSIDE", "by_axis", "check_mode", "check_modes", "index_map", "spelled"]

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

# Names of the same modes elsewhere: SciPy's signal and grid names, NumPy's pad, torch, OpenCV, astropy, DIPlib.
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
    "extend": "nearest",
    "zero order": "nearest",
    "add zeros": "constant",
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
# Odd borders continue with another sign than that of the samples, which no index map has: how numpy.pad calls them.
_ODD = {"odd": "reflect", "antireflect": "reflect", "antisymmetric": "symmetric", "asym": "symmetric"}
# What is no mode, and may come as the third argument all the same.
_SHAPES = ("same", "valid", "full")


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
        if isinstance(mode, Mapping):
            remedy = "Axes of this array have no names: pass a sequence with a mode for each axis of the kernel."
        raise ArgumentTypeError("mode", expected, repr(mode), remedy)
    if mode in MODES:
        return str(mode)
    raise ArgumentError("mode", expected, repr(mode), _remedy(mode.lower().removeprefix("cv2.")))


def _remedy(mode: str) -> str:
    """Return what to use instead of something else that might be meant as a mode."""
    if mode in _SHAPES:
        return f"Use shape={mode!r}, which says which outputs are computed; mode= is the border."
    if mode in _ODD:
        extended = f'numpy.pad(x, width, "{_ODD[mode]}", reflect_type="odd")'
        return f'Extend the array first, {extended}, and filter with shape="valid".'
    if "," in mode and {*(names := mode.split(","))} <= {*MODES}:
        return f"Use mode={tuple(names)}."
    close = difflib.get_close_matches(mode, MODES, n=1)
    same = _OTHER_NAMES.get(mode) or (close[0] if close else None)
    return f"Use mode={same!r}." if same else ""


def check_modes(mode: Any, count: int) -> tuple[str, ...]:
    """Return a mode for each of `count` axes: the same for all, or the one that is given for each.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        There are fewer or more modes than axes, or one is not a mode; see `check_mode`.

    Examples
    --------
    >>> check_modes("wrap", 2), check_modes(["wrap", "nearest"], 2)
    (('wrap', 'wrap'), ('wrap', 'nearest'))
    """
    if not is_sequence(mode):
        return (check_mode(mode),) * count
    if len(mode) != count:
        expected = f"one name, or {count}, one for each axis of the kernel"
        raise ArgumentError("mode", expected, repr(mode))
    return tuple(map(check_mode, mode))


def spelled(modes: Sequence[str]) -> str:
    """Return the modes of axes as one text, which plans print and which the operators of torch are called with.

    Examples
    --------
    >>> spelled(("wrap", "wrap")), spelled(("wrap", "nearest"))
    ('wrap', 'wrap,nearest')
    """
    return modes[0] if len({*modes}) == 1 else ",".join(modes)


def by_axis(text: str, count: int) -> tuple[str, ...]:
    """Return the modes of `count` axes from the text that `spelled` makes.

    Examples
    --------
    >>> by_axis("wrap", 2), by_axis("wrap,nearest", 2)
    (('wrap', 'wrap'), ('wrap', 'nearest'))
    """
    return tuple(text.split(",")) if "," in text else (text,) * count


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
