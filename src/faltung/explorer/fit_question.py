"""Which filter leads from one picture to another? The answer of `fa.fit_filter` for pictures from the page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.explorer.question_arguments import checked_samples
from faltung.fit import fit_filter
from faltung.ground.checks import integer, real
from faltung.kernels import Kernel

__all__ = ["LARGEST_SIZE", "fit"]

LARGEST_SIZE = 15
"""Taps along each axis, at most."""

_MOST_SAMPLES = 2**20
_REPORTED = (
    "training_risk", "explained", "positions", "condition", "unknowns", "rank", "degrees_of_freedom", "shift",
    "displacement",
)  # fmt: skip
_HELD_OUT = ("held_out_risk", "held_out_interval", "held_out_explained", "held_out_positions", "held_out_tiles")


def fit(*, before: object, after: object, size: object, ridge: object) -> dict[str, object]:
    """Return the filter that minimises the squared error over all outputs, and how good it is.

    Its risk on tiles that it has not seen is that of another filter, which was fitted to the other tiles.

    Examples
    --------
    >>> import faltung as fa
    >>> x = np.random.default_rng(0).normal(size=(40, 40))
    >>> answer = fit(before=x, after=fa.convolve(x, fa.box(3)), size=3, ridge=0)
    >>> np.allclose(answer["taps"], 1 / 9), answer["held_out_positions"]
    (True, 305)
    """
    length = integer("size", size, 1, LARGEST_SIZE)
    penalty = real("ridge", ridge, 0.0)
    pictures = _picture("before", before), _picture("after", after)
    if pictures[0].shape != pictures[1].shape:
        shapes = " and ".join(" × ".join(map(str, picture.shape)) for picture in pictures)
        raise ArgumentError("after", "a picture of the same size as before", shapes)
    kernel, report = fit_filter(*pictures, length, ridge=penalty, held_out=0.0)
    _, judged = fit_filter(*pictures, length, ridge=penalty)
    assert isinstance(kernel, Kernel)
    assert report.offset is not None
    facts = {name: getattr(report, name) for name in _REPORTED} | {name: getattr(judged, name) for name in _HELD_OUT}
    return {"taps": kernel.taps, "origin": list(kernel.origin), "offset": report.offset[0], **facts}


def _picture(name: str, given: object) -> NDArray[np.float64]:
    return checked_samples(name, given, "a gray picture", (2,), _MOST_SAMPLES)
