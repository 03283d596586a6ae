"""``faltung calibrate``: measure this machine."""

from __future__ import annotations

import typer

from faltung.cli.console import errors, progress
from faltung.run.calibration import calibration

__all__ = ["calibrate"]


def calibrate() -> None:
    """Measure this machine once, so that plans choose what is fastest on it.

    This takes about ten seconds on one core, during which the machine should do nothing else. Results of filters
    change within their error bounds only.

    Examples
    --------
      faltung calibrate
    """
    measured = calibration(lambda probes: progress(probes, "measuring"))
    typer.echo(str(measured))
    if not measured.saved:
        errors.print("note: the figures could not be saved; set FALTUNG_CACHE to a folder that only you can write")
