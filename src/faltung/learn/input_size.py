"""Which size do images get if none is asked for? The usual one, or a smaller one if there is no time for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from faltung.datasets.dataset import Split
from faltung.datasets.reading import load
from faltung.learn.choices import chosen_recipe, time_limit
from faltung.learn.durations import duration
from faltung.learn.hardware import Hardware
from faltung.learn.memory import Memory, check_memory
from faltung.learn.pace import measured
from faltung.learn.recipe import Recipe
from faltung.learn.task import Setup, Task
from faltung.learn.tasks import TASKS

__all__ = ["SMALLER", "fitting_size", "load_in_time", "size_for_time"]

SMALLER = (48, 32)
"""Sides of squares that are tried, in pixels."""

_SHARE = 0.75  # of the time is for the model
_LARGE = 128  # pixels: larger images are read only if they fit into memory
_FEWEST = 0.5  # of the epochs: a smaller image is better than fewer


def size_for_time(side: int, seconds: float, limit: float) -> int:
    """Return the largest side with which training ends in time, given the seconds of training with a side.

    Examples
    --------
    >>> size_for_time(64, 300.0, limit=600.0), size_for_time(64, 300.0, 120.0), size_for_time(64, 300.0, 9.0)
    (64, 48, 32)
    """
    for smaller in (side, *SMALLER):
        if _FEWEST * seconds * (smaller / side) ** 2 <= _SHARE * limit:
            return smaller
    return min(side, *SMALLER)


def fitting_size(
    task: Task[Any],
    split: Split,
    recipe: Recipe,
    hardware: Hardware,
    limit: float,
) -> int:
    """Return the side of images with which the model of a task can be trained in time: as they are, or smaller.

    Parameters
    ----------
    task : Task
        What is trained.
    split : Split
        Square images.
    recipe : Recipe
        How the model is trained.
    hardware : Hardware
        What to run on.
    limit : float
        Seconds that the run may take.

    Examples
    --------
    See `load_in_time`.
    """
    make_network = next(iter(task.candidates(split.training).values()))
    setup = Setup(split, task.augmentation(split.training), device=hardware.device, options=task.options)
    pace = measured(make_network, task.objective(setup), recipe, hardware, seconds=0.2)
    seconds = recipe.epochs * pace.epoch(len(split.training), recipe)
    return size_for_time(split.training.sample_shape[1], seconds, limit)


def load_in_time(
    path: str | Path,
    task: str,
    *,
    time: float | str | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
    ndim: int | None = None,
    size: int | None = None,
    skip_corrupt: bool = False,
    on_skip: Callable[[str, str], None] = lambda name, reason: None,
    on_note: Callable[[str], None] = lambda text: None,
) -> Split:
    """Load a data set as `faltung.learn.load` does, with images so small that there is time and memory for them.

    Parameters
    ----------
    path, ndim, size, skip_corrupt, on_skip : optional
        As in `faltung.learn.load`. A size that is asked for is used whatever the time; if it does not fit into
        memory, it is refused before images are read in it.
    task : str
        What is learned, as in `run`.
    time : float or str, optional
        How long the run may take, as in `run`.
    given : mapping, optional
        The arguments of `run` that change its recipe.
    on_note : callable, optional
        Called with sentences about what was found and chosen.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The data set cannot be used, or does not fit into memory.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "waves.npz", x=np.eye(40), y=["slow", "fast"] * 20)
    ...     split = load_in_time(Path(folder) / "waves.npz", "classify", time="1min")
    >>> split.training.sample_shape
    (1, 40)
    """
    row = TASKS[task]
    first = size if size is None or size <= _LARGE else None
    split = load(path, ndim=ndim, size=first, skip_corrupt=skip_corrupt, on_skip=on_skip)
    for line in split.found.lines():
        on_note(f"{line}.")
    limit = time_limit(row, split, time)
    recipe = chosen_recipe(row, split, {name: value for name, value in given.items() if value is not None}, limit)
    chosen = size
    if size is not None and size != first:
        samples = len(split.training) + len(split.validation) + len(split.test)
        check_memory(samples, (split.training.sample_shape[0], size, size), recipe.batch_size, Memory.find())
    elif size is None and limit is not None and _was_scaled(split):
        side = split.training.sample_shape[1]
        fits = fitting_size(row, split, recipe, Hardware.find(threads=1), limit)
        if fits != side:
            on_note(f"Images of {fits}x{fits} pixels instead of {side}x{side}, to keep to {duration(limit)}.")
            chosen = fits
    return split if chosen == first else load(path, ndim=ndim, size=chosen, skip_corrupt=skip_corrupt)


def _was_scaled(split: Split) -> bool:
    """Whether images were scaled to a size that was chosen for them."""
    return bool(split.found.sizes) and {*split.found.sizes} != {split.training.sample_shape[1:]}
