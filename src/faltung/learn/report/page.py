"""How is the page of a comparison assembled? First the findings, then the measures with their charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from importlib.resources import files
from string import Template

import numpy as np

from faltung.datasets.dataset import Dataset, Split
from faltung.ground.drawings.charts import Curve, line_chart, ticks
from faltung.ground.drawings.numbers import definitions, grid, grid_of
from faltung.ground.drawings.style import page_style
from faltung.inspect.card_page import section_html, section_link
from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.filter_section import filters_section
from faltung.learn.report.findings import findings, warnings
from faltung.learn.report.layer_section import costs_section, depth_section
from faltung.learn.report.mistakes import calibration_section, confusion_section, samples_section
from faltung.learn.report.table import table
from faltung.learn.report.wording import between, nouns, quoted
from faltung.learn.risk import accuracy_interval

__all__ = ["html_report"]


def html_report(
    outcomes: Sequence[Outcome],
    split: Split,
    made: Mapping[str, object],
    curve: Mapping[str, Mapping[int, float]],
    tested: Dataset | None = None,
) -> str:
    """Return the page of a comparison of classifiers, with its style and pictures in the same file.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The model first, then its yardsticks.
    split : Split
        Training, validation and test set.
    made : mapping
        How the numbers were made: data, recipe, seed, versions, machine.
    curve : mapping of str to mapping of int to float
        Test accuracy by name of the network and number of training samples; may be empty.
    tested : Dataset, optional
        The samples that the outcomes are about, if further splits were tested; by default those of the test set.

    Examples
    --------
    See `faltung.learn.compare`, which writes it.
    """
    model, *yardsticks = outcomes
    called = nouns(model.sample_shape)
    pooled = split if tested is None else replace(split, test=tested)
    template = Template(files("faltung.learn.report").joinpath("comparison.html").read_text(encoding="utf-8"))
    page = template.substitute(
        style=page_style(),
        title=escape(
            " against ".join(filter(None, (quoted(model.name), _list([yardstick.name for yardstick in yardsticks]))))
        ),
        data_name=escape(split.name),
        data_sizes=f"{len(split.class_names)} classes; {len(split.training):,} training {called.samples}, "
        f"{len(split.validation):,} for validation, {len(split.test):,} for the test{_splits(model)}",
        warnings="".join(
            f'<p class="warning" role="note">{escape(text)}</p>' for text in warnings(split, made, model.splits)
        ),
        findings="\n".join(
            f"<dt>{escape(finding.topic)}</dt><dd>{escape(finding.text)}</dd>"
            for finding in findings(outcomes, curve)
        ),
        comparison=_comparison(outcomes, pooled),
        samples=called.samples,
        shifts=_shifts(outcomes, pooled),
        curve=_curve(outcomes, curve, len(split.test)),
        courses=_courses(outcomes),
        costs=costs_section(outcomes),
        depth=depth_section(outcomes),
        filters=filters_section(model),
        inspected="\n".join(section_html(*section) for section in model.inspected.items()),
        inspected_links="".join(section_link(*section) for section in model.inspected.items()),
        confusions=confusion_section(model, pooled),
        calibration=calibration_section(outcomes),
        judged=samples_section(model, pooled),
        model=escape(quoted(model.name)),
        provenance=definitions(made),
    )
    return page.replace(" %", "\u00a0%")  # numbers and their per cent signs stay on one line


def _splits(model: Outcome) -> str:
    if model.splits == 1:
        return ""
    return (
        f"; trained and tested on {model.splits} such splits, with {len(model.test_labels):,} different test samples "
        "in all"
    )


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(map(quoted, names[:-1])), *map(quoted, names[-1:]))))


def _comparison(outcomes: Sequence[Outcome], split: Split) -> str:
    header, rows = table(outcomes, exact=True)
    called = nouns(split.test.sample_shape)
    runs = "one run each" if outcomes[0].splits == 1 else f"one run for each of {outcomes[0].splits} splits"
    classes = np.bincount(outcomes[0].test_labels, minlength=len(split.class_names))
    return grid(
        header,
        rows,
        f"All networks have the same {called.samples}, loss, recipe and augmentation; {runs}. The accuracies are "
        f"of {len(outcomes[0].test_labels):,} test {called.samples}, {between(classes)} of each "
        f"class. Multiply-adds are for one {called.sample}.",
    ) + _classes(outcomes[0], split)


def _classes(model: Outcome, split: Split) -> str:
    """Return how many test samples of each class are recognised."""
    right, names = np.diag(model.confusion), split.class_names
    rows = []
    for name, found, count in zip(names, right.tolist(), model.confusion.sum(axis=1).tolist(), strict=True):
        if count:
            low, high = accuracy_interval(found / count, count)
            rows.append([name, f"{found:,} of {count:,}", f"{100 * found / count:.0f} %", _between(low, high)])
        else:
            rows.append([name, "0 of 0", "not tested", ""])
    header = [f"Class, by {quoted(model.name)}", "Recognised", "Share", "95 % interval"]
    return grid(header, rows)


def _between(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f}"


def _shifts(outcomes: Sequence[Outcome], split: Split) -> str:
    called = nouns(outcomes[0].sample_shape)
    curves = {outcome.name: outcome.shifted_accuracy for outcome in outcomes}
    label = f"Distance ({called.places})"
    lines = _accuracy_lines(curves, len(outcomes[0].test_labels))
    chart = line_chart(
        lines,
        title=f"Test accuracy against the distance by which the test {called.samples} are moved",
        x_label=label,
        y_label="Test accuracy (%)",
        x_ticks=sorted(outcomes[0].recognised),
    )
    whole = split.test.samples.dtype == np.uint8
    inward = "what training samples have at their border" if whole else "the mean of the training values"
    caption = (
        f"Each test {called.sample} is moved along one of its axes; all directions are used equally often. The gap "
        f"is filled with {inward}. Bars: 95 % intervals."
    )
    return (
        f'<div class="pair"><figure>{chart}<figcaption>{caption}</figcaption></figure>'
        f"<div>{grid_of(lines, label)}</div></div>"
    )


def _curve(outcomes: Sequence[Outcome], curve: Mapping[str, Mapping[int, float]], tests: int) -> str:
    if not any(curve.values()):
        return ""
    called = nouns(outcomes[0].sample_shape)
    label = f"Training {called.samples}"
    lines = _accuracy_lines({outcome.name: curve.get(outcome.name, {}) for outcome in outcomes}, tests)
    chart = line_chart(
        lines,
        title=f"Test accuracy against the number of training {called.samples}",
        x_label=f"{label} (logarithmic)",
        y_label="Test accuracy (%)",
        x_ticks=sorted({size for points in curve.values() for size in points}),
        logarithmic=True,
    )
    return (
        f'<section>\n<h2 id="fewer">Fewer training {called.samples}</h2>\n<div class="pair"><figure>{chart}'
        f"<figcaption>One run for each point. Bars: 95 % intervals.</figcaption></figure>"
        f"<div>{grid_of(lines, label)}</div></div>\n</section>"
    )


def _accuracy_lines(curves: Mapping[str, Mapping[int, float]], samples: int) -> list[Curve]:
    return [
        Curve(
            name,
            tuple((x, 100 * curve[x]) for x in sorted(curve)),
            colour,
            intervals=tuple(_hundredfold(accuracy_interval(curve[x], samples)) for x in sorted(curve)),
        )
        for colour, (name, curve) in enumerate(curves.items(), start=1)
        if curve
    ]


def _hundredfold(interval: tuple[float, float]) -> tuple[float, float]:
    return 100 * interval[0], 100 * interval[1]


def _courses(outcomes: Sequence[Outcome]) -> str:
    charts = [
        chart
        for quantity, unit, label in (
            ("risk", 1.0, "Empirical risk (mean loss)"),
            ("accuracy", 100.0, "Accuracy (%)"),
        )
        if (chart := _course_chart(outcomes, quantity, unit, label))
    ]
    figures = "\n".join(f"<figure>{chart}</figure>" for chart in charts)
    rows = [
        [
            outcome.name,
            f"{len(outcome.history)}",
            f"{outcome.training_risk:.3f}",
            f"{outcome.test_risk:.3f}",
            f"{100 * outcome.training_accuracy:.1f} %",
            f"{100 * outcome.test_accuracy:.1f} %",
        ]
        for outcome in outcomes
    ]
    header = [
        "With the final weights",
        "Epochs",
        "Training risk",
        "Test risk",
        "Training accuracy",
        "Test accuracy",
    ]
    called = nouns(outcomes[0].sample_shape)
    caption = (
        f"Training risk and accuracy are measured on {outcomes[0].training_samples:,} training {called.samples}, "
        "drawn at random, without augmentation."
    )
    return f'<div class="pair">{figures}</div>\n{grid(header, rows, caption)}'


def _course_chart(outcomes: Sequence[Outcome], quantity: str, unit: float, y_label: str) -> str:
    lines = []
    for colour, outcome in enumerate(outcomes, start=1):
        for part in ("training", "validation"):
            measure = f"{part}_{quantity}"
            points = [
                (record.epoch, unit * record.measures[measure])
                for record in outcome.history
                if measure in record.measures
            ]
            if points:
                lines.append(Curve(f"{outcome.name}, {part}", tuple(points), colour, dashed=part == "validation"))
    if not lines:
        return ""
    last = max(epoch for line in lines for epoch, _ in line.points)
    return line_chart(
        lines,
        title=f"{y_label} against epoch",
        x_label="Epoch",
        y_label=y_label,
        x_ticks=[epoch for epoch in ticks(1, last) if epoch == round(epoch)],
    )
