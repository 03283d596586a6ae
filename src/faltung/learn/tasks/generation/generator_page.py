"""How is the page of generators assembled? From their samples, scores, paths and nearest training samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Split
from faltung.ground.drawings.charts import Curve, line_chart
from faltung.ground.drawings.numbers import definitions, grid
from faltung.ground.drawings.pictures import data_uri, png
from faltung.ground.drawings.style import page_style
from faltung.inspect.card_page import section_html
from faltung.learn.report.contact_sheet import contact_sheet
from faltung.learn.report.wording import nouns, percent, quoted
from faltung.learn.tasks.generation.generator_outcome import GeneratorOutcome, score_table

__all__ = ["html_page"]


def html_page(outcomes: Sequence[GeneratorOutcome], split: Split, made: Mapping[str, object]) -> str:
    """Return the page of a comparison of generators, with its style and pictures in the same file.

    Parameters
    ----------
    outcomes : sequence of GeneratorOutcome
        The model first, then its yardsticks.
    split : Split
        Training, validation and test set.
    made : mapping
        How the numbers were made: data, recipe, seed, versions, machine, sampling and judge.

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
        style=page_style(),
        data_name=escape(split.name),
        data_sizes=f"{len(split.class_names)} classes; {len(split.training):,} training {called.samples}, "
        f"{len(split.validation):,} for validation, {len(split.test):,} for the test",
        findings="\n".join(f"<p>{escape(sentence)}</p>" for sentence in _findings(outcomes, called.samples)),
        grids="\n".join(map(_grid, outcomes)),
        scores=grid(*score_table(outcomes), _scores_caption(model, called.samples)),
        paths="\n".join(map(_paths, outcomes)),
        samples=called.samples,
        sample=called.sample,
        inspected="\n".join(section_html(*section) for section in model.inspected.items()),
        risk=_risk_chart(outcomes),
        provenance=definitions(made),
    )


def _findings(outcomes: Sequence[GeneratorOutcome], samples: str) -> list[str]:
    return [
        f"{quoted(outcome.name)}: the judge recognises the class of {percent(outcome.score.label_accuracy)} of the "
        f"generated {samples}, and of {percent(outcome.score.test_label_accuracy)} of the test {samples}. The "
        f"Fréchet distance to the test {samples} is {outcome.score.frechet:.3f}; for as many training {samples} it "
        f"is {outcome.score.frechet_floor:.3f}. {_copies(outcome, samples)}"
        for outcome in outcomes
    ]


def _copies(outcome: GeneratorOutcome, samples: str) -> str:
    own, real = outcome.score.nearest, outcome.score.test_nearest
    verdict = "not nearer" if own >= real else "nearer"
    return (
        f"Generated {samples} are {verdict} to the training {samples} than test {samples} are: the median distance "
        f"to the nearest one is {own:.2f}, against {real:.2f}."
    )


def _grid(outcome: GeneratorOutcome) -> str:
    classes, columns = outcome.samples.shape[:2]
    sheet = contact_sheet(outcome.samples.reshape(-1, *outcome.samples.shape[2:]), columns)
    names = ", ".join(outcome.class_names)
    caption = f"{quoted(outcome.name)}, the first {columns} of each class, without selection: {names}."
    return _figure(sheet, f"{classes} rows of {columns} generated samples: {names}", caption)


def _paths(outcome: GeneratorOutcome) -> str:
    moments = outcome.paths.shape[1]
    rows = np.concatenate([outcome.paths, outcome.neighbours[:, None]], axis=1)
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
        "evaluation of the network. Label accuracy: share of samples whose class the judge recognises. Fréchet "
        f"distance: between the judge's features of generated and of test {samples}. Nearest training: median "
        f"distance to the nearest training sample; between the judge's features it is {score.nearest_features:.2f} "
        f"for {escape(quoted(model.name))} and {score.test_nearest_features:.2f} for test {samples}. The last row is "
        f"for test {samples} instead of generated ones; its Fréchet distance is between training and test {samples}."
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
