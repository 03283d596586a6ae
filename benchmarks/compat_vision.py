"""How long do functions of OpenCV, scikit-image and astropy take, and those in their place? They run in turn.

Both run in turn in one process, each with one thread, and processor time is counted: so other programs on the machine
disturb little. Run it with ``python benchmarks/compat_vision.py --write``; it takes about three minutes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import astropy.convolution
import cv2
import numpy as np
import skimage.filters

import faltung as fa
import faltung.compat.astropy as fa_astropy
import faltung.compat.cv2 as fa_cv2
from faltung.compat.skimage import filters as fa_skimage
from measure import table, write

SIZES = (64, 512, 2048)
#: Seconds for each contender of a row, and the least processor time of a group of calls that is timed as one.
SHARE, LEAST = 0.5, 0.004

Call = Callable[[Any, np.ndarray], Any]


def opencv() -> dict[str, tuple[str, Call]]:
    """Return the dtype and the call of each row, for a module like OpenCV."""
    taps = {size: np.random.default_rng(0).random((size, size), dtype=np.float32) for size in (3, 7, 15)}
    line = np.random.default_rng(0).random(9, dtype=np.float32)
    return {
        "filter2D 3x3": ("float32", lambda cv, x: cv.filter2D(x, -1, taps[3])),
        "filter2D 7x7": ("float32", lambda cv, x: cv.filter2D(x, -1, taps[7])),
        "filter2D 15x15": ("float32", lambda cv, x: cv.filter2D(x, -1, taps[15])),
        "filter2D 7x7 uint8": ("uint8", lambda cv, x: cv.filter2D(x, cv.CV_16S, taps[7])),
        "sepFilter2D 9, 9": ("float32", lambda cv, x: cv.sepFilter2D(x, -1, line, line)),
        "GaussianBlur sigma 2": ("float32", lambda cv, x: cv.GaussianBlur(x, (0, 0), 2)),
        "GaussianBlur sigma 2 uint8": ("uint8", lambda cv, x: cv.GaussianBlur(x, (0, 0), 2)),
        "boxFilter 15x15": ("float32", lambda cv, x: cv.boxFilter(x, -1, (15, 15))),
        "blur 5x5 uint8": ("uint8", lambda cv, x: cv.blur(x, (5, 5))),
        "Sobel 3": ("float32", lambda cv, x: cv.Sobel(x, -1, 1, 0)),
        "Sobel 3 uint8 to int16": ("uint8", lambda cv, x: cv.Sobel(x, cv.CV_16S, 1, 0)),
        "Scharr": ("float32", lambda cv, x: cv.Scharr(x, -1, 0, 1)),
        "Laplacian 5": ("float32", lambda cv, x: cv.Laplacian(x, -1, ksize=5)),
    }


def scikit_image() -> dict[str, tuple[str, Call]]:
    """Return the dtype and the call of each row, for a module like `skimage.filters`."""
    return {
        "gaussian 2": ("float32", lambda f, x: f.gaussian(x, 2)),
        "gaussian 2 uint8": ("uint8", lambda f, x: f.gaussian(x, 2)),
        "sobel": ("float32", lambda f, x: f.sobel(x)),
        "sobel uint8": ("uint8", lambda f, x: f.sobel(x)),
        "scharr_h": ("float32", lambda f, x: f.scharr_h(x)),
        "prewitt": ("float32", lambda f, x: f.prewitt(x)),
        "laplace": ("float32", lambda f, x: f.laplace(x)),
        "difference_of_gaussians 1": ("float32", lambda f, x: f.difference_of_gaussians(x, 1)),
        "gabor 0.2": ("float32", lambda f, x: f.gabor(x, 0.2, theta=0.5)),
        "unsharp_mask 2": ("float32", lambda f, x: f.unsharp_mask(x, 2, 1.5)),
    }


def astropys() -> dict[str, tuple[str, Call]]:
    """Return the dtype and the call of each row, for a module like `astropy.convolution`."""
    kernel = astropy.convolution.Gaussian2DKernel(2).array
    small = kernel[4:-4, 4:-4].copy()
    return {
        "convolve 9x9": ("float64", lambda a, x: a.convolve(x, small)),
        "convolve 9x9, 5 % NaN": ("holes", lambda a, x: a.convolve(x, small)),
        "convolve_fft 17x17": ("float64", lambda a, x: a.convolve_fft(x, kernel, allow_huge=True)),
        "convolve_fft 17x17, 5 % NaN": ("holes", lambda a, x: a.convolve_fft(x, kernel, allow_huge=True)),
    }


ROOMS: dict[str, tuple[Any, Any, Callable[[], dict[str, tuple[str, Call]]]]] = {
    "OpenCV": (cv2, fa_cv2, opencv),
    "scikit-image": (skimage.filters, fa_skimage, scikit_image),
    "astropy": (astropy.convolution, fa_astropy, astropys),
}


def image(size: int, dtype: str) -> np.ndarray:
    """Return an image; for the dtype ``holes``, some samples are NaN."""
    rng = np.random.default_rng(1)
    if dtype == "uint8":
        return rng.integers(0, 256, (size, size), np.uint8)
    if dtype == "holes":
        return np.where(rng.random((size, size)) < 0.05, np.nan, rng.random((size, size)))
    return rng.random((size, size)).astype(dtype)


def _group(call: Callable[[], Any]) -> int:
    """Return how many calls take long enough to be timed."""
    call()
    start = time.process_time()
    call()
    once = time.process_time() - start
    return max(1, int(LEAST / max(once, 1e-6)))


def _timed(call: Callable[[], Any], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - start) / count


def in_turn(ours: Callable[[], Any], peer: Callable[[], Any]) -> tuple[float, float, float]:
    """Return the least seconds of both, and the median of the peer's over ours."""
    counts = _group(ours), _group(peer)
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + 2 * SHARE
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 31):
        times.append((_timed(ours, counts[0]), _timed(peer, counts[1])))
    return min(a for a, _ in times), min(b for _, b in times), statistics.median(b / a for a, b in times)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name contains this text")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/compat_vision.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    rows, data = [], {}
    with fa.workers(1):
        for library, (peer, ours, calls) in ROOMS.items():
            for name, (dtype, call) in calls().items():
                if arguments.only not in f"{library} {name}":
                    continue
                row = [library, name]
                for size in SIZES:
                    x = image(size, dtype)
                    mine, theirs, ratio = in_turn(
                        lambda x=x, call=call, ours=ours: call(ours, x),
                        lambda x=x, call=call, peer=peer: call(peer, x),
                    )
                    row += [f"{mine * 1e3:.3g}", f"{theirs * 1e3:.3g}", f"{ratio:.2f}"]
                    data[f"{library} {name} {size}"] = {"ours": mine, "peer": theirs, "ratio": ratio}
                rows.append(row)
                print(" | ".join(row), flush=True)
    header = ["library", "call"]
    for size in SIZES:
        header += [f"{size}: faltung ms", "library ms", "ratio"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("scikit-image", "astropy"))
    note = f"\nProcessor time of one thread, the least of many. Ratio: the median of theirs over ours. {versions}.\n"
    if arguments.write:
        write("compat_vision", "Functions of OpenCV, scikit-image and astropy", table(header, rows) + note, data)


if __name__ == "__main__":
    main()
