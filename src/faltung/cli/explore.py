"""``faltung explore``: the page of filters, networks and learning in the browser, or as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from faltung.cli.console import print_beside, print_result
from faltung.errors import ArgumentError
from faltung.explorer.gatekeeper import is_host_name
from faltung.ground.targets import check_new_file

__all__ = ["explore"]

_TO_WAIT = 30.0  # seconds for a folder that `faltung learn` is about to make


def explore(
    thing: Annotated[
        Path | None,
        typer.Argument(
            metavar="THING",
            help="A picture, a sound, a .npy array, a .csv table, a run folder, or a saved state.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option("--kernel", "-k", help="Kernel that is shown first.", metavar="TEXT"),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(help="View that is shown first: filter, algebra, network, learning.", metavar="NAME"),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 finds a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name by which the browser reaches this machine.", metavar="NAME"),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the page to a file that needs no Python, and end.", metavar="FILE", writable=True),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Look at filters, networks and learning in the browser.

    The page comes from a small server on this machine, which nobody else can reach, and which answers only who knows
    the token in its address. Ctrl-C ends it.

    Examples
    --------
      faltung explore
      faltung explore photo.jpg -k "gaussian(2) * sobel(axis=1)"
      faltung explore runs/learn-001
      faltung explore photo.jpg --save page.html
    """
    for name in allow_host or []:
        if not is_host_name(name):
            raise typer.BadParameter("a name without a port, such as box.local", param_hint="--allow-host")
    if save is not None:
        check_new_file("--save", save, overwrite)
    from faltung.explorer.given import explore as explorer_of

    if thing is not None:
        _wait_for_run(thing)
    page = explorer_of(thing, kernel, view=view)
    if save is not None:
        page.save(save, overwrite=overwrite)
        print_result(f"Saved {save}")
    else:
        page.serve(port=port, browser=browser, allowed_hosts=allow_host or [])


def _wait_for_run(folder: Path) -> None:
    """Wait for a folder and its files that are not there yet, as when `faltung learn` has just been started."""
    if folder.suffix or folder.exists():
        return
    until = time.monotonic() + _TO_WAIT
    wait = f"Waiting {_TO_WAIT:.0f} seconds for faltung learn to make it; Ctrl-C ends this."
    print_beside(f"'{folder}' does not exist yet. {wait}")
    while time.monotonic() < until:
        if folder.is_file() or (
            folder.is_dir() and any((folder / name).exists() for name in ("run.json", "history.csv"))
        ):
            return
        time.sleep(0.2)
    if not folder.exists():
        remedy = "If faltung learn has just been started, try again in some seconds."
        raise ArgumentError("THING", "a file or a run folder that exists", f"'{folder}'", remedy)
