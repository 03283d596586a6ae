"""What does a run of generators show? A page with their samples, their scores, and what they were near to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Split
from faltung.learn.report.charts import Curve, line_chart
from faltung.learn.report.contact_sheet import contact_sheet
from faltung.learn.report.numbers import definitions, grid
from faltung.learn.report.pictures import data_uri, png
from faltung.learn.report.wording import nouns, percent, quoted
from faltung.learn.tasks.generation.generated import GeneratorOutcome, score_table

__all__ = ["html_page"]


def html_page(outcomes: Sequence[GeneratorOutcome], split: Split, made: Mapping[str, object]) -> str:
    """Return a page that shows generators and carries its style and pictures within itself.

    Parameters
    ----------
    outcomes : sequence of GeneratorOutcome
        The generator first, then its yardsticks.
    split : Split
        The data that they learned from and are compared with.
    made : mapping
        Where the numbers come from: data, recipe, seed, versions.

    Examples
    --------
    See `faltung.learn.tasks.generate.learn_to_generate`, which writes it.
    """
    model = outcomes[0]
    called = nouns(split.training.sample_shape)
    template = Template(
        files("faltung.learn.tasks.generation").joinpath("generation.html").read_text(encoding="utf-8")
    )
    return template.substitute(
        data_name=escape(split.name),
        data_sizes=f"{len(split.class_names)} classes; {len(split.training):,} {called.samples} to learn from, "
        f"{len(split.validation):,} to watch, {len(split.test):,} to compare with",
        findings="\n".join(f"<p>{escape(sentence)}</p>" for sentence in _findings(outcomes, called.samples)),
        grids="\n".join(_grid(each) for each in outcomes),
        scores=grid(*score_table(outcomes), _scores_caption(model, called.samples)),
        ways="\n".join(_ways(each) for each in outcomes),
        samples=called.samples,
        sample=called.sample,
        risk=_risk_chart(outcomes),
        provenance=definitions(made),
    )


def _findings(outcomes: Sequence[GeneratorOutcome], samples: str) -> list[str]:
    return [
        f"{quoted(each.name)}: the judge sees the class that was asked for in {percent(each.score.label_accuracy)} "
        f"of its {samples}, and the right one in {percent(each.score.test_label_accuracy)} of the test {samples}. "
        f"The Fréchet distance to the test {samples} is {each.score.frechet:.3f}, that of as many training {samples} "
        f"{each.score.frechet_floor:.3f}. {_copies(each, samples)}"
        for each in outcomes
    ]


def _copies(outcome: GeneratorOutcome, samples: str) -> str:
    own, real = outcome.score.nearest, outcome.score.test_nearest
    verdict = "no nearer" if own >= real else "nearer"
    return (
        f"What it makes is {verdict} to the training {samples} than test {samples} are: {own:.2f} against {real:.2f}."
    )


def _grid(outcome: GeneratorOutcome) -> str:
    classes, columns = outcome.samples.shape[:2]
    sheet = contact_sheet(outcome.samples.reshape(-1, *outcome.samples.shape[2:]), columns)
    names = ", ".join(outcome.class_names)
    caption = f"{quoted(outcome.name)}, the first {columns} of each class, neither sorted nor chosen: {names}."
    return _figure(sheet, f"{classes} rows of {columns} generated samples: {names}", caption)


def _ways(outcome: GeneratorOutcome) -> str:
    moments = outcome.ways.shape[1]
    rows = np.concatenate([outcome.ways, outcome.neighbours[:, None]], axis=1)
    sheet = contact_sheet(rows.reshape(-1, *rows.shape[2:]), moments + 1)
    caption = f"{quoted(outcome.name)}. Last column: the nearest of all training samples."
    return _figure(sheet, f"{len(rows)} rows from noise to a sample, and its nearest training sample", caption)


def _figure(pixels: NDArray[np.uint8], alternative: str, caption: str) -> str:
    return (
        f'<figure><img class="sheet" alt="{escape(alternative)}" src="{data_uri(png(pixels))}"/>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _scores_caption(model: GeneratorOutcome, samples: str) -> str:
    score = model.score
    return (
        f"{score.samples:,} generated and as many test {samples}, of the same classes. Multiply-adds are for one "
        f"velocity of one sample. Label accuracy: share in which the judge sees the class that was asked for. "
        f"Fréchet distance: of the judge's features to those of the test {samples}. Nearest training: median "
        f"distance to the nearest training sample; among the judge's features it is {score.nearest_features:.2f} for "
        f"{escape(quoted(model.name))} and {score.test_nearest_features:.2f} for test {samples}. The last row has, "
        f"instead of generated {samples}, test {samples}, and training {samples} for the Fréchet distance."
    )


def _risk_chart(outcomes: Sequence[GeneratorOutcome]) -> str:
    lines = [
        Curve(
            f"{outcome.name}, {part}",
            tuple((record.epoch, record.measures[f"{part}_risk"]) for record in outcome.history),
            colour,
            dashed=part == "validation",
        )
        for colour, outcome in enumerate(outcomes, start=1)
        for part in ("training", "validation")
    ]
    label = "Risk (mean squared error of the velocity)"
    return line_chart(lines, title=f"{label} against epoch", x_label="Epoch", y_label=label)
