"""How is a trained network saved? Weights as safetensors, structure as JSON; `faltung.networks.stored` loads it."""

from __future__ import annotations

from safetensors.torch import save
from torch import nn

from faltung.datasets.dataset import Dataset
from faltung.learn.runs import RunFolder
from faltung.networks.description import FORMAT
from faltung.networks.stored import tensor_digest

__all__ = ["describe", "save_network"]


def save_network(run: RunFolder, stem: str, network: nn.Module, data: Dataset) -> None:
    """Write `stem`.safetensors with a network's weights, then `stem`.json with all that is needed to use them.

    Parameters
    ----------
    run : RunFolder
        The folder to write to.
    stem : str
        File name without ending.
    network : torch.nn.Module
        Its attribute `arguments` holds the keyword arguments of its constructor.
    data : Dataset
        Its training set; names of classes, dtype and shape of the samples, and how image files are read are saved
        with the network.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import DenseClassifier
    >>> network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(RunFolder(Path(folder)), "model", network, load_embedded().training)
    ...     json.loads((Path(folder) / "model.json").read_text())["samples"]
    {'dtype': 'uint8', 'shape': [1, 28, 28], 'pixels': None}
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    run.write_bytes(f"{stem}.safetensors", save(weights))
    samples = {"dtype": data.samples.dtype.name, "shape": list(data.sample_shape), "pixels": data.pixels}
    meaning = {"class_names": list(data.class_names), "samples": samples, "digest": tensor_digest(weights)}
    run.write_json(f"{stem}.json", {**describe(network), **meaning})


def describe(network: nn.Module) -> dict[str, object]:
    """Return the JSON-serialisable description from which a network's structure can be rebuilt.

    Examples
    --------
    >>> network = nn.Identity()
    >>> network.arguments = {}
    >>> describe(network)
    {'format': 3, 'class': 'Identity', 'arguments': {}}
    """
    return {"format": FORMAT, "class": type(network).__name__, "arguments": network.arguments}
