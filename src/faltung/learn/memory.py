"""Do the samples fit into memory? It is predicted: a program that runs out of it is killed without a word."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faltung.datasets.dataset import Split
from faltung.errors import ArgumentError

__all__ = ["Memory", "check_memory", "largest_size", "training_memory", "warn_of_memory"]

_PROGRAM = 150 * 2**20  # what is still to be loaded
_PER_SAMPLE = 1 + 4 + 4  # bytes of a value: as it was read, as float, and as the float of a part that is measured
_MAPS = 240  # activations and their gradients in a step, in numbers for each position of the input: measured
_ANSWERED = 100 * 80  # the same in evaluation, for a batch of 100 samples
_WORTH_SAYING = 0.5  # of the memory
_CONTROL_GROUP = Path("/sys/fs/cgroup")
_HELD = ("anon", "unevictable", "slab_unreclaimable", "kernel_stack")


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


@dataclass(frozen=True)
class Memory:
    """The memory of this computer, or of the control group that the process is in.

    Parameters
    ----------
    total, free : int
        Bytes. What is free changes all the time; copies of files count as free.

    Examples
    --------
    >>> memory = Memory.find()
    >>> memory is None or memory.total >= memory.free > 0
    True
    """

    total: int
    free: int

    @classmethod
    def find(cls) -> Memory | None:
        """Return the memory, or None if the system does not say."""
        try:
            lines = [line.split() for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()]
            sizes = {name: 1024 * int(size) for name, size, *_ in lines}
            memory = cls(sizes["MemTotal:"], max(1, sizes["MemAvailable:"]))
        except (OSError, ValueError, KeyError):
            return None
        with suppress(OSError, ValueError, KeyError):
            total = int((_CONTROL_GROUP / "memory.max").read_text(encoding="utf-8"))  # not a number without a limit
            used = dict(map(str.split, (_CONTROL_GROUP / "memory.stat").read_text(encoding="utf-8").splitlines()))
            free = max(1, total - sum(int(used[name]) for name in _HELD))
            memory = cls(min(total, memory.total), min(free, memory.free))
        return memory


def largest_size(samples: int, channels: int, batch_size: int, memory: int) -> int:
    """Return the largest side of square images that fit into half of a memory, a multiple of eight.

    Examples
    --------
    >>> largest_size(samples=3000, channels=3, batch_size=128, memory=8 * 2**30)
    136
    """
    size = 8
    while training_memory(samples, (channels, size + 8, size + 8), batch_size) <= _WORTH_SAYING * memory:
        size += 8
    return size


def check_memory(samples: int, sample_shape: Sequence[int], batch_size: int, memory: Memory | None) -> str:
    """Return a warning if samples need much of the free memory, or an empty text.

    Raises
    ------
    ArgumentError
        If they need more than the whole memory.

    Examples
    --------
    >>> memory = Memory(total=16 * 2**30, free=12 * 2**30)
    >>> check_memory(120, (3, 64, 64), 32, memory)
    ''
    >>> check_memory(120, (3, 5000, 5000), 32, memory)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: size: expected samples that fit into 16.0 GB of memory, got 5000x5000, for which ...
    """
    needed = training_memory(samples, sample_shape, batch_size)
    if memory is None or needed <= _WORTH_SAYING * memory.free:
        return ""
    fits = largest_size(samples, sample_shape[0], batch_size, memory.free) if len(sample_shape) == 3 else None
    remedy = f"Use size={fits}." if fits else "Use shorter samples."
    sizes = "x".join(map(str, sample_shape[1:]))
    need = f"{needed / 2**30:,.1f} GB"
    if needed > memory.total:
        received = f"{sizes}, for which about {need} are needed"
        raise ArgumentError(
            "size", f"samples that fit into {memory.total / 2**30:.1f} GB of memory", received, remedy
        )
    return f"Beware: samples of {sizes} need about {need} of {memory.free / 2**30:.1f} GB of free memory. {remedy}"


def warn_of_memory(split: Split, batch_size: int, on_note: Callable[[str], None]) -> None:
    """Pass a warning on if the samples of a split need much of the free memory.

    Raises
    ------
    ArgumentError
        If they need more than the whole memory.
    """
    samples = len(split.training) + len(split.validation) + len(split.test)
    if warning := check_memory(samples, split.training.sample_shape, batch_size, Memory.find()):
        on_note(warning)
