"""`faltung inspect`: the report card of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from faltung.cli.console import (
    note_unfinished,
    print_beside,
    print_data,
    print_error,
    print_note,
    print_result,
    print_shown,
    printable,
)
from faltung.errors import ArgumentError, FaltungError
from faltung.ground.new_files import write_new_file
from faltung.ground.targets import check_new_files

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faltung.inspect.examples import Example
    from faltung.inspect.requirements import Requirement
    from faltung.learn.run_samples import RunSamples

__all__ = ["inspect"]

_STANDARD_OUTPUT = Path("-")
_Value = TypeVar("_Value")


def inspect(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A run folder of `faltung learn`, a .pt2 file of torch.export, or package.module:factory.",
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights for the factory: safetensors, or a state dict of torch.", metavar="FILE"),
    ] = None,
    example: Annotated[
        list[str] | None,
        typer.Option(
            help="Input: a shape such as 1x3x224x224, or a .npy or .safetensors file. A second one shows whether the "
            "control flow depends on data.",
            metavar="SHAPE",
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(help="Network of the run: model, or the name of a yardstick.", metavar="NAME")
    ] = "model",
    section: Annotated[
        list[str] | None, typer.Option(help="Section to measure; all of them by default.", metavar="NAME")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the card as one page.", metavar="FILE", writable=True)
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write the numbers; - is standard output.", metavar="FILE", writable=True),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="A requirement such as 'parameters<1e6'; the exit code is 1 if it is not met.", metavar="TEXT"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Print the report card of a network: what it costs, what it sees, how it runs.

    Nothing in a file is executed. The function of package.module:factory is called without arguments; modules of the
    current folder are found.

    Examples
    --------
      faltung inspect runs/learn-001 --html card.html

      faltung inspect nets:Small --weights small.pth --example 1x3x224x224

      faltung inspect nets:Small --example 1x3x32x32 --require "parameters<1e6"
    """
    from faltung.inspect.report_card import card
    from faltung.inspect.requirements import check_requirement

    required = require or []
    for text in required:
        _usage("--require", check_requirement, text)
    files = {"--html": html, "--json": None if json_file == _STANDARD_OUTPUT else json_file}
    written = {option: file for option, file in files.items() if file is not None}
    check_new_files(written, overwrite)
    loaded = _loaded(target, weights, network, example or [], section)
    title = printable(target if ":" in target else Path(target).name)
    found = card(
        loaded.network,
        *loaded.examples,
        data=loaded.data,
        labels=loaded.labels,
        sections=section or None,
        title=title,
    )
    if json_file == _STANDARD_OUTPUT:
        print_data(found.json() + "\n")
    else:
        print_shown(found)
    for option, file in written.items():
        write_new_file(file, found.html() if option == "--html" else found.json(), option)
    results = [_usage("--require", lambda text: found.require(text)[0], text) for text in required]
    _judge(results, to_errors=json_file == _STANDARD_OUTPUT)


class _Loaded(NamedTuple):
    network: nn.Module
    examples: list[Example]
    data: Tensor | None = None
    labels: Tensor | None = None


def _loaded(target: str, weights: Path | None, network: str, texts: list[str], sections: list[str] | None) -> _Loaded:
    """Return the network, its examples, and the data and labels that sections ask for.

    Those of a run folder are test samples of the run, unless examples are named.
    """
    from faltung.inspect.network_files import example_from_text, load_network

    made, own = load_network(target, weights, network)
    if not texts and own is None:
        raise typer.BadParameter("a network without a run folder needs one: 1x3x224x224", param_hint="--example")
    folder = Path(target)
    if folder.is_dir():
        note_unfinished(folder)
    if texts:
        return _Loaded(made, [example_from_text(text, made) for text in texts])
    known = _known(folder, made) if folder.is_dir() else None
    if known is None:
        return _Loaded(made, [] if own is None else [own])
    return _Loaded(made, known.examples, *_taken(known, sections))


def _taken(known: RunSamples, sections: list[str] | None) -> tuple[Tensor | None, Tensor | None]:
    """Return the samples and labels of a run, as far as sections use them."""
    from faltung.inspect.section_table import wanted_rows

    takes = {argument for row in wanted_rows(sections or None) for argument in row.takes}
    return known.data if "data" in takes else None, known.labels if "labels" in takes else None


def _known(folder: Path, network: nn.Module) -> RunSamples | None:
    """Return samples of a run; say why there are none, if its data cannot be read."""
    from faltung.learn.run_samples import run_samples

    try:
        return run_samples(folder, network)
    except FaltungError as error:
        print_note(f"Random numbers are used instead of samples of the run. {error}")
        return None


def _judge(results: Sequence[Requirement], to_errors: bool) -> None:
    """Print which requirements are met; end with exit code 1 if one is not."""
    for one in results:
        (print_beside if to_errors else print_result)(one)
    if unmet := sum(not one for one in results):
        print_error(f"{unmet} of {len(results)} requirements are not met")
        raise typer.Exit(1)


def _usage(option: str, call: Callable[[str], _Value], text: str) -> _Value:
    """Return what a function says of a text that was typed; an error is one of the command line."""
    try:
        return call(text)
    except ArgumentError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
