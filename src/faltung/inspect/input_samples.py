"""How is a network run on many samples, if it has further arguments? Those of the example stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.inspect.examples import Example, tensors_in

__all__ = ["InputSamples", "OfInput", "samples_for"]

#: Samples that run at once.
_BATCH = 32


class OfInput(nn.Module):
    """A network as a function of one tensor: its other arguments are those of an example.

    Of an argument with as many entries along its first axis as the input has samples, the first one is repeated.

    Parameters
    ----------
    network : torch.nn.Module
        The network; a module of it is called ``network.`` and its name here.
    example : Example
        All arguments.
    name : str
        Name of the tensor.

    Examples
    --------
    >>> class Sum(nn.Module):
    ...     def forward(self, x, weight):
    ...         return x.sum(1) * weight
    >>> OfInput(Sum(), Example((torch.ones(1, 4), torch.tensor([2.0]))), "input 1")(torch.ones(3, 4))
    tensor([8., 8., 8.])
    """

    def __init__(self, network: nn.Module, example: Example, name: str) -> None:
        super().__init__()
        self.training = network.training  # whoever puts it back into its mode does so for the network, too
        self.network = network
        self._example, self._name = example, name

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the first tensor that the network returns."""
        given = self._example.copied()
        count = len(given.tensors[self._name])
        tensors = {
            name: tensor[:1].expand(len(samples), *tensor.shape[1:]).clone()
            for name, tensor in given.tensors.items()
            if tensor.ndim and len(tensor) == count
        }
        # The network may write to its input, which belongs to the caller, or is a leaf of a graph.
        output = given.replaced({**tensors, self._name: samples.clone()}).called(self.network)
        return next(iter(tensors_in(output)))

    @property
    def batch_size(self) -> int:
        """How many samples may run at once: one, if the network takes no other number."""
        given = self._example.tensors[self._name]
        with torch.no_grad():
            try:
                self.forward(given[:1].expand(2, *given.shape[1:]))
            except Exception:  # an assertion of an exported network, for one
                return 1
        return _BATCH


@dataclass(frozen=True, eq=False)
class InputSamples:
    """Samples for one input of a network.

    Parameters
    ----------
    network : OfInput
        The network as a function of this input.
    values : tensor, shape (samples, ...)
        In dtype and on the device of the example.
    labels : int64 tensor, shape (samples,), or None
        The class of each sample.
    given : bool
        Whether they were given as data; otherwise they are the examples.

    Examples
    --------
    See `samples_for`.
    """

    network: OfInput
    values: torch.Tensor
    labels: torch.Tensor | None
    given: bool

    def __len__(self) -> int:
        return len(self.values)

    def first(self, most: int) -> InputSamples:
        """Return at most so many samples, drawn at random if there are more; the same ones every time."""
        if len(self) <= most:
            return self
        chosen = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))[:most].sort().values
        values = self.values[chosen.to(self.values.device)]
        labels = None if self.labels is None else self.labels[chosen]
        return InputSamples(self.network, values, labels, self.given)

    @property
    def means(self) -> torch.Tensor:
        """The mean of each channel, in the shape of one sample."""
        whole = self.values.double()
        axes = [axis for axis in range(whole.ndim) if axis != 1 or whole.ndim == 2]
        mean = whole.mean(axes, keepdim=True) if whole.ndim > 2 else whole.mean()
        return mean.to(self.values).expand(1, *self.values.shape[1:])[0].clone()


def samples_for(
    network: nn.Module, examples: Sequence[Example], name: str, data: Any = None, labels: Any = None
) -> InputSamples | None:
    """Return data and labels as tensors for an input, or without data the examples.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    examples : sequence of Example
        Its examples; the first one has the other arguments.
    name : str
        Name of the input.
    data : tensor or array, shape (samples, ...), optional
        Samples like those of the first example.
    labels : tensor, array or sequence of int, optional
        The class of each sample, counted from zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        They do not fit to the example, or to each other.

    Examples
    --------
    >>> example = Example((torch.zeros(1, 2, 8),))
    >>> len(samples_for(nn.Flatten(), [example], "input", torch.zeros(5, 2, 8)))
    5
    >>> samples_for(nn.Flatten(), [example], "input", torch.zeros(5, 8))
    Traceback (most recent call last):
    faltung.errors.ArgumentError: data: expected samples like the example, shape (samples, 2, 8), got shape (5, 8).
    """
    like = examples[0].tensors[name]
    if data is not None:
        network_of_input = OfInput(network, examples[0], name)
        values = _as_samples(data, like)
        return InputSamples(
            network_of_input, values, None if labels is None else _as_labels(labels, len(values)), True
        )
    if labels is not None:
        raise ArgumentError("labels", "labels beside data=", "labels alone", "Pass the samples as data=.")
    given = [example.tensors.get(name) for example in examples]
    alike = [each for each in given if each is not None and each.ndim and each.shape[1:] == like.shape[1:]]
    if not alike or not like.is_floating_point():
        return None
    values = torch.cat([tensor.to(like) for tensor in alike]).detach()
    return InputSamples(OfInput(network, examples[0], name), values, None, False)


def _as_samples(data: Any, like: torch.Tensor) -> torch.Tensor:
    if not like.is_floating_point():
        raise ArgumentError("data", "none for a network whose inputs are no floating-point numbers", "samples")
    values = _as_tensor("data", data)
    if values.shape[1:] != like.shape[1:] or values.ndim != like.ndim or not len(values):
        shape = "(samples, " + ", ".join(map(str, like.shape[1:])) + ")"
        raise ArgumentError("data", f"samples like the example, shape {shape}", f"shape {tuple(values.shape)}")
    if not values.is_floating_point():
        remedy = "Convert them as the network expects them, for example x.float() / 255."
        expected = "floating-point numbers, as the network takes them"
        raise ArgumentTypeError("data", expected, str(values.dtype), remedy)
    return values.detach().to(like)


def _as_labels(labels: Any, count: int) -> torch.Tensor:
    classes = _as_tensor("labels", labels)
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise ArgumentTypeError("labels", "integers, one for each sample", str(classes.dtype))
    if classes.shape != (count,):
        raise ArgumentError("labels", f"{count} integers, one for each sample", f"shape {tuple(classes.shape)}")
    if int(classes.min()) < 0:
        raise ArgumentError("labels", "classes counted from zero", str(int(classes.min())))
    return classes.detach().long().cpu()


def _as_tensor(argument: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, np.ndarray | list | tuple):
        array: NDArray[Any] = np.asarray(value)
        if array.dtype.kind in "fiu":
            return torch.from_numpy(np.ascontiguousarray(array))
    raise ArgumentTypeError(argument, "a tensor or an array", type(value).__name__)
