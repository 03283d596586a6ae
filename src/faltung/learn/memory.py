"""Do the samples fit into memory? It is predicted: a program that runs out of it is killed without a word."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from faltung.datasets.dataset import Split
from faltung.errors import ArgumentError

__all__ = ["available_memory", "check_memory", "largest_size", "training_memory", "warn_of_memory"]

_PROGRAM = 400 * 2**20  # torch and what else is loaded
_PER_SAMPLE = 1 + 4 + 4  # bytes of a value: as it was read, as float, and as the float of a part that is measured
_MAPS = 70  # activations and their gradients in a step, in numbers for each position of the input
_ANSWERED = 100 * 40  # the same in evaluation, for a batch of 100 samples
_WORTH_SAYING = 0.5  # of the memory
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def training_memory(samples: int, sample_shape: Sequence[int], batch_size: int) -> int:
    """Return about how many bytes it takes to train and measure a network on samples of a shape.

    Examples
    --------
    >>> round(training_memory(3000, (3, 64, 64), 128) / 2**30, 1)
    0.9
    """
    values, positions = math.prod(sample_shape), math.prod(sample_shape[1:])
    step = 4 * max(_MAPS * batch_size, _ANSWERED) * positions
    dense = 4 * 5 * 64 * values  # weights, gradients, momentum, mean and best weights of a dense layer
    return _PROGRAM + _PER_SAMPLE * samples * values + step + dense


def available_memory() -> int | None:
    """Return how many bytes this process can still use, or None if the system does not say.

    Examples
    --------
    >>> available_memory() is None or available_memory() > 0
    True
    """
    sizes = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        sizes += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
        limit = (_CONTROL_GROUP / "memory.max").read_text(encoding="utf-8").strip()
        if limit != "max":
            sizes.append(int(limit) - int((_CONTROL_GROUP / "memory.current").read_text(encoding="utf-8")))
    except (OSError, ValueError, IndexError):
        pass
    if not sizes and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return max(1, min(sizes)) if sizes else None


def largest_size(samples: int, channels: int, batch_size: int, memory: int) -> int:
    """Return the largest side of square images that fit into half of a memory, a multiple of eight.

    Examples
    --------
    >>> largest_size(samples=3000, channels=3, batch_size=128, memory=8 * 2**30)
    176
    """
    size = 8
    while training_memory(samples, (channels, size + 8, size + 8), batch_size) <= _WORTH_SAYING * memory:
        size += 8
    return size


def check_memory(
    samples: int, sample_shape: Sequence[int], batch_size: int, available: Callable[[], int | None] = available_memory
) -> str:
    """Return a warning if samples need much of the memory, or an empty text.

    Raises
    ------
    ArgumentError
        If they need more than there is.

    Examples
    --------
    >>> check_memory(120, (3, 64, 64), 32, available=lambda: 2**30)
    ''
    >>> check_memory(120, (3, 5000, 5000), 32, available=lambda: 16 * 2**30)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: size: expected samples that fit into 16.0 GB of free memory, got 5000x5000, for ...
    """
    memory, needed = available(), training_memory(samples, sample_shape, batch_size)
    if memory is None or needed <= _WORTH_SAYING * memory:
        return ""
    fits = largest_size(samples, sample_shape[0], batch_size, memory) if len(sample_shape) == 3 else None
    remedy = f"Use --size {fits} (size={fits})." if fits else "Use shorter samples."
    sizes = "x".join(map(str, sample_shape[1:]))
    need = f"{needed / 2**30:,.1f} GB"
    if needed > memory:
        received = f"{sizes}, for which about {need} are needed"
        raise ArgumentError("size", f"samples that fit into {memory / 2**30:.1f} GB of free memory", received, remedy)
    return f"Beware: samples of {sizes} need about {need} of {memory / 2**30:.1f} GB of free memory. {remedy}"


def warn_of_memory(split: Split, batch_size: int, on_note: Callable[[str], None]) -> None:
    """Pass a warning on if the samples of a split need much of the memory.

    Raises
    ------
    ArgumentError
        If they need more than there is.
    """
    samples = len(split.training) + len(split.validation) + len(split.test)
    if warning := check_memory(samples, split.training.sample_shape, batch_size):
        on_note(warning)
