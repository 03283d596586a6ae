"""How fast are derivatives and scale spaces beside scikit-image and SciPy? Both in turn, in one process.

Run it with ``python benchmarks/signals_scales.py``; it takes about a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import skimage.feature
import skimage.filters
from scipy import ndimage

import faltung as fa
from measure import table, time_in_turn, write

SHAPE = (2048, 2048)
SIGMAS = (1.0, 2.0, 4.0, 8.0)


def pairs(image: Any) -> dict[str, dict[str, Callable[[], Any]]]:
    """Return for each task ours first, and the peer."""
    gabor = fa.gabor_bank(0.15, 4)
    angles = np.arange(4) * np.pi / 4
    return {
        "Hessian, sigma 2": {
            "faltung": lambda: fa.hessian(image, 2.0),
            "scikit-image, Gaussian derivatives": lambda: skimage.feature.hessian_matrix(
                image, 2.0, use_gaussian_derivatives=True
            ),
            "scikit-image, differences": lambda: skimage.feature.hessian_matrix(
                image, 2.0, use_gaussian_derivatives=False
            ),
        },
        "structure tensor, sigma 1, rho 2": {
            "faltung": lambda: fa.structure_tensor(image, 1.0, 2.0),
            "scikit-image, Sobel": lambda: skimage.feature.structure_tensor(image, 2.0),
        },
        "gradient magnitude, sigma 2": {
            "faltung": lambda: np.hypot(*fa.gradient(image, 2.0)),
            "SciPy": lambda: ndimage.gaussian_gradient_magnitude(image, 2.0, truncate=5),
        },
        "LoG at 4 scales": {
            "faltung": lambda: fa.scale_space(image, SIGMAS, "log"),
            "SciPy": lambda: [s**2 * ndimage.gaussian_laplace(image, s, truncate=5) for s in SIGMAS],
        },
        "Gabor, 4 directions": {
            "faltung": lambda: fa.quadrature(fa.convolve(image, gabor)),
            "scikit-image": lambda: [skimage.filters.gabor(image, 0.15, angle) for angle in angles],
        },
    }


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="tasks whose name contains this text")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each task")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/signals_scales.md")
    arguments = parser.parse_args()
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    rows, data = [], {}
    for task, contenders in pairs(image).items():
        if arguments.only not in task:
            continue
        timings = time_in_turn(contenders, arguments.seconds)
        for name, timing in timings.items():
            rows.append([task, name, f"{1e3 * timing.best:.1f}", f"{timing.ratio:.1f}"])
        data[task] = {name: {"seconds": timing.best, "ratio": timing.ratio} for name, timing in timings.items()}
    text = table(["task", "by", "ms", "ratio"], rows)
    print(text)
    if arguments.write:
        write("signals_scales", "Derivatives and scale spaces, 2048 x 2048 float32", text, data)


if __name__ == "__main__":
    main()
