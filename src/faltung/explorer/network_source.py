"""Where do a network and its samples come from? From a caller, a run folder, or this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import faltung
from faltung.datasets.embedded import load_embedded
from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.inspect.examples import Example, as_example
from faltung.inspect.guarded import check_network
from faltung.inspect.network_files import load_network
from faltung.learn.run_samples import run_samples
from faltung.networks.batches import tensors
from faltung.networks.stored import CLASSIFIERS, is_unfinished, load_trained

__all__ = ["NetworkSource", "built_in_source", "given_source", "run_source"]

_SAMPLES = 200
_BUILT_IN = "fashion_mnist_judge"


@dataclass(frozen=True, eq=False)
class NetworkSource:
    r"""A network and what it can be run on.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    example : Example
        The arguments of one call.
    name : str
        Name of the argument that is looked at, and that samples take the place of.
    samples : tensor, shape (samples, ...)
        Inputs to choose from.
    title : str
        What the page calls it.
    classes : tuple of str
        Names of the classes; empty if they are not known.
    labels : tuple of int or None
        The class of each sample.
    limits : (float, float)
        What black and white of an image become.
    note : str
        What else the reader has to know.
    """

    network: nn.Module
    example: Example
    name: str
    samples: torch.Tensor
    title: str
    classes: tuple[str, ...] = ()
    labels: tuple[int, ...] | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    note: str = ""

    def of(self, values: torch.Tensor) -> Example:
        """Return the arguments of a call with one sample as the input."""
        given = self.example.tensors
        count = len(given[self.name]) if given[self.name].ndim else 0
        alike = {name: tensor[:1] for name, tensor in given.items() if tensor.ndim and len(tensor) == count}
        return self.example.replaced({**alike, self.name: values[None].to(given[self.name])})

    @property
    def takes_images(self) -> bool:
        """Whether the input is an image: one or three channels, rows and columns."""
        shape = self.samples.shape
        return self.samples.is_floating_point() and len(shape) == 4 and shape[1] in (1, 3) and min(shape[2:]) >= 4

    def from_pixels(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Return an image as an input; what it is scaled to is that of the samples."""
        low, high = self.limits
        return low + (high - low) * torch.from_numpy(pixels.astype(np.float32) / 255)


def given_source(network: Any, example: Any, classes: Sequence[str] | None = None) -> NetworkSource:
    """Return the source for a network and an example of its input, with a batch axis; each entry is a sample.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It is no network, or no example.

    Examples
    --------
    >>> len(given_source(nn.Conv2d(1, 2, 3), torch.zeros(4, 1, 8, 8)).samples)
    4
    """
    network = check_network(network)
    names = _class_names(classes)
    for part, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_complex():
            raise ArgumentError("model", "a network of real numbers", f"complex ones in {part!r}")
    if example is None:
        expected = "an example of the network's input, with its batch axis"
        raise ArgumentError("beside", expected, "none", "Call explore(network, torch.rand(1, 3, 64, 64)).")
    given = as_example(torch.from_numpy(example) if isinstance(example, np.ndarray) else example, "beside")
    for part, tensor in given.tensors.items():
        if tensor.is_complex():
            raise ArgumentError(
                "beside", "real numbers", f"complex ones in {part!r}", "Pass real and imaginary parts."
            )
    floats = [name for name, tensor in given.tensors.items() if tensor.is_floating_point()]
    name = (floats or [*given.tensors])[0]
    samples = given.tensors[name].detach()
    if samples.ndim < 2 or not len(samples):
        expected = "an example with a batch axis, such as (1, channels, height, width)"
        raise ArgumentError("beside", expected, f"shape {tuple(samples.shape)}", "Add the axis with x[None].")
    finite = samples[samples.isfinite()].double() if samples.is_floating_point() else samples.double()
    limits = (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 1.0)
    title = type(network).__name__
    return NetworkSource(network, given, name, samples[:_SAMPLES], title, names, limits=limits)


def _class_names(classes: object) -> tuple[str, ...]:
    if classes is None:
        return ()
    listed = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str | bytes)
    if not listed or not all(isinstance(name, str) for name in classes):  # type: ignore[attr-defined]
        remedy = 'Pass a list of names, such as ["cat", "dog"].'
        raise ArgumentTypeError("classes", "a sequence of names", f"{classes!r:.60}", remedy)
    return tuple(map(str, classes))  # type: ignore[call-overload]


def run_source(folder: str | Path, stem: str = "model") -> NetworkSource:
    """Return the source for a network that `faltung learn` trained, with test samples of the run.

    Raises
    ------
    ArgumentError
        There is no such network.
    """
    folder = Path(folder)
    held = sorted(path.stem for path in folder.glob("*.safetensors") if path.with_suffix(".json").exists())
    if held and stem not in held and not is_unfinished(folder):
        remedy = f"Look at one with: fa.explore(faltung.networks.load({str(folder)!r}, {held[0]!r}), example)"
        raise ArgumentError(
            "run", f"a run folder with {stem}.safetensors", f"one with {', '.join(held)} alone", remedy
        )
    trained = load_trained(folder, stem)
    note, known = "", None
    try:
        known = run_samples(folder, trained.network)
    except FaltungError as error:
        note = f"Random numbers take the place of the samples of this run. {error}"
    names = tuple(trained.class_names)
    if known is None:
        _, example = load_network(str(folder), None, stem)
        assert example is not None
        note = note or "Random numbers take the place of samples: the folder does not say where its data are."
        samples, labels = next(iter(example.tensors.values())), None
    else:
        example, samples = known.examples[0], known.data[:_SAMPLES]
        labels = None if known.labels is None else tuple(known.labels[:_SAMPLES].tolist())
    generates = type(trained.network).__name__ not in CLASSIFIERS
    name = next(iter(example.tensors))
    limits = (float(samples.min()), float(samples.max())) if trained.dtype != "uint8" or generates else (0.0, 1.0)
    classes = () if generates else names
    if generates:
        note = (note + " The input is halfway from noise to an image; the output is the velocity there.").strip()
    return NetworkSource(trained.network, example, name, samples, folder.name, classes, labels, limits, note)


def built_in_source() -> NetworkSource:
    """Return the source for the classifier that is part of this package.

    Examples
    --------
    >>> built_in_source().classes[0]
    'T-shirt/top'
    """
    trained = load_trained(Path(faltung.__file__).parent / "data", _BUILT_IN, CLASSIFIERS)
    samples, labels = tensors(load_embedded().test.subset(np.arange(_SAMPLES)))
    title = "A small classifier of clothes, trained on Fashion-MNIST"
    note = (
        "This network is part of faltung. Look at your own with `fa.explore(network, example)`, or train one with "
        "`faltung learn` and open it with `faltung explore RUN`."
    )
    example = Example((samples[:1],))
    names = tuple(trained.class_names)
    return NetworkSource(trained.network, example, "input", samples, title, names, tuple(labels.tolist()), note=note)
