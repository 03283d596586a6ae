"""How do the pictures of the pages look? Readable on a projector, and the same in the light and the dark page."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt

_LOOK = {
    "figure.figsize": (8, 4),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "black"]),
    "lines.linewidth": 2,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}


def reset(gallery: dict[str, Any], file: str) -> None:
    """Give matplotlib the look of this project; sphinx-gallery calls it before each script."""
    plt.rcdefaults()
    plt.rcParams.update(_LOOK)
