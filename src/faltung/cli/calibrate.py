"""``faltung calibrate``: measure this machine."""

from __future__ import annotations

import typer

from faltung.cli.console import errors, progress
from faltung.run.calibration import calibration

__all__ = ["calibrate"]


def calibrate() -> None:
    """Measure how fast this machine is, once, so that the fastest way is chosen on it.

    Takes about ten seconds on one core; leave the machine alone meanwhile. Results of filters stay the same within
    their rounding errors.

    Examples
    --------
      faltung calibrate
    """
    found = calibration(lambda probes: progress(probes, "measuring"))
    typer.echo(str(found))
    if not found.saved:
        errors.print("note: the figures could not be saved; FALTUNG_CACHE can name a folder that only you can write")
