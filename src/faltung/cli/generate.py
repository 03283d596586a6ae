"""`faltung generate`: make new images or series with a trained generator."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from faltung.cli.console import progress
from faltung.cli.targets import check_new_file
from faltung.errors import ArgumentError
from faltung.learn.tasks.generation.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["generate"]


def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of `faltung learn --task generate`.")],
    count: Annotated[int, typer.Option("-n", "--count", help="How many.", min=1, metavar="N")] = 64,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Of which class.", metavar="NAME", show_default="all in turn"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise they begin as.", min=0, metavar="N")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="PNG with all of them side by side.", metavar="FILE")
    ] = None,
    npz: Annotated[
        Path | None, typer.Option("--npz", help="Write samples, labels and names of classes.", metavar="FILE")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps from noise to a sample.", min=1, metavar="N")] = Sampling.steps,
    guidance: Annotated[
        float, typer.Option(help="More is more typical of the class; 1 is as learned.", metavar="FACTOR")
    ] = Sampling.guidance,
    network: Annotated[
        str, typer.Option(help="Which network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Make new images or series with a network that learned to generate them.

    Each begins as noise and becomes a sample in a few steps. The same seed gives the same samples: the first ten of a
    hundred are those that `-n 10` makes.

    For example:

    - `faltung generate runs/learn-001 -o grid.png`
    - `faltung generate runs/learn-001 -n 64 --class bag --seed 1 -o bags.png`
    - `faltung generate runs/learn-001 -n 1000 --npz samples.npz`
    - `faltung generate runs/learn-001 --network dense -o dense.png`
    """
    from faltung.learn.report.contact_sheet import contact_sheet
    from faltung.learn.report.pictures import png
    from faltung.learn.runs import RunFolder
    from faltung.learn.tasks.generation import flow
    from faltung.networks.generator import GENERATORS, VelocityField
    from faltung.networks.stored import load_trained

    files = {"--output": output, "--npz": npz}
    written = {option: file for option, file in files.items() if file is not None}
    if not written:
        raise ArgumentError("--output", "a file to write", "none", "Add -o grid.png or --npz samples.npz.")
    for option, file in written.items():
        _check_ending(option, file, ".png" if option == "--output" else ".npz")
        check_new_file(option, file, overwrite)
    trained = load_trained(run, network, GENERATORS)
    assert isinstance(trained.network, VelocityField)
    classes = len(trained.class_names)
    chosen = range(classes) if class_name is None else [_index(class_name, trained.class_names)]
    labels = np.resize(np.array(chosen), count)
    samples = flow.generate(
        trained.network,
        labels,
        Sampling(seed, steps, guidance),
        dtype=trained.dtype,
        track=lambda blocks: progress(blocks, "generating"),
    )
    if output is not None:
        columns = classes if class_name is None else math.ceil(math.sqrt(count))
        RunFolder(output.parent).write_bytes(output.name, png(contact_sheet(samples, columns)))
    if npz is not None:
        RunFolder(npz.parent).write_bytes(npz.name, _npz(samples, labels, trained.class_names))
    kinds = "all classes in turn" if class_name is None else trained.class_names[chosen[0]]
    for file in written.values():
        typer.echo(f"{file}: {count} of {kinds}")


def _check_ending(option: str, file: Path, ending: str) -> None:
    if file.suffix.lower() != ending:
        raise ArgumentError(option, f"a file named {ending}", f"'{file}'")


def _index(wanted: str, class_names: Sequence[str]) -> int:
    """Return the class of a name, in whatever case it is written."""
    folded = [name.casefold() for name in class_names]
    if wanted.casefold() not in folded:
        raise ArgumentError("--class", f"one of {', '.join(class_names)}", repr(wanted))
    return folded.index(wanted.casefold())


def _npz(samples: NDArray[Any], labels: NDArray[np.int64], class_names: Sequence[str]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, x=samples, y=labels, class_names=np.array(class_names))
    return content.getvalue()
