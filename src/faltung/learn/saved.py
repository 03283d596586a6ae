"""How is a trained network kept and rebuilt? Weights as safetensors, structure as JSON, nothing unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from faltung.errors import ArgumentError
from faltung.learn.runs import RunFolder

__all__ = ["describe", "load_network", "save_network"]

_FORMAT = 1


def save_network(run: RunFolder, stem: str, network: nn.Module, class_names: tuple[str, ...]) -> None:
    """Write `stem`.safetensors with a network's weights, then `stem`.json with its class and arguments.

    Parameters
    ----------
    run : RunFolder
        Where to write.
    stem : str
        File name without its ending.
    network : torch.nn.Module
        Has the keyword arguments of its constructor as `arguments`.
    class_names : tuple of str
        What the outputs stand for.

    Examples
    --------
    See `load_network`.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    run.write_bytes(f"{stem}.safetensors", save(weights))
    run.write_json(f"{stem}.json", {**describe(network), "class_names": list(class_names)})


def describe(network: nn.Module) -> dict[str, object]:
    """Return the JSON-serialisable description from which a network's structure can be rebuilt.

    Examples
    --------
    >>> network = nn.Identity()
    >>> network.arguments = {}
    >>> describe(network)
    {'format': 1, 'class': 'Identity', 'arguments': {}}
    """
    return {"format": _FORMAT, "class": type(network).__name__, "arguments": network.arguments}


def load_network(folder: Path, stem: str, classes: Mapping[str, type[nn.Module]]) -> nn.Module:
    """Rebuild a network that `save_network` wrote, in evaluation mode.

    Parameters
    ----------
    folder : path
        The run folder.
    stem : str
        File name without its ending.
    classes : mapping of str to class
        The only classes that may be built.

    Raises
    ------
    ArgumentError
        If a file is missing or damaged, or the two do not belong together.

    Examples
    --------
    >>> import tempfile
    >>> network = nn.Linear(2, 1)
    >>> network.arguments = {"in_features": 2, "out_features": 1}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(RunFolder(Path(folder)), "model", network, ("coat",))
    ...     again = load_network(Path(folder), "model", {"Linear": nn.Linear})
    >>> bool((again.weight == network.weight).all())
    True
    """
    try:
        description = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        if description["format"] != _FORMAT:
            raise ValueError(f"format {description['format']}, and this version of faltung reads {_FORMAT}")
        network = classes[description["class"]](**description["arguments"])
        network.load_state_dict(load_file(folder / f"{stem}.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ArgumentError(
            "folder",
            f"a run folder with {stem}.json and {stem}.safetensors as faltung wrote them",
            f"{str(folder)!r} ({type(error).__name__}: {error})",
        ) from error
    return network.eval()
