"""What does each layer cost and achieve? Weights, multiply-adds, linear probes, superposition."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from faltung.ground.drawings.charts import Curve, line_chart, ticks
from faltung.ground.drawings.numbers import grid
from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.wording import nouns, percent, quoted
from faltung.learn.risk import accuracy_interval

__all__ = ["costs_section", "depth_section"]


def costs_section(outcomes: Sequence[Outcome]) -> str:
    """Return tables of the costs of each layer of each network, and of a dense layer instead.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    model, *yardsticks = outcomes
    others = "".join(
        f"<details><summary>Layers of {escape(quoted(yardstick.name))}</summary>{_layer_table(yardstick)}</details>"
        for yardstick in yardsticks
    )
    return _layer_table(model) + others


def _layer_table(outcome: Outcome) -> str:
    header = ["Layer", "Output", "Weights", "Weights if dense", "Multiply-adds", "Linear probe", "Superposition"]
    rows = [
        [
            f"{number} · {measured.layer.title}",
            "×".join(map(str, measured.layer.output_shape)),
            f"{measured.layer.weights:,}",
            f"{measured.layer.dense_weights:,}" if measured.layer.convolutional else "the same",
            f"{measured.multiply_adds:,}",
            percent(measured.probe_accuracy),
            f"{100 * measured.linear_share:.0f} %",
        ]
        for number, measured in enumerate(outcome.layers, start=1)
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
        f"Layers of {escape(quoted(outcome.name))} in the order in which they run, without biases and batch norms. "
        "A dense layer instead of a convolution would have one weight for each pair of input and output. "
        f"Multiply-adds are for one {called.sample}."
    )
    return grid(header, rows, caption)


def depth_section(outcomes: Sequence[Outcome]) -> str:
    """Return charts of the linear probes of all layers, and of their distance from linear maps of the samples.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    called = nouns(outcomes[0].sample_shape)
    return (
        f'<div class="pair"><figure>{_probe_chart(outcomes)}<figcaption>Accuracy of a linear classifier of the '
        "activations of each layer. They are averaged over neighbours to at most about 500 numbers; the classifier "
        f"is fitted to {outcomes[0].training_samples:,} training {called.samples}. Bars: 95 % intervals.</figcaption>"
        f"</figure>\n<figure>{_superposition_chart(outcomes)}<figcaption>A linear map turns the mean of two "
        f"{called.samples} into the mean of its outputs. The chart shows how much of the activation of each layer "
        f"for means of two test {called.samples} is explained in this way: 100 % is linear.</figcaption></figure>"
        "</div>"
    )


def _probe_chart(outcomes: Sequence[Outcome]) -> str:
    lines = []
    for colour, outcome in enumerate(outcomes, start=1):
        shares = [outcome.input_probe_accuracy, *(layer.probe_accuracy for layer in outcome.layers)]
        intervals = [accuracy_interval(share, len(outcome.test_labels)) for share in shares]
        lines.append(
            Curve(
                outcome.name,
                tuple((number, 100 * share) for number, share in enumerate(shares)),
                colour,
                intervals=tuple((100 * low, 100 * high) for low, high in intervals),
            )
        )
    return line_chart(
        lines,
        title="Test accuracy of a linear probe against the number of the layer",
        x_label="Layer (0: the input)",
        x_ticks=_layer_ticks(outcomes),
        y_label="Accuracy of a linear probe (%)",
    )


def _superposition_chart(outcomes: Sequence[Outcome]) -> str:
    lines = [
        Curve(
            outcome.name,
            (
                (0, 100.0),
                *((number, 100 * layer.linear_share) for number, layer in enumerate(outcome.layers, start=1)),
            ),
            colour,
        )
        for colour, outcome in enumerate(outcomes, start=1)
    ]
    return line_chart(
        lines,
        title="Share of the activations that superposition explains, against the number of the layer",
        x_label="Layer (0: the input)",
        x_ticks=_layer_ticks(outcomes),
        y_label="Explained by superposition (%)",
    )


def _layer_ticks(outcomes: Sequence[Outcome]) -> list[float]:
    return [tick for tick in ticks(0, max(len(outcome.layers) for outcome in outcomes)) if tick == round(tick)]
