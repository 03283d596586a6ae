"""Filters in files and on the screen: taps as numbers, and a sketch of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.cli.images import new_file
from faltung.errors import ArgumentError
from faltung.kernels import Kernel, parse

__all__ = ["check_filter_target", "read_filter", "sketch", "write_filter"]

_KNOWN = (".npy", ".txt")
_SHADES = " .:-=+*#%@"
#: Taps along an axis that are printed as numbers.
_FEW = 7


def read_filter(text: str) -> Kernel:
    """Return the filter that a command line names: by an expression, or by a file of its taps.

    A ``.npy`` file holds an array. A ``.txt`` file holds a row of taps in each line; a single line is a filter of one
    axis. The tap at lag zero is that at ``size // 2``.

    Raises
    ------
    ExpressionError
        The text is no kernel.
    ArgumentError, ArgumentTypeError
        The file is missing, cannot be read, or does not hold finite taps.

    Examples
    --------
    >>> read_filter("2 * box(3)")
    2 * box(3)
    """
    path = Path(text)
    if path.suffix.lower() not in _KNOWN:
        return parse(text)
    if not path.is_file():
        raise ArgumentError("--kernel", "an expression, or a file that exists", f"'{path}'")
    try:
        if path.suffix.lower() == ".npy":
            taps = np.load(path, allow_pickle=False)
        else:
            taps = np.loadtxt(path, ndmin=2)
            taps = taps[0] if len(taps) == 1 else taps
    except (ValueError, OSError, EOFError) as error:
        raise ArgumentError("--kernel", "a file of taps", f"'{path}' ({error})") from error
    return Kernel(taps)


def check_filter_target(target: Path, overwrite: bool) -> None:
    """Refuse a target that would cost the user something, before any work is done.

    Raises
    ------
    ArgumentError
        It exists already, has no folder, or no known kind.
    """
    if target.suffix.lower() not in _KNOWN:
        raise ArgumentError("--output", "a file named .txt or .npy", f"'{target}'")
    if not target.absolute().parent.is_dir():
        raise ArgumentError("--output", "a name in a folder that exists", f"'{target}'", "Make the folder first.")
    if os.path.lexists(target) and (target.is_dir() or not overwrite):
        remedy = "" if target.is_dir() else "Add --overwrite to replace it."
        raise ArgumentError("--output", "a file that does not exist yet", f"'{target}'", remedy)


def write_filter(path: Path, taps: NDArray[np.float64]) -> None:
    """Write taps so that `read_filter` reads the same numbers.

    Raises
    ------
    ArgumentError
        There are too many axes for text, or the file cannot be written.
    """
    if path.suffix.lower() == ".txt" and taps.ndim > 2:
        raise ArgumentError("--output", "a .npy file for taps of three axes", f"'{path}'")
    with new_file(path) as temporary, open(temporary, "wb") as file:
        if path.suffix.lower() == ".npy":
            np.save(file, taps, allow_pickle=False)
        else:
            np.savetxt(file, np.atleast_2d(taps), fmt="%.17g")


def sketch(taps: NDArray[np.float64]) -> str:
    """Draw the taps of one or two axes with letters: numbers if they are few, else shades, after their sign.

    Of more axes, the middle of the first ones is drawn.

    Examples
    --------
    >>> print(sketch(np.array([[0.0, -1.0], [0.25, 0.0]])))
        0    -1
     0.25     0
    >>> print(sketch(np.linspace(-1, 1, 9)))
    -@-#-=-:   : = # @
    """
    while taps.ndim > 2:
        taps = taps[len(taps) // 2]
    rows = np.atleast_2d(taps)
    if max(rows.shape) <= _FEW:
        cells = [[f"{tap:.4g}" for tap in row] for row in (rows + 0.0).tolist()]
        width = max(len(cell) for row in cells for cell in row) + 1
        return "\n".join("".join(cell.rjust(width) for cell in row) for row in cells)
    levels = np.rint(np.abs(rows) / (np.abs(rows).max() or 1.0) * (len(_SHADES) - 1)).astype(int)
    lines = (
        "".join(("-" if tap < 0 and level else " ") + _SHADES[level] for tap, level in zip(*row, strict=True))
        for row in zip(rows.tolist(), levels.tolist(), strict=True)
    )
    return "\n".join(line.rstrip() for line in lines)
