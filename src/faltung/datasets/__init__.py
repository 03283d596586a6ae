"""What is there to learn from? Data sets that are read from files, checked, and split into three parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.datasets.dataset import Dataset as Dataset
    from faltung.datasets.dataset import Split as Split
    from faltung.datasets.embedded import load_embedded as load_embedded
    from faltung.datasets.reading import load as load

_MODULE_OF = {
    "Dataset": "faltung.datasets.dataset",
    "Split": "faltung.datasets.dataset",
    "load": "faltung.datasets.reading",
    "load_embedded": "faltung.datasets.embedded",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF)
