"""How does noise become a sample? It follows a velocity field, the mean velocity of straight lines.

The line x(t) = (1 - t) x0 + t x1 joins noise x0 and a sample x1; the velocity along it is x1 - x0. Many lines cross
at a point x. A network that minimises the mean squared difference to their velocities learns their mean,
v(x, t) = E[x1 - x0 | x(t) = x]. Noise that follows dx/dt = v(x, t) from t = 0 to t = 1 has the distribution of the
samples at t = 1, because the flow through every point is that of the lines.

Some lines are given to the network without their class. So it learns the velocity for any class, u, beside the
velocity for one class, v. Guidance follows u + g (v - u): with g above 1 the samples are more typical of their class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Split
from faltung.errors import ArgumentError
from faltung.learn.augmentation import Augmentation
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.networks.batches import tensors
from faltung.networks.generator import VelocityField

__all__ = [
    "UNCHANGED",
    "FlowMatching",
    "Velocity",
    "follow",
    "generate",
    "guided",
    "noise",
    "one_step",
    "samples_of",
]

UNCHANGED = Augmentation(mirror=False, shift=0)
"""No random change of training samples: a generator would learn the changes."""

_PLAIN = Sampling()
_UNNAMED = 0.1  # share of the lines that the network gets without their class
_BLOCK = 250  # samples computed at a time


class FlowMatching:
    """The risk of a velocity field: its mean squared difference to the velocities of lines from noise to samples.

    R(v) = E (v(x(t), t, class) - (x1 - x0))^2, over training samples x1, noise x0 and times t from 0 to 1. It cannot
    become zero, because the lines through one point have different velocities.

    Parameters
    ----------
    split : Split
        Its training and validation sets are used.
    scale : callable
        Converts samples to the scale of the network, on which noise has mean 0 and deviation 1.
    augmentation : Augmentation, optional
        The random changes of training samples; generated samples will have the same changes.
    device : str, optional
        The torch device of the samples.

    References
    ----------
    Y. Lipman, R. T. Q. Chen, H. Ben-Hamu, M. Nickel, M. Le, "Flow Matching for Generative Modeling",
    arXiv:2210.02747, 2022. X. Liu, C. Gong, Q. Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data
    with Rectified Flow", arXiv:2209.03003, 2022.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks.generator import DenseGenerator
    >>> network = DenseGenerator(sample_shape=(1, 28, 28), classes=10, width=8)
    >>> objective = FlowMatching(load_embedded(), network.standardise)
    >>> risk, watched = objective.batch_risk(network, torch.arange(100), torch.Generator().manual_seed(0))
    >>> bool(risk > 1), watched, list(objective.validate(network))
    (True, {}, ['validation_risk'])
    """

    def __init__(
        self,
        split: Split,
        scale: Callable[[torch.Tensor], torch.Tensor],
        *,
        augmentation: Augmentation = UNCHANGED,
        device: str = "cpu",
    ) -> None:
        self._scale = scale
        self._augment = augmentation
        self._classes = len(split.class_names)
        self._training = [tensor.to(device) for tensor in tensors(split.training)]
        samples, labels = tensors(split.validation)
        # The same noise and times after every epoch, so that only the network changes the risk.
        generator = torch.Generator().manual_seed(0)
        starts, times = torch.randn(samples.shape, generator=generator), torch.rand(len(labels), generator=generator)
        self._validation = [tensor.to(device) for tensor in (starts, scale(samples), times, labels)]

    def __len__(self) -> int:
        return len(self._training[1])

    def batch_risk(
        self, network: nn.Module, chosen: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the mean loss for chosen training samples, each with new noise and a random time."""
        samples, labels = (tensor[chosen.to(tensor.device)] for tensor in self._training)
        ends = self._scale(self._augment(samples, generator))
        starts = torch.randn(ends.shape, generator=generator).to(ends.device)
        # Times at equal distances from a random first one: each is uniform, and every batch covers all times evenly.
        distances = torch.arange(len(ends)) / len(ends)
        times = ((torch.rand(1, generator=generator) + distances) % 1).to(ends.device)
        unnamed = (torch.rand(len(ends), generator=generator) < _UNNAMED).to(ends.device)
        return _risk(network, starts, ends, times, labels.masked_fill(unnamed, self._classes)), {}

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the risk on the validation set."""
        blocks = zip(*(torch.split(tensor, _BLOCK) for tensor in self._validation), strict=True)
        total = sum(len(block[0]) * _risk(network, *block).item() for block in blocks)
        return {"validation_risk": total / len(self._validation[0])}


def _risk(
    network: nn.Module, starts: torch.Tensor, ends: torch.Tensor, times: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    velocities = ends - starts
    points = starts + times.reshape(-1, *[1] * (starts.ndim - 1)) * velocities
    return nn.functional.mse_loss(network(points, times, labels).float(), velocities)


Velocity = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""A function v(points, times, labels) of tensors (samples, ...), (samples,), (samples,), of the shape of points."""


