"""How is a filter read, written and sketched? Expressions, files of taps, and text for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.files.targets import check_new_file, new_file
from faltung.kernels import Kernel, parse

__all__ = ["check_filter_target", "read_filter", "sketch", "write_filter"]

_KNOWN = (".npy", ".txt")
_SHADES = " .:-=+*#%@"
#: Taps along an axis that are printed as numbers.
_FEW = 7


def read_filter(text: str) -> Kernel:
    """Return the filter that the option ``--kernel`` names: an expression, or a file of taps.

    A ``.npy`` file holds an array. A ``.txt`` file holds a row of taps in each line, with spaces between them, and a
    ``.csv`` file with commas; a single line is a filter with one axis. The origin is ``size // 2``.

    Raises
    ------
    ExpressionError
        The text is not a kernel.
    ArgumentError, ArgumentTypeError
        The file is missing, cannot be read, or does not hold finite taps.

    Examples
    --------
    >>> read_filter("2 * box(3)")
    2 * box(3)
    """
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix not in (*_KNOWN, ".csv"):
        if os.path.isfile(text):
            remedy = "Write its samples to a .npy file: numpy.save."
            raise ArgumentError(
                "--kernel", "an expression, or a .txt, .csv or .npy file of taps", f"'{path}'", remedy
            )
        return parse(text)
    if not path.is_file():
        raise ArgumentError("--kernel", "an expression, or a file that exists", f"'{path}'")
    try:
        if suffix == ".npy":
            taps = np.load(path, allow_pickle=False)
        else:
            taps = np.loadtxt(path, ndmin=2, delimiter="," if suffix == ".csv" else None)
            taps = taps[0] if len(taps) == 1 else taps
    except (ValueError, OSError, EOFError) as error:
        raise ArgumentError("--kernel", "a file of taps", f"'{path}' ({error})") from error
    return Kernel(taps)


def check_filter_target(target: Path, overwrite: bool, inputs: Iterable[Path]) -> None:
    """Refuse a file for taps before any work is done, if it cannot be written or would replace another one.

    Raises
    ------
    ArgumentError
        The suffix is not known, or as for `check_new_file`.
    """
    if target.suffix.lower() not in _KNOWN:
        raise ArgumentError("--output", "a file named .txt or .npy", f"'{target}'")
    check_new_file("--output", target, overwrite, inputs)


def write_filter(path: Path, taps: NDArray[np.float64]) -> None:
    """Write taps to a file, from which `read_filter` reads exactly the same numbers.

    Raises
    ------
    ArgumentError
        The taps have too many axes for text, or the file cannot be written.
    """
    if path.suffix.lower() == ".txt" and taps.ndim > 2:
        raise ArgumentError("--output", "a .npy file for taps of three axes", f"'{path}'")
    with new_file(path) as temporary, open(temporary, "wb") as file:
        if path.suffix.lower() == ".npy":
            np.save(file, taps, allow_pickle=False)
        else:
            np.savetxt(file, np.atleast_2d(taps), fmt="%.17g")


def sketch(taps: NDArray[np.float64]) -> str:
    """Return the taps as text: few as numbers, many as shades, each after its sign.

    Of taps with more than two axes, the middle plane is shown.

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
