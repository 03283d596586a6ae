"""The door for arrays in files: a filter is applied to a Zarr array, or an image of several resolutions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.chunked.array_level import ArrayLevel, LevelRun, question_for
from faltung.chunked.array_maps import NpySource, write_npy
from faltung.chunked.memory_budget import bytes_of
from faltung.chunked.multiscales import Multiscale, multiscale_of
from faltung.chunked.resolutions import filtered_image
from faltung.chunked.stored_nodata import missing_values, note_of
from faltung.chunked.streaming import FileSource, PortionStream, Progress
from faltung.chunked.zarr_layout import stored_dtype
from faltung.chunked.zarr_sink import as_path, check_new_folder
from faltung.chunked.zarr_source import ZarrSource, folder_of, open_zarr
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer, is_sequence
from faltung.ground.targets import Inputs, check_new_file
from faltung.kernels import Bank, Kernel
from faltung.planning.nodata import Nodata
from faltung.planning.question import Options

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

#: Names that no folder of an array should have.
_PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".csv", ".txt")

__all__ = ["Applied", "apply", "opened"]


class Applied(NamedTuple):
    """What was computed.

    Parameters
    ----------
    shape : tuple of int
        Shape of the result.
    dtype : dtype
        Dtype of the result.
    notes : tuple of str
        What a user should know: what was not kept, or made in another way.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    notes: tuple[str, ...] = ()


