"""faltung itself: as the planner chooses, and by every engine that can be asked for."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fa
from cells import Cell, Run
from faltung.plan.planner import ENGINES

#: Up to this many samples the plan is made once and kept, as one would do for many small images.
_SMALL = 64 * 64


def auto(cell: Cell, image: NDArray[Any]) -> Run:
    """Return what users call."""
    return _run(cell, image, "auto")


def engine(cell: Cell, image: NDArray[Any]) -> str:
    """Name what the planner chose."""
    return fa.plan(image, cell.kernels[0], dtype=cell.dtype).engine


def others(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    """Return the cell by every engine that was not chosen and does not refuse; names begin with ``faltung``."""
    chosen = engine(cell, image)
    names = [name for name in ENGINES if name != chosen and _accepts(cell, image, name)]
    return {f"faltung {name}": _run(cell, image, name) for name in names}


def _accepts(cell: Cell, image: NDArray[Any], name: str) -> bool:
    try:
        fa.plan(image, cell.kernels[0], dtype=cell.dtype, method=name)
    except fa.ArgumentError as error:
        if error.argument != "method":
            raise
        return False
    return True


def _run(cell: Cell, image: NDArray[Any], method: str) -> Run:
    out = np.empty(cell.result_shape, cell.dtype)
    if len(cell.kernels) > 1:
        return partial(fa.Bank.stack(list(cell.kernels)), image, out=out, method=method)
    (kernel,) = cell.kernels
    if image.size <= _SMALL:
        return partial(fa.plan(image, kernel, dtype=cell.dtype, method=method), image, out=out)
    return partial(fa.convolve, image, kernel, out=out, method=method)
