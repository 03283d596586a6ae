"""Networks: small, readable torch modules.

Each is described by the name of its class and by its arguments, so that it can be rebuilt from a run folder without
running any code of the folder.

Examples
--------
>>> from faltung.networks import ConvClassifier
>>> ConvClassifier(sample_shape=(1, 28, 28), classes=10).arguments["classes"]
10
"""

from __future__ import annotations

from faltung.errors import MissingExtraError, lacks_learning

try:
    from faltung.networks.classifier import ConvClassifier
    from faltung.networks.dense_networks import DenseClassifier
    from faltung.networks.generator import ConvGenerator, DenseGenerator
    from faltung.networks.stored import NETWORKS, load
except ModuleNotFoundError as error:
    if not lacks_learning(error):
        raise
    raise MissingExtraError("faltung.networks", "learn") from error

__all__ = ["NETWORKS", "ConvClassifier", "ConvGenerator", "DenseClassifier", "DenseGenerator", "load"]
