"""Where do a run's numbers come from? Data, recipe, seed, threads, versions, machine."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import torch

from faltung import __version__
from faltung.learn.datasets import Split, digest
from faltung.learn.training import Recipe

__all__ = ["provenance"]


def provenance(split: Split, recipe: Recipe, *, seed: int, threads: int) -> dict[str, object]:
    """Return as JSON-serialisable values what a run needs to be made again.

    Examples
    --------
    >>> from faltung.learn.datasets import load_embedded
    >>> facts = provenance(load_embedded(), Recipe(), seed=0, threads=2)
    >>> facts["seed"], facts["data"]["test_images"]
    (0, 1000)
    """
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "threads": threads,
        "recipe": asdict(recipe),
        "data": {
            "name": split.name,
            "training_images": len(split.training),
            "validation_images": len(split.validation),
            "test_images": len(split.test),
            "digest": _digest(split),
        },
        "versions": {
            "faltung": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "vector_instructions": torch.backends.cpu.get_cpu_capability(),
            "processors": os.cpu_count(),
        },
    }


def _digest(split: Split) -> str:
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    images = {f"{name}_images": part.images for name, part in parts.items()}
    labels = {f"{name}_labels": part.labels for name, part in parts.items()}
    return digest({**images, **labels})
