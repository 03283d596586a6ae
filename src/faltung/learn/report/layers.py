"""What does each layer cost and do? Weights, multiply-adds, linear probes, superposition, and the first kernels."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from faltung.learn.charts import Line, line_chart
from faltung.learn.outcome import Outcome
from faltung.learn.pictures import colour_sheet, data_uri, middle, png, signed_sheet
from faltung.learn.report.numbers import grid
from faltung.learn.report.wording import nouns, percent
from faltung.learn.risk import accuracy_interval
from faltung.learn.sketches import sketch

__all__ = ["costs_section", "depth_section", "filters_section"]

_KERNELS = 64  # drawn at most


def costs_section(outcomes: Sequence[Outcome]) -> str:
    """Return what each layer of each network needs, and what a dense layer in its place would need.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    model, *yardsticks = outcomes
    others = "".join(
        f"<details><summary>Layers of {escape(each.name)}</summary>{_layer_table(each)}</details>" for each in yardsticks
    )
    return _layer_table(model) + others


def _layer_table(outcome: Outcome) -> str:
    header = ["Layer", "Answers", "Weights", "Dense in its place", "Multiply-adds", "Linear probe", "Superposition"]
    rows = [
        [
            f"{place} · {measured.layer.title}",
            "×".join(map(str, measured.layer.output_shape)),
            f"{measured.layer.weights:,}",
            f"{measured.layer.dense_weights:,}" if measured.layer.convolutional else "the same",
            f"{measured.multiply_adds:,}",
            percent(measured.probe_accuracy),
            f"{100 * measured.linear_share:.0f} %",
        ]
        for place, measured in enumerate(outcome.layers, start=1)
    ]
    layers = [measured.layer for measured in outcome.layers]
    rows.append(
        [
            "All",
            "",
            f"{sum(layer.weights for layer in layers):,}",
            f"{sum(layer.dense_weights for layer in layers):,}",
            f"{outcome.cost.multiply_adds:,}",
            "",
            "",
        ]
    )
    called = nouns(outcome.sample_shape)
    caption = (
        f"Layers of {escape(outcome.name)} in the order in which they run; biases and batch norms are not counted here. "
        "A dense layer in the place of a convolution has one weight for each pair of input and output. Multiply-adds "
        f"are for one {called.sample}."
    )
    return grid(header, rows, caption)


def depth_section(outcomes: Sequence[Outcome]) -> str:
    """Return what can be read from the layers' answers, and how far they are from linear maps of the samples.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    called = nouns(outcomes[0].sample_shape)
    return (
        f'<div class="pair"><figure>{_probe_chart(outcomes)}<figcaption>A linear classifier of what each layer answers, '
        f"averaged over neighbours to at most 512 numbers, fitted to {outcomes[0].training_samples:,} training "
        f"{called.samples} by ridge regression. Bars: 95 % intervals.</figcaption></figure>\n"
        f"<figure>{_superposition_chart(outcomes)}<figcaption>A linear map answers the average of two "
        f"{called.samples} with the average of its answers. How much of what each layer answers to averages of test "
        f"{called.samples} is explained so: 100 % is linear.</figcaption></figure></div>"
    )


def _probe_chart(outcomes: Sequence[Outcome]) -> str:
    lines = []
    for colour, outcome in enumerate(outcomes, start=1):
        shares = [outcome.input_probe_accuracy, *(each.probe_accuracy for each in outcome.layers)]
        intervals = [accuracy_interval(share, len(outcome.test_labels)) for share in shares]
        lines.append(
            Line(
                outcome.name,
                tuple((place, 100 * share) for place, share in enumerate(shares)),
                colour,
                intervals=tuple((100 * low, 100 * high) for low, high in intervals),
            )
        )
    return line_chart(
        lines,
        title="Test accuracy of a linear probe against the layer that it reads",
        x_label="Layer (0: the input)",
        y_label="Accuracy of a linear probe (%)",
    )


def _superposition_chart(outcomes: Sequence[Outcome]) -> str:
    lines = [
        Line(
            outcome.name,
            ((0, 100.0), *((place, 100 * each.linear_share) for place, each in enumerate(outcome.layers, start=1))),
            colour,
        )
        for colour, outcome in enumerate(outcomes, start=1)
    ]
    return line_chart(
        lines,
        title="How much of a layer's answers superposition explains, against the layer",
        x_label="Layer (0: the input)",
        y_label="Explained by superposition (%)",
    )


def filters_section(model: Outcome) -> str:
    """Return pictures of the first layer's kernels and of their answers, or nothing if it has no convolution.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    kernels, responses = model.first_kernels, model.first_responses
    if kernels is None or responses is None:
        return ""
    taps = "×".join(map(str, kernels.shape[2:]))
    axes = kernels.ndim - 2
    sliced = " Of each the middle slice is shown." if axes == 3 else ""
    some = f" The first {_KERNELS:,} are shown." if kernels.shape[0] * kernels.shape[1] > _KERNELS else ""
    kernels_caption = (
        f"The {len(kernels)} kernels of {taps} taps in the first layer, as they are laid over the "
        f"{nouns(model.sample_shape).sample}. They began as random numbers, and making the risk small is all that shaped "
        f"them. {_scale(kernels)} Each has its own scale.{sliced}{some}"
    )
    responses_caption = (
        f"What they answer to the first test {nouns(model.sample_shape).sample}, in the same order"
        f"{'' if axes == 1 else '. Orange is positive, blue negative'}."
    )
    return (
        "<section>\n<h2 id=\"filters\">The filters it learned</h2>\n"
        + f"<figure>{_kernel_drawings(kernels)}<figcaption>{kernels_caption}</figcaption></figure>\n"
        + f"<figure>{_drawings(responses[:_KERNELS], 'Answer')}<figcaption>{responses_caption}</figcaption></figure>\n"
        + "</section>"
    )


def _reads_colour(kernels: NDArray[np.float32]) -> bool:
    return kernels.ndim == 4 and kernels.shape[1] == 3


def _scale(kernels: NDArray[np.float32]) -> str:
    if kernels.ndim == 3:
        return "The quiet line is zero."
    if _reads_colour(kernels):
        return "They are drawn in the colours that they read; grey is zero."
    return "Orange is positive, blue negative, white zero."


def _kernel_drawings(kernels: NDArray[np.float32]) -> str:
    if kernels.ndim == 3:
        return _drawings(kernels[:_KERNELS], "Kernel")
    if _reads_colour(kernels):
        return _sheet(colour_sheet(kernels[:_KERNELS]), f"{len(kernels[:_KERNELS])} kernels in colour")
    return _drawings(kernels.reshape(-1, *kernels.shape[2:])[:_KERNELS], "Kernel")


def _drawings(tiles: NDArray[np.float32], what: str) -> str:
    """Draw series, which may have channels, as lines, and what has more axes as one sheet."""
    if tiles.ndim == 2 or (what == "Kernel" and tiles.ndim == 3 and False):
        tiles = tiles[:, None]
    return ""


def _sheet(pixels: NDArray[np.uint8], alt: str) -> str:
    return f'<img class="filters" src="{data_uri(png(pixels))}" alt="{escape(alt)}"/>'
