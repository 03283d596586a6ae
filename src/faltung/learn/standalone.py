"""What does an exported file compute? All that faltung does: from pixels to logits, a step from noise to samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from faltung.datasets.pixels import EIGHT_BITS, SIXTEEN_BITS, PixelFormat
from faltung.learn.inputs import image_format
from faltung.learn.tasks.generation.flow import guided, one_step
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.networks.generator import VelocityField
from faltung.networks.standardise import Standardise
from faltung.networks.stored import Trained

__all__ = ["FromNoise", "FromPixels", "FromSamples", "Standalone", "standalone"]

_INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}
_A = -0.5  # of Keys' bicubic filter, as Pillow uses it
_WHITE = {EIGHT_BITS: 255.0, SIXTEEN_BITS: 65535.0}
_VALUES = {
    EIGHT_BITS: "uint8 from 0 to 255",
    SIXTEEN_BITS: "float32 from 0 to 65535; multiply 8 bits by 257",
    "floats": "float32 as in training",
}


class FromPixels(nn.Module):
    """A network of images behind all that `faltung predict` does with the pixels of a file.

    Parameters
    ----------
    network : torch.nn.Module
        Maps samples to logits.
    form : PixelFormat
        Of the samples.

    References
    ----------
    R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on Acoustics,
    Speech, and Signal Processing 29, 1981.

    Examples
    --------
    >>> network = FromPixels(nn.Flatten(), PixelFormat(2, 2, False, "8 bits"))
    >>> network(torch.full((1, 4, 6, 1), 255, dtype=torch.uint8))
    tensor([[1., 1., 1., 1.]])
    """

    def __init__(self, network: nn.Module, form: PixelFormat) -> None:
        super().__init__()
        self.network = network
        self.form = form

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pixels (samples, height, width, channels) of images of any one size to logits (samples, classes)."""
        images = pixels.movedim(-1, 1).to(torch.float32)
        rows, columns = (torch.arange(length, dtype=torch.float64) for length in images.shape[2:])
        # The image just covers the frame; of its longer side, the centre is kept.
        scale = torch.minimum((rows[-1] + 1) / self.form.height, (columns[-1] + 1) / self.form.width)
        across, down = _weights(columns, self.form.width, scale), _weights(rows, self.form.height, scale)
        samples = self._whole(down @ self._whole(images @ across.T, EIGHT_BITS), self.form.pixels)
        logits: torch.Tensor = self.network(samples / 255.0 if self.form.pixels == EIGHT_BITS else samples)
        return logits

    def _whole(self, values: torch.Tensor, pixels: str) -> torch.Tensor:
        """Return values as whole numbers, as an image of so many bits holds them."""
        if pixels != self.form.pixels or pixels not in _WHITE:
            return values
        return (values + 0.5).floor().clamp(0.0, _WHITE[pixels])


