"""Where is a network wrong, and does it know? Confusions, its surest mistakes, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Split
from faltung.learn.measures.confusion import Confusion, most_confused
from faltung.learn.measures.outcome import Outcome
from faltung.learn.measures.reliability import calibration_error
from faltung.learn.report.charts import Bar, Curve, bar_chart, line_chart
from faltung.learn.report.numbers import numbers
from faltung.learn.report.sample_section import judged_samples, picture
from faltung.learn.report.wording import nouns, percent, quoted
from faltung.learn.risk import accuracy_interval

__all__ = ["calibration_section", "confusion_section", "samples_section"]

_WRITTEN_OUT = 20  # classes whose confusions are a table of numbers; of more they are a picture
_PAIRS = 8
_FIRST = 20
_SUREST = 10


def confusion_section(model: Outcome, split: Split) -> str:
    """Return what is taken for what: the confusion matrix, and its most frequent mistakes with an example each.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    matrix, names = model.confusion, split.class_names
    drawn = _matrix_table(matrix, names) if len(names) <= _WRITTEN_OUT else _matrix_picture(matrix, names)
    pairs = most_confused(matrix, _PAIRS)
    listed = _pairs_table(model, split, pairs) if pairs else "<p>It makes no mistake at all.</p>"
    return f'<div class="beside">{drawn}{listed}</div>'


