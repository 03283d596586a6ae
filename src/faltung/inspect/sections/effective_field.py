"""How much does each position of the input matter? The effective receptive field, by gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.ground.drawings.pictures import data_uri, middle, png, signed_sheet
from faltung.inspect.examples import Example, tensors_in
from faltung.inspect.layer_rows import LayerRow
from faltung.inspect.section_result import Drawing, NotMeasured, SectionResult, Subject

__all__ = ["EffectiveFieldResult", "gradient_map", "measure"]

_INPUTS = 8
_WITHIN = 0.5  # share of the gradient inside the radius
_ABOVE = 1 - 0.9545  # of the largest magnitude: two standard deviations of a Gaussian


@dataclass(frozen=True, eq=False)
class EffectiveFieldResult(SectionResult):
    """The effective receptive field of one layer.

    Parameters
    ----------
    layer : str
        The layer, whose middle output is looked at.
    radius : float
        In samples of the input: the distance from the centre of mass within which half of the sum of all gradient
        magnitudes lies.
    side : float
        The n-th root of the number of positions whose gradient is above 4.55 % of the largest, for n axes.
    centre : tuple of float
        The centre of mass.
    inputs : int
        Number of inputs whose gradients were averaged.
    magnitudes : array, shape (*spatial)
        Mean over inputs of the magnitude of the gradient, summed over channels, in units of its largest value.

    References
    ----------
    W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the effective receptive field in deep convolutional neural
    networks", NeurIPS 2016: the side is theirs.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """

    heading: ClassVar[str] = "What matters of what it sees"

    layer: str
    radius: float
    side: float
    centre: tuple[float, ...]
    inputs: int
    magnitudes: NDArray[np.float64] = field(repr=False)

    def facts(self) -> Mapping[str, str]:
        """Return the radius and the side, with their definitions."""
        return {
            "Effective receptive field": f"of {self.layer}: radius {self.radius:.1f} samples (half of the gradient "
            f"is within), side {self.side:.1f} (positions above 4.55 % of the largest gradient)",
        }

    def drawings(self) -> Sequence[Drawing]:
        """Return the magnitudes as a picture."""
        shape = self.magnitudes.shape
        plane = middle(self.magnitudes[None]) if 1 <= len(shape) <= 3 else self.magnitudes.reshape(1, 1, -1)
        text = f"Magnitude of the gradient of the middle output of {self.layer}, mean over {self.inputs} inputs"
        source = data_uri(png(signed_sheet(plane.astype(np.float32))))
        picture = f'<img class="filters" alt="{escape(text)}" src="{source}"/>'
        return (Drawing(picture, f"{text}. Orange: large; near white: zero."),)

    def figures(self) -> Mapping[str, float]:
        """Return radius and side."""
        return {"effective_radius": self.radius, "effective_side": self.side}


def measure(subject: Subject) -> SectionResult:
    """Average gradients of the middle output of the last layer that still has positions.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    name = subject.captured[0].input
    given = subject.examples[0].tensors[name]
    if not given.is_floating_point():
        return NotMeasured(f"the input {name!r} is of dtype {given.dtype}, which has no gradient")
    target = _target(subject)
    examples = [(example, run.input) for example, run in zip(subject.examples, subject.captured, strict=True)]
    alike = [(example, other) for example, other in examples if example.tensors[other].shape == given.shape]
    drawn = [(example, name) for example in _random_ones(subject.examples[0], name, _INPUTS - len(alike))]
    maps = [gradient_map(subject.network, example, other, target) for example, other in (*alike, *drawn)]
    found = [one for one in maps if one is not None]
    if not found:
        return NotMeasured("no gradient comes back to the input")
    whole = np.mean([one[0] for one in found], axis=0)  # the first sample of each batch
    magnitudes = whole.sum(axis=0) if whole.ndim > 1 else whole
    if not math.isfinite(float(magnitudes.sum())) or not magnitudes.sum() > 0:
        return NotMeasured("the gradients are zero or not finite")
    centre, radius, side = _extent(magnitudes)
    scaled = magnitudes / magnitudes.max()
    return EffectiveFieldResult(target.name, radius, side, centre, len(found), scaled)


def gradient_map(
    network: torch.nn.Module, example: Example, name: str, target: LayerRow
) -> NDArray[np.float64] | None:
    """Return the magnitude of the gradient of a layer's middle output with respect to an input, or None without one.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    given = example.copied()
    x = given.tensors[name].requires_grad_()
    kept: list[torch.Tensor] = []
    with ExitStack() as stack, torch.enable_grad():
        module = dict(network.named_modules()).get(target.name)
        if module is not None and target.kind != "output":
            handle = module.register_forward_hook(_keep(kept))
            stack.callback(handle.remove)
        # The network may write to its input, which no leaf of a graph allows.
        output = given.replaced({name: x * 1}).called(network)
        value = next(iter(tensors_in(kept or output)), None)
        if value is None or not value.requires_grad or not value.is_floating_point():
            return None
        index = _middle(value.shape, target.channels)
        (gradient,) = torch.autograd.grad(value[index].sum(), x, allow_unused=True)
    return None if gradient is None else gradient.detach().double().abs().cpu().numpy()


def _keep(kept: list[torch.Tensor]) -> Callable[..., None]:
    def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
        if not kept:
            # What follows may write to the output in place, so its own copy is differentiated.
            kept.extend(tensor * 1 for tensor in tensors_in(output))

    return hook


def _target(subject: Subject) -> LayerRow:
    """Return the last layer that is a module and has more than one position; or else the output."""
    names = {name for name, _ in subject.network.named_modules()}
    for row in reversed(subject.layers):
        axis = row.channels
        places = [length for place, length in enumerate(row.result.shape) if place not in (0, axis)]
        if row.name in names and axis is not None and math.prod(places) > 1:
            return row
    return subject.output


def _middle(shape: Sequence[int], axis: int | None) -> tuple[Any, ...]:
    if axis is None:
        return (0,)
    return (0, *(slice(None) if place == axis else shape[place] // 2 for place in range(1, len(shape))))


def _random_ones(example: Example, name: str, count: int) -> list[Example]:
    """Return examples whose input is normal noise of the same mean and deviation."""
    generator = torch.Generator().manual_seed(0)
    given = example.tensors[name].detach().float().cpu()
    deviation = float(given.std()) if given.numel() > 1 else 0.0
    made = []
    for _ in range(max(count, 0)):
        noise = torch.randn(given.shape, generator=generator) * (deviation or 1.0) + float(given.mean())
        made.append(example.replaced({name: noise.to(example.tensors[name])}))
    return made


def _extent(magnitudes: NDArray[np.float64]) -> tuple[tuple[float, ...], float, float]:
    """Return centre of mass, radius and side."""
    places = np.indices(magnitudes.shape).reshape(magnitudes.ndim, -1).astype(np.float64)
    weights = magnitudes.reshape(-1) / magnitudes.sum()
    centre = places @ weights
    distances = np.sqrt(((places - centre[:, None]) ** 2).sum(axis=0))
    order = np.argsort(distances)
    within = np.searchsorted(np.cumsum(weights[order]), _WITHIN)
    radius = float(distances[order][min(within, len(order) - 1)])
    above = int((magnitudes > _ABOVE * magnitudes.max()).sum())
    return tuple(map(float, centre)), radius, above ** (1 / magnitudes.ndim)
