"""Draw how each mode continues an array: docs/images/modes.png. Run it with an environment that has matplotlib."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import faltung as fa

mpl.use("agg")
import matplotlib.pyplot as plt

SAMPLES = np.array([2.0, 5.0, 3.0, 8.0])
REACH = 6  # samples beyond each border
MODES = ("reflect", "mirror", "nearest", "wrap", "constant")


def main() -> None:
    """Write the picture."""
    figure, panels = plt.subplots(len(MODES), 1, figsize=(9, 6.5), sharex=True, layout="constrained")
    positions = np.arange(-REACH, SAMPLES.size + REACH)
    for panel, mode in zip(panels, MODES, strict=True):
        whole = np.array([_sample_at(position, mode) for position in positions])
        inside = (positions >= 0) & (positions < SAMPLES.size)
        panel.bar(positions, whole, color=np.where(inside, "#1f5fbf", "#c2cbd8"), width=0.92)
        for position, value in zip(positions, whole, strict=True):
            panel.text(position, value + 0.3, f"{value:g}", ha="center", fontsize=11)
        panel.set(ylim=(0, 10.5), yticks=[], xticks=[])
        panel.set_ylabel(mode, rotation=0, ha="right", va="center", fontsize=14, family="monospace")
        panel.spines[["top", "left", "right"]].set_visible(False)
    figure.suptitle("The array 2 5 3 8 (blue) and how it continues (grey); the constant is 1", fontsize=14)
    figure.savefig(Path(__file__).parent / "images" / "modes.png", dpi=90)


def _sample_at(position: int, mode: str) -> float:
    """Return a sample of the extension: one tap that reaches it from the first sample."""
    return fa.correlate(SAMPLES, fa.Kernel([1.0], origin=-int(position)), mode, cval=1.0)[0]


if __name__ == "__main__":
    main()
