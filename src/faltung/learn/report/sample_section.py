"""How are predictions shown? As the picture of a sample with the prediction below it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from faltung.datasets.dataset import Split
from faltung.ground.drawings.pictures import data_uri, png, visible
from faltung.ground.drawings.sketches import sketch
from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.wording import nouns

__all__ = ["judged_samples", "picture"]


def picture(split: Split, index: int) -> str:
    """Return a test sample as an HTML element: series as line drawings, images and volumes as pictures.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> picture(load_embedded(), 0)[:26]
    '<img class="sample" alt="T'
    """
    sample, label = split.test.samples[index], split.test.labels[index]
    title = f"Test {nouns(split.test.sample_shape).sample} {index}: {split.class_names[label]}"
    if split.test.ndim == 1:
        return sketch(sample, title=title)
    return f'<img class="sample" alt="{escape(title)}" src="{data_uri(png(visible(sample)))}"/>'


def judged_samples(model: Outcome, split: Split, indices: Iterable[int]) -> str:
    """Return an HTML list of test samples, each with the prediction and its probability.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    judged = "\n".join(_judged(model, split, index) for index in indices)
    return f'<ul class="samples">\n{judged}\n</ul>'


def _judged(model: Outcome, split: Split, index: int) -> str:
    probabilities = model.test_probabilities[index]
    predicted, actual = int(probabilities.argmax()), int(split.test.labels[index])
    prediction = f"{escape(split.class_names[predicted])} {100 * probabilities[predicted]:.0f} %"
    wrong = f'<span class="wrong">{prediction}</span><br/>is {escape(split.class_names[actual])}'
    return f"<li>{picture(split, index)}{prediction if predicted == actual else wrong}</li>"
