"""``faltung run``: a script whose filters of SciPy, scikit-image, OpenCV and astropy run on this operator."""

from __future__ import annotations

import runpy
import signal
import sys
from pathlib import Path
from types import ModuleType, TracebackType
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
        typer.Argument(metavar="SCRIPT [ARGUMENTS]...", help="The script (- for the input), and what it is given."),
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
    python -m faltung SCRIPT.py does the same. Processes that the script starts by spawn are not patched.

    Examples
    --------
      faltung run segment.py image.tif
      faltung run --report --peer scipy segment.py image.tif
      faltung run -m package.tool --size 3
    """
    script = arguments[0]
    if not module and script != "-" and not Path(script).exists():
        raise ArgumentError("SCRIPT", "a Python file", repr(script), "For a module, use -m.")
    install(*(name for text in peers or () for name in text.split(",")))
    sys.argv = [script, *arguments[1:]]
    # As Python does: imports of a script start in its folder, those of a module in the current one.
    sys.path[0] = "" if module or script == "-" else str(Path(script).resolve().parent)
    for name in ("SIGTERM", "SIGHUP"):  # the script decides what these do, not the command
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        _execute(script, module)
    except Exception as error:
        # An error of the script is shown as Python shows it, from the script's own first line on.
        sys.excepthook(type(error), error, _from_script(error))
        raise SystemExit(1) from None
    finally:
        if report:
            print(make_report(), file=sys.stderr)


def _execute(script: str, module: bool) -> None:
    if module:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    elif script != "-" and (Path(script).is_dir() or (not script.endswith((".py", ".pyw")) and _is_archive(script))):
        runpy.run_path(script, run_name="__main__")
    else:
        path = "<stdin>" if script == "-" else str(Path(script).resolve())
        main = ModuleType("__main__")
        # It stays after the last line: threads of the script may need its names.
        sys.modules["__main__"] = main
        if script != "-":
            main.__file__ = path
        text = sys.stdin.read() if script == "-" else Path(script).read_bytes()
        exec(compile(text, path, "exec"), vars(main))


def _is_archive(script: str) -> bool:
    with open(script, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _from_script(error: BaseException) -> TracebackType | None:
    """Return the frames of an error from the script on: none for a script that cannot be read as Python."""
    inside = error.__traceback__
    while inside is not None and inside.tb_frame.f_globals.get("__name__") != "__main__":
        inside = inside.tb_next
    return inside if inside is not None or isinstance(error, SyntaxError) else error.__traceback__
