"""What is there to learn from? Data sets that are read from files, checked, and split into three parts.

- `dataset`: the data set as a checked value, `Dataset`, and its three parts, `Split`.
- `embedded`: the data set that ships with faltung, `load_embedded`.
- `reading`: a data set of the user, `load`. It recognises the kind and calls its reader:
  `folders` and `csv_table` make a `listing` of image files, which `image_files` reads; `npz` and `idx` read arrays.
- `found`: which image files are used, and why others are not. `searching` looks for them, `pixels` reads each.

The readers share `layout` (which axes are samples, channels, spatial), `scaling` (the common size of images),
`file_names` (which names stand for the parts), `known` (the classes of well-known data sets), `splitting` (which
samples are held out) and `data_error` (how errors describe a data set).

The names below are loaded when they are first used. None needs torch.

Examples
--------
>>> import faltung as fa
>>> split = fa.datasets.load_embedded()
>>> split.name, len(split.training), split.training.sample_shape
('Fashion-MNIST subset', 4750, (1, 28, 28))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.datasets.dataset import Dataset as Dataset
    from faltung.datasets.dataset import Split as Split
    from faltung.datasets.embedded import load_embedded as load_embedded
    from faltung.datasets.found import Found as Found
    from faltung.datasets.reading import load as load

_MODULE_OF = {
    "Dataset": "faltung.datasets.dataset",
    "Found": "faltung.datasets.found",
    "Split": "faltung.datasets.dataset",
    "load": "faltung.datasets.reading",
    "load_embedded": "faltung.datasets.embedded",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF)
