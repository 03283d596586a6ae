"""``faltung apply`` on what is larger than memory: which options hold, how progress is shown, what is told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress as Bars

from faltung.chunked.applying import Applied, opened
from faltung.chunked.applying import apply as apply_to_file
from faltung.chunked.array_level import question_for
from faltung.chunked.memory_budget import bytes_of
from faltung.chunked.multiscales import Multiscale
from faltung.chunked.streaming import Progress
from faltung.chunked.zarr_source import is_zarr
from faltung.cli.console import errors, print_beside, print_note, print_result
from faltung.cli.depth import own_dtype
from faltung.cli.filtering import is_index
from faltung.errors import ArgumentError
from faltung.files.formats import SUFFIXES, format_of_contents
from faltung.files.tiff_regions import TiffRegions, unpacked_bytes, write_streamed
from faltung.ground.targets import check_new_file
from faltung.kernels import Kernel
from faltung.planning.question import Options
from faltung.planning.report import shape_text

__all__ = ["MEMORY_HELP", "RESUME_HELP", "apply_streamed", "is_streamed", "shown"]

#: Help of the options of streams.
MEMORY_HELP = "Memory of the process, such as 1GB. Arrays beyond it are filtered in portions."
RESUME_HELP = "Go on with an output in Zarr that is not finished."
#: Seconds between two lines of progress.
_BETWEEN_LINES = 10.0
#: What is said of an output that needs nothing.
_FINISHED = "finished: all {:,} outputs were computed before"
#: How often the bytes of a file are in memory, if it is filtered at once.
_IN_MEMORY = 3


def is_streamed(images: Sequence[Path], output: str, memory: str | None) -> bool:
    """Whether an input is filtered in portions: Zarr always is, and ``.npy`` and TIFF beyond the memory."""
    if len(images) > 1 and (found := [path for path in images if is_zarr(path)]):
        raise ArgumentError("IMAGE", "one Zarr array at a time", f"'{found[0]}' and others")
    if len(images) > 1:
        return False
    (image,) = images
    if is_zarr(image):
        return True
    kind = format_of_contents(image) if image.is_file() else ""
    if kind not in ("NPY", "TIFF"):
        return False
    nbytes = image.stat().st_size if kind == "NPY" else unpacked_bytes(image)
    return output.rstrip("/").endswith(".zarr") or _IN_MEMORY * nbytes > bytes_of(memory)


def apply_streamed(
    image: Path,
    kernel: Kernel,
    output: str,
    refused: Mapping[str, bool],
    axes: str | None,
    dtype: str | None,
    mode: str | tuple[str, ...],
    options: Mapping[str, Any],
) -> None:
    """Filter a file in portions, and say what was done.

    Parameters
    ----------
    image : path
        The input.
    kernel : Kernel
        The filter.
    output : str
        What is written.
    refused : dict
        Whether options were typed that only pictures in memory have.
    axes, dtype, mode
        What was typed.
    options : dict
        Further arguments of `faltung.chunked.apply`.

    Raises
    ------
    ArgumentError
        An option cannot be used.
    """
    for option, typed in refused.items():
        if typed:
            never = is_zarr(image)  # Zarr is filtered in portions, whatever the memory
            remedy = "Leave it out." if never else "Leave it out, or allow more with --memory, if the array fits."
            raise ArgumentError(option, "none for an array that is filtered in portions", "one", remedy)
    if not output:
        raise ArgumentError("--output", "the name of a file or a folder", "''")
    with contextlib.ExitStack() as stack:
        is_tiff = not is_zarr(image) and format_of_contents(image) == "TIFF"
        source = stack.enter_context(TiffRegions(image)) if is_tiff else image
        done = _applied(source, kernel, output, axes, dtype, mode, options)
    for sentence in done.notes:
        print_note(sentence)
    print_result(f"{output}: {shape_text(done.shape)} {done.dtype}")


def _applied(
    source: TiffRegions | Path,
    kernel: Kernel,
    output: str,
    axes: str | None,
    dtype: str | None,
    mode: Any,
    options: Mapping[str, Any],
) -> Applied:
    is_tiff = isinstance(source, TiffRegions)
    kind = SUFFIXES.get(Path(output).suffix.lower())
    if kind not in (None, "NPY") and not (is_tiff and kind == "TIFF"):
        expected = f"a name for {'a TIFF, ' if is_tiff else ''}a Zarr array or a .npy file"
        remedy = (
            ""
            if not isinstance(source, TiffRegions) and is_zarr(source)
            else "Or allow more with --memory, if the array fits."
        )
        raise ArgumentError("--output", expected, f"'{output}'", remedy)
    given = opened(source)
    first = opened(given.folder / given.paths[0]) if isinstance(given, Multiscale) else given
    places, names = _axes(axes, first)
    wanted = own_dtype(first.dtype, kernel) if dtype is None else dtype
    how = {**options, "axes": places, "dims": names, "dtype": wanted}
    with shown(repr(kernel)) as progress:
        if isinstance(source, TiffRegions) and kind == "TIFF":
            return _tiff_applied(source, kernel, Path(output), mode, how, progress)
        return apply_to_file(source, kernel, output, mode, progress=progress, **how)


def _tiff_applied(
    given: TiffRegions, kernel: Kernel, output: Path, mode: Any, how: Mapping[str, Any], progress: Progress
) -> Applied:
    """Filter a TIFF to a TIFF."""
    if how["resume"]:
        remedy = "An output in Zarr can be gone on with."
        raise ArgumentError("--resume", "no TIFF, which is written whole or not at all", f"'{output}'", remedy)
    if how["nodata"] != "declared":
        received = f"one, for the TIFF '{output}'"
        remedy = "Name the output .zarr, or allow more with --memory, if the array fits."
        raise ArgumentError("--nodata", "none where a TIFF is written in portions", received, remedy)
    check_new_file("--output", output, how["overwrite"])
    options = Options(
        not how["correlate"],
        mode,
        how["cval"],
        axes=how["axes"],
        dtype=how["dtype"],
        nan=how["nan"],
        min_weight=how["min_weight"],
    )
    question = question_for(given, kernel, options, how["dims"], given.axes)
    memory = bytes_of(how["memory"])
    notes = write_streamed(output, given, question, memory, how["workers"], progress, "--output")
    return Applied(given.shape, question.result, tuple(notes))


def _axes(typed: str | None, first: Any) -> tuple[tuple[int, ...] | None, tuple[str, ...] | None]:
    """Return the axes that were typed: as numbers, or as names."""
    if typed is None:
        return None, None
    parts = tuple(part.strip() for part in typed.split(","))
    if all(is_index(part) for part in parts):
        return tuple(map(int, parts)), None
    names = {axis.name.lower(): axis.name for axis in first.axes if axis.name}
    return None, tuple(names.get(part.lower(), part) for part in parts)


@contextmanager
def shown(description: str) -> Iterator[Any]:
    """Yield what shows progress: a bar on a terminal, lines in a log.

    Examples
    --------
    >>> with shown("box(3)") as progress:
    ...     progress(0, 100)
    """
    if not errors.is_terminal:
        yield _Lines()
        return
    with Bars(console=errors, transient=True) as bar:
        task, begun = bar.add_task(description, total=None), False

        def show(finished: int, count: int) -> None:
            nonlocal begun
            if not begun and 0 < count == finished:
                print_beside(_FINISHED.format(count), bar.console)
            begun = True
            bar.update(task, completed=finished, total=count)

        yield show


class _Lines:
    """Prints how far a stream is, every few seconds and at its end."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _BETWEEN_LINES
        self._begin: tuple[float, int] | None = None

    def __call__(self, finished: int, count: int) -> None:
        now = time.monotonic()
        if self._begin is None:
            self._begin = (now, finished)
            if finished:
                if finished == count:
                    print_beside(_FINISHED.format(count))
                    return
                print_beside(f"goes on after {_percent(finished, count)}")
            return
        if now >= self._next and finished < count:
            self._next = now + _BETWEEN_LINES
            then, before = self._begin
            left = (now - then) * (count - finished) / max(1, finished - before)
            print_beside(f"{_percent(finished, count)}, about {left:.0f} s left")


def _percent(finished: int, count: int) -> str:
    return f"{100 * finished // max(1, count)} % of {count:,} outputs"
