"""Where is a network wrong, and how sure is it? Confusions, mistakes, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Split
from faltung.ground.drawings.charts import Bar, Curve, bar_chart, line_chart
from faltung.ground.drawings.numbers import numbers
from faltung.learn.measures.confusion import Confusion, most_confused
from faltung.learn.measures.outcome import Outcome
from faltung.learn.measures.reliability import calibration_error
from faltung.learn.report.sample_section import judged_samples, picture
from faltung.learn.report.wording import nouns, percent, quoted
from faltung.learn.risk import accuracy_interval

__all__ = ["calibration_section", "confusion_section", "samples_section"]

_LARGEST_TABLE = 20  # classes; the confusions of more classes are drawn as a picture
_PAIRS = 8
_FIRST = 20
_SUREST = 10


def confusion_section(model: Outcome, split: Split) -> str:
    """Return the confusion matrix, and the most frequent mistakes with an example of each.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    matrix, names = model.confusion, split.class_names
    drawn = _matrix_table(matrix, names) if len(names) <= _LARGEST_TABLE else _matrix_picture(matrix, names)
    pairs = most_confused(matrix, _PAIRS)
    listed = _pairs_table(model, split, pairs) if pairs else "<p>There are no mistakes.</p>"
    return f'<div class="beside">{drawn}{listed}</div>'


def _matrix_table(matrix: NDArray[np.int64], names: Sequence[str]) -> str:
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    strongest = max(1, int((matrix - np.diag(np.diag(matrix))).max()))
    rows = []
    for actual, row in enumerate(matrix.tolist()):
        cells = "".join(
            _cell(count, count / max(1, sum(row)) if actual == predicted else count / strongest, actual == predicted)
            for predicted, count in enumerate(row)
        )
        rows.append(f'<tr><th scope="row">{escape(names[actual])}</th>{cells}</tr>')
    return (
        '<div class="scroll"><table class="matrix"><caption>Number of test samples by true class (rows) and '
        "predicted class (columns). Blue: recognised, by their share of the class. Orange: mistakes, by their number."
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
    for actual, predicted in np.argwhere(matrix).tolist():
        right = actual == predicted
        share = matrix[actual, predicted] / totals[actual]
        outcome = "recognised" if right else f"predicted as {names[predicted]}"
        cells.append(
            f'<rect class="{"right" if right else "mistake"}" x="{predicted}" y="{actual}" width="1" height="1" '
            f'style="--strength:{np.sqrt(share):.2f}"><title>{escape(names[actual])} {escape(outcome)}: '
            f"{matrix[actual, predicted]} of {totals[actual]}</title></rect>"
        )
    return (
        f'<figure class="single"><svg class="confusions" role="img" viewBox="0 0 {size} {size}">'
        f"<title>Confusion matrix of {size} classes</title>{''.join(cells)}</svg>"
        "<figcaption>True classes from top to bottom, predicted classes from left to right, in the order of the data "
        "set. Blue on the diagonal: recognised. Orange: mistakes. The colour is stronger for a larger share of the "
        "class.</figcaption></figure>"
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
        f"{nouns(model.sample_shape).sample} for which the predicted probability was highest.</caption>"
        '<thead><tr><td></td><th scope="col">True class</th><th scope="col">Prediction</th>'
        '<th scope="col" class="number">Number</th><th scope="col" class="number">Share of its class</th></tr>'
        "</thead>"
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _surest(model: Outcome, pair: Confusion) -> int:
    among = np.flatnonzero((model.test_labels == pair.actual) & (model.predicted == pair.predicted))
    return int(among[model.test_probabilities[among, pair.predicted].argmax()])


def samples_section(model: Outcome, split: Split) -> str:
    """Return the predictions for the first test samples, and the mistakes with the highest probabilities.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    called = nouns(model.sample_shape)
    shown = judged_samples(model, split, range(min(_FIRST, len(split.test))))
    section = f"<p>The first test {called.samples} in the order of the data set, without selection.</p>\n{shown}\n"
    wrong = np.flatnonzero(model.predicted != model.test_labels)
    if len(wrong):
        surest_first = wrong[np.argsort(-model.test_probabilities[wrong].max(axis=1), kind="stable")]
        section += (
            f"<p>{len(wrong):,} of {len(split.test):,} predictions are wrong. The wrong predictions with the highest "
            "probabilities:</p>\n" + judged_samples(model, split, surest_first[:_SUREST].tolist())
        )
    return section


def calibration_section(outcomes: Sequence[Outcome]) -> str:
    """Return charts of the accuracy by the predicted probability, and of the number of samples by it.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    model = outcomes[0]
    errors = ", ".join(
        f"{quoted(outcome.name)} {100 * calibration_error(outcome.calibration):.1f} points" for outcome in outcomes
    )
    bins = model.calibration
    rows = [
        [
            f"{100 * part.low:.0f} to {100 * part.high:.0f} %",
            f"{part.count:,}",
            percent(part.confidence),
            percent(part.accuracy),
        ]
        for part in bins
    ]
    return (
        f'<div class="pair"><figure>{_reliability(outcomes)}<figcaption>Ten bins of probability. Above the dashed '
        "line, predictions are right more often than their probability says. Bars: 95 % intervals of "
        f"{escape(quoted(model.name))}.</figcaption></figure>\n<figure>{_certainties(model)}<figcaption>Number of "
        f"test samples by the probability of their prediction, for {escape(quoted(model.name))}.</figcaption>"
        "</figure></div>\n"
        f"<p>Expected calibration error, the mean distance from the dashed line: {escape(errors)}. "
        "With few samples in a bin, chance alone makes it larger than zero.</p>\n"
        + numbers(["Probability", "Samples", "Mean probability", "Accuracy"], rows)
    )


def _reliability(outcomes: Sequence[Outcome]) -> str:
    lines = [Curve("perfectly calibrated", ((0.0, 0.0), (100.0, 100.0)), 0, dashed=True)]
    for colour, outcome in enumerate(outcomes, start=1):
        bins = outcome.calibration
        points = tuple((100 * part.confidence, 100 * part.accuracy) for part in bins)
        intervals = [accuracy_interval(part.accuracy, part.count) for part in bins] if colour == 1 else []
        spread = tuple((100 * low, 100 * high) for low, high in intervals)
        lines.append(Curve(outcome.name, points, colour, intervals=spread))
    return line_chart(
        lines,
        title="Accuracy against the probability of the prediction",
        x_label="Probability of the prediction (%)",
        y_label="Accuracy (%)",
    )


def _certainties(model: Outcome) -> str:
    bars = [
        Bar(100 * part.low, 100 * part.high, (part.count * part.accuracy, part.count * (1 - part.accuracy)))
        for part in model.calibration
    ]
    return bar_chart(
        bars,
        {"right": "filled-right", "wrong": "filled-mistake"},
        title=f"Number of right and wrong predictions of {quoted(model.name)} against their probability",
        x_label="Probability of the prediction (%)",
        y_label="Test samples",
    )
