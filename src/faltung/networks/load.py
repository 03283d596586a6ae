"""Which network does a run folder hold? Only those named here can be rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from torch import nn

from faltung.learn.saved import load_network
from faltung.networks.classifier import ConvClassifier
from faltung.networks.dense import DenseClassifier

__all__ = ["NETWORKS", "load"]

NETWORKS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {cls.__name__: cls for cls in (ConvClassifier, DenseClassifier)}
)
"""The classes that a run folder may name."""


def load(folder: str | Path, stem: str = "model") -> nn.Module:
    """Rebuild a trained network from a run folder, in evaluation mode.

    Parameters
    ----------
    folder : path
        The run folder.
    stem : str, optional
        Which of its networks: "model" for the one that was trained for, or the name of a yardstick, such as "dense".

    Raises
    ------
    ArgumentError
        If a file is missing or damaged, or the two do not belong together.

    Examples
    --------
    >>> import tempfile
    >>> from faltung.learn.runs import RunFolder
    >>> from faltung.learn.saved import save_network
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(RunFolder(Path(folder)), "model", ConvClassifier(classes=2), ("bag", "coat"))
    ...     type(load(folder)).__name__
    'ConvClassifier'
    """
    return load_network(Path(folder), stem, NETWORKS)
