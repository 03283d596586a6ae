"""`faltung generate`: generate new images or series with a trained network."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from faltung.cli.console import note_unfinished, print_result, progress
from faltung.errors import ArgumentError
from faltung.ground.new_files import write_new_file
from faltung.ground.targets import check_new_files
from faltung.learn.tasks.generation.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["generate"]

_COPIES = 3  # blocks, all of them in one array, and what is written
_LONGEST = 65_535  # programs that show pictures take no longer ones


def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of `faltung learn --task generate`.")],
    count: Annotated[int, typer.Option("-n", "--count", help="Number of samples.", min=1, metavar="N")] = 64,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Class of the samples.", metavar="NAME", show_default="all in turn"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.", min=0, metavar="N")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="PNG file with all samples in rows.", metavar="FILE", writable=True),
    ] = None,
    npz: Annotated[
        Path | None,
        typer.Option("--npz", help="NPZ file with samples, labels and class names.", metavar="FILE", writable=True),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps from noise to a sample.", min=1, metavar="N")] = Sampling.steps,
    guidance: Annotated[
        float, typer.Option(help="1: samples as learned; more: more typical of their class.", metavar="FACTOR")
    ] = Sampling.guidance,
    network: Annotated[
        str, typer.Option(help="Network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Generate new images or series with a network that learned to do so.

    Each sample begins as noise, which a few steps turn into a sample. The same seed gives the same samples: `-n 10`
    gives the first ten samples of `-n 100`.

    Examples
    --------
      faltung generate runs/learn-001 -o grid.png

      faltung generate runs/learn-001 -n 64 --class bag --seed 1 -o bags.png

      faltung generate runs/learn-001 -n 1000 --npz samples.npz

      faltung generate runs/learn-001 --network dense -o dense.png
    """
    from faltung.ground.drawings.pictures import png
    from faltung.learn.report.contact_sheet import contact_sheet
    from faltung.learn.tasks.generation import flow
    from faltung.networks.generator import GENERATORS, VelocityField
    from faltung.networks.stored import load_trained

    files = {"--output": output, "--npz": npz}
    written = {option: file for option, file in files.items() if file is not None}
    if not written:
        raise ArgumentError("--output", "a file to write", "none", "Add -o grid.png or --npz samples.npz.")
    for option, file in written.items():
        _check_ending(option, file, ".png" if option == "--output" else ".npz")
    check_new_files(written, overwrite)
    trained = load_trained(run, network, GENERATORS)
    assert isinstance(trained.network, VelocityField)
    classes = len(trained.class_names)
    wanted = range(classes) if class_name is None else [_index(class_name, trained.class_names)]
    columns = classes if class_name is None else math.ceil(math.sqrt(count))
    _check_count(count, trained.sample_shape, np.dtype(trained.dtype), columns if output is not None else None)
    labels = np.resize(np.array(wanted), count)
    samples = flow.generate(
        trained.network,
        labels,
        Sampling(seed, steps, guidance),
        dtype=trained.dtype,
        track=lambda blocks: progress(blocks, "generating"),
    )
    if output is not None:
        write_new_file(output, png(contact_sheet(samples, columns)), "--output")
    if npz is not None:
        write_new_file(npz, _npz(samples, labels, trained.class_names), "--npz")
    kinds = "all classes in turn" if class_name is None else trained.class_names[wanted[0]]
    note_unfinished(run)
    for file in written.values():
        print_result(f"{file}: {count} of {kinds}")


def _check_count(count: int, sample_shape: Sequence[int], dtype: np.dtype[Any], columns: int | None) -> None:
    """Refuse more samples than fit into half of the memory, or into a sheet of so many columns."""
    from faltung.learn.report.contact_sheet import contact_sheet

    bytes_each = _COPIES * math.prod(sample_shape) * dtype.itemsize
    places = [(_memory() // 2, "half of the memory")]
    if columns is not None:
        tile = contact_sheet(np.zeros((1, *sample_shape), dtype), 1)
        bytes_each += _COPIES * tile.nbytes
        places.append(
            (_LONGEST // (len(tile) + 4) * columns * bytes_each, f"a picture of {_LONGEST:,} rows of pixels")
        )
    room, place = min(places)
    if count * bytes_each > room:
        expected = f"at most {room // bytes_each:,} samples, which fit into {place}"
        raise ArgumentError("--count", expected, f"{count:,}", "Generate fewer, or parts of them with other seeds.")


def _memory() -> int:
    """Return the bytes of memory of this computer; many where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 36


def _check_ending(option: str, file: Path, ending: str) -> None:
    if file.suffix.lower() != ending:
        raise ArgumentError(option, f"a file named {ending}", f"'{file}'")


def _index(wanted: str, class_names: Sequence[str]) -> int:
    """Return the index of a class name, in upper or lower case."""
    folded = [name.casefold() for name in class_names]
    if wanted.casefold() not in folded:
        raise ArgumentError("--class", f"one of {', '.join(class_names)}", repr(wanted))
    return folded.index(wanted.casefold())


def _npz(samples: NDArray[Any], labels: NDArray[np.int64], class_names: Sequence[str]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, x=samples, y=labels, class_names=np.array(class_names))
    return content.getvalue()
