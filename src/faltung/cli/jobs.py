"""Which files are read, and where do their results go? One file to one file, or many files to a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.files.formats import SUFFIXES, format_of_name
from faltung.ground.targets import InputAsOutputError

__all__ = ["FileJob", "FileJobs", "jobs_of"]


@dataclass(frozen=True)
class FileJob:
    """One file to read, and the file to write."""

    source: Path
    target: Path


@dataclass(frozen=True)
class FileJobs:
    """All files to read and write.

    Parameters
    ----------
    jobs : tuple of FileJob
        The files.
    skipped : tuple of path
        What else is in the folders: files that are no pictures, by their names, and what is no file.
    folder : path or None
        The folder that gets the results, or None if there is one file with a name of its own.
    """

    jobs: tuple[FileJob, ...]
    skipped: tuple[Path, ...] = ()
    folder: Path | None = None

    def make_folder(self, target: Path) -> None:
        """Make the folder of a file to write, if it is in the folder that gets all results.

        Raises
        ------
        ArgumentError
            The folder cannot be made.
        """
        if self.folder is not None:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                received = f"'{error.filename}' ({error.strerror})"
                raise ArgumentError("--output", "a folder that can be made", received) from error


def jobs_of(inputs: Sequence[Path], typed: str, suffix: str | None) -> FileJobs:
    """Return the files to read and to write.

    The result of one file is the file `typed`, unless that is a folder. The results of several files, and of the
    files of folders, are in the folder `typed`, under their own names and in the same subfolders.

    Parameters
    ----------
    inputs : sequence of path
        Files and folders. Folders are searched with all their subfolders; names that begin with a dot are left out.
    typed : str
        A file or a folder; with a slash at the end it is a folder.
    suffix : str or None
        Suffix of the names in the folder; None for that of each file.

    Raises
    ------
    ArgumentError
        An input does not exist, or two results would have the same name.
    """
    for path in inputs:
        if not os.path.exists(path):  # unlike the methods of paths, this never fails
            raise ArgumentError("IMAGE", "a file or folder that exists", f"'{path}'")
    if not typed:
        raise ArgumentError("--output", "the name of a file or a folder", "''")
    output = Path(typed)
    into_folder = os.path.isdir(output) or typed.endswith(("/", os.sep))
    if len(inputs) == 1 and not os.path.isdir(inputs[0]) and not into_folder:
        if suffix is not None:
            remedy = "Write the suffix into the name of the output."
            raise ArgumentError("--suffix", "a folder as --output", f"the file '{output}'", remedy)
        return FileJobs((FileJob(inputs[0], output),))
    _check_folder(output, typed, inputs)
    if suffix is not None:
        suffix = suffix if suffix.startswith(".") else f".{suffix}"
        format_of_name(Path(f"name{suffix}"), "--suffix")
    return _into_folder(inputs, output, suffix)


def _check_folder(output: Path, typed: str, inputs: Sequence[Path]) -> None:
    """Refuse an output that is a file, or looks like one, where it has to be a folder."""
    what = f"{len(inputs)} inputs" if len(inputs) > 1 else f"'{inputs[0]}'"
    if os.path.exists(output) and not os.path.isdir(output):
        raise ArgumentError("--output", f"a folder, such as results/, for {what}", f"the file '{output}'")
    if not (typed.endswith(("/", os.sep)) or os.path.isdir(output)) and output.suffix.lower() in SUFFIXES:
        remedy = f"Write '{output.with_suffix('')}/' if that is meant."
        raise ArgumentError("--output", f"the name of a folder for {what}", f"'{output}'", remedy)


def _into_folder(inputs: Sequence[Path], output: Path, suffix: str | None) -> FileJobs:
    jobs, skipped, taken = [], [], dict[Path, Path]()
    for path in inputs:
        for source in _files_in(path, output) if os.path.isdir(path) else (path,):
            if os.path.isdir(path) and not (source.suffix.lower() in SUFFIXES and source.is_file()):
                skipped.append(source)
                continue
            target = output / _result_name(source, path, suffix)
            if (other := taken.setdefault(target, source)) != source:
                remedy = "Filter them one after the other, into different folders."
                raise ArgumentError("IMAGE", "files with different names", f"'{other}' and '{source}'", remedy)
            jobs.append(FileJob(source, target))
    if not jobs:
        where = ", ".join(f"'{path}'" for path in inputs)
        known = ", ".join(SUFFIXES)
        raise ArgumentError("IMAGE", f"pictures, which are named {known}", f"none of {len(skipped)} files in {where}")
    if all(job.target.exists() and _same(job.source, job.target) for job in jobs):
        remedy = "Choose another name."
        raise InputAsOutputError("--output", "a folder other than that of the inputs", f"'{output}'", remedy)
    return FileJobs(tuple(dict.fromkeys(jobs)), tuple(skipped), output)


def _result_name(source: Path, given: Path, suffix: str | None) -> Path:
    """Return the name of a result in the output folder: as below the folder that was given, or that of the file."""
    name = source.relative_to(given) if os.path.isdir(given) else Path(source.name)
    if suffix is not None:
        return name.with_suffix(suffix)
    if name.suffix.lower() not in SUFFIXES:
        raise ArgumentError("--suffix", f"a format for '{source}'", "none", "Add --suffix .png, for example.")
    return name


def _files_in(folder: Path, output: Path) -> Iterator[Path]:
    """Yield all files of a folder by name, without hidden ones and without earlier results in the output folder.

    Links to folders are yielded, too, and not followed.
    """
    for place, folders, names in os.walk(folder):
        inside = (name for name in folders if not name.startswith("."))
        folders[:] = sorted(name for name in inside if not _same(Path(place, name), output))
        linked = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in sorted(names + linked):
            if not name.startswith("."):
                yield Path(place, name)


def _same(one: Path, other: Path) -> bool:
    return os.path.exists(other) and os.path.samefile(one, other)
