"""Which commands are there? The command `faltung`, its options, and its exit codes.

Exit codes: 0 success, 1 failure, 2 a command line that cannot be read, or that would overwrite
an input, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from itertools import pairwise
from typing import Annotated

import typer

from faltung import __version__
from faltung.cli.apply import apply
from faltung.cli.cache import cache
from faltung.cli.calibrate import calibrate
from faltung.cli.console import print_error
from faltung.cli.explore import explore
from faltung.cli.export import export
from faltung.cli.fit import fit
from faltung.cli.generate import generate
from faltung.cli.help import ExplainedCommand, ExplainedGroup
from faltung.cli.inspect import inspect
from faltung.cli.kernels import kernels
from faltung.cli.learn import learn
from faltung.cli.plan import plan
from faltung.cli.predict import predict
from faltung.cli.pyramid import pyramid
from faltung.cli.run import run
from faltung.cli.typed import message_of, naming_what_was_typed
from faltung.errors import ArgumentError, FaltungError
from faltung.ground.targets import InputAsOutputError
from faltung.ground.threads import chosen_count

__all__ = ["app", "main"]

_DEBUG = "FALTUNG_DEBUG"

app = typer.Typer(
    name="faltung",
    help="The convolution operator: filter images, and learn filters from images.",
    epilog="Exit codes: 0 success, 1 failure, 2 a wrong command line, 130 interrupted.",
    no_args_is_help=True,
    cls=ExplainedGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
filtering = (apply, pyramid, kernels, plan, fit)
learning = (learn, predict, generate, inspect, explore, export)
for command in (*filtering, *learning, calibrate, cache):
    app.command(cls=ExplainedCommand)(naming_what_was_typed(command))
# What follows the script belongs to the script, options too.
own = {"allow_interspersed_args": False}
app.command(cls=ExplainedCommand, context_settings=own)(naming_what_was_typed(run))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faltung {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", envvar=_DEBUG, help="Show the traceback of an error.")] = False,
) -> None:
    chosen_count()  # a wrong FALTUNG_WORKERS is an error, whether the command computes or not
    if debug:
        os.environ[_DEBUG] = "1"  # for `main`, and for processes that a command starts


def _end_as_interrupted() -> None:
    """Let a request to end, and a terminal that is closed, do what Ctrl-C does: remove what is half written."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _print_any_letter() -> None:
    """Let the terminal show what its encoding lacks, or what is no text, as an escape, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line; an error of faltung or of the system becomes one message and exit code 1."""
    _end_as_interrupted()
    if sys.argv[1:2] != ["run"]:  # what a script prints is its own matter
        _print_any_letter()
    try:
        # As a path it would be the current folder. The value of an option is looked at by the command.
        own = sys.argv[:2] if sys.argv[1:2] == ["run"] else sys.argv  # what a script is given is its own matter
        if any(not text and not before.startswith("-") for before, text in pairwise(own)):
            remedy = "Is a variable of the shell empty? Leave the argument out, or give it a value."
            raise ArgumentError("arguments", "none that is empty", f"one of {len(sys.argv) - 1} without text", remedy)
        app()
    except BrokenPipeError:
        raise  # the program that reads the output has ended, so no message can reach it
    except (FaltungError, OSError, MemoryError) as error:
        if os.environ.get(_DEBUG, "0") not in ("", "0"):
            raise
        print_error(error if not isinstance(error, MemoryError) else message_of(error, app))
        sys.exit(2 if isinstance(error, InputAsOutputError) else 1)
