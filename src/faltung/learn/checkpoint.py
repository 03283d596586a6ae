"""How is training continued after a stop? From one file that is always complete and is never unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from faltung.errors import ArgumentError
from faltung.ground.given_files import check_regular, parsed_object
from faltung.learn.runs import RunFolder
from faltung.networks.stored import tensor_digest

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
        told = json.dumps(facts)
        self._run.write_bytes(self._file, save(content, {"facts": told, "digest": _digest(content, told)}))

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
            check_regular(path)
            with safe_open(path, "pt") as file:
                names = file.keys()  # the file itself is not iterable
                tensors, told = {name: file.get_tensor(name) for name in names}, file.metadata()
            if _digest(tensors, told["facts"]) != told["digest"]:
                raise ValueError("its digest is another one")
            return tensors, parsed_object(told["facts"])
        except (OSError, SafetensorError, TypeError, KeyError, ValueError, RuntimeError, MemoryError) as error:
            raise self.damaged(error) from error

    def damaged(self, error: Exception) -> ArgumentError:
        """Return the error for a file whose content cannot be used."""
        path = str(self._run.path / self._file)
        received = f"a damaged file {path!r} ({' '.join(str(error).split())})"
        remedy = "Delete it, and this network is trained from its start."
        return ArgumentError("resume", "a checkpoint as faltung wrote it", received, remedy)

    def remove(self) -> None:
        """Delete the file if it exists."""
        (self._run.path / self._file).unlink(missing_ok=True)


def _digest(tensors: Mapping[str, torch.Tensor], facts: str) -> str:
    return hashlib.sha256(f"{tensor_digest(tensors)} {facts}".encode()).hexdigest()