def _matrix_table(matrix: NDArray[np.int64], names: Sequence[str]) -> str:
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    strongest = max(1, int((matrix - np.diag(np.diag(matrix))).max()))
    rows = []
    for actual, row in enumerate(matrix.tolist()):
        cells = "".join(
            _cell(count, count / max(1, sum(row)) if actual == said else count / strongest, actual == said)
            for said, count in enumerate(row)
        )
        rows.append(f'<tr><th scope="row">{escape(names[actual])}</th>{cells}</tr>')
    return (
        '<div class="scroll"><table class="matrix"><caption>How many test samples of each class (down) were taken '
        "for which (across). Blue: recognised, by the share of the class. Orange: mistakes, by their number."
        "</caption>"
        f'<thead><tr><th scope="col">True class</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(count: int, strength: float, right: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    return f'<td class="{"right" if right else "mistake"}" style="--strength:{strength:.2f}">{count}</td>'


def _matrix_picture(matrix: NDArray[np.int64], names: Sequence[str]) -> str:
    size = len(matrix)
    totals = matrix.sum(axis=1)
    cells = []
    for actual, said in np.argwhere(matrix).tolist():
        right = actual == said
        share = matrix[actual, said] / totals[actual]
        told = "recognised" if right else f"taken for {names[said]}"
        cells.append(
            f'<rect class="{"right" if right else "mistake"}" x="{said}" y="{actual}" width="1" height="1" '
            f'style="--strength:{np.sqrt(share):.2f}"><title>{escape(names[actual])} {escape(told)}: '
            f"{matrix[actual, said]} of {totals[actual]}</title></rect>"
        )
    return (
        f'<figure class="single"><svg class="confusions" role="img" viewBox="0 0 {size} {size}">'
        f"<title>Confusion matrix of {size} classes</title>{''.join(cells)}</svg>"
        "<figcaption>True classes from top to bottom, what they were taken for from left to right, in the order of "
        "the data set. Blue on the diagonal: recognised. Orange: mistaken. Stronger where it is a larger share of "
        "the class.</figcaption></figure>"
    )


def _pairs_table(model: Outcome, split: Split, pairs: Sequence[Confusion]) -> str:
    names = [escape(name) for name in split.class_names]
    rows = "\n".join(
        f'<tr><td class="picture">{picture(split, _surest(model, pair))}</td>'
        f'<th scope="row">{names[pair.actual]}</th><td>{names[pair.predicted]}</td>'
        f'<td class="number">{pair.count:,}</td><td class="number">{percent(pair.share)}</td></tr>'
        for pair in pairs
    )
    return (
        '<div class="scroll"><table class="pairs"><caption>The most frequent mistakes, each with the test '
        f"{nouns(model.sample_shape).sample} of which it was surest.</caption>"
        '<thead><tr><td></td><th scope="col">It is</th><th scope="col">taken for</th><th scope="col" class="number">'
        'How often</th><th scope="col" class="number">Of its class</th></tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _surest(model: Outcome, pair: Confusion) -> int:
    among = np.flatnonzero((model.test_labels == pair.actual) & (model.predicted == pair.predicted))
    return int(among[model.test_probabilities[among, pair.predicted].argmax()])


def samples_section(model: Outcome, split: Split) -> str:
    """Return what the network says about the first test samples, and the mistakes that it was surest of.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    called = nouns(model.sample_shape)
    shown = judged_samples(model, split, range(min(_FIRST, len(split.test))))
    section = (
        f"<p>The first test {called.samples} in the order of the data set, neither sorted nor chosen.</p>\n{shown}\n"
    )
    wrong = np.flatnonzero(model.predicted != model.test_labels)
    if len(wrong):
        surest_first = wrong[np.argsort(-model.test_probabilities[wrong].max(axis=1), kind="stable")]
        section += (
            f"<p>It is wrong about {len(wrong):,} of {len(split.test):,}. The mistakes that it was surest of:</p>\n"
            + judged_samples(model, split, surest_first[:_SUREST].tolist())
        )
    return section


def calibration_section(outcomes: Sequence[Outcome]) -> str:
    """Return how often each network is right by how sure it is, and how many samples it is how sure of.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    model = outcomes[0]
    errors = ", ".join(
        f"{quoted(each.name)} {100 * calibration_error(each.calibration):.1f} points" for each in outcomes
    )
    bins = model.calibration
    rows = [
        [
            f"{100 * each.low:.0f} to {100 * each.high:.0f} %",
            f"{each.count:,}",
            percent(each.confidence),
            percent(each.accuracy),
        ]
        for each in bins
    ]
    return (
        f'<div class="pair"><figure>{_reliability(outcomes)}<figcaption>Ten bins of probability. Above the dashed '
        f"line a network is right more often than it says. Bars: 95 % intervals of {escape(quoted(model.name))}."
        f"</figcaption></figure>\n<figure>{_certainties(model)}<figcaption>How sure {escape(quoted(model.name))} is "
        "of what it says about the test samples.</figcaption></figure></div>\n"
        f"<p>Expected calibration error, the mean distance from the dashed line: {escape(errors)}. "
        "With few samples in a bin, chance alone makes it larger than zero.</p>\n"
        + numbers(["Probability", "Samples", "Mean probability", "Accuracy"], rows)
    )


def _reliability(outcomes: Sequence[Outcome]) -> str:
    lines = [Curve("as sure as right", ((0.0, 0.0), (100.0, 100.0)), 0, dashed=True)]
    for colour, outcome in enumerate(outcomes, start=1):
        bins = outcome.calibration
        points = tuple((100 * each.confidence, 100 * each.accuracy) for each in bins)
        intervals = [accuracy_interval(each.accuracy, each.count) for each in bins] if colour == 1 else []
        spread = tuple((100 * low, 100 * high) for low, high in intervals)
        lines.append(Curve(outcome.name, points, colour, intervals=spread))
    return line_chart(
        lines,
        title="Accuracy against the probability that a network gives its answer",
        x_label="Probability that it gives (%)",
        y_label="Right (%)",
    )


def _certainties(model: Outcome) -> str:
    bars = [
        Bar(100 * each.low, 100 * each.high, (each.count * each.accuracy, each.count * (1 - each.accuracy)))
        for each in model.calibration
    ]
    return bar_chart(
        bars,
        {"right": "filled-right", "wrong": "filled-mistake"},
        title=f"How many test samples {quoted(model.name)} is how sure of, right and wrong",
        x_label="Probability that it gives (%)",
        y_label="Test samples",
    )
