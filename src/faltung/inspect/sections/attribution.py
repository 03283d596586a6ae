"""Which part of an input speaks for the answer, and which against it? Integrated gradients, drawn on the input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.ground.drawings.overlay import overlay
from faltung.ground.drawings.pictures import data_uri, png
from faltung.ground.drawings.sketches import sketch
from faltung.inspect.excerpts import part_picture
from faltung.inspect.input_samples import InputSamples, OfInput
from faltung.inspect.integrated_gradients import Contributions, integrated_gradients
from faltung.inspect.multiply_adds import multiply_adds
from faltung.inspect.section_result import Drawing, NotMeasured, SectionResult, Subject

__all__ = ["AttributionResult", "measure"]

#: Gradients at first, and at most, if the sum misses the difference by more than the tolerance.
_FEW, _MANY, _TOLERANCE = 24, 192, 0.02
#: At most so many multiply-adds for all gradients.
_WORK = 4e10
_BATCH = 8


@dataclass(frozen=True, eq=False)
class AttributionResult(SectionResult):
    r"""What speaks for the answer to the first example.

    Parameters
    ----------
    answer : str
        What is explained.
    baseline : str
        What the input is compared with.
    output, base_output : float
        The answer for the input, and for the baseline.
    total : float
        Sum of all contributions: nearly the difference of the two.
    error : float
        By how much it misses it, as a part of it.
    steps : int
        Number of gradients.
    positive : float
        Share of the sum of all magnitudes that speaks for the answer.
    values : array, shape (channels, \*spatial) or (features,)
        The contributions.
    sample : array, of the same shape
        The input.
    """

    heading: ClassVar[str] = "What speaks for the answer"

    answer: str
    baseline: str
    output: float
    base_output: float
    total: float
    error: float
    steps: int
    positive: float
    values: NDArray[np.float64] = field(repr=False)
    sample: NDArray[np.float32] = field(repr=False)

    def facts(self) -> Mapping[str, str]:
        """Return what is explained, and how well the contributions add up."""
        return {
            "Explained": f"{self.answer}: {self.output:.4g}, against {self.base_output:.4g} for {self.baseline}",
            "Contributions": f"they add up to {self.total:.4g} of {self.output - self.base_output:.4g}, an error of "
            f"{self.error:.1%}, with {self.steps} gradients; {self.positive:.0%} of their magnitude speaks for it",
        }

    def warnings(self) -> Sequence[str]:
        """Say if the contributions do not add up."""
        if self.error <= 0.1:
            return ()
        return (f"The contributions of the input miss the answer by {self.error:.0%}: they are not to be trusted.",)

    def drawings(self) -> Sequence[Drawing]:
        """Return the input, and the contributions on it."""
        text = f"Contributions of each position to {self.answer}, compared with {self.baseline}"
        limits = (float(self.sample.min()), float(self.sample.max()))
        summed = self.values.sum(0) if self.values.ndim > 1 else self.values
        if summed.ndim == 1:
            drawn = sketch(np.atleast_2d(self.sample), title="the input")
            drawn += sketch(summed[None], title=text, zero=True)
            return (Drawing(f'<div class="sketches">{drawn}</div>', f"Left: the input. Right: {text}. Line: zero."),)
        if summed.ndim > 3:
            return ()
        part, where = self._plane(summed)
        signed = part.sum(0)
        grey = self.sample[:, where].mean(0) if summed.ndim == 3 else self.sample.mean(0)
        shown = overlay(signed, np.clip((grey - limits[0]) / ((limits[1] - limits[0]) or 1.0), 0, 1))
        given = part_picture(self.sample[:, where] if summed.ndim == 3 else self.sample, limits, "the input")
        picture = f'{given}<img class="filters" alt="{escape(text)}" src="{data_uri(png(shown))}"/>'
        of_volume = f" Slice {where} of {len(summed)}, where they are largest." if summed.ndim == 3 else ""
        caption = (
            f"{text}. Orange speaks for it, blue against it; the largest magnitudes, one of a hundred, have the full "
            f"colour. Pale grey: the input.{of_volume}"
        )
        return (Drawing(picture, caption),)

    def _plane(self, summed: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
        """Return the contributions in a plane, channel by channel, and which plane of a volume it is."""
        if summed.ndim == 2:
            return self.values, 0
        where = int(np.abs(summed).sum((1, 2)).argmax())
        return self.values[:, where], where

    def figures(self) -> Mapping[str, float]:
        """Return the error."""
        return {"attribution_error": self.error}


def measure(subject: Subject) -> SectionResult:
    """Integrate the gradient of the top answer, or of the mean of the output, for the first example.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    samples = subject.samples
    name = subject.captured[0].input
    if samples is None or not subject.examples[0].tensors[name].numel():
        return NotMeasured("the input is no floating-point tensor with a batch axis")
    x = subject.examples[0].tensors[name][0].detach()
    function, answer = _answer(samples.network, x)
    if function is None:
        return NotMeasured(answer)
    baseline, told = samples.means, "the mean of each channel of the data" if samples.given else _OF_EXAMPLES
    found = _integrated(subject, samples, function, x, baseline)
    magnitude = float(found.values.abs().sum())
    if not math.isfinite(magnitude) or not math.isfinite(found.output):
        return NotMeasured("outputs or gradients are not finite")
    return AttributionResult(
        answer,
        told,
        found.output,
        found.base_output,
        float(found.values.sum()),
        found.error,
        found.steps,
        float(found.values.clamp_min(0).sum()) / magnitude if magnitude else 0.0,
        found.values.numpy(),
        x.float().cpu().numpy(),
    )


_OF_EXAMPLES = "the mean of each channel of the examples"


def _answer(network: OfInput, x: torch.Tensor) -> tuple[Callable[[torch.Tensor], torch.Tensor] | None, str]:
    """Return what is explained, as a function of inputs, and in words; or None, and why."""
    with torch.no_grad():
        output = network(x[None])
    if not output.is_floating_point():
        return None, f"the output is of dtype {output.dtype}, which has no gradient"
    if output.ndim == 2 and output.shape[1] > 1:
        top = int(output[0].argmax())
        return lambda points: network(points)[:, top], f"output {top}, the largest of {output.shape[1]}"
    return lambda points: network(points).flatten(1).mean(1), "the mean of the output"


def _integrated(
    subject: Subject,
    samples: InputSamples,
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    baseline: torch.Tensor,
) -> Contributions:
    """Integrate with few gradients, and with more, as long as the sum misses the difference and it is affordable."""
    captured = subject.captured[0]
    batch = max(1, captured.sources[captured.input].shape[0])
    work = 3 * sum(map(multiply_adds, captured.operations)) / batch
    most = min(_MANY, max(_FEW, int(_WORK / max(work, 1))))
    size = min(_BATCH, samples.network.batch_size)
    steps = _FEW
    while True:
        found = integrated_gradients(function, x, baseline, steps, size)
        if found.error <= _TOLERANCE or 2 * steps > most or not math.isfinite(found.error):
            return found
        steps *= 2
