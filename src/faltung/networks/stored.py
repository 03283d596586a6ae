"""Which networks does a run folder hold? Only the classes named here are rebuilt; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from faltung.errors import ArgumentError
from faltung.networks.classifier import ConvClassifier
from faltung.networks.dense_networks import DenseClassifier
from faltung.networks.generator import ConvGenerator, DenseGenerator

__all__ = ["CLASSIFIERS", "FORMAT", "GENERATORS", "NETWORKS", "Trained", "load", "load_trained"]

FORMAT = 2
"""Version of the description that is saved with the weights."""

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

    Examples
    --------
    >>> Trained(nn.Flatten(), ("bag", "coat"), "uint8", (1, 1, 2)).class_names
    ('bag', 'coat')
    """

    network: nn.Module
    class_names: tuple[str, ...]
    dtype: str
    sample_shape: tuple[int, ...]


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
    kind = str(description["class"])
    if kind not in classes:
        expected = f"a network of class {' or '.join(classes)}"
        raise ArgumentError("run", expected, f"{kind!r} in '{folder / stem}.json'", "Choose another run folder.")
    try:
        network = classes[kind](**description["arguments"])
        network.load_state_dict(load_file(folder / f"{stem}.safetensors"))
        samples = description["samples"]
        return Trained(network.eval(), tuple(description["class_names"]), samples["dtype"], tuple(samples["shape"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, stem, error) from error


def _check_present(folder: Path, stem: str) -> None:
    described, weighted = ({path.stem for path in folder.glob(f"*{suffix}")} for suffix in (".json", ".safetensors"))
    if stem in (stored := described & weighted):
        return
    if stored:
        raise ArgumentError("network", f"one that the run has: {', '.join(sorted(stored))}", repr(stem))
    missing = "does not exist" if not folder.exists() else "lacks them" if folder.is_dir() else "is a file"
    received = f"'{folder}', which {missing}"
    remedy = "Make one with: faltung learn"
    raise ArgumentError("run", f"a run folder with {stem}.json and {stem}.safetensors", received, remedy)


def _description(folder: Path, stem: str) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise ValueError(f"format {description['format']}, and this version of faltung reads {FORMAT}")
        return {key: description[key] for key in ("class", "arguments", "class_names", "samples")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, stem, error) from error


def _damaged(folder: Path, stem: str, error: Exception) -> ArgumentError:
    expected = f"a run folder with {stem}.json and {stem}.safetensors as faltung wrote them"
    return ArgumentError("run", expected, f"'{folder}' ({type(error).__name__}: {error})")
