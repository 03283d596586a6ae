"""How fast are resampling and pyramids? Each cell beside SciPy's or OpenCV's own, in turn, in one process.

Run it with ``python benchmarks/signals_resampling.py``; it takes about a minute.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import scipy.signal

import faltung as fa

_RUNS = 9
_RATES = ((2, 1), (1, 2), (3, 2), (2, 3), (160, 147), (147, 160))
#: Shape and axis of the arrays that are resampled.
_ARRAYS = (((441_000,), 0), ((16, 30_000), 1), ((6_000, 64), 0))


def _their_pyramid(x: Any, levels: int) -> list[Any]:
    details = []
    for _ in range(levels - 1):
        coarse = cv2.pyrDown(x)
        details.append(x - cv2.pyrUp(coarse, dstsize=x.shape[::-1]))
        x = coarse
    return [*details, x]


def _their_image(levels: list[Any]) -> Any:
    x = levels[-1]
    for level in levels[-2::-1]:
        x = level + cv2.pyrUp(x, dstsize=level.shape[::-1])
    return x


def cells() -> Iterator[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """Return the name of each cell, our call and that of the peer."""
    random = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for shape, axis in _ARRAYS:
            x = random.normal(size=shape).astype(dtype)
            for up, down in _RATES:
                yield (
                    f"resample {up}/{down}, {' x '.join(map(str, shape))}, axis {axis}, {dtype}",
                    lambda x=x, up=up, down=down, axis=axis: fa.resample(x, up, down, "constant", axes=axis),
                    lambda x=x, up=up, down=down, axis=axis: scipy.signal.resample_poly(x, up, down, axis),
                )
    kernel = fa.binomial(4)
    for size in (512, 1024, 2048, 4096):
        x = random.normal(size=(size, size)).astype("float32")
        half = cv2.pyrDown(x)
        yield (
            f"one level down, {size} x {size}, float32",
            lambda x=x: fa.convolve(x, kernel, "mirror", stride=2),
            lambda x=x: cv2.pyrDown(x),
        )
        yield (
            f"one level up, to {size} x {size}, float32",
            lambda x=half: fa.convolve(x, 4 * kernel, "mirror", up=2),
            lambda x=half: cv2.pyrUp(x),
        )
        ours, theirs = fa.pyramid(x, 5, "laplacian", "mirror"), _their_pyramid(x, 5)
        about = f"{size} x {size}, 5 levels, float32"
        yield (
            f"laplacian pyramid, {about}",
            lambda x=x: fa.pyramid(x, 5, "laplacian", "mirror"),
            lambda x=x: _their_pyramid(x, 5),
        )
        yield f"collapse, {about}", lambda p=ours: fa.collapse(p), lambda p=theirs: _their_image(p)


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Print, for each cell, our median time and the median of the ratios of the peer's time to ours."""
    for name, ours, theirs in cells():
        ours(), theirs()
        times = [(_time(ours), _time(theirs)) for _ in range(_RUNS)]
        own = 1e3 * statistics.median(own for own, _ in times)
        print(f"{name:64} {own:8.2f} ms   x{statistics.median(other / own for own, other in times):.2f}")


if __name__ == "__main__":
    main()
