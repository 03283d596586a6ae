"""What did the first layer learn? Its kernels, and what they answer."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.pictures import colour_sheet, data_uri, middle, png, signed_sheet
from faltung.learn.report.sketches import sketch
from faltung.learn.report.wording import nouns

__all__ = ["filters_section"]

_DRAWN = 64  # at most


def filters_section(model: Outcome) -> str:
    """Return pictures of the first convolution's kernels and of their answers, or nothing if there is none.

    Examples
    --------
    See `faltung.learn.report.html_report`, which puts the page together.
    """
    kernels, responses = model.first_kernels, model.first_responses
    if kernels is None or responses is None:
        return ""
    sample = nouns(model.sample_shape).sample
    taps = "×".join(map(str, kernels.shape[2:]))
    drawings, meaning, count = _drawn_kernels(kernels)
    shown = "" if count <= _DRAWN else f" The first {_DRAWN} of {count} are shown."
    kernels_caption = (
        f"The {len(kernels)} kernels of {taps} taps in the first convolution, as they are laid over the {sample}. "
        "They began as random numbers, and making the risk small is all that shaped them. "
        f"{meaning} Each has its own scale.{shown}"
    )
    responses_caption = f"What they answer to the first test {sample}, in the same order."
    return (
        '<section>\n<h2 id="filters">The filters it learned</h2>\n'
        f"<figure>{drawings}<figcaption>{kernels_caption}</figcaption></figure>\n"
        f"<figure>{_drawn_responses(responses)}<figcaption>{responses_caption}</figcaption></figure>\n</section>"
    )


def _drawn_kernels(kernels: NDArray[np.float32]) -> tuple[str, str, int]:
    """Return drawings of kernels, what their colours mean, and how many drawings all of them would need."""
    if kernels.ndim == 3:
        return _sketches(kernels, "Kernel"), "The quiet line is zero.", len(kernels)
    if kernels.ndim == 4 and kernels.shape[1] == 3:
        meaning = "They are drawn in the colours that they read, with grey for zero."
        return _sheet(colour_sheet(kernels[:_DRAWN]), "kernels in colour"), meaning, len(kernels)
    each = kernels.reshape(-1, *kernels.shape[2:])
    slices = " Of each the middle slice is shown." if kernels.ndim == 5 else ""
    meaning = f"Orange is positive, blue negative, white zero.{slices}"
    return _sheet(signed_sheet(middle(each[:_DRAWN])), "kernels in blue, white and orange"), meaning, len(each)


def _drawn_responses(responses: NDArray[np.float32]) -> str:
    if responses.ndim == 2:
        return _sketches(responses[:, None], "Answer")
    return _sheet(signed_sheet(middle(responses[:_DRAWN])), "answers in blue, white and orange")


def _sketches(tiles: NDArray[np.float32], what: str) -> str:
    drawn = (sketch(tile, title=f"{what} {place}", zero=True) for place, tile in enumerate(tiles[:_DRAWN], start=1))
    return f'<div class="sketches">{"".join(drawn)}</div>'


def _sheet(pixels: NDArray[np.uint8], alt: str) -> str:
    return f'<img class="filters" src="{data_uri(png(pixels))}" alt="Tiles: {escape(alt)}"/>'
