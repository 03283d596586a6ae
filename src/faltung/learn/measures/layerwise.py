"""Which layers does a network have, and what does each of them answer? Found by running it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from faltung.layers import CONVOLUTIONS
from faltung.learn.risk import batches, evaluation

__all__ = ["NetworkLayer", "answers", "first_convolution", "layers_of"]

_Listener = Callable[[str, nn.Module, torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True)
class NetworkLayer:
    """A convolutional or linear layer, and the shapes of what it reads and answers for one sample.

    Parameters
    ----------
    name : str
        Where the layer sits in the network.
    title : str
        What it is, for people.
    convolutional : bool
        Whether it uses its weights at every place.
    weights : int
        How many it has, without biases.
    input_shape, output_shape : tuple of int
        Without the batch axis.

    Examples
    --------
    >>> NetworkLayer("0", "3×3 convolution, 1 → 2", True, 18, (1, 8, 8), (2, 8, 8)).dense_weights
    8192
    """

    name: str
    title: str
    convolutional: bool
    weights: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @property
    def dense_weights(self) -> int:
        """Weights of a dense layer in its place: one for each pair of input and output."""
        return math.prod(self.input_shape) * math.prod(self.output_shape)


def layers_of(network: nn.Module, sample_shape: tuple[int, ...]) -> tuple[NetworkLayer, ...]:
    """Return a network's convolutional and linear layers, in the order in which they run.

    Parameters
    ----------
    network : torch.nn.Module
        Is run once, on zeros, in evaluation mode.
    sample_shape : tuple of int
        Shape of one sample, without the batch axis.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(32, 5))
    >>> for layer in layers_of(network, (1, 4, 4)):
    ...     print(layer.name, layer.title, layer.output_shape, layer.weights, layer.dense_weights)
    0 3×3 convolution, 1 → 2 (2, 4, 4) 18 512
    2 linear, 32 → 5 (5,) 160 160
    """
    found: list[NetworkLayer] = []

    def note(name: str, module: nn.Module, given: torch.Tensor, answer: torch.Tensor) -> None:
        weights = module.get_parameter("weight").numel()
        convolutional = isinstance(module, CONVOLUTIONS)
        shapes = tuple(given.shape[1:]), tuple(answer.shape[1:])
        found.append(NetworkLayer(name, _title(module), convolutional, weights, *shapes))

    with evaluation(network), _listening(network, note):
        network(*batches(network, torch.zeros(1, *sample_shape)))
    return tuple(found)


def answers(
    network: nn.Module, samples: torch.Tensor, reduce: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return logits for samples, and what each convolutional and linear layer answers, reduced batch after batch.

    Parameters
    ----------
    network : torch.nn.Module
        Is run in evaluation mode.
    samples : tensor, shape (samples, channels, *spatial)
        What it reads, on any device.
    reduce : callable
        Makes of a layer's answers to a batch what is to be kept of them; the first axis stays.

    Returns
    -------
    logits : tensor, shape (samples, classes)
    kept : list of tensor, shape (samples, ...)
        In the order in which the layers run.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5))
    >>> logits, kept = answers(network, torch.zeros(250, 1, 6), lambda answer: answer.flatten(1))
    >>> logits.shape, [each.shape for each in kept]
    (torch.Size([250, 5]), [torch.Size([250, 8]), torch.Size([250, 5])])
    """
    logits: list[torch.Tensor] = []
    kept: list[list[torch.Tensor]] = []

    def keep(name: str, module: nn.Module, given: torch.Tensor, answer: torch.Tensor) -> None:
        kept[-1].append(reduce(answer).to(samples.device))

    with evaluation(network), _listening(network, keep):
        for batch in batches(network, samples):
            kept.append([])
            logits.append(network(batch).to(samples.device))
    return torch.cat(logits), [torch.cat(parts) for parts in zip(*kept, strict=True)]


def first_convolution(network: nn.Module, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the kernels of the first convolutional layer and its answer to a sample, or None if there is none.

    Parameters
    ----------
    network : torch.nn.Module
        Is run once in evaluation mode.
    sample : tensor, shape (channels, *spatial)
        What it reads.

    Returns
    -------
    kernels : tensor, shape (channels out, channels in, *spatial)
    answer : tensor, shape (channels out, *spatial)

    Examples
    --------
    >>> kernels, answer = first_convolution(nn.Sequential(nn.Conv1d(1, 2, 3)), torch.zeros(1, 6))
    >>> kernels.shape, answer.shape
    (torch.Size([2, 1, 3]), torch.Size([2, 4]))
    """
    found: list[tuple[torch.Tensor, torch.Tensor]] = []

    def note(name: str, module: nn.Module, given: torch.Tensor, answer: torch.Tensor) -> None:
        if isinstance(module, CONVOLUTIONS):
            found.append((module.weight.detach().cpu(), answer[0].cpu()))

    with evaluation(network), _listening(network, note):
        network(*batches(network, sample[None]))
    return found[0] if found else None


@contextmanager
def _listening(network: nn.Module, hear: _Listener) -> Iterator[None]:
    """Have every convolutional and linear layer say what it read and answered."""

    def hook(name: str) -> Callable[[nn.Module, tuple[torch.Tensor], torch.Tensor], None]:
        return lambda module, given, answer: hear(name, module, given[0], answer)

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in network.named_modules()
        if isinstance(module, CONVOLUTIONS) or isinstance(module, nn.Linear)  # noqa: SIM101  # for the type checker
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _title(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return f"linear, {module.in_features} → {module.out_features}"
    assert isinstance(module, CONVOLUTIONS)
    taps = "×".join(map(str, module.kernel_size)) if len(module.kernel_size) > 1 else f"{module.kernel_size[0]}-tap"
    stride = f", stride {'×'.join(map(str, module.stride))}" if max(module.stride) > 1 else ""
    if module.groups == module.in_channels == module.out_channels > 1:
        return f"{taps} depthwise convolution, {module.in_channels} channels{stride}"
    groups = f" in {module.groups} groups" if module.groups > 1 else ""
    return f"{taps} convolution, {module.in_channels} → {module.out_channels}{groups}{stride}"
