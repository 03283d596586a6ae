"""How is a filter read, written and sketched? Expressions, files of taps, and text for the terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung import files
from faltung.cli.console import print_note
from faltung.cli.tap_table import read_table
from faltung.errors import ArgumentError, ExpressionError, FaltungError
from faltung.files.formats import SUFFIXES, format_of_contents
from faltung.files.opacity import colour_samples
from faltung.ground.given_arrays import read_npy
from faltung.ground.new_files import new_file
from faltung.ground.targets import check_new_file
from faltung.kernels import Kernel, parse

__all__ = ["KERNEL_HELP", "check_filter_target", "filter_file", "read_filter", "sketch", "write_filter"]

#: Suffixes of files that taps are written to.
_KNOWN = (".npy", ".txt", ".csv")
#: Suffixes that no expression has.
_SUFFIXES = (*_KNOWN, ".tsv", *SUFFIXES)
#: Help of the option that names the filter.
KERNEL_HELP = "An expression, or a file of taps: CSV, TXT, NPY, TIFF or PNG. `faltung kernels` lists the names."
#: What a path has between names: in an expression, neither follows a letter nor begins the text.
_SEPARATORS = re.compile(r"^[./~]|[A-Za-z_.]/")
_SHADES = " .:-=+*#%@"
#: Taps along an axis that are printed as numbers.
_FEW = 7


def read_filter(text: str) -> Kernel:
    """Return the filter that the option ``--kernel`` names: an expression, or a file of taps.

    A file is an array (``.npy``), a table of numbers (``.csv``, ``.txt``) with a row of taps in each line, or a
    picture (``.tif``, ``.png``, ...); its suffix may be in upper case, or missing. A table with a single line is a
    filter with one axis. The origin is ``size // 2``. The integers of a picture are divided by their sum.

    Raises
    ------
    ExpressionError
        The text is not a kernel, and no file has this name.
    ArgumentError, ArgumentTypeError
        The file is missing, cannot be read, or does not hold finite taps.

    Examples
    --------
    >>> read_filter("2 * box(3)")
    2 * box(3)
    """
    path = filter_file(text)
    if path is None:
        try:
            return parse(text)
        except ExpressionError as error:
            error.args = (f"--kernel: {error}",)
            raise
    if not _is_file(path):
        received = f"'{path}', a folder" if path.is_dir() else f"'{path}'"
        raise ArgumentError("--kernel", "an expression, or a file that exists", received)
    try:
        return Kernel(_taps(path))
    except FaltungError as error:
        own = isinstance(error, ArgumentError) and error.argument == "--kernel"
        raise error if own else ArgumentError("--kernel", "a file of taps", f"'{path}'", str(error)) from error
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ArgumentError("--kernel", "a file of taps", f"'{path}' ({error})") from error


def filter_file(text: str) -> Path | None:
    """Return the file that the option ``--kernel`` names, or None if it is an expression.

    Examples
    --------
    >>> filter_file("2 * box(3)"), filter_file("psf.TIF").name, filter_file("filters/psf").name
    (None, 'psf.TIF', 'psf')
    """
    path = Path(text)
    if path.suffix.lower() in _SUFFIXES:
        return path
    try:
        parse(text)
    except ExpressionError:
        return path if _is_file(path) or _SEPARATORS.search(text) else None
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # an expression that is no name of a file: too long, for example
        return False


def _taps(path: Path) -> NDArray[Any]:
    """Return the taps in a file, by what is in it."""
    try:
        name = format_of_contents(path, "--kernel")
    except ArgumentError:  # a table of numbers, or a picture that is none
        name = SUFFIXES.get(path.suffix.lower(), "")
    if name == "NPY":
        return read_npy(path)
    if name:
        return _taps_of_picture(path)
    taps = read_table(path)
    return taps[0] if len(taps) == 1 else taps


def _taps_of_picture(path: Path) -> NDArray[Any]:
    pictures = files.read(path, "--kernel")
    picture = pictures[0]
    samples = colour_samples(picture)
    if picture.colour_axis is not None:
        grey = np.take(samples, [0], axis=picture.colour_axis)
        if not (samples == grey).all():
            raise ArgumentError(
                "--kernel", "a grey picture of a filter", f"'{path}' with colours", "Save it as grey."
            )
        samples = grey.squeeze(picture.colour_axis)
    if len(pictures) > 1:
        raise ArgumentError("--kernel", "one picture of a filter", f"{len(pictures)} in '{path}'", "Save it alone.")
    if samples.dtype.kind != "u":
        return samples
    total = int(samples.sum(dtype=np.uint64))
    if not total:
        raise ArgumentError("--kernel", "a picture of a filter", f"'{path}', which is black")
    print_note(f"the taps in {path} were divided by their sum, {total:,}, so that they add up to 1")
    return samples / total


def check_filter_target(target: Path, overwrite: bool) -> None:
    """Refuse a file for taps before any work is done, if it cannot be written or would replace another one.

    Raises
    ------
    ArgumentError
        The suffix is not known, or as for `check_new_file`.
    """
    if target.suffix.lower() not in _KNOWN:
        raise ArgumentError("--output", "a file named .txt, .csv or .npy", f"'{target}'")
    check_new_file("--output", target, overwrite)


def write_filter(path: Path, taps: NDArray[np.float64]) -> None:
    """Write taps to a file, from which `read_filter` reads exactly the same numbers.

    Raises
    ------
    ArgumentError
        The taps have too many axes for text, or the file cannot be written.
    """
    if path.suffix.lower() != ".npy" and taps.ndim > 2:
        raise ArgumentError("--output", "a .npy file for taps of three axes", f"'{path}'")
    with new_file(path) as temporary, open(temporary, "wb") as file:
        if path.suffix.lower() == ".npy":
            np.save(file, taps, allow_pickle=False)
        else:
            delimiter = "," if path.suffix.lower() == ".csv" else " "
            np.savetxt(file, np.atleast_2d(taps), fmt="%.17g", delimiter=delimiter)


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
