"""``faltung explore``: the page of filters, networks and learning in the browser, or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltung.explorer.gatekeeper import is_host_name
from faltung.ground.targets import Inputs, check_new_file

__all__ = ["explore"]


def explore(
    thing: Annotated[
        Path | None,
        typer.Argument(
            metavar="THING",
            help="A picture, a sound, a .npy array, a .csv table, or a run folder; by default a photograph.",
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
        Path | None, typer.Option(help="Write the page to a file that needs no Python, and end.", metavar="FILE")
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
        check_new_file("--save", save, overwrite, Inputs([thing] if thing else []))
    from faltung.explorer.given import explore as explorer_of

    page = explorer_of(thing, kernel, view=view)
    if save is not None:
        page.save(save, overwrite=overwrite)
        typer.echo(f"Saved {save}")
    else:
        page.serve(port=port, browser=browser, allowed_hosts=allow_host or [])
