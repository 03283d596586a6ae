"""``faltung run``: a script whose filters of SciPy, scikit-image, OpenCV and astropy run on this operator."""

from __future__ import annotations

import runpy
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

from faltung.compat.call_report import report as make_report
from faltung.compat.patching import install
from faltung.compat.peers import PEERS
from faltung.errors import ArgumentError

__all__ = ["run"]


def run(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="SCRIPT [ARGUMENTS]...", help="The script, and what it is to be given."),
    ],
    module: Annotated[
        bool, typer.Option("--module", "-m", help="SCRIPT is the name of a module, as for python -m.")
    ] = False,
    peers: Annotated[
        list[str] | None, typer.Option("--peer", help=f"Replace only these: {', '.join(PEERS)}. Repeatable.")
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Say at the end what was served.")] = False,
) -> None:
    """Run a Python script, with functions of other libraries replaced by those of faltung.compat.

    Options of this command come before the script; all that follows it belongs to the script. The command
    python -m faltung SCRIPT does the same.

    Examples
    --------
      faltung run segment.py image.tif
      faltung run --report --peer scipy segment.py image.tif
      faltung run -m package.tool --size 3
    """
    script = arguments[0]
    if not module and not Path(script).is_file():
        raise ArgumentError("SCRIPT", "a Python file", repr(script), "For a module, use -m.")
    install(*(peers or ()))
    sys.argv = [script, *arguments[1:]]
    # As Python does: imports of a script start in its folder, those of a module in the current one.
    sys.path.insert(0, "" if module else str(Path(script).resolve().parent))
    for name in ("SIGTERM", "SIGHUP"):  # the script decides what these do, not the command
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        if module:
            runpy.run_module(script, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")
    except Exception as error:
        # An error of the script is shown as Python shows it, from the script's own first line on.
        traceback.print_exception(error.with_traceback(_from_script(error.__traceback__)))
        raise SystemExit(1) from None
    finally:
        if report:
            print(make_report(), file=sys.stderr)


def _from_script(frames: TracebackType | None) -> TracebackType | None:
    """Return the frames of a traceback from the script on, or all if the script was not reached."""
    inside = frames
    while inside is not None and inside.tb_frame.f_globals.get("__name__") != "__main__":
        inside = inside.tb_next
    return inside or frames
