"""Which arrays of an npz file are samples, and which are labels? Their usual names say it, also part by part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.dataset import PARTS
from faltung.datasets.file_names import part_of, words
from faltung.datasets.layout import sample_arrays
from faltung.datasets.splitting import RawPart
from faltung.errors import ArgumentError
from faltung.ground.given_arrays import ArrayArchive, open_archive

__all__ = ["read_npz"]

_SAMPLES = ("x", "images", "image", "samples", "series", "signals", "volumes", "data")
_LABELS = ("y", "labels", "label", "targets", "target")
_CLASS_NAMES = ("class_names", "label_names", "target_names", "classes")

_NAMES = "x and y (or images, samples, series, data; labels), also as x_train and y_train, x_val and y_val, ..."


def read_npz(path: Path, ndim: int | None, size: int | None) -> tuple[dict[str, RawPart], tuple[str, ...]]:
    """Read the parts of an npz file, and the names of its classes if it has them.

    Raises
    ------
    ArgumentError
        The file is damaged, or its arrays are not a data set.
    """
    with _opened(path) as file:
        sample_names, label_names = _names_by_part(file.names)
        class_names = [name for name in file.names if name.lower() in _CLASS_NAMES]
        arrays = {name: file[name] for name in (*sample_names.values(), *label_names.values(), *class_names)}
    samples = sample_arrays({name: arrays[name] for name in sample_names.values()}, ndim, size, differ=True)
    parts = {
        part: _part(name, samples[name], label_names[part], arrays[label_names[part]])
        for part in PARTS
        if (name := sample_names.get(part))
    }
    texts = [arrays[name].ravel() for name in class_names if arrays[name].dtype.kind == "U"]
    return parts, tuple(str(text) for names in texts for text in names)


def _part(name: str, samples: NDArray[Any], label_name: str, labels: NDArray[Any]) -> RawPart:
    labels = _as_labels(label_name, labels)
    if len(samples) != len(labels):
        received = f"{len(labels)} in '{label_name}' for {len(samples)} in '{name}'"
        raise data_error("one label for each sample", received, "Check that both arrays belong together.")
    return RawPart(samples, labels)


@contextmanager
def _opened(path: Path) -> Iterator[ArrayArchive]:
    expected = "a complete npz file of plain arrays"
    try:
        with open_archive(path) as file:
            yield file
    except ArgumentError:
        raise
    except (OSError, ValueError) as error:
        received, remedy = f"'{path.name}', which cannot be read ({error})", "Write it with numpy.savez."
        if "objects of Python" in str(error):
            received = f"an array of Python objects in '{path.name}'"
            remedy = "Save strings with dtype=str, and crop or pad series to one length."
        raise data_error(expected, received, remedy) from error
    except MemoryError as error:
        received = f"'{path.name}' ({error or 'the memory does not suffice'})"
        raise data_error(
            "arrays that fit into memory", received, "Save fewer samples, or a smaller dtype."
        ) from error


def _names_by_part(names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return for each part the name of the array of samples, and the name of the array of labels."""
    name_of: dict[tuple[str, str], str] = {}
    for name in names:
        key = _kind_and_part(name)
        if key is None:
            continue
        if key in name_of:
            kind, part = key
            received = f"'{name_of[key]}' and '{name}'"
            raise data_error(f"one array of {kind} for {part}", received, "Rename or remove one of them.")
        name_of[key] = name
    samples, labels = (
        {part: name for (kind, part), name in name_of.items() if kind == wanted} for wanted in ("samples", "labels")
    )
    if "training" not in samples or samples.keys() != labels.keys():
        received = f"the names {shortened([repr(name) for name in names])}" if names else "no array"
        raise data_error(f"arrays named {_NAMES}", received, "Save the arrays under such names.")
    return samples, labels


def _kind_and_part(name: str) -> tuple[str, str] | None:
    """Return whether an array of this name has samples or labels, and of which part; None for other arrays."""
    name_words = words(name)
    kinds = ["labels" if word in _LABELS else "samples" for word in name_words if word in _SAMPLES + _LABELS]
    parts = [part_of(word) for word in name_words if word not in _SAMPLES + _LABELS]
    if len(kinds) != 1 or len(parts) > 1:
        return None
    [part] = parts or ["training"]
    return None if part is None else (kinds[0], part)


def _as_labels(name: str, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        remedy = "Save one number or string for each sample; argmax(axis=1) converts one-hot rows."
        raise data_error("labels of shape (samples,)", f"shape {labels.shape} in '{name}'", remedy)
    if labels.dtype.kind not in "iubUS":
        remedy = "Convert them with astype(int)."
        raise data_error("labels that are integers or strings", f"dtype {labels.dtype} in '{name}'", remedy)
    return np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels
