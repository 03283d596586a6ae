"""What does a comparison show? One table for terminal and page, and the page, which stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

from faltung.learn.charts import Line, line_chart
from faltung.learn.datasets import Split
from faltung.learn.outcome import SHIFTS, Outcome
from faltung.learn.pictures import data_uri, png, signed_sheet

__all__ = ["findings", "html_report", "table"]

_FIRST_SAMPLES = 20
_MISTAKES = 10


def table(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison: what each network costs and how well it does.

    Examples
    --------
    >>> header, rows = table([])
    >>> header[:5]
    ['Network', 'Parameters', 'Multiply-adds', 'Training time', 'Test accuracy']
    >>> header[5:]
    ['Moved 1 px', 'Moved 2 px', 'Moved 4 px']
    """
    header = ["Network", "Parameters", "Multiply-adds", "Training time", "Test accuracy"]
    header += [f"Moved {pixels} px" for pixels in SHIFTS]
    rows = [
        [
            outcome.name,
            f"{outcome.cost.parameters:,}",
            f"{outcome.cost.multiply_adds:,}",
            f"{outcome.training_seconds:.1f} s",
            _percent(outcome.test_accuracy),
            *(_percent(outcome.shifted_accuracy[pixels]) for pixels in SHIFTS),
        ]
        for outcome in outcomes
    ]
    return header, rows


def findings(outcomes: Sequence[Outcome]) -> list[str]:
    """Say in sentences what the first network does that the second does not, whichever way it went.

    Examples
    --------
    >>> findings([])
    []
    """
    if len(outcomes) < 2:
        return []
    model, yardstick = outcomes[:2]
    furthest = max(SHIFTS)
    losses = [100 * (each.test_accuracy - each.shifted_accuracy[furthest]) for each in (model, yardstick)]
    return [
        f"With {_ratio(model.cost.parameters, yardstick.cost.parameters)} parameters "
        f"({model.cost.parameters:,} against {yardstick.cost.parameters:,}) the {model.name} network recognises "
        f"{_percent(model.test_accuracy)} of the test images, the {yardstick.name} network "
        f"{_percent(yardstick.test_accuracy)}.",
        f"Moving the images by {furthest} pixels costs the {model.name} network {losses[0]:.1f} points of accuracy "
        f"and the {yardstick.name} network {losses[1]:.1f}; a part of this has left the frame and is lost for both.",
        f"The {model.name} network needs {_ratio(model.cost.multiply_adds, yardstick.cost.multiply_adds)} "
        f"multiply-adds an image.{_SHARING if _pays_in_arithmetic(model, yardstick) else ''}",
    ]


def html_report(outcomes: Sequence[Outcome], split: Split, made: Mapping[str, object]) -> str:
    """Return a page that shows a comparison and carries its style and pictures within itself.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The network first, then its yardsticks.
    split : Split
        The data that they were trained and tested on.
    made : mapping
        What `provenance` returned.

    Examples
    --------
    See `faltung.learn.comparison.compare`, which writes it.
    """
    model = outcomes[0]
    header, rows = table(outcomes)
    template = Template(files("faltung.learn").joinpath("report_template.html").read_text(encoding="utf-8"))
    return template.substitute(
        data_name=escape(split.name),
        data_sizes=f"{len(split.training):,} images to learn from, {len(split.validation):,} to watch, "
        f"{len(split.test):,} to test",
        findings="\n".join(f"<p>{escape(sentence)}</p>" for sentence in findings(outcomes)),
        table_caption=_table_caption(outcomes, split),
        table_header="".join(f'<th scope="col">{escape(cell)}</th>' for cell in header),
        table_rows="\n".join(_table_row(row) for row in rows),
        shift_chart=_shift_chart(outcomes),
        shift_caption="Mean over moves up, down, left and right; black moves in.",
        risk_chart=_history_chart(outcomes, "risk", 1.0, "Empirical risk (mean loss)"),
        accuracy_chart=_history_chart(outcomes, "accuracy", 100.0, "Accuracy (%)"),
        risks="".join(f"<p>{escape(_risk_sentence(outcome))}</p>" for outcome in outcomes),
        filters=_filters_section(model),
        model_name=escape(model.name),
        first_samples="\n".join(
            _sample(model, split, index) for index in range(min(_FIRST_SAMPLES, len(split.test)))
        ),
        mistakes=_mistakes(model, split),
        provenance=_definitions(made),
    )


_SHARING = " Each of its weights is stored once and used at every place, which saves parameters and not arithmetic."


def _pays_in_arithmetic(model: Outcome, yardstick: Outcome) -> bool:
    return model.cost.multiply_adds > max(model.cost.parameters, yardstick.cost.multiply_adds)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _ratio(ours: int, theirs: int) -> str:
    if ours < theirs:
        return f"{theirs / ours:.1f} times fewer"
    return f"{ours / theirs:.1f} times as many"


def _table_caption(outcomes: Sequence[Outcome], split: Split) -> str:
    intervals = ", ".join(
        f"{escape(outcome.name)} {100 * outcome.test_interval[0]:.1f} to {_percent(outcome.test_interval[1])}"
        for outcome in outcomes
    )
    return (
        "Same images, loss, epochs, optimiser and augmentation for all; one run each. "
        "Multiply-adds are for one image. "
        f"With {len(split.test):,} test images the 95 % confidence intervals of the test accuracy are: {intervals}."
    )


def _table_row(row: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def _shift_chart(outcomes: Sequence[Outcome]) -> str:
    lines = []
    for colour, outcome in enumerate(outcomes, start=1):
        by_pixels = {0: outcome.test_accuracy, **outcome.shifted_accuracy}
        points = tuple((pixels, 100 * share) for pixels, share in by_pixels.items())
        lines.append(Line(outcome.name, points, colour))
    return line_chart(
        lines,
        title="Test accuracy against how far the test images are moved",
        x_label="Test images moved by (pixels)",
        y_label="Test accuracy (%)",
        x_ticks=(0, *SHIFTS),
    )


def _history_chart(outcomes: Sequence[Outcome], quantity: str, unit: float, y_label: str) -> str:
    lines = [
        Line(
            f"{outcome.name}, {part}",
            tuple((record.epoch, unit * getattr(record, f"{part}_{quantity}")) for record in outcome.history),
            colour,
            dashed=part == "validation",
        )
        for colour, outcome in enumerate(outcomes, start=1)
        for part in ("training", "validation")
    ]
    return line_chart(lines, title=f"{y_label} against epoch", x_label="Epoch", y_label=y_label)


def _risk_sentence(outcome: Outcome) -> str:
    return (
        f"With its last weights the {outcome.name} network has a risk of {outcome.training_risk:.3f} on the images "
        f"it learned from and of {outcome.test_risk:.3f} on the test images."
    )


def _filters_section(model: Outcome) -> str:
    if model.first_kernels is None or model.first_responses is None:
        return ""
    kernels = model.first_kernels.reshape(-1, *model.first_kernels.shape[2:])
    height, width = kernels.shape[1:]
    kernels_caption = (
        f"The {len(kernels)} kernels of {height}x{width} taps in the first layer, as they are laid over the image. "
        "They began as random numbers, and making the risk small is all that shaped them. Orange is positive, blue "
        "negative, white zero; each has its own scale."
    )
    responses_caption = "What they answer to the first test image, in the same order and colours."
    return (
        "<section>\n<h2>The filters it learned</h2>\n"
        + _sheet_figure(kernels, kernels_caption)
        + _sheet_figure(model.first_responses, responses_caption)
        + "</section>"
    )


def _sheet_figure(tiles: NDArray[np.float32], caption: str) -> str:
    picture = data_uri(png(signed_sheet(tiles)))
    return (
        f'<figure><img class="filters" src="{picture}" alt="{len(tiles)} tiles in blue, white and orange"/>'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def _sample(model: Outcome, split: Split, index: int) -> str:
    probabilities = model.test_probabilities[index]
    predicted, actual = int(probabilities.argmax()), int(split.test.labels[index])
    said = f"{escape(split.class_names[predicted])} {100 * probabilities[predicted]:.0f} %"
    name = escape(split.class_names[actual])
    verdict = said if predicted == actual else f'<span class="wrong">{said}</span><br/>is {name}'
    sample = split.test.samples[index]
    picture = data_uri(png(sample[0] if len(sample) == 1 else np.moveaxis(sample, 0, -1)))
    return f'<li><img src="{picture}" alt="Test image {index}: {name}" width="84" height="84"/>{verdict}</li>'


def _mistakes(model: Outcome, split: Split) -> str:
    wrong = np.flatnonzero(model.test_probabilities.argmax(1) != split.test.labels)
    if not len(wrong):
        return ""
    surest_first = wrong[np.argsort(-model.test_probabilities[wrong].max(1), kind="stable")]
    shown = "\n".join(_sample(model, split, int(index)) for index in surest_first[:_MISTAKES])
    return (
        f"<p>It is wrong about {len(wrong):,} of {len(split.test):,}. The mistakes that it was surest of:</p>\n"
        f'<ul class="samples">\n{shown}\n</ul>'
    )


def _definitions(made: Mapping[str, object]) -> str:
    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(value)

    return "\n".join(
        f"<dt>{escape(key.capitalize())}</dt><dd>{escape(text(value))}</dd>" for key, value in made.items()
    )