def apply(
    source: Any,
    kernel: Kernel | ArrayLike,
    out: str | Path,
    mode: str | Sequence[str] | None = None,
    cval: complex = 0.0,
    *,
    correlate: bool = False,
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    nodata: float | str = "declared",
    min_weight: float = 0.0,
    accuracy: str = "norm",
    method: str = "auto",
    memory: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Apply a filter to an array in a file that may be larger than memory, and write the result to another file.

    The outputs are those of `convolve` or `correlate` for the whole array, up to rounding.

    A Zarr array keeps its attributes, names of axes, fill value, codecs, chunks and shards. Its unit of work is
    a shard, or else a chunk; a journal names those that are on the disk. A process that is killed at any moment loses
    only the units that it was working at: call the function with the same arguments and ``resume=True``.

    Parameters
    ----------
    source : path, zarr.Array or zarr.Group
        The array, or a group with an image of OME-Zarr: its finest level is filtered, and the smaller ones are made
        of the result. Or a ``.npy`` file, which is read and written without a journal.
    kernel : Kernel or array_like
        The filter.
    out : path
        The folder to write, of the same version of Zarr; or a ``.npy`` file. It is never the input, nor inside of it.
    mode, cval, dtype, nan, min_weight, accuracy, method
        As for `convolve`.
    nodata : {'declared', 'none'} or number, optional
        The value of samples that are missing. By default it is what the attributes ``_FillValue``, ``missing_value``
        and ``nodata`` declare; in Zarr 2, xarray declares it by a fill value other than 0. Outputs that no valid
        sample reaches are NaN, or have this value if they are integers. NaN is left to `nan`.
    correlate : bool, optional
        Whether the kernel is not reflected, as in `correlate`.
    axes : int or sequence of int, optional
        The axis of the array for each axis of the kernel. The default is the last axes that are neither channels nor
        times by their names.
    dims : str or sequence of str, optional
        The names of these axes, in place of `axes`.
    memory : int or str, optional
        Bytes that the process may have, such as ``"1GB"``; the default is a quarter of the free memory.
    resume : bool, optional
        Whether to go on with a result that is not finished. If the input or the settings are others than those it
        was begun with, it is refused. If there is no result yet, it is begun.
    overwrite : bool, optional
        Whether a result that exists is removed first.
    workers : int, optional
        Number of threads that compute; others read and write at the same time.
    progress : callable, optional
        Called with the number of outputs that are finished and that of all outputs, after each portion.

    Returns
    -------
    Applied
        Shape and dtype of the result, and notes.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> import faltung as fa
    >>> from tempfile import TemporaryDirectory
    >>> x = np.random.default_rng(0).random((300, 200))
    >>> with TemporaryDirectory() as folder:
    ...     array = zarr.create_array(f"{folder}/x.zarr", data=x, chunks=(64, 64))
    ...     done = fa.chunked.apply(array, fa.gaussian(2.0), f"{folder}/y.zarr", memory="1GB")
    ...     y = zarr.open_array(f"{folder}/y.zarr")[...]
    >>> np.allclose(y, fa.convolve(x, fa.gaussian(2.0)))
    True
    """
    if isinstance(kernel, Bank):
        remedy = "Filter a dask array of it, which has an axis for the results of a bank."
        raise ArgumentTypeError("kernel", "a kernel", "a bank", remedy)
    if axes is not None and dims is not None:
        raise ArgumentError("dims", "either axes= or dims=", "both")
    options = Options(
        not correlate,
        mode,
        cval,
        axes=axes,
        dtype=dtype,
        nan=nan,
        min_weight=min_weight,
        accuracy=accuracy,
        method=method,
    )
    named = (dims,) if isinstance(dims, str) else dims
    run = LevelRun(bytes_of(memory), workers, progress)
    out = as_path(out)
    given = opened(source)
    finest = ZarrSource(given.group[given.paths[0]]) if isinstance(given, Multiscale) else given
    missing = missing_values(finest, nodata)
    said_nan = missing.nan and not isinstance(nodata, str)
    options = options._replace(masked=bool(missing.values), nan="ignore" if said_nan else options.nan)
    if out.suffix.lower() in _PICTURES:
        remedy = "The command faltung apply writes pictures."
        raise ArgumentError("out", "the folder of a Zarr array, or a .npy file", f"'{out}'", remedy)
    if str(out).endswith(".npy"):
        return _to_npy(given, kernel, out, options, named, run, resume, overwrite, missing)
    inputs = () if given.folder is None else (given.folder,)
    if resume and given.folder is None:
        remedy = "Copy it to this machine first."
        raise ArgumentError("resume", "False for a store that is not in a folder", "True", remedy)
    if isinstance(given, Multiscale):
        target = check_new_folder(out, inputs, resume, overwrite)
        return Applied(*filtered_image(given, kernel, target, options, named, run, missing))
    question = question_for(given, kernel, _turned(options, given), named, given.axes)
    level = ArrayLevel.like(given, question, None, missing)
    level.check(run)  # an error comes before anything is removed or written
    level.run(check_new_folder(out, inputs, resume, overwrite), run)
    return Applied(given.shape, question.result, tuple(level.notes))


def opened(source: Any) -> Any:
    """Return what is read: an array in a file, or an image of several resolutions.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It is neither.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_file():
            return NpySource(path)
        source = open_zarr(path)
    if isinstance(source, FileSource):
        return source
    kinds = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    if "zarr" in kinds and hasattr(source, "members"):
        folder = folder_of(source)
        if folder is None:
            remedy = "Pass one of its arrays."
            raise ArgumentError("source", "an array, or a group in a folder", "a group elsewhere", remedy)
        return multiscale_of(source, folder)
    if "zarr" in kinds and hasattr(source, "chunks"):
        return ZarrSource(source)
    remedy = "Pass arrays in memory to faltung.convolve."
    raise ArgumentTypeError("source", "a path, or a Zarr array or group", f"a {type(source).__name__}", remedy)


def _turned(options: Options, given: Any) -> Options:
    """Return options for an array that is read as its transpose."""
    if not getattr(given, "transposed", False) or options.axes is None:
        return options
    places = options.axes if is_sequence(options.axes) else (options.axes,)
    last = len(given.shape) - 1
    return options._replace(axes=tuple(last - place % (last + 1) if is_integer(place) else place for place in places))


def _to_npy(
    given: Any,
    kernel: Any,
    out: Path,
    options: Options,
    dims: Sequence[str] | None,
    run: LevelRun,
    resume: bool,
    overwrite: bool,
    nodata: Nodata,
) -> Applied:
    """Write a .npy file, in its order."""
    if isinstance(given, Multiscale):
        remedy = f"Name one of its levels, such as '{given.folder / given.paths[0]}'."
        raise ArgumentError("out", "a folder for an image of several resolutions", f"'{out}'", remedy)
    if resume:
        remedy = "A result in Zarr can be gone on with."
        raise ArgumentError("resume", "False for a file that is written whole or not at all", "True", remedy)
    check_new_file("out", out, overwrite, Inputs([] if given.folder is None else [given.folder]))
    question = question_for(given, kernel, _turned(options, given), dims, given.axes)
    unit = (1,) * (len(given.shape) - 1) + (max(1, given.shape[-1]),)
    stream = PortionStream(question, given, given.shape, unit, in_order=True, nodata=nodata)
    dtype = stored_dtype(question.result, given.stored)
    transposed = getattr(given, "transposed", False)
    write_npy(out, stream, dtype, transposed, run.memory, run.workers, run.tell)
    return Applied(given.shape[::-1] if transposed else given.shape, question.result, tuple(note_of(nodata)))
