"""Which layers does a network have, and what are their activations? Both are observed while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from faltung.layers import CONVOLUTIONS
from faltung.networks.evaluating import batches, evaluation

__all__ = ["NetworkLayer", "activations", "first_convolution", "layers_of"]

_Observer = Callable[[str, nn.Module, torch.Tensor, torch.Tensor], None]

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_OBSERVED = (*CONVOLUTIONS, *_TRANSPOSED, nn.Linear)


@dataclass(frozen=True)
class NetworkLayer:
    """A convolutional or linear layer, with the shapes of its input and output for one sample.

    Parameters
    ----------
    name : str
        Path of the layer in the network.
    title : str
        Its kind and size, for readers.
    convolutional : bool
        Whether it uses its weights at every position.
    weights : int
        Number of weights, without biases.
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
        """Weights of a dense layer instead: one for each pair of input and output."""
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
    layers: list[NetworkLayer] = []

    def note(name: str, module: nn.Module, given: torch.Tensor, output: torch.Tensor) -> None:
        weights = module.get_parameter("weight").numel()
        convolutional = not isinstance(module, nn.Linear)
        shapes = tuple(given.shape[1:]), tuple(output.shape[1:])
        layers.append(NetworkLayer(name, _title(module), convolutional, weights, *shapes))

    dtype = next((each.dtype for each in network.parameters() if each.is_floating_point()), torch.float32)
    with evaluation(network), _observing(network, note):
        network(*batches(network, torch.zeros(1, *sample_shape, dtype=dtype)))
    return tuple(layers)


def activations(
    network: nn.Module, samples: torch.Tensor, reduce: Callable[[torch.Tensor], torch.Tensor], batch_size: int = 100
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return logits for samples, and the activations of each convolutional and linear layer, reduced by a function.

    Parameters
    ----------
    network : torch.nn.Module
        Is run in evaluation mode.
    samples : tensor, shape (samples, channels, *spatial)
        Input of the network, on any device.
    reduce : callable
        Returns what is kept of the activation of a layer for one batch; the first axis stays. Channels are on the
        second axis, also those of linear layers that work on more axes.
    batch_size : int, optional
        Samples in a batch.

    Returns
    -------
    logits : tensor, shape (samples, classes)
    kept : list of tensor, shape (samples, ...)
        In the order in which the layers run.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5))
    >>> logits, kept = activations(network, torch.zeros(250, 1, 6), lambda activation: activation.flatten(1))
    >>> logits.shape, [activation.shape for activation in kept]
    (torch.Size([250, 5]), [torch.Size([250, 8]), torch.Size([250, 5])])
    """
    logits: list[torch.Tensor] = []
    kept: list[list[torch.Tensor]] = []

    def keep(name: str, module: nn.Module, given: torch.Tensor, output: torch.Tensor) -> None:
        whole = output.movedim(-1, 1) if isinstance(module, nn.Linear) and output.ndim > 2 else output
        kept[-1].append(reduce(whole).to(samples.device))

    with evaluation(network), _observing(network, keep):
        for batch in batches(network, samples, batch_size):
            kept.append([])
            logits.append(network(batch).to(samples.device))
    return torch.cat(logits), [torch.cat(parts) for parts in zip(*kept, strict=True)]


def first_convolution(network: nn.Module, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the kernels of the first convolutional layer and its feature maps for a sample, or None without one.

    Parameters
    ----------
    network : torch.nn.Module
        Is run once in evaluation mode.
    sample : tensor, shape (channels, *spatial)
        Input of the network.

    Returns
    -------
    kernels : tensor, shape (channels out, channels in, *spatial)
    feature_maps : tensor, shape (channels out, *spatial)

    Examples
    --------
    >>> kernels, feature_maps = first_convolution(nn.Sequential(nn.Conv1d(1, 2, 3)), torch.zeros(1, 6))
    >>> kernels.shape, feature_maps.shape
    (torch.Size([2, 1, 3]), torch.Size([2, 4]))
    """
    layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def note(name: str, module: nn.Module, given: torch.Tensor, output: torch.Tensor) -> None:
        if isinstance(module, CONVOLUTIONS):
            layers.append((module.weight.detach().cpu(), output[0].cpu()))

    with evaluation(network), _observing(network, note):
        network(*batches(network, sample[None]))
    return layers[0] if layers else None


@contextmanager
def _observing(network: nn.Module, observe: _Observer) -> Iterator[None]:
    """Call a function with the input and output of every convolutional and linear layer that runs."""

    def hook(name: str) -> Callable[..., None]:
        def observed(module: nn.Module, args: Any, kwargs: Any, output: torch.Tensor) -> None:
            observe(name, module, [*args, *kwargs.values()][0], output)

        return observed

    handles = [
        module.register_forward_hook(hook(name), with_kwargs=True)
        for name, module in network.named_modules()
        if isinstance(module, _OBSERVED)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _title(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return f"linear, {module.in_features} → {module.out_features}"
    assert isinstance(module, (*CONVOLUTIONS, *_TRANSPOSED))
    taps = "×".join(map(str, module.kernel_size)) if len(module.kernel_size) > 1 else f"{module.kernel_size[0]}-tap"
    stride = f", stride {'×'.join(map(str, module.stride))}" if max(module.stride) > 1 else ""
    if module.groups == module.in_channels == module.out_channels > 1:
        return f"{taps} depthwise convolution, {module.in_channels} channels{stride}"
    groups = f" in {module.groups} groups" if module.groups > 1 else ""
    kind = "transposed convolution" if module.transposed else "convolution"
    return f"{taps} {kind}, {module.in_channels} → {module.out_channels}{groups}{stride}"
