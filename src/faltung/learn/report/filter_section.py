"""What did the first layer learn? Its kernels, and their feature maps."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from faltung.ground.drawings.pictures import colour_sheet, data_uri, middle, png, signed_sheet
from faltung.ground.drawings.sketches import sketch
from faltung.learn.measures.outcome import Outcome
from faltung.learn.report.wording import nouns

__all__ = ["filters_section"]

_DRAWN = 64  # at most


def filters_section(model: Outcome) -> str:
    """Return pictures of the kernels of the first convolution and of their feature maps; empty without a convolution.

    Examples
    --------
    See `faltung.learn.report.html_report`, which assembles the page.
    """
    kernels, responses = model.first_kernels, model.first_responses
    if kernels is None or responses is None:
        return ""
    sample = nouns(model.sample_shape).sample
    taps = "×".join(map(str, kernels.shape[2:]))
    drawings, meaning, count = _drawn_kernels(kernels)
    shown = "" if count <= _DRAWN else f" The first {_DRAWN} of {count} are shown."
    kernels_caption = (
        f"The {len(kernels)} kernels of {taps} taps in the first convolution, as correlation applies them to the "
        f"{sample}. They began as random numbers and were changed by training only. "
        f"{meaning} Each kernel has its own scale.{shown}"
    )
    responses_caption = f"The feature maps of these kernels for the first test {sample}, in the same order."
    return (
        '<section>\n<h2 id="filters">The kernels of the first layer</h2>\n'
        f"<figure>{drawings}<figcaption>{kernels_caption}</figcaption></figure>\n"
        f"<figure>{_drawn_responses(responses)}<figcaption>{responses_caption}</figcaption></figure>\n</section>"
    )


def _drawn_kernels(kernels: NDArray[np.float32]) -> tuple[str, str, int]:
    """Return drawings of kernels, the meaning of their colours, and the number of drawings that all would need."""
    if kernels.ndim == 3:
        return _sketches(kernels, "Kernel"), "The grey line is zero.", len(kernels)
    if kernels.ndim == 4 and kernels.shape[1] == 3:
        meaning = "Each channel is drawn in its colour; grey is zero."
        return _sheet(colour_sheet(kernels[:_DRAWN]), "kernels in colour"), meaning, len(kernels)
    planes = kernels.reshape(-1, *kernels.shape[2:])
    slices = " The middle slice of each is shown." if kernels.ndim == 5 else ""
    meaning = f"Orange is positive, blue negative, white zero.{slices}"
    return _sheet(signed_sheet(middle(planes[:_DRAWN])), "kernels in blue, white and orange"), meaning, len(planes)


def _drawn_responses(responses: NDArray[np.float32]) -> str:
    if responses.ndim == 2:
        return _sketches(responses[:, None], "Feature map")
    return _sheet(signed_sheet(middle(responses[:_DRAWN])), "feature maps in blue, white and orange")


def _sketches(tiles: NDArray[np.float32], name: str) -> str:
    drawn = (sketch(tile, title=f"{name} {number}", zero=True) for number, tile in enumerate(tiles[:_DRAWN], start=1))
    return f'<div class="sketches">{"".join(drawn)}</div>'


def _sheet(pixels: NDArray[np.uint8], alt: str) -> str:
    return f'<img class="filters" src="{data_uri(png(pixels))}" alt="Tiles: {escape(alt)}"/>'
