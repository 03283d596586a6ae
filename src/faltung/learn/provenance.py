"""Where do a run's numbers come from? Data, recipe, seed, threads, versions, machine."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import torch

from faltung import __version__
from faltung.datasets.dataset import Split
from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe

__all__ = ["provenance"]


def provenance(split: Split, recipe: Recipe, *, seed: int, hardware: Hardware) -> dict[str, object]:
    """Return everything that a repetition of the run needs, as JSON-serialisable values.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> facts = provenance(load_embedded(), Recipe(), seed=0, hardware=Hardware())
    >>> facts["seed"], facts["data"]["test_samples"]
    (0, 1000)
    """
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "recipe": asdict(recipe),
        "data": {
            "name": split.name,
            "split": split.source,
            "training_samples": len(split.training),
            "validation_samples": len(split.validation),
            "test_samples": len(split.test),
            "digest": split.digest,
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
            "device": _device_name(hardware),
            "threads": hardware.threads,
            "precision": hardware.precision,
            "processes": hardware.processes,
        },
    }


def _device_name(hardware: Hardware) -> str:
    if hardware.device.startswith("cuda"):
        return torch.cuda.get_device_name(hardware.device)
    return hardware.device