def _weights(positions: torch.Tensor, count: int, scale: torch.Tensor) -> torch.Tensor:
    """Return the weights (count, positions) with which pixels are added up to `count` larger or smaller ones."""
    start = (positions[-1] + 1 - scale * count) / 2
    centres = start + (torch.arange(count, dtype=torch.float64) + 0.5) * scale
    # The filter is made wider where pixels become larger, so that nothing aliases.
    x = ((positions - centres[:, None] + 0.5) / scale.clamp(min=1.0)).abs()
    near, far = ((_A + 2) * x - (_A + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * _A
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    return (weights / weights.sum(dim=1, keepdim=True)).to(torch.float32)


class FromSamples(nn.Module):
    """A network of series, volumes or other arrays, which take no preparation but their unit.

    Parameters
    ----------
    network : torch.nn.Module
        Maps samples to logits.

    Examples
    --------
    >>> FromSamples(nn.Flatten())(torch.full((1, 1, 2), 255, dtype=torch.uint8))
    tensor([[1., 1.]])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Map samples (samples, channels, *spatial) to logits (samples, classes)."""
        logits: torch.Tensor = self.network(samples / 255.0 if samples.dtype == torch.uint8 else samples)
        return logits


class FromNoise(nn.Module):
    """A generator that moves points one step from noise to samples.

    Parameters
    ----------
    network : VelocityField
        The generator.
    sampling : Sampling
        Steps and guidance.
    dtype : {"uint8", "float32"}
        Of the samples.

    Examples
    --------
    >>> from faltung.networks.generator import DenseGenerator
    >>> network = FromNoise(DenseGenerator(sample_shape=(1, 8), classes=3, width=8), Sampling(), "uint8")
    >>> points, samples = network(torch.randn(2, 1, 8), torch.zeros(2), torch.tensor([0, 1]))
    >>> points.dtype, samples.dtype
    (torch.float32, torch.uint8)
    """

    def __init__(self, network: VelocityField, sampling: Sampling, dtype: str) -> None:
        super().__init__()
        self.network = network
        self.sampling = sampling
        self.dtype = dtype

    def forward(
        self, points: torch.Tensor, times: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map points (samples, channels, *spatial) at times (samples,) to those a step later, also as samples."""
        moved = one_step(guided(self.network, self.sampling.guidance), points, times, labels, 1 / self.sampling.steps)
        values = self.network.restore(moved)
        return moved, (255 * values).round().clamp(0, 255).to(torch.uint8) if self.dtype == "uint8" else values


@dataclass(frozen=True, eq=False)
class Standalone:
    """A network with all that is around it, and what its inputs and its output mean.

    Parameters
    ----------
    module : torch.nn.Module
        What is exported.
    inputs : mapping of str to tuple of str
        For each input the names of the axes whose lengths may vary; they are the first ones.
    outputs : tuple of str
        Names of the outputs.
    facts : mapping of str to str
        The meaning of all of them, as JSON.
    examples : sequence of tuple of tensor
        Inputs with different lengths of these axes.

    Examples
    --------
    See `standalone`.
    """

    module: nn.Module
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    facts: dict[str, str]
    examples: Sequence[tuple[torch.Tensor, ...]]


def standalone(trained: Trained) -> Standalone:
    """Return a network with all that is around it.

    Examples
    --------
    >>> trained = Trained(nn.Flatten(), ("bag", "coat"), "uint8", (1, 1, 2))
    >>> whole = standalone(trained)
    >>> whole.inputs, whole.outputs, whole.facts["class_names"]
    ({'pixels': ('batch', 'height', 'width')}, ('logits',), '["bag", "coat"]')
    """
    form = image_format(trained)
    if isinstance(trained.network, VelocityField):
        return _from_noise(trained, trained.network)
    return _from_samples(trained) if form is None else _from_pixels(trained, form)


def _from_noise(trained: Trained, network: VelocityField) -> Standalone:
    sampling = Sampling()
    facts = {
        "points": f"float32 {_axes(trained)}; at first normal noise with mean 0 and deviation 1",
        "times": f"float32 (batch,); k / {sampling.steps} in step k, counted from 0",
        "labels": "int64 (batch,), the index of the class of each sample",
        "moved": "the points of the next step",
        "samples": f"{trained.dtype} {_axes(trained)}; those of step {sampling.steps - 1} are complete",
        "guidance": f"{sampling.guidance:g}",
    }
    inputs = dict.fromkeys(("points", "times", "labels"), ("batch",))
    classes = len(trained.class_names)
    examples = [(_normal(trained, n), torch.arange(n) / n, torch.arange(n) % classes) for n in (3, 1, 5)]
    module = FromNoise(network, sampling, trained.dtype)
    return Standalone(module, inputs, ("moved", "samples"), _facts(trained, facts), examples)


def _from_samples(trained: Trained) -> Standalone:
    unit = "uint8 from 0 to 255" if trained.dtype == "uint8" else "float32 as in training"
    facts = {"samples": f"{unit} {_axes(trained)}", "logits": "float32 (batch, classes)"}
    examples = [(_values(trained, batch, trained.sample_shape[1:]),) for batch in (3, 1, 5)]
    module = FromSamples(trained.network)
    return Standalone(module, {"samples": ("batch",)}, ("logits",), _facts(trained, facts), examples)


def _from_pixels(trained: Trained, form: PixelFormat) -> Standalone:
    facts = {
        "pixels": f"{_VALUES[form.pixels]} (batch, height, width, channels)",
        "channels": "red, green, blue" if form.colour else "grey",
        "preparation": "Turn images upright, and blend what is transparent with white. The network scales pixels "
        f"until they cover {form.height} x {form.width}, and keeps the centre.",
        "logits": "float32 (batch, classes)",
    }
    height, width = form.height, form.width
    sizes = ((3, height + 5, 2 * width + 3), (1, height, width), (5, 2 * height, width))
    examples = [(_values(trained, batch, size).movedim(1, -1).contiguous(),) for batch, *size in sizes]
    inputs = {"pixels": ("batch", "height", "width")}
    return Standalone(FromPixels(trained.network, form), inputs, ("logits",), _facts(trained, facts), examples)


def _facts(trained: Trained, others: Mapping[str, str]) -> dict[str, str]:
    facts = {"class_names": trained.class_names, "sample_shape": trained.sample_shape, **others}
    return {name: json.dumps(fact, ensure_ascii=False) for name, fact in facts.items()}


def _axes(trained: Trained) -> str:
    spatial = {1: "length", 2: "height, width", 3: "depth, height, width"}
    return f"(batch, channels, {spatial.get(len(trained.sample_shape) - 1, '*spatial')})"


def _normal(trained: Trained, batch: int) -> torch.Tensor:
    return torch.randn(batch, *trained.sample_shape, generator=torch.Generator().manual_seed(batch))


def _values(trained: Trained, batch: int, lengths: Sequence[int]) -> torch.Tensor:
    """Return noise that is a little smooth, as images and series are, on the scale of the training set."""
    coarse = [-(-length // 3) for length in lengths]
    generator = torch.Generator().manual_seed(batch)
    values = torch.rand(batch, trained.sample_shape[0], *coarse, generator=generator)
    values = nn.functional.interpolate(values, [*lengths], mode=_INTERPOLATION[len(lengths)])
    if trained.dtype == "uint8":
        return (255 * values).round().to(torch.uint8)
    scale = trained.network.standardise
    assert isinstance(scale, Standardise)
    return scale.restore(4 * values - 2)
