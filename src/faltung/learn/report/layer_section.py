"""What does each layer cost and do? Weights, multiply-adds, linear probes, superposition."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.charts import Curve, line_chart, ticks
from faltung.learn.report.numbers import grid
from faltung.learn.report.wording import nouns, percent, quoted
from faltung.learn.risk import accuracy_interval

__all__ = ["costs_section", "depth_section"]


def costs_section(outcomes: Sequence[Outcome]) -> str:
    """Return what each layer of each network needs, and what a dense layer in its place would need.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    model, *yardsticks = outcomes
    others = "".join(
        f"<details><summary>Layers of {escape(quoted(each.name))}</summary>{_layer_table(each)}</details>"
        for each in yardsticks
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
        f"Layers of {escape(quoted(outcome.name))} in the order in which they run, without biases and batch norms. "
        "A dense layer in the place of a convolution has one weight for each pair of input and output. "
        f"Multiply-adds are for one {called.sample}."
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
        f'<div class="pair"><figure>{_probe_chart(outcomes)}<figcaption>A linear classifier of what each layer '
        f"answers, averaged over neighbours to about 500 numbers at most, fitted to "
        f"{outcomes[0].training_samples:,} training {called.samples}. Bars: 95 % intervals.</figcaption></figure>\n"
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
            Curve(
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
        x_ticks=_layer_ticks(outcomes),
        y_label="Accuracy of a linear probe (%)",
    )


def _superposition_chart(outcomes: Sequence[Outcome]) -> str:
    lines = [
        Curve(
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
        x_ticks=_layer_ticks(outcomes),
        y_label="Explained by superposition (%)",
    )


def _layer_ticks(outcomes: Sequence[Outcome]) -> list[float]:
    return [place for place in ticks(0, max(len(outcome.layers) for outcome in outcomes)) if place == round(place)]
