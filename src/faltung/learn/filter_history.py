"""How did the first filters change while a network learned? Their taps after each epoch, in one bounded file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import nn

from faltung.errors import ArgumentError
from faltung.ground.checks import integer
from faltung.ground.given_files import parsed_object, read_regular
from faltung.layers import CONVOLUTIONS
from faltung.learn.runs import RunFolder

__all__ = ["FILTERS_ENDING", "FilterHistory", "KeptFilters", "load_filters"]

FILTERS_ENDING = ".filters.safetensors"
"""Ending of the file, after the name of the network."""

_MOST_TAPS = 4096  # of one epoch; the first filters are kept if there are more
_MOST_EPOCHS = 256  # then every second one is dropped: a file has 4 MB at most


@dataclass(frozen=True, eq=False)
class KeptFilters:
    """The filters of a network's first convolution, after some of its epochs.

    Parameters
    ----------
    layer : str
        Path of the layer in the network.
    total : int
        Number of filters of the layer, of which the first ones are kept.
    every : int
        How many epochs lie between two that are kept. The last one is kept, too.
    epochs : int32 array, shape (epochs,)
        Numbers of the epochs; 0 is before training.
    taps : float32 array, shape (epochs, filters, channels in, *spatial)
        As the layer correlates its input with them. From the first epoch on they are means over the last steps, as
        the network ends with them.

    Examples
    --------
    >>> KeptFilters("enter", 16, 1, np.zeros(1, np.int32), np.zeros((1, 16, 1, 3, 3), np.float32)).until(0).epochs
    array([0], dtype=int32)
    """

    layer: str
    total: int
    every: int
    epochs: NDArray[np.int32]
    taps: NDArray[np.float32]

    def until(self, epoch: int) -> KeptFilters:
        """Return what was kept up to an epoch."""
        kept = self.epochs <= epoch
        return KeptFilters(self.layer, self.total, self.every, self.epochs[kept], self.taps[kept])


class FilterHistory:
    """Keeps the filters of a network's first convolution in a file of the run folder.

    Parameters
    ----------
    run : RunFolder
        The folder of the file.
    name : str
        Name of the network.

    Examples
    --------
    >>> import tempfile
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = FilterHistory(RunFolder(folder), "network")
    ...     history.begin(0, network)
    ...     history.keep(1, network)
    ...     history.write()
    ...     kept = load_filters(Path(folder) / "network.filters.safetensors")
    >>> kept.layer, kept.epochs.tolist(), kept.taps.shape
    ('0', [0, 1], (2, 2, 1, 3))
    """

    def __init__(self, run: RunFolder, name: str) -> None:
        self._run, self._file = run, f"{name}{FILTERS_ENDING}"
        self._every = 1
        self._kept: dict[int, NDArray[np.float32]] = {}
        self._layer, self._total = "", 0

    def begin(self, epoch: int, network: nn.Module) -> None:
        """Keep the filters with which training begins, or goes on after an epoch; what was kept before it stays.

        Raises
        ------
        ArgumentError
            If the file is damaged.
        """
        path = self._run.path / self._file
        if epoch and path.exists():
            before = load_filters(path).until(epoch)
            self._every = before.every
            self._kept = dict(zip(before.epochs.tolist(), before.taps, strict=True))
        if epoch not in self._kept:
            self.keep(epoch, network)
        if len(shapes := {taps.shape for taps in self._kept.values()}) > 1:
            raise _damaged(path, f"filters of the shapes {' and '.join(map(str, sorted(shapes)))}")

    def keep(self, epoch: int, network: nn.Module) -> None:
        """Keep the filters of a network after an epoch. A network without a convolution has none."""
        convolutions = ((name, part) for name, part in network.named_modules() if isinstance(part, CONVOLUTIONS))
        self._layer, layer = next(convolutions, ("", None))
        if layer is None:
            return
        taps = layer.get_parameter("weight").detach().float().cpu().numpy()
        self._total = len(taps)
        last = max(self._kept, default=0)
        if last % self._every:
            del self._kept[last]
        self._kept[epoch] = taps[: max(1, _MOST_TAPS // taps[0].size)].copy()
        while len(self._kept) > _MOST_EPOCHS:
            self._every *= 2
            self._kept = {each: taps for each, taps in self._kept.items() if not each % self._every or each == epoch}

    def write(self) -> None:
        """Replace the file. If the program is stopped meanwhile, the former file remains."""
        if not self._kept:
            return
        epochs, taps = np.array([*self._kept], np.int32), np.stack([*self._kept.values()])
        facts = json.dumps({"layer": self._layer, "total": self._total, "every": self._every})
        told = {"facts": facts, "digest": _digest(epochs, taps, facts)}
        self._run.write_bytes(self._file, save({"epochs": epochs, "taps": taps}, told))


def load_filters(path: Path) -> KeptFilters:
    """Return what `FilterHistory` wrote.

    Raises
    ------
    ArgumentError
        If the file is damaged.

    Examples
    --------
    >>> load_filters(Path("no/such.filters.safetensors"))
    Traceback (most recent call last):
    faltung.errors.ArgumentError: filters: expected a file as faltung wrote it, got 'no/such.filters.safetensors' ...
    """
    try:
        content = read_regular(path)
        arrays = load(content)
        told = _metadata(content)
        if _digest(arrays["epochs"], arrays["taps"], told["facts"]) != told["digest"]:
            raise ValueError("its digest is another one")
        return _kept(parsed_object(told["facts"]), arrays["epochs"], arrays["taps"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise _damaged(path, " ".join(str(error).split())) from error


def _damaged(path: Path, reason: str) -> ArgumentError:
    remedy = "Delete it: then the filters are kept from now on."
    return ArgumentError("filters", "a file as faltung wrote it", f"{str(path)!r} ({reason})", remedy)


def _kept(facts: dict[str, Any], epochs: NDArray[Any], taps: NDArray[Any]) -> KeptFilters:
    """Return filters, or raise ValueError if they are not as they are kept."""
    if facts.keys() != {"layer", "total", "every"} or not isinstance(facts["layer"], str):
        raise ValueError("its facts are others")
    total, every = (integer(name, facts[name], 1) for name in ("total", "every"))
    if epochs.dtype != np.int32 or taps.dtype != np.float32 or epochs.ndim != 1 or taps.ndim < 4:
        raise ValueError("its arrays are of another kind")
    if taps.shape[:1] != epochs.shape or 0 in taps.shape:
        raise ValueError("its epochs do not fit its taps")
    if epochs[0] < 0 or (epochs[1:] <= epochs[:-1]).any():
        raise ValueError("its epochs are not in their order")
    return KeptFilters(facts["layer"], total, every, epochs, taps)


def _metadata(content: bytes) -> dict[str, str]:
    """Return what the header of a safetensors file says beside the arrays."""
    length = int.from_bytes(content[:8], "little")
    facts: dict[str, str] = parsed_object(content[8 : 8 + length])["__metadata__"]
    return facts


def _digest(epochs: NDArray[Any], taps: NDArray[Any], facts: str) -> str:
    sha = hashlib.sha256(f"{epochs.dtype} {taps.dtype} {taps.shape} {facts}".encode())
    for array in (epochs, taps):
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
