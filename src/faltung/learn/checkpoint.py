"""How is training continued after a stop? From one file that is always complete and is never unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from faltung.errors import ArgumentError
from faltung.learn.runs import RunFolder

__all__ = ["Checkpoint"]


class Checkpoint:
    """A safetensors file with the state of training at the end of an epoch; its header holds the history.

    Parameters
    ----------
    run : RunFolder
        The folder of the file.
    name : str
        Name of the network that is trained.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(RunFolder(Path(folder)), "dense")
    ...     nothing = checkpoint.load()
    ...     checkpoint.save({"network.bias": torch.ones(2)}, {"epoch": 3})
    ...     tensors, facts = checkpoint.load()
    >>> nothing, tensors, facts
    (None, {'network.bias': tensor([1., 1.])}, {'epoch': 3})
    """

    def __init__(self, run: RunFolder, name: str) -> None:
        self._run = run
        self._file = f"{name}.checkpoint.safetensors"

    def save(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Replace the file. If the program is stopped meanwhile, the former file remains."""
        content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        self._run.write_bytes(self._file, save(content, {"facts": json.dumps(facts)}))

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Return tensors and facts as they were saved, or None if nothing was saved yet.

        Raises
        ------
        ArgumentError
            If the file is damaged.
        """
        path = self._run.path / self._file
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                names = file.keys()  # the file itself is not iterable
                return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["facts"])
        except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
            received = f"a damaged file {str(path)!r} ({error})"
            raise ArgumentError(
                "resume", "a checkpoint as faltung wrote it", received, "Delete it to start anew."
            ) from error

    def remove(self) -> None:
        """Delete the file if it exists."""
        (self._run.path / self._file).unlink(missing_ok=True)
