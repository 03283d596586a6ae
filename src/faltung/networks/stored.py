"""Which networks does a run folder hold? Only the classes named here are rebuilt; nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from faltung.errors import ArgumentError
from faltung.ground.given_files import check_regular
from faltung.networks.classifier import ConvClassifier
from faltung.networks.dense_networks import DenseClassifier
from faltung.networks.description import described_network, read_description
from faltung.networks.generator import ConvGenerator, DenseGenerator

__all__ = [
    "CLASSIFIERS",
    "GENERATORS",
    "NETWORKS",
    "Trained",
    "is_unfinished",
    "load",
    "load_trained",
    "tensor_digest",
]

CLASSIFIERS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {cls.__name__: cls for cls in (ConvClassifier, DenseClassifier)}
)
"""The classes of networks that map samples to one logit for each class."""

GENERATORS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {cls.__name__: cls for cls in (ConvGenerator, DenseGenerator)}
)
"""The classes of networks that generate samples of a class from noise."""

NETWORKS: Mapping[str, type[nn.Module]] = MappingProxyType({**CLASSIFIERS, **GENERATORS})
"""The classes that a run folder may name."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network, and the meaning of its input and output.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    class_names : tuple of str
        Name of each class.
    dtype : {"uint8", "float32"}
        Of its training samples. The input for uint8 intensities is float32 from 0 to 1.
    sample_shape : tuple of int
        Shape of one sample: (channels, *spatial).
    pixels : {"8 bits", "16 bits", "floats"}, optional
        The kind of pixels of the image files that it learned from; None for other samples.

    Examples
    --------
    >>> Trained(nn.Flatten(), ("bag", "coat"), "uint8", (1, 1, 2)).class_names
    ('bag', 'coat')
    """

    network: nn.Module
    class_names: tuple[str, ...]
    dtype: str
    sample_shape: tuple[int, ...]
    pixels: str | None = None


def load(folder: str | Path, stem: str = "model") -> nn.Module:
    """Rebuild a trained network from a run folder, in evaluation mode.

    Parameters
    ----------
    folder : path
        The run folder.
    stem : str, optional
        File name of the network: "model", or the name of a yardstick, such as "dense".

    Raises
    ------
    ArgumentError
        If there is no such network, or its files are damaged or do not belong together.

    Examples
    --------
    >>> import tempfile
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.runs import RunFolder
    >>> from faltung.learn.saved import save_network
    >>> network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(RunFolder(Path(folder)), "model", network, load_embedded().training)
    ...     type(load(folder)).__name__
    'DenseClassifier'
    """
    return load_trained(folder, stem).network


def load_trained(
    folder: str | Path, stem: str = "model", classes: Mapping[str, type[nn.Module]] = NETWORKS
) -> Trained:
    """Rebuild a trained network from a run folder, with the meaning of its input and output.

    Parameters
    ----------
    folder, stem
        As for `load`.
    classes : mapping of str to class, optional
        The classes that are accepted.

    Raises
    ------
    ArgumentError
        If there is no such network, it is of another class, or its files are damaged or do not belong together.

    Examples
    --------
    >>> load_trained("no/such/folder")
    Traceback (most recent call last):
    faltung.errors.ArgumentError: run: expected a run folder with model.json and model.safetensors, ...
    """
    folder = Path(folder)
    _check_present(folder, stem)
    description = _description(folder, stem)
    kind = description["class"]
    if kind not in classes:
        received = f"{_noun(kind) or repr(kind)} in '{folder / stem}.json'"
        expected = " or ".join(dict.fromkeys(map(_noun, classes)))
        raise ArgumentError("run", expected, received, "Choose another run folder.")
    try:
        check_regular(folder / f"{stem}.safetensors")
        weights = load_file(folder / f"{stem}.safetensors")
        if description.get("digest", digest := tensor_digest(weights)) != digest:
            raise ValueError("the weights are not those that were written")
        network = described_network(classes[kind], description["arguments"], weights)
        if kind in GENERATORS and len(description["class_names"]) != description["arguments"]["classes"]:
            raise ValueError("it has names of another number of classes")
    except (OSError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError, SafetensorError) as error:
        raise _damaged(folder, stem, error) from error
    samples, names = description["samples"], tuple(description["class_names"])
    return Trained(network.eval(), names, samples["dtype"], tuple(samples["shape"]), samples.get("pixels"))


def _noun(kind: str) -> str:
    """Return what networks of a class are called; nothing for a class that cannot be stored."""
    if kind in CLASSIFIERS:
        return "a classifier"
    return "a generator" if kind in GENERATORS else ""


def _check_present(folder: Path, stem: str) -> None:
    described, weighted = ({path.stem for path in folder.glob(f"*{suffix}")} for suffix in (".json", ".safetensors"))
    if stem in (stored := described & weighted):
        return
    if stored:
        raise ArgumentError("network", f"one that the run has: {', '.join(sorted(stored))}", repr(stem))
    missing = "does not exist" if not folder.exists() else "lacks them" if folder.is_dir() else "is a file"
    remedy = "Make one with: faltung learn"
    if is_unfinished(folder):
        missing, remedy = "is not finished", f"Continue it with: faltung learn --resume {folder}"
    received = f"'{folder}', which {missing}"
    raise ArgumentError("run", f"a run folder with {stem}.json and {stem}.safetensors", received, remedy)


def is_unfinished(folder: Path) -> bool:
    """Whether a run in this folder was begun and has not ended.

    Examples
    --------
    >>> is_unfinished(Path("no/such/folder"))
    False
    """
    return (folder / "run.json").exists() and not (folder / "metrics.json").exists()


def _description(folder: Path, stem: str) -> dict[str, Any]:
    try:
        return read_description(folder / f"{stem}.json")
    except (OSError, ValueError, MemoryError) as error:
        raise _damaged(folder, stem, error) from error


def _damaged(folder: Path, stem: str, error: Exception) -> ArgumentError:
    expected = f"a run folder with {stem}.json and {stem}.safetensors as faltung wrote them"
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    remedy = "Copy the folder again, or train the network again with: faltung learn"
    return ArgumentError("run", expected, f"'{folder}' ({reason})", remedy)


def tensor_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and values of tensors: it tells whether any bit has changed.

    Examples
    --------
    >>> tensor_digest({"bias": torch.zeros(2)}) == tensor_digest({"bias": -torch.zeros(2)})
    False
    """
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
