"""``faltung calibrate``: measure this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from faltung.cli.console import print_note, print_result, progress
from faltung.errors import FaltungError
from faltung.jit import object_cache
from faltung.planning.cost import Machine
from faltung.planning.machine import LAYER_TIMES, clear
from faltung.planning.machine import undo as undo_measurement
from faltung.run.calibration import calibration

__all__ = ["calibrate"]

#: Smallest change of a figure that is told.
_TOLD = 0.02


def calibrate(
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Use the figures before the last measurement again; forget times of layers."),
    ] = False,
) -> None:
    """Measure this machine, so that plans choose what is fastest on it.

    This takes about ten seconds on one core, during which the machine should do nothing else. Results of filters
    change within their error bounds only. Of two measurements, the one that took less time is kept, because other
    programs only make it longer. With --undo, times of layers that were measured with an example are forgotten, too.

    Examples
    --------
      faltung calibrate
      faltung calibrate --undo
    """
    if undo:
        _undo()
        return
    measured = calibration(lambda probes: progress(probes, "measuring"))
    print_result(f"{measured}\n")
    kept = measured.kept
    assert kept is not None
    if not kept.used:
        slower = f"took {kept.slower - 1:.1%} longer"
        print_result(f"The earlier measurement stays in use: this one {slower}, so something disturbed it.")
        print_result("If the machine has changed, undo the earlier one first: faltung calibrate --undo")
        return
    print_result("\n".join(_changes(kept.before, measured.machine)))
    if kept.saved:
        print_result(f"Saved in {object_cache.folder()}, as machine.json. To undo it: faltung calibrate --undo")
    else:
        print_note("the figures could not be saved; set FALTUNG_CACHE to a folder that only you can write")


def _undo() -> None:
    before, had_layers = undo_measurement(), clear(LAYER_TIMES)
    if before is None and not had_layers:
        raise FaltungError("There is no measurement to undo. Only the last one can be undone, once.")
    if before is not None:
        print_result("The figures before the last measurement are in use again.")
    if had_layers:
        print_result("The times of layers that faltung.layers.convert measured are forgotten.")


def _changes(before: Machine, now: Machine) -> Iterator[str]:
    """Yield what changed, one line for each figure."""
    changed = [
        f"  {unit:<14}{earlier:.2e} -> {figure:.2e} seconds"
        for (unit, figure), earlier in zip(asdict(now).items(), asdict(before).values(), strict=True)
        if abs(figure - earlier) > _TOLD * earlier
    ]
    yield "Changed against the figures before:" if changed else "No figure changed by more than 2 %."
    yield from changed