def guided(network: VelocityField, strength: float) -> Velocity:
    """Return the velocity u + g (v - u): v for one class, u for any class, g the strength.

    References
    ----------
    J. Ho, T. Salimans, "Classifier-Free Diffusion Guidance", arXiv:2207.12598, 2022.

    Examples
    --------
    >>> from faltung.networks.generator import DenseGenerator
    >>> network = DenseGenerator(sample_shape=(4,), classes=2, width=8)
    >>> velocity = guided(network, 2.0)
    >>> velocity(torch.zeros(1, 4), torch.zeros(1), torch.tensor([1])).shape
    torch.Size([1, 4])
    """
    if strength == 1:
        return network

    def velocity(points: torch.Tensor, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        both = torch.cat([labels, torch.full_like(labels, network.classes)])
        velocities = network(points.repeat(2, *[1] * (points.ndim - 1)), times.repeat(2), both)
        count = points.shape[0]
        named, unnamed = velocities[:count], velocities[count:]
        return unnamed + strength * (named - unnamed)  # type: ignore[no-any-return]

    return velocity


@torch.no_grad()
def follow(
    velocity: Velocity,
    points: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
) -> Iterator[torch.Tensor]:
    """Yield the positions of points that move with a velocity from time 0 to 1, at the start and after each step.

    Each step is x + h v(x + h/2 v(x, t), t + h/2), the midpoint rule. Its error falls with the square of h.

    Parameters
    ----------
    velocity : Velocity
        The velocity of all points.
    points : tensor, shape (samples, ...)
        Positions at time 0.
    labels : int64 tensor, shape (samples,)
        Class of each point.
    steps : int
        Number of steps, all of the same length.

    Examples
    --------
    The rule is exact for a velocity that is linear in time, dx/dt = 2 t:

    >>> start, label = torch.zeros(1, 1), torch.zeros(1, dtype=torch.long)
    >>> [point.item() for point in follow(lambda x, t, label: 2 * t[:, None], start, label, steps=2)]
    [0.0, 0.25, 1.0]
    """
    yield points
    for step in range(steps):
        times = torch.full((len(points),), step / steps, device=points.device)
        points = one_step(velocity, points, times, labels, 1 / steps)
        yield points


def one_step(
    velocity: Velocity, points: torch.Tensor, times: torch.Tensor, labels: torch.Tensor, length: float
) -> torch.Tensor:
    """Return the positions of points some time later, by the midpoint rule.

    Examples
    --------
    >>> one_step(lambda x, t, label: 2 * t[:, None], torch.zeros(1, 1), torch.zeros(1), torch.zeros(1), 0.5)
    tensor([[0.2500]])
    """
    ahead = points + length / 2 * velocity(points, times, labels)
    return points + length * velocity(ahead, times + length / 2, labels)


def noise(seed: int, indices: Iterable[int], shape: Sequence[int]) -> torch.Tensor:
    """Return the normal noise from which samples are generated; it depends on the seed and on their indices alone.

    Examples
    --------
    >>> several = noise(0, range(5), (1, 2, 2))
    >>> bool((several[3:] == noise(0, [3, 4], (1, 2, 2))).all())
    True
    """
    samples = [np.random.default_rng([seed, index]).standard_normal(shape, np.float32) for index in indices]
    return torch.from_numpy(np.stack(samples))


def generate(
    network: VelocityField,
    labels: NDArray[np.integer[Any]],
    sampling: Sampling = _PLAIN,
    *,
    dtype: str = "uint8",
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> NDArray[Any]:
    """Generate samples of given classes from noise.

    A sample depends on the seed, its index and its class alone, not on the number of samples.

    Parameters
    ----------
    network : VelocityField
        In evaluation mode.
    labels : integer array, shape (samples,)
        Class of each sample.
    sampling : Sampling, optional
        Seed, steps and guidance.
    dtype : {"uint8", "float32"}, optional
        As in training: uint8 for intensities, float32 for any values.
    track : callable, optional
        Iterates over the blocks of samples, to show progress.

    Returns
    -------
    array of dtype, shape (samples, channels, *spatial)

    Raises
    ------
    ArgumentError
        If a label is not a class of the network.

    Examples
    --------
    >>> from faltung.networks.generator import DenseGenerator
    >>> network = DenseGenerator(sample_shape=(1, 8, 8), classes=3, width=8)
    >>> samples = generate(network, np.array([0, 1, 2, 2]))
    >>> samples.shape, samples.dtype
    ((4, 1, 8, 8), dtype('uint8'))
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < network.classes:
        raise ArgumentError("labels", f"from 0 to {network.classes - 1}", f"{labels.min()} to {labels.max()}")
    device = next(network.parameters()).device
    velocity = guided(network, sampling.guidance)
    samples = [np.empty((0, *network.sample_shape), dtype)]
    for first in track(range(0, len(labels), _BLOCK)):
        block = torch.from_numpy(labels[first : first + _BLOCK].astype(np.int64)).to(device)
        start = noise(sampling.seed, range(first, first + len(block)), network.sample_shape).to(device)
        *_, end = follow(velocity, start, block, sampling.steps)
        if not end.isfinite().all():
            received = f"one whose samples from {first} on are not finite"
            raise ArgumentError("network", "one that moves noise to finite samples", received, "Train it again.")
        samples.append(samples_of(network, end, dtype))
    return np.concatenate(samples)


def samples_of(network: VelocityField, points: torch.Tensor, dtype: str) -> NDArray[Any]:
    """Return the samples that correspond to points on the scale of a network.

    Examples
    --------
    >>> from faltung.networks.generator import DenseGenerator
    >>> network = DenseGenerator(sample_shape=(3,), classes=1, width=8, mean=0.5, deviation=0.25)
    >>> samples_of(network, torch.tensor([[-3.0, 0.4, 3.0]]), "uint8")
    array([[  0, 153, 255]], dtype=uint8)
    """
    values = network.restore(points).cpu()
    if dtype == "uint8":
        values = (255 * values).round().clamp(0, 255).to(torch.uint8)
    return values.contiguous().numpy()
