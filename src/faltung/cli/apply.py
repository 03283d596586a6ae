"""``faltung apply``: filter a picture, or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from faltung import files
from faltung.cli.completion import calls, mode_names, nan_rules
from faltung.cli.console import Notes, print_beside, print_error, print_result, progress
from faltung.cli.depth import SCALE_HELP, scale_of
from faltung.cli.filtering import AXES_HELP, MODE_HELP, Filtering, modes
from faltung.cli.filters import KERNEL_HELP, filter_file, read_filter
from faltung.cli.jobs import FileJob, FileJobs, jobs_of
from faltung.cli.missing import missing_options
from faltung.cli.sound import RESAMPLE_HELP, SUBTYPE_HELP, TAIL_HELP, SoundOptions, apply_sound, is_sound
from faltung.cli.streamed import MEMORY_HELP, RESUME_HELP, apply_streamed, is_streamed
from faltung.cli.typed import message_of
from faltung.errors import ArgumentError, FaltungError
from faltung.files import Picture
from faltung.files.formats import format_of_contents
from faltung.ground.arrays import as_dtype
from faltung.ground.boundary import check_modes
from faltung.ground.targets import Inputs
from faltung.planning.report import shape_text

__all__ = ["apply"]

#: Most names of skipped files that are listed.
_LISTED = 10


def apply(
    context: typer.Context,
    image: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="Pictures, arrays or Zarr arrays, folders of pictures, or a sound."),
    ],
    kernel: Annotated[str, typer.Option("--kernel", "-k", metavar="FILTER", help=KERNEL_HELP, autocompletion=calls)],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="PATH", help="File to write, or a folder/ for several inputs.", writable=True
        ),
    ],
    suffix: Annotated[
        str | None,
        typer.Option(metavar="SUFFIX", help="Format in the folder, such as .png.", show_default="as each input"),
    ] = None,
    mode: Annotated[str, typer.Option(metavar="MODE", help=MODE_HELP, autocompletion=mode_names)] = "reflect",
    cval: Annotated[float, typer.Option(metavar="VALUE", help="The constant of --mode constant.")] = 0.0,
    axes: Annotated[str | None, typer.Option(metavar="AXES", help=AXES_HELP, show_default="rows and columns")] = None,
    correlation: Annotated[bool, typer.Option("--correlate", help="Correlate instead of convolving.")] = False,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="Dtype of the output.", show_default="that of the input")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="RANGE", help=SCALE_HELP, show_default="auto where it is plain, or else none"),
    ] = None,
    nan: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="What NaN is: a value (propagate) or a missing sample (ignore).",
            autocompletion=nan_rules,
        ),
    ] = "propagate",
    mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PNG, TIFF or .npy: 0 where a sample is missing, else nonzero."),
    ] = None,
    nodata: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="Value of missing samples, or none.", show_default="what the file says"),
    ] = None,
    min_weight: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=1,
            help="Least share of the weights that must be valid; below it a result is missing.",
        ),
    ] = 0.0,
    straight: Annotated[
        bool, typer.Option("--straight", help="Filter colours by themselves, and copy opacity.")
    ] = False,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata/--no-metadata", help="Keep what a file says besides its samples.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Threads.", show_default="one for each core")
    ] = None,
    tail: Annotated[bool, typer.Option("--tail", help=TAIL_HELP)] = False,
    subtype: Annotated[
        str | None, typer.Option(metavar="CODING", help=SUBTYPE_HELP, show_default="that of the input, or near it")
    ] = None,
    resample: Annotated[bool, typer.Option("--resample", help=RESAMPLE_HELP)] = False,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help=MEMORY_HELP, show_default="a quarter of what is free")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help=RESUME_HELP)] = False,
) -> None:
    """Filter pictures, stacks, arrays or sounds with a kernel.

    The output has the dtype of the input: integers are rounded and saturated. Each page of a stack is filtered, and
    each colour by itself; colours count by their opacity, and opacity is filtered too.

    Missing samples (--nan, --mask, --nodata) are left out: a result is computed from the valid samples under the
    kernel. Samples with the value of --nodata stay missing; others are filled in.

    One input gets the name of the output. Several inputs, and the pictures in a folder, keep their names in the
    folder that --output names. If one of them fails, the others are written, and the exit code is 1.

    A sound file of any length is filtered block by block. The kernel is the sound file of an impulse response, which
    begins at lag zero, or a filter with one axis. One with several channels has a response for each.

    Arrays in Zarr, and .npy files and TIFFs beyond --memory, are filtered in portions. An output in Zarr that is not
    finished is gone on with by --resume.

    Examples
    --------
      faltung apply photo.jpg -k "gaussian(2)" -o smooth.jpg
      faltung apply in.png -k "sobel(axis=1)" --dtype float32 -o e.tif
      faltung apply stack.tif -k "gaussian(1, ndim=3)" -o volume.tif
      faltung apply signal.npy -k "[1, 2, 1]" --mode mirror -o out.npy
      faltung apply photos/ -k psf.csv -o sharp/ --suffix .png
      faltung apply deep.tif -k "box(3)" --scale 0:4095 -o out.jpg
      faltung apply dem.tif -k "gaussian(3)" --nodata -9999 -o s.tif
      faltung apply dry.wav -k hall.wav --tail -o wet.flac
      faltung apply big.zarr -k "gaussian(9)" -o out.zarr --memory 1GB
    """
    if is_sound(image, context):
        how_sound = SoundOptions(tail, subtype, resample, keep_metadata, overwrite)
        apply_sound(image[0], kernel, output, how_sound)
        return
    filter_ = read_filter(kernel)
    how = Filtering(
        filter_,
        correlation,
        modes(mode),
        cval,
        axes,
        dtype,
        scale_of(scale),
        straight,
        missing_options(nan, mask, nodata, min_weight),
        workers,
    )
    check_modes(how.mode, filter_.ndim)
    if cval and "constant" not in ((how.mode,) if isinstance(how.mode, str) else how.mode):
        raise ArgumentError("--cval", "a border of constants", f"--mode {mode}", "Add --mode constant.")
    if dtype is not None:
        as_dtype(dtype, "--dtype")
    if is_streamed(image, output, memory):
        typed = {"--suffix": suffix, "--scale": scale, "--mask": mask}
        refused = {name: value is not None for name, value in typed.items()}
        refused |= {"--straight": straight, "--no-metadata": not keep_metadata}
        rest = {"cval": cval, "correlate": correlation, "nan": nan, "min_weight": min_weight, "memory": memory}
        rest["nodata"] = "declared" if how.missing.nodata is None else how.missing.nodata
        rest |= {"resume": resume, "overwrite": overwrite, "workers": workers}
        apply_streamed(image[0], filter_, output, refused, axes, dtype, how.mode, rest)
        return
    if resume:
        raise ArgumentError("--resume", "an input that is filtered in portions", f"'{image[0]}'", "Leave it out.")
    jobs = jobs_of(image, output, suffix)
    read = [job.source for job in jobs.jobs] + [path for path in (filter_file(kernel), mask) if path is not None]
    work = _Work(how, Inputs(read), Notes(), keep_metadata, overwrite)
    if jobs.folder is None:
        work.do(jobs.jobs[0], lambda pages: progress(pages, repr(filter_)))
        work.notes.print(by_name=False)
        return
    failed = _do_all(jobs, work)
    _print_summary(jobs, failed)
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Work:
    """What is done with every file."""

    how: Filtering
    inputs: Inputs
    notes: Notes
    metadata: bool
    overwrite: bool

    def do(self, job: FileJob, track: Callable[[range], Iterable[int]]) -> None:
        """Read a file, filter its pictures, and write the results."""
        format_of_contents(job.source)  # what is wrong with the input is told before what is wrong with the output
        files.check_target(job.target, self.inputs, self.overwrite)
        sentences: list[str] = []  # of a file that is not written, the error says all
        results = [self.how(picture, job.target, sentences.append, track) for picture in files.read(job.source)]
        sentences += files.lost(job.target, results, metadata=self.metadata)
        files.write(job.target, results, metadata=self.metadata)
        for sentence in sentences:
            self.notes.of(job.source)(sentence)
        print_result(f"{job.target}: {_description(results)}")


def _do_all(jobs: FileJobs, work: _Work) -> int:
    """Filter all files, and return how many failed; an input that would be overwritten is told before any work."""
    for job in jobs.jobs:
        work.inputs.check("--output", job.target)
    failed = 0
    for job in progress(jobs.jobs, "filtering"):
        try:
            jobs.make_folder(job.target)
            work.do(job, iter)
        except (FaltungError, OSError, MemoryError) as error:
            failed += 1
            message = message_of(error, apply)
            print_error(message if str(job.source) in message else f"{job.source}: {message}")
    work.notes.print(by_name=True)
    return failed


def _print_summary(jobs: FileJobs, failed: int) -> None:
    named = [path for path in jobs.skipped if path.is_file()]
    others = [path for path in jobs.skipped if not path.is_file()]
    for reason, paths in (
        ("pictures by their names", named),
        ("files (links that are broken or to folders)", others),
    ):
        if paths:
            names = ", ".join(map(str, paths[:_LISTED])) + (", ..." if len(paths) > _LISTED else "")
            print_beside(f"skipped, no {reason}: {names}")
    counts = f"{len(jobs.jobs) - failed} written, {failed} failed, {len(jobs.skipped)} skipped"
    print_beside(counts)


def _description(pictures: Sequence[Picture]) -> str:
    """Return shape and dtype of the pictures of a file."""
    kinds = [f"{shape_text(picture.samples.shape)} {picture.samples.dtype}" for picture in pictures]
    different = list(dict.fromkeys(kinds))
    shown = ", ".join(different[:3]) + (", ..." if len(different) > 3 else "")
    return shown if len(kinds) == 1 else f"{len(kinds)} pictures, {shown}"
