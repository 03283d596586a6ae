"""What does an npz file hold? Samples and labels by their usual names, whole or part by part."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import PARTS
from faltung.datasets.file_names import part_of, words
from faltung.datasets.layout import arranged
from faltung.datasets.refusal import refusal, shortened
from faltung.datasets.splitting import Part
from faltung.errors import ArgumentError

__all__ = ["read_npz"]

_SAMPLES = ("x", "images", "image", "samples", "series", "signals", "volumes", "data")
_LABELS = ("y", "labels", "label", "targets", "target")
_CLASS_NAMES = ("class_names", "label_names", "target_names", "classes")

_NAMES = "x and y (or images, samples, series, data; labels), also as x_train and y_train, x_val and y_val, ..."


def read_npz(path: Path, ndim: int | None, size: int | None) -> tuple[dict[str, Part], tuple[str, ...]]:
    """Read the parts of an npz file, and the names of its classes if it has them.

    Raises
    ------
    ArgumentError
        If the file is damaged, or its arrays are not what can be learned from.
    """
    with _opened(path) as file:
        samples, labels = _names(file.files)
        named = [name for name in file.files if name.lower() in _CLASS_NAMES]
        read = {name: file[name] for name in (*samples.values(), *labels.values(), *named)}
    arrays = arranged({name: read[name] for name in samples.values()}, ndim, size)
    classes = {name: _labels(name, read[name]) for name in labels.values()}
    for part, name in samples.items():
        if len(arrays[name]) != len(classes[labels[part]]):
            received = f"{len(classes[labels[part]])} in '{labels[part]}' for {len(arrays[name])} in '{name}'"
            raise refusal("one label for each sample", received, "Check that both arrays belong together.")
    parts = {part: Part(arrays[samples[part]], classes[labels[part]]) for part in PARTS if part in samples}
    return parts, tuple(str(text) for name in named if read[name].dtype.kind == "U" for text in read[name].ravel())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    expected = "a whole npz file of plain arrays"
    if not zipfile.is_zipfile(path):
        raise refusal(expected, f"other or damaged contents in '{path.name}'", "Write it with numpy.savez.")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            yield file
    except ArgumentError:
        raise
    except Exception as error:  # what is raised for damaged files is as varied as the damage
        if "allow_pickle" in str(error):
            remedy = "Save strings with dtype=str, and bring series of different lengths to one length."
            raise refusal(expected, f"an array of Python objects in '{path.name}'", remedy) from error
        received = f"'{path.name}', which cannot be read ({error})"
        raise refusal(expected, received, "Write it with numpy.savez.") from error


def _names(names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Find the array of samples and that of labels for each part."""
    found: dict[tuple[str, str], str] = {}
    for name in names:
        kinds = ["labels" if word in _LABELS else "samples" for word in words(name) if word in _SAMPLES + _LABELS]
        others = [part_of(word) for word in words(name) if word not in _SAMPLES + _LABELS]
        if len(kinds) != 1 or others not in ([], ["training"], ["validation"], ["test"]):
            continue
        key = (kinds[0], others[0] if others and others[0] else "training")
        if key in found:
            expected = f"one array of {key[0]} for {key[1]}"
            raise refusal(expected, f"'{found[key]}' and '{name}'", "Rename or remove one of them.")
        found[key] = name
    samples = {part: name for (kind, part), name in found.items() if kind == "samples"}
    labels = {part: name for (kind, part), name in found.items() if kind == "labels"}
    if "training" not in samples or samples.keys() != labels.keys():
        received = f"the names {shortened([repr(name) for name in names])}" if names else "no array"
        raise refusal(f"arrays named {_NAMES}", received, "Save the arrays under such names.")
    return samples, labels


def _labels(name: str, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        remedy = "Give one number or string a sample; argmax(axis=1) makes numbers of one-hot rows."
        raise refusal("labels of shape (samples,)", f"shape {labels.shape} in '{name}'", remedy)
    if labels.dtype.kind not in "iubUS":
        remedy = "Convert them with astype(int)."
        raise refusal("labels that are integers or strings", f"dtype {labels.dtype} in '{name}'", remedy)
    return np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels
